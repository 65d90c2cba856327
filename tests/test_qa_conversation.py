"""Follow-ups are made to stand alone; questions that stand alone are left as typed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.conversation import Turn, is_follow_up, stand_alone

TRUST = Turn("Who leads the Harbour Trust?", "Marta Ilves")
FERRY = Turn("Which ferry struck the Elswick pier in 2016?", "Silver Petrel")
FLOOD = Turn("How many homes did the Wexley flood of 2011 reach?", "340")
PAIR = Turn("Who wrote the Quayside report?", "Ada Brandt and Joan Pell")
NONE = Turn("Who owns the Saltby quarry?", "")

FOLLOW_UPS = [
    # a pronoun for the person who was the answer
    ([TRUST], "How old is she?", "How old is Marta Ilves? (Harbour Trust)"),
    ([TRUST], "And when was she appointed?", "when was Marta Ilves appointed? (Harbour Trust)"),
    ([TRUST], "Where was her last job?", "Where was Marta Ilves's last job? (Harbour Trust)"),
    ([TRUST], "who gave her the job", "who gave Marta Ilves the job (Harbour Trust)"),
    ([TRUST], "Did the board thank her?", "Did the board thank Marta Ilves? (Harbour Trust)"),
    ([TRUST, NONE], "What did she say?", "What did Marta Ilves say? (Saltby)"),
    # a pronoun for the thing in the question, or the thing that was the answer
    ([TRUST], "What does it own?", "What does Harbour Trust own? (Marta Ilves)"),
    (
        [TRUST],
        "How many ships did it own in 2015?",
        "How many ships did Harbour Trust own in 2015? (Marta Ilves)",
    ),
    ([FERRY], "Who built it?", "Who built Silver Petrel? (Elswick, 2016)"),
    ([FERRY], "What was its top speed?", "What was Silver Petrel's top speed? (Elswick, 2016)"),
    ([FLOOD], "What caused it?", "What caused Wexley? (2011, 340)"),
    # a pronoun for several
    ([PAIR], "Who paid them?", "Who paid Ada Brandt and Joan Pell? (Quayside)"),
    ([TRUST], "what did they decide", "what did Harbour Trust decide (Marta Ilves)"),
    # what was said stays "that"; the names come along
    ([FLOOD], "How much of a rise was that on the year before?", None),
    ([TRUST], "What did the union say to this?", None),
    # nothing of its own to look for
    ([TRUST], "Why?", "Why – Who leads the Harbour Trust? (Marta Ilves)"),
    ([NONE], "Since when?", "Since when – Who owns the Saltby quarry?"),
    ([TRUST], "Who else?", "Who else – Who leads the Harbour Trust? (Marta Ilves)"),
    # the same question about something else
    ([TRUST], "What about the Dock Board?", "the Dock Board – Who leads the Harbour Trust?"),
    ([TRUST], "And the Dock Board?", "the Dock Board – Who leads the Harbour Trust?"),
    (
        [FLOOD],
        "how about the year before",
        "the year before – How many homes did the Wexley flood of 2011 reach?",
    ),
    ([FLOOD], "and in Saltby?", "in Saltby – How many homes did the Wexley flood of 2011 reach?"),
    # few words and no name
    ([FERRY], "What was the fine?", "What was the fine? (Elswick, 2016, Silver Petrel)"),
    ([FERRY], "In which month?", "In which month? (Elswick, 2016, Silver Petrel)"),
    ([FERRY], "Are there any others?", "Are there any others? (Elswick, 2016, Silver Petrel)"),
    ([PAIR], "Which other prize had the book won before?", None),
]
STAND_ALONE = [
    "Who owns the Saltby quarry?",
    "What happened in Lisbon on Friday?",
    "How many people died in the Lisbon fire?",
    "when did the fire start in the old town",
    "Who was the first person to walk on the moon?",
    "Is there a bridge in Lisbon?",
    "Is it true that Chile won the final?",
    "How much did it cost to build the Lisbon bridge?",
    "What did Joan Pell say about her father?",
    "How much did Chile pay for that bridge?",
    "What did the mayor of Saltby do with his bonus?",
    "Who told reporters there was no danger to the harbour?",
    "Thanks",
]


@pytest.mark.parametrize(("turns", "typed", "expected"), FOLLOW_UPS)
def test_a_follow_up_is_made_to_stand_alone(turns: list[Turn], typed: str, expected: str | None) -> None:
    asked = stand_alone(typed, turns)
    last = turns[-1]
    assert asked != typed
    if expected is not None:
        assert asked == expected
    else:
        assert asked.startswith(typed)
        assert last.answer in asked
    assert stand_alone(typed, turns) == asked


@pytest.mark.parametrize("typed", STAND_ALONE)
@pytest.mark.parametrize("turns", [[TRUST], [FERRY, FLOOD]])
def test_a_question_that_stands_alone_is_left_as_typed(typed: str, turns: list[Turn]) -> None:
    assert stand_alone(typed, turns) == typed


@pytest.mark.parametrize("typed", ["How old is she?", "Why?", "And the Dock Board?"])
def test_the_first_question_is_left_as_typed(typed: str) -> None:
    assert stand_alone(typed, []) == typed


def test_a_new_topic_carries_nothing_over_from_the_one_before() -> None:
    turns = [TRUST, Turn("Which ferry struck the pier at Elswick?", "Silver Petrel")]
    assert stand_alone("Who built it?", turns) == "Who built Silver Petrel? (Elswick)"


@pytest.mark.parametrize("typed", ["", " ", "???", "…", "–"])
def test_a_message_without_words_is_not_made_into_a_question(typed: str) -> None:
    assert stand_alone(typed, [TRUST]) == typed


@pytest.mark.parametrize(
    "typed", ["Why?", "And the Dock Board?", "What about the year before?", "How big is it?"]
)
def test_a_long_conversation_does_not_make_the_question_grow(typed: str) -> None:
    turns = [TRUST]
    for number in range(40):
        turns.append(Turn(stand_alone(typed, turns), f"Answer {number}"))
    assert len(turns[-1].question) < 200


@given(
    st.text(max_size=80),
    st.lists(st.builds(Turn, st.text(max_size=40), st.text(max_size=20)), max_size=3),
)
def test_whatever_is_typed_the_same_turns_give_the_same_question(typed: str, turns: list[Turn]) -> None:
    asked = stand_alone(typed, turns)
    assert asked == stand_alone(typed, list(turns))
    if not turns or not is_follow_up(typed):
        assert asked == typed
