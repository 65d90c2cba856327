"""Changes to an index: put and remove articles, and commit them.

Part of store. Holds: what is committed appears at once, with a new generation; a row and its checksum
change together, and the sum of all articles' checksums with them.
Does not take the lock: ``Index.update`` does.
"""

import hashlib
import secrets
import sqlite3
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from index.dedup import COPY, Sketch
from index.schema import (
    ARTICLE_COLUMNS,
    ARTICLE_QUERY,
    MODULUS,
    STORED_ARTICLE,
    article_checksum,
    article_row,
    checksum,
    conditions,
    meta_of,
    set_meta,
    total,
    vector_blob,
    verified_passages,
)
from index.types import Article, Filters, Passage


class Writer:
    """Changes to an index; each ``commit`` makes those since the last one visible at once."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._changed = False
        self._begin()

    def _begin(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        meta = meta_of(self._db)
        self._generation, self._contents = int(meta["generation"]), int(meta["contents"])

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

    def matching(self, filters: Filters) -> list[str]:
        """Give the ids of the articles that a search with these filters could return."""
        where, values = conditions(self._db, filters)
        rows = self._db.execute(
            f"SELECT a.id FROM articles a WHERE {' AND '.join(where) or 'TRUE'} ORDER BY a.number", values
        )
        return [row["id"] for row in rows]

    def put(
        self, article: Article, digest: bytes, passages: Sequence[Passage], vectors: NDArray[np.float32]
    ) -> None:
        """Add an article, or replace the one with its id.

        :param vectors: shape (len(passages), dim), float32, unit rows
        :raises ValueError: there are not as many vectors as passages
        """
        if len(vectors) != len(passages):
            raise ValueError(f"expected {len(passages)} vectors, got {len(vectors)}")
        self.remove(article.id)
        sketch = Sketch.of(article.text)
        values = (*article_row(article), digest, 0, sketch.to_bytes(), b"")
        number = self._db.execute(
            f"INSERT INTO articles ({ARTICLE_COLUMNS}, digest, story, sketch, checksum)"
            f" VALUES ({','.join('?' * len(values))}) RETURNING number",
            values,
        ).fetchone()["number"]
        story = self._story(sketch) or number
        add_bands(self._db, number, sketch)
        sums = [
            self._put_passage(number, article.title, passage, vector)
            for passage, vector in zip(passages, vectors, strict=True)
        ]
        self._db.execute("UPDATE articles SET story = ? WHERE number = ?", (story, number))
        row = self._db.execute(f"SELECT {STORED_ARTICLE} FROM articles WHERE number = ?", (number,))
        own = article_checksum(row.fetchone(), sums)
        self._db.execute("UPDATE articles SET checksum = ? WHERE number = ?", (own, number))
        self._contents += total([own])
        self._changed = True

    def _put_passage(self, number: int, title: str, passage: Passage, vector: NDArray[np.float32]) -> bytes:
        blob = vector_blob(vector)
        added = self._db.execute(
            "INSERT INTO passages (article, start, end, vector, checksum) VALUES (?,?,?,?,?)",
            (number, passage.start, passage.end, blob, b""),
        ).lastrowid
        own = checksum(added, number, passage.start, passage.end, blob)
        self._db.execute("UPDATE passages SET checksum = ? WHERE id = ?", (own, added))
        self._db.execute(
            "INSERT INTO words (rowid, title, text) VALUES (?,?,?)", (added, title, passage.text)
        )
        return own

    def remove(self, article_id: str) -> bool:
        """Take an article out; tell whether it was there."""
        article = self._db.execute(f"{ARTICLE_QUERY} WHERE id = ?", (article_id,)).fetchone()
        if article is None:
            return False
        number = article["number"]
        for row in verified_passages(self._db, article):
            # A contentless FTS5 table forgets a row only when it is given what the row held; given
            # anything else, it is damaged, so only what was verified is taken out.
            self._db.execute(
                "INSERT INTO words (words, rowid, title, text) VALUES ('delete',?,?,?)",
                (row["id"], article["title"], article["text"][row["start"] : row["end"]]),
            )
        for table, column in (("passages", "article"), ("bands", "article"), ("articles", "number")):
            self._db.execute(f"DELETE FROM {table} WHERE {column} = ?", (number,))
        self._contents -= total([article["checksum"]])
        self._changed = True
        return True

    def commit(self) -> None:
        """Make what was put and removed visible, as one new generation; without changes, do nothing."""
        if self._changed:
            new_generation(self._db, self._generation + 1, self._contents)
            self._db.commit()
            self._changed = False
            self._begin()

    def _story(self, sketch: Sketch) -> int:
        """Give the story of the nearest copy, or 0 if there is none."""
        bands = sketch.bands()
        rows = self._db.execute(
            "SELECT DISTINCT a.story, a.sketch FROM bands b JOIN articles a ON a.number = b.article"
            f" WHERE b.band IN ({','.join('?' * len(bands))})",
            bands,
        )
        alike = [(sketch.similarity(Sketch.from_bytes(row["sketch"])), row["story"]) for row in rows]
        similarity, story = max(alike, default=(0.0, 0))
        return story if similarity >= COPY else 0


def new_generation(connection: sqlite3.Connection, generation: int, contents: int) -> None:
    """Name the state that is about to be committed."""
    token = secrets.token_hex(8)
    connection.execute("INSERT INTO commits VALUES (?, ?)", (generation, token))
    set_meta(connection, generation=str(generation), token=token, contents=str(contents % MODULUS))


def add_bands(connection: sqlite3.Connection, number: int, sketch: Sketch) -> None:
    """Let copies of an article be found by its sketch."""
    rows = [(band, number) for band in sketch.bands()]
    connection.executemany("INSERT INTO bands (band, article) VALUES (?,?)", rows)


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
