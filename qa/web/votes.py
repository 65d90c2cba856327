"""Votes on answers, kept as gold questions that ``python -m eval --gold`` reads as they are.

Holds: one record a turn, of the latest vote; the file is whole after a power cut, and changed by one process
at a time. Does not answer, and does not learn from the votes.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock
from fastapi import APIRouter
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse

from index.durable import write_private
from index.errors import CitewireError
from qa.web.body import Refused, error_response, first_error, whole
from qa.web.gold import Vote, gold_of
from qa.web.library import Library

MOST = 10_000  # records: a year of votes of a busy team, read and written again in half a second
MOST_BYTES = 50_000_000  # of the file, should the records be as long as they can be
BODY = 300_000  # bytes of a vote: 20 turns of characters of four bytes, and some more
WAIT = 10.0  # seconds for another process to write its vote


class Votes:
    """The gold records of one JSONL file.

    :param path: the file; it and its folder are made with the first vote
    :param most: records that are kept
    """

    def __init__(self, path: Path, most: int = MOST) -> None:
        self.path = path.resolve()
        self._most = most
        self._mutex = threading.Lock()

    def put(self, record: Mapping[str, Any]) -> None:
        """Keep a record, in place of one with the same id.

        :raises Refused: there are as many as are kept
        :raises CitewireError: the file cannot be read or written
        """
        line = json.dumps(record, ensure_ascii=False)
        with self._changing() as lines:
            lines[record["id"]] = line
            size = sum(map(len, lines.values()))
            if len(lines) > self._most or size > MOST_BYTES:
                full = (
                    f"{self._most:,} votes"
                    if len(lines) > self._most
                    else f"{MOST_BYTES / 1e6:g} MB of votes"
                )
                raise Refused(507, f"there are {full} already; move {self.path.name} away to begin another")

    def remove(self, record_id: str) -> None:
        """Forget a record, if it is there.

        :raises CitewireError: the file cannot be read or written
        """
        with self._changing() as lines:
            lines.pop(record_id, None)

    def records(self) -> list[dict[str, Any]]:
        """Give all records, the oldest first.

        :raises CitewireError: the file cannot be read
        """
        return [json.loads(line) for line in self._read().values()]

    @contextmanager
    def _changing(self) -> Iterator[dict[str, str]]:
        """Give the lines by their ids, and write what they have become if the block ends well."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(f"{self.path}.lock", timeout=WAIT)
            with self._mutex, lock:
                lines = self._read()
                before = dict(lines)
                yield lines
                if lines != before:
                    self._write(lines)
        except filelock.Timeout as error:
            raise CitewireError("another process is writing votes; try again in a moment") from error
        except OSError as error:
            raise CitewireError(f"the vote cannot be kept: {error.strerror or error}") from error

    def _read(self) -> dict[str, str]:
        lines: dict[str, str] = {}
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return lines
        except UnicodeDecodeError as error:
            raise CitewireError(f"{self.path.name}: expected UTF-8; mend it or move it away") from error
        # Not splitlines(): JSON strings may hold U+2028 as it is.
        for number, line in enumerate(text.split("\n"), start=1):
            try:
                if line.strip():
                    lines[json.loads(line)["id"]] = line
            except (ValueError, TypeError, KeyError) as error:
                place = f"{self.path.name}:{number}"
                raise CitewireError(
                    f"{place}: expected a gold record; mend it or move the file away"
                ) from error
        return lines

    def _write(self, lines: Mapping[str, str]) -> None:
        write_private(self.path, lines.values())  # questions are private to who runs the chat


def votes_router(library: Library, votes: Votes) -> APIRouter:
    """Give the route by which the page votes: ``POST /page/vote``, a ``Vote`` as JSON.

    It answers {"said": one line}, or {"error": one line} with 409 (the article is gone or has changed),
    413, 422, 503 (the articles are not open yet) or 507 (as many votes as are kept).
    """
    router = APIRouter()

    def keep(body: bytes) -> str:
        try:
            vote = Vote.model_validate_json(body)
        except ValidationError as error:
            raise Refused(422, first_error(error.errors())) from error
        if vote.verdict == "none":
            votes.remove(vote.record_id)
        else:
            with library.opened().store.snapshot() as snapshot:
                votes.put(gold_of(vote, snapshot))
        return vote.said

    @router.post("/page/vote", include_in_schema=False)
    async def vote(request: Request) -> JSONResponse:
        try:
            return JSONResponse({"said": await run_in_threadpool(keep, await whole(request, BODY))})
        except CitewireError as error:
            return error_response(error)

    return router
