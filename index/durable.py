"""Files that survive a power cut whole.

Part of store. Holds: at a place there is the old file or the new one, never half of it, and nothing beside
it when writing failed.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(place: Path) -> Iterator[Path]:
    """Give a path to write a new file to, which takes its place in one step when the block ends well."""
    new = place.with_name(place.name + ".new")
    try:
        yield new
        put_in_place(new, place)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


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
