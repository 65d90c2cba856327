"""File, folder, address or feed -> Articles.

Step 1 of load -> clean -> chunk -> embed -> store.
Holds: what cannot become an article is yielded as Skipped, with its place and the reason, and never stops
the rest; the same place has the same id each time; article.text is original without cuts.
Goes to the network only for a source that starts with http:// or https://.
Does not remove boilerplate: clean.py adds its cuts to the two made here (front matter, headline).
"""

import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urldefrag

from index.database import DATABASE
from index.errors import LoadError
from index.fetch import Entry, Fetched, NotModified, Validators, fetch, is_feed, new_client
from index.formats import READABLE
from index.metadata import Document, Metadata, fallback_title, site_of
from index.rows import ROW_FORMATS, read_rows
from index.types import Article, Cut
from index.worker import Parsers

if TYPE_CHECKING:
    import httpx

# To load a feed's entries; the one that it ends in may take its own minute more. Hundreds of dead links, a
# minute each, would keep everyone else from writing for hours.
FEED_SECONDS = 300.0

_CONTENT_TYPES = {
    "": ".html",
    "text/html": ".html",
    "application/xhtml+xml": ".html",
    "text/plain": ".txt",
    "text/markdown": ".md",
    "application/pdf": ".pdf",
    "application/epub+zip": ".epub",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
}


@dataclass(frozen=True, slots=True)
class Skipped:
    """A place (path, ``path#row`` or URL) that gave no article, and one line that says why."""

    location: str
    reason: str


@dataclass(frozen=True, slots=True)
class Limits:
    """What is too large, or too small, to be an article.

    ``max_file_bytes``: of a format that is read whole; a 300-page book as PDF has about 5 MB, and parsers
    take up to 20 times the memory. ``max_unpacked_bytes``: of a DOCX or EPUB; text and markup pack to about
    a fifth, a bomb to a thousandth. ``max_chars``: of one article; the longest novels have 2 million, the
    longest magazine articles 0.1. ``max_row_bytes``: of a JSONL or CSV row; as many characters at four
    bytes each. ``min_chars``: letters and digits; 1, so that only what has no words at all is left out.
    """

    max_file_bytes: int = 20_000_000
    max_unpacked_bytes: int = 100_000_000
    max_chars: int = 2_000_000
    max_row_bytes: int = 8_000_000
    min_chars: int = 1


def load(
    sources: Iterable[str | os.PathLike[str]],
    *,
    limits: Limits = Limits(),
    validators: Validators | None = None,
    public_only: bool = False,
    known: Callable[[str], bool] = lambda _: False,
) -> Iterator[Article | Skipped]:
    """Yield the articles of all sources, in their order; lazily, one file at a time.

    A source is a file, a folder (searched to any depth in sorted order, without hidden names) or an
    http(s) address of a page or an RSS or Atom feed. Sources that overlap give each article once.

    :param validators: kept from one call to the next, they spare addresses that have not changed
    :param public_only: skip addresses that lead into a private network
    :param known: says which ids there are already; what a feed has beside them comes first, so that loading a
        long one again goes on where its time was up
    """
    with Parsers() as parsers:
        run = _Run(limits, validators, parsers, public_only, known)
        for source in sources:
            if is_address(source):
                yield from _load_url(str(source), run)
            else:
                for place in _files(Path(source)):
                    yield from (place,) if isinstance(place, Skipped) else _load_file(place, run)


@dataclass(frozen=True, slots=True)
class _Run:
    """What one call of ``load`` keeps: ``seen`` are the places that it has yielded."""

    limits: Limits
    validators: Validators | None
    parsers: Parsers
    public_only: bool
    known: Callable[[str], bool]
    seen: set[str] = field(default_factory=set)

    def fetch(self, url: str, client: "httpx.Client") -> Fetched:
        return fetch(url, client=client, max_bytes=self.limits.max_file_bytes, validators=self.validators)

    def forget(self, *urls: str) -> None:
        """Ask for these again the next time, whether they changed or not: they gave no article."""
        for url in urls:
            (self.validators or {}).pop(url, None)


def _name(path: str | Path) -> str:
    """Return a path as text that SQLite and JSON can hold: bytes that are not UTF-8 become escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _why(error: OSError | ValueError | RuntimeError) -> str:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return "no such file or folder"
    if isinstance(error, PermissionError):
        return "permission denied"
    return f"cannot be read: {error.strerror if isinstance(error, OSError) else error}"


def _files(source: Path) -> Iterator[Path | Skipped]:
    """Yield the files of a source, resolved, in a fixed order."""
    try:
        root = source.resolve()
        is_folder = stat.S_ISDIR(root.stat().st_mode)
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: a link that leads to itself
        yield Skipped(_name(source) if "\0" not in str(source) else ascii(str(source)), _why(error))
        return
    if not is_folder:
        yield root
        return
    failures: list[OSError] = []
    for folder, folders, names in os.walk(root, onerror=failures.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        folders[:] = [name for name in folders if not is_index(Path(folder, name))]
        links = [name for name in folders if Path(folder, name).is_symlink()]  # os.walk does not follow them
        for name in sorted([*links, *(name for name in names if not name.startswith("."))]):
            path = Path(folder, name)
            try:
                target = path.resolve()
            except (OSError, RuntimeError) as error:
                yield Skipped(_name(path), _why(error))
                continue
            if not target.is_relative_to(root):
                yield Skipped(_name(path), "a link that leads out of the folder")
            elif name not in links:
                yield target
    yield from (Skipped(_name(failure.filename), _why(failure)) for failure in failures)


def is_address(source: str | os.PathLike[str]) -> bool:
    """Tell an http(s) address from a file or folder."""
    return isinstance(source, str) and source.lower().startswith(("http://", "https://"))


def is_index(folder: Path) -> bool:
    """Tell whether a folder is an index, which holds no files to load."""
    return (folder / DATABASE).is_file()


def _load_file(path: Path, run: _Run) -> Iterator[Article | Skipped]:
    place, limits = _name(path), run.limits
    if place in run.seen:
        return
    run.seen.add(place)
    suffix = path.suffix.lower()
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # before it is opened: a FIFO would wait for ever
            raise LoadError("not a regular file")
        if suffix in ROW_FORMATS:
            yield from _load_rows(path, suffix, limits)
            return
        if suffix not in READABLE:
            raise LoadError(f"unsupported format {suffix}" if suffix else "unsupported format (no extension)")
        if status.st_size > limits.max_file_bytes:
            size, limit = status.st_size / 1e6, limits.max_file_bytes / 1e6
            advice = "split it or use JSONL, one article a line"
            raise LoadError(f"{size:.1f} MB is over the limit of {limit:g} MB; {advice}")
        with path.open("rb") as file:
            data = file.read(limits.max_file_bytes + 1)
        document = run.parsers.read(data, suffix, max_unpacked=limits.max_unpacked_bytes)
        yield _article(document, place, limits)
    except LoadError as error:
        yield Skipped(place, str(error))
    except OSError as error:
        yield Skipped(place, _why(error))


def _load_rows(path: Path, suffix: str, limits: Limits) -> Iterator[Article | Skipped]:
    ids: set[str] = set()
    with path.open("rb") as file:
        for row_id, row in read_rows(file, suffix, max_row_bytes=limits.max_row_bytes):
            place = f"{_name(path)}#{row_id}"
            try:
                if isinstance(row, str):
                    raise LoadError(row)
                if place in ids:
                    raise LoadError("an earlier row has the same id")
                ids.add(place)
                yield _article(row, place, limits)
            except LoadError as error:
                yield Skipped(place, str(error))


def _load_url(url: str, run: _Run) -> Iterator[Article | Skipped]:
    with new_client(public_only=run.public_only) as client:
        try:
            fetched = run.fetch(url, client)
            if is_feed(fetched):
                entries = run.parsers.read_feed(fetched)
            else:
                yield from _once(_page(fetched, run), run.seen)
                return
        except NotModified:
            return
        except LoadError as error:
            run.forget(url)
            yield Skipped(url, str(error))
            return
        yield from _load_feed(url, fetched.url, entries, client, run)


def _load_feed(
    url: str, feed: str, entries: list[Entry], client: "httpx.Client", run: _Run
) -> Iterator[Article | Skipped]:
    """Load the entries of a feed from ``url`` that turned out to be at ``feed``, until its time is up."""
    spent = 0.0  # without what is done with the articles meanwhile
    for entry in sorted(
        entries, key=lambda entry: run.known(entry.url) or run.known(_own_place(entry, feed))
    ):
        if entry.url and entry.url in run.seen:
            continue
        place = entry.url or _own_place(entry, feed)
        if spent > FEED_SECONDS:
            reason = (
                f"not reached in {FEED_SECONDS:g} seconds; adding the feed again, or this address, goes on"
            )
            yield Skipped(place, reason)
            run.forget(url)
            continue
        begin = time.monotonic()
        try:
            found: Article | Skipped | None = _load_entry(entry, feed, client, run)
        except NotModified:
            found = None
        except LoadError as error:
            found = Skipped(place, str(error))
            run.forget(url, entry.url)  # the feed is to be looked at again for this entry
        spent += time.monotonic() - begin
        if found:
            yield from (found,) if isinstance(found, Skipped) else _once(found, run.seen)
        run.seen.add(place)


def _once(article: Article, seen: set[str]) -> Iterator[Article]:
    if article.id not in seen:
        seen.add(article.id)
        yield article


def _page(fetched: Fetched, run: _Run, known: Metadata | None = None) -> Article:
    """Make an article of an answer; ``known`` is what a feed said, for what the page does not say."""
    suffix = _CONTENT_TYPES.get(fetched.content_type)
    if suffix is None:
        raise LoadError(f"the content type {fetched.content_type} is not an article")
    document = run.parsers.read(
        fetched.body,
        suffix,
        max_unpacked=run.limits.max_unpacked_bytes,
        charset=fetched.charset,
        url=fetched.url,
    )
    meta, known = document.meta, known or Metadata()
    # Only a page's canonical link was checked against the host that it came from.
    url = urldefrag((meta.url if suffix == ".html" else "") or fetched.url).url
    host = site_of(url)
    source = known.source if meta.source in {"", host} else meta.source
    meta = Metadata(
        title=meta.title or known.title,
        published=meta.published or known.published,
        author=meta.author or known.author,
        source=source or host,
        url=url,
    )
    return _article(replace(document, meta=meta), url, run.limits)


def _own_place(entry: Entry, feed: str) -> str:
    """Give the id of an entry's own words: its address only where the feed may speak for that host."""
    if entry.url and site_of(entry.url) == site_of(feed):
        return entry.url
    return f"{feed}#{entry.url or entry.id or entry.title}"


def _load_entry(entry: Entry, feed: str, client: "httpx.Client", run: _Run) -> Article:
    """Make an article of an entry's page, or of its own words if the page cannot be had."""
    meta = Metadata(entry.title, entry.published, entry.author, entry.source, entry.url)
    reason = LoadError("the entry has neither a page nor text")
    if entry.url:
        try:
            return _page(run.fetch(entry.url, client), run, meta)
        except NotModified:
            raise
        except LoadError as error:
            reason = error
            run.forget(entry.url)
    if not entry.html:
        raise reason
    page = f"<html><body><article><p>{entry.html}</p></article></body></html>".encode()
    try:
        words = run.parsers.read(page, ".html", max_unpacked=run.limits.max_unpacked_bytes, charset="utf-8")
    except LoadError:
        raise reason from None
    return _article(Document(words.original, meta), _own_place(entry, feed), run.limits)


def _article(document: Document, place: str, limits: Limits) -> Article:
    text = _without(document.original, document.cuts)
    if sum(map(str.isalnum, text)) < max(1, limits.min_chars):
        raise LoadError("no words in it" if limits.min_chars <= 1 else f"under {limits.min_chars} letters")
    if len(text) > limits.max_chars:
        raise LoadError(f"{len(text):,} characters are over the limit of {limits.max_chars:,}; split it")
    meta = document.meta
    title, site = (meta.title, "") if meta.title else fallback_title(text)
    return Article(
        id=place,
        title=title,
        text=text,
        source=meta.source or site,
        url=meta.url,
        published=meta.published,
        author=meta.author,
        original=document.original,
        cuts=document.cuts,
    )


def _without(original: str, cuts: tuple[Cut, ...]) -> str:
    starts = [0, *(cut.end for cut in cuts)]
    ends = [*(cut.start for cut in cuts), len(original)]
    return "".join(original[start:end] for start, end in zip(starts, ends, strict=True))
