"""http(s) address -> bytes; feed -> its entries.

Part of load, and with public.py, which it may send through, all of the package that goes to the network.
Holds: every hop of a redirect is http(s), and its body is not read; a body is counted while it is unpacked, a
little at a time, and cut off at the limit; one time limit is over redirects, headers and body; feedparser
gets bytes and never fetches.
"""

import io
import re
from collections.abc import Mapping
from contextlib import closing, nullcontext
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from index.deadline import Deadline
from index.errors import LoadError
from index.metadata import http_url, one_line, parse_date
from index.unpack import unpack

if TYPE_CHECKING:
    import httpx

USER_AGENT = "citewire/0.1"
MAX_REDIRECTS = 5  # news sites take two or three: http -> https -> www -> consent
TIMEOUT = 20.0  # seconds to connect, and between two pieces of an answer
MAX_SECONDS = 60.0  # for all of a fetch, so that a server that drips bytes does not hold up the rest
MAX_BYTES = 20_000_000  # as for a file that is read whole

_VALIDATORS = {"etag": "If-None-Match", "last-modified": "If-Modified-Since"}
_FEED = re.compile(rb"<(?:rss|feed|rdf:RDF)[\s>]", re.I)


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer: ``url`` after redirects, ``content_type`` such as "text/html", ``body`` unpacked."""

    url: str
    content_type: str
    body: bytes
    charset: str = ""


class NotModified(LoadError):
    """What is at the address is what was there the last time."""


@dataclass(frozen=True, slots=True)
class Validator:
    """What asks for an address only if it changed (RFC 9110, 13.1), and where its answer came from."""

    address: str
    headers: Mapping[str, str]


Validators = dict[str, Validator]
"""Address -> its validator."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A feed's entry; ``html`` is its own content or summary, "" where the feed has only links."""

    url: str
    title: str
    author: str
    source: str
    published: date | None
    html: str
    id: str


def new_client(*, public_only: bool = False) -> "httpx.Client":
    """Return a client with this module's limits; close it after use.

    :param public_only: refuse hosts with an address that is not public, also where a redirect leads to one
    """
    import httpx

    transport: httpx.BaseTransport | None = None
    if public_only:
        from index.public import PublicOnly

        transport = PublicOnly()
    return httpx.Client(
        headers={"User-Agent": USER_AGENT},
        # A connection that is made anew for each fetch is one that the fetch's deadline knows.
        limits=httpx.Limits(max_keepalive_connections=0),
        transport=transport,
    )


def fetch(
    url: str,
    *,
    client: "httpx.Client | None" = None,
    max_bytes: int = MAX_BYTES,
    max_seconds: float = MAX_SECONDS,
    validators: Validators | None = None,
) -> Fetched:
    """Get one address.

    :param client: from :func:`new_client`, for many addresses; one is made and closed if it is None
    :param max_seconds: for all of it: redirects, headers and body
    :param validators: what to send to hear whether it changed; an answer's own are kept there
    :raises NotModified: it has not changed
    :raises LoadError: no answer, not a success, or too large
    """
    import httpx

    if not http_url(url):
        raise LoadError("not an http(s) address")
    known = {} if validators is None else validators
    with nullcontext(client) if client else new_client() as session, Deadline(max_seconds) as deadline:
        try:
            return _ask(url, session, deadline, max_bytes, known)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            deadline.check()
            raise LoadError(_why(error)) from error


def _ask(url: str, session: "httpx.Client", deadline: Deadline, max_bytes: int, known: Validators) -> Fetched:
    sent = known.get(url)
    with closing(_send(url, session, deadline, sent.headers if sent else {})) as response:
        if response.status_code == 304 and sent:
            if str(response.url) == sent.address:
                raise NotModified("not changed")
            del known[url]  # it now redirects elsewhere, and that has other dates
            return _ask(url, session, deadline, max_bytes, known)
        if not response.is_success:
            raise LoadError(f"the server answered {response.status_code} {response.reason_phrase}".rstrip())
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        body = _body(response, deadline, max_bytes)
        found = {ask: response.headers.get(name, "") for name, ask in _VALIDATORS.items()}
        headers = {ask: value for ask, value in found.items() if value and value.isascii()}
        known[url] = Validator(str(response.url), headers)
        return Fetched(str(response.url), kind, body, response.charset_encoding or "")


def _send(
    url: str, session: "httpx.Client", deadline: Deadline, headers: Mapping[str, str]
) -> "httpx.Response":
    """Ask for an address and follow redirects; httpx would read and unpack the bodies of those whole."""
    import httpx

    # Of what httpx offers by itself, brotli and zstandard cannot be unpacked a little at a time.
    request = session.build_request(
        "GET",
        url,
        headers={"Accept-Encoding": "gzip", **headers},
        extensions={"trace": deadline.watch},
    )
    for _ in range(MAX_REDIRECTS + 1):
        deadline.check()
        request.extensions["timeout"] = httpx.Timeout(min(TIMEOUT, deadline.left)).as_dict()
        response = session.send(request, stream=True, follow_redirects=False)
        if response.next_request is None:
            return response
        response.close()
        request = response.next_request
    raise LoadError(f"more than {MAX_REDIRECTS} redirects")


def _body(response: "httpx.Response", deadline: Deadline, max_bytes: int) -> bytes:
    body = bytearray()
    for piece in unpack(deadline.over(response.iter_raw()), response.headers.get("content-encoding", "")):
        body += piece
        if len(body) > max_bytes:
            raise LoadError(f"over the limit of {max_bytes / 1e6:g} MB")
    return bytes(body)


def _why(error: Exception) -> str:
    import httpx

    if isinstance(error, httpx.TimeoutException):
        return f"no answer within {TIMEOUT:g} seconds"
    if isinstance(error, httpx.UnsupportedProtocol):
        return "redirects to an address that is not http(s)"
    return f"cannot be fetched: {one_line(str(error)) or type(error).__name__}"


def is_feed(fetched: Fetched) -> bool:
    """Say whether an answer is RSS or Atom, by its root element; servers label feeds in many ways."""
    return fetched.content_type != "text/html" and bool(_FEED.search(fetched.body[:2000]))


def read_feed(fetched: Fetched) -> list[Entry]:
    """Read the entries of a feed, in its order.

    :raises LoadError: there are none
    """
    import feedparser

    headers = {"content-location": fetched.url, "content-type": f"application/xml; charset={fetched.charset}"}
    if not fetched.charset:
        del headers["content-type"]
    # A stream: feedparser would open a string as an address or a file name.
    feed = feedparser.parse(io.BytesIO(fetched.body), response_headers=headers)
    if not feed.entries:
        raise LoadError("a feed without entries" if feed.version else "damaged feed")
    source = one_line(feed.feed.get("title"))
    return [_entry(entry, source) for entry in feed.entries]


def _entry(entry: Mapping[str, object], source: str) -> Entry:
    content = entry.get("content")
    parts = (
        [part.get("value") for part in content if isinstance(part, Mapping)]
        if isinstance(content, list)
        else []
    )
    return Entry(
        url=http_url(one_line(entry.get("link"))),
        title=one_line(entry.get("title")),
        author=one_line(entry.get("author")),
        source=source,
        published=parse_date(entry.get("published") or entry.get("updated")),
        html=next((part for part in [*parts, entry.get("summary")] if isinstance(part, str) and part), ""),
        id=one_line(entry.get("id")),
    )
