"""One time limit for a whole fetch, whatever it waits for.

Part of load. httpx's own limits are of one wait each, and begin anew with every byte that comes.
Holds: when the time is up, all connections of the fetch end, within its headers too, and a wait for them with
an error. Does not interrupt a connection that is being made; fetch.py gives that no longer than is left.
"""

import socket
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from index.errors import LoadError


class Deadline:
    """The time that is left; to be used in a ``with`` block.

    :param seconds: from now on
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = time.monotonic() + seconds
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> "Deadline":
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        with self._lock:
            for connection in self._sockets:
                connection.close()
            self._sockets.clear()

    @property
    def left(self) -> float:
        """Seconds; below 0 when it is over."""
        return self._end - time.monotonic()

    def check(self) -> None:
        """:raises LoadError: the time is up"""
        if self.left <= 0:
            raise LoadError(f"not complete after {self._seconds:g} seconds")

    def over(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Pass pieces on while there is time; an end that comes too late is no end.

        :raises LoadError: the time is up
        """
        for piece in pieces:
            self.check()
            yield piece
        self.check()

    def watch(self, event: str, info: Mapping[str, Any]) -> None:
        """Note the connections that are made: httpx's ``trace`` extension."""
        if not event.endswith("connect_tcp.complete"):
            return
        # A second handle: the first one's number may be another file's when the time is up.
        connection = info["return_value"].get_extra_info("socket").dup()
        with self._lock:
            self._sockets.append(connection)
        if self.left <= 0:
            self._cut()

    def _cut(self) -> None:
        with self._lock:
            for connection in self._sockets:
                with suppress(OSError):  # the other side was first
                    connection.shutdown(socket.SHUT_RDWR)
