"""The pieces of an answer as they came -> its pieces unpacked.

Part of load. Holds: never more than PIECE bytes are unpacked at a time, however far a piece would unpack, so
that who counts them can stop in time.
Knows one layer of gzip or deflate; fetch.py asks for no other.
"""

import zlib
from collections.abc import Iterable, Iterator

from index.errors import LoadError
from index.metadata import one_line

PIECE = 65_536  # as much as httpx takes from a connection at a time

_GZIP = zlib.MAX_WBITS | 16  # zlib's way to say: with a gzip header and checksum


def unpack(pieces: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Undo a Content-Encoding.

    :param encoding: the header's value, "" where there is none
    :raises LoadError: it is another one than gzip or deflate, or several, or the data are damaged or cut off
    """
    name = encoding.strip().lower()
    if name in {"", "identity"}:
        yield from pieces
    elif name in {"gzip", "x-gzip", "deflate"}:
        try:
            yield from _inflate(pieces, is_gzip=name != "deflate")
        except zlib.error as error:
            raise LoadError(f"packed as {name} and damaged") from error
    else:
        raise LoadError(f"packed as {one_line(encoding)[:50]}; expected gzip, deflate or nothing")


def _inflate(pieces: Iterable[bytes], *, is_gzip: bool) -> Iterator[bytes]:
    """Unpack one zlib or raw deflate stream, or gzip members up to what is no more a member."""
    stream = None
    for piece in pieces:
        rest = piece
        while rest:
            if stream and stream.eof and not (is_gzip and rest.startswith(b"\x1f")):
                return  # padding, which browsers pass over too
            if stream is None or stream.eof:
                stream = zlib.decompressobj(_GZIP if is_gzip else _deflate(rest))
            if out := stream.decompress(rest, PIECE):
                yield out
            rest = stream.unused_data or stream.unconsumed_tail
    while stream and not stream.eof and (out := stream.decompress(b"", PIECE)):
        yield out  # zlib may keep back the end of what was more than a piece
    if stream and not stream.eof:
        raise LoadError("packed, and cut off before its end")


def _deflate(start: bytes) -> int:
    """Tell deflate with zlib's header, as RFC 9110 has it, from the raw one that some servers send.

    A header's first byte ends in 8 (RFC 1950, 2.2); raw deflate's does only with bits set that are padding.
    """
    return zlib.MAX_WBITS if start[0] & 15 == 8 else -zlib.MAX_WBITS
