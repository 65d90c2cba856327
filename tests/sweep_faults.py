"""Kill a process at every call that changes a file, or let the call fail, and look at what is left.

python tests/sweep_faults.py kill [--sample N]      # SIGKILL before, after and in the middle of each call
python tests/sweep_faults.py errors [--sample N]    # ENOSPC and EIO from each call

Needs Linux and a C compiler: faults.c is preloaded. Each point is a fork; after it the index is opened
again, in another fork: it must be in one of the states that the operation goes through, complete, no older
than what was acknowledged; and the operation, done again, must work.
"""

import ctypes
import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import faiss  # noqa: F401  (before the forks; nothing of it runs here)
import numpy as np
import rensa  # noqa: F401
from conftest import FakeEncoder

from index.check import check
from index.database import DATABASE, Manifest
from index.errors import CitewireError, IndexMissing
from index.portable import read_export, write_export
from index.repair import repair
from index.store import Index
from index.types import Article, Passage
from index.vectors import VECTORS
from index.writer import Writer, digest_of

MANIFEST = Manifest("fake@1", 32, 192, 1)
ENCODER = FakeEncoder()
BEFORE, AFTER, HALF, ERROR = 1, 2, 3, 4  # as in faults.c
State = dict[str, str]
Ack = Callable[[], None]


def put(writer: Writer, name: str, text: str) -> None:
    item = Article(name, "", text, original=text)
    ends = np.cumsum([len(line) for line in text.splitlines(keepends=True)]).tolist()
    starts = [0, *ends[:-1]]
    passages = [Passage(0, name, a, b, text[a:b]) for a, b in zip(starts, ends, strict=True)]
    writer.put(item, digest_of(item), passages, ENCODER.encode([p.text for p in passages]))


def texts(*numbers: int, version: str = "first") -> State:
    return {f"a{n}": f"Story {n}, {version}.\nIt goes on for a while, as {n} does.\n" * 8 for n in numbers}


@dataclass(frozen=True)
class Operation:
    """What is done to an index, and the states that it may leave: the first is the old one."""

    name: str
    run: Callable[[Path, Ack], None]
    states: list[State | None]  # None: no index
    prepare: Callable[[Path], None] = lambda path: None


def updating(*changes: State | list[str]) -> Callable[[Path, Ack], None]:
    """Commit each of some changes: articles to put, or ids to remove."""

    def run(path: Path, ack: Ack) -> None:
        with Index.create(path / "index", MANIFEST) as store:
            if len(changes) > 1:
                ack()  # the empty index
            with store.update() as writer:
                for change in changes:
                    for name in change:
                        if isinstance(change, dict):
                            put(writer, name, change[name])
                        else:
                            writer.remove(name)
                    writer.commit()
                    ack()

    return run


def compacting(path: Path, ack: Ack) -> None:
    with Index.open(path / "index") as store:
        store.compact()
    ack()


def repairing(path: Path, ack: Ack) -> None:
    repair(path / "index")
    ack()


def damage(path: Path) -> None:
    """Change an article's text behind the index's back."""
    import sqlite3

    with sqlite3.connect(path / "index" / DATABASE) as connection:
        connection.execute("UPDATE articles SET text = 'x' WHERE id = 'a2'")


def backing_up(path: Path, ack: Ack) -> None:
    shutil.rmtree(path / "copy", ignore_errors=True)
    with Index.open(path / "index") as store:
        store.backup(path / "copy")
    with Index.open(path / "copy") as copy, copy.snapshot() as snapshot:
        assert {a.id: a.text for a in snapshot.articles()} == OLD
    ack()


def carrying(path: Path, ack: Ack) -> None:
    file = path / "export.jsonl.gz"
    with Index.open(path / "other") as other, other.snapshot() as snapshot:
        write_export(snapshot, MANIFEST, file)
    with Index.open(path / "index") as store, store.update() as writer:
        for item in read_export(file):
            writer.put(item.article, item.digest, item.passages, item.vectors)
        writer.commit()
        ack()


def another(path: Path) -> None:
    updating(texts(7, 8))(path / "new", lambda: None)
    (path / "new" / "index").rename(path / "other")


OLD = texts(1, 2, 3, 4)
WITHOUT_2 = {name: text for name, text in OLD.items() if name != "a2"}
CHANGED = texts(2, 3, version="second")
OPERATIONS = [
    Operation(
        "first build",
        updating(texts(1, 2), texts(3, 4), texts(5)),
        [None, {}, texts(1, 2), texts(1, 2, 3, 4), texts(1, 2, 3, 4, 5)],
        lambda path: shutil.rmtree(path / "index"),
    ),
    Operation("add", updating(texts(5, 6)), [OLD, OLD | texts(5, 6)]),
    Operation("update", updating(CHANGED), [OLD, OLD | CHANGED]),
    Operation("remove", updating(["a2"]), [OLD, WITHOUT_2]),
    Operation("compact", compacting, [OLD]),
    Operation("repair", repairing, [OLD | {"a2": "x"}, WITHOUT_2], damage),
    Operation("backup", backing_up, [OLD]),
    Operation("export and import", carrying, [OLD, OLD | texts(7, 8)], another),
]


def state_of(path: Path) -> State | None:
    """Read an index whole, by each way of reading it, and make sure that they agree."""
    try:
        store = Index.open(path / "index")
    except IndexMissing:
        return None
    with store, store.snapshot() as snapshot:
        passages = [p for name in snapshot.ids() for p in snapshot.passages(name)]
        for passage in passages[:3]:
            (hits,) = snapshot.search_vectors(ENCODER.encode([passage.text]), 1)
            assert hits[0].passage.text == passage.text, "the vectors are of other passages"
        assert len(snapshot.search_words(["it", "story", "x"], 999)) == len(passages), "words are missing"
        return {article.id: article.text for article in snapshot.articles()}


def verified(path: Path, operation: Operation, acknowledged: int, _: Ack) -> str:
    """Say what is wrong after a fault, or "" if nothing is."""
    problems = [p for p in check(path / "index").problems if p.place != VECTORS] if exists(path) else []
    is_damaged = operation.name == "repair" and any("checksum" in p.reason for p in problems)
    if problems and not is_damaged:
        return f"check: {problems[0]}"
    if is_damaged:
        found = 0
    else:
        state = state_of(path)
        if state not in operation.states:
            return f"mixed: {sorted(state or {})}"
        found = len(operation.states) - 1 - operation.states[::-1].index(state)
    if found < min(acknowledged, len(operation.states) - 1):
        return f"lost: state {found}, acknowledged {acknowledged}"
    operation.run(path, lambda: None)
    if state_of(path) != operation.states[-1]:
        return "doing it again does not work"
    left = check(path / "index").problems
    return f"after doing it again: {left[0]}" if left else ""


def exists(path: Path) -> bool:
    return (path / "index" / DATABASE).exists()


def in_child(work: Callable[[Ack], Any]) -> tuple[int, int, Any]:
    """Run something in a fork.

    :return: its wait status, how often it acknowledged, what it returned or the error it raised
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            result: Any = work(lambda: os.write(writing, b"\n") and None)
        except CitewireError as error:
            result = ["error", str(error)]
        except BaseException:
            result = ["crash", traceback.format_exc()]
        faults().faults_disarm()
        os.write(writing, json.dumps(result).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    acknowledged = len(said) - len(said.lstrip(b"\n"))
    rest = said.lstrip(b"\n")
    return status, acknowledged, json.loads(rest) if rest else None


def faults() -> Any:
    library = ctypes.CDLL(None)
    library.faults_calls.restype = ctypes.c_char_p
    return library


def armed(operation: Operation, path: Path, at: int, mode: int, code: int = 0) -> tuple[int, int, Any]:
    def work(ack: Ack) -> Any:
        faults().faults_arm(str(path).encode(), ctypes.c_long(at), mode, code)
        operation.run(path, ack)
        return faults().faults_calls().decode()

    return in_child(work)


def sweep(kind: str, sample: int | None) -> int:
    """Go through all points, or a sample of them; print a line for each operation."""
    wrong, total, outcomes = 0, 0, Counter[str]()
    for operation in OPERATIONS:
        with tempfile.TemporaryDirectory() as folder:
            made = in_child(lambda _: None)  # forks work here
            assert made[0] == 0
            supply = worlds(operation, Path(folder))
            _, _, calls = armed(operation, next(supply), 0, BEFORE)
            assert isinstance(calls, str), calls
            points = list(_points(kind, calls))
            if sample:
                points = random.Random(7).sample(points, min(sample, len(points)))
            for at, mode, code in points:
                path = next(supply)
                status, acknowledged, result = armed(operation, path, at, mode, code)
                if kind == "kill":
                    assert os.WIFSIGNALED(status), (operation.name, at, mode, result)
                    assert os.WTERMSIG(status) == signal.SIGKILL
                    outcomes["killed"] += 1
                else:
                    outcomes[result[0] if isinstance(result, list) else "succeeded"] += 1
                problem = ""
                if isinstance(result, list) and result[0] == "crash":
                    problem = result[1].strip().splitlines()[-1]
                else:
                    _, _, problem = in_child(partial(verified, path, operation, acknowledged))
                    problem = problem[-1].strip().splitlines()[-1] if isinstance(problem, list) else problem
                if problem:
                    wrong += 1
                    print(f"{operation.name}, call {at} ({calls[at - 1]}), {mode} {code}: {problem}")
            total += len(points)
            print(f"{operation.name}: {len(calls)} calls ({dict(Counter(calls))}), {len(points)} points")
    print(f"{kind}: {total} points, {dict(outcomes)}, {wrong} wrong")
    return wrong


def worlds(operation: Operation, scratch: Path) -> Iterator[Path]:
    """Give the same prepared folder again and again.

    What uses FAISS runs in a fork: this process forks again, and must not have run it.
    """

    def prepare(_: Ack) -> None:
        template = scratch / "template"
        updating(OLD)(template, lambda: None)
        operation.prepare(template)

    assert in_child(prepare)[2] is None, in_child(prepare)[2]
    number = 0
    while True:
        number += 1
        world = scratch / f"world{number}"
        shutil.copytree(scratch / "template", world)
        (world / "tmp").mkdir()
        os.environ["SQLITE_TMPDIR"] = str(world / "tmp")
        yield world
        with suppress(OSError):
            shutil.rmtree(world)


def _points(kind: str, calls: str) -> Iterator[tuple[int, int, int]]:
    for at, call in enumerate(calls, 1):
        if kind == "kill":
            yield from ((at, mode, 0) for mode in (BEFORE, AFTER, *([HALF] if call == "w" else [])))
        else:
            yield from ((at, ERROR, code) for code in (errno.ENOSPC, errno.EIO))


def main() -> None:
    kind = sys.argv[1] if len(sys.argv) > 1 else ""
    if kind not in {"kill", "errors"}:
        sys.exit(__doc__)
    if "faults.so" not in os.environ.get("LD_PRELOAD", ""):
        with tempfile.TemporaryDirectory() as folder:
            library = Path(folder) / "faults.so"
            source = Path(__file__).with_name("faults.c")
            subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
            env = os.environ | {"LD_PRELOAD": str(library), "OMP_NUM_THREADS": "1"}
            sys.exit(subprocess.run([sys.executable, *sys.argv], env=env, check=False).returncode)
    sample = int(sys.argv[sys.argv.index("--sample") + 1]) if "--sample" in sys.argv else None
    sys.exit(1 if sweep(kind, sample) else 0)


if __name__ == "__main__":
    main()
