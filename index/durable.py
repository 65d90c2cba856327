"""Files that survive a power cut whole.

Part of store. Holds: at a place there is the old file or the new one, never half of it.
"""

import os
from pathlib import Path


def put_in_place(new: Path, place: Path) -> None:
    """Sync a finished file, give it its name in one step, and sync the folder that holds the name."""
    _sync(new)
    new.replace(place)
    _sync(place.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
