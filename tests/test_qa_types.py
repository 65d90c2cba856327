"""Answers and citations as values: what is derived from them, in words, links and JSON."""

import json
import urllib.parse
from dataclasses import FrozenInstanceError, replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.types import Answer, Candidate, Citation, Evidence, is_web_address

TEXT = "It rained. The fund, set up in 2016,\nraised $13m - a record. It will go on."
START, SENTENCE = TEXT.index("$13m"), TEXT.index("The fund")
CITATION = Citation(
    article_id="/news/fund.txt",
    title="Fund breaks record",
    source="Harbour Ledger",
    url="https://example.org/fund?a=1#top",
    published=date(2026, 3, 2),
    start=START,
    end=START + 4,
    quote="$13m",
    sentence="The fund, set up in 2016,\nraised $13m - a record.",
    sentence_start=SENTENCE,
    context=TEXT,
    context_start=0,
    original_start=START + 5,
    original_end=START + 9,
)
EVIDENCE = Evidence(5.0, 2.0, 0.5, 0.5, 1)
BEST = Candidate(
    "$13m", 0.84, (CITATION, replace(CITATION, article_id="/news/copy.txt", url="", copy=True)), EVIDENCE
)
OTHER = replace(CITATION, quote="£2m", sentence="Or £2m.", start=3, sentence_start=0, url="")
NEXT = Candidate("£2m", 0.5, (OTHER,), EVIDENCE)
UNLIKELY = Candidate("2016", 0.1, (CITATION,), EVIDENCE)
ANSWER = Answer("How much?", (BEST, NEXT, UNLIKELY), True, (), "encoder e | reader r")
DECLINED = Answer("How much?", (UNLIKELY,), False, (CITATION,), "encoder e | reader r")


def test_an_answer_is_its_best_candidate() -> None:
    assert (ANSWER.text, ANSWER.confidence, ANSWER.citations) == ("$13m", 0.84, BEST.citations)


def test_alternatives_are_the_other_answers_that_are_likely_enough() -> None:
    assert ANSWER.alternatives == (NEXT,)
    assert replace(ANSWER, candidates=(BEST, replace(NEXT, confidence=0.16))).alternatives != ()
    assert replace(ANSWER, candidates=(BEST, replace(NEXT, confidence=0.15))).alternatives == ()
    doubted = replace(NEXT, evidence=replace(EVIDENCE, margin=0.9))  # the reader rather sees no answer
    assert replace(ANSWER, candidates=(BEST, doubted)).alternatives == ()


def test_a_declined_answer_has_no_text_citations_or_alternatives_but_a_probability() -> None:
    assert DECLINED.text is None
    assert DECLINED.citations == ()
    assert DECLINED.alternatives == ()
    assert DECLINED.confidence == 0.1
    assert Answer("?", (), False, (), "s").confidence == 0.0


def test_an_answer_cannot_be_changed() -> None:
    name = "question"
    with pytest.raises(FrozenInstanceError):
        setattr(ANSWER, name, "Why?")


def test_the_terminal_shows_the_answer_the_marked_sentence_and_each_source() -> None:
    assert str(ANSWER) == "\n".join(
        [
            "$13m   (84% sure)",
            "",
            "[1] “Fund breaks record”, Harbour Ledger, 2 March 2026",
            "    The fund, set up in 2016, raised [$13m] - a record.",
            "    https://example.org/fund?a=1#top",
            "[2] “Fund breaks record”, Harbour Ledger, 2 March 2026 (near-identical copy)",
            "    The fund, set up in 2016, raised [$13m] - a record.",
            "",
            "Or: £2m   (50%)",
            "[1] “Fund breaks record”, Harbour Ledger, 2 March 2026",
            "    Or [£2m].",
        ]
    )


def test_the_terminal_says_that_the_articles_do_not_answer() -> None:
    assert str(DECLINED).startswith(
        "Not in these articles.\n\nThe closest passages:\n[1] “Fund breaks record”"
    )
    assert str(replace(DECLINED, nearest=())) == "Not in these articles."


def test_an_answer_knows_whether_it_is_to_the_question_that_was_typed() -> None:
    assert not ANSWER.rewritten
    assert not replace(ANSWER, asked=f" {ANSWER.question.replace(' ', '  ')}").rewritten
    assert replace(ANSWER, asked="And how much?").rewritten


def test_the_terminal_shows_how_a_follow_up_was_understood() -> None:
    asked = replace(ANSWER, question="How much did the fund raise?", asked="How much?")
    assert str(asked).startswith("Understood as: How much did the fund raise?\n\n$13m")
    assert str(replace(ANSWER, asked="How much?")).startswith("$13m")


def test_a_label_leaves_out_what_is_not_known() -> None:
    assert CITATION.label == "“Fund breaks record”, Harbour Ledger, 2 March 2026"
    assert replace(CITATION, source="", published=None).label == "“Fund breaks record”"


def test_the_mark_stands_around_the_quote_on_one_line() -> None:
    assert CITATION.marked == "The fund, set up in 2016, raised [$13m] - a record."


def test_a_link_scrolls_to_the_sentence() -> None:
    assert CITATION.link == (
        "https://example.org/fund?a=1#:~:text=The%20fund%2C%20set%20up%20in%202016%2C%20raised%20%2413m%20%2D%20a%20record."
    )
    assert replace(CITATION, url="").link == ""


def test_a_link_to_a_long_sentence_names_its_first_and_last_words() -> None:
    long = replace(CITATION, sentence=" ".join(f"w{number}" for number in range(20)))
    assert long.link.endswith("#:~:text=w0%20w1%20w2%20w3%20w4%20w5,w14%20w15%20w16%20w17%20w18%20w19")


@given(st.text(min_size=1, max_size=60))
def test_a_text_fragment_decodes_to_the_sentence_and_holds_no_syntax_of_its_own(sentence: str) -> None:
    fragment = replace(CITATION, sentence=sentence).link.split("#:~:text=")[1]
    assert set(fragment) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789%._~,")
    if len(sentence.split()) <= 12:
        assert "," not in fragment
        assert urllib.parse.unquote(fragment) == " ".join(sentence.split())


def test_the_json_holds_the_documented_keys_and_only_plain_data() -> None:
    for answer in (ANSWER, DECLINED):
        found = json.loads(json.dumps(answer.to_dict()))
        assert found == answer.to_dict()
        assert list(found) == [
            "question",
            "asked",
            "text",
            "confidence",
            "citations",
            "alternatives",
            "nearest",
            "rejected",
            "missing",
            "signature",
        ]
    citation = ANSWER.to_dict()["citations"][0]
    assert citation["published"] == "2026-03-02"
    assert citation["quote"] == TEXT[citation["start"] : citation["end"]] == "$13m"
    assert citation["link"] == CITATION.link
    assert [other["text"] for other in ANSWER.to_dict()["alternatives"]] == ["£2m"]
    assert DECLINED.to_dict()["text"] is None
    assert ANSWER.to_dict()["asked"] == "How much?"


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "//a.b", "a", ""]
)
def test_only_http_addresses_may_become_links(url: str) -> None:
    assert not is_web_address(url)
    assert is_web_address("https://a.example/b")
