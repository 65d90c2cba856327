"""Read a request's body as it comes, and no further than a limit.

Holds: what is over the limit is never kept in memory or on disk. Knows no article and no answer.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from index.errors import CitewireError


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


def error_response(error: CitewireError) -> JSONResponse:
    """Say in one line what went wrong; 503 for what may be well in a moment."""
    status = error.status if isinstance(error, Refused) else 503
    return JSONResponse({"error": str(error)}, status)
