"""Measure indexing and vector search; run by hand, prints ratios against a baseline of the same run.

python tests/bench_index.py build FOLDER    # against sentence-transformers' plain float32 encode
python tests/bench_index.py vectors         # exhaustive search against the graph, by size
python tests/bench_index.py costs [COUNT]   # update, open and memory at 100,000 passages, against 1,000
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from index.build import build, remove
from index.check import check
from index.embed import SentenceTransformerEncoder, passage_text
from index.store import Index
from index.types import Article, Passage
from index.vectors import VectorIndex
from index.writer import digest_of
from qa.api import manifest_for
from qa.read import TransformersReader


def bench_build(folder: Path) -> None:
    """Index a folder, then embed the same passages plainly, then index again with nothing changed."""
    encoder, reader = SentenceTransformerEncoder(), TransformersReader()
    manifest = manifest_for(encoder)
    encoder.encode(["load the model before the clock starts"])
    with tempfile.TemporaryDirectory() as scratch, Index.create(Path(scratch) / "x", manifest) as store:
        first = build(store, encoder, reader.measure, [folder])
        again = build(store, encoder, reader.measure, [folder])
        with store.snapshot() as snapshot:
            texts = [
                passage_text(passage)
                for article in snapshot.articles()
                for passage in snapshot.passages(article.id)
            ]
        size = sum(file.stat().st_size for file in store.path.iterdir())
    plain = encoder._model  # the library's own model, as a user would call it
    started = time.perf_counter()
    reference = plain.encode(texts, normalize_embeddings=True)
    baseline = time.perf_counter() - started
    sample = list(range(0, len(texts), max(1, len(texts) // 500)))
    cosines = (encoder.encode([texts[item] for item in sample]) * reference[sample]).sum(axis=1)
    print(f"{first.added} articles, {first.passages} passages, {size / 1e6:.1f} MB on disk")
    print(f"first build  {first.seconds:8.1f} s  {first.added / first.seconds:.1f} articles/s")
    print(f"plain encode {baseline:8.1f} s  ratio {first.seconds / baseline:.2f}")
    print(f"second build {again.seconds:8.2f} s  {again.seconds / first.seconds:.1%} of the first")
    print(f"cosine to float32: least {cosines.min():.5f}, mean {cosines.mean():.5f}, of {len(sample)}")


def bench_vectors() -> None:
    """Search random clustered unit vectors exhaustively and by graph."""
    random = np.random.default_rng(0)
    for count in (25_000, 100_000, 200_000, 400_000):
        centres = random.normal(size=(count // 50, 384)).astype(np.float32)
        vectors = centres[random.integers(len(centres), size=count)]
        vectors += 0.6 * random.normal(size=vectors.shape).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        queries = vectors[random.integers(count, size=200)] + 0.02 * random.normal(size=(200, 384)).astype(
            "f4"
        )
        queries /= np.linalg.norm(queries, axis=1, keepdims=True)
        ids = np.arange(1, count + 1, dtype=np.int64)
        found = {}
        for name, limit in (("exhaustive", count), ("graph", 0)):
            started = time.perf_counter()
            index = VectorIndex.build(ids, 384, lambda wanted, v=vectors: v[wanted - 1], flat_limit=limit)
            built = time.perf_counter() - started
            times = []
            rows = []
            for query in queries:
                started = time.perf_counter()
                rows.append(set(index.search(query[None], 10)[1][0]))
                times.append(time.perf_counter() - started)
            found[name] = (built, float(np.median(times)), rows)
        (flat_built, flat, truth), (graph_built, graph, guesses) = found["exhaustive"], found["graph"]
        recall = np.mean([len(a & b) / 10 for a, b in zip(truth, guesses, strict=True)])
        print(
            f"{count:>8,} vectors: exhaustive {flat * 1e3:6.2f} ms (built in {flat_built:.1f} s),"
            f" graph {graph / flat:.2f} times that (built in {graph_built:.1f} s), recall@10 {recall:.3f}"
        )


WORDS = [
    f"{a}{b}" for a in ("bri", "may", "schoo", "ri", "mar", "bo") for b in ("dge", "or", "l", "ver", "ket")
]


def filled(path: Path, passages: int) -> None:
    """Make an index of so many passages of 120 words, eight an article, with random vectors."""
    random = np.random.default_rng(0)
    manifest = manifest_for(SentenceTransformerEncoder())
    with Index.create(path, manifest) as store, store.update() as writer:
        for number in range(passages // 8):
            words = [f"{random.choice(WORDS)}{random.zipf(1.3) % 50_000}" for _ in range(8 * 120)]
            lines = [" ".join(words[at : at + 120]) + "\n" for at in range(0, len(words), 120)]
            ends = np.cumsum([len(line) for line in lines]).tolist()
            text = "".join(lines)
            item = Article(f"a{number}", f"Title {number}", text, original=text)
            found = [Passage(0, item.id, a, b, text[a:b]) for a, b in zip([0, *ends[:-1]], ends, strict=True)]
            vectors = random.normal(size=(8, manifest.dim)).astype(np.float32)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            writer.put(item, digest_of(item), found, vectors)


OPEN = """
import sys, time, re
from pathlib import Path
import faiss, numpy as np
from index.store import Index
from index.types import Article, Passage
def memory():
    return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1e3
before, began = memory(), time.perf_counter()
with Index.open(sys.argv[1]) as store, store.snapshot() as snapshot:
    snapshot.search_vectors(np.ones((1, store.manifest.dim), np.float32), 10)
    snapshot.search_words(["mayor1"], 10)
    print(time.perf_counter() - began, memory() - before)
"""


def bench_costs(count: int) -> None:
    """Update and open indexes of two sizes; the smaller is the baseline."""
    encoder, reader = SentenceTransformerEncoder(), TransformersReader()
    encoder.encode(["load the model before the clock starts"])
    reader.measure(["and the tokenizer"])
    for size in (1_000, count):
        with tempfile.TemporaryDirectory() as scratch:
            path, news = Path(scratch) / "x", Path(scratch) / "news"
            filled(path, size)
            news.mkdir()
            for number in range(10):
                text = " ".join(f"Sentence {at} of story {number} says what came of it." for at in range(80))
                (news / f"{number}.txt").write_text(text)
            with Index.open(path) as store:
                added = build(store, encoder, reader.measure, [news])
                started = time.perf_counter()
                remove(store, [str(news)])
                removed = time.perf_counter() - started
            opened = subprocess.run(
                [sys.executable, "-c", OPEN, path], capture_output=True, text=True, check=True
            ).stdout.split()
            (path / "vectors.faiss").unlink()
            rebuilt = subprocess.run(
                [sys.executable, "-c", OPEN, path], capture_output=True, text=True, check=True
            ).stdout.split()
            files = {file.name: file.stat().st_size / 1e6 for file in path.iterdir()}
            started = time.perf_counter()
            report = check(path)
            checked = time.perf_counter() - started
            assert report.sound, report.problems
        print(
            f"{size:,} passages: 10 articles ({added.passages} passages) added in {added.seconds:.2f} s,"
            f" removed in {removed:.2f} s; opened cold, with a search, in {float(opened[0]):.2f} s,"
            f" {float(rebuilt[0]):.2f} s without the vector file; a reader's memory {float(opened[1]):.0f} MB;"
            f" checked in {checked:.1f} s; on disk "
            + ", ".join(f"{name} {size:.1f} MB" for name, size in sorted(files.items()) if size > 0.1)
        )


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["build", folder]:
            bench_build(Path(folder))
        case ["costs", *count]:
            bench_costs(int(count[0]) if count else 100_000)
        case ["vectors"]:
            bench_vectors()
        case _:
            sys.exit(__doc__)
