"""Many processes read an index while one writes: every answer belongs to one generation.

python tests/sweep_readers.py [--commits N] [--readers N]    # 100 commits, 8 readers

Each commit changes every article. A reader, in a process of its own, reads one snapshot after the other:
articles, words and vectors must all be of the generation that the snapshot names, and generations only
rise. Prints the longest time that a reader waited for its first search of a snapshot.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from conftest import FakeEncoder
from sweep_model import MANIFEST

from index.store import Index
from index.types import Article, Passage
from index.writer import digest_of

ENCODER = FakeEncoder()
ARTICLES = 40


def text_of(number: int, generation: int) -> str:
    return f"Article {number} was written as version{generation} of itself."


def write(path: Path, commits: int) -> None:
    with Index.open(path) as store:
        for generation in range(1, commits + 1):
            texts = [text_of(number, generation) for number in range(ARTICLES)]
            vectors = ENCODER.encode(texts)
            with store.update(wait=60.0) as writer:
                for number, text in enumerate(texts):
                    item = Article(f"a{number}", "", text, original=text)
                    passage = Passage(0, item.id, 0, len(text), text)
                    writer.put(item, digest_of(item), [passage], vectors[number : number + 1])


def read(path: Path, commits: int) -> None:
    """Read until the last generation is there; print how often, and the longest wait."""
    seen, snapshots, waits, last = set(), 0, [], 0
    with Index.open(path) as store:
        while last < commits:
            query = ENCODER.encode([text_of(snapshots % ARTICLES, last + 1)])
            began = time.perf_counter()
            with store.snapshot() as snapshot:
                (hits,) = snapshot.search_vectors(query, 5)
                waits.append(time.perf_counter() - began)
                generation, version = snapshot.generation, f"version{snapshot.generation}"
                assert generation >= last, f"generation {generation} after {last}"
                texts = [article.text for article in snapshot.articles()]
                texts += [hit.passage.text for hit in hits]
                found = snapshot.search_words([version], 999)
            if generation:
                assert len(texts) == ARTICLES + 5
                assert all(version in text for text in texts), f"mixed: {version}, {set(texts)}"
                assert len(found) == ARTICLES
            last, snapshots = generation, snapshots + 1
            seen.add(generation)
    waits.sort()
    result = {"snapshots": snapshots, "generations": len(seen), "median": waits[len(waits) // 2]}
    print(json.dumps(result | {"longest": waits[-1]}))


def main(commits: int, readers: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index"
        Index.create(path, MANIFEST).close()
        command = [sys.executable, __file__, "read", str(path), str(commits)]
        children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(readers)]
        began = time.perf_counter()
        write(path, commits)
        took = time.perf_counter() - began
        results = [json.loads(child.communicate()[0] or "{}") for child in children]
    failed = sum(child.returncode != 0 for child in children)
    good = [result for result in results if result]
    print(
        f"{readers} readers, {commits} commits in {took:.1f} s: {sum(r['snapshots'] for r in good):,} snapshots,"
        f" each of one generation; {failed} readers failed;"
        f" wait of a reader {1e3 * max(r['median'] for r in good):.0f} ms in the middle,"
        f" {1e3 * max(r['longest'] for r in good):.0f} ms at most"
    )
    return failed


def option(name: str, default: int) -> int:
    return int(sys.argv[sys.argv.index(name) + 1]) if name in sys.argv else default


if __name__ == "__main__":
    if sys.argv[1:2] == ["read"]:
        read(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        sys.exit(1 if main(option("--commits", 100), option("--readers", 8)) else 0)
