"""The articles behind the chat: opened, or indexed, in a thread while the page is there already.

Holds: ``qa`` is set once the articles are open, ``ready`` once the models are loaded or it failed.
Does not answer questions or render them.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from index.build import Progress, Report
from index.errors import CitewireError
from index.snapshot import Stats
from qa.api import QA
from qa.web.body import line_of
from qa.web.examples import Example, made_examples, sample_examples

log = logging.getLogger(__name__)
LIKELY = 0.7  # probability from which the page says "likely" (qa.render)
EXAMPLES = 4  # of those made for articles that are not the sample


class Library:
    """The articles: opened or indexed in a thread, which then loads the models and finds examples."""

    def __init__(self, opener: Callable[[Report], QA]) -> None:
        self._opener = opener
        self._since = 0.0
        self.progress: Progress | None = None
        self.qa: QA | None = None  # once the articles are open
        self.stats: Stats | None = None
        self.examples: tuple[str, ...] = ()
        self.error = ""  # for people
        self.why = ""  # for the terminal: the error's own line, which may name paths
        self.ready = threading.Event()  # the models are loaded too, or it failed
        self.settled = threading.Event()  # nothing on the page will change by itself any more

    def start(self) -> None:
        threading.Thread(target=self._open, daemon=True).start()

    @property
    def status(self) -> str:
        """What is being waited for, in a few words; "" if nothing is."""
        if self.ready.is_set():
            return ""
        return (
            "Loading the models" if self.qa else progress_text(self.progress, time.monotonic() - self._since)
        )

    def opened(self) -> QA:
        """Give the articles to ask.

        :raises CitewireError: they are not open yet, or never will be
        """
        if self.qa is None or self.error:
            raise CitewireError(self.error or f"{self.status.lower()}; ask again in a moment")
        return self.qa

    def renew(self) -> None:
        """Take note of articles that were added: count them now, and look for examples in a thread.

        :raises CitewireError: the articles are not open
        """
        qa = self.opened()
        with qa.store.snapshot() as snapshot:
            self.stats = snapshot.stats()
        if self.settled.is_set():  # else examples are being looked for already
            self.settled.clear()
            threading.Thread(target=self._renew_examples, args=(qa,), daemon=True).start()

    def _renew_examples(self, qa: QA) -> None:
        try:
            with qa.store.snapshot() as snapshot:
                asked = sample_examples(snapshot)
                made = [] if asked else made_examples(snapshot)
            self.examples = asked or tuple(islice(_answered(qa, made), EXAMPLES)) or self.examples
        except CitewireError:
            log.exception("no new examples")  # those that were there are as good as before
        finally:
            self.settled.set()

    def _report(self, progress: Progress) -> None:
        if self.progress is None or self.progress.stage != progress.stage:
            self._since = time.monotonic()
        self.progress = progress

    def _open(self) -> None:
        try:
            qa = self._opener(self._report)
            with qa.store.snapshot() as snapshot:
                self.stats = snapshot.stats()
                asked = sample_examples(snapshot)
                made = [] if asked else made_examples(snapshot)
            self.qa, self.examples = qa, asked
            qa.ask((*asked, "What happened?")[0])
            self.ready.set()
            for question in islice(_answered(qa, made), EXAMPLES):
                self.examples += (question,)
        except CitewireError as error:
            self.error, self.why = line_of(error), str(error)
        finally:
            if not self.error and self.qa is None:
                self.error = self.why = "the articles could not be opened; the terminal says why"
            self.ready.set()
            self.settled.set()


def _answered(qa: QA, made: Iterable[Example]) -> Iterator[str]:
    """Give the questions to show people first: of likely answers, with the words they were made from.

    Tries no more than are taken.
    """
    for example in made:
        answer = qa.ask(example.question)
        if example.answer in (answer.text or "") and answer.confidence >= LIKELY:
            yield example.question


def progress_text(progress: Progress | None, seconds: float) -> str:
    """Say how far a build is, and how long its stage takes still."""
    if progress is None:
        return "Opening the articles"
    if progress.stage == "reading":
        return f"Reading {progress.done:,} articles"
    text = f"Indexing {progress.done:,} of {progress.total:,} passages"
    if not progress.done or progress.done >= progress.total or seconds < 2:
        return text
    left = seconds / progress.done * (progress.total - progress.done)
    return f"{text}, {left:.0f} s left" if left < 90 else f"{text}, {left / 60:.0f} min left"
