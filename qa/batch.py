"""Questions of several people, read together when they arrive together.

Holds: each asker gets the answer of its own query; a query that fails harms no other; no more than a fixed
number wait. All queries are answered in one thread, so the reader runs for one batch at a time (finding
typos and searching without reading run in the asker's thread: the models themselves are safe there).
Adds no delay: a question that comes alone is answered at once, those that come meanwhile are the next batch.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol

from index.errors import Busy, CitewireError
from index.types import Hit
from qa.api import BATCH
from qa.types import Answer, Query

# Queries that wait at most: four batches, so that whoever is let in is answered within about half a minute
# on two cores, and a fifth is told at once to come back.
WAITING = 4 * BATCH
# Seconds that closing waits for the batch that is being read: longer than 16 questions take on two cores.
PATIENCE = 30.0

Found = Callable[[list[Hit]], None]


class Answering(Protocol):
    """What answers queries together: ``QA.answer``, or something that finds the QA first."""

    def __call__(
        self, queries: Sequence[Query], /, *, found: Callable[[int, list[Hit]], None]
    ) -> list[Answer]: ...


@dataclass(eq=False, slots=True)
class _Asked:
    query: Query
    found: Found | None
    answer: Future[Answer] = field(default_factory=Future)

    def tell(self, hits: list[Hit]) -> None:
        """Give the asker its passages, once; what goes wrong there is the asker's own."""
        told, self.found = self.found, None
        if told:
            try:
                told(hits)
            except Exception as error:
                self.answer.set_exception(error)


class Batcher:
    """Answers queries of many threads in one thread of its own."""

    def __init__(self, answer: Answering, *, size: int = BATCH, waiting: int = WAITING) -> None:
        """Start the thread.

        :param size: most queries that are answered in one call
        :param waiting: most queries that wait while others are answered
        :raises ValueError: a number is below 1
        """
        if size < 1 or waiting < 1:
            raise ValueError(f"expected a size and a number waiting of at least 1, got {size} and {waiting}")
        self._answer, self._size, self._most = answer, size, waiting
        self._waiting: deque[_Asked] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="citewire-batch", daemon=True)
        self._thread.start()

    def ask(self, query: Query) -> Answer:
        """Answer a query, together with others that wait; the calling thread waits for it.

        :raises Busy: too many wait already; raised at once
        :raises CitewireError: the batcher is closed, or what answering this query raised
        """
        return self.submit(query).result()

    def submit(self, query: Query, found: Found | None = None) -> "Future[Answer]":
        """Put a query in the line; its answer, or what answering it raised, comes with the future.

        :param found: called once with the query's passages before they are read, in the batcher's thread
        :raises Busy: too many wait already
        :raises CitewireError: the batcher is closed
        """
        asked = _Asked(query, found)
        with self._changed:
            if self._closed:
                raise _stopped()
            if len(self._waiting) >= self._most:
                raise Busy(f"{self._most:,} questions are waiting already; ask again in a few seconds")
            self._waiting.append(asked)
            self._changed.notify()
        return asked.answer

    def close(self) -> None:
        """Let the batch that is being read end, and turn away what waits and what comes."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not threading.current_thread():
            self._thread.join(PATIENCE)

    def __enter__(self) -> "Batcher":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        while batch := self._next():
            self._read(batch)
        while self._waiting:  # closed, so none is added
            self._waiting.popleft().answer.set_exception(_stopped())

    def _next(self) -> list[_Asked]:
        """Wait for queries and take as many as are read together; none once it is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if self._closed:
                return []
            return [self._waiting.popleft() for _ in range(min(self._size, len(self._waiting)))]

    def _read(self, batch: Sequence[_Asked]) -> None:
        """Answer a batch; if that fails, each of its queries by itself."""
        try:
            answers = self._answer(
                [asked.query for asked in batch], found=lambda number, hits: batch[number].tell(hits)
            )
            if len(answers) != len(batch):
                raise ValueError(f"expected {len(batch)} answers, got {len(answers)}")
        except BaseException as error:
            if len(batch) > 1:
                for asked in batch:
                    self._read([asked])
            elif not batch[0].answer.done():
                batch[0].answer.set_exception(error)
            return
        for asked, answer in zip(batch, answers, strict=True):
            if not asked.answer.done():  # telling its asker failed
                asked.answer.set_result(answer)


def _stopped() -> CitewireError:
    return CitewireError("the chat is stopping; start it again and ask then")
