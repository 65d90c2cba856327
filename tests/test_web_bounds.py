"""What Gradio may take in and keep, asked over HTTP at each of its doors on the chat's own page."""

import asyncio
import itertools
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest
from chat_server import free_port

import ui
from qa.batch import Batcher
from qa.web import bounds
from qa.web.bounds import ANSWERS, UNREAD, Told
from qa.web.library import Library
from qa.web.server import Server, Service, make_app, serve

NUMBERS = itertools.count()
REFUSED = "files are not taken here; send words"
HELLO = ["", {"id": "a"}]  # an empty question, which needs no articles


def never(*_: Any, **__: Any) -> Any:
    raise AssertionError("nothing is opened or answered here")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("gradio")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder))
        yield folder


@pytest.fixture(scope="module")
def blocks(cache: Path) -> Iterator[gr.Blocks]:
    """The page over articles that are never opened."""
    with Batcher(never) as batcher:
        yield ui.page(Library(never), batcher)


@pytest.fixture(scope="module")
def served(blocks: gr.Blocks) -> Iterator[Server]:
    pytest.importorskip("mcp")
    service = Service(port=free_port(), mcp=True)
    server = serve(make_app(blocks, service), service)
    yield server
    server.stop()


@pytest.fixture
def http(served: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{served.port}", timeout=10) as client:
        yield client


def events(text: str) -> list[Any]:
    return [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data:")]


def join(http: httpx.Client, fn: int, data: list[Any]) -> dict[str, Any]:
    """Ask as a page does, and give the last message about the event."""
    session = f"s{next(NUMBERS)}"
    body = {"data": data, "fn_index": fn, "session_hash": session}
    http.post("/gradio_api/queue/join", json=body).raise_for_status()
    told = events(http.get("/gradio_api/queue/data", params={"session_hash": session}).text)
    output: dict[str, Any] = next(e for e in told if e["msg"] == "process_completed")["output"]
    return output


def call(http: httpx.Client, door: str, body: Any) -> str:
    """Ask as curl does."""
    event = http.post(f"/gradio_api/{door}", json=body).json()["event_id"]
    return http.get(f"/gradio_api/call/any/{event}").text


def tool(http: httpx.Client, arguments: dict[str, Any]) -> str:
    """Ask as a client of MCP does."""
    body = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "ask", "arguments": arguments},
    }
    accept = {"accept": "application/json, text/event-stream"}
    return http.post("/gradio_api/mcp/", json=body, headers=accept).text


DOORS: dict[str, Callable[[httpx.Client, Any], Any]] = {
    "the page's question": lambda http, file: join(http, 0, [file, {"id": "a"}]),
    "the page's turns": lambda http, file: join(http, 0, ["q", {"id": "a", "turns": file}]),
    "the page's turns, deeper": lambda http, file: join(http, 0, ["q", {"id": "a", "turns": [{"x": [file]}]}]),
    "the page's id": lambda http, file: join(http, 0, ["q", {"id": file}]),
    "ask": lambda http, file: join(http, 1, [file, None, None, None, None]),
    "search": lambda http, file: join(http, 2, [file, 1, None, None, None]),
    "article": lambda http, file: join(http, 3, [file]),
    "call/ask": lambda http, file: call(http, "call/ask", {"data": [file, None, None, None, None]}),
    "call/v2/ask": lambda http, file: call(http, "call/v2/ask", {"question": "q", "turns": [[file, "a"]]}),
    "MCP": lambda http, file: tool(http, {"question": file}),
    "MCP, deeper": lambda http, file: tool(http, {"question": "q", "turns": [[file]]}),
}  # fmt: skip


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("what", ["a file", "a pipe", "an address", "a stream of a picture"])
def test_a_file_is_refused_at_each_door(
    http: httpx.Client, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, door: str, what: str
) -> None:
    fetched: list[str] = []

    async def fetch(address: str, **_: Any) -> str:
        fetched.append(address)
        return "/etc/hostname"

    monkeypatch.setattr("gradio.processing_utils.async_ssrf_protected_download", fetch)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        paths = {
            "a file": "/etc/passwd",
            "a pipe": str(pipe),
            "an address": f"http://127.0.0.1:{listening.getsockname()[1]}/",
            "a stream of a picture": "/etc/picture.svg",  # which Gradio would serve to everyone from then on
        }
        file = {"path": paths[what], "meta": {"_type": "gradio.FileData"}, "is_stream": "picture" in what}
        try:
            said = str(DOORS[door](http, file))
            # MCP's own library looks at the types before Gradio sees anything.
            assert REFUSED in said or ("MCP" in door and "Input validation error" in said)
            assert http.get("/config").status_code == 200
        finally:
            os.close(os.open(pipe, os.O_RDWR | os.O_NONBLOCK))  # lets go of whoever reads it
        with pytest.raises(BlockingIOError):
            listening.accept()
    assert fetched == []
    assert [path for path in cache.rglob("*") if path.is_file()] == []
    assert "Type a question first" in join(http, 0, HELLO)["data"][0]["notice"]


def test_a_file_that_a_function_gives_back_is_not_copied(
    served: Server, blocks: gr.Blocks, cache: Path
) -> None:
    """No function does; were one to hand on what it was sent, this would hold."""
    for block in blocks.blocks.values():
        with pytest.raises(Told, match=REFUSED):
            block.move_resource_to_block_cache("/etc/passwd")
        with pytest.raises(Told, match=REFUSED):
            asyncio.run(block.async_move_resource_to_block_cache("/etc/passwd"))
    assert list(cache.iterdir()) == []


def left(http: httpx.Client, session: str, data: list[Any] = HELLO) -> httpx.Response:
    """Ask, and collect nothing."""
    body = {"data": data, "fn_index": 0, "session_hash": session}
    return http.post("/gradio_api/queue/join", json=body)


def test_who_collects_nothing_can_ask_no_more(http: httpx.Client, blocks: gr.Blocks) -> None:
    for _ in range(ANSWERS):
        assert left(http, "unread").status_code == 200
    while blocks._queue.event_ids_to_events:
        time.sleep(0.01)
    refused = left(http, "unread")
    assert (refused.status_code, refused.json()) == (503, {"detail": UNREAD})
    assert join(http, 0, HELLO)["data"]  # others are answered
    told = events(http.get("/gradio_api/queue/data", params={"session_hash": "unread"}).text)
    assert sum(e["msg"] == "process_completed" for e in told) == ANSWERS
    assert left(http, "unread").status_code == 200


def test_sessions_have_a_bound_and_one_that_is_read_stays(
    http: httpx.Client, blocks: gr.Blocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "SESSIONS", 20)
    queue = blocks._queue
    left(http, "read", ["Who?", {"id": "a"}])  # which waits for the articles
    with http.stream("GET", "/gradio_api/queue/data", params={"session_hash": "read"}) as stream:
        read = stream.iter_text()  # held, since it closes the stream when it goes
        assert "estimation" in next(read)
        for number in range(20):
            assert left(http, f"left {number}").status_code == 200
            http.post("/gradio_api/call/ask", json={"data": ["a", None, None, None, None]})
        assert "read" in queue.pending_messages_per_session
        assert len(queue.pending_messages_per_session) <= 20
        assert queue.pending_event_ids_session.keys() <= queue.pending_messages_per_session.keys()
    assert blocks.state_holder.capacity == bounds.STATES
    assert join(http, 0, HELLO)["data"]


def test_sessions_that_nobody_reads_are_dropped(
    http: httpx.Client, blocks: gr.Blocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    left(http, "dropped")
    monkeypatch.setattr(bounds, "FORGET", 0.0)
    join(http, 0, HELLO)
    assert "dropped" not in blocks._queue.pending_messages_per_session
    assert "dropped" not in blocks._queue.pending_event_ids_session


def test_what_comes_after_the_most_messages_is_dropped(
    http: httpx.Client, blocks: gr.Blocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cancelled question puts a message each time that it is cancelled."""
    monkeypatch.setattr(bounds, "MESSAGES", 10)
    event = left(http, "cancelled").json()["event_id"]
    for _ in range(20):
        http.post("/gradio_api/cancel", json={"session_hash": "cancelled", "fn_index": 0, "event_id": event})
    assert blocks._queue.pending_messages_per_session["cancelled"].qsize() == 10
