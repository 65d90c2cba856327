"""The login: the users file, sessions, the limit on wrong passwords, and the command that sets one."""

import asyncio
import os
import stat
import subprocess
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import argon2
import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from index.errors import CitewireError
from qa.web import login, users
from qa.web.login import COOKIE, HOURS, SESSIONS, WINDOW, Failures, Login, Passes
from qa.web.users import Users, set_password

ROOT = Path(__file__).parents[1]
BROWSER = {"accept": "text/html,*/*"}
RIGHT = {"username": "ana", "password": "correct horse"}
WRONG = {"username": "ana", "password": "battery staple"}


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes that cost nothing: what they cost is argon2's own matter."""
    cheapest = argon2.PasswordHasher.from_parameters(argon2.profiles.CHEAPEST)
    monkeypatch.setattr(users, "HASHER", cheapest)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    set_password(tmp_path / "users", "ana", RIGHT["password"])
    return tmp_path / "users"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    await JSONResponse({"user": Request(scope).state.user})(scope, receive, send)


def door(place: Path) -> Login:
    return Login(app, Users.read(place))


def http(door: Login, address: str = "10.0.0.1", **options: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(door, client=(address, 1))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost", **options)


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def test_a_password_is_kept_as_a_hash_that_only_the_owner_can_read(tmp_path: Path) -> None:
    where = tmp_path / "new" / "users"
    assert set_password(where, "ana", "correct horse") is False
    assert set_password(where, "bo", "correct horse") is False
    first = where.read_text()
    assert set_password(where, "ana", "battery staple") is True
    assert stat.S_IMODE(where.stat().st_mode) == 0o600
    assert [line.split(":")[0] for line in where.read_text().splitlines()] == ["ana", "bo"]
    assert "correct" not in first
    assert first.splitlines()[0] not in where.read_text()
    assert first.splitlines()[1] in where.read_text()
    assert [path.name for path in where.parent.iterdir()] == ["users"]


@pytest.mark.parametrize(
    ("name", "password", "said"),
    [
        ("ana", "seven77", "the password has 7 characters; 8 are the least"),
        ("ana", "", "the password has 0 characters; 8 are the least"),
        ("a:b", "correct horse", "a name has up to 64 letters"),
        ("", "correct horse", "a name has up to 64 letters"),
        ("a\nb", "correct horse", "a name has up to 64 letters"),
        ("a" * 65, "correct horse", "a name has up to 64 letters"),
    ],
)
def test_what_will_not_do_is_one_line_and_changes_nothing(
    place: Path, name: str, password: str, said: str
) -> None:
    before = place.read_text()
    with pytest.raises(CitewireError, match=said):
        set_password(place, name, password)
    assert place.read_text() == before


def test_a_file_without_anybody_names_the_command(tmp_path: Path) -> None:
    for text in (None, "", "\n# nobody\n"):
        if text is not None:
            (tmp_path / "users").write_text(text)
        with pytest.raises(CitewireError) as error:
            Users.read(tmp_path / "users")
        assert str(error.value) == (
            f"nobody can log in yet; add someone with: citewire password NAME --users {tmp_path / 'users'}"
        )


@pytest.mark.parametrize("line", ["ana:secret", "ana", ":$argon2id$x", "ana $argon2id$x", "\x00"])
def test_a_damaged_file_is_one_line_with_its_number(place: Path, line: str) -> None:
    place.write_text(place.read_text() + line + "\n")
    with pytest.raises(CitewireError, match="line 2: expected NAME:HASH"):
        Users.read(place)


def test_a_changed_file_counts_at_once(place: Path) -> None:
    known = Users.read(place)
    assert known.check("ana", "correct horse")
    set_password(place, "ana", "battery staple")
    assert known.check("ana", "correct horse") is None
    assert known.check("ana", "battery staple")
    place.unlink()
    assert known.check("ana", "battery staple") is None


def test_an_unknown_name_costs_the_same_check(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = Users.read(place)
    checked: list[str] = []
    verify = argon2.PasswordHasher.verify

    def counted(self: argon2.PasswordHasher, hashed: str, password: str) -> bool:
        checked.append(hashed)
        return verify(self, hashed, password)

    monkeypatch.setattr(argon2.PasswordHasher, "verify", counted)
    assert known.check("ana", "wrong password") is None
    assert known.check("nobody", "wrong password") is None
    assert len(checked) == 2
    assert argon2.extract_parameters(checked[0]) == argon2.extract_parameters(checked[1])


def test_a_session_lasts_from_login_to_logout(place: Path) -> None:
    async def go() -> None:
        async with http(door(place)) as client:
            assert (await client.get("/page/about")).status_code == 401
            reply = await client.post("/login", data=RIGHT)
            assert (reply.status_code, reply.json()) == (200, {"success": True})
            cookie = reply.headers["set-cookie"]
            assert cookie.startswith(f"{COOKIE}=")
            assert {"HttpOnly", "SameSite=strict", "Path=/", "Max-Age=43200"} <= set(cookie.split("; "))
            assert "Secure" not in cookie
            assert (await client.get("/page/about")).json() == {"user": "ana"}
            stolen = client.cookies[COOKIE]
            assert (await client.get("/logout")).status_code == 200
            client.cookies.set(COOKIE, stolen)
            assert (await client.get("/page/about")).status_code == 401

    run(go())


def test_a_browser_is_led_to_the_form_and_back(place: Path) -> None:
    async def go() -> None:
        async with http(door(place), headers=BROWSER) as client:
            reply = await client.get("/")
            assert (reply.status_code, reply.headers["location"]) == (303, "/login")
            form = await client.get("/login")
            assert '<label for="password">' in form.text
            assert form.headers["content-security-policy"].startswith("default-src 'none'")
            wrong = await client.post("/login", data=WRONG)
            assert wrong.status_code == 401
            assert 'role="alert"' in wrong.text
            reply = await client.post("/login", data=RIGHT)
            assert (reply.status_code, reply.headers["location"]) == (303, "/")
            assert (await client.get("/")).json() == {"user": "ana"}
            reply = await client.get("/logout")
            assert (reply.status_code, reply.headers["location"]) == (303, "/login")

    run(go())


def test_over_https_the_cookie_stays_there(place: Path) -> None:
    async def go() -> None:
        async with http(door(place)) as client:
            reply = await client.post("https://localhost/login", data=RIGHT)
            assert "Secure" in reply.headers["set-cookie"].split("; ")

    run(go())


@pytest.mark.parametrize(
    "path", ["/", "/config", "/page/page.js", "/api/ask", "/gradio_api/queue/data", "/x"]
)
def test_a_stranger_gets_nothing(place: Path, path: str) -> None:
    async def go() -> None:
        async with http(door(place), cookies={COOKIE: "guessed"}) as client:
            assert (await client.get(path)).status_code == 401
            assert (await client.post(path)).status_code == 401

    run(go())


def test_a_script_of_the_page_opens_no_dialog_of_the_browser(place: Path) -> None:
    async def go() -> None:
        async with http(door(place)) as client:
            assert "www-authenticate" in (await client.get("/api/ask")).headers
            from_page = await client.get("/api/ask", headers={"sec-fetch-mode": "cors"})
            assert (from_page.status_code, from_page.headers.get("www-authenticate")) == (401, None)

    run(go())


def test_programs_may_send_name_and_password_along(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checks: list[str] = []
    check = Users.check
    monkeypatch.setattr(
        Users, "check", lambda self, *given: (checks.append(given[0]), check(self, *given))[1]
    )

    async def go() -> None:
        async with http(door(place)) as client:
            for _ in range(3):
                reply = await client.get("/api/ask", auth=("ana", RIGHT["password"]))
                assert reply.json() == {"user": "ana"}
            assert checks == ["ana"], "known by now"
            assert (await client.post("/gradio_api/call/ask", auth=("ana", RIGHT["password"]))).is_success
            assert (await client.get("/", auth=("ana", RIGHT["password"]))).status_code == 401
            assert (await client.get("/api/ask", auth=("ana", "x"))).status_code == 401
            for broken in ("Basic", "Basic !!!", "Basic /w==", "Bearer abc"):
                reply = await client.get("/api/ask", headers={"authorization": broken})
                assert reply.status_code == 401
            set_password(place, "ana", "battery staple")
            assert (await client.get("/api/ask", auth=("ana", RIGHT["password"]))).status_code == 401

    run(go())


def test_what_no_login_sends_is_refused(place: Path) -> None:
    async def go() -> None:
        async with http(door(place)) as client:
            fields = {**RIGHT, **{f"more{n}": "x" for n in range(7)}}
            assert (await client.post("/login", data=fields)).status_code == 400
            for given in (b"Basic \xe9", b"Basic !", b"Basic a", b"Basic 6Q=="):
                reply = await client.get("/api/ask", headers=[(b"authorization", given)])
                assert reply.status_code == 401

    run(go())


def test_of_100_wrong_logins_five_are_looked_at(place: Path) -> None:
    async def go() -> None:
        async with http(door(place)) as client:
            replies = await asyncio.gather(*(client.post("/login", data=WRONG) for _ in range(100)))
            assert sorted(reply.status_code for reply in replies) == [401] * 5 + [429] * 95
            refused = await client.post("/login", data=RIGHT)
            assert refused.status_code == 429, "even the right one waits"
            assert 0 < int(refused.headers["retry-after"]) <= WINDOW

    run(go())


def test_unknown_names_are_told_the_same(place: Path) -> None:
    async def go() -> None:
        async with http(door(place)) as client:
            for _ in range(6):
                known = await client.post("/login", data=WRONG)
                unknown = await client.post("/login", data={**WRONG, "username": "nobody"})
                assert (known.status_code, known.text) == (unknown.status_code, unknown.text)

    run(go())


def test_an_address_has_twenty_wrong_ones_and_others_go_on(place: Path) -> None:
    async def go() -> None:
        behind = door(place)
        async with http(behind, "2001:db8::1") as client:
            for number in range(20):
                reply = await client.post("/login", data={**WRONG, "username": f"n{number}"})
                assert reply.status_code == 401
        async with http(behind, "2001:db8::2") as neighbour:
            assert (await neighbour.post("/login", data=RIGHT)).status_code == 429
            assert (await neighbour.get("/api/ask", auth=("ana", RIGHT["password"]))).status_code == 429
        async with http(behind, "2001:db8:1::1") as other:
            assert (await other.post("/login", data=RIGHT)).status_code == 200

    run(go())


def test_a_right_password_ends_the_count_of_its_name(place: Path) -> None:
    async def go() -> None:
        async with http(door(place)) as client:
            for _ in range(2):
                for _ in range(4):
                    assert (await client.post("/login", data=WRONG)).status_code == 401
                assert (await client.post("/login", data=RIGHT)).status_code == 200

    run(go())


def test_failures_are_forgotten_with_time_and_the_table_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    failures = Failures(2, clock)
    failures.add("ana")
    clock.now += 10
    failures.add("ana")
    assert failures.wait("ana") == WINDOW - 10
    clock.now += WINDOW - 10.5
    assert failures.wait("ana") == 1
    clock.now += 0.5
    assert failures.wait("ana") == 0
    monkeypatch.setattr(login, "TABLE", 10)
    for number in range(50):
        failures.add(f"{number}")
    assert len(failures) == 10
    assert failures.wait("49") == 0


def test_sessions_end_with_time_with_a_new_password_and_by_number(place: Path) -> None:
    clock, known = Clock(), Users.read(place)
    passes = Passes(known, clock)
    hashed = known.hashes()["ana"]
    passes.add("a", "ana", hashed)
    clock.now += HOURS * 3600 - 1
    assert passes.name("a") == "ana"
    clock.now += 2
    assert passes.name("a") is None
    for number in range(SESSIONS + 5):
        passes.add(f"{number}", "ana", hashed)
    assert len(passes) == SESSIONS
    assert (passes.name("4"), passes.name("5")) == (None, "ana")
    set_password(place, "ana", "battery staple")
    assert passes.name("5") is None


def password(*arguments: str, given: str, home: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_DATA_HOME": str(home)}
    return subprocess.run(
        [sys.executable, "-m", "qa.cli", "password", *arguments],
        input=given, env=environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_the_command_reads_a_line_where_there_is_no_terminal(tmp_path: Path) -> None:
    done = password("ana", given="correct horse\n", home=tmp_path)
    where = tmp_path / "citewire" / "users"
    assert (done.returncode, done.stdout) == (0, f"ana can log in; the file is {where}\n")
    assert stat.S_IMODE(where.stat().st_mode) == 0o600
    assert argon2.PasswordHasher().verify(where.read_text().strip().split(":", 1)[1], "correct horse")
    done = password("ana", "--users", str(where), given="short\n", home=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "citewire: the password has 5 characters; 8 are the least\n"


@pytest.mark.parametrize(("again", "said"), [("correct horse", "can log in"), ("corect horse", "differ")])
def test_the_command_asks_twice_at_a_terminal_and_shows_nothing(
    tmp_path: Path, again: str, said: str
) -> None:
    pty = pytest.importorskip("pty")
    child, terminal = pty.fork()
    if child == 0:
        os.environ.update(PYTHONPATH=str(ROOT), XDG_DATA_HOME=str(tmp_path))
        os.execv(sys.executable, [sys.executable, "-m", "qa.cli", "password", "ana"])
    shown = b""
    for answer in ("correct horse", again):
        while not shown.endswith(b": "):
            shown += os.read(terminal, 1024)
        os.write(terminal, f"{answer}\n".encode())
        shown += b"|"
    try:
        while part := os.read(terminal, 1024):
            shown += part
    except OSError:  # the end, on Linux
        pass
    os.waitpid(child, 0)
    assert said in shown.decode()
    assert "horse" not in shown.decode()
