"""The tables of an index, and how its values become rows and back.

Holds: articles keep their text and what was cut from it, so the original is always there; passage
text is a range of its article's text and stored nowhere else; vectors are float16. Every row of the
truth has a checksum: a passage's over its own values, an article's over its own and its passages',
and the meta table's over all articles', so that no row can change, vanish or come from elsewhere unseen.
Full text is a contentless FTS5 table, changed in the same transactions.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.types import Article, Cut, Filters, Passage

FORMAT = 2
CHECKSUM_BYTES = 16
MODULUS = 1 << 8 * CHECKSUM_BYTES  # of sums of checksums
# manifest: JSON; generation: counts commits; token: random, tells copies of an index apart after a commit;
# contents: the sum of all articles' checksums.
META = ("manifest", "generation", "token", "contents")

WORDS = """words USING fts5 (
    title, text, content = '', tokenize = "porter unicode61 remove_diacritics 2"
)"""

SCHEMA = f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL, checksum BLOB NOT NULL) WITHOUT ROWID;
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
    sketch BLOB NOT NULL,
    checksum BLOB NOT NULL
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
    vector BLOB NOT NULL,
    checksum BLOB NOT NULL
);
CREATE INDEX passages_by_article ON passages (article, start);
CREATE TABLE commits (generation INTEGER PRIMARY KEY, token TEXT NOT NULL);
CREATE TABLE quarantine (
    article TEXT NOT NULL, reason TEXT NOT NULL, moved TEXT NOT NULL, content TEXT NOT NULL
);
CREATE VIRTUAL TABLE {WORDS};
"""

ARTICLE_COLUMNS = "id, title, text, source, url, published, author, cuts"
STORED_ARTICLE = f"number, {ARTICLE_COLUMNS}, digest, story, sketch"  # what its checksum covers
STORED_PASSAGE = "id, article, start, end, vector"
ARTICLE_QUERY = f"SELECT {STORED_ARTICLE}, checksum FROM articles"

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


def article_of(row: sqlite3.Row | Mapping[str, Any]) -> Article:
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


def checksum(*values: str | int | bytes | None) -> bytes:
    """Hash the values of a row: 16 bytes that change when any value does, or its type or place."""
    digest = hashlib.blake2b(digest_size=CHECKSUM_BYTES)
    for value in values:
        data = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")
        digest.update(f"{type(value).__name__} {len(data)} ".encode() + data)
    return digest.digest()


def article_checksum(row: Iterable[Any], passages: Iterable[bytes]) -> bytes:
    """Hash an article with its passages.

    :param row: values of STORED_ARTICLE
    :param passages: the checksums of its passages, in the order of their ids
    """
    return checksum(*row, b"".join(passages))


def is_intact(passage: sqlite3.Row) -> bool:
    """Tell whether a row of STORED_PASSAGE and checksum is what was written."""
    *values, expected = passage
    return bool(checksum(*values) == expected)


def passages_of(connection: sqlite3.Connection, number: int) -> list[sqlite3.Row]:
    """Read the stored passages of an article, with their checksums, in the order of their ids."""
    find = f"SELECT {STORED_PASSAGE}, checksum FROM passages WHERE article = ? ORDER BY id"
    return connection.execute(find, (number,)).fetchall()


def verified_passages(connection: sqlite3.Connection, article: sqlite3.Row) -> list[sqlite3.Row]:
    """Read the stored passages of a row of ARTICLE_QUERY, and make sure that all of it is what was written.

    :raises sqlite3.DatabaseError: it is not
    """
    passages = passages_of(connection, article["number"])
    *values, expected = article
    is_whole = article_checksum(values, [own["checksum"] for own in passages]) == expected
    if not is_whole or not all(map(is_intact, passages)):
        raise sqlite3.DatabaseError(f"the article {article['id']} fails its checksum")
    return passages


def total(checksums: Iterable[bytes]) -> int:
    """Add checksums up: the sum of all articles' says which rows there are, whatever their order.

    Source: Bellare and Micciancio 1997 (incremental hashing by addition).
    """
    return sum(int.from_bytes(value, "little") for value in checksums) % MODULUS


def meta_of(connection: sqlite3.Connection, *keys: str) -> dict[str, str]:
    """Read these values of the meta table, or all.

    :raises sqlite3.DatabaseError: a value is not the one that was written
    """
    rows = {row[0]: (row[1], row[2]) for row in connection.execute("SELECT key, value, checksum FROM meta")}
    for key in keys or META:
        if key not in rows or checksum(key, rows[key][0]) != rows[key][1]:
            raise sqlite3.DatabaseError(f"its {key} fails the checksum")
    return {key: rows[key][0] for key in keys or META}


def set_meta(connection: sqlite3.Connection, **values: str) -> None:
    connection.executemany(
        "INSERT OR REPLACE INTO meta VALUES (?, ?, ?)",
        [(key, value, checksum(key, value)) for key, value in values.items()],
    )


def conditions(connection: sqlite3.Connection, filters: Filters) -> tuple[list[str], list[str]]:
    """Give what a WHERE says of ``articles a`` for these filters, and its values."""
    where, values = [], []
    if filters.sources:  # SQLite's NOCASE knows only the case of ASCII letters
        wanted = {source.casefold() for source in filters.sources}
        names = [name for name in sources(connection) if name.casefold() in wanted]
        where.append(f"a.source IN ({','.join('?' * len(names))})")
        values += names
    if filters.since:
        where.append("a.published >= ?")
        values.append(filters.since.isoformat())
    if filters.until:
        where.append("a.published <= ?")
        values.append(filters.until.isoformat())
    if filters.articles:
        where.append(f"a.id IN ({','.join('?' * len(filters.articles))})")
        values += filters.articles
    return where, values


def sources(connection: sqlite3.Connection) -> list[str]:
    """Give the outlets, without "", in alphabetical order."""
    rows = connection.execute("SELECT DISTINCT source FROM articles WHERE source <> '' ORDER BY source")
    return [row["source"] for row in rows]
