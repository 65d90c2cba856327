"""The index on disk: SQLite is the truth, the FAISS file and the full text are derived from it.

Step 5 of load -> clean -> chunk -> embed -> store.
Holds: a transaction is committed whole or not at all, with the generation number raised by one; a
snapshot sees one generation; the FAISS file is rebuilt or caught up from SQLite, without embedding,
whenever it is missing, damaged or of another generation.
One writer at a time (a file lock), any number of readers. Does not load, clean, chunk or embed.
"""

import hashlib
import json
import logging
import secrets
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import filelock
import numpy as np
from numpy.typing import NDArray

from index.dedup import COPY, Sketch
from index.errors import IndexBusy, IndexDamaged, IndexMismatch, IndexMissing, StoreError
from index.schema import ARTICLE_COLUMNS, FORMAT, SCHEMA, article_row, vector_blob, vectors_of
from index.snapshot import Snapshot
from index.types import Article, Passage
from index.vectors import VectorIndex

log = logging.getLogger("citewire.store")

DATABASE, VECTORS, LOCK = "articles.db", "vectors.faiss", "lock"
LEFTOVERS = {LOCK, *(f"{DATABASE}.new{end}" for end in ("", "-wal", "-shm"))}  # of a start that was killed


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an index was made with; opening it with anything else is an error."""

    encoder: str
    dim: int
    max_tokens: int
    overlap: int
    metric: str = "cosine"
    format: int = FORMAT


class Index:
    """An index in a folder. ``Index.create`` and ``Index.open`` make one; close it, or use ``with``."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest
        self._idle: list[sqlite3.Connection] = []
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
            if path.exists() and not (path.is_dir() and {file.name for file in path.iterdir()} <= LEFTOVERS):
                raise StoreError(f"{path} is not an index and is not empty; name another place with --index")
            try:
                path.mkdir(parents=True, exist_ok=True)
                with filelock.FileLock(path / LOCK), _reading(path):
                    if not (path / DATABASE).exists():  # nobody else was first
                        _initialise(path, manifest)
            except OSError as error:
                raise StoreError(f"cannot make an index at {path}: {error.strerror}") from error
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
        with closing(_connect(path)) as connection, _reading(path):
            ours = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone()
            find = "SELECT value FROM meta WHERE key = 'manifest'"
            row = connection.execute(find).fetchone() if ours else None
        if row is None:
            raise IndexMissing(f"{path / DATABASE} is not an index; name another place with --index")
        stored = json.loads(row["value"])
        if stored["format"] != FORMAT:
            raise IndexMismatch(
                f"the index at {path} has format {stored['format']}, this Citewire reads {FORMAT};"
                " index the articles again into a new folder"
            )
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
            connection = self._idle.pop() if self._idle else None
        connection = connection or _connect(self.path)
        try:
            with _reading(self.path):
                connection.execute("BEGIN")
                generation, state = _state(connection)
                yield Snapshot(connection, self._vectors_at(state, connection), generation)
        finally:
            connection.rollback()
            with self._guard:
                self._idle.append(connection)

    @contextmanager
    def writing(self, wait: float = 0.0) -> Iterator["Writer"]:
        """Change the index; what is not committed when an exception leaves the block never was.

        :param wait: seconds to wait for another writer to finish
        :raises IndexBusy: another process is writing
        """
        lock = filelock.FileLock(self.path / LOCK)
        try:
            lock.acquire(timeout=wait)
        except filelock.Timeout:
            raise IndexBusy(f"another process is writing to {self.path}; try again when it is done") from None
        except OSError as error:
            raise StoreError(f"cannot write to the index at {self.path}: {error.strerror}") from error
        try:
            with closing(_connect(self.path)) as connection, _reading(self.path):
                writer = Writer(connection)
                try:
                    yield writer
                    writer.commit()
                finally:
                    connection.rollback()
                    self._save_vectors(connection)
        finally:
            lock.release()

    def _vectors_at(self, state: str, connection: sqlite3.Connection) -> VectorIndex:
        """Give the vector index of the state that ``connection`` reads."""
        with self._guard:
            if self._vectors and self._vectors[0] == state:
                return self._vectors[1]
            saved = VectorIndex.read(self.path / VECTORS)
            if saved and saved[1] == state:
                self._vectors = (state, saved[0])
            else:
                self._vectors = (state, self._caught_up(connection))
            return self._vectors[1]

    def _caught_up(self, connection: sqlite3.Connection) -> VectorIndex:
        rows = connection.execute("SELECT id FROM passages ORDER BY id").fetchall()
        ids = np.array([row["id"] for row in rows], dtype=np.int64)
        dim = self.manifest.dim

        def fetch(wanted: NDArray[np.int64]) -> NDArray[np.float32]:
            find = "SELECT vector FROM passages WHERE id = ?"
            return vectors_of([connection.execute(find, (int(i),)).fetchone()[0] for i in wanted], dim)

        if self._vectors:
            return self._vectors[1].updated(ids, dim, fetch)
        return VectorIndex.build(ids, dim, fetch)

    def _save_vectors(self, connection: sqlite3.Connection) -> None:
        """Bring the FAISS file up to date; that it may fail loses nothing."""
        connection.execute("BEGIN")
        _, state = _state(connection)
        if VectorIndex.saved_state(self.path / VECTORS) != state:
            vectors = self._vectors_at(state, connection)
            try:
                vectors.save(self.path / VECTORS, state)
            except OSError as error:
                log.warning("could not save %s (%s); it will be rebuilt when needed", VECTORS, error.strerror)
        connection.rollback()


class Writer:
    """Changes to an index; each ``commit`` makes those since the last one visible at once."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._changed = False
        self._db.execute("BEGIN IMMEDIATE")

    def digest(self, article_id: str) -> bytes | None:
        """Give the digest with which an article was put, or None if it is not in the index."""
        row = self._db.execute("SELECT digest FROM articles WHERE id = ?", (article_id,)).fetchone()
        return row["digest"] if row else None

    def ids(self, prefix: str = "") -> list[str]:
        """Give the ids of all articles, or of those that start with a prefix."""
        rows = self._db.execute(
            "SELECT id FROM articles WHERE substr(id, 1, ?) = ? ORDER BY number", (len(prefix), prefix)
        )
        return [row["id"] for row in rows]

    def put(
        self, article: Article, digest: bytes, passages: Sequence[Passage], vectors: NDArray[np.float32]
    ) -> None:
        """Add an article, or replace the one with its id.

        :param vectors: shape (len(passages), dim), float32, unit rows
        """
        self.remove(article.id)
        sketch = Sketch.of(article.text)
        row = self._db.execute(
            f"INSERT INTO articles ({ARTICLE_COLUMNS}, digest, story, sketch)"
            " VALUES (?,?,?,?,?,?,?,?, ?,?,?) RETURNING number",
            (*article_row(article), digest, 0, sketch.to_bytes()),
        ).fetchone()
        number = row["number"]
        self._join_story(number, sketch)
        for passage, vector in zip(passages, vectors, strict=True):
            added = self._db.execute(
                "INSERT INTO passages (article, start, end, vector) VALUES (?,?,?,?)",
                (number, passage.start, passage.end, vector_blob(vector)),
            )
            self._db.execute(
                "INSERT INTO words (rowid, title, text) VALUES (?,?,?)",
                (added.lastrowid, article.title, passage.text),
            )
        self._changed = True

    def remove(self, article_id: str) -> bool:
        """Take an article out; tell whether it was there."""
        article = self._db.execute(
            "SELECT number, title, text FROM articles WHERE id = ?", (article_id,)
        ).fetchone()
        if article is None:
            return False
        number = article["number"]
        rows = self._db.execute("SELECT id, start, end FROM passages WHERE article = ?", (number,))
        for row in rows.fetchall():
            # A contentless FTS5 table forgets a row only when it is given what the row held.
            self._db.execute(
                "INSERT INTO words (words, rowid, title, text) VALUES ('delete',?,?,?)",
                (row["id"], article["title"], article["text"][row["start"] : row["end"]]),
            )
        for table, column in (("passages", "article"), ("bands", "article"), ("articles", "number")):
            self._db.execute(f"DELETE FROM {table} WHERE {column} = ?", (number,))
        self._changed = True
        return True

    def commit(self) -> None:
        """Make what was put and removed visible, as one new generation; without changes, do nothing."""
        if self._changed:
            self._db.execute("UPDATE meta SET value = value + 1 WHERE key = 'generation'")
            self._db.execute("UPDATE meta SET value = ? WHERE key = 'token'", (secrets.token_hex(8),))
            self._db.commit()
            self._changed = False
            self._db.execute("BEGIN IMMEDIATE")

    def _join_story(self, number: int, sketch: Sketch) -> None:
        """Give a new article the story of its nearest copy, or one of its own."""
        bands = sketch.bands()
        rows = self._db.execute(
            "SELECT DISTINCT a.story, a.sketch FROM bands b JOIN articles a ON a.number = b.article"
            f" WHERE b.band IN ({','.join('?' * len(bands))})",
            bands,
        )
        alike = [(sketch.similarity(Sketch.from_bytes(row["sketch"])), row["story"]) for row in rows]
        similarity, story = max(alike, default=(0.0, 0))
        self._db.execute(
            "UPDATE articles SET story = ? WHERE number = ?",
            (story if similarity >= COPY else number, number),
        )
        self._db.executemany("INSERT INTO bands (band, article) VALUES (?,?)", [(b, number) for b in bands])


def digest_of(article: Article, *settings: str) -> bytes:
    """Hash what an article's rows are made from, to tell later whether it changed."""
    parts = (
        article.original,
        article.title,
        article.source,
        article.url,
        str(article.published),
        article.author,
        *settings,
    )
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode()
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.digest()


def _connect(path: Path) -> sqlite3.Connection:
    if not (path / DATABASE).is_file():
        raise IndexMissing(f"no index at {path}; make one with: citewire index FOLDER --index {path}")
    # Snapshots move between threads but are used by one at a time, so the check is not needed.
    # mode=rw: without it SQLite would put an empty database where an index was deleted meanwhile.
    database = f"{(path / DATABASE).resolve().as_uri()}?mode=rw"
    with _reading(path):
        connection = sqlite3.connect(
            database, uri=True, timeout=30.0, isolation_level=None, check_same_thread=False
        )
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA synchronous = FULL")
    return connection


def _initialise(path: Path, manifest: Manifest) -> None:
    """Make the database aside and put it in place in one step, so that a killed start leaves no half."""
    aside = path / f"{DATABASE}.new"
    aside.unlink(missing_ok=True)
    with closing(sqlite3.connect(aside, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(SCHEMA)
        connection.executemany(
            "INSERT INTO meta VALUES (?, ?)",
            [
                ("manifest", json.dumps(asdict(manifest))),
                ("generation", "0"),
                ("token", secrets.token_hex(8)),
            ],
        )
    aside.replace(path / DATABASE)


def _state(connection: sqlite3.Connection) -> tuple[int, str]:
    """Give the generation, and a name of the state that no other commit of any copy has."""
    rows = connection.execute("SELECT key, value FROM meta WHERE key IN ('generation', 'token')")
    meta = dict(tuple(row) for row in rows)
    return int(meta["generation"]), f"{meta['generation']}-{meta['token']}"


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


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise _mapped(path, error) from error


def _mapped(path: Path, error: sqlite3.Error) -> StoreError:
    if isinstance(error, sqlite3.OperationalError):
        return StoreError(f"the index at {path} cannot be used now: {error}")
    return IndexDamaged(
        f"the index at {path} is damaged ({error}); index the articles again into a new folder"
    )
