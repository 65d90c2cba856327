"""What a file or row says: an article's text, and its title, date, author, outlet and address.

Part of load. One table of column names serves front matter, JSONL and CSV.
Holds: a date is a day that the source states without doubt, else None; an address is http(s), else "".
Does not read files.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from urllib.parse import urlsplit

from index.decode import to_plain
from index.types import Cut

# field -> the names it goes by, best first: those of news exports, feeds and static site generators.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "id": ("id",),
    "text": ("text", "body", "content", "article", "article_text", "full_text", "maintext"),
    "title": ("title", "headline"),
    "published": ("date", "published", "published_at", "publish_date", "date_publish", "pubdate"),
    "author": ("author", "authors", "byline", "creator"),
    "source": ("source", "outlet", "publisher", "publication", "site", "source_domain"),
    "url": ("url", "link"),
}

MAX_HEADLINE = 150  # characters; the longest of 2,225 BBC headlines has 52, of web headlines about 130
MAX_TITLE = 80  # characters of a title made of first words: one line in the chat's list of sources

_SENTENCE_END = re.compile(r"""([.!…][\s"'”’»)\]]*|\?[\s"'”’»)\]]+|[,;:])$""")
_WORDPRESS = re.compile(
    r"^The post (?P<title>.{1,300}?) appeared first on (?P<site>.{1,100}?)\.?[^\S\n]*$", re.M
)
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_MONTH = (
    r"(?P<m>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_DAY = r"(?<!\d)(?P<d>\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?P<y>\d{4})(?!\d)"
_DATES = tuple(
    re.compile(pattern, re.I)
    for pattern in (
        r"^(?P<y>\d{4})([-/.])(?P<m>\d{1,2})\2(?P<d>\d{1,2})(?!\d)",  # ISO 8601, with any time after it
        r"^(?:D:)?(?P<y>(?:19|20)\d\d)(?P<m>\d\d)(?P<d>\d\d)(?:$|T|\d{6})",  # ISO 8601 basic, PDF 32000 7.9.4
        rf"{_DAY}[\s-]+(?:of\s+)?{_MONTH},?[\s-]+{_YEAR}",  # 2 March 2018, and RFC 2822
        rf"(?<![^\W\d_]){_MONTH}[\s-]+{_DAY},?[\s-]+{_YEAR}",  # March 2, 2018
    )
)


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a source says about an article; "" and None where it says nothing. ``id`` is a row's own."""

    title: str = ""
    published: date | None = None
    author: str = ""
    source: str = ""
    url: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """What a file holds: its text, what is metadata in it (``cuts``, ordered), and its metadata."""

    original: str
    meta: Metadata = Metadata()
    cuts: tuple[Cut, ...] = ()


def from_columns(row: Mapping[str, object]) -> Metadata:
    """Read the known columns of a row or of front matter; the names compare without case."""
    named = {str(name).strip().lower(): value for name, value in row.items()}
    return Metadata(
        title=one_line(column(named, "title")),
        published=parse_date(column(named, "published")),
        author=one_line(column(named, "author")),
        source=one_line(column(named, "source")),
        url=http_url(one_line(column(named, "url"))),
        id=one_line(column(named, "id")),
    )


def column(named: Mapping[str, object], field: str) -> object:
    """Return the first value that is not empty among a field's names; None if there is none."""
    values = (named.get(name) for name in COLUMNS[field])
    return next((value for value in values if value not in (None, "", [], {})), None)


def one_line(value: object) -> str:
    """Return a name or title on one line; a list is joined by commas, ``{"name": …}`` is its name."""
    if isinstance(value, list):
        return ", ".join(filter(None, map(one_line, value)))
    if isinstance(value, dict):
        return one_line(value.get("name"))
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return " ".join(to_plain(str(value)).split())


def http_url(value: str) -> str:
    """Return ``value`` if it is an http(s) address, else "" (invariant 5: nothing else is ever linked)."""
    try:
        parts = urlsplit(value)
    except ValueError:  # such as "http://[bad"
        return ""
    fits = parts.scheme in {"http", "https"} and parts.hostname and not re.search(r"\s", value)
    return value if fits else ""


def site_of(address: str) -> str:
    """Return an address's host without "www.": what may speak for it."""
    return (urlsplit(address).hostname or "").removeprefix("www.")


def parse_date(value: object) -> date | None:
    """Return the day that ``value`` states, in its own time zone; None when there is any doubt.

    ISO 8601, RFC 2822, epoch seconds or milliseconds (UTC), "2 March 2018", "Mar 2, 2018", with a weekday
    or time around. 03/04/2018 is a day in March or in April, so it is None.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    text = str(value).strip()
    try:
        if match := next(filter(None, (pattern.search(text) for pattern in _DATES)), None):
            month = match["m"] if match["m"].isdigit() else _MONTHS.index(match["m"][:3].lower()) + 1
            return date(int(match["y"]), int(month), int(match["d"]))
        # Ten digits are seconds from 2001 on, thirteen are milliseconds; shorter numbers only as numbers.
        if not isinstance(value, str) or re.fullmatch(r"\d{10}|\d{13}", text):
            seconds = float(text)
            return datetime.fromtimestamp(seconds / 1000 if abs(seconds) >= 1e11 else seconds, UTC).date()
    except (ValueError, OverflowError, OSError):  # 31 February, or a year that no calendar has
        return None
    return None


def same_words(one: str, other: str) -> bool:
    """Compare titles by letters and digits only: a page sets its quotation marks in two ways."""
    first, second = ("".join(filter(str.isalnum, title.casefold())) for title in (one, other))
    return bool(first) and first == second


def is_headline(line: str) -> bool:
    """Say whether a first line reads as a headline: short, and without a sentence's end.

    >>> is_headline("Can Yahoo dominate next decade?"), is_headline("It closed on Monday.")
    (True, False)
    """
    line = line.strip()
    begins = line[:1].isalnum() or line[:1] in tuple("'\"‘“«(¿¡£$€&#@")  # not a bullet, a rule or a table
    return begins and len(line) <= MAX_HEADLINE and not _SENTENCE_END.search(line)


def fallback_title(text: str) -> tuple[str, str]:
    """Return (title, outlet) for a text without a title: from WordPress's last line, else its first words."""
    if post := _WORDPRESS.search(text[-1000:].rstrip()):
        return one_line(post["title"]), one_line(post["site"])
    words = " ".join(text[: 10 * MAX_TITLE].split())
    sentence = re.split(r"(?<=[.!?…])[\"'”’]?\s", words, maxsplit=1)[0]
    if len(sentence) <= MAX_TITLE:
        return sentence, ""
    head, _, _ = sentence[:MAX_TITLE].rpartition(" ")
    return (head or sentence[: MAX_TITLE - 1]).rstrip(" ,;:–—-") + "…", ""
