"""Sentences: the hard cases of news text, and ranges that hold for any text."""

import itertools

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from index.sentences import paragraph_spans, sentence_spans

WRAPPED = (
    "The bridge over the Elsk was opened on Monday by the\n"
    "mayor, who had waited for it for many years and who\n"
    "was not alone in that. Then he\n"
    "left."
)
CASES = [
    ("initials", ["J. K. Rowling wrote it.", "George W. Bush read it."]),
    ("titles", ["Mr. Smith met Dr. Jones and Prof. Lee.", "They left."]),
    ("a.m. inside", ["He rose at 6 a.m. and left.", "She stayed."]),
    ("p.m. at the end", ["He left at 6 p.m.", "She stayed."]),
    ("U.S. inside", ["The U.S. economy grew.", "Prices fell."]),
    ("U.S. at the end", ["He lives in the U.S.", "She does not."]),
    ("decimals", ["It rose 3.5 per cent.", "Then it fell by 4.2 in May."]),
    ("dots inside", ["Well... he left.", "Then she did."]),
    ("quote, then a new sentence", ["“I will go.”", "He left."]),
    ("straight quote, then a new sentence", ['"I will go."', "He left."]),
    ("quote, then who said it", ["“Really?” she asked.", "He nodded."]),
    ("No. 4", ["It was No. 4 on the list.", "No. 5 was next."]),
    ("months", ["On Jan. 5 he left.", "On Feb. 6 he came."]),
    ("companies", ["Acme Ltd. and Acme Inc. rose.", "It was sold to the St. Louis team."]),
    ("latin", ["See e.g. the report, i.e. this one.", "It ends here."]),
    ("web addresses", ["Visit example.com now.", "It works."]),
    ("questions and cries", ["What?", "Yes!", "No."]),
    ("Chinese", ["他说：“好。”", "然后走了。"]),
    ("Japanese", ["これは文です。", "次の文。"]),
]


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text)]


@pytest.mark.parametrize(("label", "expected"), CASES, ids=[label for label, _ in CASES])
def test_a_paragraph_is_divided_where_a_person_would(label: str, expected: list[str]) -> None:
    between = "" if label in {"Chinese", "Japanese"} else " "

    assert sentences(between.join(expected)) == expected


@pytest.mark.parametrize(
    ("text", "comment"),
    [
        ("Wait… He left.", "an ellipsis sign may go on"),
        ("(He left.) She came.", "brackets around a sentence"),
        ("It costs approx. 5 pounds.", "an abbreviation that is not in the list"),
        ("1. Flour\n2. Eggs", "numbers of a list stay with their point"),
    ],
)
@pytest.mark.xfail(reason="sentencex 1.0 divides these otherwise", strict=True)
def test_known_failures_of_the_library(text: str, comment: str) -> None:
    expected = {
        "Wait… He left.": ["Wait…", "He left."],
        "(He left.) She came.": ["(He left.)", "She came."],
        "It costs approx. 5 pounds.": ["It costs approx. 5 pounds."],
        "1. Flour\n2. Eggs": ["1. Flour", "2. Eggs"],
    }
    assert sentences(text) == expected[text], comment


def test_a_headline_without_a_full_stop_stays_by_itself() -> None:
    assert sentences("Bridge opens\n\nThe mayor came.") == ["Bridge opens", "The mayor came."]
    assert sentences("Bridge opens\nThe mayor came.") == ["Bridge opens", "The mayor came."]
    assert sentences("By Jane Doe\nThe mayor came.") == ["By Jane Doe", "The mayor came."]


def test_wrapped_lines_are_one_paragraph() -> None:
    assert [WRAPPED[a:b] for a, b in paragraph_spans(WRAPPED)] == [WRAPPED]
    assert sentences(WRAPPED)[-1] == "Then he\nleft."


def test_a_sentence_goes_on_over_the_end_of_a_page() -> None:
    assert sentences("The mayor said\fit was over. He left.") == ["The mayor said\fit was over.", "He left."]


def test_each_point_of_a_list_is_its_own_sentence() -> None:
    points = ["These close:", "- the school on Mill Road", "- the pool", "• the library"]

    assert sentences("\n".join(points)) == points


def test_a_blank_line_always_ends_a_sentence() -> None:
    assert sentences("The mayor said\n\nit was over.") == ["The mayor said", "it was over."]


PIECES = [
    *("Dr. ", "U.S. ", "a.m. ", "Smith", "The ", "said. ", "“Yes.” ", "No. 4", "3.5", "... ", "e.g. ", " "),
    *("http://x.y/z. ", "(a) ", "[1]", "A. B. ", "- one", "1. ", "\n", "\n\n", "\r\n", "\t", "\f", "\v"),
    *(
        "😀",
        "👩‍🚀",
        "🇫🇷",
        "e\u0301",
        "\u0301",
        "\u2028",
        "\u2029",
        "\x85",
        "\x00",
        "\x1c",
        "\u00a0",
        "\u3000",
    ),
    *("\u200b", "\ufeff", "日本。", "مرحبا؟", "नमस्ते।", "\U0001f600.", "”", "’", "!", "?"),
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=25).map("".join) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=60
)


@settings(max_examples=500)
@given(TEXTS)
@example("😀 He left. 😀 She came.")
@example("e\u0301. A\u2028B.\x85C. D\x00. E")
def test_sentences_are_ordered_and_cover_every_visible_character(text: str) -> None:
    spans = sentence_spans(text)

    covered = {offset for start, end in spans for offset in range(start, end)}
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert all(left[1] <= right[0] for left, right in itertools.pairwise(spans))
    assert all(not text[start].isspace() and not text[end - 1].isspace() for start, end in spans)
    assert all(char.isspace() or offset in covered for offset, char in enumerate(text))


@settings(max_examples=300)
@given(TEXTS)
def test_sentences_stay_inside_paragraphs(text: str) -> None:
    paragraphs = paragraph_spans(text)

    assert all(left[1] <= right[0] for left, right in itertools.pairwise(paragraphs))
    for start, end in sentence_spans(text):
        assert any(first <= start and end <= last for first, last in paragraphs)


@pytest.mark.parametrize("odd", ["😀", "e\u0301", "👩‍🚀", "\u2028", "\x85", "\x00", "日本", "\r", "\u0301"])
def test_offsets_behind_an_odd_character_are_code_points(odd: str) -> None:
    text = f"It {odd} was so. He left {odd}{odd} then. She stayed."

    assert sentences(text)[-1] == "She stayed."
