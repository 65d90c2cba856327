"""Typos are mended by the words of the articles, and what may be meant is left alone."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from conftest import FakeEncoder
from conftest import measure as count_words
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index.build import build
from index.database import Manifest
from index.snapshot import Snapshot
from index.store import Index
from qa.spelling import as_typed, mended, one_letter_away

ARTICLES = (
    "Howard won the election. The general secretary said that he wasn't there.",
    "It was a hard election for Howard, and hardest in Wales.",
    "The hardened frost before the election ended on Monday.",
    "Schumacher won in Monza before the leaders of the league.",
    "The leaders met in Monza, where Schumacher had a backup car.",
    "In Monza the leaders spoke of the tighter rules.",
    "Trains to Zürich leave late.",
)


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snapshot]:
    folder: Path = tmp_path_factory.mktemp("spelling")
    for number, text in enumerate(ARTICLES):
        (folder / f"{number}.txt").write_text(text, encoding="utf-8")
    encoder = FakeEncoder()
    with Index.create(folder / "index", Manifest(encoder.fingerprint, encoder.dim, 192, 0)) as store:
        build(store, encoder, count_words, [folder])
        with store.snapshot() as opened:
            yield opened


def measure(texts: Sequence[str]) -> list[int]:
    """A reader that knows one word whole which no article has."""
    return [1 if text.strip().lower() == "charles" else 2 for text in texts]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("Did Hwoard win the election?", "Did Howard win the election?"),
        ("did howward win the election", "did howard win the election"),
        ("what did the ledaers do in Monza", "what did the leaders do in Monza"),
        ("which elecction, and which ledaers", "which elecction, and which ledaers"),  # beside no known word
        ("Shumacher and the leaders", "Schumacher and the leaders"),
        ("the liaders in Monza", "the leaders in Monza"),  # any letter, but in three passages
        ("who said schumachor won in Monza", "who said schumachor won in Monza"),  # and here in two
        ("hiwherd election", "hiwherd election"),  # two letters
    ],
)
def test_a_slip_is_mended_where_a_passage_has_the_word_beside_another(
    snapshot: Snapshot, typed: str, meant: str
) -> None:
    assert mended(typed, snapshot, measure) == meant


@pytest.mark.parametrize(
    ("question", "why"),
    [
        ('did "Hwoard" win the election', "straight quotes"),
        ("did “Hwoard” win the election", "curly quotes"),
        ("did HWOARD win the election", "capitals may be an acronym"),
        ("did HWoard win the election", "odd capitals"),
        ("did Hward2 win the election", "a digit"),
        ("was charles at the election", "known to the reader: not a typo of Charges"),
        ("he wasnt at the election", "an article has it in two words"),
        ("the leaders of Monza's elections", "a form of a word"),
        ("did Owoard win the election", "the first letter"),
        ("did hrd win the election", "too short"),
        ("the electoins of howard", "no article has elections, only another form of it"),
        ("hwoard ledaers shumacher monzza election", "too many unknown words"),
        ("Hwoard", "no other word"),
        ("", "nothing"),
        ("?! “”", "no word"),
        ("Кто выиграл выборыы election", "no English letters"),
    ],
)
def test_what_may_be_meant_stays(snapshot: Snapshot, question: str, why: str) -> None:
    assert mended(question, snapshot, measure) == question, why


@given(st.text(st.sampled_from("abcdehlorwnz HM\"“”'?ü2é"), max_size=60))
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_mending_keeps_everything_but_one_letter_of_a_word(snapshot: Snapshot, question: str) -> None:
    read = mended(question, snapshot, measure)
    assert len(read.split()) == len(question.split())
    for old, new in zip(question.split(), read.split(), strict=True):
        assert abs(len(old) - len(new)) <= 1
        assert old[:1] == new[:1]
    assert mended(read, snapshot, measure) == read


def test_typing_words_in_quotes_keeps_them() -> None:
    typed = "Is Hwoard, or “Hwoard”, at the ledaers' table?"
    read = "Is Howard, or “Hwoard”, at the leaders' table?"
    assert as_typed(read, typed) == 'Is "Hwoard", or “Hwoard”, at the "ledaers"\' table?'
    assert as_typed(typed, typed) == typed


def test_the_likely_slips_are_swaps_gaps_and_doubles() -> None:
    near = one_letter_away("leters")
    assert {word for word in ("letters", "elters", "leetrs", "lters", "leterd", "letres") if word in near} == {
        "letters", "leetrs", "lters", "leterd", "letres",
    }  # fmt: skip
    assert near["letters"] == near["letres"] == 1.0
    assert one_letter_away("lettters")["letters"] == 1.0
    assert near["lters"] == near["leterd"] < 1.0
    assert "leters" not in near


def test_counting_takes_forms_headlines_and_phrases(snapshot: Snapshot) -> None:
    assert snapshot.count(["leader", "LEADERS", "zurich", "wasn t", "back up", "nobody"]) == [
        3,
        3,
        1,
        1,
        0,
        0,
    ]
    assert snapshot.count(["leaders"], most=2) == [2]
    assert [p.text[:10] for p in snapshot.passages_with("schumacher", ["league", "zurich"], 5)] == [
        "Schumacher"
    ]
    assert len(snapshot.passages_with("leaders", ["monza"], 2)) == 2
