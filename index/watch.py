"""Keep an index current: folders as their files change, pages and feeds every few minutes.

Holds: a place whose update failed (another writer, a full disk, a server that is down) is tried again;
nothing ends the watch but the person, or a mistake that no waiting mends.
Does not load or embed: it is given build and remove for one index.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
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


@dataclass
class Watch:
    """What is watched, and what waits to be done.

    :param update: brings the index up to date with some places
    :param remove: takes out the articles of some places, and says how many of each
    :param sources: folders, files, http(s) pages or feeds
    :param every: seconds between two requests for a page or feed
    :param say: takes a line about each update and each failure
    :raises LoadError: a file or folder is not there
    """

    update: Update
    remove: Callable[[Sequence[str]], Mapping[str, int]]
    sources: Sequence[str]
    say: Callable[[str], None]
    every: float = 300.0
    _changed: set[str] = field(default_factory=set)
    _gone: set[str] = field(default_factory=set)
    _due: float = 0.0
    _failure: str = ""

    def __post_init__(self) -> None:
        self.urls = [source for source in self.sources if source.lower().startswith(("http://", "https://"))]
        self.roots = [Path(source).resolve() for source in self.sources if source not in self.urls]
        for root in self.roots:
            if not root.exists():
                raise LoadError(f"{root} is not there; name a folder or file that is")
        self._validators: Validators = {}

    def run(self, stop: threading.Event | None = None) -> None:
        """Bring everything up to date, then keep it so until ``stop`` is set."""
        stop = stop or threading.Event()
        self._all_folders = bool(self.roots)
        for changes in self._changes(stop):
            for path in changes:
                self.notice(path)
            self.work()

    def notice(self, path: str) -> None:
        """Take down that a file or folder changed, came or went."""
        place = Path(path)
        root = next((root for root in self.roots if place == root or root in place.parents), None)
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
            if self._all_folders:
                self._tell(self._build([str(root) for root in self.roots], prune=True))
                self._all_folders = False
            if self._gone:
                counts = self.remove(sorted(self._gone))
                self._gone.clear()
                if count := sum(counts.values()):
                    self.say(f"{count} removed")
            if self._changed:
                self._tell(self._build(sorted(self._changed)))
                self._changed.clear()
            if self.urls and time.monotonic() >= self._due:
                self._due = time.monotonic() + self.every
                self._tell(self._build(self.urls))
            self._failure = ""
        except CitewireError as error:
            if str(error) != self._failure:  # once, not every second
                self.say(f"{error}; trying again")
            self._failure = str(error)

    def _build(self, places: Sequence[str], *, prune: bool = False) -> Summary:
        validators = dict(self._validators)
        summary = self.update(places, prune=prune, validators=validators)
        self._validators = validators  # only now: what was not committed is asked for again
        return summary

    def _tell(self, summary: Summary) -> None:
        for skipped in summary.skipped:
            self.say(f"skipped {skipped.location}: {skipped.reason}")
        if summary.added + summary.updated + summary.removed:
            self.say(str(summary))

    def _changes(self, stop: threading.Event) -> Iterator[set[str]]:
        """Give the changed paths about once a tick, the first time none."""
        if not self.roots:
            yield set()
            while not stop.wait(TICK):
                yield set()
            return
        import watchfiles

        events = watchfiles.watch(
            *self.roots,
            watch_filter=None,
            stop_event=stop,
            rust_timeout=int(1000 * TICK),
            yield_on_timeout=True,
        )
        for changes in events:  # watching begins before the first look, so that no change is missed
            yield {path for _, path in changes}
