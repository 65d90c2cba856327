"""The door in front of the page: which requests come in, and what every reply carries.

Holds: a request for another host, from another origin, with too large a body or for a route that nobody needs
is refused before any other code sees it; no reply carries a traceback or opens the page to other sites.
Pure ASGI. Who may come in is `qa.web.login`; what requests mean is not known here.
"""

import asyncio
import logging
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger("citewire.web")

BODY = 64 * 1024  # bytes of a request; a question with the turns before it has under 20,000
BODIES: Mapping[str, int] = {
    "/page/articles": 32 * 1024 * 1024,  # articles that a person adds
    "/page/vote": 300_000,  # an answer with its places, as votes.BODY
    "/api/ask": 1_000_000,  # 50 turns and 100 outlets of replies.CHARS each, in UTF-8: 800 KB
}
HEAD = 16 * 1024  # bytes of a request before its body: a question in the address, and cookies
BODY_SECONDS = 60.0  # for a whole body to arrive: 1 MB at 140 kbit/s
# After additions.RECEIVE, which ends it first, with its line.
BODIES_SECONDS: Mapping[str, float] = {"/page/articles": 610.0}

_FILES = r"(?:/[\w-]+(?:\.[\w-]+)*)+"  # no name begins or ends with a dot, so none goes up
PATHS = (
    ("GET HEAD", r"/|/config/?|/theme\.css|/favicon\.ico"),
    ("GET HEAD", rf"/(?:assets|static){_FILES}"),
    ("GET HEAD POST", rf"/(?:api|page){_FILES}"),
    # What the page and gradio_client use; "run" and "api" are left out because they go past the queue.
    ("GET", r"/gradio_api/(?:info|startup-events|app_id|queue/data|heartbeat/[\w-]+)/?"),
    ("POST", r"/gradio_api/(?:queue/join|cancel|reset)/?"),
    ("POST", r"/gradio_api/call/(?:v2/)?[\w-]+/?"),
    ("GET", r"/gradio_api/call/(?:v2/)?[\w-]+/[\w-]+/?"),
)
LOGIN_PATHS = (("GET HEAD POST", r"/login/?|/logout/?"),)
MCP_PATHS = (("GET POST DELETE", r"/gradio_api/mcp(?:/[\w-]+)*/?"),)
# A proxy's word on where the page is, which Gradio believes from anyone; uvicorn has read what it trusts.
UNTRUSTED = re.compile(rb"forwarded|x-forwarded-.*|x-gradio-server")

# gr.HTML makes a function of its template with Function(): without nothing of it is drawn.
# Styles are set by script all over Gradio.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
OTHER_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
INLINE_SCRIPT = re.compile(r"<script(?![^>]*\ssrc=)(?=[\s>])")
# Gradio's own advertisement for link previews, a manifest that is fetched without the session's cookie, and a
# base that says nothing at "/" and would be against the policy.
NOT_OURS = re.compile(r'<meta\s[^>]*"(?:og|twitter):[^>]*>|<link rel="manifest"[^>]*>|<base\s[^>]*>')


@dataclass(frozen=True, slots=True)
class Gate:
    """What is let through: host names in lower case, without a port, and (methods, path pattern) pairs."""

    hosts: frozenset[str]
    paths: tuple[tuple[str, re.Pattern[str]], ...]

    @classmethod
    def of(cls, hosts: Iterable[str], *, login: bool = False, mcp: bool = False) -> "Gate":
        paths = PATHS + LOGIN_PATHS * login + MCP_PATHS * mcp
        compiled = tuple((methods, re.compile(pattern, re.ASCII)) for methods, pattern in paths)
        return cls(frozenset(host.lower().rstrip(".") for host in hosts), compiled)

    def refusal(self, method: str, path: str, headers: Headers) -> tuple[int, str] | None:
        """Say why a request is refused: a status and a line, None if it may go on."""
        host = _host(headers.getlist("host"))
        if host is None:
            return 400, "one Host header is needed"
        if host[0] not in self.hosts:
            return 421, "this server does not answer to that name; see citewire chat --allow-host"
        if not _same_origin(headers, host, link=method == "GET" and path in ("/", "/login")):
            return 403, "requests from other sites are refused"
        methods = {name for named, pattern in self.paths if pattern.fullmatch(path) for name in named.split()}
        if not methods:
            return 404, "not found"
        return None if method in methods else (405, "method not allowed")


class Guard:
    """ASGI middleware that applies a `Gate`, bounds bodies, and puts security headers on replies."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self.app = app
        self.gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        headers, path = Headers(scope=scope), scope["path"]
        scope = {**scope, "headers": [(k, v) for k, v in scope["headers"] if not UNTRUSTED.fullmatch(k)]}
        reply = _Page(send) if path == "/" else _Reply(send, path)
        body = _Body(receive, reply, BODIES.get(path, BODY), BODIES_SECONDS.get(path, BODY_SECONDS))
        refused = self.gate.refusal(scope["method"], path, headers)
        if (
            sum(map(len, (path, scope["query_string"], *(part for pair in headers.raw for part in pair))))
            > HEAD
        ):
            refused = 431, "the address and headers are too long"
        elif refused is None and body.too_large(headers.get("content-length")):
            refused = _TOO_LARGE
        if refused:
            await reply.refuse(*refused)
            return
        if path == "/":  # its page is changed on the way out; its parameters would load states from files
            scope["query_string"] = b""
            scope["headers"] = [(k, v) for k, v in scope["headers"] if k != b"accept-encoding"]
        try:
            await self.app(scope, body.receive, reply.send)
        except Exception:
            if not reply.refused:
                log.exception("a request for %s failed", path)
            await reply.refuse(500, "something broke inside; the server's log says what")


_TOO_LARGE = (413, "the request is too large")


class _Reply:
    """A reply on its way out: security headers are added, and nothing follows a refusal."""

    def __init__(self, send: Send, path: str) -> None:
        self._send = send
        self._path = path
        self.started = False
        self.refused = False

    async def send(self, message: Message) -> None:
        if self.refused:
            return
        if message["type"] == "http.response.start":
            self.started = True
            self.protect(MutableHeaders(raw=message.setdefault("headers", [])))
        await self._send(message)

    def protect(self, headers: MutableHeaders) -> None:
        for name in [name for name in headers if name.startswith("access-control-")]:
            del headers[name]
        for name, value in HEADERS.items():
            headers[name] = value
        headers.setdefault("content-security-policy", OTHER_POLICY)
        headers.setdefault("referrer-policy", "no-referrer")
        if self._path.startswith("/assets/"):  # their names change with what is in them
            headers["cache-control"] = "private, max-age=31536000, immutable"
        elif "etag" not in headers:
            headers["cache-control"] = "no-store"

    async def refuse(self, status: int, said: str) -> None:
        """Answer for the app, if it has not begun to, and end the connection: a body may be left unread."""
        if self.started or self.refused:
            self.refused = True
            return
        response = JSONResponse({"detail": said}, status)
        if status in (408, 413):
            response.headers["connection"] = "close"
        self.protect(response.headers)
        self.refused = True
        await self._send({"type": "http.response.start", "status": status, "headers": response.raw_headers})
        await self._send({"type": "http.response.body", "body": response.body})


class _Page(_Reply):
    """The page itself: held back until it is whole, to put a fresh nonce on Gradio's own scripts."""

    def __init__(self, send: Send) -> None:
        super().__init__(send, "/")
        self._start: Message = {}
        self._parts: list[bytes] = []

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            if not Headers(raw=message["headers"]).get("content-type", "").startswith("text/html"):
                self._start = {}
                await super().send(message)
            return
        if not self._start:
            await super().send(message)
            return
        self._parts.append(message.get("body", b""))
        if message.get("more_body"):
            return
        nonce = secrets.token_urlsafe(16)
        page = NOT_OURS.sub("", b"".join(self._parts).decode())
        page = INLINE_SCRIPT.sub(f'<script nonce="{nonce}"', page)
        headers = MutableHeaders(raw=self._start["headers"])
        headers["content-length"] = str(len(page.encode()))
        headers["content-security-policy"] = PAGE_POLICY.format(nonce=nonce)
        await super().send(self._start)
        await super().send({"type": "http.response.body", "body": page.encode()})


class _Body:
    """A request's body on its way in: counted as it comes, since its Content-Length may lie or be absent."""

    def __init__(self, receive: Receive, reply: _Reply, limit: int, seconds: float) -> None:
        self._receive = receive
        self._reply = reply
        self._left = limit
        self._seconds = seconds
        self._until: float | None = None
        self._whole = False

    def too_large(self, length: str | None) -> bool:
        # No more digits than are ever meant: int() refuses thousands of them with an error.
        return length is not None and (not length.isdecimal() or int(length[:20]) > self._left)

    async def receive(self) -> Message:
        if self._reply.refused:
            return {"type": "http.disconnect"}
        if self._whole:  # what comes now is the end of the connection, whenever that is
            return await self._receive()
        self._until = self._until or asyncio.get_running_loop().time() + self._seconds
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError:
            await self._reply.refuse(408, "the request took too long to arrive")
            return {"type": "http.disconnect"}
        self._left -= len(message.get("body", b""))
        self._whole = not message.get("more_body")
        if self._left < 0:
            await self._reply.refuse(*_TOO_LARGE)
            return {"type": "http.disconnect"}
        return message


def _host(given: list[str]) -> tuple[str, int | None] | None:
    """Take a Host header apart: the name in lower case and the port; None if it is not one good header."""
    if len(given) != 1:
        return None
    match = re.fullmatch(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(\d{1,5}))?", given[0].lower(), re.ASCII)
    return (match[1].rstrip("."), int(match[2]) if match[2] else None) if match else None


def _same_origin(headers: Headers, host: tuple[str, int | None], *, link: bool) -> bool:
    """Tell whether a request comes from this page, from a program, or (``link``) from a link to the page.

    A program sends neither header; browsers send Sec-Fetch-Site with every request, and Origin with all that
    could change something.
    """
    site, mode = headers.get("sec-fetch-site", "none"), headers.get("sec-fetch-mode")
    if site not in ("none", "same-origin") and not (link and mode == "navigate"):
        return False
    origins: list[Any] = headers.getlist("origin")
    if not origins:
        return True
    if len(origins) > 1:
        return False
    try:
        origin = urlsplit(origins[0])
        usual = {"http": 80, "https": 443}[origin.scheme]
        return (origin.hostname, origin.port or usual) == (host[0].strip("[]"), host[1] or usual)
    except (ValueError, KeyError):  # "null" has no scheme
        return False
