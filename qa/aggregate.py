"""Make one answer of the spans that the reader found in many passages.

Third step of retrieve -> read -> aggregate -> answer.
Holds: a citation's quote is exactly its range of the article; a candidate keeps every place that
says the same, and places in near-identical articles are marked as copies and count once.
Ranks candidates by their probability; does not decide whether to answer.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Protocol

from index.sentences import sentence_spans
from index.types import Article, Hit, Passage
from qa.agree import agree
from qa.terms import STOP_WORDS, words
from qa.types import Candidate, Citation, Evidence, Reading, Span

log = logging.getLogger("citewire.aggregate")

CANDIDATES = 5  # answers kept
CONSIDERED = 8  # groups of spans that can become answers: right ones are hardly ever further back
NOTHING = -10.0  # margin that stands in for the next best answer where there is none
PLACES = 12  # citations of one answer: more than a person opens


class Source(Protocol):
    """What is needed of the index: articles and their passages, of one committed state."""

    def article(self, article_id: str) -> Article | None: ...

    def passages(self, article_id: str) -> list[Passage]: ...

    def stories(self, article_ids: Iterable[str]) -> dict[str, int]: ...


@dataclass(frozen=True, slots=True)
class Cluster:
    """Spans that say the same, the best margin first, and the evidence for them."""

    spans: tuple[Span, ...]
    evidence: Evidence


def reader_text(passage: Passage) -> str:
    """Give what the reader is shown of a passage: its headline names what the text takes for granted."""
    return _heading(passage) + passage.text


def spans_of(hit: Hit, readings: Sequence[Reading]) -> list[Span]:
    """Move readings of ``reader_text`` into article coordinates, leaving out those in the headline."""
    passage = hit.passage
    shift = passage.start - len(_heading(passage))
    return [
        Span(hit, shift + r.start, shift + r.end, reader_text(passage)[r.start : r.end], r.margin)
        for r in readings
        if shift + r.start >= passage.start
    ]


def _heading(passage: Passage) -> str:
    return f"{passage.title}. " if passage.title else ""


def grouped(spans: Sequence[Span]) -> list[tuple[Span, ...]]:
    """Group spans that agree, the group with the best margin first, and the best span of each."""
    groups: list[list[Span]] = []
    for span in _apart(spans):
        group = next((group for group in groups if agree(group[0].text, span.text)), None)
        if group is None:
            groups.append([span])
        else:
            group.append(span)
    return [tuple(group) for group in groups[:CONSIDERED]]


def claim(group: Sequence[Span]) -> str:
    """Give the sentence that the best span of a group lies in, under its headline."""
    span, passage = group[0], group[0].passage
    whole = (0, len(passage.text))
    start, end = _sentence(passage.text, span.start - passage.start, span.end - passage.start, whole)
    return _heading(passage) + passage.text[start:end]


def clusters(groups: Sequence[tuple[Span, ...]], closeness: Sequence[float], source: Source) -> list[Cluster]:
    """Weigh the evidence for each group of spans.

    :param closeness: the cosine of the question and the claim of each group
    """
    stories = source.stories(span.passage.article_id for group in groups for span in group)
    margins = [group[0].margin for group in groups]
    return [
        Cluster(
            spans=group,
            evidence=Evidence(
                margin=margins[at],
                gap=margins[at] - max(_others(margins, at), default=NOTHING),
                cosine=group[0].hit.scores.get("cosine", 0.0),
                lead=closeness[at] - max(_others(closeness, at), default=0.0),
                stories=len({stories[span.passage.article_id] for span in group}),
            ),
        )
        for at, group in enumerate(groups)
    ]


def _others(values: Sequence[float], at: int) -> list[float]:
    return [*values[:at], *values[at + 1 :]]


def candidates(
    groups: Sequence[Cluster], source: Source, probability: Callable[[Evidence], float]
) -> tuple[Candidate, ...]:
    """Give the most probable clusters as candidates with their citations, best first."""
    likely = [(probability(cluster.evidence), cluster) for cluster in groups]
    likely.sort(key=lambda item: -item[0])
    found = []
    for confidence, cluster in likely[:CANDIDATES]:
        citations = _citations(cluster.spans, source)
        if citations:
            found.append(Candidate(citations[0].quote, confidence, citations, cluster.evidence))
    return tuple(found)


def nearest(
    hits: Sequence[Hit], found: Sequence[Candidate], source: Source, most: int = 3
) -> tuple[Citation, ...]:
    """Give the closest places for a question without an answer, the best rejected words first.

    Each is of another article; no more are made than are given.
    """
    rejected = (candidate.citations[0] for candidate in found)
    opening = (cite(_first_sentence(hit), source) for hit in hits)
    kept: dict[str, Citation] = {}
    for place in chain(rejected, opening):
        if len(kept) == most:
            break
        if place:
            kept.setdefault(place.article_id, place)
    return tuple(kept.values())


def _first_sentence(hit: Hit) -> Span:
    passage = hit.passage
    start, end = next(iter(sentence_spans(passage.text)), (0, len(passage.text)))
    return Span(hit, passage.start + start, passage.start + end, passage.text[start:end], 0.0)


def cite(span: Span, source: Source) -> Citation | None:
    """Make a citation of a span, or None (and a logged error) if its words are not at its place."""
    article = source.article(span.passage.article_id)
    if article is None:
        log.error("no article %s for a span of it", span.passage.article_id)
        return None
    if span.start >= span.end or article.text[span.start : span.end] != span.text:
        log.error("%s[%d:%d] is not %r", article.id, span.start, span.end, span.text)
        return None
    first, last = _context(span.passage, source.passages(article.id))
    sentence_start, sentence_end = _sentence(article.text, span.start, span.end, (first, last))
    original_start, original_end = article.to_original(span.start, span.end)
    return Citation(
        article_id=article.id,
        title=article.title,
        source=article.source,
        url=article.url,
        published=article.published,
        start=span.start,
        end=span.end,
        quote=span.text,
        sentence=article.text[sentence_start:sentence_end],
        sentence_start=sentence_start,
        context=article.text[first:last],
        context_start=first,
        original_start=original_start,
        original_end=original_end,
    )


def _context(passage: Passage, passages: Sequence[Passage]) -> tuple[int, int]:
    """Give the range of a passage with its neighbours."""
    at = next((n for n, other in enumerate(passages) if other.id == passage.id), None)
    if at is None:
        return passage.start, passage.end
    return passages[max(0, at - 1)].start, passages[min(len(passages) - 1, at + 1)].end


def _sentence(text: str, start: int, end: int, context: tuple[int, int]) -> tuple[int, int]:
    """Give the range of the sentences that a span lies in."""
    first, last = context
    covering = [
        (first + low, first + high)
        for low, high in sentence_spans(text[first:last])
        if first + low < end and start < first + high
    ]
    return (min(start, covering[0][0]), max(end, covering[-1][1])) if covering else (start, end)


def _citations(spans: Sequence[Span], source: Source) -> tuple[Citation, ...]:
    """Cite each article once, by its best span, in the order of evidence.

    The first citation of a story is evidence; those of the same story are its copies and come after it.
    """
    said = ((span.passage.article_id, span) for span in spans[:PLACES])
    twins = ((twin.article_id, _in_copy(span, twin)) for span in spans[:PLACES] for twin in span.hit.copies)
    by_article: dict[str, Citation] = {}
    for article_id, span in chain(said, twins):
        if span and article_id not in by_article and (citation := cite(span, source)):
            by_article[article_id] = citation
    found = list(by_article.values())
    stories = source.stories(citation.article_id for citation in found)
    by_story: dict[int, list[Citation]] = {}
    for citation in found[:PLACES]:
        own = by_story.setdefault(stories[citation.article_id], [])
        own.append(replace(citation, copy=bool(own)))
    return tuple(chain.from_iterable(by_story.values()))


def _in_copy(span: Span, twin: Passage) -> Span | None:
    """Find the same words in a near-identical article's passage."""
    at = twin.text.find(span.text)
    if at < 0:
        return None
    start = twin.start + at
    return replace(span, hit=Hit(twin, 0.0), start=start, end=start + len(span.text))


def _apart(spans: Sequence[Span]) -> list[Span]:
    """Of spans that overlap in an article (passages share a sentence) keep the one with the best margin.

    Spans without a word that says something ("on", "the") answer nothing.
    """
    kept: list[Span] = []
    telling = [span for span in spans if not STOP_WORDS.issuperset(words(span.text))]
    for span in sorted(telling, key=lambda s: (-s.margin, s.passage.article_id, s.start)):
        if all(
            span.passage.article_id != other.passage.article_id
            or span.end <= other.start
            or span.start >= other.end
            for other in kept
        ):
            kept.append(span)
    return kept
