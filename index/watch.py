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
from index.errors import CitewireError, IndexDamaged, IndexMismatch, IndexMissing, LoadError, ModelError
from index.fetch import Validators
from index.formats import READABLE
from index.load import is_address, is_index
from index.rows import ROW_FORMATS

TICK = 1.0  # seconds between looks at what is due
RETRY = 60.0  # seconds until addresses, or a folder that cannot be watched, are tried again


class Update(Protocol):
    """``build`` for one index."""

    def __call__(
        self, sources: Sequence[str], *, prune: bool = False, validators: Validators | None = None
    ) -> Summary: ...


def check_places(sources: Sequence[str]) -> tuple[list[str], list[Path]]:
    """Part addresses from files and folders.

    :raises LoadError: a file or folder is not there
    """
    urls = [source for source in sources if is_address(source)]
    roots = [Path(source).resolve() for source in sources if source not in urls]
    for root in roots:
        if not root.exists():
            raise LoadError(f"{root} is not there; name a folder or file that is")
    return urls, roots


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
        self._urls, self._roots = check_places(sources)
        self._changed: set[str] = set()
        self._gone: set[str] = set()
        self._all_due = False  # everything below the roots
        self._urls_due = 0.0  # on the monotonic clock
        self._validators: Validators = {}
        self._failures: dict[str, str] = {}  # step -> what it said the last time

    def run(self, stop: threading.Event | None = None) -> None:
        """Bring everything up to date, then keep it so until ``stop`` is set.

        :raises StoreError: the index is damaged, or of another kind, which no waiting mends
        """
        stop = stop or threading.Event()
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
        if any(is_index(folder) for folder in (place, *place.parents) if folder.is_relative_to(root)):
            return  # an update of it would be the next change
        try:
            if not os.path.lexists(place):
                self._gone.add(path)
                self._changed.discard(path)
            elif place.resolve().is_relative_to(root) and (place.is_dir() or is_readable(place)):
                self._changed.add(path)
                self._gone.discard(path)
        except (OSError, RuntimeError):  # RuntimeError: a link that leads to itself
            self._all_due = True  # load says what is wrong with it

    def work(self) -> None:
        """Do what waits; what fails stays waiting, and keeps nothing else from being done."""
        for step in (self._look_at_all, self._take_out, self._put_in, self._ask_addresses):
            try:
                step()
                self._failures.pop(step.__name__, None)
            except (IndexDamaged, IndexMismatch, IndexMissing, ModelError):
                raise
            except CitewireError as error:
                if str(error) != self._failures.get(step.__name__):  # once, not every second
                    self._say(f"{error}; trying again")
                self._failures[step.__name__] = str(error)

    def _look_at_all(self) -> None:
        if self._all_due:
            self._build([str(root) for root in self._roots], prune=True)
            self._all_due = False

    def _take_out(self) -> None:
        if self._gone:
            count = sum(self._remove(sorted(self._gone)).values())
            self._gone.clear()
            if count:
                self._say(f"{count} removed")

    def _put_in(self) -> None:
        if self._changed:
            self._build(sorted(self._changed), prune=True)  # rows may be gone from a file that stays
            self._changed.clear()

    def _ask_addresses(self) -> None:
        if self._urls and time.monotonic() >= self._urls_due:
            self._urls_due = time.monotonic() + min(self._every, RETRY)
            self._build(self._urls)
            self._urls_due = time.monotonic() + self._every

    def _build(self, places: Sequence[str], *, prune: bool = False) -> None:
        validators = dict(self._validators)
        summary = self._update(places, prune=prune, validators=validators)
        self._validators = validators  # only now: what was not committed is asked for again
        for skipped in summary.skipped:
            self._say(f"skipped {skipped.location}: {skipped.reason}")
        if summary.added + summary.updated + summary.removed:
            self._say(str(summary))

    def _changes(self, stop: threading.Event) -> Iterator[set[str]]:
        """Give the changed paths about once a tick, the first time none."""
        while not stop.is_set():
            self._all_due = bool(self._roots)
            watched = _identities(self._roots)
            for changes in self._events(stop):
                yield changes
                # A root that was moved away and made anew is no longer what the system watches.
                if _identities(self._roots) != watched:
                    break

    def _events(self, stop: threading.Event) -> Iterator[set[str]]:
        if not self._roots:
            yield set()
            while not stop.wait(TICK):
                yield set()
            return
        import watchfiles

        # Of a file its folder: editors put a new file in the place of the old one.
        folders = {root if root.is_dir() else root.parent for root in self._roots}
        try:
            events = watchfiles.watch(
                *(folder for folder in folders if folder.is_dir()),
                watch_filter=None,
                stop_event=stop,
                rust_timeout=int(1000 * TICK),
                yield_on_timeout=True,
                ignore_permission_denied=True,
            )
            for changes in events:  # watching begins before the first look, so that no change is missed
                yield {path for _, path in changes}
        except (OSError, RuntimeError) as error:  # RuntimeError: a name that is no UTF-8
            self._say(f"lost sight of {', '.join(map(str, folders))} ({error}); looking at all of it again")
            yield set()
            stop.wait(RETRY)


def is_readable(place: Path) -> bool:
    """Tell by its name whether a file can be an article; editors' own files are not named as skipped."""
    return place.suffix.lower() in READABLE | ROW_FORMATS


def _identities(roots: Sequence[Path]) -> list[tuple[int, int] | None]:
    """Tell folders of the same name apart; a file is watched by its folder, so that any will do."""
    found: list[tuple[int, int] | None] = []
    for root in roots:
        try:
            status = root.stat()
            found.append((status.st_dev, status.st_ino) if root.is_dir() else (0, 0))
        except OSError:
            found.append(None)
    return found
