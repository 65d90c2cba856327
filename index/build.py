"""Put the steps in order: load -> clean -> chunk -> embed -> store.

Holds: an article whose content has not changed costs no embedding; what was committed stays when a
build is interrupted, and running it again goes on from there; one bad file stops nothing.
Knows no question and no answer.
"""

import os
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from index.chunk import Chunking, chunk
from index.clean import VERSION as CLEANING
from index.clean import clean
from index.embed import Encoder, passage_text
from index.fetch import Validators
from index.load import Limits, Skipped, is_address, load
from index.portable import read_export, verify_export
from index.store import Index
from index.types import Article, Filters, Measure, Passage
from index.writer import Writer, digest_of

# Passages embedded and committed together: enough that batches hold texts of one length, and few enough
# that an interrupted build repeats little (a minute on 2 cores without bfloat16).
POOL = 2_048


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a build is: ``stage`` is "reading" (articles) or "embedding" (passages)."""

    stage: str
    done: int
    total: int  # of this stage as far as it is known now


Report = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Summary:
    """What a build did; counts are articles, but for ``passages``."""

    added: int
    updated: int
    unchanged: int
    removed: int
    passages: int
    skipped: tuple[Skipped, ...]
    seconds: float

    def __str__(self) -> str:
        counts = [f"{self.added} added", f"{self.updated} updated", f"{self.unchanged} unchanged"]
        if self.removed:
            counts.append(f"{self.removed} removed")
        counts.append(f"{len(self.skipped)} skipped")
        return f"{', '.join(counts)} in {self.seconds:.1f} s"


def build(
    store: Index,
    encoder: Encoder,
    measure: Measure,
    sources: Iterable[str | os.PathLike[str]],
    *,
    report: Report | None = None,
    prune: bool = False,
    wait: float = 0.0,
    limits: Limits = Limits(),
    validators: Validators | None = None,
    public_only: bool = False,
) -> Summary:
    """Bring an index up to date with files, folders, pages or feeds.

    :param measure: counts the reader's tokens of each of some texts
    :param report: called now and then with how far it is
    :param prune: also take out articles of these files and folders that are no longer there
    :param wait: seconds to wait for another process that is writing
    :param validators: kept from one call to the next, they spare addresses that have not changed
    :param public_only: skip addresses that lead into a private network
    :raises IndexBusy: another process is writing
    """
    started = time.perf_counter()
    sources = list(sources)
    chunking = Chunking(store.manifest.max_tokens, store.manifest.overlap)
    with store.update(wait) as writer:
        work = _Work(writer, encoder, report)
        for item in load(
            sources,
            limits=limits,
            validators=validators,
            public_only=public_only,
            known=lambda name: writer.digest(name) is not None,
        ):
            if isinstance(item, Skipped):
                work.skipped.append(item)
                continue
            digest = digest_of(item, CLEANING)
            known = writer.digest(item.id)
            work.seen.add(item.id)
            if known == digest:
                work.unchanged += 1
            else:
                article = clean(item)
                work.put(article, digest, chunk(article, measure, chunking), new=known is None)
            work.tell_reading()
        work.flush()
        if prune:
            work.removed += _prune(writer, sources, work)
    return work.summary(started)


def remove(
    store: Index, places: Sequence[str] = (), *, filters: Filters = Filters(), wait: float = 0.0
) -> dict[str, int]:
    """Take articles out of an index, in one transaction.

    :param places: files, folders, addresses or ids; none for all places
    :param filters: only articles of these outlets and days
    :return: how many articles of each place were removed ("" where none was named)
    :raises IndexBusy: another process is writing
    :raises ValueError: neither places nor filters are given
    """
    if not places and not filters:
        raise ValueError("expected places, or filters, or both; to remove all, delete the index's folder")
    with store.update(wait) as writer:
        matching = set(writer.matching(filters))
        counts = {}
        for place in places or [""]:
            found = _inside(writer, place) if places else sorted(matching)
            counts[place] = sum([writer.remove(name) for name in found if name in matching])
        return counts


def import_from(
    store: Index,
    path: Path,
    encoder: Encoder,
    measure: Measure,
    *,
    report: Report | None = None,
    wait: float = 0.0,
) -> Summary:
    """Put the articles of an export into an index, in place of those with the same ids.

    Where the index was made with the same encoder and chunking, nothing is embedded and all articles
    appear at once; else they are cut and embedded anew.

    :raises StoreError: the file is not an export, or damaged; nothing was changed
    :raises IndexBusy: another process is writing
    """
    started = time.perf_counter()
    manifest = verify_export(path)
    chunking = Chunking(store.manifest.max_tokens, store.manifest.overlap)
    with store.update(wait) as writer:
        work = _Work(writer, encoder, report)
        for item in read_export(path):
            known = writer.digest(item.article.id)
            work.seen.add(item.article.id)
            if known == item.digest:
                work.unchanged += 1
            elif manifest == store.manifest:
                writer.put(item.article, item.digest, item.passages, item.vectors)
                work.count(new=known is None)
                work.passages += len(item.passages)
            else:
                passages = chunk(item.article, measure, chunking)
                work.put(item.article, item.digest, passages, new=known is None)
            work.tell_reading()
        work.flush()
    return work.summary(started)


class _Work:
    """The articles of one build that wait to be embedded, and the counts."""

    def __init__(self, writer: Writer, encoder: Encoder, report: Report | None) -> None:
        self._writer = writer
        self._encoder = encoder
        self._report = report
        self._waiting: list[tuple[Article, bytes, Sequence[Passage]]] = []
        self._waiting_passages = 0
        self.seen: set[str] = set()
        self.skipped: list[Skipped] = []
        self.added = self.updated = self.unchanged = self.removed = self.passages = 0

    def put(self, article: Article, digest: bytes, passages: list[Passage], *, new: bool) -> None:
        if not passages:
            self.skipped.append(Skipped(article.id, "no text left after cleaning"))
            self.removed += self._writer.remove(article.id)
            return
        self._waiting.append((article, digest, passages))
        self._waiting_passages += len(passages)
        self.count(new=new)
        if self._waiting_passages >= POOL:
            self.flush()

    def count(self, *, new: bool) -> None:
        self.added += new
        self.updated += not new

    def flush(self) -> None:
        """Embed and commit what is waiting."""
        texts = [passage_text(passage) for _, _, passages in self._waiting for passage in passages]
        done = self.passages
        total = done + len(texts)

        def progress(count: int) -> None:
            nonlocal done
            done += count
            if self._report:
                self._report(Progress("embedding", done, total))

        vectors = self._encoder.encode(texts, progress) if texts else None
        at = 0
        for article, digest, passages in self._waiting:
            if vectors is not None:
                self._writer.put(article, digest, passages, vectors[at : at + len(passages)])
            at += len(passages)
        self._writer.commit()
        self.passages = total
        self._waiting.clear()
        self._waiting_passages = 0

    def summary(self, started: float) -> Summary:
        return Summary(
            added=self.added,
            updated=self.updated,
            unchanged=self.unchanged,
            removed=self.removed,
            passages=self.passages,
            skipped=tuple(self.skipped),
            seconds=time.perf_counter() - started,
        )

    def tell_reading(self) -> None:
        if self._report:
            read = len(self.seen) + len(self.skipped)
            self._report(Progress("reading", read, read))


def _prune(writer: Writer, sources: Sequence[str | os.PathLike[str]], work: _Work) -> int:
    """Remove indexed articles under the named places that this build did not see.

    What it could not look into (a folder that is not mounted, a feed that does not answer) stays.
    """
    unread = {name for item in work.skipped for name in (item.location, os.path.realpath(item.location))}
    gone = {
        found
        for source in sources
        if not is_address(source)
        for found in _inside(writer, source)
        if found not in work.seen and unread.isdisjoint(_around(found))
    }
    return sum([writer.remove(found) for found in gone])


def _inside(writer: Writer, place: str | os.PathLike[str]) -> list[str]:
    """Give the ids of the articles that came from a file, folder or address, or have this id."""
    name = _as_id(place)
    if not is_address(name) and not writer.digest(name):
        name = _as_id(os.path.realpath(place))
    return [found for found in writer.ids(prefix=name) if name in _around(found)]


def _around(article_id: str) -> set[str]:
    """Give an id and the names of its file, folders or feed."""
    return {article_id, *(article_id[: match.start()] for match in re.finditer("[/#]", article_id))}


def _as_id(place: str | os.PathLike[str]) -> str:
    return os.fsencode(place).decode("utf-8", "backslashreplace")  # as load does
