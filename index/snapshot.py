"""One committed state of an index, to read and to search.

Holds: everything that a snapshot returns belongs to the same generation, whatever a writer commits
meanwhile; it lives inside a read transaction and ends with it; a whole article has passed its checksum.
Does not write, embed, or mix searches: that is the retriever's work.
"""

import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from index.schema import (
    ARTICLE_QUERY,
    PASSAGE_QUERY,
    article_of,
    conditions,
    passage_of,
    sources,
    vectors_of,
    verified_passages,
)
from index.types import Article, Filters, Hit, Passage
from index.vectors import VectorIndex


@dataclass(frozen=True, slots=True)
class Stats:
    """What an index holds."""

    articles: int
    stories: int
    passages: int
    characters: int
    sources: tuple[tuple[str, int], ...]  # outlet, articles; most first; "" where unknown
    oldest: date | None
    newest: date | None
    generation: int


class Snapshot:
    """Read one committed state. Made by ``Index.snapshot()``; not for use across threads."""

    def __init__(self, connection: sqlite3.Connection, vectors: VectorIndex, generation: int) -> None:
        self._db = connection
        self._vectors = vectors
        self.generation = generation

    def article(self, article_id: str) -> Article | None:
        """Give an article by its id, or None if this state does not have it."""
        row = self._db.execute(f"{ARTICLE_QUERY} WHERE id = ?", (article_id,)).fetchone()
        if row is None:
            return None
        verified_passages(self._db, row)
        return article_of(row)

    def articles(self) -> Iterator[Article]:
        """Give every article in the order in which they were first added."""
        return (article for article, _, _ in self.stored())

    def ids(self) -> Iterator[str]:
        """Give every article's id in the order in which they were first added."""
        return (row["id"] for row in self._db.execute("SELECT id FROM articles ORDER BY number"))

    def passages(self, article_id: str) -> list[Passage]:
        """Give an article's passages in order; none if there is no such article."""
        rows = self._db.execute(f"{PASSAGE_QUERY} WHERE a.id = ? ORDER BY p.start", (article_id,))
        return [passage_of(row) for row in rows]

    def stored(self) -> Iterator[tuple[Article, bytes, list[sqlite3.Row]]]:
        """Give every article with the digest with which it was put and its passages' rows."""
        for row in self._db.execute(f"{ARTICLE_QUERY} ORDER BY number"):
            passages = verified_passages(self._db, row)
            yield article_of(row), row["digest"], passages

    def stories(self, article_ids: Iterable[str]) -> dict[str, int]:
        """Give each article's story: near-identical articles have the same number."""
        find = "SELECT story FROM articles WHERE id = ?"
        return {
            article_id: row["story"]
            for article_id in set(article_ids)
            for row in self._db.execute(find, (article_id,))
        }

    def search_vectors(
        self, queries: NDArray[np.float32], k: int, filters: Filters = Filters()
    ) -> list[list[Hit]]:
        """Find the passages whose vectors are nearest.

        :param queries: shape (n, dim), float32, unit rows
        :return: for each query up to k hits, best first; their score is a cosine
        """
        allowed = self._allowed(filters)
        if not len(self._vectors.ids) or (allowed is not None and not len(allowed)):
            return [[] for _ in queries]
        cosines, ids = self._vectors.search(queries, k, allowed)
        return [
            self._hits("cosine", [(int(i), float(c)) for i, c in zip(row, values, strict=True) if i >= 0])
            for row, values in zip(ids, cosines, strict=True)
        ]

    def search_words(self, terms: Sequence[str], k: int, filters: Filters = Filters()) -> list[Hit]:
        """Find passages by the words in them and in their headline; any of the terms may match.

        :param terms: words; anything that is not a letter or digit separates
        :return: up to k hits, best first; their score is BM25, higher is better

        Source: SQLite FTS5, bm25(); Robertson and Zaragoza 2009.
        """
        words = [word for term in terms for word in re.findall(r"[^\W_]+", term)]
        if not words:
            return []
        where, values = conditions(self._db, filters)
        rows = self._db.execute(
            "SELECT words.rowid AS id, -bm25(words) AS score FROM words"
            + (
                " JOIN passages p ON p.id = words.rowid JOIN articles a ON a.number = p.article"
                if where
                else ""
            )
            + " WHERE words MATCH ?"
            + "".join(f" AND {condition}" for condition in where)
            + " ORDER BY score DESC, words.rowid LIMIT ?",
            (" OR ".join(f'"{word}"' for word in words), *values, k),
        )
        return self._hits("bm25", [(row["id"], row["score"]) for row in rows])

    def count(self, phrases: Sequence[str], most: int = 1000) -> list[int]:
        """Tell in how many passages, with their headlines, each word or phrase occurs in any of its forms.

        :param phrases: letters, digits and spaces only
        :param most: counting stops here
        """
        find = "SELECT count(*) FROM (SELECT 1 FROM words WHERE words MATCH ? LIMIT ?)"
        return [self._db.execute(find, (f'"{phrase}"', most)).fetchone()[0] for phrase in phrases]

    def passages_with(self, word: str, others: Sequence[str], k: int) -> list[Passage]:
        """Give up to k passages that have, with their headline, a word and one of some others, in any form.

        :param others: at least one; letters, digits and marks between digits only
        """
        either = " OR ".join(f'"{other}"' for other in others)
        match = f'"{word}" AND ({either})'
        found = "SELECT rowid FROM words WHERE words MATCH ? LIMIT ?"
        rows = self._db.execute(f"{PASSAGE_QUERY} WHERE p.id IN ({found})", (match, k))
        return [passage_of(row) for row in rows]

    def cosines(self, query: NDArray[np.float32], passages: Sequence[Passage]) -> list[float]:
        """Compare a query with some passages, whatever search found them.

        :param query: shape (dim,), float32, of length 1
        :return: a cosine for each passage
        """
        find = "SELECT vector FROM passages WHERE id = ?"
        blobs = [self._db.execute(find, (passage.id,)).fetchone()["vector"] for passage in passages]
        return [float(cosine) for cosine in vectors_of(blobs, len(query)) @ query]

    def sources(self) -> list[str]:
        """Give the outlets, without "", in alphabetical order."""
        return sources(self._db)

    def stats(self) -> Stats:
        row = self._db.execute(
            "SELECT count(*) AS articles, count(DISTINCT story) AS stories,"
            " total(length(text)) AS characters, min(published) AS oldest, max(published) AS newest"
            " FROM articles"
        ).fetchone()
        sources = self._db.execute(
            "SELECT source, count(*) AS n FROM articles GROUP BY source ORDER BY n DESC, source"
        )
        return Stats(
            articles=row["articles"],
            stories=row["stories"],
            passages=self._db.execute("SELECT count(*) FROM passages").fetchone()[0],
            characters=int(row["characters"]),
            sources=tuple((source["source"], source["n"]) for source in sources),
            oldest=date.fromisoformat(row["oldest"]) if row["oldest"] else None,
            newest=date.fromisoformat(row["newest"]) if row["newest"] else None,
            generation=self.generation,
        )

    def _allowed(self, filters: Filters) -> NDArray[np.int64] | None:
        where, values = conditions(self._db, filters)
        if not where:
            return None
        rows = self._db.execute(
            "SELECT p.id FROM passages p JOIN articles a ON a.number = p.article WHERE "
            + " AND ".join(where),
            values,
        )
        return np.array([row["id"] for row in rows], dtype=np.int64)

    def _hits(self, name: str, scored: list[tuple[int, float]]) -> list[Hit]:
        marks = ",".join("?" * len(scored))
        rows = self._db.execute(
            f"{PASSAGE_QUERY} WHERE p.id IN ({marks})", [passage_id for passage_id, _ in scored]
        )
        passages = {row["id"]: passage_of(row) for row in rows}
        if missing := {passage_id for passage_id, _ in scored} - passages.keys():
            raise sqlite3.DatabaseError(f"{name} finds passages that are not there: {sorted(missing)[:3]}")
        return [
            Hit(passages[passage_id], score, ranks={name: rank}, scores={name: score})
            for rank, (passage_id, score) in enumerate(scored, start=1)
        ]
