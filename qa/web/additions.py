"""Articles that people add on the page: dropped files and pasted addresses.

Holds: a file lands whole in one folder, or its user's in that, under a safe name, and is taken away again if
nothing in it could be indexed; one addition at a time; none takes articles out.
Does not read articles: ``QA.add`` indexes what lies in the folder.
"""

import json
import logging
import queue
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import anyio
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from index.build import Progress, Summary, remove
from index.durable import put_in_place
from index.errors import CitewireError
from index.load import is_address
from qa.web.added import file_name
from qa.web.body import Refused, error_response, pieces, told, whole
from qa.web.library import Library

MAX_BYTES = 32_000_000  # of a dropped file: more than index.load takes of all but tables
ADDRESS = 2_000  # characters of an address: what browsers and servers take
PLACES = 8  # additions that are received or wait: each up to MAX_BYTES on disk
RECEIVE = 600.0  # seconds for a file: 32 MB at half a megabit a second
WAIT = 60.0  # seconds for another process that writes to the index
PAUSE = 0.1  # seconds between two lines of progress
SHOWN = 100  # skipped articles that are named

Say = Callable[[dict[str, Any]], None]
log = logging.getLogger(__name__)


class Pasted(BaseModel):
    """What the page sends for an address."""

    model_config = ConfigDict(extra="forbid")

    url: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=ADDRESS)]


class Additions:
    """Adds to a library's articles.

    :param folder: where files are kept, made if missing; index it with the rest at the next start
    :param public_only: refuse addresses that lead into a private network
    """

    def __init__(self, library: Library, folder: Path, *, public_only: bool) -> None:
        self.folder = folder.resolve()
        self._library = library
        self._public_only = public_only
        self._turn = threading.Lock()
        self._places = threading.BoundedSemaphore(PLACES)

    def take_place(self) -> None:
        """Be one of those that wait; ``start`` gives the place back when it has ended.

        :raises Refused: too many wait already
        :raises CitewireError: the articles are not open yet
        """
        self._library.opened()
        if not self._places.acquire(blocking=False):
            raise Refused(503, f"{PLACES} additions are waiting already; try again in a moment")

    def leave(self) -> None:
        """Give a place back."""
        self._places.release()

    def new_path(self) -> Path:
        """Give a path in the folder to receive a file at; its name is hidden, so it is never indexed."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self.folder / f".incoming-{secrets.token_hex(8)}"

    def place(self, name: str, user: str | None) -> Path:
        """Give the path for a file; each user who is named has a folder, and so replaces nobody else's file.

        :param user: as ``qa.web.users`` takes names: without a slash, but it may be ".."
        """
        folder = self.folder / f"of-{user}" if user else self.folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder / name

    def start(self, add: Callable[[Say], None]) -> Iterator[str]:
        """Do an addition in a thread, which goes on if the browser leaves, and give JSON lines of it."""
        lines: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        threading.Thread(target=self._run, args=(add, lines.put), daemon=True).start()
        return (json.dumps(line, ensure_ascii=False) + "\n" for line in iter(lines.get, None))

    def add_file(self, received: Path, place: Path, say: Say) -> None:
        """Put a received file in its place, index it, and say what came of it.

        :raises CitewireError: nothing in it could be indexed
        """
        former = received.with_suffix(".former")
        try:
            with suppress(FileNotFoundError):
                former.hardlink_to(place)
            put_in_place(received, place)
            try:
                result = self._add(str(place), place.name, say)
            except BaseException:
                self._restore(place, former)
                raise
        finally:
            received.unlink(missing_ok=True)
            former.unlink(missing_ok=True)
        self._tell(result, say)

    def add_address(self, url: str, say: Say) -> None:
        """Index a page or a feed, and say what came of it.

        :raises CitewireError: nothing there could be indexed
        """
        self._tell(self._add(url, url, say), say)

    def _add(self, source: str, name: str, say: Say) -> dict[str, Any]:
        """Index a source that a person knows as ``name``, and give the last line about it."""
        stage, told = "", 0.0

        def report(progress: Progress) -> None:
            nonlocal stage, told
            if progress.stage != stage or time.monotonic() - told > PAUSE:
                stage, told = progress.stage, time.monotonic()
                say({"stage": stage, "done": progress.done, "total": progress.total})

        qa = self._library.opened()
        summary = qa.add([source], report=report, wait=WAIT, public_only=self._public_only)
        skipped = [
            # Of a file its name and row: the folder is nobody's business.
            {"name": name + where.removeprefix(source) if name != source else where, "reason": item.reason}
            for item in summary.skipped
            for where in [item.location]
        ]
        if not summary.added + summary.updated + summary.unchanged:
            reason = skipped[0]["reason"] if skipped else "there are no articles in it"
            raise CitewireError(f"{name[:200]} was not added: {reason}")
        counts = {"added": summary.added, "updated": summary.updated, "unchanged": summary.unchanged}
        return {**counts, "skipped": skipped[:SHOWN], "said": said(summary)}

    def _tell(self, result: dict[str, Any], say: Say) -> None:
        self._library.renew()
        say(result)

    def _restore(self, place: Path, former: Path) -> None:
        """Take a file away again, or put the one that it replaced back, also in the index."""
        qa = self._library.opened()
        with suppress(CitewireError):  # the reason why it was not added is the one to be told
            if former.exists():
                put_in_place(former, place)
                qa.add([str(place)], wait=WAIT)
            else:
                place.unlink(missing_ok=True)
                remove(qa.store, [str(place)], wait=WAIT)

    def _run(self, add: Callable[[Say], None], put: Callable[[dict[str, Any] | None], None]) -> None:
        try:
            if not self._turn.acquire(blocking=False):
                put({"stage": "waiting", "done": 0, "total": 0})
                self._turn.acquire()
            try:
                add(put)
            finally:
                self._turn.release()
        except CitewireError as error:
            put({"error": told(error)})
        except OSError as error:
            put({"error": f"it cannot be saved: {error.strerror or error}"})
        except Exception:
            log.exception("an addition failed")
            put({"error": "something broke inside; the terminal says what"})
        finally:
            self.leave()
            put(None)


def said(summary: Summary) -> str:
    """Say in one line what an addition did."""
    counts = [
        f"{count:,} {what}"
        for count, what in (
            (summary.added, "added"),
            (summary.updated, "updated"),
            (summary.unchanged, "unchanged"),
        )
        if count
    ]
    if summary.skipped:
        counts.append(f"{len(summary.skipped):,} skipped")
    number = summary.added or summary.updated or summary.unchanged
    first, *others = counts
    first = first.replace(" ", f" article{'s' * (number != 1)} ", 1)
    return ", ".join([first, *others])


def additions_router(additions: Additions) -> APIRouter:
    """Give the route by which the page adds articles: ``POST /page/articles``.

    The body is a file, its name percent-encoded in ``X-File-Name``, or the JSON {"url": address}. The answer
    streams JSON lines: {"stage": "waiting", "reading" or "embedding", "done", "total"}, last {"added",
    "updated", "unchanged", "skipped": [{"name", "reason"}], "said"} or {"error"}. Refused at once, with
    {"error"}: 400 and 415 (the name), 408 and 413 (too slow, too large), 422 (no address), 503 (many wait,
    or not open yet), 507 (the disk).
    """
    router = APIRouter()

    @router.post("/page/articles", include_in_schema=False)
    async def add(request: Request) -> Response:
        try:
            additions.take_place()
        except CitewireError as error:
            return error_response(error)
        try:
            work = await _received(request, additions)
        except BaseException as error:
            additions.leave()
            if isinstance(error, CitewireError):
                return error_response(error)
            if isinstance(error, TimeoutError | ClientDisconnect):
                return JSONResponse({"error": f"not received within {RECEIVE:g} seconds"}, 408)
            if isinstance(error, OSError):
                return JSONResponse({"error": f"it cannot be saved: {error.strerror or error}"}, 507)
            raise
        return StreamingResponse(additions.start(work), media_type="application/x-ndjson")

    return router


async def _received(request: Request, additions: Additions) -> Callable[[Say], None]:
    """Take in a file or an address, and give what is to be done with it."""
    header = request.headers.get("x-file-name")
    if header is None:
        try:
            url = Pasted.model_validate_json(await whole(request, 4 * ADDRESS)).url
        except ValidationError:
            raise Refused(422, f"expected an address of at most {ADDRESS:,} characters") from None
        if not is_address(url):
            raise Refused(422, "expected an address that begins with http:// or https://")
        return lambda say: additions.add_address(url, say)
    place = additions.place(file_name(header), getattr(request.state, "user", None))
    path = additions.new_path()
    try:
        with anyio.fail_after(RECEIVE):
            async with await anyio.open_file(path, "xb") as file:
                async for piece in pieces(request, MAX_BYTES):
                    await file.write(piece)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return lambda say: additions.add_file(path, place, say)
