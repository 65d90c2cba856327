"""Render answers for a page: HTML in which text from articles and people is text, whatever it holds.

Holds: everything that comes in is escaped, and links go to http(s) addresses only; a mark is
exactly the citation's range. Pure functions of the values of ``qa.types``: no style, no page, no state.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from html import escape
from pathlib import Path

from qa.spelling import as_typed
from qa.types import Answer, Candidate, Citation, percent

# Shares of right answers: `python -m eval` on 2,225 news articles and on the sample, 330 answers shown.
WORDS_OF_CONFIDENCE = (
    (0.9, "Certain", "Of answers marked this sure, nine in ten were right in our tests."),
    (0.7, "Likely", "Of answers marked this sure, eight in ten were right in our tests. Check the source."),
    (0.0, "Possible", "Of answers marked this sure, two in three were right in our tests. Check the source."),
)
# Controls that reorder the text after them (Unicode UAX 9, explicit formatting): what is shown must read in
# the order in which it was written. Another character takes the place of each, so that offsets stay.
REORDERING = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)], "\u200b")

THUMB = (
    '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M7 11v9H4v-9h3l4-7.5c1.6 0 2.3 1 2 2.6L12.4 10H18'
    'c1.3 0 2.1 1 1.9 2.2l-1.2 6A2.2 2.2 0 0 1 16.5 20H7"/></svg>'
)


def notice_html(text: str) -> str:
    """Render one line that is not an answer: what went wrong."""
    return f'<p class="notice" role="alert">{_shown(_sentence(text))}</p>'


def waiting_html(stage: str) -> str:
    """Render what is being done about a question."""
    return f'<p class="wait" role="status">{_shown(stage)}</p>'


def answer_html(answer: Answer) -> str:
    """Render an answer with its sentence, its sources and the other answers, newest first."""
    understood = _understood_html(answer)
    if answer.answered:
        return f"{understood}{_given_html(answer)}{_actions_html('This is right', 'This is wrong')}"
    wrong = "It is in these articles"
    return f"{understood}{_none_html(answer)}{_actions_html('It is not in these articles', wrong)}"


def confidence_html(confidence: float) -> str:
    """Render how sure an answer is: a word, and on hover or focus the number and what it means."""
    word, meaning = next(
        (word, meaning) for least, word, meaning in WORDS_OF_CONFIDENCE if confidence >= least
    )
    return (
        f'<button type="button" class="sure {word.lower()}">{word}'
        f'<span class="tip">{percent(confidence)}. {escape(meaning)}</span></button>'
    )


def sources_html(citations: Sequence[Citation], *, numbered: bool, first_preview: bool) -> str:
    """Render sources as cards in the order of evidence, each with its near-identical copies.

    :param first_preview: show the sentence of the first one, too
    """
    cards = "".join(
        _source_html(own, number if numbered else 0, preview=first_preview or number > 1)
        for number, own in enumerate(_by_story(citations), start=1)
    )
    return f'<ol class="sources">{cards}</ol>'


def marked_html(text: str, start: int, length: int) -> str:
    """Render text with ``text[start:start + length]`` marked."""
    end = start + length
    return f"{_shown(text[:start])}<mark>{_shown(text[start:end])}</mark>{_shown(text[end:])}"


def link_html(citation: Citation, words: str) -> str:
    """Render the way to the article's own page; nothing if its address is not http(s)."""
    if not citation.link:
        return ""
    return (
        f'<a href="{escape(citation.link)}" target="_blank" rel="noopener noreferrer"'
        f' aria-label="Open the article at its own address">{words}</a>'
    )


def _given_html(answer: Answer) -> str:
    best = answer.citations[0]
    marked = marked_html(best.sentence, best.start - best.sentence_start, len(best.quote))
    if answer.alternatives:
        every = sorted((answer.candidates[0], *answer.alternatives), key=_newest, reverse=True)
        columns = "".join(_version_html(one, best=one is answer.candidates[0]) for one in every)
        dated = ", newest first" * any(c.published for one in every for c in one.citations)
        sources = f'<h3>Answers in these articles{dated}</h3><div class="versions">{columns}</div>'
    else:
        count = sum(not citation.copy for citation in answer.citations)
        sources = f"<h3>{'Source' if count == 1 else f'{count} sources'}</h3>" + sources_html(
            answer.citations, numbered=True, first_preview=False
        )
    return (
        f'<p class="answer" dir="auto">{_shown(answer.text or "")}{confidence_html(answer.confidence)}</p>'
        f'<blockquote dir="auto">{marked}<cite>{_shown(outlet_and_day(best))}</cite></blockquote>{sources}'
    )


def _version_html(candidate: Candidate, *, best: bool) -> str:
    return (
        f'<section class="version{" best" * best}"><p class="other" dir="auto">{_shown(candidate.text)}'
        f"{confidence_html(candidate.confidence)}</p>"
        f"{sources_html(candidate.citations, numbered=best, first_preview=True)}</section>"
    )


def _none_html(answer: Answer) -> str:
    why = ""
    if answer.missing:
        listed = ", ".join(f"“{_shown(word)}”" for word in answer.missing)
        why += f'<p class="why">No article has the word{"s" * (len(answer.missing) > 1)} {listed}.</p>'
    if answer.rejected:
        words = f'<q dir="auto">{_shown(answer.rejected.text)}</q>'
        why += f'<p class="why">The best words found, {words}, are too unsure to be an answer.</p>'
    nearest = ""
    if answer.nearest:
        cards = sources_html(answer.nearest, numbered=False, first_preview=True)
        nearest = f"<h3>The closest passages, which may not answer it</h3>{cards}"
    return f'<div class="none"><p class="answer">Not in these articles</p>{why}{nearest}</div>'


def _by_story(citations: Sequence[Citation]) -> Iterator[list[Citation]]:
    """Divide citations into each story's: the first, and its copies."""
    own: list[Citation] = []
    for citation in citations:
        if own and not citation.copy:
            yield own
            own = []
        own.append(citation)
    if own:
        yield own


def _source_html(own: Sequence[Citation], number: int, *, preview: bool) -> str:
    citation, *copies = own
    numbered = f'<span class="number">{number}</span>' if number else ""
    sentence = ""
    if preview:
        start, length = citation.start - citation.sentence_start, len(citation.quote)
        sentence = f'<q dir="auto">{marked_html(citation.sentence, start, length)}</q>'
    card = (
        f'{numbered}<span class="what"><span class="title" dir="auto">{_shown(_title(citation))}</span>'
        f'<span class="meta">{_shown(outlet_and_day(citation))}</span>{sentence}</span>'
    )
    more = ""
    if copies:
        count = f"{len(copies)} near-identical cop{'y' if len(copies) == 1 else 'ies'}"
        items = "".join(
            f"<li>{_open_html(copy, _shown(_title(copy)))} {_shown(outlet_and_day(copy))}</li>"
            for copy in copies
        )
        more = f'<details class="copies"><summary>{count}</summary><ul>{items}</ul></details>'
    return f'<li class="source">{_open_html(citation, card)}{link_html(citation, "↗")}{more}</li>'


def _open_html(citation: Citation, inside: str) -> str:
    """Render a button that opens the article in the reading pane, at the quote."""
    quote = _attribute(citation.quote.translate(REORDERING))
    return (
        f'<button type="button" class="open" data-article="{_attribute(citation.article_id)}"'
        f' data-start="{citation.start}" data-end="{citation.end}"'
        f' data-quote="{quote}" data-link="{escape(citation.link)}">'
        f"{inside}</button>"
    )


def _understood_html(answer: Answer) -> str:
    if not answer.rewritten:
        return ""
    question, kept = _attribute(answer.question), as_typed(answer.question, answer.asked)
    edit = f'<button type="button" data-question="{question}">Edit</button>'
    only_mended = len(answer.asked.split()) == len(answer.question.split())
    if only_mended and kept != answer.asked:
        edit += (
            f' <button type="button" data-question="{_attribute(kept)}" data-send="">Ask as typed</button>'
        )
    shown = _shown(answer.question)
    return f'<p class="understood">Understood as: <em dir="auto">{shown}</em> {edit}</p>'


def _actions_html(up: str, down: str) -> str:
    votes = "".join(
        f'<button type="button" data-vote="{name}" aria-pressed="false" aria-label="{words}" title="{words}">'
        f"{THUMB}</button>"
        for name, words in (("up", up), ("down", down))
    )
    return (
        f'<div class="actions">{votes}<button type="button" data-copy="">Copy with sources</button>'
        '<span class="said" role="status"></span></div>'
    )


def outlet_and_day(citation: Citation) -> str:
    """Say where and when an article was published; its file's name if neither is known."""
    return (
        " · ".join(part for part in (citation.source, citation.day) if part) or Path(citation.article_id).name
    )


def _shown(text: str) -> str:
    return escape(text.translate(REORDERING))


def _attribute(text: str) -> str:
    # HTML takes a carriage return for a line feed (Preprocessing the input stream): an id would be another.
    return escape(text).replace("\r", "&#13;")


def _title(citation: Citation) -> str:
    return citation.title or "Untitled"


def _newest(candidate: Candidate) -> date:
    return max(citation.published or date.min for citation in candidate.citations)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
