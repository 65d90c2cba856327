"""Fetching from loopback servers only: limits, redirects and feeds."""

import gzip
import threading
import time
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from index.errors import LoadError
from index.fetch import USER_AGENT, Fetched, NotModified, Validators, fetch, is_feed, new_client, read_feed

seen_agents: list[str] = []


class Handler(BaseHTTPRequestHandler):
    latest = "first"

    def do_GET(self) -> None:
        seen_agents.append(self.headers["User-Agent"])
        name, _, argument = self.path.strip("/").partition("/")
        if name == "redirect":
            left = int(argument)
            self.answer(302, {"Location": f"/redirect/{left - 1}" if left else "/page"})
        elif name == "to":
            self.answer(
                302, {"Location": {"file": "file:///etc/passwd", "ftp": "ftp://127.0.0.1/x"}[argument]}
            )
        elif name == "missing":
            self.answer(404)
        elif name == "tagged":
            is_known = self.headers["If-None-Match"] == '"tag"'
            self.answer(304 if is_known else 200, {"ETag": '"tag"'}, b"" if is_known else argument.encode())
        elif name == "latest":
            self.answer(302, {"Location": f"/tagged/{self.latest}"})
        elif name == "odd":
            self.answer(200, {"ETag": '"caf\xe9"'}, b"odd")
        elif name == "large":
            self.answer(200, body=b"x" * 200_000)
        elif name == "bomb":
            self.answer(200, {"Content-Encoding": "gzip"}, gzip.compress(b"x" * 5_000_000))
        elif name == "drip":
            self.drip()
        elif name == "cut":
            self.answer(200, {"Content-Length": "999"}, b"short")
        else:
            self.answer(200, {"Content-Type": "Text/HTML; charset=ISO-8859-1"}, b"<p>caf\xe9</p>")

    def answer(self, status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def drip(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            for _ in range(100):
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.05)
        except OSError:
            pass

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        httpd.daemon_threads = True
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()


def test_an_unchanged_page_is_not_sent_again_and_a_redirect_elsewhere_is(server: str) -> None:
    known: Validators = {}
    assert fetch(f"{server}/tagged/first", validators=known).body == b"first"
    with pytest.raises(NotModified):
        fetch(f"{server}/tagged/first", validators=known)

    Handler.latest = "first"
    assert fetch(f"{server}/latest", validators=known).body == b"first"
    Handler.latest = "second"  # has the same tag
    assert fetch(f"{server}/latest", validators=known).body == b"second"


def test_a_tag_that_cannot_be_sent_is_not_kept(server: str) -> None:
    known: Validators = {}
    for _ in range(2):
        assert fetch(f"{server}/odd", validators=known).body == b"odd"


def test_a_page_comes_with_its_address_type_and_charset(server: str) -> None:
    fetched = fetch(f"{server}/redirect/4")

    assert fetched == Fetched(f"{server}/page", "text/html", b"<p>caf\xe9</p>", "iso-8859-1")
    assert set(seen_agents) == {USER_AGENT}


def test_one_client_serves_many_addresses(server: str) -> None:
    with new_client() as client:
        assert fetch(f"{server}/a", client=client).body == fetch(f"{server}/b", client=client).body
        assert not client.is_closed


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/missing", "the server answered 404 Not Found"),
        ("/redirect/5", "more than 5 redirects"),
        ("/to/file", "redirects to an address that is not http"),
        ("/to/ftp", "redirects to an address that is not http"),
        ("/large", "over the limit of 0.1 MB"),
        ("/bomb", "over the limit of 0.1 MB"),
        ("/drip", "not complete after 0.3 seconds"),
        ("/cut", "cannot be fetched: "),
    ],
)
def test_a_bad_answer_says_why(server: str, path: str, reason: str) -> None:
    with pytest.raises(LoadError, match=reason):
        fetch(server + path, max_bytes=100_000, max_seconds=0.3)


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "http://", "http://[::bad", "http://127.0.0.1:1/", "x"]
)
def test_an_address_that_is_not_there_or_not_http_says_so(url: str) -> None:
    with pytest.raises(LoadError):
        fetch(url)


RSS = b"""<?xml version="1.0" encoding="utf-8"?><rss version="2.0"
 xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel>
<title>Harbour Ledger</title><link>https://hl.example/</link>
<item><title>Bridge &amp; tunnel</title><link>/2026/bridge</link>
<pubDate>Sat, 14 Mar 2026 09:00:00 GMT</pubDate>
<dc:creator>Ann Lee</dc:creator><description>Short.</description>
<content:encoded><![CDATA[<p>The bridge opened.</p>]]></content:encoded></item>
<item><title>Second</title><guid isPermaLink="false">id-2</guid><pubDate>03/04/2026</pubDate></item>
<item><title>Bad link</title><link>javascript:alert(1)</link></item>
</channel></rss>"""


def test_a_feed_gives_its_entries_in_order() -> None:
    fetched = Fetched("https://hl.example/feed", "application/rss+xml", RSS)

    first, second, third = read_feed(fetched)

    assert is_feed(fetched)
    assert (first.title, first.author, first.source) == ("Bridge & tunnel", "Ann Lee", "Harbour Ledger")
    assert (first.url, first.published) == ("https://hl.example/2026/bridge", date(2026, 3, 14))
    assert first.html == "<p>The bridge opened.</p>"
    assert (second.url, second.id, second.published) == ("", "id-2", None)
    assert third.url == ""


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<rss><channel></channel></rss>", "without entries"),
        (b"<feed", "damaged feed"),
        (b"http://127.0.0.1:1/feed", "feed"),
        (b"/etc/passwd", "feed"),
    ],
)
def test_a_feed_without_entries_is_refused_and_nothing_is_opened(body: bytes, reason: str) -> None:
    with pytest.raises(LoadError, match=reason):
        read_feed(Fetched("https://hl.example/feed", "", body))
