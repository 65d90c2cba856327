import re
from datetime import date
from html import unescape
from typing import Any

import pytest

from qa.render import (
    answer_html,
    confidence_html,
    link_html,
    notice_html,
    source_html,
    turn_html,
    waiting_html,
)
from qa.types import Answer, Candidate, Citation, Evidence

HOSTILE = '<script>alert(1)</script><img src="http://evil.example/x.png"> ![x](http://evil.example/y.png)'
EVIDENCE = Evidence(margin=1.0, gap=1.0, cosine=0.5, lead=0.5, stories=1)


def citation(quote: str = "31", **fields: Any) -> Citation:
    before, after = "Before it. Yes won by ", " votes. After it."
    values: dict[str, Any] = {
        "article_id": "/a/news.txt",
        "title": "A title",
        "source": "The Ledger",
        "url": "https://ledger.example/1",
        "published": date(2026, 6, 13),
        "start": 100 + len(before),
        "end": 100 + len(before) + len(quote),
        "quote": quote,
        "sentence": f"Yes won by {quote} votes.",
        "sentence_start": 100 + len("Before it. "),
        "context": before + quote + after,
        "context_start": 100,
        "original_start": 0,
        "original_end": 1,
    }
    return Citation(**{**values, **fields})


def candidate(text: str = "31", confidence: float = 0.95, **fields: Any) -> Candidate:
    return Candidate(text, confidence, (citation(text, **fields),), EVIDENCE)


def answer(*candidates: Candidate, answered: bool = True, asked: str = "") -> Answer:
    nearest = () if answered else (citation(),)
    return Answer("By how many?", candidates, answered, nearest, "signature", asked)


def text_of(html: str) -> str:
    return unescape(re.sub(r"<[^>]*>", "", html))


def test_an_answer_shows_its_words_its_marked_sentence_and_its_numbered_source() -> None:
    html = answer_html(answer(candidate()))
    assert re.search(r'class="answer">31<', html)
    assert "Yes won by <mark>31</mark> votes." in html
    assert '<span class="number">1</span>' in html
    assert "The Ledger · 13 June 2026" in html
    assert "95%" in html


def test_a_source_marks_the_quote_at_its_own_offsets_not_where_the_words_occur_first() -> None:
    cited = citation(context="31 times: 31", context_start=0, start=10, end=12)
    assert "31 times: <mark>31</mark></div>" in source_html(cited, 1)


@pytest.mark.parametrize(("confidence", "word"), [(0.9, "Certain"), (0.7, "Likely"), (0.699, "Possible")])
def test_confidence_is_said_in_a_word_and_a_number(confidence: float, word: str) -> None:
    assert text_of(confidence_html(confidence)) == f"{word} {confidence:.0%}"


def test_confidence_is_never_shown_as_100_percent() -> None:
    assert "99%" in confidence_html(0.9999)


def test_hostile_text_in_every_field_stays_text() -> None:
    cited = {"title": HOSTILE, "source": HOSTILE, "sentence": HOSTILE, "context": HOSTILE}
    known = answer(candidate(HOSTILE, **cited), candidate(HOSTILE, 0.5, **cited), asked=HOSTILE)
    unknown = Answer(HOSTILE, (), False, (citation(**cited),), "")
    for html in (
        turn_html(HOSTILE, answer_html(known)),
        answer_html(unknown),
        notice_html(HOSTILE),
        waiting_html(HOSTILE),
    ):
        assert "<script" not in html
        assert "<img" not in html


def test_only_http_addresses_become_links() -> None:
    for bad in ("javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "//x.example", ""):
        assert link_html(citation(url=bad)) == ""
    html = link_html(citation(url='https://x.example/"onmouseover="alert(1)'))
    assert 'target="_blank" rel="noopener noreferrer"' in html
    assert '"onmouseover' not in html


def test_other_answers_come_newest_first() -> None:
    html = answer_html(
        answer(
            candidate(),
            candidate("17", 0.9, published=date(2020, 1, 1)),
            candidate("18", 0.8, published=date(2021, 1, 1)),
        )
    )
    others = html[html.index("Other answers in these articles") :]
    assert re.findall(r'class="other">(\d+)', others) == ["18", "17"]


def test_no_answer_shows_the_closest_passages_and_no_confidence() -> None:
    html = answer_html(answer(candidate(confidence=0.1), answered=False))
    assert "Not in these articles" in html
    assert "Yes won by" in html
    assert "%" not in text_of(html)


def test_a_rewritten_question_is_shown_and_can_be_edited_and_one_as_typed_is_not() -> None:
    assert 'Understood as: <em>By how many?</em> <button type="button" data-question=' in answer_html(
        answer(candidate(), asked="how many?")
    )
    assert "Understood" not in answer_html(answer(candidate(), asked=" By how  many? "))


def test_a_mended_question_can_be_asked_as_it_was_typed() -> None:
    html = answer_html(answer(candidate(), asked="By how manny?"))
    assert (
        '<button type="button" data-question="By how &quot;manny&quot;?" data-send="">Ask as typed</button>'
        in html
    )
    for follow_up in ("how many?", "By how he?"):
        assert "Ask as typed" not in answer_html(answer(candidate(), asked=follow_up))


def test_a_copy_is_named_a_copy() -> None:
    assert "near-identical copy" in source_html(citation(copy=True), 2)
