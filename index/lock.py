"""One writer at a time: a file lock in the index's folder, and who holds it.

Part of store. Holds: the lock ends with its process, however that ends; a refusal names the holder.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import filelock

from index.errors import IndexBusy, StoreError

LOCK, HOLDER = "lock", "lock.pid"
SAVING = "vectors.lock"  # of the FAISS file, which a reader may save too


@contextmanager
def only_writer(path: Path, wait: float = 0.0) -> Iterator[None]:
    """Be the only writer of the index in a folder.

    :param wait: seconds to wait for another writer to finish
    :raises IndexBusy: another process is writing
    """
    lock = filelock.FileLock(path / LOCK)
    try:
        lock.acquire(timeout=wait)
    except filelock.Timeout:
        raise IndexBusy(
            f"{_holder(path)} is writing to {path}; try again when it is done, or wait with --wait SECONDS"
        ) from None
    except OSError as error:
        raise StoreError(f"cannot write to the index at {path}: {error.strerror}") from error
    try:
        with suppress(OSError):  # it only names the holder
            (path / HOLDER).write_text(str(os.getpid()))
        yield
    finally:
        lock.release()


@contextmanager
def only_saver(path: Path, wait: float = 0.0) -> Iterator[None]:
    """Be the only one to save the FAISS file; whoever writes to the index need not wait for this.

    :raises OSError: another process is saving it, or the folder cannot be written to
    """
    with filelock.FileLock(path / SAVING, timeout=wait):
        yield


def _holder(path: Path) -> str:
    try:
        return f"process {int((path / HOLDER).read_text())}"
    except (OSError, ValueError):
        return "another process"
