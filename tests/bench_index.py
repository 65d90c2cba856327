"""Measure indexing and vector search; run by hand, prints ratios against a baseline of the same run.

python tests/bench_index.py build FOLDER    # against sentence-transformers' plain float32 encode
python tests/bench_index.py vectors         # exhaustive search against the graph, by size
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from index.build import build
from index.chunk import Chunking
from index.database import Manifest
from index.embed import SentenceTransformerEncoder, passage_text
from index.store import Index
from index.vectors import VectorIndex
from qa.read import TransformersReader


def bench_build(folder: Path) -> None:
    """Index a folder, then embed the same passages plainly, then index again with nothing changed."""
    encoder, reader, chunking = SentenceTransformerEncoder(), TransformersReader(), Chunking()
    manifest = Manifest(encoder.fingerprint, encoder.dim, chunking.max_tokens, chunking.overlap)
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


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["build", folder]:
            bench_build(Path(folder))
        case ["vectors"]:
            bench_vectors()
        case _:
            sys.exit(__doc__)
