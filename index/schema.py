"""The tables of an index, and how its values become rows and back.

Holds: articles keep their text and what was cut from it, so the original is always there; passage
text is a range of its article's text and stored nowhere else; vectors are float16.
Full text is a contentless FTS5 table, changed in the same transactions.
"""

import json
import sqlite3
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.types import Article, Cut, Passage

FORMAT = 1

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE articles (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    text TEXT NOT NULL,
    source TEXT NOT NULL COLLATE NOCASE,
    url TEXT NOT NULL,
    published TEXT,
    author TEXT NOT NULL,
    cuts TEXT NOT NULL,
    digest BLOB NOT NULL,
    story INTEGER NOT NULL,
    sketch BLOB NOT NULL
);
CREATE INDEX articles_by_source ON articles (source);
CREATE INDEX articles_by_day ON articles (published);
CREATE TABLE bands (
    band INTEGER NOT NULL, article INTEGER NOT NULL, PRIMARY KEY (band, article)
) WITHOUT ROWID;
CREATE INDEX bands_by_article ON bands (article);
CREATE TABLE passages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    article INTEGER NOT NULL REFERENCES articles (number),
    start INTEGER NOT NULL,
    end INTEGER NOT NULL,
    vector BLOB NOT NULL
);
CREATE INDEX passages_by_article ON passages (article, start);
CREATE VIRTUAL TABLE words USING fts5 (
    title, text, content = '', tokenize = "porter unicode61 remove_diacritics 2"
);
"""

ARTICLE_COLUMNS = "id, title, text, source, url, published, author, cuts"

PASSAGE_QUERY = (
    "SELECT p.id, a.id AS article_id, a.title, p.start, p.end,"
    " substr(a.text, p.start + 1, p.end - p.start) AS text"
    " FROM passages p JOIN articles a ON a.number = p.article"
)


def article_row(article: Article) -> tuple[Any, ...]:
    """Give an article's values in the order of ARTICLE_COLUMNS."""
    cuts = [[cut.start, cut.rule, article.original[cut.start : cut.end]] for cut in article.cuts]
    published = article.published.isoformat() if article.published else None
    return (
        article.id,
        article.title,
        article.text,
        article.source,
        article.url,
        published,
        article.author,
        json.dumps(cuts, ensure_ascii=False),
    )


def article_of(row: sqlite3.Row) -> Article:
    """Rebuild an article, with its original, from the columns of ARTICLE_COLUMNS."""
    text: str = row["text"]
    original: list[str] = []
    cuts = []
    taken = length = 0
    for start, rule, words in json.loads(row["cuts"]):
        kept = text[taken : taken + start - length]
        original += [kept, words]
        taken += len(kept)
        length = start + len(words)
        cuts.append(Cut(start, length, rule))
    return Article(
        id=row["id"],
        title=row["title"],
        text=text,
        source=row["source"],
        url=row["url"],
        published=date.fromisoformat(row["published"]) if row["published"] else None,
        author=row["author"],
        original="".join([*original, text[taken:]]),
        cuts=tuple(cuts),
    )


def passage_of(row: sqlite3.Row) -> Passage:
    """Build a passage from a row of PASSAGE_QUERY."""
    return Passage(row["id"], row["article_id"], row["start"], row["end"], row["text"], row["title"])


def vector_blob(vector: NDArray[np.float32]) -> bytes:
    return vector.astype("<f2").tobytes()


def vectors_of(blobs: list[bytes], dim: int) -> NDArray[np.float32]:
    """Stack stored vectors: shape (len(blobs), dim), float32."""
    return np.frombuffer(b"".join(blobs), dtype="<f2").reshape(len(blobs), dim).astype(np.float32)
