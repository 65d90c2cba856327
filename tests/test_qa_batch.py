"""Questions of several people: each gets its own answer, and a bad one harms nobody."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

import index.inference
from index.errors import Busy, CitewireError, ModelError
from index.types import Hit, Passage
from qa.api import QA
from qa.batch import Batcher
from qa.types import Answer, Query

ROOT = Path(__file__).parents[1]
GOLD = ROOT / "eval" / "gold" / "campaign-and-harbour.jsonl"
SECONDS = 10  # that a thread may take before the test says that it hangs


def query(text: str) -> Query:
    return Query(text, text)


def hit(text: str) -> Hit:
    return Hit(Passage(1, "a", 0, len(text), text), 1.0)


class Fake:
    """Answers a query with its own question, when ``go`` is set; ``batches`` lists what came together."""

    def __init__(self, *, held: bool = False) -> None:
        self.batches: list[list[str]] = []
        self.threads: set[int] = set()
        self.go = threading.Event()
        self.reading = threading.Semaphore(0)  # released when a batch is taken
        if not held:
            self.go.set()

    def __call__(
        self, queries: Sequence[Query], /, *, found: Callable[[int, list[Hit]], None]
    ) -> list[Answer]:
        self.batches.append([query.question for query in queries])
        self.threads.add(threading.get_ident())
        self.reading.release()
        for number, query in enumerate(queries):
            found(number, [hit(query.question)])
        assert self.go.wait(SECONDS)
        for query in queries:
            if query.question.startswith("bad"):
                raise ModelError(f"cannot read {query.question}")
        return [Answer(query.question, (), False, (), "fake") for query in queries]


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(100) as threads:
        yield threads


def wait_for(true: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


def ask_one_by_one(batcher: Batcher, pool: ThreadPoolExecutor, texts: Sequence[str]) -> list[Future[Answer]]:
    """Ask from a thread each, the next when the one before it waits."""
    asked = []
    for number, text in enumerate(texts, start=1):
        asked.append(pool.submit(batcher.ask, query(text)))
        wait_for(lambda n=number: len(batcher._waiting) == n)  # type: ignore[misc]
    return asked


def test_what_arrives_while_a_batch_is_read_is_the_next_batch_in_its_order(pool: ThreadPoolExecutor) -> None:
    fake = Fake(held=True)
    with Batcher(fake, size=4) as batcher:
        first = pool.submit(batcher.ask, query("first"))
        assert fake.reading.acquire(timeout=SECONDS)
        others = ask_one_by_one(batcher, pool, [f"q{n}" for n in range(6)])
        fake.go.set()
        assert first.result(SECONDS).question == "first"
        assert [other.result(SECONDS).question for other in others] == [f"q{n}" for n in range(6)]
    assert fake.batches == [["first"], ["q0", "q1", "q2", "q3"], ["q4", "q5"]]
    assert len(fake.threads) == 1
    assert threading.get_ident() not in fake.threads


def test_each_asker_gets_its_own_answer_and_passages(pool: ThreadPoolExecutor) -> None:
    fake = Fake()
    told: dict[str, list[str]] = {}

    def ask(text: str) -> Answer:
        def found(hits: list[Hit]) -> None:
            told.setdefault(text, [hits[0].passage.text])

        return batcher.submit(query(text), found).result()

    texts = [f"question {n}" for n in range(300)]
    with Batcher(fake, size=7, waiting=100) as batcher:
        answers = list(pool.map(ask, texts))
    assert [answer.question for answer in answers] == texts
    assert told == {text: [text] for text in texts}
    assert sorted(text for batch in fake.batches for text in batch) == sorted(texts)
    assert max(len(batch) for batch in fake.batches) > 1


def test_a_bad_query_harms_no_other_of_its_batch(pool: ThreadPoolExecutor) -> None:
    fake = Fake(held=True)
    told: list[str] = []
    with Batcher(fake, size=4) as batcher:
        first = pool.submit(batcher.ask, query("first"))
        assert fake.reading.acquire(timeout=SECONDS)
        good, bad, also = ask_one_by_one(batcher, pool, ["good", "bad one", "also good"])
        heard = batcher.submit(query("heard"), lambda hits: told.append(hits[0].passage.text))
        wait_for(lambda: len(batcher._waiting) == 4)
        fake.go.set()
        assert first.result(SECONDS).question == "first"
        with pytest.raises(ModelError, match="cannot read bad one"):
            bad.result(SECONDS)
        assert [asked.result(SECONDS).question for asked in (good, also, heard)] == [
            "good",
            "also good",
            "heard",
        ]
        assert told == ["heard"]  # once, though it was read again
        assert batcher.ask(query("later")).question == "later"


def test_what_goes_wrong_when_an_asker_is_told_is_its_own(pool: ThreadPoolExecutor) -> None:
    fake = Fake(held=True)

    def gone(hits: list[Hit]) -> None:
        raise ConnectionError("the page is gone")

    with Batcher(fake) as batcher:
        first = pool.submit(batcher.ask, query("first"))
        assert fake.reading.acquire(timeout=SECONDS)
        (other,) = ask_one_by_one(batcher, pool, ["other"])
        lost = batcher.submit(query("lost"), gone)
        wait_for(lambda: len(batcher._waiting) == 2)
        fake.go.set()
        assert (first.result(SECONDS).question, other.result(SECONDS).question) == ("first", "other")
        with pytest.raises(ConnectionError):
            lost.result(SECONDS)
    assert fake.batches == [["first"], ["other", "lost"]]


def test_who_finds_the_line_full_is_told_at_once(pool: ThreadPoolExecutor) -> None:
    fake = Fake(held=True)
    with Batcher(fake, size=2, waiting=3) as batcher:
        first = pool.submit(batcher.ask, query("first"))
        assert fake.reading.acquire(timeout=SECONDS)
        waiting = ask_one_by_one(batcher, pool, ["a", "b", "c"])
        with pytest.raises(Busy, match="3 questions are waiting already; ask again in a few seconds"):
            batcher.ask(query("one too many"))
        fake.go.set()
        assert [asked.result(SECONDS).question for asked in (first, *waiting)] == ["first", "a", "b", "c"]
        assert batcher.ask(query("one too many")).question == "one too many"


def test_closing_ends_the_batch_that_is_read_and_turns_away_the_rest(pool: ThreadPoolExecutor) -> None:
    fake = Fake(held=True)
    batcher = Batcher(fake)
    first = pool.submit(batcher.ask, query("first"))
    assert fake.reading.acquire(timeout=SECONDS)
    (waiting,) = ask_one_by_one(batcher, pool, ["waiting"])
    closed = pool.submit(batcher.close)
    wait_for(lambda: batcher._closed)
    with pytest.raises(CitewireError, match="the chat is stopping"):
        batcher.ask(query("late"))
    fake.go.set()
    closed.result(SECONDS)
    assert first.result(SECONDS).question == "first"
    with pytest.raises(CitewireError, match="the chat is stopping"):
        waiting.result(SECONDS)
    assert not batcher._thread.is_alive()
    batcher.close()
    assert fake.batches == [["first"]]


def test_fewer_answers_than_queries_are_an_error_and_never_anothers_answer() -> None:
    def too_few(queries: Sequence[Query], /, *, found: object) -> list[Answer]:
        return []

    with Batcher(too_few) as batcher, pytest.raises(ValueError, match="expected 1 answers, got 0"):
        batcher.ask(query("lonely"))


@pytest.mark.parametrize("numbers", [{"size": 0}, {"waiting": 0}])
def test_ranges_of_settings_are_checked(numbers: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Batcher(Fake(), **numbers)


def test_questions_asked_together_get_the_answers_that_each_gets_alone(tmp_path: Path) -> None:
    lines = GOLD.read_text(encoding="utf-8").splitlines()
    questions = [json.loads(line)["question"] for line in lines if line.strip()][:8]
    folder = tmp_path / "news"
    folder.mkdir()
    for path in sorted((ROOT / "eval" / "articles").iterdir())[::6]:
        (folder / path.name).write_bytes(path.read_bytes())
    sizes = []
    with pytest.MonkeyPatch.context() as patch:
        # In float32 batches of any size give the same logits.
        patch.setattr(index.inference, "has_bfloat16", lambda: False)
        with QA.from_articles(folder, tmp_path / "index") as opened:
            alone = {question: opened.ask(question) for question in questions}

            def counted(
                queries: Sequence[Query], /, *, found: Callable[[int, list[Hit]], None]
            ) -> list[Answer]:
                sizes.append(len(queries))
                return opened.answer(queries, found=found)

            with Batcher(counted) as batcher, ThreadPoolExecutor(len(questions)) as pool:
                together = list(pool.map(lambda text: batcher.ask(opened.query(text)), questions))
    assert max(sizes) > 1
    assert any(answer.answered for answer in together)
    for question, answer in zip(questions, together, strict=True):
        expected = alone[question]
        assert (answer.question, answer.text) == (expected.question, expected.text)
        assert (answer.citations, answer.nearest) == (expected.citations, expected.nearest)
        assert answer.confidence == pytest.approx(expected.confidence, abs=1e-3)
