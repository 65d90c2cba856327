import re
from datetime import date
from html import unescape
from typing import Any

import pytest

from qa.markdown import answer_markdown
from qa.render import answer_html, confidence_html, link_html, marked_html, notice_html, waiting_html
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


def test_an_answer_shows_its_words_its_marked_sentence_and_its_source() -> None:
    html = answer_html(answer(candidate()))
    assert re.search(r'class="answer" dir="auto">31<', html)
    assert "Yes won by <mark>31</mark> votes." in html
    assert '<span class="number">1</span>' in html
    assert "The Ledger · 13 June 2026" in html
    assert f'data-article="/a/news.txt" data-start="{citation().start}" data-end="{citation().end}"' in html


def test_a_mark_is_at_the_offsets_given_not_where_the_words_occur_first() -> None:
    assert marked_html("31 times: 31", 10, 2) == "31 times: <mark>31</mark>"


@pytest.mark.parametrize(("confidence", "word"), [(0.9, "Certain"), (0.7, "Likely"), (0.699, "Possible")])
def test_confidence_is_said_in_a_word_with_the_number_behind_it(confidence: float, word: str) -> None:
    assert text_of(confidence_html(confidence)).startswith(f"{word}{confidence:.0%}. Of answers")


def test_confidence_is_never_shown_as_100_percent() -> None:
    assert "99%" in confidence_html(0.9999)


def test_each_story_is_one_card_which_counts_its_near_identical_copies() -> None:
    places = (
        citation(title="First"),
        citation(title="A copy", article_id="/a/copy.txt", copy=True),
        citation(title="Another copy", article_id="/a/copy2.txt", copy=True),
        citation(title="Second", article_id="/a/second.txt"),
    )
    html = answer_html(answer(Candidate("31", 0.9, places, EVIDENCE)))
    assert "<h3>2 sources</h3>" in html
    assert re.findall(r'class="number">(\d)', html) == ["1", "2"]
    first, second = html.split('<li class="source">')[1:]
    assert "2 near-identical copies" in first
    assert 'data-article="/a/copy2.txt"' in first
    assert "near-identical" not in second


def test_hostile_text_in_every_field_stays_text() -> None:
    fields = ("article_id", "title", "source", "sentence", "context")
    cited = dict.fromkeys(fields, HOSTILE)
    known = answer(candidate(HOSTILE, **cited), candidate(HOSTILE, 0.5, **cited), asked=HOSTILE)
    unknown = Answer(HOSTILE, (candidate(HOSTILE),), False, (citation(**cited),), "", HOSTILE, (HOSTILE,))
    for html in (answer_html(known), answer_html(unknown), notice_html(HOSTILE), waiting_html(HOSTILE)):
        assert "<script" not in html
        assert "<img" not in html


def test_what_reorders_text_is_not_shown_and_offsets_stay() -> None:
    html = answer_html(answer(candidate("3\u202e1", sentence="won by 3\u202e1.", title="\u2066x\u2069")))
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", html)
    assert 'class="answer" dir="auto">3\u200b1<' in html


def test_only_http_addresses_become_links() -> None:
    for bad in ("javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "//x.example", ""):
        assert link_html(citation(url=bad), "open") == ""
        html = answer_html(answer(candidate(url=bad)))
        assert "<a " not in html
        assert 'data-link=""' in html
        assert "<alert" not in answer_markdown(answer(candidate(url=bad)))
    html = link_html(citation(url='https://x.example/"onmouseover="alert(1)'), "open")
    assert 'target="_blank" rel="noopener noreferrer"' in html
    assert '"onmouseover' not in html


def test_where_there_are_several_answers_they_stand_side_by_side_newest_first() -> None:
    html = answer_html(
        answer(
            candidate(),
            candidate("17", 0.9, published=date(2020, 1, 1)),
            candidate("18", 0.8, published=date(2021, 1, 1)),
        )
    )
    assert "Answers in these articles, newest first" in html
    versions = html[html.index('<div class="versions">') :]
    assert re.findall(r'class="other" dir="auto">(\d+)', versions) == ["31", "18", "17"]
    assert versions.count('class="version best"') == 1


def test_several_answers_of_articles_without_a_date_stand_likeliest_first_and_say_nothing_of_age() -> None:
    html = answer_html(answer(candidate(published=None), candidate("17", 0.5, published=None)))
    assert "<h3>Answers in these articles</h3>" in html
    assert re.findall(r'class="other" dir="auto">(\d+)', html) == ["31", "17"]


def test_no_answer_says_what_was_missing_and_shows_the_closest_passages() -> None:
    unsure = (candidate("nobody", 0.1),)
    html = answer_html(Answer("Who?", unsure, False, (citation(),), "s", missing=("Atlantis", "Narnia")))
    said = text_of(html)
    assert "Not in these articles" in said
    assert "No article has the words “Atlantis”, “Narnia”." in said
    assert "The best words found, nobody, are too unsure" in said
    assert "Yes won by" in said
    assert "%" not in said


def test_a_rewritten_question_is_shown_and_can_be_edited_and_one_as_typed_is_not() -> None:
    assert (
        'Understood as: <em dir="auto">By how many?</em> <button type="button" data-question='
        in answer_html(answer(candidate(), asked="how many?"))
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


def test_an_id_with_a_carriage_return_comes_back_from_the_page_as_it_is() -> None:
    assert 'data-article="/a/b&#13;\nc.txt"' in answer_html(answer(candidate(article_id="/a/b\r\nc.txt")))
