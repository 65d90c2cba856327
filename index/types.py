"""The values that cross every step: articles, passages, hits.

Holds: article.text is article.original with article.cuts deleted, nothing else changed;
article.text[p.start:p.end] == p.text for each of its passages.
Offsets are half-open code points everywhere. Standard library only.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

Measure = Callable[[Sequence[str]], list[int]]  # texts -> their lengths in the reader's tokens


@dataclass(frozen=True, slots=True)
class Cut:
    """A deleted range of an article's original text, and the cleaning rule that deleted it."""

    start: int
    end: int
    rule: str


@dataclass(frozen=True, slots=True)
class Article:
    """One article as it is searched and quoted.

    ``id`` is where it came from (an absolute path, ``path#row`` in a JSONL or CSV file, or a URL),
    so that loading the same place again gives the same article.

    ``url`` is "" or an http(s) address. ``published`` is None when the source gave no date.
    ``cuts`` are ordered and do not overlap.
    """

    id: str
    title: str
    text: str
    source: str = ""
    url: str = ""
    published: date | None = None
    author: str = ""
    original: str = ""
    cuts: tuple[Cut, ...] = ()

    def to_original(self, start: int, end: int) -> tuple[int, int]:
        """Map ``text[start:end]`` to the range of ``original`` that it was left from.

        The range may be longer than the quote where cleaning deleted something inside it.

        :raises ValueError: the range is empty or not inside ``text``
        """
        if not 0 <= start < end <= len(self.text):
            raise ValueError(f"expected 0 <= start < end <= {len(self.text)}, got {start}:{end}")
        # Map the first and the last code point, so that a cut next to the quote stays outside it.
        return _shift(self.cuts, start), _shift(self.cuts, end - 1) + 1


def _shift(cuts: tuple[Cut, ...], offset: int) -> int:
    for cut in cuts:
        if cut.start > offset:
            break
        offset += cut.end - cut.start
    return offset


@dataclass(frozen=True, slots=True)
class Passage:
    """A range of an article that the encoder embeds and the reader reads.

    ``id`` is its row in the store, never used twice; 0 until it is stored. ``title`` is its article's:
    the headline's words help to find and to understand the passage but are not part of its text.
    """

    id: int
    article_id: str
    start: int
    end: int
    text: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that a search returned.

    ``score`` is what ordered the search that made the hit: a cosine, a BM25 score (higher is better)
    or, after fusion, the fused score. ``ranks`` and ``scores`` keep each search's place (from 1) and
    value, by name: "cosine", "bm25". ``copies`` are the same words in near-identical articles, which
    were folded into this hit.
    """

    passage: Passage
    score: float
    ranks: Mapping[str, int] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    copies: tuple[Passage, ...] = ()


@dataclass(frozen=True, slots=True)
class Filters:
    """Which articles a search may return: these outlets, published between these days (inclusive).

    An article without a date is outside every date range. Outlets compare without case. ``articles``: ids,
    for none but these.
    """

    sources: tuple[str, ...] = ()
    since: date | None = None
    until: date | None = None
    articles: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.sources, str):
            raise ValueError(f"expected several outlets, got the one text {self.sources!r}")
        if self.since and self.until and self.since > self.until:
            raise ValueError(f"expected since <= until, got {self.since} and {self.until}")

    def __bool__(self) -> bool:
        return bool(self.sources or self.since or self.until or self.articles)
