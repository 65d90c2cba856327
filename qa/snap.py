"""Widen a range of a text to the whole words that a person would quote.

Holds: the range is a part of the text with at least one word, without outer punctuation and without
a quotation mark or bracket whose partner is outside. Knows no model.
"""

import re
from bisect import bisect_left, bisect_right

# A word with what belongs to it: currency signs, decimals, times of day, apostrophes, combining marks,
# the full stops of initials, per cent.
LETTER = r"(?:\w|[\u0300-\u036f\u200d\ufe0f])"
INITIALS = r"(?:\b[^\W\d_]{1,2}\.){2,}"
WORD = re.compile(
    rf"{INITIALS}|(?:[A-Z]{{0,3}}[$£€¥]|[#@])?{LETTER}+(?:(?:[.,'’&]|(?<=\d)[:/](?=\d)){LETTER}+)*%?"
)
ABBREVIATED = re.compile(rf"{INITIALS}$|\b(?:Inc|Ltd|Co|Corp|Jr|Sr|St)\.$")
OPENING, CLOSING = "([{“‘«\"'", ")]}”’»\"'"
TRIM_LEFT = ",.;:!?…)]}”’»–—-•*|/"
TRIM_RIGHT = ",;:!?…([{“‘«–—-•*|/"


def word_spans(text: str) -> list[tuple[int, int]]:
    """Give the ranges of the words of a text, each with what belongs to it: "£6.2m", "a.m.", "15%"."""
    return [match.span() for match in WORD.finditer(text)]


def snap(text: str, start: int, end: int, words: list[tuple[int, int]]) -> tuple[int, int] | None:
    """Widen a range to whole words, then take off outer punctuation and unpaired marks.

    :param words: ranges of the WORDs of the text, in order
    :return: the range, or None if it holds no word
    """
    first = bisect_right(words, start, key=lambda word: word[1])  # the first word that ends after start
    last = bisect_left(words, end, key=lambda word: word[0]) - 1  # the last word that starts before end
    if last < first:
        return None
    start, end = min(start, words[first][0]), max(end, words[last][1])
    while True:
        before = start, end
        while start < end and (text[start].isspace() or text[start] in TRIM_LEFT):
            start += 1
        while end > start and (text[end - 1].isspace() or text[end - 1] in TRIM_RIGHT):
            end -= 1
        if end > start and text[end - 1] == "." and not ABBREVIATED.search(text, start, end):
            end -= 1
        start, end = _paired(text, start, end)
        if (start, end) == before:
            return (start, end) if start < end else None


def _paired(text: str, start: int, end: int) -> tuple[int, int]:
    """Leave out a quotation mark or bracket at either end whose partner is not in the range."""
    if start < end and text[start] in OPENING:
        partner = CLOSING[OPENING.index(text[start])]
        if partner not in text[start + 1 : end]:
            return start + 1, end
    if start < end and text[end - 1] in CLOSING:
        partner = OPENING[CLOSING.index(text[end - 1])]
        inner = text[start : end - 1]
        if partner not in inner and not (text[end - 1] in "'’" and text[end - 2 : end - 1].lower() == "s"):
            return start, end - 1
    return start, end
