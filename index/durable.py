"""Files that survive a power cut whole.

Part of store. Holds: at a place there is the old file or the new one, never half of it, and nothing beside
it when writing failed.
"""

import os
from collections.abc import Iterable, Iterator
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


def write_private(place: Path, lines: Iterable[str]) -> None:
    """Write lines of text that only the owner may read, in the place of what was there."""
    with replacing(place) as new:
        new.unlink(missing_ok=True)  # one left by a crash would keep its mode
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)


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
