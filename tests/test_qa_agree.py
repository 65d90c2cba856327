"""Which answers say the same, and the words that they are compared by."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.agree import agree, key
from qa.terms import STOP_WORDS, content_words, words

SAME = [
    # money and scales
    ("$13 million", "$13m"),
    ("$13m", "13 million dollars"),
    ("$13m", "13m"),
    ("£6m", "£6m a year"),
    ("$1.5 billion", "$1,500 million"),
    ("£9.3million", "£9.3 million"),
    ("about £35.7 million", "£35.7 million"),
    ("US$5m", "$5m"),
    ("3 bn euros", "€3 billion"),
    # numbers
    ("300", "three hundred"),
    ("the three-hundred women", "300 women"),
    ("five", "5"),
    ("twenty-one", "21"),
    ("two hundred and fifty", "250"),
    ("two thousand five hundred", "2,500"),
    ("one million two hundred thousand", "1.2m"),
    ("a dozen", "12"),
    ("two dozen", "24"),
    ("1,300", "1300"),
    ("2.0 million", "2 million"),
    ("12.5", "12.50"),
    ("15%", "15 per cent"),
    ("ten percent", "10%"),
    ("43 people", "43"),
    ("14.27 million tonnes", "14.27m tonnes"),
    # days and times
    ("2 March 2018", "March 2, 2018"),
    ("2 March", "March 2, 2018"),
    ("Friday 2 March", "2 March"),
    ("2nd of March", "2 March"),
    ("Jan 5", "5 January"),
    ("2010", "by 2010"),
    ("June 2018", "in June 2018"),
    ("3.40 a.m.", "at 3:40am"),
    ("7pm", "7 p.m."),
    # names
    ("Portman", "Natalie Portman"),
    ("Ms Washington", "Kerry Washington"),
    ("the fund", "Fund"),
    ("The Hollywood Reporter", "Hollywood Reporter"),
    ("Theresa May", "May"),
    ("Mónica Ramírez", "Monica Ramirez"),
    ("cafe\u0301", "caf\u00e9"),
    ("Mónica Ramírez", "Mónica Ramírez, president of the alliance"),
    ("the hospital's nursery", "hospital’s nursery"),
    ("U.S. Navy", "the US Navy"),
    ("because the mould proved stubborn", "the mould proved stubborn"),
    # Ambiguous: there are other Uniteds. Among the passages of one question it is nearly always the
    # same one, and a newspaper's second mention is the shorter.
    ("United", "Manchester United"),
]
DIFFERENT = [
    ("43", "40"),
    ("$13m", "£13m"),
    ("$13m", "$13"),
    ("$3", "$3 billion"),
    ("13 million", "13 thousand"),
    ("three hundred", "three thousand"),
    ("14.27 million tonnes", "14 million"),
    ("1.5", "15"),
    ("10 percent", "10 percentage points"),
    ("15 women", "15 men"),
    ("3 years", "3 months"),
    ("one or two", "3"),
    ("five and ten", "15"),
    ("the 1990s", "1990"),
    ("5 March", "5 May"),
    ("2 March", "2 million"),
    ("2 March 2017", "2 March 2018"),
    ("March 2017", "March 2018"),
    ("2 March", "March 2018"),
    ("9am", "9pm"),
    ("not guilty", "guilty"),
    ("no evidence", "evidence"),
    ("Iran", "Iraq"),
    ("London", "Londoners"),
    ("Jones", "Smith and Jones"),
    ("Smith", "Smith and Jones"),
    ("Natalie Portman", "Natalie Portman and Emma Stone"),
    ("France", "Paris, France"),
    ("US Navy", "Royal Navy"),
    ("Emma Stone", "Emma Watson"),
    ("he", "she"),
]


@pytest.mark.parametrize(("one", "two"), SAME)
def test_answers_that_say_the_same_agree(one: str, two: str) -> None:
    assert agree(one, two)
    assert agree(two, one)


@pytest.mark.parametrize(("one", "two"), DIFFERENT)
def test_answers_that_only_look_alike_do_not_agree(one: str, two: str) -> None:
    assert not agree(one, two)
    assert not agree(two, one)


VOCABULARY = st.sampled_from(
    """the not 2 3 5.50 2,000 $13m £13m 1990s 2018 2017 March May 2nd two twenty one hundred thousand and
    million bn dozen Portman Natalie Smith's per cent % a.m. U.S. US café , I ½ ² ٣ 1.2.3""".split()
)
ANSWERS = st.one_of(st.text(max_size=20), st.lists(VOCABULARY, max_size=6).map(" ".join))


@given(ANSWERS, ANSWERS)
def test_agreement_is_symmetric_whatever_the_words(one: str, two: str) -> None:
    assert agree(one, two) == agree(two, one)


@given(ANSWERS)
def test_every_answer_agrees_with_itself(answer: str) -> None:
    assert agree(answer, answer)
    assert agree(answer, f" {answer.strip()} ") or not key(answer)


@given(st.integers(0, 10**7), st.integers(0, 10**7))
def test_different_numbers_never_agree(one: int, two: int) -> None:
    assert agree(f"{one:,} people", f"{two} people") == (one == two)


def test_a_key_is_the_common_form_of_an_answer() -> None:
    assert key("Some $13m") == ("dollar", "13000000")
    assert key("the three-hundred women") == ("300", "women")
    assert key("of the") == ("of", "the")  # nothing else would be left


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It cost $13m, or 3.5 per cent.", ["it", "cost", "13m", "or", "3.5", "per", "cent"]),
        ("1,300 women", ["1,300", "women"]),
        ("snake_case e-mail", ["snake", "case", "e", "mail"]),
        ("Zürich’s 5th", ["zürich", "s", "5th"]),
        ("…!?", []),
        ("", []),
    ],
)
def test_words_are_lower_case_and_keep_numbers_whole(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@given(st.text(max_size=60))
def test_content_words_are_words_of_the_text_and_never_nothing_where_there_are_words(text: str) -> None:
    found = content_words(text)
    assert all(word and word == word.lower() for word in found)
    assert bool(found) == bool(words(text))
    assert set(found) <= set(words(text))


def test_stop_words_are_left_out_unless_nothing_else_is_there() -> None:
    assert content_words("Who signed the letter?") == ["signed", "letter"]
    assert content_words("Who was that?") == ["who", "was", "that"]
    assert {"who", "the"} <= STOP_WORDS
