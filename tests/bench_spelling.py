"""Measure the mending of typos; run by hand.

python tests/bench_spelling.py INDEX QUESTIONS...    # files with a question a line, JSONL

Types each question with one slip, as ``python -m eval --typed`` does, and counts those that come back as
they were meant. Then mends the questions as they are, where each change is a mistake or a true typo.
"""

import json
import random
import sys
import time
from pathlib import Path

from index.embed import SentenceTransformerEncoder
from index.store import Index
from qa.default_reader.careless import hurried
from qa.read import TransformersReader
from qa.spelling import mended


def main(index: str, *files: str) -> None:
    """Print how many slips are mended, left and made worse, and what happens to well typed questions."""
    lines = [line for file in files for line in Path(file).read_text(encoding="utf-8").splitlines()]
    questions = list(dict.fromkeys(json.loads(line)["question"] for line in lines))
    rng, reader = random.Random(0), TransformersReader()
    found = dict.fromkeys(("mended", "left", "made another word"), 0)
    changed, seconds = [], 0.0
    fingerprint = SentenceTransformerEncoder().fingerprint
    with Index.open(Path(index), encoder=fingerprint) as store, store.snapshot() as snapshot:
        for question in questions:
            meant, typed = question.lower().rstrip("? "), hurried(question, rng)
            started = time.perf_counter()
            read = mended(typed, snapshot.count, reader.measure)
            seconds += time.perf_counter() - started
            if typed != meant:
                kind = "mended" if read == meant else "left" if read == typed else "made another word"
                found[kind] += 1
            as_it_is = mended(question, snapshot.count, reader.measure)
            if as_it_is != question:
                pairs = zip(question.split(), as_it_is.split(), strict=True)
                changed += [f"{old} -> {new}" for old, new in pairs if old != new]
    slips = sum(found.values())
    print(f"{slips} slips: " + ", ".join(f"{n} {kind} ({n / slips:.0%})" for kind, n in found.items()))
    print(f"{len(questions)} questions as they are: {len(changed)} words changed: {', '.join(changed)}")
    print(f"{1000 * seconds / len(questions):.1f} ms a question")


if __name__ == "__main__":
    main(*sys.argv[1:])
