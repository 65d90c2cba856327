"""Typos are mended by the words of the articles, and nothing else is touched."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.spelling import mended, one_letter_away

PASSAGES = {"howard": 9, "hard": 50, "schumacher": 3, "general": 40, "generals": 40, "leaders": 30, "win": 80}
WHOLE = {"howard", "hard", "general", "generals", "leaders", "win", "lenders", "zidane"}


def count(words: Sequence[str]) -> list[int]:
    return [PASSAGES.get(word.lower(), 0) for word in words]


def measure(texts: Sequence[str]) -> list[int]:
    return [1 if text.lower() in WHOLE else 2 for text in texts]


def mend(question: str) -> str:
    return mended(question, count, measure)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("who is Hward?", "who is Howard?"),  # a letter left out is likelier than one put in: not "hard"
        ("the genral election", "the general election"),
        ("genreal", "general"),
        ("gennerals", "generals"),
        ("who is hiward", "who is hiward"),  # any other letter is less likely: 9 passages are too few
        ("the leeders", "the leaders"),
        ("who said hardd", "who said hard"),
    ],
)
def test_a_slip_is_mended(typed: str, meant: str) -> None:
    assert mend(typed) == meant


def test_names_that_the_reader_does_not_know_whole_need_more_passages() -> None:
    assert mend("who won for Schmacher") == "who won for Schmacher"
    PASSAGES["schumacher"] = 30
    assert mend("who won for Schmacher") == "who won for Schumacher"
    PASSAGES["schumacher"] = 3


@pytest.mark.parametrize(
    "question",
    [
        "who are the Lenders?",  # the reader knows it, though no article has it
        'who is "Hward"?',
        "the hwa",  # too short
        "the gemeral2 and 2gemeral",
        "q" * 400,
        "",
        "?!",
        "Кто это сказал",
    ],
)
def test_what_may_be_meant_stays(question: str) -> None:
    assert mend(question) == question


def test_the_first_letter_stays() -> None:
    assert all(word[0] == "g" for word in one_letter_away("general"))
    assert "general" not in one_letter_away("general")


@given(st.text(max_size=60))
def test_any_text_keeps_all_but_its_words(question: str) -> None:
    assert mended(question, count=lambda words: [0] * len(words), measure=measure) == question
