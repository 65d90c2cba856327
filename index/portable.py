"""One file that holds an index's articles with their passages and vectors, to carry elsewhere.

Part of store. The file is gzip: one JSON line that says what it is, one for each article, and one with
their number and a SHA-256 of all lines before. Holds: nothing of a file is put into an index before all of
it was verified. Data only, readable by any program.
"""

import gzip
import hashlib
import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.database import Manifest
from index.durable import put_in_place
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
    aside = path.with_name(path.name + ".new")
    digest, count = hashlib.sha256(), 0
    try:
        with aside.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as file:

            def write(values: dict[str, Any]) -> None:
                line = json.dumps(values, ensure_ascii=False).encode() + b"\n"
                digest.update(line)
                file.write(line)

            write({"kind": KIND, "version": VERSION, "manifest": asdict(manifest)})
            for article in snapshot.articles():
                write(_line(snapshot, article))
                count += 1
            write({"articles": count, "sha256": digest.hexdigest()})
        put_in_place(aside, path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise StoreError(f"cannot write {path}: {error.strerror}") from error
    return count


def _line(snapshot: Snapshot, article: Article) -> dict[str, Any]:
    digest, rows = snapshot.stored(article.id)
    return {
        **dict(zip(ARTICLE_COLUMNS.split(", "), article_row(article), strict=True)),
        "digest": digest.hex(),
        "passages": [[start, end] for start, end, _ in rows],
        "vectors": b64encode(b"".join(vector for _, _, vector in rows)).decode(),
    }


def verify_export(path: Path) -> Manifest:
    """Read a file to its end and give what it was made with.

    :raises StoreError: it is not an export, of a newer version, or not complete and unchanged
    """
    digest, count = hashlib.sha256(), -1
    header: dict[str, Any] = {}
    for line in _lines(path):
        values = _json(path, line)
        if count < 0:
            header = values
            if header.get("kind") != KIND:
                raise StoreError(f"{path} is not a file that citewire export wrote")
            if header["version"] > VERSION:
                raise StoreError(f"{path} was written by a newer Citewire; update it")
        elif "sha256" in values:
            if (values["articles"], values["sha256"]) != (count, digest.hexdigest()):
                break
            return Manifest(**header["manifest"])
        digest.update(line)
        count += 1
    raise StoreError(f"{path} is cut off or damaged; export it again")


def read_export(path: Path, manifest: Manifest) -> Iterator[Exported]:
    """Give the articles of a file that was verified."""
    for line in _lines(path):
        row = _json(path, line)
        if "vectors" not in row:
            continue
        article = article_of(row)
        blob, size = b64decode(row["vectors"]), 2 * manifest.dim
        vectors = vectors_of([blob[at : at + size] for at in range(0, len(blob), size)], manifest.dim)
        passages = tuple(
            Passage(0, article.id, start, end, article.text[start:end], article.title)
            for start, end in row["passages"]
        )
        yield Exported(article, bytes.fromhex(row["digest"]), passages, vectors)


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
