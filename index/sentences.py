"""Find the sentences of a text.

Holds: the ranges are ordered, do not overlap, are never empty, start and end on visible characters,
and cover every visible character of the text.
Paragraphs come first: a blank line, or a line that is not a continuation, ends a sentence, so a
headline without a full stop stays by itself. sentencex then divides each paragraph.
Does not change the text; knows nothing of articles or tokens.
"""

import re
from collections.abc import Iterator

import sentencex

LANGUAGE = "en"  # sentencex falls back to the same rules for most others; "。！？" end sentences too
# What closes a sentence may stand before the quotation mark or bracket that closes with it.
FINISHED = re.compile(r"[.!?…:;。！？][\"'”’»)\]]*$")
BULLET = re.compile(r"[ \t]*(?:[•‣▪*·–—-]|\d{1,3}[.)]) ")
# Hard-wrapped text (PDF, mail) breaks near one width; a line shorter than this share of the widest is
# the end of a paragraph. From pypdfium2's output on two-column and single-column pages.
FULL_LINE = 0.7
WIDEST_WRAP = 130  # characters; wider lines are paragraphs, not wrapped lines


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Divide a text into sentences.

    :return: half-open ranges of code points, in order
    """
    return [
        (start + first, start + last)
        for start, end in paragraph_spans(text)
        for first, last in _divide(text[start:end])
    ]


def paragraph_spans(text: str) -> list[tuple[int, int]]:
    """Divide a text into paragraphs, joining lines that were only wrapped.

    :return: half-open ranges of code points, in order, without outer white space
    """
    lines = [match.span() for match in re.finditer(r"[^\n\f]+", text) if match[0].strip()]
    widest = max((end - start for start, end in lines), default=0)
    spans: list[tuple[int, int]] = []
    for start, end in lines:
        if spans and _continues(text, spans[-1][1], start, end, widest):
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
    return [_strip(text, start, end) for start, end in spans]


def _continues(text: str, last_end: int, start: int, end: int, widest: int) -> bool:
    """Tell whether the line ``start:end`` goes on with the paragraph that ends at ``last_end``."""
    if text[last_end:start].count("\n") > 1:
        return False
    last_line = text[text.rfind("\n", 0, last_end) + 1 : last_end].rstrip()
    line = text[start:end]
    if FINISHED.search(last_line) or BULLET.match(line):
        return False
    if line.lstrip()[0].islower() or last_line.endswith((",", "-", "–")):
        return True
    return widest <= WIDEST_WRAP and len(last_line) >= FULL_LINE * widest and len(last_line.split()) > 4


def _divide(paragraph: str) -> Iterator[tuple[int, int]]:
    # A single line, so that sentencex sees no paragraph break where a line was only wrapped.
    for boundary in sentencex.get_sentence_boundaries(LANGUAGE, paragraph.replace("\n", " ")):
        start, end = _strip(paragraph, boundary["start_index"], boundary["end_index"])
        if start < end:
            yield start, end


def _strip(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end
