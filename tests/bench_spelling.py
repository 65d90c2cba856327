"""Measure the mending of typos; run by hand.

python tests/bench_spelling.py INDEX QUESTIONS... --other QUESTIONS...    # JSONL files, also .xz

Types each question with one slip, as ``python -m eval --typed`` does, and counts those that come back as
they were meant. Then mends the others, on things that the articles do not cover, as they are: each word
changed is a mistake, or a true typo.
"""

import json
import lzma
import random
import sys
import time
from pathlib import Path

from index.embed import SentenceTransformerEncoder
from index.store import Index
from qa.default_reader.careless import hurried
from qa.read import TransformersReader
from qa.spelling import mended


def questions_in(paths: list[str]) -> list[str]:
    """Read the questions of some files, each once."""
    found: list[str] = []
    for path in paths:
        opened = lzma.open if path.endswith(".xz") else open
        with opened(path, "rt", encoding="utf-8") as lines:
            found += [json.loads(line)["question"] for line in lines if line.strip()]
    return list(dict.fromkeys(found))


def main(index: str, *files: str) -> None:
    """Print how many slips are mended, left and made worse, and what happens to well typed questions."""
    at = files.index("--other") if "--other" in files else len(files)
    own, other = questions_in(list(files[:at])), questions_in(list(files[at + 1 :]))
    rng, reader = random.Random(0), TransformersReader()
    found = dict.fromkeys(("mended", "left", "made another word"), 0)
    fingerprint = SentenceTransformerEncoder().fingerprint
    with Index.open(Path(index), encoder=fingerprint) as store, store.snapshot() as snapshot:
        started = time.perf_counter()
        for question in own:
            meant, typed = question.lower().rstrip("? "), hurried(question, rng)
            read = mended(typed, snapshot, reader.measure)
            if typed != meant:
                found["mended" if read == meant else "left" if read == typed else "made another word"] += 1
        seconds = time.perf_counter() - started
        print(f"{len(own)} questions with a slip: {found}, {1000 * seconds / len(own):.1f} ms each")
        pairs = [(question, mended(question, snapshot, reader.measure)) for question in other]
    words = [(old.split(), new.split()) for old, new in pairs]  # mending changes no space
    changed = [f"{a} -> {b}" for old, new in words for a, b in zip(old, new, strict=True) if a != b]
    print(f"{len(other)} other questions, {len(changed)} words changed: {', '.join(changed)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
