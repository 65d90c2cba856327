import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.snap import snap, word_spans

# (text, the range that the model picked, what a person should see)
SNAPS = [
    ("They paid £6m for it.", "6", "£6m"),
    ("It cost $1.5bn.", "1.5bn.", "$1.5bn"),
    ("It cost £14.27.", "14.27.", "£14.27"),
    ("It cost US$5m now", "5", "US$5m"),
    ("Profit rose 15% today", "15", "15%"),
    ("It rose 5.5%.", "5", "5.5%"),
    ("14.27 million tonnes", "27", "14.27"),
    ("1,300 women", "300", "1,300"),
    ("€1,300.50 a month", "1,300", "€1,300.50"),
    ("at 10:30pm on Friday", "30pm", "10:30pm"),
    ("They don't know", "t know", "don't know"),
    ("O’Brien won", "Brien", "O’Brien"),
    ("in the U.S. on Friday", "U.S", "U.S."),
    ("in the U.S. on Friday", "S.", "U.S."),
    ("in the U.S.", "U.S.", "U.S."),
    ("at 9 a.m. on Friday", "9 a.m", "9 a.m."),
    ("at noon (2 p.m.).", "2 p.m.).", "2 p.m."),
    ("for Acme Inc. of Rome", "Acme Inc.", "Acme Inc."),
    ("said Mr. Smith.", "Smith.", "Smith"),
    ("Yes.", "Yes.", "Yes"),
    ("No.", "No.", "No"),
    ("see example.com.", "example.com.", "example.com"),
    ("AT&T said", "T", "AT&T"),
    ("#MeToo now", "Me", "#MeToo"),
    ("the “Big Bang” theory", "“Big", "Big"),
    ("the “Big Bang” theory", "Bang”", "Bang"),
    ("the “Big Bang” theory", "“Big Bang”", "“Big Bang”"),
    ('He said "no".', '"no".', '"no"'),
    ("the (so-called) deal", "(so", "so"),
    ("the (so-called) deal", "called)", "called"),
    ("the (so-called) deal", "(so-called)", "(so-called)"),
    ("Acme (the firm) won", "Acme (the firm)", "Acme (the firm)"),
    ("the workers' union", "workers'", "workers'"),
    ("the workers’ union", "workers’", "workers’"),
    ("James’s house", "James’s", "James’s"),
    ("a well-known man", "well-known", "well-known"),
    ("a well-known man", "known", "known"),
    ("one – two – three", "– two –", "two"),
    ("cafe\u0301 noir", "cafe", "cafe\u0301"),
    ("cafe\u0301 noir", "\u0301", "cafe\u0301"),
    ("a 😀 party", "😀 party", "😀 party"),
    ("a 😀 party", "😀", None),
    ("قال محمد أمس", "محم", "محمد"),
    ("שלום עולם", "ולם", "עולם"),
    ("“, ”", "“, ”", None),
    ("...", "...", None),
    ("a  b", "  ", None),
]  # fmt: skip


def snapped(text: str, start: int, end: int) -> tuple[int, int] | None:
    return snap(text, start, end, word_spans(text))


@pytest.mark.parametrize(("text", "picked", "expected"), SNAPS)
def test_a_range_is_snapped_to_whole_words_without_outer_punctuation(
    text: str, picked: str, expected: str | None
) -> None:
    start = text.index(picked)
    found = snapped(text, start, start + len(picked))
    assert (text[slice(*found)] if found else None) == expected


SAMPLE = st.text(max_size=40) | st.lists(
    st.sampled_from(
        ["“Yes”", "(no)", "U.S.", "£6.2m", "15%", "don't", "–", ",", "\n", "cafe\u0301", "'", '"']
    ),
    max_size=8,
).map(" ".join)


@given(SAMPLE, st.data())
def test_a_snapped_range_lies_in_the_text_and_snapping_it_again_changes_nothing(
    text: str, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    found = snapped(text, start, end)
    if found is not None:
        assert 0 <= found[0] < found[1] <= len(text)
        assert not text[found[0]].isspace()
        assert not text[found[1] - 1].isspace()
        assert snapped(text, *found) == found


def test_an_empty_range_of_an_empty_text_is_nothing() -> None:
    assert snapped("", 0, 0) is None
