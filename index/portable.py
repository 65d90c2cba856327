"""One file that holds an index's articles with their passages and vectors, to carry elsewhere.

Part of store. The file is gzip: one JSON line that says what it is, one for each article, and one with
their number and a SHA-256 of all lines before. Holds: nothing of a file is put into an index before all of
it was verified. Data only, readable by any program.
"""

import gzip
import hashlib
import json
import sqlite3
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.database import Manifest
from index.durable import replacing
from index.errors import StoreError
from index.schema import ARTICLE_COLUMNS, article_of, article_row, vectors_of
from index.snapshot import Snapshot
from index.types import Article, Passage

KIND = "citewire export"
VERSION = 1


@dataclass(frozen=True, slots=True)
class Exported:
    """An article as it is in a file: ``vectors`` has shape (len(passages), dim), float32."""

    article: Article
    digest: bytes
    passages: tuple[Passage, ...]
    vectors: NDArray[np.float32]


def write_export(snapshot: Snapshot, manifest: Manifest, path: Path) -> int:
    """Write all articles of one committed state; ``path`` appears when it is complete.

    :return: the number of articles
    :raises StoreError: the file cannot be written
    """
    digest, count = hashlib.sha256(), 0
    try:
        with replacing(path) as new, new.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as file:

            def write(values: dict[str, Any]) -> None:
                line = json.dumps(values, ensure_ascii=False).encode() + b"\n"
                digest.update(line)
                file.write(line)

            write({"kind": KIND, "version": VERSION, "manifest": asdict(manifest)})
            for article, stored, passages in snapshot.stored():
                write(_line(article, stored, passages))
                count += 1
            write({"articles": count, "sha256": digest.hexdigest()})
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}") from error
    return count


def _line(article: Article, digest: bytes, passages: list[sqlite3.Row]) -> dict[str, Any]:
    return {
        **dict(zip(ARTICLE_COLUMNS.split(", "), article_row(article), strict=True)),
        "digest": digest.hex(),
        "passages": [[own["start"], own["end"]] for own in passages],
        "vectors": b64encode(b"".join(own["vector"] for own in passages)).decode(),
    }


def verify_export(path: Path) -> Manifest:
    """Read a file to its end and give what it was made with.

    :raises StoreError: it is not an export, of a newer version, or not complete and unchanged
    """
    rows = _rows(path)
    manifest = _manifest(path, next(rows, {}))
    for row in rows:
        _exported(path, row, manifest)
    return manifest


def read_export(path: Path) -> Iterator[Exported]:
    """Give the articles of a file; what ``verify_export`` raises may come after some."""
    rows = _rows(path)
    manifest = _manifest(path, next(rows, {}))
    for row in rows:
        yield _exported(path, row, manifest)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    """Give the first line and those of the articles, then make sure of the last."""
    digest, count = hashlib.sha256(), -1
    lines = _lines(path)
    for line in lines:
        row = _json(path, line)
        if "sha256" in row:
            is_end = next(lines, None) is None
            if is_end and (row.get("articles"), row["sha256"]) == (count, digest.hexdigest()):
                return
            break
        digest.update(line)
        count += 1
        yield row
        if count == 0 and row.get("kind") != KIND:
            break
    raise StoreError(f"{path} is cut off or damaged; export it again")


def _manifest(path: Path, header: dict[str, Any]) -> Manifest:
    if header.get("kind") != KIND:
        raise StoreError(f"{path} is not a file that citewire export wrote")
    if header.get("version") != VERSION:
        raise StoreError(f"{path} was written by a newer Citewire; update it")
    try:
        return Manifest(**header["manifest"])
    except (KeyError, TypeError) as error:
        raise StoreError(f"{path} is damaged; export it again") from error


def _exported(path: Path, row: dict[str, Any], manifest: Manifest) -> Exported:
    try:
        article = article_of(row)
        blob, size = b64decode(row["vectors"]), 2 * manifest.dim
        vectors = vectors_of([blob[at : at + size] for at in range(0, len(blob), size)], manifest.dim)
        passages = tuple(
            Passage(0, article.id, start, end, article.text[start:end], article.title)
            for start, end in row["passages"]
        )
        is_right = len(vectors) == len(passages) and all(
            0 <= own.start < own.end <= len(article.text) for own in passages
        )
        if not is_right:
            raise ValueError("passages and vectors do not fit the text")
        return Exported(article, bytes.fromhex(row["digest"]), passages, vectors)
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{path} is damaged ({error}); export it again") from error


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with gzip.open(path, "rb") as file:
            yield from file
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise StoreError(f"{path} is cut off or damaged, or not a file that citewire export wrote") from error
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from error


def _json(path: Path, line: bytes) -> dict[str, Any]:
    try:
        values = json.loads(line)
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise StoreError(f"{path} is not a file that citewire export wrote")
    return values
