"""Random sequences of changes to an index, against a dictionary and brute-force search.

python tests/sweep_model.py [--sequences N]    # 2,000 without it

A sequence adds, updates and removes articles (by id, outlet and day), fails half-way, commits several
times, compacts, exports and imports, deletes the vector file, opens the index again and reads through an
older snapshot; after every step the index must hold and find exactly what the dictionary does.
"""

import random
import re
import sys
import tempfile
from collections import Counter
from datetime import date
from pathlib import Path

import numpy as np
from conftest import FakeEncoder

from index.check import check
from index.database import Manifest
from index.portable import read_export, write_export
from index.snapshot import Snapshot
from index.store import Index
from index.types import Article, Filters, Passage
from index.vectors import VECTORS
from index.writer import Writer, digest_of

MANIFEST = Manifest("fake@1", 32, 192, 1)
ENCODER = FakeEncoder()
VOCABULARY = ["mayor", "bridge", "boat", "school", "river", "market", "Écho", "日本"]
OUTLETS = ["Elsk Daily", "Écho", ""]
STEPS = 12
Model = dict[str, Article]


def passages_of(item: Article) -> list[Passage]:
    lines = re.finditer(r"[^\n]+", item.text)
    return [Passage(0, item.id, m.start(), m.end(), m[0], item.title) for m in lines]


class Sequence:
    """One index, and the dictionary that it must agree with."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.rng = random.Random(seed)
        self.folder = folder
        self.model: Model = {}
        self.generation = 0
        self.store = Index.create(folder / "index", MANIFEST)
        self.steps = Counter[str]()

    def article(self, name: str) -> Article:
        rng = self.rng
        text = "\n".join(" ".join(rng.choices(VOCABULARY, k=5)) for _ in range(rng.randrange(1, 4)))
        day = rng.choice([None, date(2018, 5, rng.randrange(1, 5))])
        return Article(name, rng.choice(VOCABULARY), text, rng.choice(OUTLETS), published=day, original=text)

    def put(self, writer: Writer, item: Article) -> None:
        passages = passages_of(item)
        writer.put(item, digest_of(item), passages, ENCODER.encode([p.text for p in passages]))

    def change(self, writer: Writer, wanted: Model) -> bool:
        """Make one random change to the index and to ``wanted``; tell whether there was anything to do."""
        name = f"a{self.rng.randrange(8)}"
        kind = self.rng.choice(["put", "put", "remove", "remove by outlet or day"])
        if kind == "put":
            wanted.pop(name, None)
            wanted[name] = self.article(name)
            self.put(writer, wanted[name])
            return True
        if kind == "remove":
            removed = writer.remove(name)
            assert removed == (wanted.pop(name, None) is not None)
            return removed
        filters = self.filters()
        gone = [name for name, item in wanted.items() if allows(filters, item)]
        assert sorted(writer.matching(filters)) == sorted(gone)
        for name in gone:
            assert writer.remove(name)
            del wanted[name]
        return bool(gone)

    def filters(self) -> Filters:
        day = date(2018, 5, self.rng.randrange(1, 5))
        return self.rng.choice([Filters(("écho",)), Filters(since=day), Filters(until=day)])

    def update(self) -> None:
        fails = self.rng.random() < 0.2
        wanted, changed = dict(self.model), False
        try:
            with self.store.update() as writer:
                for _ in range(self.rng.randrange(5)):
                    changed |= self.change(writer, wanted)
                    if self.rng.random() < 0.2:
                        writer.commit()
                        self.model, self.generation = dict(wanted), self.generation + changed
                        changed = False
                if fails:
                    raise KeyError
        except KeyError:
            return
        self.model, self.generation = wanted, self.generation + changed

    def reopen(self) -> None:
        self.store.close()
        self.store = Index.open(self.folder / "index")

    def lose_vectors(self) -> None:
        (self.folder / "index" / VECTORS).unlink(missing_ok=True)
        self.reopen()

    def compact(self) -> None:
        self.store.compact()

    def carry(self) -> None:
        """Export, remove everything, import."""
        file = self.folder / "export"
        with self.store.snapshot() as snapshot:
            write_export(snapshot, MANIFEST, file)
        with self.store.update() as writer:
            for name in list(self.model):
                writer.remove(name)
            for item in read_export(file):
                writer.put(item.article, item.digest, item.passages, item.vectors)
        self.generation += bool(self.model)

    def read_an_older_state(self) -> None:
        model, generation = dict(self.model), self.generation
        with self.store.snapshot() as old:
            self.update()
            self.verify(old, model, generation)

    def step(self) -> None:
        weights = {self.update: 8, self.reopen: 2, self.lose_vectors: 1, self.compact: 1, self.carry: 1}
        weights[self.read_an_older_state] = 2
        (chosen,) = self.rng.choices(list(weights), list(weights.values()))
        chosen()
        self.steps[chosen.__name__] += 1
        with self.store.snapshot() as snapshot:
            self.verify(snapshot, self.model, self.generation)

    def verify(self, snapshot: Snapshot, model: Model, generation: int) -> None:
        assert snapshot.generation == generation
        assert list(snapshot.articles()) == list(model.values())
        held = [p for item in model.values() for p in passages_of(item)]
        assert sorted(p.text for name in model for p in snapshot.passages(name)) == sorted(
            p.text for p in held
        )
        filters = self.rng.choice([Filters(), self.filters()])
        allowed = [p for p in held if allows(filters, model[p.article_id])]
        word = self.rng.choice(VOCABULARY)
        found = sorted(hit.passage.text for hit in snapshot.search_words([word], 999, filters))
        assert found == sorted(p.text for p in allowed if word in f"{p.title} {p.text}".split())
        query = ENCODER.encode([word])
        (hits,) = snapshot.search_vectors(query, 5, filters)
        exact = np.sort(ENCODER.encode([p.text for p in allowed]) @ query[0])[::-1][:5] if allowed else []
        np.testing.assert_allclose([hit.score for hit in hits], exact, atol=2e-3)


def allows(filters: Filters, item: Article) -> bool:
    if filters.sources:
        return item.source.casefold() in {source.casefold() for source in filters.sources}
    if item.published is None:
        return not filters
    return (filters.since or date.min) <= item.published <= (filters.until or date.max)


def run(seed: int) -> Counter[str]:
    """Run one sequence; what disagrees raises."""
    with tempfile.TemporaryDirectory() as folder:
        sequence = Sequence(seed, Path(folder))
        for _ in range(STEPS):
            sequence.step()
        sequence.store.close()
        problems = check(Path(folder) / "index").problems
        assert not problems, problems
        return sequence.steps


if __name__ == "__main__":
    sequences = int(sys.argv[sys.argv.index("--sequences") + 1]) if "--sequences" in sys.argv else 2_000
    steps = Counter[str]()
    for number in range(sequences):
        try:
            steps += run(number)
        except Exception:
            print(f"sequence {number} disagrees")
            raise
    print(f"{sequences:,} sequences agree: {dict(steps)}")
