"""Keep an index current: folders as their files change, pages and feeds every few minutes.

Holds: a place whose update failed (another writer, a full disk, a server that is down) is tried again;
nothing ends the watch but the person, or a mistake that no waiting mends.
Does not load or embed: it is given build and remove for one index.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from index.build import Summary
from index.errors import CitewireError, LoadError
from index.fetch import Validators

TICK = 1.0  # seconds between looks at what is due


class Update(Protocol):
    """``build`` for one index."""

    def __call__(
        self, sources: Sequence[str], *, prune: bool = False, validators: Validators | None = None
    ) -> Summary: ...


class Watch:
    """What is watched, and what waits to be done.

    :param update: brings the index up to date with some places
    :param remove: takes out the articles of some places, and says how many of each
    :param sources: folders, files, http(s) pages or feeds
    :param say: takes a line about each update and each failure
    :param every: seconds between two requests for a page or feed
    :raises LoadError: a file or folder is not there
    """

    def __init__(
        self,
        update: Update,
        remove: Callable[[Sequence[str]], Mapping[str, int]],
        sources: Sequence[str],
        say: Callable[[str], None],
        every: float = 300.0,
    ) -> None:
        self._update, self._remove, self._say, self._every = update, remove, say, every
        self._urls = [source for source in sources if source.lower().startswith(("http://", "https://"))]
        self._roots = [Path(source).resolve() for source in sources if source not in self._urls]
        for root in self._roots:
            if not root.exists():
                raise LoadError(f"{root} is not there; name a folder or file that is")
        self._changed: set[str] = set()
        self._gone: set[str] = set()
        self._all_due = False  # everything below the roots
        self._urls_due = 0.0  # on the monotonic clock
        self._validators: Validators = {}
        self._failure = ""

    def run(self, stop: threading.Event | None = None) -> None:
        """Bring everything up to date, then keep it so until ``stop`` is set."""
        stop = stop or threading.Event()
        self._all_due = bool(self._roots)
        for changes in self._changes(stop):
            for path in changes:
                self.notice(path)
            self.work()

    def notice(self, path: str) -> None:
        """Take down that a file or folder changed, came or went."""
        place = Path(path)
        root = next((root for root in self._roots if place == root or root in place.parents), None)
        if root is None or any(part.startswith(".") for part in place.relative_to(root).parts):
            return
        if not os.path.lexists(place):
            self._gone.add(path)
            self._changed.discard(path)
        elif place.resolve().is_relative_to(root):
            self._changed.add(path)
            self._gone.discard(path)

    def work(self) -> None:
        """Do what waits; what fails stays waiting."""
        try:
            if self._all_due:
                self._tell(self._build([str(root) for root in self._roots], prune=True))
                self._all_due = False
            if self._gone:
                counts = self._remove(sorted(self._gone))
                self._gone.clear()
                if count := sum(counts.values()):
                    self._say(f"{count} removed")
            if self._changed:
                self._tell(self._build(sorted(self._changed)))
                self._changed.clear()
            if self._urls and time.monotonic() >= self._urls_due:
                self._tell(self._build(self._urls))
                self._urls_due = time.monotonic() + self._every
            self._failure = ""
        except CitewireError as error:
            if str(error) != self._failure:  # once, not every second
                self._say(f"{error}; trying again")
            self._failure = str(error)

    def _build(self, places: Sequence[str], *, prune: bool = False) -> Summary:
        validators = dict(self._validators)
        summary = self._update(places, prune=prune, validators=validators)
        self._validators = validators  # only now: what was not committed is asked for again
        return summary

    def _tell(self, summary: Summary) -> None:
        for skipped in summary.skipped:
            self._say(f"skipped {skipped.location}: {skipped.reason}")
        if summary.added + summary.updated + summary.removed:
            self._say(str(summary))

    def _changes(self, stop: threading.Event) -> Iterator[set[str]]:
        """Give the changed paths about once a tick, the first time none."""
        if not self._roots:
            yield set()
            while not stop.wait(TICK):
                yield set()
            return
        import watchfiles

        events = watchfiles.watch(
            *self._roots,
            watch_filter=None,
            stop_event=stop,
            rust_timeout=int(1000 * TICK),
            yield_on_timeout=True,
        )
        for changes in events:  # watching begins before the first look, so that no change is missed
            yield {path for _, path in changes}
