"""The server: a process as `citewire chat --serve` starts it, asked by browsers, programs and the hostile.

``pytest tests/test_web_server.py -s`` prints what became of each hostile request.
"""

import contextlib
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest
from fastapi import APIRouter
from gradio_client import Client
from gradio_client.exceptions import AuthenticationError

from index.errors import CitewireError
from qa.web import server
from qa.web.server import QUEUE, Server, Service, announcement, make_app, serve
from qa.web.users import set_password

ROOT = Path(__file__).parents[1]
CHROMIUM = Path("/usr/bin/chromium")
NAME, PASSWORD = "ana", "correct horse"
ARTICLE = "The keeper of Brannock Lighthouse is Oona Fairweather. Brannock Lighthouse was built in 1871.\n"
# What would open Gradio, were it asked: none of it may count.
HOSTILE_ENVIRONMENT = {
    "GRADIO_ALLOWED_PATHS": "/etc", "GRADIO_SHARE": "True", "GRADIO_ROOT_PATH": "http://evil.example/x",
    "GRADIO_MCP_SERVER": "True", "GRADIO_SSR_MODE": "True", "GRADIO_RUN_HISTORY": "True",
    "GRADIO_ANALYTICS_ENABLED": "True", "GRADIO_SERVER_NAME": "0.0.0.0", "GRADIO_SERVER_PORT": "1",
    "GRADIO_NUM_WORKERS": "4", "GRADIO_PROFILING": "1", "GRADIO_LOCAL_DEV_MODE": "1",
    "FORWARDED_ALLOW_IPS": "*", "WEB_CONCURRENCY": "4",
}  # fmt: skip


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Served:
    """The process, and requests to it that no client has tidied up."""

    def __init__(self, home: Path) -> None:
        folder = home / "articles"
        folder.mkdir()
        (folder / "lighthouse.txt").write_text(ARTICLE)
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        users = home / "users"
        set_password(users, NAME, PASSWORD)
        command = [
            sys.executable, "-m", "qa.cli", "chat", "--articles", folder, "--index", home / "index", "--serve",
            "--host", "127.0.0.1", "--port", str(self.port), "--users", users, "--allow-host", "chat.example.org",
        ]  # fmt: skip
        environment = {
            **os.environ,
            **HOSTILE_ENVIRONMENT,
            "PYTHONPATH": str(ROOT),
            "XDG_DATA_HOME": str(home),
        }
        self.process = subprocess.Popen(
            command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert self.process.stdout
        self.line = self.process.stdout.readline()
        assert self.line, self.process.communicate()[1]
        self.table: list[tuple[str, str]] = []

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> http.client.HTTPResponse:
        """Send one request as it is; a body that is a list goes in chunks, without a Content-Length."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        given = {"Content-Type": "application/json", **(headers or {})}
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # refused before it was all sent
            connection.request(method, path, body, given, encode_chunked=isinstance(body, list))
        reply = connection.getresponse()
        reply.text = reply.read().decode()  # type: ignore[attr-defined]
        connection.close()
        return reply

    def note(self, what: str, became: object) -> None:
        self.table.append((what, str(became)))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    running = Served(tmp_path_factory.mktemp("served"))
    yield running
    began = time.monotonic()
    running.process.terminate()
    running.process.communicate(timeout=30)
    print(f"\n\n{'request':<68} status")
    for what, became in running.table:
        print(f"{what:<68} {became}")
    assert time.monotonic() - began < 10


@pytest.fixture(scope="module")
def client(served: Served) -> Client:
    return Client(served.address, auth=(NAME, PASSWORD), verbose=False, httpx_kwargs={"timeout": 60})


@pytest.fixture(scope="module")
def cookie(client: Client) -> dict[str, str]:
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in client.cookies.items())}


def test_it_says_where_it_is(served: Served) -> None:
    assert served.line == f"Citewire is at http://chat.example.org:{served.port}/; Ctrl+C stops it\n"


QUESTION = json.dumps({"data": ["why " * 262_144], "session_hash": "a", "fn_index": 0}).encode()
IN_CHUNKS = [QUESTION[at : at + 8192] for at in range(0, len(QUESTION), 8192)]
FILE = (
    b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.html"\r\n'
    b"Content-Type: text/html\r\n\r\n<script>alert(1)</script>\r\n--b--\r\n"
)
MULTIPART = {"Content-Type": "multipart/form-data; boundary=b"}
JOIN, CALL = "/gradio_api/queue/join", "/gradio_api/call/ask"


@pytest.mark.parametrize(
    ("what", "method", "path", "body", "headers", "status"),
    [
        ("foreign Host", "GET", "/", None, {"Host": "evil.example"}, 421),
        ("foreign Host, as DNS rebinding", "POST", JOIN, b"{}", {"Host": "evil.example:7860"}, 421),
        ("Host that begins like ours", "GET", "/", None, {"Host": "127.0.0.1.evil.example"}, 421),
        ("X-Forwarded-Host of ours, foreign Host", "GET", "/", None, {"Host": "evil.example", "X-Forwarded-Host": "localhost"}, 421),
        ("no Host", "GET", "/", None, {"Host": ""}, 400),
        ("foreign Origin", "POST", JOIN, b"{}", {"Origin": "http://evil.example"}, 403),
        ("foreign Origin on this machine", "POST", JOIN, b"{}", {"Origin": "http://127.0.0.1:1"}, 403),
        ("Origin null", "POST", JOIN, b"{}", {"Origin": "null"}, 403),
        ("foreign Origin logging in", "POST", "/login", b"", {"Origin": "http://evil.example"}, 403),
        ("preflight from elsewhere", "OPTIONS", CALL, None, {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}, 403),
        ("image of another site", "GET", "/api/ask?question=x", None, {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        *(
            ("file", "GET", path, None, {}, 404)
            for path in (
                "/gradio_api/file=/etc/passwd", "/gradio_api/file=%2Fetc%2Fpasswd", "/gradio_api/file%3D/etc/passwd",
                "/gradio_api/file/etc/passwd", "/file=/etc/passwd", "/file/etc/passwd",
                "/gradio_api/file=../../../../etc/passwd", "/gradio_api//file=/etc/passwd",
                "/gradio_api/./file=/etc/passwd", "/assets/../../../../../../etc/passwd",
                "/assets/%2e%2e/%2e%2e/%2e%2e/etc/passwd", "/static/..%2f..%2f..%2fetc%2fpasswd",
                "/assets/%252e%252e/etc/passwd", "/page/../../../etc/passwd", "/page/%2e%2e/users",
                "/assets//etc/passwd", "/static/%00/etc/passwd", "/svelte/../../etc/passwd",
            )
        ),
        ("proxy", "GET", "/gradio_api/file=http://127.0.0.1:1/", None, {}, 404),
        ("proxy", "GET", "/gradio_api/proxy=https://x.hf.space/", None, {}, 404),
        ("unneeded upload", "POST", "/gradio_api/upload", FILE, MULTIPART, 404),
        ("unneeded upload, 1 MB", "POST", "/gradio_api/upload", FILE * 6000, MULTIPART, 404),
        ("past the queue", "POST", "/gradio_api/run/ask", b"{}", {}, 404),
        ("past the queue", "POST", "/gradio_api/api/ask", b"{}", {}, 404),
        *(
            ("not needed", "GET", path, None, {}, 404)
            for path in (
                "/monitoring", "/monitoring/summary", "/gradio_api/runs", "/gradio_api/run-history/buckets",
                "/gradio_api/dev/reload", "/gradio_api/vibe-code", "/gradio_api/deep_link", "/gradio_api/token",
                "/gradio_api/custom_component/a/client/component/index.js", "/gradio_api/stream/a/1/2/playlist-file",
                "/gradio_api/profiling/summary", "/gradio_api/mcp/schema", "/openapi.json", "/docs",
            )
        ),
        ("1 MB question", "POST", JOIN, QUESTION, {}, 413),
        ("1 MB question", "POST", CALL, QUESTION, {}, 413),
        ("1 MB question", "POST", "/api/ask", QUESTION, {}, 413),
        ("1 MB question, in chunks without a length", "POST", JOIN, IN_CHUNKS, {}, 413),
        ("1 MB question, in chunks without a length", "POST", CALL, IN_CHUNKS, {}, 413),
        ("1 MB login, in chunks without a length", "POST", "/login", IN_CHUNKS, {}, 413),
        ("20 KB of headers", "GET", "/", None, {"X-Long": "x" * 20_000}, 431),
    ],
)  # fmt: skip
def test_a_hostile_request_is_refused(
    served: Served, cookie: dict[str, str], what: str, method: str, path: str, body: Any, headers: dict[str, str], status: int
) -> None:  # fmt: skip
    reply = served.ask(method, path, body, {**cookie, **headers})
    assert reply.status == status
    assert "root:" not in reply.text
    assert not [name for name, _ in reply.getheaders() if name.lower().startswith("access-control")]
    served.note(f"{what}: {method} {path}", reply.status)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("GET", "/config"), ("GET", "/page/about"), ("GET", "/gradio_api/info"), ("POST", JOIN),
     ("POST", CALL), ("GET", "/api/ask"), ("GET", "/theme.css"), ("GET", "/gradio_api/queue/data?session_hash=a"),
     ("GET", "/gradio_api/heartbeat/a")],
)  # fmt: skip
def test_a_stranger_is_sent_away(served: Served, method: str, path: str) -> None:
    reply = served.ask(method, path, b"{}" if method == "POST" else None)
    assert reply.status == 401
    served.note(f"no session: {method} {path}", reply.status)


def test_the_page_says_nothing_of_gradios_defaults(served: Served, cookie: dict[str, str]) -> None:
    config = json.loads(served.ask("GET", "/config", headers=cookie).text)  # type: ignore[attr-defined]
    assert config["root"] == served.address
    assert config["analytics_enabled"] is False
    assert not config.get("mcp_server")
    reply = served.ask("GET", "/", headers={**cookie, "X-Forwarded-Host": "evil.example"})
    assert reply.status == 200
    assert "evil.example" not in reply.text
    assert reply.getheader("server") is None
    assert reply.getheader("cache-control") == "no-store"


def test_programs_log_in_as_gradios_client_does(served: Served, client: Client) -> None:
    assert client.config["title"] == "Citewire"
    with pytest.raises(AuthenticationError):
        Client(served.address, auth=(NAME, "wrong password"), verbose=False, httpx_kwargs={"timeout": 60})
    assert served.ask("GET", "/config", headers={"Cookie": "citewire=guess"}).status == 401


def test_curl_sends_name_and_password_along(served: Served) -> None:
    right = httpx.get(f"{served.address}/gradio_api/info", auth=(NAME, PASSWORD), timeout=60)
    assert right.status_code == 200
    assert "named_endpoints" in right.json()
    wrong = httpx.get(f"{served.address}/gradio_api/info", auth=(NAME, "wrong"), timeout=60)
    assert wrong.status_code == 401


def test_of_100_wrong_logins_five_are_looked_at(served: Served) -> None:
    """Under a name of its own: the tests around this one log in too."""
    with httpx.Client(base_url=served.address, timeout=60) as http:
        began = time.monotonic()
        statuses = [
            http.post("/login", data={"username": "bo", "password": f"guess {n}"}).status_code
            for n in range(100)
        ]
        seconds = time.monotonic() - began
    assert statuses == [401] * 5 + [429] * 95
    served.note(f"100 wrong logins, in {seconds:.1f} s: POST /login", "5 x 401, 95 x 429")


def test_a_person_logs_in_asks_and_logs_out(served: Served) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM.exists():
        pytest.skip(f"needs {CHROMIUM}")
    said: list[str] = []
    hosts: set[str] = set()
    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu", *quiet]
        )
        page = browser.new_page()
        page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: said.append(f"error: {error}"))
        page.on("request", lambda request: hosts.add(re.sub(r"^https?://([^/]*)/.*", r"\1", request.url)))
        page.goto(served.address)
        assert page.url == f"{served.address}/login"
        page.wait_for_function("document.activeElement.id === 'username'")
        page.keyboard.type(NAME)
        page.keyboard.press("Tab")
        page.keyboard.type("battery staple")
        page.keyboard.press("Enter")
        page.get_by_role("alert").wait_for()
        assert page.get_by_role("alert").inner_text() == "Wrong name or password"
        said.clear()  # Chromium notes the 401
        page.get_by_label("Name").fill(NAME)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.locator("#welcome h2").wait_for(timeout=60_000)
        page.fill("#ask textarea", "Who is the keeper of Brannock Lighthouse?")
        page.press("#ask textarea", "Enter")
        page.locator(".turn .answer").wait_for(timeout=120_000)
        assert page.locator(".turn .answer").inner_text().startswith("Oona Fairweather")
        page.goto(f"{served.address}/logout")
        page.get_by_label("Password").wait_for()
        page.goto(served.address)
        assert page.url == f"{served.address}/login"
        browser.close()
    assert hosts <= {served.address.removeprefix("http://")}
    assert [line for line in said if line.startswith(("error", "warning"))] == []


def test_the_login_page_has_no_finding_of_axe(served: Served) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    if not CHROMIUM.exists():
        pytest.skip(f"needs {CHROMIUM}")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"]
        )
        for scheme in ("light", "dark"):
            context = browser.new_context(bypass_csp=True, color_scheme=scheme)  # axe is put into the page
            page = context.new_page()
            page.goto(f"{served.address}/login")
            found = axe.Axe().run(page)
            assert found.violations_count == 0, found.generate_report()
        browser.close()


# The rest runs in this process, on a page that loads no models.


def slow_page(gate: threading.Event) -> gr.Blocks:
    def wait(text: str) -> str:
        """Wait, then give the text back."""
        gate.wait(30)
        return text

    def at_once(text: str) -> str:
        """Give the text back."""
        return text

    def broken(text: str) -> str:
        raise RuntimeError(f"a secret of the inside: {text}")

    blocks: gr.Blocks
    with gr.Blocks(analytics_enabled=False) as blocks:
        gr.api(wait, api_name="wait", concurrency_limit=2)
        gr.api(at_once, api_name="at_once", queue=False)
        gr.api(broken, api_name="broken")
    return blocks


def broken_router() -> APIRouter:
    router = APIRouter()

    @router.get("/api/broken")
    def broken() -> None:
        raise RuntimeError("a secret of the inside")

    return router


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def running(gate: threading.Event) -> Iterator[Server]:
    service = Service(port=free_port(), add=False)
    started = serve(make_app(slow_page(gate), service, [broken_router()]), service)
    yield started
    gate.set()
    started.stop()


def base(running: Server) -> str:
    return f"http://127.0.0.1:{running.port}"


def test_clients_predict_and_submit_and_curl_calls(running: Server, gate: threading.Event) -> None:
    gate.set()
    client = Client(base(running), verbose=False)
    assert client.predict("a", api_name="/wait") == "a"
    assert client.submit("b", api_name="/wait").result(timeout=20) == "b"
    client.close()
    with httpx.Client(base_url=base(running)) as http:
        event = http.post("/gradio_api/call/wait", json={"data": ["c"]}).json()["event_id"]
        assert 'event: complete\ndata: ["c"]' in http.get(f"/gradio_api/call/wait/{event}").text


def test_one_client_may_ask_much_at_once(running: Server, gate: threading.Event) -> None:
    client = Client(base(running), verbose=False)
    jobs = [client.submit(str(number), api_name="/wait") for number in range(QUEUE - 4)]
    gate.set()
    assert [job.result(timeout=30) for job in jobs] == [str(number) for number in range(QUEUE - 4)]
    client.close()


def test_a_full_queue_answers_503_at_once(running: Server, gate: threading.Event) -> None:
    with httpx.Client(base_url=base(running), timeout=5) as http:
        statuses = [
            http.post("/gradio_api/call/wait", json={"data": ["a"]}).status_code for _ in range(QUEUE + 10)
        ]
        assert set(statuses[:QUEUE]) == {200}
        assert statuses[-1] == 503
        began = time.monotonic()
        join = {"data": ["a"], "session_hash": "x", "fn_index": 0}
        assert http.post("/gradio_api/queue/join", json=join).status_code == 503
        assert time.monotonic() - began < 1


def test_faults_show_nothing_of_the_inside(running: Server, caplog: pytest.LogCaptureFixture) -> None:
    reply = httpx.get(f"{base(running)}/api/broken")
    assert reply.status_code == 500
    assert "secret" not in reply.text
    assert "a secret of the inside" in caplog.text
    with httpx.Client(base_url=base(running)) as http:
        event = http.post("/gradio_api/call/broken", json={"data": ["a"]}).json()["event_id"]
        shown = http.get(f"/gradio_api/call/broken/{event}").text
    assert "event: error" in shown
    assert "secret" not in shown


def test_it_stops_within_seconds_with_a_stream_open(gate: threading.Event) -> None:
    service = Service(port=free_port())
    started = serve(make_app(slow_page(gate), service), service)
    with (
        httpx.Client(base_url=base(started), timeout=20) as http,
        http.stream("GET", "/gradio_api/heartbeat/a") as stream,
    ):
        assert next(stream.iter_text()).startswith("data: ALIVE")
        began = time.monotonic()
        started.stop()
        assert time.monotonic() - began < 5
    with pytest.raises(httpx.ConnectError):
        httpx.get(base(started))


def test_half_a_request_is_not_waited_for(gate: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "KEEP_ALIVE", 3)
    service = Service(port=free_port())
    started = serve(make_app(slow_page(gate), service), service)
    try:
        for sent in (b"", b"GET / HTTP/1.1\r\nHost: loc"):
            with socket.create_connection(("127.0.0.1", started.port), timeout=10) as connection:
                connection.sendall(sent)
                assert connection.recv(100) == b""
        with httpx.Client(base_url=base(started)) as http:
            assert http.get("/config").status_code == 200
            time.sleep(2.1)
            assert http.get("/config").status_code == 200
    finally:
        started.stop()


def test_a_client_that_reads_nothing_is_let_go(
    gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "STUCK", 1)
    service = Service(port=free_port())
    started = serve(make_app(slow_page(gate), service), service)
    open_now = started._uvicorn.server_state.connections
    try:
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", started.port))
            until = time.monotonic() + 30
            while not open_now and time.monotonic() < until:
                time.sleep(0.01)
            assert open_now
            connection.settimeout(0.5)
            with contextlib.suppress(OSError):  # taken no more, or ended
                for _ in range(3000):
                    connection.sendall(b"GET /config HTTP/1.1\r\nHost: localhost\r\n\r\n")
            until = time.monotonic() + 8
            while open_now and time.monotonic() < until:
                time.sleep(0.05)
            assert not open_now
    finally:
        started.stop()


def test_a_proxy_on_this_machine_says_that_it_speaks_tls(gate: threading.Event, tmp_path: Path) -> None:
    set_password(tmp_path / "users", NAME, PASSWORD)
    service = Service(host="::", port=free_port(), users=tmp_path / "users")
    started = serve(make_app(slow_page(gate), service), service)
    try:
        for address in ("127.0.0.1", "[::1]"):  # the first is ::ffff:127.0.0.1 to a socket of IPv6
            reply = httpx.post(
                f"http://{address}:{started.port}/login",
                data={"username": NAME, "password": PASSWORD},
                headers={"x-forwarded-proto": "https"},
            )
            assert "; Secure" in reply.headers["set-cookie"], address
    finally:
        started.stop()


def test_the_pages_files_are_sent_once(gate: threading.Event, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    for name in ("page.js", "page.css", "page.py", "page.html"):
        (tmp_path / name).write_text("/* ours */")
    monkeypatch.setattr(server, "__file__", str(tmp_path / "server.py"))
    service = Service(port=free_port())
    started = serve(make_app(slow_page(gate), service), service)
    try:
        with httpx.Client(base_url=base(started)) as http:
            script, style = http.get("/page/page.js"), http.get("/page/page.css")
            assert script.headers["content-type"] == "text/javascript; charset=utf-8"
            assert style.headers["content-type"] == "text/css; charset=utf-8"
            assert (script.text, style.text) == ("/* ours */", "/* ours */")
            again = http.get("/page/page.js", headers={"if-none-match": script.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")
            assert http.get("/page/page.py").status_code == 404
            assert http.get("/page/page.html").status_code == 404
            asset = re.search(r'src="\./(assets/[^"]+)"', http.get("/").text)
            assert asset
            assert "immutable" in http.get(f"/{asset[1]}").headers["cache-control"]
    finally:
        started.stop()


def test_mcp_answers_by_flag_only(gate: threading.Event, running: Server) -> None:
    pytest.importorskip("mcp")
    hello = {
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {"protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
    }  # fmt: skip
    accept = {"accept": "application/json, text/event-stream"}
    service = Service(port=free_port(), mcp=True)
    started = serve(make_app(slow_page(gate), service), service)
    try:
        asked = [
            httpx.post(f"{base(it)}/gradio_api/mcp/", json=hello, headers=accept) for it in (started, running)
        ]
        assert [reply.status_code for reply in asked] == [200, 404]
        assert '"protocolVersion"' in asked[0].text
        call = {
            "jsonrpc": "2.0",
            "id": 2,
            "method": "tools/call",
            "params": {"name": "at_once", "arguments": {"text": "a"}},
        }
        assert '"text":"a"' in httpx.post(f"{base(started)}/gradio_api/mcp/", json=call, headers=accept).text
        foreign = {**accept, "origin": "http://evil.example"}
        assert httpx.post(f"{base(started)}/gradio_api/mcp/", json=hello, headers=foreign).status_code == 403
    finally:
        started.stop()


def test_mcp_that_is_not_installed_is_one_line(
    gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(CitewireError) as error:
        make_app(slow_page(gate), Service(mcp=True))
    assert str(error.value) == "the MCP server is not installed; add it with: pip install 'citewire[mcp]'"


@pytest.mark.parametrize(
    ("service", "port", "line"),
    [
        (Service(), 7860, "Citewire is at http://127.0.0.1:7860/; Ctrl+C stops it"),
        (Service(), 7861, "Citewire is at http://127.0.0.1:7861/ (port 7860 is taken); Ctrl+C stops it"),
        (Service(port=80), 80, "Citewire is at http://127.0.0.1:80/; Ctrl+C stops it"),
        (
            Service(host="0.0.0.0", users=Path("u")),
            7860,
            f"Citewire is at http://{socket.gethostname()}:7860/; Ctrl+C stops it",
        ),
        (Service(host="::1"), 7860, "Citewire is at http://[::1]:7860/; Ctrl+C stops it"),
    ],
)
def test_the_line_names_an_address_that_is_answered_to(service: Service, port: int, line: str) -> None:
    assert announcement(service, port) == line
    assert re.search(r"//(.*):\d+/", line)[1] in service.answers_to  # type: ignore[index]


def test_one_person_is_answered_on_this_machine_only() -> None:
    assert set(Service().answers_to) == {"localhost", "127.0.0.1", "[::1]"}
    assert socket.gethostname() in Service(host="0.0.0.0", users=Path("u")).answers_to


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--serve", "--users", "{}/users"], "nobody can log in yet; add someone with: citewire password NAME --users {}/users"),
        (["--host", "0.0.0.0"], "--host, --allow-host and --users need --serve; without it the chat is for you alone"),
        (["--allow-host", "x"], "--host, --allow-host and --users need --serve; without it the chat is for you alone"),
    ],
)  # fmt: skip
def test_a_mistaken_start_is_one_line_at_once(tmp_path: Path, options: list[str], said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "qa.cli", "chat", *(option.format(tmp_path) for option in options)],
        capture_output=True, text=True, check=False, timeout=60, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"citewire: {said.format(tmp_path)}\n"


def test_an_address_of_another_machine_is_one_line(gate: threading.Event) -> None:
    service = Service(host="192.0.2.1", port=free_port(), users=Path("u"))
    with pytest.raises(CitewireError, match=r"192\.0\.2\.1 is not an address of this machine"):
        Server(broken_router(), service)  # type: ignore[arg-type]
