"""The guard by itself, before a small app that says what reached it."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.types import Message, Receive, Scope, Send

from qa.web import additions, guard, votes
from qa.web.guard import BODY, Gate, Guard
from qa.web.replies import CHARS, TURNS, AskedInTurn

PAGE = (
    '<base href="./" /><meta property="og:title" content="Gradio" /><link rel="manifest" href="/m" />'
    '<script>let a</script><script data-gradio-mode>let b</script><script type="module" src="./x.js"></script>'
)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Count the body, or be the page, or break."""
    request = Request(scope, receive)
    response: Response
    match scope["path"]:
        case "/":
            response = HTMLResponse(PAGE)
        case "/api/broken":
            raise RuntimeError("a secret of the inside")
        case "/api/swallows":  # as FastAPI does with whatever goes wrong while a body is read
            try:
                response = JSONResponse(len(await request.body()))
            except Exception:
                response = JSONResponse("there was an error parsing the body", 400)
        case "/api/headers":
            response = JSONResponse({k.decode(): v.decode() for k, v in scope["headers"]})
        case "/api/open":
            response = PlainTextResponse("", headers={"access-control-allow-origin": "http://a.example"})
        case _:
            response = JSONResponse(len(await request.body()))
    await response(scope, receive, send)


def client(**options: Any) -> httpx.AsyncClient:
    gate = Gate.of(["localhost", "127.0.0.1", "[::1]", "Chat.example.org"], **options)
    transport = httpx.ASGITransport(Guard(app, gate), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost:7860")


def ask(method: str, path: str, *, options: dict[str, Any] | None = None, **request: Any) -> httpx.Response:
    async def go() -> httpx.Response:
        async with client(**(options or {})) as http:
            return await http.request(method, path, **request)

    return asyncio.run(go())


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("localhost:7860", 200),
        ("LOCALHOST.", 200),
        ("127.0.0.1:80", 200),
        ("[::1]:7860", 200),
        ("chat.example.org", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.nip.io", 421),
        ("10.0.0.1", 421),
        ("", 400),
        ("localhost:7860:7860", 400),
        ("localhost:x", 400),
        ("user@localhost", 400),
        ("localhost/evil", 400),
    ],
)
def test_only_known_hosts_are_answered_to(host: str, status: int) -> None:
    assert ask("GET", "/config", headers={"host": host}).status_code == status


def test_two_hosts_are_none() -> None:
    reply = ask("GET", "/config", headers=[("host", "localhost"), ("host", "evil.example")])
    assert reply.status_code == 400


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": "http://localhost:7860"}, 200),
        ({"origin": "http://localhost:7860", "sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "none"}, 200),
        ({"origin": "https://chat.example.org", "host": "chat.example.org"}, 200),
        ({"origin": "http://chat.example.org:80", "host": "chat.example.org"}, 200),
        ({"origin": "http://[::1]:7860", "host": "[::1]:7860"}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": ""}, 403),
        ({"origin": "http://localhost"}, 403),
        ({"origin": "http://localhost:3000"}, 403),
        ({"origin": "http://127.0.0.1:7860"}, 403),
        ({"origin": "file://localhost:7860"}, 403),
        ({"origin": "http://[broken"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors"}, 403),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, 403),
    ],
)
def test_other_sites_can_ask_nothing(headers: dict[str, str], status: int) -> None:
    assert ask("POST", "/gradio_api/queue/join", headers=headers).status_code == status


def test_a_link_from_another_site_opens_the_page_and_nothing_else() -> None:
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert ask("GET", "/", headers=link).status_code == 200
    assert ask("GET", "/api/ask?question=x", headers=link).status_code == 403
    assert ask("GET", "/logout", headers=link, options={"login": True}).status_code == 403


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", path) for path in ("/", "/config", "/theme.css", "/assets/index-D_1.js", "/page/page.js")),
        *(("GET", path) for path in ("/static/js/a.b.min.js", "/api/ask", "/gradio_api/info")),
        *(
            ("GET", path)
            for path in ("/gradio_api/heartbeat/a1", "/gradio_api/queue/data", "/api/openapi.json")
        ),
        *(("POST", path) for path in ("/gradio_api/queue/join", "/gradio_api/call/ask", "/page/vote")),
        ("GET", "/gradio_api/call/ask/0a1b"),
    ],
)
def test_what_the_page_and_programs_need_is_let_through(method: str, path: str) -> None:
    assert ask(method, path).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file/etc/passwd",
        "/gradio_api/file%3D/etc/passwd",
        "/file=/etc/passwd",
        "/gradio_api/file=http://evil.example/",
        "/gradio_api/proxy=http://evil.example/",
        "/assets/../../../etc/passwd",
        "/assets/%2e%2e/%2e%2e/etc/passwd",
        "/assets/..%2f..%2fetc%2fpasswd",
        "/static//etc/passwd",
        "/page/.hidden",
        "/page/..",
        "/gradio_api/upload",
        "/gradio_api/upload_progress",
        "/gradio_api/run/ask",
        "/gradio_api/api/ask",
        "/gradio_api/runs",
        "/gradio_api/run-history/records",
        "/gradio_api/dev/reload",
        "/gradio_api/deep_link",
        "/gradio_api/component_server",
        "/gradio_api/custom_component/a/client/component/index.js",
        "/gradio_api/stream/a/b/c/playlist.m3u8",
        "/gradio_api/vibe-code",
        "/gradio_api/profiling/traces",
        "/gradio_api/process_recording",
        "/gradio_api/token",
        "/gradio_api/mcp/",
        "/gradio_api",
        "/monitoring",
        "/monitoring/summary",
        "/openapi.json",
        "/docs",
        "/login",
        "/logout",
        "/pwa_icon",
        "/svelte/x.js",
        "/api",
        "/config/x",
        "//",
        "/\nconfig",
        "/config\n",
        "/assets/ｉndex.js",
        "",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_what_nobody_needs_is_not_found(method: str, path: str) -> None:
    # Straight to the gate: a client would tidy the path up first.
    gate = Gate.of(["localhost"])
    assert gate.refusal(method, path, Headers({"host": "localhost"})) == (404, "not found")


def test_flags_open_their_own_routes_only() -> None:
    assert ask("POST", "/login", options={"login": True}).status_code == 200
    assert ask("POST", "/gradio_api/mcp/", options={"login": True}).status_code == 404
    assert ask("POST", "/gradio_api/mcp/", options={"mcp": True}).status_code == 200
    assert ask("POST", "/gradio_api/mcp/messages/", options={"mcp": True}).status_code == 200
    assert ask("POST", "/login", options={"mcp": True}).status_code == 404


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/"), ("OPTIONS", "/api/ask"), ("PUT", "/page/vote"), ("DELETE", "/config")]
)
def test_a_known_route_takes_its_own_methods(method: str, path: str) -> None:
    assert ask(method, path).status_code == 405


def test_the_head_of_a_request_has_a_limit() -> None:
    assert ask("GET", "/api/ask?question=" + "x" * 15_000).status_code == 200
    assert ask("GET", "/api/ask?question=" + "x" * 17_000).status_code == 431
    assert ask("GET", "/config", headers={"cookie": "x" * 17_000}).status_code == 431


def chunks(size: int, each: int = 4096) -> AsyncIterator[bytes]:
    async def give() -> AsyncIterator[bytes]:
        for start in range(0, size, each):
            yield b"x" * min(each, size - start)

    return give()


@pytest.mark.parametrize("path", ["/gradio_api/queue/join", "/api/swallows"])
def test_a_body_is_counted_as_it_comes(path: str) -> None:
    assert ask("POST", path, content=b"x" * BODY).json() == BODY
    assert ask("POST", path, content=chunks(BODY)).json() == BODY
    assert ask("POST", path, content=b"x" * (BODY + 1)).status_code == 413
    reply = ask("POST", path, content=chunks(BODY + 1))
    assert reply.status_code == 413
    assert reply.json() == {"detail": "the request is too large"}


def test_articles_may_be_larger() -> None:
    assert ask("POST", "/page/articles", content=chunks(1_000_000)).json() == 1_000_000
    assert (
        ask("POST", "/page/articles", content=b"", headers={"content-length": str(33 << 20)}).status_code
        == 413
    )


def test_what_the_routes_take_gets_as_far() -> None:
    words = "\U0001f6f6" * CHARS  # four bytes each
    asked = {"question": words, "turns": [[words, words]] * TURNS, "source": [words] * 100}
    body = AskedInTurn.model_validate(asked).model_dump_json().encode()
    assert ask("POST", "/api/ask", content=body).json() == len(body)
    assert ask("POST", "/page/vote", content=chunks(votes.BODY)).json() == votes.BODY
    assert guard.BODIES_SECONDS["/page/articles"] > additions.RECEIVE
    assert guard.BODIES["/page/articles"] > additions.MAX_BYTES


def drive(receive: Callable[[], Awaitable[Message]], path: str = "/api/ask") -> list[Message]:
    """Send one POST straight to the guard, as a server would."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": path, "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"content-length", b"10")],
    }  # fmt: skip
    asyncio.run(Guard(app, Gate.of(["localhost"]))(scope, receive, send))
    return sent


def test_a_length_that_lies_is_no_way_round() -> None:
    async def receive() -> Message:
        return {"type": "http.request", "body": b"x" * 40_000, "more_body": True}

    sent = drive(receive)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert sent[0]["status"] == 413


def test_a_length_of_thousands_of_digits_is_too_large() -> None:
    assert ask("POST", "/api/ask", content=b"", headers={"content-length": "9" * 5000}).status_code == 413


def test_a_body_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "BODY_SECONDS", 0.05)

    async def receive() -> Message:
        await asyncio.sleep(0.02)
        return {"type": "http.request", "body": b"x", "more_body": True}

    assert drive(receive)[0]["status"] == 408


def test_articles_have_their_own_time_to_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "BODY_SECONDS", 0.05)
    parts = iter([True] * 9 + [False])

    async def receive() -> Message:
        await asyncio.sleep(0.02)
        return {"type": "http.request", "body": b"x", "more_body": next(parts)}

    sent = drive(receive, "/page/articles")
    assert (sent[0]["status"], sent[1]["body"]) == (200, b"10")


def test_the_page_gets_a_fresh_nonce_on_its_own_scripts_and_loses_the_advertisement() -> None:
    first, second = ask("GET", "/"), ask("GET", "/")
    nonce = first.headers["content-security-policy"].split("'nonce-")[1].split("'")[0]
    assert first.text == (
        f'<script nonce="{nonce}">let a</script><script nonce="{nonce}" data-gradio-mode>let b</script>'
        '<script type="module" src="./x.js"></script>'
    )
    assert first.headers["content-security-policy"] != second.headers["content-security-policy"]
    assert "script-src 'self' 'nonce-" in first.headers["content-security-policy"]
    assert "'unsafe-inline'" not in first.headers["content-security-policy"].split("style-src")[0]


@pytest.mark.parametrize(
    ("path", "status"), [("/", 200), ("/config", 200), ("/monitoring", 404), ("/api/broken", 500)]
)
def test_every_reply_carries_the_headers(path: str, status: int) -> None:
    reply = ask("GET", path)
    assert reply.status_code == status
    policy = reply.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "frame-ancestors 'none'" in policy
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["referrer-policy"] == "no-referrer"
    assert reply.headers["cross-origin-opener-policy"] == "same-origin"
    assert reply.headers["cache-control"] == "no-store"


def test_no_reply_is_opened_to_other_sites() -> None:
    assert not [name for name in ask("GET", "/api/open").headers if name.startswith("access-control")]


def test_a_fault_is_logged_and_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "citewire.web"):
        reply = ask("GET", "/api/broken")
    assert reply.json() == {"detail": "something broke inside; the server's log says what"}
    assert "a secret of the inside" in caplog.text


def test_nobody_else_says_where_the_page_is() -> None:
    given = {
        "x-forwarded-host": "evil.example",
        "forwarded": "host=evil.example",
        "x-gradio-server": "http://e/",
    }
    reached = ask("GET", "/api/headers", headers={**given, "x-kept": "1"}).json()
    assert "evil" not in json.dumps(reached)
    assert reached["x-kept"] == "1"
    assert not given.keys() & reached.keys()


def test_websockets_are_closed() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    asyncio.run(Guard(app, Gate.of(["localhost"]))({"type": "websocket", "path": "/"}, receive, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]
