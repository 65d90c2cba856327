"""Answers as HTML, for the web chat.

Holds: every text of an article or a person is escaped; a link goes nowhere but to http(s); a mark is
exactly the citation's range. Pure functions of the values of ``qa.types``: no style, no page, no state.
"""

import re
from collections.abc import Sequence
from datetime import date
from html import escape
from pathlib import Path

from qa.spelling import as_typed
from qa.types import Answer, Candidate, Citation

# Shares of right answers: `python -m eval` on 2,225 news articles and on the sample, 272 answers shown.
WORDS_OF_CONFIDENCE = (
    (0.9, "Certain", "Of answers marked this sure, nine in ten were right in our tests."),
    (0.7, "Likely", "Of answers marked this sure, eight in ten were right in our tests. Check the source."),
    (0.0, "Possible", "Of answers marked this sure, two in three were right in our tests. Check the source."),
)


def turn_html(asked: str, reply: str) -> str:
    """Render a turn: the person's words and what they got."""
    return f'<article class="turn"><p class="asked">{escape(asked)}</p>{reply}</article>'


def notice_html(text: str) -> str:
    """Render one line that is not an answer: what went wrong."""
    return f'<p class="notice" role="alert">{escape(_sentence(text))}</p>'


def waiting_html(stage: str) -> str:
    """Render what is being done about a question."""
    return f'<p class="wait" role="status">{escape(stage)}</p>'


def answer_html(answer: Answer) -> str:
    """Render an answer with its sentence, its sources and the other answers, newest first."""
    understood = _understood_html(answer)
    if not answer.answered:
        nearest = "".join(source_html(citation, 0, preview=True) for citation in answer.nearest)
        if nearest:
            nearest = f"<h3>The closest passages, which may not answer it</h3>{nearest}"
        return f'{understood}<div class="none"><p class="answer">Not in these articles</p>{nearest}</div>'
    best = answer.citations[0]
    others = sorted(answer.alternatives, key=_newest, reverse=True)
    sources = "".join(source_html(citation, n) for n, citation in enumerate(answer.citations, start=1))
    count = len(answer.citations)
    return (
        f'{understood}<p class="answer">{escape(answer.text or "")}{confidence_html(answer.confidence)}</p>'
        f"<blockquote>{marked_html(best.sentence, best.start - best.sentence_start, len(best.quote))}"
        f"<cite>{escape(_outlet_and_day(best))}</cite></blockquote>"
        f"<h3>{'Source' if count == 1 else f'{count} sources'}</h3>{sources}{_others_html(others)}"
    )


def confidence_html(confidence: float) -> str:
    """Render how sure an answer is: a word, the number, and what it means on hover."""
    word, meaning = next(
        (word, meaning) for least, word, meaning in WORDS_OF_CONFIDENCE if confidence >= least
    )
    return (
        f'<span class="sure {word.lower()}" tabindex="0" title="{escape(meaning)}">{word}'
        f" <b>{min(confidence, 0.99):.0%}</b></span>"
    )


def source_html(citation: Citation, number: int, *, preview: bool = False) -> str:
    """Render a source as a card that opens to the passage in its context.

    :param number: shown before the title; none if 0
    :param preview: show the sentence while the card is closed, too
    """
    numbered = f'<span class="number">{number}</span>' if number else ""
    badge = '<span class="badge">near-identical copy</span>' if citation.copy else ""
    start, length = citation.start, len(citation.quote)
    sentence = marked_html(citation.sentence, start - citation.sentence_start, length)
    context = marked_html(citation.context, start - citation.context_start, length)
    shown = f"<q>{sentence}</q>" if preview else ""
    return (
        f'<details class="source"><summary>{numbered}<span class="what"><span class="title">'
        f'{escape(citation.title or "Untitled")}</span><span class="meta">{escape(_outlet_and_day(citation))}'
        f"{badge}</span>{shown}</span></summary>"
        f'<div class="context">{context}</div>{link_html(citation)}</details>'
    )


def link_html(citation: Citation) -> str:
    """Render the way to the article itself; nothing if its address is not http(s)."""
    if not re.match(r"https?://[^\s/]", citation.url, re.IGNORECASE):
        return ""
    return (
        f'<a href="{escape(citation.link)}" target="_blank" rel="noopener noreferrer">'
        "Open the article at this sentence ↗</a>"
    )


def marked_html(text: str, start: int, length: int) -> str:
    """Render text with ``text[start:start + length]`` marked."""
    end = start + length
    return f"{escape(text[:start])}<mark>{escape(text[start:end])}</mark>{escape(text[end:])}"


def _others_html(others: Sequence[Candidate]) -> str:
    cards = "".join(
        f'<section><p class="other">{escape(other.text)}{confidence_html(other.confidence)}</p>'
        + "".join(source_html(citation, 0, preview=not n) for n, citation in enumerate(other.citations))
        + "</section>"
        for other in others
    )
    return f'<h3>Other answers in these articles</h3><div class="others">{cards}</div>' if cards else ""


def _understood_html(answer: Answer) -> str:
    if not answer.rewritten:
        return ""
    question, kept = escape(answer.question), as_typed(answer.question, answer.asked)
    edit = f'<button type="button" data-question="{question}">Edit</button>'
    only_mended = len(answer.asked.split()) == len(answer.question.split())
    if only_mended and kept != answer.asked:
        edit += f' <button type="button" data-question="{escape(kept)}" data-send="">Ask as typed</button>'
    return f'<p class="understood">Understood as: <em>{question}</em> {edit}</p>'


def _newest(candidate: Candidate) -> date:
    return max(citation.published or date.min for citation in candidate.citations)


def _outlet_and_day(citation: Citation) -> str:
    return (
        " · ".join(part for part in (citation.source, citation.day) if part) or Path(citation.article_id).name
    )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
