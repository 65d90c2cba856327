"""Passages hold whole sentences, fit the reader, overlap by a sentence and lose nothing."""

import itertools
from collections.abc import Sequence

import pytest
from conftest import measure
from hypothesis import given, settings
from hypothesis import strategies as st

from index.chunk import Chunking, chunk
from index.sentences import sentence_spans
from index.types import Article, Measure


def article(text: str) -> Article:
    return Article("a.txt", "The headline", text, original=text)


def sentence(words: int, name: str) -> str:
    return " ".join(["The", *(f"{name}{i}" for i in range(words - 2)), "end."])


def characters(texts: Sequence[str]) -> list[int]:
    """Measure one token a visible character: the most that a tokenizer of words gives."""
    return [sum(not char.isspace() for char in text) for text in texts]


WORDS = st.lists(
    st.sampled_from(
        ["The", "mayor", "said.", "“No.”", "😀", "x" * 50, "日本。", "\n", "\n\n", "U.S.", "- a"]
    ),
    max_size=80,
).map(" ".join)
TEXTS = WORDS | st.text(st.characters(exclude_categories=["Cs"]), max_size=150)


@settings(max_examples=300)
@given(TEXTS, st.integers(16, 40), st.integers(0, 3), st.sampled_from([measure, characters]))
def test_passages_are_exact_fit_and_cover_every_visible_character(
    text: str, max_tokens: int, overlap: int, tokens: Measure
) -> None:
    passages = chunk(article(text), tokens, Chunking(max_tokens, overlap))

    covered = {offset for p in passages for offset in range(p.start, p.end)}
    assert all(text[p.start : p.end] == p.text and p.text.strip() == p.text != "" for p in passages)
    assert all(char.isspace() or offset in covered for offset, char in enumerate(text))
    # Both measures are additive over words, so the sum over a passage's sentences is its own measure.
    assert all(tokens([p.text])[0] <= max_tokens for p in passages)
    pairs = list(itertools.pairwise(passages))
    assert all(left.start < right.start and left.end < right.end for left, right in pairs), "progress"
    assert [p.id for p in passages] == [0] * len(passages)


@settings(max_examples=200)
@given(st.lists(st.integers(3, 30), min_size=1, max_size=30))
def test_a_passage_repeats_the_last_sentence_wherever_the_next_one_still_fits(lengths: list[int]) -> None:
    text = " ".join(sentence(length, f"s{number}w") for number, length in enumerate(lengths))
    spans = sentence_spans(text)
    assert len(spans) == len(lengths), "the reference below needs one span a sentence"
    starts, ends = [start for start, _ in spans], [end for _, end in spans]

    passages = [
        (starts.index(p.start), ends.index(p.end)) for p in chunk(article(text), measure, Chunking(30))
    ]

    expected, first = [], 0
    while True:
        last = max(n for n in range(first, len(lengths)) if sum(lengths[first : n + 1]) <= 30)
        expected.append((first, last))
        if last + 1 == len(lengths):
            break
        repeats = last > first and lengths[last] + lengths[last + 1] <= 30
        first = last if repeats else last + 1
    assert passages == expected


def test_without_overlap_nothing_is_repeated() -> None:
    text = " ".join(sentence(7, f"s{number}w") for number in range(9))

    passages = chunk(article(text), measure, Chunking(16, 0))

    assert [len(sentence_spans(p.text)) for p in passages] == [2, 2, 2, 2, 1]
    assert all(left.end < right.start for left, right in itertools.pairwise(passages))


def test_an_overlong_sentence_is_split_at_word_boundaries() -> None:
    text = sentence(100, "word")

    passages = chunk(article(text), measure, Chunking(16, 0))

    assert [len(p.text.split()) for p in passages] == [16, 16, 16, 16, 16, 16, 4]
    assert " ".join(p.text for p in passages) == text


def test_an_overlong_word_is_split_between_characters() -> None:
    text = "x" * 1_000

    passages = chunk(article(text), characters, Chunking(300, 0))

    assert [len(p.text) for p in passages] == [300, 300, 300, 100]


def test_the_headline_is_carried_but_is_not_part_of_the_text() -> None:
    (passage,) = chunk(article("The mayor left."), measure)

    assert (passage.article_id, passage.title) == ("a.txt", "The headline")
    assert (passage.start, passage.end, passage.text) == (0, 15, "The mayor left.")


@pytest.mark.parametrize("text", ["", " \n\t\f ", "\u3000\x85"])
def test_a_text_without_visible_characters_has_no_passages(text: str) -> None:
    assert chunk(article(text), measure) == []


@pytest.mark.parametrize(("max_tokens", "overlap"), [(15, 1), (0, 0), (192, -1)])
def test_impossible_sizes_are_refused(max_tokens: int, overlap: int) -> None:
    with pytest.raises(ValueError, match="expected max_tokens >= 16 and overlap >= 0"):
        Chunking(max_tokens, overlap)
