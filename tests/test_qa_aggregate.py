"""Spans become candidates with citations: what is merged, what stays apart, and that quotes are exact."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.chunk import Chunking, chunk
from index.types import Article, Cut, Hit, Passage
from qa.aggregate import (
    NOTHING,
    Cluster,
    candidates,
    cite,
    claim,
    clusters,
    grouped,
    nearest,
    reader_text,
    spans_of,
)
from qa.types import Candidate, Citation, Evidence, Reading, Span


class FakeSource:
    """Articles in memory; each is its own story unless told otherwise."""

    def __init__(self, *articles: Article, copies: dict[str, str] | None = None, size: int = 16) -> None:
        self._articles = {article.id: article for article in articles}
        self._passages: dict[str, list[Passage]] = {}
        self._copies = copies or {}
        number = 0
        for article in articles:
            cut = chunk(article, lambda texts: [len(text.split()) for text in texts], Chunking(size, 1))
            self._passages[article.id] = [
                replace(passage, id=number + place) for place, passage in enumerate(cut, start=1)
            ]
            number += len(cut)

    def article(self, article_id: str) -> Article | None:
        return self._articles.get(article_id)

    def passages(self, article_id: str) -> list[Passage]:
        return self._passages.get(article_id, [])

    def stories(self, article_ids: Iterable[str]) -> dict[str, int]:
        numbers = {article_id: number for number, article_id in enumerate(self._articles)}
        return {found: numbers[self._copies.get(found, found)] for found in set(article_ids)}

    def span(self, article_id: str, words: str, margin: float, *, cosine: float = 0.5, nth: int = 0) -> Span:
        """Find words in the nth passage that has them."""
        holding = [passage for passage in self.passages(article_id) if words in passage.text]
        passage = holding[nth]
        start = passage.start + passage.text.index(words)
        hit = Hit(passage, 0.1, scores={"cosine": cosine})
        return Span(hit, start, start + len(words), words, margin)


def article(article_id: str, text: str, title: str = "") -> Article:
    return Article(article_id, title or f"Title of {article_id}", text, original=text)


def weighed(spans: Sequence[Span], source: FakeSource, *closeness: float) -> list[Cluster]:
    """Group spans and weigh them; their claims are all as close to the question unless said otherwise."""
    groups = grouped(spans)
    return clusters(groups, closeness or [0.5] * len(groups), source)


def sure(evidence: Evidence) -> float:
    """Stand in for the calibration: the margin, as a share of 20."""
    return evidence.margin / 20


def texts(found: Iterable[Candidate]) -> list[str]:
    return [candidate.text for candidate in found]


ONE = article("one", "The harbour fund raised $13m in a year. Its chair thanked the public for it.")
TWO = article("two", "Donors gave the fund 13 million dollars, its chair said on Friday at the harbour.")
THREE = article("three", "The harbour fund raised £2m, a rival paper said. Its chair denied it.")


def test_agreeing_spans_of_several_articles_become_one_candidate_best_first() -> None:
    source = FakeSource(ONE, TWO, THREE)
    spans = [
        source.span("two", "13 million dollars", 4.0),
        source.span("three", "£2m", 5.0),
        source.span("one", "$13m", 9.0),
    ]
    found = candidates(weighed(spans, source), source, sure)

    assert texts(found) == ["$13m", "£2m"]
    assert [(c.article_id, c.quote, c.copy) for c in found[0].citations] == [
        ("one", "$13m", False),
        ("two", "13 million dollars", False),
    ]
    assert [candidate.confidence for candidate in found] == [9 / 20, 5 / 20]


def test_candidates_are_ordered_by_probability_not_by_margin() -> None:
    source = FakeSource(ONE, THREE)
    spans = [source.span("one", "$13m", 9.0, cosine=0.1), source.span("three", "£2m", 5.0, cosine=0.9)]
    found = candidates(weighed(spans, source), source, lambda evidence: evidence.cosine)
    assert texts(found) == ["£2m", "$13m"]


def test_evidence_is_what_the_spans_and_passages_show() -> None:
    source = FakeSource(ONE, TWO, THREE)
    spans = [
        source.span("one", "$13m", 9.0, cosine=0.7),
        source.span("two", "13 million dollars", 4.0, cosine=0.8),
        source.span("three", "£2m", 5.0, cosine=0.6),
    ]
    first, second = weighed(spans, source, 0.8, 0.5)

    assert first.evidence == Evidence(9.0, 9.0 - 5.0, 0.7, 0.8 - 0.5, stories=2)
    assert second.evidence == Evidence(5.0, 5.0 - 9.0, 0.6, 0.5 - 0.8, stories=1)


def test_no_more_groups_than_can_win_are_considered() -> None:
    source = FakeSource(article("a", " ".join(f"Number {n} came." for n in range(20))))
    spans = [source.span("a", f"Number {n} ", float(n)) for n in range(20)]
    spans = [replace(span, end=span.end - 1, text=span.text[:-1]) for span in spans]

    assert [group[0].text for group in grouped(spans)] == [f"Number {n}" for n in range(19, 11, -1)]


def test_the_gap_of_the_only_answer_is_measured_against_a_stand_in() -> None:
    source = FakeSource(ONE)
    (only,) = weighed([source.span("one", "$13m", 3.0)], source)
    assert only.evidence.gap == 3.0 - NOTHING


def test_a_claim_is_the_sentence_of_the_span_under_its_headline() -> None:
    source = FakeSource(ONE)

    assert (
        claim([source.span("one", "the public", 1.0)]) == "Title of one. Its chair thanked the public for it."
    )


def test_overlapping_spans_of_two_passages_are_one_with_the_better_margin() -> None:
    text = "First came a storm that broke the wall. The fund raised $13m in a year. Then came the long repair work."
    source = FakeSource(article("a", text))
    assert len([p for p in source.passages("a") if "$13m" in p.text]) == 2
    spans = [
        source.span("a", "raised $13m in a year", 2.0, nth=0),
        source.span("a", "$13m", 6.0, nth=1),
        source.span("a", "$13m", 5.0, nth=0),
    ]
    (cluster,) = weighed(spans, source)
    assert [(span.text, span.margin) for span in cluster.spans] == [("$13m", 6.0)]


def test_the_same_answer_at_two_places_of_an_article_is_cited_once() -> None:
    text = "The fund raised $13m last year. A year before it had raised less. It says $13m is a record."
    source = FakeSource(article("a", text))
    places = [text.index("$13m"), text.rindex("$13m")]
    passages = source.passages("a")
    spans = [
        Span(Hit(next(p for p in passages if p.start <= at < p.end), 0.1), at, at + 4, "$13m", margin)
        for at, margin in zip(places, (2.0, 3.0), strict=True)
    ]
    (candidate,) = candidates(weighed(spans, source), source, sure)
    assert [citation.start for citation in candidate.citations] == [places[1]]


def test_spans_of_stop_words_alone_answer_nothing() -> None:
    source = FakeSource(ONE)
    assert weighed([source.span("one", "in a", 9.0)], source) == []


def test_copies_are_cited_as_copies_and_count_as_one_story() -> None:
    copy = article("copy", TWO.text)
    source = FakeSource(ONE, TWO, copy, copies={"copy": "two"})
    folded = source.passages("copy")[0]
    best = source.span("two", "13 million dollars", 9.0)
    best = replace(best, hit=replace(best.hit, copies=(folded,)))
    (candidate,) = candidates(weighed([best, source.span("one", "$13m", 4.0)], source), source, sure)
    assert [(c.article_id, c.copy) for c in candidate.citations] == [
        ("two", False),
        ("copy", True),
        ("one", False),
    ]
    assert candidate.evidence.stories == 2
    assert all(c.quote == _text(source, c)[c.start : c.end] for c in candidate.citations)


def test_a_copy_that_was_read_itself_is_marked_too() -> None:
    copy = article("copy", TWO.text)
    source = FakeSource(TWO, copy, copies={"copy": "two"})
    spans = [
        source.span(name, "13 million dollars", margin) for name, margin in (("two", 4.0), ("copy", 5.0))
    ]
    (candidate,) = candidates(weighed(spans, source), source, sure)
    assert [(c.article_id, c.copy) for c in candidate.citations] == [("copy", False), ("two", True)]
    assert candidate.evidence.stories == 1


def test_a_span_whose_words_are_not_at_its_place_is_dropped_with_a_logged_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    source = FakeSource(ONE, TWO)
    wrong = replace(source.span("one", "$13m", 9.0), text="$14m")
    right = source.span("two", "13 million dollars", 4.0)
    with caplog.at_level(logging.ERROR, logger="citewire.aggregate"):
        found = candidates(weighed([wrong, right], source), source, sure)
    assert texts(found) == ["13 million dollars"]
    assert caplog.messages == ["one[24:28] is not '$14m'"]


def test_a_span_of_an_article_that_is_gone_is_dropped_with_a_logged_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    gone = replace(FakeSource(ONE).span("one", "$13m", 9.0))
    assert cite(gone, FakeSource(TWO)) is None
    assert "no article one" in caplog.text


def test_a_citation_carries_its_articles_details_its_sentence_and_its_neighbours() -> None:
    text = "Alpha one two three. Beta four five six. Gamma $13m seven. Delta eight nine ten. Last words here."
    told = replace(
        article("a", text), source="Harbour Ledger", url="https://example.org/a", published=date(2026, 3, 2)
    )
    source = FakeSource(told, size=16)
    passages = source.passages("a")
    citation = cite(source.span("a", "$13m", 1.0), source)
    assert citation is not None
    assert (citation.source, citation.url, citation.published) == (told.source, told.url, told.published)
    assert citation.sentence == "Gamma $13m seven."
    assert citation.context == text[passages[0].start : passages[-1].end]


def test_a_span_of_two_sentences_shows_both() -> None:
    source = FakeSource(article("a", "It rose. It fell to $3m. It rose again."))
    citation = cite(source.span("a", "rose. It fell", 1.0), source)
    assert citation is not None
    assert citation.sentence == "It rose. It fell to $3m."


def test_readings_are_moved_into_the_article_and_those_of_the_headline_left_out() -> None:
    passage = Passage(1, "one", 40, 76, ONE.text[40:76], "The harbour fund")
    shown = reader_text(passage)
    assert shown == f"The harbour fund. {passage.text}"
    at = shown.index("chair")
    readings = [Reading(4, 11, 3.0), Reading(at, at + 5, 2.0), Reading(0, at + 5, 1.0)]
    (span,) = spans_of(Hit(passage, 0.1), readings)
    assert (span.text, span.margin) == ("chair", 2.0)
    assert ONE.text[span.start : span.end] == "chair"


def test_without_a_title_the_reader_is_shown_the_passage_alone() -> None:
    passage = Passage(1, "one", 40, 76, ONE.text[40:76])
    (span,) = spans_of(Hit(passage, 0.1), [Reading(0, 3, 2.0)])
    assert reader_text(passage) == passage.text
    assert (span.start, span.end, span.text) == (40, 43, "Its")


def test_the_nearest_places_are_the_rejected_words_then_the_first_sentences_of_other_articles() -> None:
    source = FakeSource(ONE, TWO, THREE)
    rejected = candidates(weighed([source.span("two", "Friday", 1.0)], source), source, sure)
    hits = [Hit(source.passages(name)[0], 0.1) for name in ("one", "two", "three")]

    closest = nearest(hits, rejected, source)
    assert [(c.article_id, c.quote) for c in closest] == [
        ("two", "Friday"),
        ("one", "The harbour fund raised $13m in a year."),
        ("three", "The harbour fund raised £2m, a rival paper said."),
    ]
    assert nearest([], [], source) == ()
    assert len(nearest(hits, rejected, source, most=2)) == 2


def _text(source: FakeSource, citation: Citation) -> str:
    found = source.article(citation.article_id)
    assert found is not None
    return found.text


PIECE = st.sampled_from(
    ["Der Bürgermeister kam. ", "He said “no”. ", "It rose 5% to £6.2m! ", "قال محمد. ", "東京です。", "👨‍👩‍👧 ",
     "cafe\u0301 ", "\n\n", "\n", "Mr. Ito of the U.S. left, at 9 a.m., for Rome. ", "\u200b", "word ", "!? "]
)  # fmt: skip


@st.composite
def cleaned_articles(draw: st.DrawFn) -> Article:
    """An article whose original is its text with other pieces put in as cuts."""
    text, original = "", ""
    cuts = []
    for piece in draw(st.lists(PIECE | st.text(max_size=8), min_size=1, max_size=25)):
        if draw(st.booleans()):
            text += piece
        elif piece:
            cuts.append(Cut(len(original), len(original) + len(piece), "advert"))
        original += piece
    return Article("a", draw(st.sampled_from(["", "A title"])), text, original=original, cuts=tuple(cuts))


@given(cleaned_articles(), st.data())
def test_every_citation_quotes_its_article_exactly(told: Article, data: st.DataObject) -> None:
    source = FakeSource(told)
    passages = source.passages("a")
    if not passages:
        return
    passage = data.draw(st.sampled_from(passages))
    start = data.draw(st.integers(passage.start, passage.end - 1))
    end = data.draw(st.integers(start + 1, passage.end))
    citation = cite(Span(Hit(passage, 0.1), start, end, told.text[start:end], 1.0), source)

    assert citation is not None
    assert citation.quote == told.text[citation.start : citation.end] == told.text[start:end]
    for around, at in (
        (citation.sentence, citation.sentence_start),
        (citation.context, citation.context_start),
    ):
        assert around[start - at : end - at] == citation.quote
        assert told.text[at : at + len(around)] == around
    original = told.original[citation.original_start : citation.original_end]
    left = "".join(
        character
        for at, character in enumerate(original, start=citation.original_start)
        if not any(cut.start <= at < cut.end for cut in told.cuts)
    )
    assert left == citation.quote
    assert (original[0], original[-1]) == (citation.quote[0], citation.quote[-1])
