"""Follow-ups are made to stand alone; questions that stand alone are left as typed."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.conversation import Needs, Turn, needs, stand_alone

GOLD = Path(__file__).parent.parent / "eval" / "gold"

TRUST = Turn("Who leads the Harbour Trust?", "Marta Ilves")
FERRY = Turn("Which ferry struck the Elswick pier in 2016?", "Silver Petrel")
FLOOD = Turn("How many homes did the Wexley flood of 2011 reach?", "340")
PAIR = Turn("Who wrote the Quayside report?", "Ada Brandt and Joan Pell")
BIRDS = Turn("How many oiled birds were brought to Gull Rock Hospital?", "212")
TITLE = Turn("Who won the men's title at the Elswick Games?", "Jo Pell")
RAID = Turn("When was the Lathbury Museum raided?", "4:10 a.m.")
MOVE = Turn("Why did the board move the Saltby market?", "the roof leaked")
BUYER = Turn("Which former boss of Dray Line denied fraud?", "Hal Moss")
NONE = Turn("Who owns the Saltby quarry?", "")

FOLLOW_UPS = [
    # a pronoun for the person who was the answer
    ([TRUST], "How old is she?", "How old is Marta Ilves?"),
    ([TRUST], "And when was she appointed?", "When was Marta Ilves appointed?"),
    ([TRUST], "Where was her last job?", "Where was Marta Ilves's last job?"),
    ([TRUST], "who gave her the job", "Who gave Marta Ilves the job?"),
    ([TRUST], "Did the board thank her?", "Did the board thank Marta Ilves?"),
    ([TRUST, NONE], "What did she say?", "What did Marta Ilves say?"),
    # a pronoun for the thing in the question, or the thing that was the answer, with what it is
    ([TRUST], "What does it own?", "What does the Harbour Trust own?"),
    ([TRUST], "How many ships did it own in 2015?", "How many ships did the Harbour Trust own in 2015?"),
    ([FERRY], "Who built it?", "Who built the ferry Silver Petrel?"),
    # the subject of what is asked for is none of the names in it
    (
        [FERRY],
        "How many Clydeside prizes did it win?",
        "How many Clydeside prizes did the ferry Silver Petrel win?",
    ),
    ([TRUST], "Which Clydeside prize did she win?", "Which Clydeside prize did Marta Ilves win?"),
    ([FERRY], "which other ports does it serve?", "Which other ports does the ferry Silver Petrel serve?"),
    ([FLOOD], "What caused it?", "What caused the Wexley flood?"),
    ([RAID], "Who was on guard that night?", "Who was on guard that night? (Lathbury Museum, 4:10 a.m.)"),
    ([FERRY], "How much is it worth?", "How much is the ferry Silver Petrel worth?"),
    ([Turn("Which of the bidders won?", "Dray Line")], "How much did it bid?", "How much did Dray Line bid?"),
    (
        [Turn("To whom did the Dock Board give a medal?", "Ada Brandt")],
        "Where does she live?",
        "Where does Ada Brandt live?",
    ),
    ([Turn("Who is suing Dray Line?", "Joan Pell and Hal Moss")], "How big is it?", "How big is Dray Line?"),
    # a pronoun for both a person and a thing
    ([TITLE], "How did he celebrate it?", "How did Jo Pell celebrate the men's title at the Elswick Games?"),
    # a pronoun for several
    ([PAIR], "Who paid them?", "Who paid Ada Brandt and Joan Pell?"),
    ([TRUST], "what did they decide", "What did the Harbour Trust decide?"),
    (
        [BIRDS],
        "how many of them died",
        "212 oiled birds were brought to Gull Rock Hospital: how many of the oiled birds died?",
    ),
    # a plural in the question is neither him nor what it belongs to
    ([TRUST], "Did other trustees thank her?", "Did other trustees thank Marta Ilves?"),
    ([TRUST], "Did members of their board resign?", "Did members of the Harbour Trust's board resign?"),
    ([TRUST], "How many ships do they own?", "How many ships do the Harbour Trust own?"),
    ([TRUST], "Since when do they own it?", "Since when do the Harbour Trust own it?"),
    ([TRUST], "Who was sent to its board?", "Who was sent to the Harbour Trust's board?"),
    # what was said
    (
        [FLOOD],
        "How much of a rise was that on the year before?",
        "How much of a rise was 340 homes on the year before? (Wexley, 2011)",
    ),
    ([TRUST], "Why was that?", "Marta Ilves leads the Harbour Trust: why was that?"),
    (
        [FERRY],
        "How many people were there?",
        "Silver Petrel struck the Elswick pier in 2016: how many people were there?",
    ),
    # what somebody did, and when or where it was
    (
        [Turn("Who robbed the Quayside bank?", "Hal Moss")],
        "Why did he do it?",
        "Hal Moss robbed the Quayside bank: why did Hal Moss do it?",
    ),
    ([RAID], "Who did it?", "When was the Lathbury Museum raided: who did it?"),
    ([MOVE], "When was it?", "When did the board move the Saltby market?"),
    ([FERRY], "Where was that?", "Where was it that Silver Petrel struck the Elswick pier in 2016?"),
    ([RAID], "How did it happen?", "How was the Lathbury Museum raided?"),
    ([FLOOD], "Please tell me when it happened", "When did the Wexley flood of 2011 reach 340 homes?"),
    (
        [Turn("How was the Quayside bank robbed?", "through a drain")],
        "Which year was it?",
        "Which year was the Quayside bank robbed?",
    ),
    (
        [Turn("What is the Elswick Regatta?", "a boat race")],
        "When was it?",
        "When was the Elswick Regatta?",
    ),
    (
        [Turn("What happened at the Elswick pier?", "a ferry struck it")],
        "When did it happen?",
        "What happened at the Elswick pier: when?",
    ),
    # a question word alone takes the place of the one before
    ([TRUST], "Why?", "Why is it that Marta Ilves leads the Harbour Trust?"),
    ([FERRY], "When?", "When was it that Silver Petrel struck the Elswick pier in 2016?"),
    ([FERRY], "In which month?", "In which month was it that Silver Petrel struck the Elswick pier in 2016?"),
    ([RAID], "Why?", "Why was the Lathbury Museum raided?"),
    ([RAID], "Why so late?", "Why was the Lathbury Museum raided so late?"),
    ([RAID], "Who by?", "By whom was the Lathbury Museum raided?"),
    ([FLOOD], "When?", "When did the Wexley flood of 2011 reach 340 homes?"),
    ([MOVE], "Where to?", "To where did the board move the Saltby market?"),
    ([NONE], "Since when?", "Who owns the Saltby quarry: since when?"),
    ([TRUST], "Who else?", "Who else leads the Harbour Trust, besides Marta Ilves?"),
    ([MOVE], "Who else?", "Why did the board move the Saltby market: who else?"),
    ([TITLE], "Against whom?", "Against whom was it that Jo Pell won the men's title at the Elswick Games?"),
    (
        [Turn("To whom did Dray Line sell the pier?", "Hal Moss")],
        "When?",
        "When did Dray Line sell the pier to Hal Moss?",
    ),
    (
        [Turn("Did the Dock Board approve the plan?", "approved unanimously")],
        "When?",
        "When did the Dock Board approve the plan?",
    ),
    ([Turn("Was anyone arrested?", "two men")], "Who?", "Was anyone arrested: who?"),
    # a capital that only opens the sentence is no name's
    ([RAID], "Any arrests?", "When was the Lathbury Museum raided: any arrests?"),
    ([TRUST], "Anyone else?", "Who else leads the Harbour Trust, besides Marta Ilves?"),
    ([BUYER], "All of them?", "Which former boss of Dray Line denied fraud: all of them?"),
    ([RAID], "Exactly when?", "Exactly when was the Lathbury Museum raided?"),
    ([TRUST], "Didn't she resign?", "Didn't Marta Ilves resign?"),
    # words before the question
    ([RAID], "Explain why.", "Why was the Lathbury Museum raided?"),
    ([TRUST], "Thanks, and what does it own?", "What does the Harbour Trust own?"),
    ([TRUST], "Thank you. What does it own?", "What does the Harbour Trust own?"),
    ([TRUST], "Please tell me more about it.", "Tell me more about the Harbour Trust?"),
    # the same question about something else
    ([TRUST], "What about the Dock Board?", "Who leads the Dock Board?"),
    ([TRUST], "And the Dock Board?", "Who leads the Dock Board?"),
    ([TITLE], "And the women's title?", "Who won the women's title at the Elswick Games?"),
    ([TITLE], "and the women's one?", "Who won the women's title at the Elswick Games?"),
    ([FLOOD], "how about the year before", "How many homes did the Wexley flood of 2010 reach?"),
    ([FERRY], "and in 2019?", "Which ferry struck the Elswick pier in 2019?"),
    ([FLOOD], "and in Saltby?", "How many homes did the Wexley flood of 2011 reach in Saltby?"),
    ([BIRDS], "What about otters?", "How many otters were brought to Gull Rock Hospital?"),
    (
        [Turn("Who was the Dray Line's captain?", "Hal Moss")],
        "And the pilot?",
        "Who was the Dray Line's pilot?",
    ),
    ([Turn("How many voted for the lagoon?", "9,409")], "And against?", "How many voted against the lagoon?"),
    # the one it belongs to gives way without what it owns
    (
        [Turn("Who is Kellin Moor's manager?", "Hal Moss")],
        "And Saltby?",
        "Who is Saltby's manager?",
    ),
    (
        [Turn("What is the name of the Rovers’ mascot?", "Otto")],
        "and the Dock Board's?",
        "What is the name of the Dock Board's mascot?",
    ),
    (
        [Turn("Who closed the Gull's Rest fund?", "Joan Pell")],
        "And the Harbour Trust?",
        "Who closed the Harbour Trust?",
    ),
    # and the verb stays the question's
    (
        [Turn("How many jobs did the Dock Board cut?", "250")],
        "And Dray Line?",
        "How many jobs did Dray Line cut?",
    ),
    (
        [Turn("When did the Bank of Saltby raise the fee?", "1998")],
        "And the Harbour Trust?",
        "When did the Harbour Trust raise the fee?",
    ),
    (
        [Turn("Where is the Petrel 380 built?", "Saltby")],
        "How many seats does it have?",
        "How many seats does the Petrel 380 have?",
    ),
    (
        [Turn("Why did the Dock Board sack Joan Pell?", "a leak")],
        "Who leads it?",
        "Who leads the Dock Board?",
    ),
    (
        [Turn("Why did the strike at the Quayside brewery collapse?", "the cold")],
        "How long was it?",
        "How long was the strike at the Quayside brewery?",
    ),
    (
        [Turn("What did the Dray Line captain Hal Moss break in 2011?", "an arm")],
        "And Ada Brandt?",
        "What did Ada Brandt break in 2011?",
    ),
    (
        [Turn("Who announced the Dock Board pay cut?", "")],
        "How big was it?",
        "How big was the Dock Board pay cut?",
    ),
    # a capital is one in every alphabet of Europe
    ([Turn("How many goals did Özgün score?", "3")], "And Élodie?", "How many goals did Élodie score?"),
    ([Turn("Which Łany boss denied fraud?", "Åsa Ørsted")], "How old is she?", "How old is Åsa Ørsted?"),
    ([TRUST], "And the wall, how long is it?", "Marta Ilves leads the Harbour Trust: how long is the wall?"),
    # nothing that points back, but no name either
    ([FERRY], "What was the fine?", "Silver Petrel struck the Elswick pier in 2016: what was the fine?"),
    (
        [BUYER],
        "When did the firm fail?",
        "Hal Moss, former boss of Dray Line, denied fraud: when did the firm fail?",
    ),
    (
        [Turn("What did the minister say about the strike?", "it was unacceptable")],
        "Who is he?",
        "What did the minister say about the strike: who is he?",
    ),
    (
        [FERRY],
        "Are there any others?",
        "Silver Petrel struck the Elswick pier in 2016: are there any others?",
    ),
]
STAND_ALONE = [
    "Who owns the Saltby quarry?",
    "So who owns the Saltby quarry?",
    "What happened in Lisbon on Friday?",
    "How many people died in the Lisbon fire?",
    "when did the fire start in the old town",
    "Who was the first person to walk on the moon?",
    "Is there a bridge in Lisbon?",
    "Is it true that Chile won the final?",
    "How much did it cost to build the Lisbon bridge?",
    "How long does it take to boil an egg?",
    "What is it like to live on the moon?",
    "Was it a mistake to close the Saltby quarry?",
    "Is it going to rain this whole weekend?",
    "When is it too late to file a claim?",
    "Is it worth learning Latin?",
    "Who is it that owns the Saltby quarry?",
    "What did Joan Pell say about her father?",
    "Why did Ryan say he resigned?",
    "How much did Chile pay for that bridge?",
    "What did the mayor of Saltby do with his bonus?",
    "Who told reporters there was no danger to the harbour?",
    "Which of Bell's medals did he sell?",
    "Which of the IT firms is the largest?",
    "Who owns Łany?",
    "saltby quarry owner",
    "Thanks",
    "Thanks for that",
    "Thank you. Who owns the Saltby quarry?",
    "No.",
]
UNCERTAIN = [
    "What was the fine?",
    "Who runs the port?",
    "how do you make beer",
    "What's the recipe for beer?",
    "Did the bank raise its rates?",
    "Did the captain say he was sorry?",
    "Which team sold its ground?",
    "Who lost his job?",
    "Which other countries use coal?",
    "Does it matter who wins?",
    "What happens when banks raise their rates?",
    "How many people say they were paid?",
    "How many were sold last year?",
    "How did scientists explain their findings?",
    "Why are cheap airlines raising their fares?",
    "Why do people think they are being watched?",
    "Should everyone bring their own lunch?",
]


@pytest.mark.parametrize(("turns", "typed", "expected"), FOLLOW_UPS)
def test_a_follow_up_is_made_to_stand_alone(turns: list[Turn], typed: str, expected: str) -> None:
    assert stand_alone(typed, turns) == expected
    assert stand_alone(typed, turns, on_topic=lambda _: True) == expected


@pytest.mark.parametrize("typed", STAND_ALONE)
@pytest.mark.parametrize("turns", [[TRUST], [FERRY, FLOOD]])
def test_a_question_that_stands_alone_is_left_as_typed(typed: str, turns: list[Turn]) -> None:
    assert stand_alone(typed, turns) == typed


@pytest.mark.parametrize("typed", UNCERTAIN)
def test_a_question_without_a_name_needs_the_turns_only_if_their_articles_speak_of_it(typed: str) -> None:
    heard: list[str] = []

    def on_topic(text: str) -> bool:
        heard.append(text)
        return False

    assert needs(typed) is Needs.PERHAPS
    assert stand_alone(typed, [FERRY], on_topic=on_topic) == typed
    assert heard == [typed]
    assert "Silver Petrel" in stand_alone(typed, [FERRY], on_topic=lambda _: True)


def test_words_without_a_verb_are_a_follow_up_if_they_are_few() -> None:
    assert needs("Any arrests?") is Needs.TURNS
    assert needs("Any good recipes for beer bread?") is Needs.PERHAPS


def test_the_articles_are_not_asked_where_the_words_tell() -> None:
    def never(_: str) -> bool:
        raise AssertionError("asked")

    for typed in ("How old is she?", "Why?", "Who owns the Saltby quarry?"):
        stand_alone(typed, [TRUST], on_topic=never)


@pytest.mark.parametrize("typed", ["How old is she?", "Why?", "And the Dock Board?"])
def test_the_first_question_is_left_as_typed(typed: str) -> None:
    assert stand_alone(typed, []) == typed


def test_a_later_topic_takes_the_place_of_the_one_before() -> None:
    turns = [TRUST, Turn("Which ferry struck the pier at Elswick?", "Silver Petrel")]
    assert stand_alone("Who built it?", turns) == "Who built the ferry Silver Petrel?"


@pytest.mark.parametrize("typed", ["", " ", "???", "…", "–"])
def test_a_message_without_words_is_not_made_into_a_question(typed: str) -> None:
    assert stand_alone(typed, [TRUST]) == typed


@pytest.mark.parametrize(
    "typed",
    [
        "Why?",
        "And the Dock Board?",
        "What about the year before?",
        "How big is it?",
        "What was the fine?",
        "Who else?",
    ],
)
@pytest.mark.parametrize("first", [TRUST, FERRY, NONE])
def test_a_long_conversation_does_not_make_the_question_grow(typed: str, first: Turn) -> None:
    turns = [first]
    for number in range(40):
        turns.append(Turn(stand_alone(typed, turns), f"Answer {number}"))
    assert len(turns[-1].question) < 250


def gold(kind: str) -> list[str]:
    rows = [
        json.loads(line)
        for path in sorted(GOLD.glob("*.jsonl"))
        for line in path.read_text("utf-8").splitlines()
    ]
    return [row["question"] for row in rows if row["type"] == kind and row["question"][0].isupper()]


NAMES = st.sampled_from(["Elswick", "Joan Pell", "the Dray Line", "Kellin Moor", "ITV", "St Brannock’s"])
QUESTIONS = [
    "Who owns {}?",
    "What did {} say about it?",
    "Why did {} leave?",
    "When was {} told?",
    "Who met {} that night?",
    "How much did {} pay for its shares?",
    "Did {} thank them?",
    "What happened to {}?",
    "Where is {}?",
    "Which of his pictures did {} sell?",
]


@given(
    st.sampled_from(QUESTIONS[:7] + QUESTIONS[7:9]),
    NAMES,
    st.lists(st.sampled_from([TRUST, FERRY, FLOOD, PAIR, RAID, NONE]), max_size=3),
)
def test_a_question_with_a_name_of_its_own_is_never_changed(asked: str, name: str, turns: list[Turn]) -> None:
    typed = asked.format(name)
    assert stand_alone(typed, turns) == typed


@pytest.mark.parametrize("kind", ["single", "multi", "unanswerable"])
def test_no_gold_question_that_names_what_it_is_about_is_changed(kind: str) -> None:
    certain = [typed for typed in gold(kind) if needs(typed) is not Needs.PERHAPS]
    assert len(certain) >= 15
    assert [typed for typed in certain if stand_alone(typed, [TRUST, FERRY]) != typed] == []


@given(
    st.text(max_size=80),
    st.lists(st.builds(Turn, st.text(max_size=40), st.text(max_size=20)), max_size=3),
)
def test_whatever_is_typed_the_same_turns_give_the_same_question(typed: str, turns: list[Turn]) -> None:
    asked = stand_alone(typed, turns)
    assert asked == stand_alone(typed, list(turns))
    if not turns or needs(typed) is Needs.NOTHING:
        assert asked == typed
