"""Many people ask the chat at once, over real HTTP, and each must get the answer that a person alone gets.

    python tests/load_chat.py --clients 50 --seconds 300
    python tests/load_chat.py --index my.citewire --questions mine.jsonl

Starts ``python ui.py``. One client asks each question first: those are the answers to expect. Then the clients
ask side by side, each question by the door that the one client took: every second one through Gradio's queue,
the others by ``/api/ask``. A reply is wrong if its text or a citation is another, mixed if it is to another
question. Last, more ask at once than may wait, and some come late, to see how soon they are turned away.
Prints counts, latencies, answers per second as a ratio to the one client's, and the server's memory. Exit
code 1: an answer was wrong, mixed or missing. Needs Linux's ``/proc``.
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[1]
GOLD = sorted((ROOT / "eval" / "gold").glob("*.jsonl"))
OPENING = 900  # seconds that a large index may take to open, or the sample to be indexed
PATIENCE = 300  # seconds for one answer: 80 before it, on two cores that others use too
LATE = 20  # questions that come when the line is full
PAUSE = 1.0  # seconds before who was turned away asks again


class Busy(Exception):
    """The server says that too many wait."""


@dataclass
class Tally:
    """What came of the questions; times in seconds."""

    asked: int = 0
    latencies: list[float] = field(default_factory=list)
    refusals: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    mixed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    drift: float = 0.0  # largest difference of a confidence from the one client's

    def check(self, question: str, reply: dict[str, Any], expected: dict[str, Any]) -> None:
        if reply["asked"] != question:
            self.mixed.append(f"{question!r} got the answer to {reply['asked']!r}")
        elif any(reply[name] != expected[name] for name in ("question", "text", "citations")):
            self.wrong.append(f"{question!r} got {reply['text']!r}, not {expected['text']!r}")
        self.drift = max(self.drift, abs(reply["confidence"] - expected["confidence"]))


async def ask(http: httpx.AsyncClient, question: str, *, queue: bool) -> dict[str, Any]:
    """Ask by one of the doors.

    :raises Busy: the server turns the question away
    :raises ValueError: it replies with another error
    """
    if not queue:
        return read(await http.get("/api/ask", params={"question": question}))
    joined = read(await http.post("/gradio_api/call/v2/ask", json={"question": question}))
    said = ""
    async with http.stream("GET", f"/gradio_api/call/ask/{joined['event_id']}") as events:
        async for line in events.aiter_lines():
            kind, _, rest = line.partition(": ")
            if kind == "event":
                said = rest
            elif kind == "data" and said == "complete":
                reply: dict[str, Any] = json.loads(rest)[0]
                return reply
            elif kind == "data" and said == "error":
                problem = (json.loads(rest) or {}).get("error") or "an error without words"
                raise Busy if "ask again" in problem else ValueError(problem)
    raise ValueError(f"the events ended with {said or 'nothing'}")


def read(reply: httpx.Response) -> dict[str, Any]:
    if reply.status_code == 503:
        raise Busy(reply.json()["detail"])
    if reply.status_code != 200:
        raise ValueError(f"{reply.status_code} {reply.text[:200]}")
    found: dict[str, Any] = reply.json()
    return found


async def one_client(
    http: httpx.AsyncClient, questions: list[str]
) -> tuple[dict[str, dict[str, Any]], Tally]:
    """Ask each question once, one after the other."""
    expected, tally = {}, Tally()
    for number, question in enumerate(questions):
        begun = time.monotonic()
        expected[question] = await ask(http, question, queue=number % 2 == 0)
        tally.latencies.append(time.monotonic() - begun)
    return expected, tally


async def client(
    http: httpx.AsyncClient, first: int, expected: dict[str, dict[str, Any]], end: float, tally: Tally
) -> None:
    """Ask the questions in turn from the first on, until the end, each again until it is answered."""
    questions = list(expected)
    number = first
    while time.monotonic() < end:
        question = questions[number % len(questions)]
        tally.asked += 1
        if await put(http, number % len(questions), question, expected[question], tally):
            number += 1
        else:
            await asyncio.sleep(PAUSE)


async def put(
    http: httpx.AsyncClient, number: int, question: str, expected: dict[str, Any], tally: Tally
) -> bool:
    """Ask once and note what came; False if it was turned away."""
    begun = time.monotonic()
    try:
        reply = await ask(http, question, queue=number % 2 == 0)
    except Busy:
        tally.refusals.append(time.monotonic() - begun)
        return False
    except (ValueError, httpx.HTTPError) as error:
        tally.failed.append(f"{question!r}: {type(error).__name__} {error}")
    else:
        tally.latencies.append(time.monotonic() - begun)
        tally.check(question, reply, expected)
    return True


async def burst(
    http: httpx.AsyncClient, size: int, expected: dict[str, dict[str, Any]]
) -> tuple[Tally, Tally]:
    """Ask as many questions at once, each once, and once the first is turned away ``LATE`` more."""
    tally, late, questions = Tally(asked=size), Tally(asked=LATE), list(expected)

    def asking(number: int, whose: Tally) -> asyncio.Task[bool]:
        text = questions[number % len(questions)]
        return asyncio.create_task(put(http, number, text, expected[text], whose))

    asked = [asking(number, tally) for number in range(size)]
    while not tally.refusals and not all(one.done() for one in asked):
        await asyncio.sleep(0.05)
    await asyncio.sleep(PAUSE)  # for the rest of them to be let in or turned away
    for number in range(LATE):
        asked.append(asking(number, late))
        await asyncio.sleep(0.1)
    await asyncio.gather(*asked)
    return tally, late


async def watch(pid: int, begun: float, resident: list[float]) -> None:
    """Note the server's memory at the start and after each minute, in MB."""
    while True:
        resident.append(memory(pid))
        print(f"  {time.monotonic() - begun:5.0f} s   {resident[-1]:,.0f} MB resident", flush=True)
        await asyncio.sleep(60)


def memory(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextmanager
def chat(port: int, index: Path | None) -> Iterator[tuple[int, str]]:
    """Run the chat; gives its process and its address once it answers."""
    command = [sys.executable, str(ROOT / "ui.py"), "--port", str(port)]
    command += ["--index", str(index)] if index else []
    with tempfile.TemporaryFile() as log:
        # A session of its own: Ctrl-C reaches it once, from here.
        server = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
        try:
            end, url = time.monotonic() + OPENING, f"http://127.0.0.1:{port}"
            while not answers(url):
                if server.poll() is not None or time.monotonic() > end:
                    log.seek(0)
                    raise SystemExit(f"the chat did not start:\n{log.read().decode(errors='replace')}")
                time.sleep(0.5)
            yield server.pid, url
        finally:
            server.send_signal(signal.SIGINT)
            try:
                server.wait(60)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
            log.seek(0)
            said = log.read().decode(errors="replace").strip().splitlines()
            print("the server said:", *said[-12:], sep="\n  ")


def answers(url: str) -> bool:
    try:
        return (
            httpx.get(f"{url}/api/ask?question=ready", timeout=PATIENCE, trust_env=False).status_code == 200
        )
    except httpx.TransportError:
        return False


async def load(url: str, pid: int, questions: list[str], given: argparse.Namespace) -> bool:
    """Run the load and print what came of it; True if every answer was right."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=given.clients)
    async with httpx.AsyncClient(base_url=url, timeout=PATIENCE, limits=limits, trust_env=False) as http:
        print(f"{len(questions)} questions, one client:", flush=True)
        expected, alone = await one_client(http, questions)
        alone_rate = len(alone.latencies) / sum(alone.latencies)
        print(f"  {alone_rate:.2f} answers a second; {times(alone.latencies)}")

        print(f"{given.clients} clients for {given.seconds:g} s:", flush=True)
        resident: list[float] = []
        tally, begun = Tally(), time.monotonic()
        watching = asyncio.create_task(watch(pid, begun, resident))
        apart = max(1, len(questions) // given.clients)
        await asyncio.gather(
            *(client(http, n * apart, expected, begun + given.seconds, tally) for n in range(given.clients))
        )
        took = time.monotonic() - begun
        watching.cancel()
        resident.append(memory(pid))
        rate = len(tally.latencies) / took
        tell(tally)
        print(f"  {rate:.2f} answers a second, {rate / alone_rate:.2f} times the one client's")
        print(f"  memory {resident[0]:,.0f} MB at the start, {resident[-1]:,.0f} MB at the end,"
              f" growth {resident[-1] - resident[0]:+,.0f} MB")  # fmt: skip

        print(f"{given.burst} questions at once:", flush=True)
        flood, late = await burst(http, given.burst, expected)
        tell(flood)
        print(f"{LATE} more, one by one, while those wait:")
        tell(late)
        print(f"  memory {memory(pid):,.0f} MB")
    return not any(t.wrong or t.mixed or t.failed for t in (tally, flood, late)) and bool(tally.latencies)


def tell(tally: Tally) -> None:
    turned = f"{len(tally.refusals)} turned away with 503"
    if tally.refusals:
        turned += f", the slowest after {max(tally.refusals):.2f} s"
    print(f"  {tally.asked} asked, {len(tally.latencies)} answered, {turned}")
    print(f"  {len(tally.wrong)} wrong, {len(tally.mixed)} mixed, {len(tally.failed)} failed;"
          f" confidence within {tally.drift:.4f}")  # fmt: skip
    for line in (tally.wrong + tally.mixed + tally.failed)[:10]:
        print(f"    {line}")
    print(f"  {times(tally.latencies)}")


def times(latencies: list[float]) -> str:
    if not latencies:
        return "no answers"
    ordered = sorted(latencies)
    p50, p99 = (ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.99))
    return f"p50 {p50:.2f} s, p99 {p99:.2f} s, slowest {ordered[-1]:.2f} s"


def questions_of(paths: list[Path]) -> list[str]:
    """Give the distinct questions of JSON-lines files."""
    lines = (line for path in paths for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    return list(dict.fromkeys(json.loads(line)["question"] for line in lines))


def main() -> None:
    parser = argparse.ArgumentParser(description="Load the chat and check every answer.")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--burst", type=int, default=200, help="questions asked at once, last")
    parser.add_argument("--port", type=int, default=7990)
    parser.add_argument("--index", type=Path, help="default: the sample articles")
    parser.add_argument("--questions", type=Path, nargs="*", help="JSON lines with a question each")
    parser.add_argument("--most", type=int, help="take only so many of the questions")
    given = parser.parse_args()
    questions = questions_of(given.questions or GOLD)[: given.most]
    with chat(given.port, given.index) as (pid, url):
        right = asyncio.run(load(url, pid, questions, given))
    sys.exit(0 if right else 1)


if __name__ == "__main__":
    main()
