"""What Gradio may take in and keep here: words, never files, and few answers that nobody collects.

Holds: an input with a file in it ends as an error before Gradio looks at the file, whichever door it came by;
the sessions that it keeps, and each one's messages, have a bound, and a session that is being read is kept.
Does not know HTTP (`qa.web.guard`) nor what is asked.
"""

import asyncio
import time
from typing import Any, NoReturn
from uuid import uuid4

import gradio as gr

FILES = "files are not taken here; send words"
UNREAD = "too many answers wait to be collected; collect them, then ask again"
# Sessions whose last question and answer Gradio keeps for its own use; one costs 2 ms to make anew.
STATES = 64
SESSIONS = 256  # whose messages are kept: more than can wait (64) and be answered at once, several times
# A session with so many answers uncollected can ask no more; one that is read has fewer: so many may wait.
ANSWERS = 64
# Of a session, more are dropped: twice what 64 questions are told when each that starts is told.
MESSAGES = 4096
FORGET = 300.0  # seconds after which a session that nobody reads is dropped


class Told(gr.Error):
    """One line to a person or a program by way of Gradio; nothing in the terminal."""

    def __init__(self, line: str) -> None:
        super().__init__(line, print_exception=False)

    def __str__(self) -> str:  # gr.Error puts it in quotes, which an MCP client would show
        return str(self.message)


def take_no_files(blocks: gr.Blocks) -> None:
    """Refuse files, of which Gradio takes any path and any address where a page is mounted.

    It looks for {"path": …, "meta": …} in every input of every endpoint, asks whether the path is there, and
    copies or downloads it, before the endpoint's function is called. All doors, MCP's too, come through
    ``preprocess_data``; the blocks' own methods are for what a function might give back.
    """
    preprocess = blocks.preprocess_data

    async def preprocess_words(block_fn: Any, inputs: list[Any], *rest: Any) -> list[Any]:
        if _has_file(inputs):
            raise Told(FILES)
        prepared: list[Any] = await preprocess(block_fn, inputs, *rest)
        return prepared

    blocks.preprocess_data = preprocess_words  # type: ignore[method-assign, assignment]
    for block in blocks.blocks.values():
        block.move_resource_to_block_cache = _refuse  # type: ignore[method-assign, assignment]
        block.async_move_resource_to_block_cache = _refuse_awaited  # type: ignore[method-assign, assignment]


def keep_little(blocks: gr.Blocks) -> None:
    """Bound what Gradio keeps for sessions, to be called when the page has its queue and is not yet mounted.

    By itself it keeps the messages of the last 2,000 sessions, however many each has; drops the oldest even
    while they are read, at which its queue stops for good if they wait in it; and forgets no session's name.
    """
    queue = blocks._queue
    blocks.state_session_capacity = STATES
    held: dict[str, Any] = queue.pending_messages_per_session
    push = queue.push

    async def push_if_read(body: Any, request: Any, username: str | None) -> tuple[bool, Any, Any]:
        for name in _unread(held):
            await queue.clean_events(session_hash=name)  # first, since messages to a dropped session break it
            held.pop(name, None)
        for name in queue.pending_event_ids_session.keys() - held.keys():
            del queue.pending_event_ids_session[name]
        name = body.session_hash = body.session_hash or uuid4().hex
        answered = queue.pending_event_ids_session.get(name, set()) - queue.event_ids_to_events.keys()
        if len(answered) >= ANSWERS or (name not in held and len(held) >= SESSIONS):
            return False, UNREAD, "queue_full"
        held.setdefault(name, _Messages())
        return await push(body, request, username)

    queue.push = push_if_read  # type: ignore[method-assign]


class _Messages(asyncio.Queue[Any]):
    """One session's messages; knows whether they are being read, and when they last were."""

    def __init__(self) -> None:
        super().__init__(MESSAGES)
        self.readers = 0
        self.read = time.monotonic()

    def put_nowait(self, item: Any) -> None:
        if not self.full():
            super().put_nowait(item)

    async def get(self) -> Any:  # Gradio's stream calls it anew at least every 10 s
        self.readers += 1
        try:
            return await super().get()
        finally:
            self.readers -= 1
            self.read = time.monotonic()


def _unread(held: dict[str, Any]) -> list[str]:
    """Name the sessions to drop: those unread for long, and as many more as make room for one."""
    idle = sorted((messages.read, name) for name, messages in held.items() if not messages.readers)
    surplus, long_ago = len(held) - SESSIONS + 1, time.monotonic() - FORGET
    return [name for place, (read, name) in enumerate(idle) if place < surplus or read < long_ago]


def _has_file(given: Any) -> bool:
    if isinstance(given, dict):
        return {"path", "meta"} <= given.keys() or any(map(_has_file, given.values()))
    return isinstance(given, list | tuple) and any(map(_has_file, given))


def _refuse(_: Any) -> NoReturn:
    raise Told(FILES)


async def _refuse_awaited(_: Any) -> NoReturn:
    raise Told(FILES)
