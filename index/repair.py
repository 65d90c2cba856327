"""Make a damaged index sound again, from what of it can be verified.

Part of store. Holds: every article that passes its checksums stays, with its number and passages; what
does not goes to the quarantine table with the reason, and nothing else is dropped; the old state is there
until the new one replaces it in one step. What is derived is made anew, without embedding.
"""

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from index.check import BANDS, MISSING, Problem, check, name_of, verify_article
from index.database import ASIDE, DATABASE, ENDS, connect, reading
from index.dedup import Sketch
from index.errors import IndexDamaged, StoreError
from index.lock import only_writer
from index.schema import ARTICLE_COLUMNS, PASSAGE_QUERY, SCHEMA, meta_of, set_meta, total
from index.store import Index
from index.vectors import VECTORS
from index.writer import add_bands, new_generation

KEPT = f"{DATABASE}.damaged"


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
    with Index.open(path) as store, store.update(wait):
        return repaired  # leaving the block saves the vectors


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
    new = path / ASIDE
    _clear(new)
    with closing(connect(path)) as old, closing(sqlite3.connect(new, isolation_level=None)) as fresh:
        fresh.row_factory = sqlite3.Row
        fresh.executescript(SCHEMA)
        fresh.execute("BEGIN")
        quarantined = tuple(_salvage(old, fresh))
        articles = int(fresh.execute("SELECT count(*) FROM articles").fetchone()[0])
        fresh.commit()
        # Into the old file, as one transaction of SQLite's: readers that are at it go on.
        fresh.backup(old)
    _clear(new)
    (path / VECTORS).unlink(missing_ok=True)
    return Repaired(articles, found.problems, quarantined)


def _clear(new: Path) -> None:
    for end in ENDS:
        new.with_name(new.name + end).unlink(missing_ok=True)


def _salvage(old: sqlite3.Connection, fresh: sqlite3.Connection) -> Iterator[Problem]:
    """Copy what can be verified, and give what cannot."""
    manifest = meta_of(old, "manifest")["manifest"]
    checksums = []
    now = datetime.now(UTC).isoformat(timespec="seconds")
    for number in range(1, _last(old, "articles", "number") + 1):
        row, passages, reason = verify_article(old, number)
        if row is not None and reason in {"", BANDS}:
            _insert(fresh, "articles", row)
            for passage in passages:
                _insert(fresh, "passages", passage)
            add_bands(fresh, number, Sketch.from_bytes(row["sketch"]))
            checksums.append(row["checksum"])
        elif reason and reason != MISSING:
            problem = Problem(name_of(old, number), reason)
            content = {key: row[key] for key in ARTICLE_COLUMNS.split(", ")} if row else {}
            values = (problem.place, reason, now, json.dumps(content, ensure_ascii=False, default=repr))
            fresh.execute("INSERT INTO quarantine VALUES (?,?,?,?)", values)
            yield problem
    with suppress(sqlite3.Error, ValueError):
        for row in old.execute("SELECT * FROM quarantine ORDER BY rowid"):
            _insert(fresh, "quarantine", row)
    fresh.execute(f"INSERT INTO words (rowid, title, text) SELECT id, title, text FROM ({PASSAGE_QUERY})")
    for table, key in (("articles", "number"), ("passages", "id")):  # numbers are never given twice
        fresh.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table,))
        fresh.execute("INSERT INTO sqlite_sequence VALUES (?, ?)", (table, _last(old, table, key)))
    set_meta(fresh, manifest=manifest)
    new_generation(fresh, _last(old, "commits", "generation") + 1, total(checksums))


def _last(old: sqlite3.Connection, table: str, key: str) -> int:
    """Give the highest number that a table has used, by any of what tells it."""
    lasts = [0]
    for query in (
        f"SELECT max({key}) FROM {table}",
        f"SELECT max({key}) FROM {table} NOT INDEXED",
        f"SELECT seq FROM sqlite_sequence WHERE name = '{table}'",
    ):
        with suppress(sqlite3.Error, ValueError):
            lasts += [row[0] for row in old.execute(query) if isinstance(row[0], int)]
    return max(lasts)


def _insert(fresh: sqlite3.Connection, table: str, row: sqlite3.Row) -> None:
    marks = ",".join("?" * len(row))
    fresh.execute(f"INSERT INTO {table} ({', '.join(row.keys())}) VALUES ({marks})", tuple(row))
