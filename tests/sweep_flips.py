"""Flip bits, cut files off and swap them, and see that no reader is given anything else than was written.

python tests/sweep_flips.py [--share N]    # one in N of the points; without it all

The FAISS file: every byte, two bits each; every length; files of other indexes and generations; garbage.
After each the index is opened and must give the same results. SQLite's file: every byte, one bit; check
must find each flip after which the rows are not what they were; without one it must find nothing.
"""

import random
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from conftest import FakeEncoder
from sweep_faults import MANIFEST, put, texts

from index.check import check, problem_of
from index.database import DATABASE, connect
from index.errors import CitewireError, IndexDamaged
from index.repair import repair
from index.schema import ARTICLE_QUERY, STORED_PASSAGE
from index.store import Index
from index.vectors import VECTORS

ENCODER = FakeEncoder()
QUERIES = ENCODER.encode(["Story 1, first.\n", "It goes on for a while, as 3 does.\n", "other"])


def make(path: Path, *numbers: int, version: str = "first") -> None:
    with Index.create(path, MANIFEST) as store, store.update() as writer:
        for name, text in texts(*numbers, version=version).items():
            put(writer, name, "\n".join(dict.fromkeys(text.splitlines())) + "\n")


def results(path: Path) -> Any:
    with Index.open(path) as store, store.snapshot() as snapshot:
        return [
            [(hit.passage.article_id, hit.passage.text, round(hit.score, 6)) for hit in hits]
            for hits in snapshot.search_vectors(QUERIES, 9)
        ]


def vector_files(good: bytes, others: list[bytes]) -> Iterator[tuple[str, bytes | None]]:
    rng = random.Random(1)
    for at in range(len(good)):
        for bit in rng.sample(range(8), 2):
            yield "flipped", good[:at] + bytes([good[at] ^ 1 << bit]) + good[at + 1 :]
    yield from (("cut off", good[:length]) for length in range(len(good)))
    yield from (("swapped", other) for other in others)
    yield from (("garbage", rng.randbytes(rng.randrange(2 * len(good)))) for _ in range(200))
    yield "deleted", None


def sweep_vectors(share: int) -> int:
    wrong, counts = 0, Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        path, elsewhere = Path(folder) / "index", Path(folder) / "elsewhere"
        make(path, 1, 2)
        older = (path / VECTORS).read_bytes()
        make(path, 3)
        make(elsewhere, 1, 2, version="second")
        make(elsewhere, 3, version="second")  # the same passage ids and generation, other words
        good, expected = (path / VECTORS).read_bytes(), results(path)
        others = [older, (elsewhere / VECTORS).read_bytes()]
        points = list(vector_files(good, others))
        for kind, content in points if share == 1 else random.Random(2).sample(points, len(points) // share):
            counts[kind] += 1
            (path / VECTORS).unlink(missing_ok=True)
            if content is not None:
                (path / VECTORS).write_bytes(content)
            if results(path) != expected:
                wrong += 1
                print(f"{VECTORS} {kind}: other results")
            if (path / VECTORS).read_bytes() != good:
                wrong += 1
                print(f"{VECTORS} {kind}: not healed")
    print(f"{VECTORS}, {len(good)} bytes: {dict(counts)}, {wrong} with other results")
    return wrong


ROWS = (
    "SELECT * FROM meta",
    "SELECT * FROM articles NOT INDEXED ORDER BY number",
    "SELECT * FROM passages NOT INDEXED ORDER BY id",
    "SELECT * FROM bands NOT INDEXED",
    "SELECT term, doc, col, offset FROM temp.places",
    "SELECT id FROM articles INDEXED BY articles_by_source ORDER BY source, number",
    "SELECT number FROM articles INDEXED BY articles_by_day WHERE published IS NULL",
    "SELECT start FROM passages INDEXED BY passages_by_article ORDER BY article, start",
)


def content(path: Path) -> Any:
    """Read all rows by SQL alone: what a program that knows no checksums would see."""
    try:
        with sqlite3.connect(f"{(path / DATABASE).as_uri()}?immutable=1", uri=True) as connection:
            connection.execute(
                "CREATE VIRTUAL TABLE temp.places USING fts5vocab('main', 'words', 'instance')"
            )
            return [connection.execute(query).fetchall() for query in ROWS]
    except (sqlite3.Error, ValueError) as error:  # ValueError: a message of SQLite's that is no UTF-8
        return str(error)
    finally:
        connection.close()


def finds(path: Path) -> bool:
    try:
        Index.open(path).close()
        return not check(path).sound
    except CitewireError:
        return True


def sweep_database(share: int) -> int:
    counts, wrong = Counter[str](), 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index"
        make(path, 1, 2, 3, 4)
        (path / f"{DATABASE}-wal").unlink(missing_ok=True)
        (path / f"{DATABASE}-shm").unlink(missing_ok=True)
        good, expected = (path / DATABASE).read_bytes(), content(path)
        assert isinstance(expected, list), expected
        assert len(expected[1]) == 4
        rng = random.Random(3)
        for at in sorted(rng.sample(range(len(good)), len(good) // share)):
            flipped = bytearray(good)
            flipped[at] ^= 1 << rng.randrange(8)
            (path / DATABASE).write_bytes(flipped)
            changed = content(path) != expected
            found = finds(path)
            for end in ("-wal", "-shm"):
                (path / f"{DATABASE}{end}").unlink(missing_ok=True)
            counts[f"{'changed' if changed else 'unchanged'}, {'found' if found else 'not found'}"] += 1
            if changed and not found:
                wrong += 1
                print(
                    f"{DATABASE}: byte {at} ({good[at]} -> {flipped[at]}) changes rows, and check finds nothing"
                )
    print(f"{DATABASE}, {len(good)} bytes: {dict(counts)}; {wrong} that change rows were not found")
    return wrong


def whole_articles(path: Path) -> set[str]:
    """Give the ids of the articles that a scan of the tables can read and verify."""
    with closing(connect(path)) as connection:
        found: dict[int, list[sqlite3.Row]] = {}
        try:
            for row in connection.execute(f"SELECT {STORED_PASSAGE}, checksum FROM passages NOT INDEXED"):
                found.setdefault(row["article"], []).append(row)
        except (sqlite3.Error, ValueError):
            pass
        whole = set()
        try:
            for row in connection.execute(f"{ARTICLE_QUERY} NOT INDEXED"):
                if not problem_of(row, found.get(row["number"], []), MANIFEST.dim):
                    whole.add(row["id"])
        except (sqlite3.Error, ValueError):
            pass
        return whole


def sweep_pages(share: int) -> int:
    """Lose each page of SQLite's file, and repair: whatever can be verified must stay."""
    counts, wrong = Counter[str](), 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index"
        make(path, *range(40))
        good = (path / DATABASE).read_bytes()
        leaves = [bytes([kind, 0, 0, 0, 0, 16, 0, 0]) + bytes(4088) for kind in (10, 13)]
        points = [(at, c) for at in range(0, len(good), 4096) for c in (bytes(4096), b"\xff" * 4096, *leaves)]
        for at, lost in random.Random(4).sample(points, len(points) // share):
            for file in path.iterdir():
                file.unlink()
            (path / DATABASE).write_bytes(good[:at] + lost + good[at + 4096 :])
            try:
                whole = whole_articles(path)
                kept = repair(path).articles
            except IndexDamaged:
                counts["cannot be repaired"] += 1
                wrong += at > 4096  # the first page says what the tables are, the second has the settings
                continue
            with Index.open(path) as store, store.snapshot() as snapshot:
                ids = set(snapshot.ids())
            counts["all kept" if kept == 40 else "some kept" if kept else "none kept"] += 1
            if whole - ids or not check(path).sound:
                wrong += 1
                print(
                    f"{DATABASE}: page {at // 4096 + 1}: {len(whole)} could be verified, {len(ids)} were kept"
                )
    print(f"{DATABASE}, {len(good) // 4096} pages: {dict(counts)}; {wrong} with a loss")
    return wrong


if __name__ == "__main__":
    chosen = int(sys.argv[sys.argv.index("--share") + 1]) if "--share" in sys.argv else 1
    sys.exit(1 if sweep_vectors(chosen) + sweep_pages(chosen) + sweep_database(chosen) else 0)
