"""Read a request's body as it comes, and no further than a limit; say in a line what was wrong.

Holds: what is over the limit is never kept in memory or on disk; what is said of the index or a model names
no path of this machine. Knows no article and no answer.
"""

import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from index.errors import CitewireError, IndexBusy, ModelError, StoreError

log = logging.getLogger("citewire.chat")


class Refused(CitewireError):
    """A request that cannot be met; ``status`` is HTTP's, ``retry`` the seconds to wait, or 0."""

    def __init__(self, status: int, line: str, retry: int = 0) -> None:
        super().__init__(" ".join(line.split()))
        self.status, self.retry = status, retry


async def pieces(request: Request, most: int) -> AsyncIterator[bytes]:
    """Give a body piece by piece.

    :param most: bytes
    :raises Refused: it is longer
    """
    refused = Refused(413, f"over the limit of {most / 1e6:g} MB")
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > most:
        raise refused
    count = 0
    async for piece in request.stream():
        count += len(piece)
        if count > most:
            raise refused
        yield piece


async def whole(request: Request, most: int) -> bytes:
    """Give a body of at most ``most`` bytes.

    :raises Refused: it is longer
    """
    return b"".join([piece async for piece in pieces(request, most)])


def first_error(errors: Sequence[Any]) -> str:
    """Put the first thing that pydantic found wrong on one line, with the name of the field."""
    first = errors[0]
    where = ".".join(str(part) for part in first["loc"] if part not in ("body", "query"))
    what = first["msg"].removeprefix("Value error, ")
    return f"{where}: {what}" if where else what


def line_of(error: CitewireError) -> str:
    """Say what people are told: the error's own line, but nothing of where the index and the models are."""
    if isinstance(error, IndexBusy):
        return "another process is writing to the articles; try again in a moment"
    if isinstance(error, StoreError):
        return "the articles cannot be read or written; the terminal says why"
    if isinstance(error, ModelError):
        return "a model cannot be used; the terminal says why"
    return str(error)


def told(error: CitewireError) -> str:
    """Give the line for people, and log the error's own where they are not shown it."""
    line = line_of(error)
    if line != str(error):
        log.error("%s", error)
    return line


def error_response(error: CitewireError) -> JSONResponse:
    """Say in one line what went wrong; 503 for what may be well in a moment."""
    status = error.status if isinstance(error, Refused) else 503
    return JSONResponse({"error": told(error)}, status)
