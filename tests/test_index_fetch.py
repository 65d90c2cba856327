"""Fetching from loopback servers only: limits, redirects and feeds."""

import gzip
import random
import socket
import ssl
import subprocess
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest

from index.errors import LoadError
from index.fetch import (
    TIMEOUT,
    USER_AGENT,
    Fetched,
    NotModified,
    Validators,
    fetch,
    is_feed,
    new_client,
    read_feed,
)
from index.load import Skipped, load
from index.public import PublicOnly, is_own, is_public
from index.types import Article
from index.unpack import PIECE, unpack

seen_agents: list[str] = []
seen_encodings: set[str | None] = set()

BOMB = gzip.compress(b"x" * 50_000_000)
PACKED = {
    "gzip": BOMB,
    "deflate": zlib.compress(b"x" * 50_000_000),
    "gzip,gzip": gzip.compress(BOMB),
    "br": b"x",
}


class Handler(BaseHTTPRequestHandler):
    latest = "first"

    def do_GET(self) -> None:
        seen_agents.append(self.headers["User-Agent"])
        seen_encodings.add(self.headers["Accept-Encoding"])
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
        elif name == "packed":
            self.answer(200, {"Content-Encoding": argument}, PACKED[argument])
        elif name == "moved":
            self.answer(302, {"Location": "/page", "Content-Encoding": "gzip"}, b"x" * 200_000)
        elif name == "drip":
            self.drip(b"HTTP/1.1 103 Early Hints\r\n\r\n" if argument == "hints" else b"x")
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

    def drip(self, drop: bytes) -> None:
        if drop == b"x":
            self.send_response(200)
            self.end_headers()
        try:
            for _ in range(100):
                self.wfile.write(drop)
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
    ("path", "reason", "seconds"),
    [
        ("/missing", "the server answered 404 Not Found", 30),
        ("/redirect/5", "more than 5 redirects", 30),
        ("/to/file", "redirects to an address that is not http", 30),
        ("/to/ftp", "redirects to an address that is not http", 30),
        ("/large", "over the limit of 0.1 MB", 30),
        ("/packed/br", "packed as br; expected gzip, deflate or nothing", 30),
        ("/drip/body", "not complete after 0.3 seconds", 0.3),
        ("/drip/hints", "not complete after 0.3 seconds", 0.3),
        ("/cut", "cannot be fetched: ", 30),
    ],
)
def test_a_bad_answer_says_why(server: str, path: str, reason: str, seconds: float) -> None:
    with pytest.raises(LoadError, match=reason):
        fetch(server + path, max_bytes=100_000, max_seconds=seconds)


@pytest.mark.parametrize(
    ("packing", "reason"),
    [
        ("gzip", "over the limit of 0.1 MB"),
        ("deflate", "over the limit of 0.1 MB"),
        ("gzip,gzip", "packed as gzip,gzip; expected gzip, deflate or nothing"),
    ],
)
def test_a_bomb_is_not_unpacked_beyond_the_limit(server: str, packing: str, reason: str) -> None:
    fetch(f"{server}/page")  # what is imported only now is not counted
    tracemalloc.start()
    with pytest.raises(LoadError, match=reason):
        fetch(f"{server}/packed/{packing}", max_bytes=100_000)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2_000_000


def test_only_what_can_be_unpacked_a_little_at_a_time_is_asked_for(server: str) -> None:
    seen_encodings.clear()
    fetch(f"{server}/redirect/1")
    assert seen_encodings == {"gzip"}


def test_the_body_of_a_redirect_is_not_read(server: str) -> None:
    assert fetch(f"{server}/moved", max_bytes=1000).body == b"<p>caf\xe9</p>"  # it is not even gzip


Talk = Callable[[socket.socket], None]


@contextmanager
def talker(talk: Talk) -> Iterator[str]:
    """Serve connections one after another with what ``talk`` says, until the other side has enough."""

    def serve(listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                with connection, suppress(OSError):
                    connection.recv(65_536)
                    talk(connection)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=serve, args=(listening,), daemon=True).start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)


def drip_headers(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    for _ in range(400):
        connection.sendall(b"x")
        time.sleep(0.02)


def flood_with_hints(connection: socket.socket) -> None:
    end = time.monotonic() + 8
    while time.monotonic() < end:
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000)


def drip_an_endless_body(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")  # its end is where the connection ends
    for _ in range(400):
        connection.sendall(b"x")
        time.sleep(0.02)


def flood_with_empty_members(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Encoding: gzip\r\n\r\n")
    end = time.monotonic() + 8
    while time.monotonic() < end:
        connection.sendall(gzip.compress(b"") * 1000)


def redirect_slowly(connection: socket.socket) -> None:
    time.sleep(0.2)
    connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /next\r\nContent-Length: 0\r\n\r\n")


def say_nothing(connection: socket.socket) -> None:
    connection.recv(65_536)


@pytest.mark.parametrize(
    ("scheme", "talk"),
    [
        ("http", drip_headers),
        ("http", flood_with_hints),
        ("http", drip_an_endless_body),
        ("http", flood_with_empty_members),
        ("http", redirect_slowly),
        ("http", say_nothing),
        ("https", say_nothing),
    ],
)
def test_a_fetch_ends_in_time_whatever_the_server_does(scheme: str, talk: Talk) -> None:
    begin = time.monotonic()
    with talker(talk) as host, pytest.raises(LoadError, match=r"not complete after 0\.5 seconds"):
        fetch(f"{scheme}://{host}/", max_seconds=0.5)
    assert time.monotonic() - begin < 5


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def two_members(data: bytes) -> bytes:
    return gzip.compress(data[:50]) + gzip.compress(data[50:])


PACKERS = [
    ("gzip", gzip.compress),
    ("X-GZIP ", gzip.compress),
    ("gzip", two_members),
    ("gzip", lambda data: gzip.compress(data) + b"\0" * 512),
    ("deflate", zlib.compress),
    ("deflate", raw_deflate),
]


@pytest.mark.parametrize("size", [1, 7, 4096, 1_000_000])
@pytest.mark.parametrize(("encoding", "pack"), PACKERS)
def test_what_was_packed_comes_back_however_it_is_cut(
    encoding: str, pack: Callable[[bytes], bytes], size: int
) -> None:
    noise = random.Random(1).randbytes(2000)
    for data in (b"", b"x", noise, b"x" * 3 * PIECE, noise + b"ab" * PIECE + noise):
        packed = pack(data)
        cut = [packed[at : at + size] for at in range(0, len(packed), size)]
        pieces = list(unpack(cut, encoding))
        assert b"".join(pieces) == data
        assert all(len(piece) <= PIECE for piece in pieces)


@pytest.mark.parametrize(("encoding", "pack"), [*PACKERS[:2], *PACKERS[4:]])
def test_packed_data_that_are_cut_off_or_damaged_are_refused(
    encoding: str, pack: Callable[[bytes], bytes]
) -> None:
    packed = pack(random.Random(1).randbytes(2000))
    for end in (1, 5, 20, len(packed) - 1):
        with pytest.raises(LoadError, match="cut off"):
            list(unpack([packed[:end]], encoding))
    with pytest.raises(LoadError, match="and damaged"):
        list(unpack([packed[:1], b"\xff" * 50], encoding))
    assert list(unpack([], encoding)) == []


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


class Looker:
    """A resolver that notes what it was asked, and gives a name's next addresses each time."""

    def __init__(self, **names: list[str]) -> None:
        self.names = names
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        name = host.partition(".")[0]
        if name not in self.names:
            raise OSError("no such host")
        return self.names[name]


def said(text: str, kind: str = "text/html") -> httpx.Response:
    """Answer as a connection does, in a stream that is read once."""
    return httpx.Response(200, stream=httpx.ByteStream(text.encode()), headers={"content-type": kind})


def public_client(
    looker: Looker, sent: list[httpx.Request], answer: httpx.Response | None = None
) -> httpx.Client:
    def send(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return answer or said("page")

    return httpx.Client(transport=PublicOnly(looker, inner=httpx.MockTransport(send)), follow_redirects=True)


def test_a_public_page_is_asked_for_at_the_address_that_was_checked() -> None:
    looker, sent = Looker(news=["93.184.215.14", "2606:2800:21f:cb07::1"]), list[httpx.Request]()

    with public_client(looker, sent) as client:
        fetched = fetch("https://news.example/a?b=c", client=client)

    assert fetched.url == "https://news.example/a?b=c"
    assert looker.asked == ["news.example"]
    assert str(sent[0].url) == "https://93.184.215.14/a?b=c"
    assert sent[0].headers["host"] == "news.example"
    assert sent[0].extensions["sni_hostname"] == "news.example"


def test_the_next_address_is_tried_where_one_does_not_answer() -> None:
    tried, limits = list[str](), list[float]()

    def send(request: httpx.Request) -> httpx.Response:
        tried.append(request.url.host)
        limits.append(request.extensions["timeout"]["connect"])
        if len(tried) < 3:
            raise httpx.ConnectError("refused")
        return said("page")

    looker = Looker(news=["93.184.215.14", "2606:2800:21f:cb07::1", "93.184.215.15"])
    with httpx.Client(transport=PublicOnly(looker, inner=httpx.MockTransport(send))) as client:
        assert fetch("http://news.example/", client=client).body == b"page"
        assert tried == looker.names["news"]
        assert limits == [TIMEOUT / 3] * 3
        tried.clear()
        looker.names["news"] = looker.names["news"][:2]
        with pytest.raises(LoadError, match="cannot be fetched: refused"):
            fetch("http://news.example/", client=client)


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["10.0.0.8"],
        ["93.184.215.14", "192.168.1.1"],
        ["::1"],
        [],
        ["fe80::1%eth0"],
        ["nonsense"],
    ],
    ids=str,
)
def test_a_name_with_any_address_that_is_not_public_is_refused(addresses: list[str]) -> None:
    looker, sent = Looker(inner=addresses), list[httpx.Request]()
    with public_client(looker, sent) as client:
        for host in ("inner.example", "no-such.example"):  # in the same words
            with pytest.raises(LoadError, match=rf"^{host} is not a public address$"):
                fetch(f"http://{host}/", client=client)
    assert sent == []


def test_a_redirect_into_a_private_network_is_refused() -> None:
    looker, sent = Looker(news=["93.184.215.14"], router=["192.168.1.1"]), list[httpx.Request]()
    redirect = httpx.Response(302, headers={"location": "http://router.example/admin"})
    with (
        public_client(looker, sent, redirect) as client,
        pytest.raises(LoadError, match=r"^router\.example is not"),
    ):
        fetch("https://news.example/", client=client)
    assert [str(request.url) for request in sent] == ["https://93.184.215.14/"]


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "2130706433", "0x7f.0.0.1", "localhost", "[::1]", "0.0.0.0", "[::ffff:127.0.0.1]"],
)
def test_loopback_in_any_spelling_is_refused_without_a_connection(server: str, host: str) -> None:
    before, port = len(seen_agents), server.rpartition(":")[2]
    with new_client(public_only=True) as client, pytest.raises(LoadError, match="is not a public address"):
        fetch(f"http://{host}:{port}/page", client=client)
    assert len(seen_agents) == before


def test_a_feeds_entry_in_a_private_network_is_skipped_and_its_own_words_are_kept(server: str) -> None:
    feed = f"""<rss version="2.0"><channel><title>HL</title>
        <item><title>A</title><link>{server}/page</link></item>
        <item><title>B</title><link>http://localhost:{server.rpartition(":")[2]}/page</link>
        <description>The bridge opened on Monday.</description></item></channel></rss>"""
    before = len(seen_agents)
    client = public_client(
        Looker(news=["93.184.215.14"], localhost=["127.0.0.1"]),
        [],
        said(feed, "application/rss+xml"),
    )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("index.load.new_client", lambda *, public_only: client)
        skipped, article = load(["https://news.example/feed"], public_only=True)

    assert isinstance(skipped, Skipped)
    assert (skipped.location, skipped.reason) == (f"{server}/page", "127.0.0.1 is not a public address")
    assert isinstance(article, Article)
    assert article.text == "The bridge opened on Monday."
    assert len(seen_agents) == before


def loopback_client(looker: Looker, port: int, inner: httpx.HTTPTransport) -> httpx.Client:
    return httpx.Client(transport=PublicOnly(looker, lambda address: address.is_loopback, inner, (port,)))


def test_an_allowed_address_is_connected_to_by_number_and_asked_by_name(server: str) -> None:
    port = int(server.rpartition(":")[2])
    elsewhere = httpx.HTTPTransport(local_address="127.0.0.2")
    with loopback_client(Looker(news=["127.0.0.1"]), port, elsewhere) as client:
        fetched = fetch(f"http://news.example:{port}/redirect/2", client=client)
    assert (fetched.body, fetched.url) == (b"<p>caf\xe9</p>", f"http://news.example:{port}/page")


def test_a_connection_of_this_machine_with_itself_ends_before_a_byte_is_sent() -> None:
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

        def hear() -> None:
            connection, _ = listening.accept()
            with connection:
                heard.append(connection.recv(65_536))

        server = threading.Thread(target=hear)
        server.start()
        with (
            loopback_client(Looker(news=["127.0.0.1"]), port, httpx.HTTPTransport()) as client,
            pytest.raises(LoadError, match=r"^news\.example is not a public address$"),
        ):
            fetch(f"http://news.example:{port}/", client=client)
        server.join(10)
    assert heard == [b""]


@pytest.mark.parametrize(
    ("address", "local", "is_same"),
    [
        ("93.184.215.14", "93.184.215.14", True),
        ("93.184.215.14", "10.0.0.8", False),
        ("2606:2800:21f:cb07::1", "2606:2800:21f:cb07:0:0:0:1", True),
        ("2606:2800:21f:cb07::1", "2606:2800:21f:cb07::2", False),
        ("fe80::1", "fe80::2%eth0", False),
    ],
)
def test_an_address_at_both_ends_of_a_connection_is_this_machines(
    address: str, local: str, is_same: bool
) -> None:
    assert is_own(ip_address(address), local) is is_same


@pytest.mark.parametrize("port", [0, 22, 8080, 7860])
def test_only_the_webs_ports_are_fetched_from(port: int) -> None:
    looker, sent = Looker(news=["93.184.215.14"]), list[httpx.Request]()
    with (
        public_client(looker, sent) as client,
        pytest.raises(LoadError, match=rf"^port {port}; only 80 and 443 are fetched from$"),
    ):
        fetch(f"http://news.example:{port}/", client=client)
    with public_client(looker, sent) as client:
        fetch("http://news.example:443/", client=client)
    assert [request.url.port for request in sent] == [443]


@pytest.mark.parametrize(
    "address",
    """0.0.0.0 10.1.2.3 100.64.0.1 127.8.8.8 169.254.169.254 172.16.0.1 192.0.0.1 192.0.2.1 192.168.0.1 198.18.0.1
    198.51.100.1 203.0.113.1 224.0.1.1 239.1.1.1 240.0.0.1 255.255.255.255 :: ::1 ::7f00:1 ::ffff:127.0.0.1
    ::ffff:8.8.8.8 64:ff9b::7f00:1 64:ff9b::a00:1 64:ff9b:1::1 100::1 2001::1 2001:db8::1 2002:7f00:1:: 2002:808:808::
    fc00::1 fd12::1 fe80::1 fec0::1 ff02::1 5f00::1""".split(),
)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.215.14", "2606:2800:21f:cb07::1", "64:ff9b::808:808"])
def test_addresses_that_are_public(address: str) -> None:
    assert is_public(ip_address(address))


def test_a_certificate_is_checked_against_the_name_not_the_number(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    names = "subjectAltName=DNS:news.example"
    command = ["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=x", "-addext", names]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate, key)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        httpd.socket = serving.wrap_socket(httpd.socket, server_side=True)
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        trusting, port = ssl.create_default_context(cafile=certificate), httpd.server_port
        inner = httpx.HTTPTransport(verify=trusting, local_address="127.0.0.2")
        looker = Looker(news=["127.0.0.1"], other=["127.0.0.1"])
        with loopback_client(looker, port, inner) as client:
            assert fetch(f"https://news.example:{port}/a", client=client).body == b"<p>caf\xe9</p>"
            with pytest.raises(LoadError, match="not complete after"):  # the time limit is under TLS
                fetch(f"https://news.example:{port}/drip/hints", client=client, max_seconds=0.5)
        with (
            loopback_client(looker, port, inner) as client,
            pytest.raises(LoadError, match="certificate verify failed"),
        ):
            fetch(f"https://other.example:{port}/a", client=client)
        httpd.shutdown()
