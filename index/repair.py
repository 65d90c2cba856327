"""Make a damaged index sound again, from what of it can be verified.

Part of store. Holds: every article that passes its checksums stays, with its number and passages; what
does not goes to the quarantine table with the reason, and nothing else is dropped; the old state is there
until the new one replaces it in one step. What is derived is made anew, without embedding.
"""

import json
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from index.check import MOST, UNREADABLE, Problem, check, name_of, problem_of
from index.database import ASIDE, DATABASE, ENDS, clear_aside, connect, manifest_of, reading
from index.dedup import Sketch
from index.errors import IndexBusy, IndexDamaged, StoreError
from index.lock import only_writer
from index.schema import (
    ARTICLE_COLUMNS,
    PASSAGE_QUERY,
    SCHEMA,
    STORED_ARTICLE,
    STORED_PASSAGE,
    meta_of,
    set_meta,
    total,
)
from index.store import Index
from index.vectors import VECTORS
from index.writer import add_bands, new_generation

KEPT = f"{DATABASE}.damaged"
PLAUSIBLE = 100_000_000  # rows to ask for one by one; a flipped bit makes a number of any size


@dataclass(frozen=True, slots=True)
class Repaired:
    """What a repair did: ``problems`` were found, ``quarantined`` are the articles that were taken out."""

    articles: int
    problems: tuple[Problem, ...]
    quarantined: tuple[Problem, ...]


def repair(path: Path, *, wait: float = 0.0) -> Repaired:
    """Rebuild what is derived, and move articles that fail their checksums into quarantine.

    A file in which SQLite itself finds damage is kept beside, as ``articles.db.damaged``.

    :raises IndexBusy: another process is writing
    :raises IndexDamaged: SQLite cannot open the file, or the settings in it are lost
    """
    with only_writer(path, wait):
        try:
            with reading(path):
                repaired = _repair(path)
        except IndexDamaged as error:
            raise IndexDamaged(
                f"the index at {path} cannot be repaired ({error.__cause__ or error});"
                " put a backup in its place, or index the articles again into a new folder"
            ) from error
        except OSError as error:
            raise StoreError(f"cannot repair the index at {path}: {error.strerror}") from error
    with suppress(IndexBusy), Index.open(path) as store, store.update(wait):
        pass  # leaving the block saves the vectors; another writer does so too
    return repaired


def _repair(path: Path) -> Repaired:
    found = check(path)
    if found.sound:
        return Repaired(found.articles, (), ())
    if {problem.place for problem in found.problems} <= {VECTORS}:
        (path / VECTORS).unlink(missing_ok=True)
        return Repaired(found.articles, found.problems, ())
    if any(problem.place == "the database" for problem in found.problems):
        for end in ENDS:
            with suppress(FileNotFoundError):
                shutil.copy2(path / f"{DATABASE}{end}", path / f"{KEPT}{end}")
    clear_aside(path)
    try:
        with (
            closing(connect(path)) as old,
            closing(sqlite3.connect(path / ASIDE, isolation_level=None)) as fresh,
        ):
            fresh.row_factory = sqlite3.Row
            fresh.executescript(SCHEMA)
            fresh.execute("BEGIN")
            quarantined = tuple(_salvage(old, fresh))
            articles = int(fresh.execute("SELECT count(*) FROM articles").fetchone()[0])
            fresh.commit()
            # Into the old file, as one transaction of SQLite's: readers that are at it go on.
            fresh.backup(old)
    finally:
        clear_aside(path)
    (path / VECTORS).unlink(missing_ok=True)
    return Repaired(articles, found.problems, quarantined)


def _salvage(old: sqlite3.Connection, fresh: sqlite3.Connection) -> Iterator[Problem]:
    """Copy what can be verified, and give what cannot.

    Tables are read as they lie, without their indexes, which may be what is damaged.
    """
    manifest = meta_of(old, "manifest")["manifest"]
    dim = manifest_of(old).dim
    last = {"articles": 0, "passages": 0}
    for table, columns, key in (("articles", STORED_ARTICLE, "number"), ("passages", STORED_PASSAGE, "id")):
        fresh.execute(f"CREATE TEMP TABLE found_{table} ({columns}, checksum)")
        for row in _rows(old, table, f"{columns}, checksum", key):
            if isinstance(row, Problem):
                yield from _quarantined(fresh, row, {}) if table == "articles" else ()
            else:
                _insert(fresh, f"temp.found_{table}", row)
                last[table] = max(last[table], row[key])
    fresh.execute("CREATE INDEX temp.found_by_article ON found_passages (article, id)")
    checksums: dict[str, bytes] = {}
    # The newest first: of two articles with one id the older one is what an update did not find.
    for row in fresh.execute("SELECT * FROM temp.found_articles ORDER BY number DESC"):
        reason = "there is a newer one" if row["id"] in checksums else _put(fresh, row, dim)
        if reason:
            content = {key: row[key] for key in ARTICLE_COLUMNS.split(", ")}
            yield from _quarantined(fresh, Problem(str(row["id"]), reason), content)
        else:
            checksums[row["id"]] = row["checksum"]
    for row in _rows(old, "quarantine", "rowid AS number, *", "number"):
        if not isinstance(row, Problem):
            fresh.execute("INSERT INTO quarantine VALUES (?,?,?,?)", tuple(row)[1:])
    for table in last:
        fresh.execute(f"DROP TABLE temp.found_{table}")
    fresh.execute(f"INSERT INTO words (rowid, title, text) SELECT id, title, text FROM ({PASSAGE_QUERY})")
    for table, highest in list(last.items()):  # numbers are never given twice
        with suppress(sqlite3.Error, TypeError):
            used = old.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()[0]
            last[table] = max(highest, used) if used < MOST else highest
        fresh.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table,))
        fresh.execute("INSERT INTO sqlite_sequence VALUES (?, ?)", (table, last[table]))
    set_meta(fresh, manifest=manifest)
    new_generation(fresh, _generation(old) + 1, total(checksums.values()))


def _quarantined(
    fresh: sqlite3.Connection, problem: Problem, content: Mapping[str, object]
) -> Iterator[Problem]:
    """Keep what can be read of an article that cannot be verified, with the reason."""
    moved = datetime.now(UTC).isoformat(timespec="seconds")
    values = (problem.place, problem.reason, moved, json.dumps(content, ensure_ascii=False, default=repr))
    fresh.execute("INSERT INTO quarantine VALUES (?,?,?,?)", values)
    yield problem


def _put(fresh: sqlite3.Connection, row: sqlite3.Row, dim: int) -> str:
    """Put an article and its passages into the new database if they can be verified; else say why not."""
    find = "SELECT * FROM temp.found_passages WHERE article = ? ORDER BY id"
    passages = fresh.execute(find, (row["number"],)).fetchall()
    try:
        reason = problem_of(row, passages, dim)
    except UNREADABLE as error:
        return f"cannot be read: {error}"
    if not reason:
        _insert(fresh, "articles", row)
        for passage in passages:
            _insert(fresh, "passages", passage)
        add_bands(fresh, row["number"], Sketch.from_bytes(row["sketch"]))
    return reason


def _rows(old: sqlite3.Connection, table: str, columns: str, key: str) -> Iterator[sqlite3.Row | Problem]:
    """Give every row that can be read, and a problem for each that is there and cannot."""
    seen: set[int] = set()
    try:
        for row in old.execute(f"SELECT {columns} FROM {table} NOT INDEXED"):
            seen.add(row[key])
            yield row
        return
    except UNREADABLE:
        pass  # at what cannot be read the scan ends: the others are asked for one by one
    for number in range(1, _highest(old, table, seen) + 1):
        if number not in seen:
            try:
                find = f"SELECT {columns} FROM {table} NOT INDEXED WHERE rowid = ?"
                yield from old.execute(find, (number,)).fetchall()
            except UNREADABLE as error:
                yield Problem(name_of(old, number), f"cannot be read: {error}")


def _highest(old: sqlite3.Connection, table: str, seen: set[int]) -> int:
    """Give the highest number that a row of a damaged table may have."""
    numbers = [0, *seen]
    for query in (
        f"SELECT max(rowid) FROM {table}",
        f"SELECT seq FROM sqlite_sequence WHERE name = '{table}'",
    ):
        with suppress(sqlite3.Error, ValueError):
            numbers += [row[0] for row in old.execute(query) if isinstance(row[0], int)]
    return max((number for number in numbers if number <= PLAUSIBLE), default=0)


def _generation(old: sqlite3.Connection) -> int:
    numbers = [0]
    with suppress(sqlite3.Error, ValueError):
        numbers.append(int(meta_of(old, "generation")["generation"]))
    with suppress(sqlite3.Error, ValueError, TypeError):
        numbers.append(int(old.execute("SELECT max(generation) FROM commits").fetchone()[0]))
    return max(number for number in numbers if number < MOST)


def _insert(fresh: sqlite3.Connection, table: str, row: sqlite3.Row) -> None:
    marks = ",".join("?" * len(row))
    fresh.execute(f"INSERT INTO {table} ({', '.join(row.keys())}) VALUES ({marks})", tuple(row))
