"""Parse complex formats in a child process, with limits on its time and memory.

Part of load. Holds: whatever a file does to its parser (endless work, all memory, a crash in C code), the
answer is a Document or a LoadError, and the next file finds a fresh child; only JSON passes between them.
What is parsed how is in formats.py and fetch.py, which know nothing of processes.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from index.errors import LoadError
from index.formats import PLAIN, read
from index.metadata import Document, Metadata
from index.types import Cut

if TYPE_CHECKING:
    from index.fetch import Entry, Fetched

# Of processor time: 300 pages of PDF, 0.6 MB of HTML and a DOCX of 2,400 paragraphs take under 0.5 each.
SECONDS = 10
MEMORY = 512_000_000  # bytes beside what the parsers need themselves; only where there is /proc
PATIENCE = 60.0  # seconds of a clock, for a child that only waits; a machine may be busy with other things


class Parsers:
    """The parsers, in a child that starts with the first file and ends with the ``with`` block."""

    def __init__(self, program: str = "from index.worker import main; main()") -> None:
        self._program = program
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Parsers":
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def read(
        self, data: bytes, suffix: str, *, max_unpacked: int, charset: str = "", url: str = ""
    ) -> Document:
        """Do what ``formats.read`` does.

        :raises LoadError: as it does, or the limits were met, or the parser crashed
        """
        if suffix in PLAIN:
            return read(data, suffix, max_unpacked=max_unpacked, charset=charset)
        values = {"suffix": suffix, "max_unpacked": max_unpacked, "charset": charset, "url": url}
        return _document(self._ask("read", data, values))

    def read_feed(self, fetched: "Fetched") -> list["Entry"]:
        """Do what ``fetch.read_feed`` does, as ``read`` does."""
        from index.fetch import Entry

        about = {"url": fetched.url, "content_type": fetched.content_type, "charset": fetched.charset}
        entries = self._ask("read_feed", fetched.body, about)
        return [Entry(**{**entry, "published": _day(entry["published"])}) for entry in entries]

    def _ask(self, work: str, data: bytes, values: Mapping[str, Any]) -> Any:
        child = self._child = self._child or _start(self._program)
        assert child.stdin
        assert child.stdout
        timer = threading.Timer(PATIENCE, child.kill)
        timer.start()
        try:
            _send(child.stdin, {"work": work, **values}, data)
            answer, _ = _receive(child.stdout)
        except (EOFError, OSError, ValueError) as error:
            raise LoadError(self._why_it_died()) from error
        except BaseException:  # such as Ctrl-C: what it would answer is for nobody
            child.kill()
            raise
        finally:
            timer.cancel()
        if answer["ends"]:
            self._end()
        if "error" in answer:
            raise LoadError(answer["error"])
        return answer["result"]

    def _why_it_died(self) -> str:
        code = self._end()
        if _SIGPROF and code == -_SIGPROF:
            return f"took more than {SECONDS} seconds to read"
        if _SIGKILL and code == -_SIGKILL:
            return "was given up: reading it did not end, or the machine had no memory left"
        return "the parser crashed; the file may be damaged"

    def _end(self) -> int | None:
        child, self._child = self._child, None
        if child is None:
            return None
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            child.communicate(timeout=5)  # closes its input, at which it ends
        if child.poll() is None:
            child.kill()
        return child.wait()


# What ends a process whose processor time is up, and what _ask or the system ends it with.
_SIGPROF, _SIGKILL = getattr(signal, "SIGPROF", 0), getattr(signal, "SIGKILL", 0)


def _start(program: str) -> subprocess.Popen[bytes]:
    # -P: what lies in the current folder is not a module. The path is handed on, as for multiprocessing.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen(
        [sys.executable, "-P", "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # parsers print there about files that they dislike
        env=environment,
    )


def main() -> None:
    """Be the child: answer one request after the other until the input ends."""
    from index.fetch import Fetched, read_feed

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a parser prints is no answer
    is_limited = False
    while True:
        try:
            values, data = _receive(requests)
        except EOFError:
            return
        work = values.pop("work")
        if not is_limited:
            _import_parsers()
            _limit_memory()
            is_limited = True
        _limit_time(SECONDS)
        is_spent = False
        try:
            if work == "read":
                result: Any = asdict(read(data, **values))
            else:
                result = [asdict(entry) for entry in read_feed(Fetched(body=data, **values))]
            answer = {"result": result}
        except LoadError as error:
            answer = {"error": str(error)}
        except MemoryError:
            is_spent = True  # what a failed allocation leaves behind is for no other file
            answer = {"error": f"needs more than {MEMORY / 1e6:.0f} MB to be read"}
        except RecursionError:
            is_spent = True
            answer = {"error": "elements nested too deeply"}
        except Exception as error:
            answer = {"error": f"cannot be parsed ({type(error).__name__}); the file may be damaged"}
        _limit_time(0)
        _send(answers, {**answer, "ends": is_spent})
        if is_spent:
            return


def _import_parsers() -> None:
    """Load the libraries before memory is limited, so that the limit is of what a file needs."""
    import docx  # noqa: F401
    import feedparser  # noqa: F401
    import pypdfium2  # noqa: F401
    import trafilatura  # noqa: F401


def _limit_memory() -> None:
    """Let the process take so much more than it has; where the system has no such limits, do nothing."""
    try:
        import resource

        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    except (ImportError, OSError, ValueError):
        pass


def _limit_time(seconds: float) -> None:
    """End the process after so much processor time; 0 for no limit."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)


def _send(stream: IO[bytes], values: Mapping[str, Any], data: bytes = b"") -> None:
    line = json.dumps({**values, "bytes": len(data)}, default=date.isoformat)
    stream.write(line.encode() + b"\n" + data)
    stream.flush()


def _receive(stream: IO[bytes]) -> tuple[dict[str, Any], bytes]:
    line = stream.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    values = json.loads(line)
    data = stream.read(values.pop("bytes"))
    return values, data


def _document(values: Mapping[str, Any]) -> Document:
    meta = {**values["meta"], "published": _day(values["meta"]["published"])}
    return Document(values["original"], Metadata(**meta), tuple(Cut(**cut) for cut in values["cuts"]))


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
