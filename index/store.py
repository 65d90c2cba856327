"""The index on disk: SQLite is the truth, the FAISS file and the full text are derived from it.

Step 5 of load -> clean -> chunk -> embed -> store.
Holds: a transaction is committed whole or not at all, with the generation number raised by one; a
snapshot sees one generation; the FAISS file is rebuilt or caught up from SQLite, without embedding,
whenever it is missing, damaged or of another generation.
One writer at a time (a file lock), any number of readers. Does not load, clean, chunk or embed.
"""

import json
import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from index.database import (
    DATABASE,
    Manifest,
    aside,
    connect,
    initialise,
    new_folder,
    reading,
    state_of,
)
from index.errors import IndexMismatch, IndexMissing, StoreError
from index.lock import only_saver, only_writer
from index.schema import FORMAT, STORED_PASSAGE, is_intact, meta_of, vectors_of
from index.snapshot import Snapshot
from index.vectors import VECTORS, VectorIndex
from index.writer import Writer

log = logging.getLogger("citewire.store")


class Index:
    """An index in a folder. ``Index.create`` and ``Index.open`` make one; close it, or use ``with``."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest
        self._idle: list[sqlite3.Connection] = []
        self._file = _file_of(path)  # that the idle connections read
        self._guard = threading.Lock()
        self._vectors: tuple[str, VectorIndex] | None = None

    @classmethod
    def create(cls, path: str | Path, manifest: Manifest) -> "Index":
        """Open the index at a folder, or make an empty one there.

        :raises IndexMismatch: there is one, made with another encoder, chunking or format
        :raises StoreError: the folder cannot be made or holds something else
        """
        path = Path(path)
        if not (path / DATABASE).exists():
            with new_folder(path):
                if not (path / DATABASE).exists():  # nobody else was first
                    initialise(path, manifest)
        index = cls.open(path)
        if index.manifest != manifest:
            index.close()
            raise IndexMismatch(_difference(path, index.manifest, manifest))
        return index

    @classmethod
    def open(cls, path: str | Path, *, encoder: str | None = None) -> "Index":
        """Open an index.

        :param encoder: fingerprint of the encoder that will search it; None to skip the check
        :raises IndexMissing: there is none
        :raises IndexMismatch: it was made with another encoder or by another format version
        :raises IndexDamaged: SQLite cannot read it
        """
        path = Path(path)
        with closing(connect(path)) as connection, reading(path):
            find = "SELECT 1 FROM sqlite_master WHERE name = 'passages'"
            if not connection.execute(find).fetchone():
                raise IndexMissing(f"{path / DATABASE} is not an index; name another place with --index")
            stored = json.loads(_manifest(connection))
            if stored["format"] != FORMAT:
                raise IndexMismatch(_other_format(path, stored["format"]))
            meta_of(connection)
        manifest = Manifest(**stored)
        if encoder is not None and encoder != manifest.encoder:
            raise IndexMismatch(_difference(path, manifest, Manifest(**{**stored, "encoder": encoder})))
        return cls(path, manifest)

    def close(self) -> None:
        with self._guard:
            for connection in self._idle:
                connection.close()
            self._idle.clear()

    def __enter__(self) -> "Index":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """Read one committed state, unaffected by what is written meanwhile."""
        with self._guard:
            if self._file != _file_of(self.path):
                self._start_again()
            file, connection = self._file, self._idle.pop() if self._idle else None
        connection = connection or connect(self.path)
        try:
            with reading(self.path):
                connection.execute("BEGIN")
                generation, state = state_of(connection)
                yield Snapshot(connection, self._vectors_at(state, connection), generation)
        finally:
            connection.rollback()
            with self._guard:
                if file == self._file:
                    self._idle.append(connection)
                else:
                    connection.close()

    def _start_again(self) -> None:
        """Take up the index that was put in the place of the one that was opened, such as a backup."""
        with Index.open(self.path, encoder=self.manifest.encoder) as new:
            self.manifest, self._file, self._vectors = new.manifest, new._file, None
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    @contextmanager
    def update(self, wait: float = 0.0) -> Iterator[Writer]:
        """Change the index; what is not committed when an exception leaves the block never was.

        :param wait: seconds to wait for another writer to finish
        :raises IndexBusy: another process is writing
        """
        with only_writer(self.path, wait), closing(connect(self.path)) as connection, reading(self.path):
            writer = Writer(connection)
            try:
                yield writer
                writer.commit()
            finally:
                connection.rollback()
                self._save_vectors(connection)

    def compact(self, wait: float = 0.0) -> None:
        """Give back the space of what was removed; no article changes, and readers go on.

        :raises IndexBusy: another process is writing
        """
        with only_writer(self.path, wait), closing(connect(self.path)) as connection, reading(self.path):
            connection.execute("INSERT INTO words (words) VALUES ('optimize')")
            connection.execute("VACUUM")
            connection.execute("PRAGMA busy_timeout = 1000")
            is_busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            if is_busy:
                log.warning("the index is being read; its space is given back when the readers close it")
            self._save_vectors(connection, anew=True)

    def backup(self, path: str | Path) -> None:
        """Copy the last committed state to a new folder, while the index is in use.

        :raises StoreError: the folder holds something, or cannot be written
        """
        path = Path(path)
        with new_folder(path):
            if (path / DATABASE).exists():
                raise StoreError(f"{path} holds an index already; name another place for the copy")
            with reading(self.path), closing(connect(self.path)) as connection, aside(path) as copy:
                connection.backup(copy)
        with Index.open(path) as copied, copied.update():
            pass  # saves its vectors

    def _vectors_at(self, state: str, connection: sqlite3.Connection) -> VectorIndex:
        """Give the vector index of the state that ``connection`` reads."""
        with self._guard:
            held, file = self._vectors, self.path / VECTORS
            if held and held[0] == state:
                return held[1]
            saved = VectorIndex.saved_state(file)
            base = held if held and _descends(connection, held[0]) else None
            if base is None and saved and _descends(connection, saved):
                base = VectorIndex.read(file)
            self._vectors = (state, self._caught_up(connection, base))
            if saved != state or base is None:
                self._heal(saved)
            return self._vectors[1]

    def _heal(self, saved: str | None) -> None:
        """Save the vectors that had to be made, so that the next one to open the index has them.

        :param saved: what the file says that it holds; it may be of a newer state than this one
        """
        if self._vectors is None:
            return
        is_newer = _generation(saved) > _generation(self._vectors[0])
        if is_newer and VectorIndex.read(self.path / VECTORS):
            return
        with suppress(OSError), only_saver(self.path):
            self._vectors[1].save(self.path / VECTORS, self._vectors[0])

    def _caught_up(self, connection: sqlite3.Connection, base: tuple[str, VectorIndex] | None) -> VectorIndex:
        """Give the vector index of the state that ``connection`` reads, from that of an earlier one."""
        ids = np.array([row[0] for row in connection.execute("SELECT id FROM passages")], dtype=np.int64)
        dim = self.manifest.dim

        def fetch(wanted: NDArray[np.int64]) -> NDArray[np.float32]:
            return _vectors(connection, wanted, dim)

        if base:
            return base[1].updated(ids, dim, fetch)
        return VectorIndex.build(ids, dim, fetch)

    def _save_vectors(self, connection: sqlite3.Connection, *, anew: bool = False) -> None:
        """Bring the FAISS file up to date; that it may fail loses nothing."""
        connection.execute("BEGIN")
        _, state = state_of(connection)
        if anew or VectorIndex.saved_state(self.path / VECTORS) != state:
            vectors = self._caught_up(connection, None) if anew else self._vectors_at(state, connection)
            try:
                with only_saver(self.path, wait=30.0):
                    vectors.save(self.path / VECTORS, state)
            except OSError as error:
                reason = error.strerror or str(error)
                log.warning("could not save %s (%s); it will be rebuilt when needed", VECTORS, reason)
        connection.rollback()


def _manifest(connection: sqlite3.Connection) -> str:
    """Read the manifest of this format, of an earlier one (without checksums) or of a later one."""
    columns = {row["name"] for row in connection.execute("PRAGMA table_info(meta)")}
    if "checksum" in columns:
        return meta_of(connection, "manifest")["manifest"]
    row = connection.execute("SELECT value FROM meta WHERE key = 'manifest'").fetchone()
    if row is None:
        raise sqlite3.DatabaseError("its settings are gone")
    return str(row["value"])


def _descends(connection: sqlite3.Connection, state: str) -> bool:
    """Tell whether the state that ``connection`` reads is this one, or was made from it.

    A restored copy may have the same generation and the same passage ids for other words.
    """
    generation, _, token = state.partition("-")
    find = "SELECT 1 FROM commits WHERE generation = ? AND token = ?"
    return connection.execute(find, (generation, token)).fetchone() is not None


def _file_of(path: Path) -> tuple[int, int] | None:
    """Tell files of the same name apart; None where there is none."""
    try:
        status = (path / DATABASE).stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _generation(state: str | None) -> int:
    number = (state or "").partition("-")[0]
    return int(number) if number.isdecimal() else -1


def _vectors(connection: sqlite3.Connection, ids: NDArray[np.int64], dim: int) -> NDArray[np.float32]:
    """Read stored vectors, shape (len(ids), dim), float32.

    :raises sqlite3.DatabaseError: a passage is not what was written
    """
    find = f"SELECT {STORED_PASSAGE}, checksum FROM passages WHERE id = ?"
    blobs = []
    for passage_id in ids.tolist():
        row = connection.execute(find, (passage_id,)).fetchone()
        if row is None or not is_intact(row):
            raise sqlite3.DatabaseError(f"the passage {passage_id} fails its checksum")
        blobs.append(row["vector"])
    return vectors_of(blobs, dim)


def _difference(path: Path, has: Manifest, wanted: Manifest) -> str:
    changed = [
        f"{name} {value}, not {asdict(wanted)[name]}"
        for name, value in asdict(has).items()
        if value != asdict(wanted)[name]
    ]
    return (
        f"the index at {path} was made with {'; '.join(changed)};"
        " use the same setting, or index the articles again into a new folder with --index"
    )


def _other_format(path: Path, found: int) -> str:
    if found > FORMAT:
        return f"the index at {path} was made by a newer Citewire (format {found}, here {FORMAT}); update it"
    return (
        f"the index at {path} has the old format {found}, this Citewire reads {FORMAT};"
        " index the articles again into a new folder"
    )
