"""Verify an index, all of it.

Part of store. Holds: nothing is changed; each problem is one line with its place, and no problem hides
another. What is derived (full text, stories' bands, the FAISS file) is compared with what it is made from.
Does not mend: repair.py does.
"""

import math
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from itertools import pairwise, zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from index.database import connect, manifest_of, reading, state_of
from index.dedup import Sketch
from index.embed import Encoder, passage_text
from index.schema import (
    ARTICLE_QUERY,
    PASSAGE_QUERY,
    WORDS,
    article_checksum,
    article_of,
    is_intact,
    meta_of,
    passage_of,
    passages_of,
    total,
    vectors_of,
)
from index.vectors import VECTORS, VectorIndex

SAMPLE = 64  # passages embedded anew: two seconds on 2 cores without bfloat16
# Embedded anew, 256 news passages had a cosine of at least 0.9999 to the stored vector, and the nearest
# other passage's, copies aside, was 0.81 in the middle. The room is for processors that use bfloat16.
SAME = 0.99
# What reading a damaged file raises; LookupError: a flipped bit in a definition changes a column's name.
UNREADABLE = (sqlite3.Error, ValueError, TypeError, LookupError, AttributeError, OverflowError)
MOST = 1 << 62  # rows; SQLite's numbers end at twice this


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, and where: an article's id, a table, or a file."""

    place: str
    reason: str

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found; ``embedded`` counts the passages that were embedded anew."""

    articles: int
    passages: int
    embedded: int
    quarantined: int
    problems: tuple[Problem, ...]

    @property
    def sound(self) -> bool:
        return not self.problems


def check(path: Path, encoder: Encoder | None = None, *, sample: int = SAMPLE) -> Report:
    """Verify an index: SQLite's structure, every checksum, count and offset, and what is derived.

    :param encoder: the index's own, to embed ``sample`` passages anew and compare; None to leave that out
    :raises IndexMissing: there is none
    :raises IndexDamaged: SQLite cannot open it at all
    """
    with closing(connect(path)) as connection, reading(path):
        connection.execute("BEGIN")
        counts = {table: _count(connection, table) for table in ("articles", "passages", "quarantine")}
        problems = list(_problems(connection, path))
        embedded = 0
        if encoder and not problems:
            rows = connection.execute(f"{PASSAGE_QUERY} ORDER BY random() LIMIT ?", (sample,)).fetchall()
            problems += _re_embedded(connection, rows, encoder)
            embedded = len(rows)
    return Report(counts["articles"], counts["passages"], embedded, counts["quarantine"], tuple(problems))


def _count(connection: sqlite3.Connection, table: str) -> int:
    try:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
    except (sqlite3.Error, ValueError):
        return 0  # the table is named as a problem when it is read


def _problems(connection: sqlite3.Connection, path: Path) -> Iterator[Problem]:
    steps = {
        "the database": partial(_structure, connection),
        "meta": partial(_meta, connection),
        "articles": partial(_articles, connection),
        "words": partial(_words, connection),
        VECTORS: partial(_vectors, connection, path),
    }
    for place, step in steps.items():
        try:
            yield from step()
        except UNREADABLE as error:
            yield Problem(place, f"cannot be read: {error}")


def _structure(connection: sqlite3.Connection) -> Iterator[Problem]:
    for (line,) in connection.execute("PRAGMA integrity_check"):
        if line != "ok":
            yield Problem("the database", " ".join(line.split()))


def _meta(connection: sqlite3.Connection) -> Iterator[Problem]:
    manifest_of(connection)  # raises if it is not one
    for table in ("articles", "passages"):
        key = {"articles": "number", "passages": "id"}[table]
        last = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
        used = connection.execute(f"SELECT max({key}) FROM {table}").fetchone()[0] or 0
        if not used <= (last[0] if last else 0) < MOST:
            yield Problem(table, "numbers could be given twice, or run out")
    _, state = state_of(connection)
    newest = connection.execute("SELECT * FROM commits ORDER BY generation DESC LIMIT 1").fetchone()
    if newest is None or f"{newest['generation']}-{newest['token']}" != state:
        yield Problem("commits", "the last one is not the state that is there")


def _articles(connection: sqlite3.Connection) -> Iterator[Problem]:
    """Verify each article with its passages, then that none is missing or too many."""
    dim = manifest_of(connection).dim
    numbers: list[int] = []
    checksums, passages = [], 0
    try:
        rows = connection.execute("SELECT number FROM articles NOT INDEXED ORDER BY number")
        numbers.extend(int(row[0]) for row in rows)
    except (sqlite3.Error, ValueError) as error:
        yield Problem("articles", f"cannot all be read: {error}")
    for number in numbers:
        try:
            row = connection.execute(f"{ARTICLE_QUERY} WHERE number = ?", (number,)).fetchone()
            own = passages_of(connection, number)
            reason = problem_of(row, own, dim) if row else "cannot be found by its number"
            if row and not reason:
                reason = _derived(connection, row)
        except UNREADABLE as error:
            yield Problem(name_of(connection, number), f"cannot be read: {error}")
            continue
        if reason:
            yield Problem(name_of(connection, number), reason)
        passages += len(own)
        checksums += [row["checksum"]] if row else []
    if total(checksums) != int(meta_of(connection)["contents"]):
        yield Problem("articles", "some are missing, or came from elsewhere")
    if passages != connection.execute("SELECT count(*) FROM passages NOT INDEXED").fetchone()[0]:
        yield Problem("passages", "some belong to no article")


def problem_of(row: sqlite3.Row, passages: Sequence[sqlite3.Row], dim: int) -> str:
    """Say what is wrong with an article by its row and its passages' rows; "" if nothing is.

    :param row: of ARTICLE_QUERY
    :param passages: of STORED_PASSAGE and checksum
    """
    return next(_reasons(row, passages, dim), "")


def _reasons(row: sqlite3.Row, passages: Sequence[sqlite3.Row], dim: int) -> Iterator[str]:
    for at, own in enumerate(passages, 1):
        if not is_intact(own):
            yield f"passage {at} of {len(passages)} fails its checksum"
    *values, expected = row
    if article_checksum(values, [own["checksum"] for own in passages]) != expected:
        yield "fails its checksum"
    # What follows can be wrong only if it was written wrong: checksums say that nothing changed since.
    article = article_of(row)
    if any(not 0 <= own["start"] < own["end"] <= len(article.text) for own in passages):
        yield "a passage is outside its text"
    if any(a["start"] >= b["start"] for a, b in pairwise(passages)):
        yield "its passages are out of order"
    if any(len(own["vector"]) != 2 * dim for own in passages):
        yield f"a vector has not {dim} values"
    vectors = vectors_of([own["vector"] for own in passages], dim)
    if not np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=0.01):
        yield "a vector is not of length 1"


def _derived(connection: sqlite3.Connection, row: sqlite3.Row) -> str:
    bands = connection.execute("SELECT band FROM bands WHERE article = ?", (row["number"],))
    is_right = sorted(band[0] for band in bands) == sorted(Sketch.from_bytes(row["sketch"]).bands())
    return "" if is_right else "its bands are of another text"


def name_of(connection: sqlite3.Connection, number: int) -> str:
    """Name an article that may not be readable: by its id, else by its number."""
    with suppress(sqlite3.Error, TypeError, ValueError):
        return str(connection.execute("SELECT id FROM articles WHERE number = ?", (number,)).fetchone()[0])
    return f"article number {number}"


def _words(connection: sqlite3.Connection) -> Iterator[Problem]:
    """Index all words anew and compare."""
    with closing(sqlite3.connect("")) as fresh:  # a temporary file, as far as it does not fit into memory
        fresh.execute(f"CREATE VIRTUAL TABLE {WORDS}")
        fresh.executemany(
            "INSERT INTO words (rowid, title, text) VALUES (?,?,?)",
            ((row["id"], row["title"], row["text"]) for row in connection.execute(PASSAGE_QUERY)),
        )
        for db in (connection, fresh):
            db.execute("CREATE VIRTUAL TABLE temp.places USING fts5vocab('main', 'words', 'instance')")
        for query in (
            "SELECT term, doc, col, offset FROM temp.places",
            "SELECT id, sz FROM words_docsize ORDER BY id",
            # Numbers of rows and words, for BM25; where nothing is left FTS5 writes zeros or nothing.
            "SELECT block FROM words_data WHERE id = 1 AND EXISTS (SELECT 1 FROM words_docsize)",
        ):
            pairs = zip_longest(connection.execute(query), fresh.execute(query))
            if any(mine is None or theirs is None or tuple(mine) != tuple(theirs) for mine, theirs in pairs):
                yield Problem("words", "the full text is not that of the passages")
                return


def _vectors(connection: sqlite3.Connection, path: Path) -> Iterator[Problem]:
    """Compare the FAISS file with the vectors that SQLite holds; of a graph, which rounds them, the ids."""
    _, state = state_of(connection)
    if not (path / VECTORS).exists():
        return  # made when the index is opened
    saved = VectorIndex.read(path / VECTORS)
    if saved is None:
        yield Problem(VECTORS, "damaged; it is made anew when the index is opened")
        return
    if saved[0] != state:
        return  # caught up when the index is opened: a writer saves it after its last commit
    ids = sorted(row[0] for row in connection.execute("SELECT id FROM passages"))
    if not np.array_equal(saved[1].ids, ids):
        yield Problem(VECTORS, "holds other passages than the database")
    elif saved[1].exhaustive:
        rows = connection.execute("SELECT vector FROM passages ORDER BY id")
        if any(row[0] != blob for row, blob in zip(rows, saved[1].blobs(), strict=True)):
            yield Problem(VECTORS, "holds other vectors than the database")


def _re_embedded(connection: sqlite3.Connection, rows: list[Any], encoder: Encoder) -> Iterator[Problem]:
    if not rows:
        return
    passages = [passage_of(row) for row in rows]
    fresh = encoder.encode([passage_text(passage) for passage in passages])
    find = "SELECT vector FROM passages WHERE id = ?"
    blobs = [connection.execute(find, (passage.id,)).fetchone()[0] for passage in passages]
    cosines = (fresh * vectors_of(blobs, manifest_of(connection).dim)).sum(axis=1)
    for passage, cosine in zip(passages, cosines, strict=True):
        if math.isnan(cosine) or cosine < SAME:
            yield Problem(
                passage.article_id,
                f"the vector of {passage.start}:{passage.end} is of another text: embedded anew,"
                f" their cosine is {cosine:.3f}",
            )
