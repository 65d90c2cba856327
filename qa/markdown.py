"""Write answers as Markdown: to copy one with its sources, and to keep a conversation.

Holds: text of articles and people stays text (what Markdown or HTML would take for marks is escaped), and
links go to http(s) addresses only. Pure functions of the values of ``qa.types``.
"""

import re
from collections.abc import Sequence
from urllib.parse import quote

from qa.render import REORDERING, outlet_and_day
from qa.types import Answer, Citation, percent

# What ends "<address>" (CommonMark 0.31, Autolinks): the rest of the address would be Markdown of its own.
UNSAFE_IN_ADDRESS = re.compile(r"[\x00-\x20<>\x7f\u202a-\u202e\u2066-\u2069]")


def answer_markdown(answer: Answer) -> str:
    """Write a question, its answer, the sources and the other answers.

    >>> # ### Who won?
    >>> #
    >>> # **Thornley Vale** (97% sure)
    >>> #
    >>> # 1. “Cup final”, The Ledger · 3 May 2026: Thornley Vale won. <https://ledger.example/1>
    """
    lines = [f"### {plain(answer.asked or answer.question)}", ""]
    if answer.rewritten:
        lines += [f"Understood as: {plain(answer.question)}", ""]
    if not answer.answered:
        lines += ["Not in these articles."]
        if answer.missing:
            lines += ["", f"No article has: {plain(', '.join(answer.missing))}."]
        return "\n".join([*lines, "", "The closest passages:", "", *_sources(answer.nearest)]).rstrip() + "\n"
    lines += [f"**{plain(answer.text or '')}** ({percent(answer.confidence)} sure)", ""]
    lines += _sources(answer.citations)
    for other in answer.alternatives:
        said = f"Or: **{plain(other.text)}** ({percent(other.confidence)})"
        lines += ["", said, "", *_sources(other.citations)]
    return "\n".join(lines) + "\n"


def plain(text: str) -> str:
    r"""Write text on one line so that Markdown shows it as it is.

    >>> plain("*a* <b>")
    '\\*a\\* \\<b\\>'
    """
    text = re.sub(r"([\\`*_\[\]<>&~])", r"\\\1", " ".join(text.translate(REORDERING).split()))
    # At the start of a line these begin a heading, a list or a line across.
    return re.sub(r"^(\d*)([#+=.)-]+)(?=\s|$)", r"\1\\\2", text)


def _sources(citations: Sequence[Citation]) -> list[str]:
    return [
        f"{number}. “{plain(citation.title or 'Untitled')}”, {plain(outlet_and_day(citation))}"
        f"{' (near-identical copy)' if citation.copy else ''}: {_marked(citation)}{_address(citation)}"
        for number, citation in enumerate(citations, start=1)
    ]


def _marked(citation: Citation) -> str:
    at = citation.start - citation.sentence_start
    text, quote = citation.sentence, citation.quote
    before, after = text[:at], text[at + len(quote) :]
    return f"{_part(before)}**{plain(quote)}**{_part(after)}"


def _part(text: str) -> str:
    """Write what stands beside a quote, with the space between them."""
    lead, trail = (" " if text[:1].isspace() else ""), (" " if text[-1:].isspace() else "")
    return f"{lead}{plain(text)}{trail}" if text.strip() else lead


def _address(citation: Citation) -> str:
    if not citation.link:
        return ""
    return f" <{UNSAFE_IN_ADDRESS.sub(_percent, citation.link)}>"


def _percent(match: re.Match[str]) -> str:
    return quote(match[0], safe="")
