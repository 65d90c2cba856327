"""The login: who has shown the password may go on, and guessing is slow.

Holds: without a session, or a name and password sent along (HTTP Basic), nothing but /login is answered;
sessions are kept in memory as hashes of their tokens; after a few wrong passwords none is looked at for a
while, whether or not the name is known; every table has a bound.
"""

import asyncio
import base64
import hashlib
import ipaddress
import math
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.requests import Request, cookie_parser
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from qa.web.users import Users

COOKIE = "citewire"
HOURS = 12  # of a session: a working day
SESSIONS = 1000  # at once; the oldest ends for a new one
WINDOW = 15 * 60  # seconds in which failures count
NAME_FAILURES = 5
ADDRESS_FAILURES = 20  # several people may stand behind one address
TABLE = 10_000  # names, and addresses, whose failures are remembered
PROGRAMS = ("/api/", "/gradio_api/")  # where HTTP Basic is accepted


class Failures:
    """When wrong passwords came for one key; too many within `WINDOW`, and it has to wait."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._times: OrderedDict[str, deque[float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._times)

    def wait(self, key: str) -> int:
        """Give the whole seconds until another password is looked at, 0 if it is now."""
        times = self._times.get(key)
        if times is None or len(times) < self._most:
            return 0
        return max(0, math.ceil(times[0] + WINDOW - self._clock()))

    def add(self, key: str) -> None:
        times = self._times.setdefault(key, deque(maxlen=self._most))
        while times and times[0] + WINDOW <= self._clock():
            times.popleft()
        times.append(self._clock())
        self._times.move_to_end(key)
        if len(self._times) > TABLE:
            self._times.popitem(last=False)

    def forget(self, key: str) -> None:
        self._times.pop(key, None)


@dataclass(frozen=True, slots=True)
class Pass:
    """That somebody has shown a password: it ends with its time, or when the password is changed."""

    name: str
    hashed: str
    until: float


class Passes:
    """Passes by a secret that is kept as a hash only."""

    def __init__(self, users: Users, clock: Callable[[], float] = time.monotonic) -> None:
        self._users = users
        self._clock = clock
        self._passes: OrderedDict[bytes, Pass] = OrderedDict()
        self._key = secrets.token_bytes(32)

    def __len__(self) -> int:
        return len(self._passes)

    def add(self, secret: str, name: str, hashed: str) -> None:
        self._passes[self._hash(secret)] = Pass(name, hashed, self._clock() + HOURS * 3600)
        if len(self._passes) > SESSIONS:
            self._passes.popitem(last=False)

    def name(self, secret: str) -> str | None:
        """Give whose pass this is, None if it never was or is no more."""
        known = self._passes.get(self._hash(secret))
        if known is None:
            return None
        if known.until < self._clock() or self._users.hashes().get(known.name) != known.hashed:
            self.end(secret)
            return None
        return known.name

    def end(self, secret: str) -> None:
        self._passes.pop(self._hash(secret), None)

    def _hash(self, secret: str) -> bytes:
        return hashlib.blake2b(secret.encode(), key=self._key, digest_size=32).digest()


class Login:
    """ASGI middleware: /login, /logout, and who may go on; ``request.state.user`` is then the name."""

    def __init__(self, app: ASGIApp, users: Users) -> None:
        self.app = app
        self.users = users
        self.sessions = Passes(users)
        self._basic = Passes(users)  # so that a program's every request does not cost a check
        self._names = Failures(NAME_FAILURES)
        self._addresses = Failures(ADDRESS_FAILURES)
        self._one = asyncio.Lock()  # a check takes 64 MiB

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive)
        path = scope["path"].rstrip("/")
        if path == "/login":
            response = await self._login(request)
        elif path == "/logout":
            response = self._logout(request)
        else:
            name = self.sessions.name(_cookie(request)) or await self._named(request)
            if isinstance(name, str):
                scope.setdefault("state", {})["user"] = name
                await self.app(scope, receive, send)
                return
            response = name or _stranger(request)
        await response(scope, receive, send)

    async def _login(self, request: Request) -> Response:
        if request.method != "POST":
            return _page()
        try:
            fields = parse_qs((await request.body()).decode("utf-8", "replace"), max_num_fields=8)
        except ValueError:
            return _refused(request, 400, "Send a name and a password")
        name, password = (fields.get(key, [""])[0] for key in ("username", "password"))
        hashed = await self._check(request, name.strip(), password)
        if isinstance(hashed, Response):
            return hashed
        token = secrets.token_urlsafe(32)
        self.sessions.add(token, name.strip(), hashed)
        done: Response = RedirectResponse("/", 303) if _browses(request) else JSONResponse({"success": True})
        done.set_cookie(
            COOKIE,
            token,
            max_age=HOURS * 3600,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return done

    def _logout(self, request: Request) -> Response:
        self.sessions.end(_cookie(request))
        done: Response = (
            RedirectResponse("/login", 303) if _browses(request) else JSONResponse({"success": True})
        )
        done.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=request.url.scheme == "https")
        return done

    async def _named(self, request: Request) -> str | Response | None:
        """Take HTTP Basic: whose it is, the refusal, or None if there is none to take."""
        given = request.headers.get("authorization", "")
        if not given.lower().startswith("basic ") or not request.url.path.startswith(PROGRAMS):
            return None
        if known := self._basic.name(given):
            return known
        try:
            name, _, password = base64.b64decode(given[6:], validate=True).decode().partition(":")
        except ValueError:  # not ASCII, not base64, not UTF-8
            return _stranger(request)
        hashed = await self._check(request, name, password)
        if isinstance(hashed, Response):
            return hashed
        self._basic.add(given, name, hashed)
        return name

    async def _check(self, request: Request, name: str, password: str) -> str | Response:
        """Look at a name and password: the hash that they fit, or the refusal, the same for unknown names."""
        name, address = name[:64], _network(request)
        if wait := self._wait(name, address):
            return _wait(request, wait)
        async with self._one:
            if wait := self._wait(name, address):  # those before it in the line may have failed
                return _wait(request, wait)
            hashed = await asyncio.to_thread(self.users.check, name, password)
            if hashed is None:
                self._names.add(name)
                self._addresses.add(address)
        if hashed is None:
            return _refused(request, 401, "Wrong name or password")
        self._names.forget(name)
        return hashed

    def _wait(self, name: str, address: str) -> int:
        return max(self._names.wait(name), self._addresses.wait(address))


def _cookie(request: Request) -> str:
    return cookie_parser(request.headers.get("cookie", "")).get(COOKIE, "")


def _network(request: Request) -> str:
    """Give the address that failures count for; of IPv6 the network, since each person has a whole one."""
    host = request.client.host if request.client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is None:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def _browses(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


def _stranger(request: Request) -> Response:
    if request.method == "GET" and request.url.path == "/" and _browses(request):
        return RedirectResponse("/login", 303)
    return _refused(request, 401, "Log in at /login, or send a name and password")


def _wait(request: Request, seconds: int) -> Response:
    minutes = -(-seconds // 60)
    said = f"Too many wrong passwords; try again in {minutes} minute{'s' * (minutes != 1)}"
    response = _refused(request, 429, said)
    response.headers["retry-after"] = str(seconds)
    return response


def _refused(request: Request, status: int, said: str) -> Response:
    if request.url.path.startswith("/login") and _browses(request):
        return _page(said, status)
    response = JSONResponse({"detail": said}, status)
    if status == 401 and not _from_page(request.headers):
        response.headers["www-authenticate"] = 'Basic realm="Citewire", charset="UTF-8"'
    return response


def _from_page(headers: Headers) -> bool:
    """Tell whether a browser's script asks: the header for Basic would open the browser's own dialog."""
    return "sec-fetch-mode" in headers


# A form's Origin is "null" under no-referrer, and the guard would refuse it.
_HEADERS = {
    "referrer-policy": "same-origin",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
}


def _page(said: str = "", status: int = 200) -> Response:
    notice = f'<p class="notice" role="alert" id="said">{escape(said)}</p>' if said else ""
    described = ' aria-describedby="said" aria-invalid="true"' if said else ""
    html = _PAGE.replace("<!--said-->", notice).replace("<!--described-->", described)
    return HTMLResponse(html, status, headers=_HEADERS)


# The colours are those of the page.
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Log in – Citewire</title>
<link rel="icon" href="data:,">
<style>
:root {
  color-scheme: light dark;
  --paper: #faf9f6; --card: #fff; --ink: #1b2330; --soft: #5b6472; --line: #837c6d; --accent: #0f6273;
  --tint: #e6f0f1; --weak: #a3402a;
  --serif: Charter, "Iowan Old Style", Palatino, "Palatino Linotype", Georgia, serif;
}
@media (prefers-color-scheme: dark) {
  :root { --paper: #14171c; --card: #1c2128; --ink: #e9e6df; --soft: #a3abb8; --line: #7b8594;
    --accent: #79c5d4; --tint: #1d3238; --weak: #f0937c; }
}
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 20px;
  background: var(--paper); color: var(--ink);
  font: 16px/1.5 ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
main { width: min(360px, 100%); }
h1 { display: flex; align-items: center; gap: 12px; margin: 0 0 22px; font: 700 26px var(--serif);
  letter-spacing: -.01em; }
svg { width: 36px; height: 36px; flex: none; }
label { display: block; margin: 14px 0 5px; font-size: 15px; color: var(--soft); }
input, button { width: 100%; min-height: 46px; padding: 9px 14px; border-radius: 12px; font: inherit;
  font-size: 17px; }
input { border: 1px solid var(--line); background: var(--card); color: var(--ink); }
button { margin-top: 24px; border: 0; background: var(--accent); color: var(--paper); font-weight: 600;
  cursor: pointer; }
:is(input, button):focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.notice { margin: 0 0 6px; padding: 11px 16px; border: 1px solid var(--weak); border-radius: 10px;
  background: var(--card); }
</style>
</head>
<body>
<main>
<h1><svg viewBox="0 0 32 32" aria-hidden="true"><rect width="32" height="32" rx="8" fill="#0f6273"/>
<path d="M8 21V15q0-5 5-6v3q-2 .6-2 3h3v6zM18 21V15q0-5 5-6v3q-2 .6-2 3h3v6z" fill="#fff"/></svg>Citewire</h1>
<!--said-->
<form method="post" action="/login">
<label for="username">Name</label>
<input id="username" name="username" autocomplete="username" autocapitalize="none" spellcheck="false"
  maxlength="64" required autofocus<!--described-->>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required<!--described-->>
<button>Log in</button>
</form>
</main>
</body>
</html>
"""
