"""The values that a question's way passes on: spans, citations, answers.

Holds: article.text[c.start:c.end] == c.quote for each citation c of each answer.
All are frozen; what can be derived is a property. Knows no model and no index.
"""

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import quote, urldefrag

from index.types import Filters, Hit, Passage

MARK = ("[", "]")  # around the answer's words in a terminal
# An alternative is shown from this share of the best answer's probability, if the reader clearly prefers it
# to "no answer". On the sample's questions on which sources disagree it keeps six of eight things that other
# outlets say and two that none does; on the others, a guess for every third question.
ALTERNATIVE, ALTERNATIVE_MARGIN = 0.18, 1.0


@dataclass(frozen=True, slots=True)
class Query:
    """A question as it is asked of the articles, by itself.

    ``asked``: what the person typed. ``favoured``: ids of the articles that a conversation is about, which
    retrieval prefers; none for a question that stood alone.
    """

    question: str
    asked: str
    filters: Filters = Filters()
    favoured: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """What the reader picked in one text: ``text[start:end]``, in that text's own code points.

    ``margin`` is the span's start plus end logit, less those of CLS: above zero the reader prefers it
    to "no answer". It is not a probability.
    """

    start: int
    end: int
    margin: float


@dataclass(frozen=True, slots=True)
class Span:
    """A reading in its article: ``article.text[start:end] == text``; ``hit`` is where it was read."""

    hit: Hit
    start: int
    end: int
    text: str
    margin: float

    @property
    def passage(self) -> Passage:
        return self.hit.passage


@dataclass(frozen=True, slots=True)
class Citation:
    """One place that gives the answer.

    ``start:end`` are code points of ``Article.text``, ``original_start:original_end`` those of
    ``Article.original``. ``sentence`` and ``context`` (the passage with its neighbours) are ranges of
    ``Article.text`` too, beginning at ``sentence_start`` and ``context_start``. ``copy`` marks a
    near-identical article that adds no independent evidence.
    """

    article_id: str
    title: str
    source: str
    url: str
    published: date | None
    start: int
    end: int
    quote: str
    sentence: str
    sentence_start: int
    context: str
    context_start: int
    original_start: int
    original_end: int
    copy: bool = False

    @property
    def link(self) -> str:
        """The article's http(s) address with a text fragment that scrolls to the sentence, or "".

        Source: WICG, URL Fragment Text Directives.
        """
        if not is_web_address(self.url):
            return ""
        words = self.sentence.split()
        parts = [words] if len(words) <= 12 else [words[:6], words[-6:]]
        fragment = ",".join(_fragment(" ".join(part)) for part in parts)
        return f"{urldefrag(self.url).url}#:~:text={fragment}"

    @property
    def marked(self) -> str:
        """The sentence with the quote in square brackets, on one line."""
        at = self.start - self.sentence_start
        text = self.sentence
        marked = text[:at] + MARK[0] + self.quote + MARK[1] + text[at + len(self.quote) :]
        return " ".join(marked.split())

    @property
    def day(self) -> str:
        """The day of publication in words, "" if it is not known."""
        return f"{self.published.day} {self.published:%B %Y}" if self.published else ""

    @property
    def label(self) -> str:
        """Title, outlet and date on one line, as far as they are known."""
        return ", ".join(part for part in (f"“{self.title}”", self.source, self.day) if part)


def is_web_address(url: str) -> bool:
    """Whether an address may become a link: http(s), with a host."""
    return re.match(r"https?://[^\s/]", url, re.IGNORECASE) is not None


def _fragment(text: str) -> str:
    # "-" and "," are the directive's own syntax and stay special even where a URL allows them.
    return quote(text, safe="").replace("-", "%2D")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known about one candidate answer.

    ``margin``: the reader's best margin for it, in logits. ``gap``: that less the best margin of any
    other candidate. ``cosine``: of its passage and the question.
    ``lead``: the cosine of the question and its sentence under the headline, less the best such of any
    other candidate.
    ``stories``: independent stories that give it, at least 1.
    """

    margin: float
    gap: float
    cosine: float
    lead: float
    stories: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """One possible answer: the words, P(they are right), and each place that gives them, best first."""

    text: str
    confidence: float
    citations: tuple[Citation, ...]
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Answer:
    """What Citewire replies to a question.

    ``candidates`` are ranked, best first; ``answered`` says whether the best one is sure enough to be
    shown as the answer. If not, ``text`` is None, which means "not in these articles",
    ``nearest`` holds the closest passages, the best rejected words first, and ``missing`` the words of the
    question that no article has. ``signature`` names the encoder, the reader and the settings that
    produced it.
    """

    question: str
    candidates: tuple[Candidate, ...]
    answered: bool
    nearest: tuple[Citation, ...]
    signature: str
    asked: str = ""  # what the person typed, where a follow-up was rewritten or a typo mended for `question`
    missing: tuple[str, ...] = ()

    @property
    def rewritten(self) -> bool:
        """Whether another question was asked of the articles than the person typed."""
        return " ".join(self.asked.split()) not in ("", self.question)

    @property
    def text(self) -> str | None:
        return self.candidates[0].text if self.answered else None

    @property
    def confidence(self) -> float:
        """P(the best candidate is right): a calibrated probability, low where nothing is answered."""
        return self.candidates[0].confidence if self.candidates else 0.0

    @property
    def citations(self) -> tuple[Citation, ...]:
        return self.candidates[0].citations if self.answered else ()

    @property
    def alternatives(self) -> tuple[Candidate, ...]:
        """Other answers that are likely enough to be worth reading beside the best one."""
        least = ALTERNATIVE * self.confidence
        others = self.candidates[1:] if self.answered else ()
        return tuple(c for c in others if c.confidence >= least and c.evidence.margin >= ALTERNATIVE_MARGIN)

    @property
    def rejected(self) -> Candidate | None:
        """The best words where nothing was sure enough to be shown."""
        return self.candidates[0] if self.candidates and not self.answered else None

    def to_dict(self) -> dict[str, Any]:
        """The answer as JSON-ready data: what ``citewire ask --json`` prints."""
        return {
            "question": self.question,
            "asked": self.asked or self.question,
            "text": self.text,
            "confidence": round(self.confidence, 4),
            "citations": [_citation_dict(c) for c in self.citations],
            "alternatives": [
                {
                    "text": candidate.text,
                    "confidence": round(candidate.confidence, 4),
                    "citations": [_citation_dict(c) for c in candidate.citations],
                }
                for candidate in self.alternatives
            ],
            "nearest": [_citation_dict(c) for c in self.nearest],
            "rejected": self.rejected.text if self.rejected else None,
            "missing": list(self.missing),
            "signature": self.signature,
        }

    def __str__(self) -> str:
        """The answer for a terminal: words, marked sentence, numbered sources, other answers."""
        lines = [f"Understood as: {self.question}", ""] if self.rewritten else []
        if self.answered:
            lines += [f"{self.text}   ({percent(self.confidence)} sure)", "", *_sources(self.citations)]
            for other in self.alternatives:
                lines += ["", f"Or: {other.text}   ({percent(other.confidence)})", *_sources(other.citations)]
        else:
            lines += ["Not in these articles."]
            if self.missing:
                lines += [f"No article has: {', '.join(self.missing)}."]
            if self.nearest:
                lines += ["", "The closest passages:", *_sources(self.nearest)]
        return "\n".join(lines)


def percent(confidence: float) -> str:
    """Write a probability for people: never 100%."""
    return f"{min(confidence, 0.99):.0%}"


def _sources(citations: Sequence[Citation]) -> list[str]:
    lines = []
    for number, citation in enumerate(citations, start=1):
        indent = " " * (len(str(number)) + 3)
        copy = " (near-identical copy)" if citation.copy else ""
        lines.append(f"[{number}] {citation.label}{copy}")
        lines += textwrap.wrap(citation.marked, 96, initial_indent=indent, subsequent_indent=indent)
        if citation.url:
            lines.append(f"{indent}{citation.url}")
    return lines


def _citation_dict(citation: Citation) -> dict[str, Any]:
    return {
        "article_id": citation.article_id,
        "title": citation.title,
        "source": citation.source,
        "url": citation.url,
        "link": citation.link,
        "published": citation.published.isoformat() if citation.published else None,
        "start": citation.start,
        "end": citation.end,
        "quote": citation.quote,
        "sentence": citation.sentence,
        "context": citation.context,
        "original_start": citation.original_start,
        "original_end": citation.original_end,
        "copy": citation.copy,
    }
