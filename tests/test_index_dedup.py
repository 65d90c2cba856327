"""Syndicated copies are alike, separate reports are not, and the estimate is the Jaccard overlap."""

import itertools
import math
import random
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.clean import clean
from index.dedup import COPY, HASHES, Sketch
from index.load import load
from index.types import Article

COPIES = {
    ("quennell-takeover-harbour-ledger.md", "quennell-takeover-meridian-wire.txt"),
    ("rail-signalling-channel-six-news.txt", "rail-signalling-meridian-wire.txt"),
    ("times-up-harbour-ledger.md", "times-up-meridian-wire.txt"),
}


def jaccard(one: str, other: str) -> float:
    """Compute the exact overlap of three-word shingles."""
    words = [re.findall(r"\w+", text.lower()) for text in (one, other)]
    sets = [{tuple(w[at : at + 3]) for at in range(len(w) - 2)} for w in words]
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


@pytest.fixture(scope="module")
def samples() -> dict[str, str]:
    articles = [clean(item) for item in load([Path("eval/articles")]) if isinstance(item, Article)]
    return {Path(article.id).name: article.text for article in articles}


def test_of_the_sample_articles_exactly_the_syndicated_ones_are_copies(samples: dict[str, str]) -> None:
    sketches = {name: Sketch.of(text) for name, text in samples.items()}
    pairs = list(itertools.combinations(sorted(sketches), 2))

    alike = {(a, b) for a, b in pairs if sketches[a].similarity(sketches[b]) >= COPY}

    assert alike == COPIES
    assert alike == {(a, b) for a, b in pairs if jaccard(samples[a], samples[b]) >= COPY}
    for a, b in alike:
        assert set(sketches[a].bands()) & set(sketches[b].bands()), "the store would find the pair"


def test_the_estimate_is_within_four_standard_errors_of_the_overlap() -> None:
    rng = random.Random(1)
    for _ in range(100):
        words = [f"w{rng.randrange(10_000)}" for _ in range(400)]
        other = words.copy()
        for _ in range(rng.randrange(120)):
            other[rng.randrange(400)] = f"v{rng.randrange(10_000)}"
        one, two = " ".join(words), " ".join(other)
        exact = jaccard(one, two)

        estimate = Sketch.of(one).similarity(Sketch.of(two))

        assert abs(estimate - exact) <= 4 * math.sqrt(exact * (1 - exact) / HASHES)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_the_same_text_gives_the_same_sketch_also_from_bytes(text: str) -> None:
    sketch = Sketch.of(text)
    again = Sketch.from_bytes(sketch.to_bytes())

    assert Sketch.of(text).to_bytes() == sketch.to_bytes() == again.to_bytes()
    assert sketch.similarity(again) == 1.0
    assert sketch.bands() == again.bands()
    assert all(-(2**63) <= band < 2**63 for band in sketch.bands())


def test_case_and_punctuation_do_not_count() -> None:
    assert Sketch.of("The mayor left, he said.").similarity(Sketch.of("the MAYOR left he said")) == 1.0
    assert Sketch.of("The mayor left, he said.").similarity(Sketch.of("A bridge fell, she said.")) < COPY
