"""The SQLite file of an index: where it is, how it is opened, made and put in place.

Part of store. Holds: a new database appears whole or not at all; what SQLite raises is mapped to the
errors of this package. Knows the tables of schema.py, and nothing of vectors or of who may write.
"""

import json
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from index.durable import put_in_place
from index.errors import IndexDamaged, IndexMissing, StoreError
from index.lock import HOLDER, LOCK, SAVING, only_writer
from index.schema import FORMAT, SCHEMA, meta_of, set_meta

DATABASE = "articles.db"
ASIDE = f"{DATABASE}.new"
WAL_BYTES = 64_000_000  # what the write-ahead log is cut back to after a large update
ENDS = ("", "-wal", "-shm", "-journal")  # of SQLite's files
LEFTOVERS = {LOCK, HOLDER, SAVING, *(f"{ASIDE}{end}" for end in ENDS)}  # of a start that was killed


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an index was made with; opening it with anything else is an error."""

    encoder: str
    dim: int
    max_tokens: int
    overlap: int
    metric: str = "cosine"
    format: int = FORMAT


def connect(path: Path) -> sqlite3.Connection:
    if not (path / DATABASE).is_file():
        raise IndexMissing(f"no index at {path}; make one with: citewire index FOLDER --index {path}")
    # Snapshots move between threads but are used by one at a time, so the check is not needed.
    # mode=rw: without it SQLite would put an empty database where an index was deleted meanwhile.
    database = f"{(path / DATABASE).resolve().as_uri()}?mode=rw"
    with reading(path):
        connection = sqlite3.connect(
            database, uri=True, timeout=30.0, isolation_level=None, check_same_thread=False
        )
        connection.row_factory = sqlite3.Row
        try:
            connection.execute("PRAGMA synchronous = FULL")
        except UnicodeDecodeError as error:  # SQLite's message quotes a definition that is no UTF-8
            raise sqlite3.DatabaseError("its tables cannot be read") from error
        connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
    return connection


@contextmanager
def new_folder(path: Path) -> Iterator[None]:
    """Make a folder, or take one that holds nothing but the rest of a killed start, and be its only writer.

    :raises StoreError: it cannot be made or holds something else
    """
    is_other = path.exists() and not (path / DATABASE).exists()
    if is_other and not (path.is_dir() and {file.name for file in path.iterdir()} <= LEFTOVERS):
        raise StoreError(f"{path} is not an index and is not empty; name another place with --index")
    try:
        path.mkdir(parents=True, exist_ok=True)
        with only_writer(path, wait=30.0), reading(path):
            yield
    except OSError as error:
        raise StoreError(f"cannot make an index at {path}: {error.strerror}") from error


@contextmanager
def aside(path: Path) -> Iterator[sqlite3.Connection]:
    """Fill a new database beside its place, then put it there in one step, so that a kill leaves no half."""
    new = path / ASIDE
    clear_aside(path)
    try:
        with closing(sqlite3.connect(new, isolation_level=None)) as connection:
            connection.row_factory = sqlite3.Row
            yield connection
            connection.execute("PRAGMA journal_mode = WAL")
        put_in_place(new, path / DATABASE)
    except BaseException:
        clear_aside(path)
        raise


def clear_aside(path: Path) -> None:
    for end in ENDS:
        (path / f"{ASIDE}{end}").unlink(missing_ok=True)


def initialise(path: Path, manifest: Manifest) -> None:
    with aside(path) as connection:
        connection.executescript(SCHEMA)
        token = secrets.token_hex(8)
        set_meta(
            connection,
            manifest=json.dumps(asdict(manifest)),
            generation="0",
            token=token,
            contents="0",
        )
        connection.execute("INSERT INTO commits VALUES (0, ?)", (token,))


def manifest_of(connection: sqlite3.Connection) -> Manifest:
    """Read what an index of this format was made with."""
    return Manifest(**json.loads(meta_of(connection, "manifest")["manifest"]))


def state_of(connection: sqlite3.Connection) -> tuple[int, str]:
    """Give the generation, and a name of the state that no other commit of any copy has."""
    meta = meta_of(connection)
    return int(meta["generation"]), f"{meta['generation']}-{meta['token']}"


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Map what SQLite raises."""
    try:
        yield
    except sqlite3.ProgrammingError:
        raise  # a mistake in a program, not in the index
    except sqlite3.Error as error:
        raise _mapped(path, error) from error


def _mapped(path: Path, error: sqlite3.Error) -> StoreError:
    # Text that is no UTF-8 and a table that is gone are OperationalErrors too.
    is_damage = "decode" in str(error) or str(error).startswith("no such")
    if isinstance(error, sqlite3.OperationalError) and not is_damage:
        return StoreError(f"the index at {path} cannot be used now: {error}")
    return IndexDamaged(f"the index at {path} is damaged ({error}); run: citewire repair --index {path}")
