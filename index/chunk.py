"""Cut a cleaned article into passages that a reader can take whole.

Step 3 of load -> clean -> chunk -> embed -> store.
Holds: article.text[p.start:p.end] == p.text (code points, half-open); every sentence is in a passage;
no passage measures more than Chunking.max_tokens, save by the joining of its pieces.
Does not read files, load models or change text.
"""

from dataclasses import dataclass

from index.sentences import sentence_spans
from index.types import Article, Measure, Passage


@dataclass(frozen=True, slots=True)
class Chunking:
    """How articles are cut.

    ``max_tokens``: longest passage, in the reader's tokens. From the table of passage sizes in the
    CHANGELOG (gold questions over 2,225 news articles); with 64 tokens of question it fits any BERT.
    ``overlap``: sentences that a passage repeats from the one before, so that an answer and what it
    refers to are rarely torn apart.
    """

    max_tokens: int = 192
    overlap: int = 1

    def __post_init__(self) -> None:
        if self.max_tokens < 16 or self.overlap < 0:
            raise ValueError(f"expected max_tokens >= 16 and overlap >= 0, got {self}")


def chunk(article: Article, measure: Measure, chunking: Chunking = Chunking()) -> list[Passage]:
    """Cut an article into passages of whole sentences.

    :param measure: counts the reader's tokens of each of some texts
    :return: passages in order, ids 0; none for an article without visible text
    """
    pieces = _pieces(article.text, measure, chunking.max_tokens)
    passages = []
    first = 0
    while first < len(pieces):
        last, tokens = first, pieces[first][2]
        while last + 1 < len(pieces) and tokens + pieces[last + 1][2] <= chunking.max_tokens:
            last += 1
            tokens += pieces[last][2]
        start, end = pieces[first][0], pieces[last][1]
        passages.append(Passage(0, article.id, start, end, article.text[start:end], article.title))
        if last + 1 == len(pieces):
            break
        first = _next_first(pieces, first, last, chunking)
    return passages


def _next_first(pieces: list[tuple[int, int, int]], first: int, last: int, chunking: Chunking) -> int:
    """Step back by the overlap, as far as the next new piece still fits behind it."""
    start = last + 1
    room = chunking.max_tokens - pieces[start][2]
    for candidate in range(last, max(first, last - chunking.overlap), -1):
        room -= pieces[candidate][2]
        if room < 0:
            break
        start = candidate
    return start


def _pieces(text: str, measure: Measure, max_tokens: int) -> list[tuple[int, int, int]]:
    """Sentences as (start, end, tokens), those over ``max_tokens`` split at word boundaries."""
    spans = sentence_spans(text)
    pieces = []
    lengths = measure([text[start:end] for start, end in spans]) if spans else []
    for (start, end), tokens in zip(spans, lengths, strict=True):
        if tokens <= max_tokens:
            pieces.append((start, end, tokens))
        else:
            pieces += _split(text, start, end, measure, max_tokens)
    return pieces


def _split(text: str, start: int, end: int, measure: Measure, max_tokens: int) -> list[tuple[int, int, int]]:
    """Split an overlong sentence into pieces of whole words, or of characters where a word is overlong."""
    words = _words(text, start, end, max_tokens)
    lengths = measure([text[first:last] for first, last in words])
    pieces: list[tuple[int, int, int]] = []
    for (first, last), tokens in zip(words, lengths, strict=True):
        if pieces and pieces[-1][2] + tokens <= max_tokens:
            pieces[-1] = (pieces[-1][0], last, pieces[-1][2] + tokens)
        else:
            pieces.append((first, last, tokens))
    return pieces


def _words(text: str, start: int, end: int, longest: int) -> list[tuple[int, int]]:
    """Ranges between white space, none longer than ``longest`` characters (one token at least each)."""
    words = []
    at = start
    while at < end:
        if text[at].isspace():
            at += 1
            continue
        stop = at
        while stop < end and not text[stop].isspace() and stop - at < longest:
            stop += 1
        words.append((at, stop))
        at = stop
    return words
