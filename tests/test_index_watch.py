"""A watched index follows its folders and feeds, and what fails is tried again."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from conftest import FakeEncoder, measure

import index.watch
from index.build import build, remove
from index.database import Manifest
from index.errors import LoadError, StoreError
from index.store import Index
from index.watch import Watch
from index.writer import Writer

STORY = "The bridge over the Elsk opened on Monday after a delay of two years, the city said.\n"


@pytest.fixture
def store(tmp_path: Path) -> Index:
    return Index.create(tmp_path / "index", Manifest("fake@1", 32, 192, 1))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "news").mkdir()
    (tmp_path / "news" / "a.txt").write_text(STORY)
    return tmp_path / "news"


def watching(store: Index, *sources: str | Path, every: float = 0.0) -> tuple[Watch, list[str]]:
    said: list[str] = []
    update = partial(build, store, FakeEncoder(), measure)
    watch = Watch(update, partial(remove, store), [str(source) for source in sources], said.append, every)
    return watch, said


@contextmanager
def running(watch: Watch) -> Iterator[None]:
    """Let a watch run in a thread."""
    stop = threading.Event()
    thread = threading.Thread(target=watch.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10)


def names(store: Index) -> list[str]:
    with store.snapshot() as snapshot:
        return [name.rpartition("/")[2] for name in snapshot.ids()]


def until(condition: object, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:  # type: ignore[operator]
        time.sleep(0.05)
    assert condition()  # type: ignore[operator]


def test_an_index_follows_a_folder(store: Index, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index.watch, "TICK", 0.1)
    watch, said = watching(store, folder)
    with running(watch):
        until(lambda: names(store) == ["a.txt"])
        (folder / "sub").mkdir()
        (folder / "sub" / "b.txt").write_text(STORY + "And b.")
        (folder / ".hidden.txt").write_text(STORY)
        (folder / "bad.pdf").write_bytes(b"no PDF")
        until(lambda: names(store) == ["a.txt", "b.txt"])
        (folder / "a.txt").write_text(STORY + "It is blue.")
        until(lambda: names(store) == ["b.txt", "a.txt"])
        (folder / "sub" / "b.txt").rename(folder / "c.txt")
        until(lambda: names(store) == ["a.txt", "c.txt"])
        (folder / "c.txt").unlink()
        until(lambda: names(store) == ["a.txt"])
    assert f"skipped {folder / 'bad.pdf'}: damaged or truncated PDF" in said
    assert sum("removed" in line for line in said) == 2


def test_what_changed_before_the_start_is_found(store: Index, folder: Path) -> None:
    build(store, FakeEncoder(), measure, [folder])
    (folder / "a.txt").unlink()
    (folder / "b.txt").write_text(STORY)
    watch, said = watching(store, folder)
    with running(watch):
        until(lambda: names(store) == ["b.txt"])
    assert said[0].startswith("1 added, 0 updated, 0 unchanged, 1 removed")


def test_what_fails_is_said_once_and_tried_again(store: Index, folder: Path) -> None:
    watch, said = watching(store, folder)
    with store.update():
        for path in ("a.txt", "b.txt"):
            (folder / path).write_text(STORY + path)
            watch.notice(str(folder / path))
        watch.work()
        watch.work()
        assert len(said) == 1
        assert said[0].startswith("process ")
        assert said[0].endswith("trying again")
    (folder / "b.txt").unlink()
    watch.notice(str(folder / "b.txt"))
    watch.work()

    assert names(store) == ["a.txt"]


def test_links_that_leave_the_folder_and_hidden_names_are_not_followed(store: Index, folder: Path) -> None:
    (folder.parent / "secret.txt").write_text(STORY)
    (folder / "link.txt").symlink_to(folder.parent / "secret.txt")
    (folder / ".git").mkdir()
    (folder / ".git" / "x.txt").write_text(STORY)
    watch, _ = watching(store, folder)
    for path in (folder / "link.txt", folder / ".git" / "x.txt", folder.parent / "secret.txt"):
        watch.notice(str(path))
    watch.work()

    assert names(store) == []


def test_a_place_that_is_not_there_is_refused(store: Index, tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="is not there"):
        watching(store, tmp_path / "none")


class Feed(BaseHTTPRequestHandler):
    """A feed and its two pages, which answer 304 to those who have them."""

    bodies: ClassVar[dict[str, str]] = {}
    answers: ClassVar[list[tuple[str, int]]] = []
    broken = False

    def do_GET(self) -> None:
        name = self.path.strip("/")
        body = self.bodies[name]
        tag = f'"{len(body)}"'
        status = (
            304 if self.headers.get("If-None-Match") == tag else 500 if self.broken and name == "two" else 200
        )
        self.answers.append((name, status))
        self.send_response(status)
        self.send_header("ETag", tag)
        self.send_header("Content-Type", "application/rss+xml" if name == "feed" else "text/html")
        self.end_headers()
        if status == 200:
            self.wfile.write(body.replace("BASE", f"http://{self.headers['Host']}").encode())

    def log_message(self, *_: object) -> None:
        pass


PAGE = "<html><body><article><h1>{0}</h1><p>{0}: the bridge over the Elsk opened on Monday.</p></article></body></html>"
ITEMS = "".join(f"<item><title>{n}</title><link>BASE/{n}</link></item>" for n in ("one", "two"))


@pytest.fixture
def feed() -> Iterator[str]:
    Feed.bodies = {
        "feed": f'<rss version="2.0"><channel><title>Elsk</title>{ITEMS}</channel></rss>',
        "one": PAGE.format("One"),
        "two": PAGE.format("Two"),
    }
    Feed.answers, Feed.broken = [], False
    with ThreadingHTTPServer(("127.0.0.1", 0), Feed) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/feed"
        server.shutdown()


def test_a_feed_is_asked_only_for_what_changed(store: Index, feed: str) -> None:
    watch, said = watching(store, feed)
    watch.work()
    assert names(store) == ["one", "two"]
    assert [status for _, status in Feed.answers] == [200, 200, 200]

    watch.work()
    assert Feed.answers[3:] == [("feed", 304)]

    Feed.bodies["feed"] += "<!-- new -->"
    Feed.bodies["two"] = PAGE.format("Two, corrected")
    watch.work()
    assert Feed.answers[4:] == [("feed", 200), ("one", 304), ("two", 200)]
    assert [line.partition(" in ")[0] for line in said] == [
        "2 added, 0 updated, 0 unchanged, 0 skipped",
        "0 added, 1 updated, 0 unchanged, 0 skipped",
    ]


def test_an_entry_that_could_not_be_had_is_asked_for_again(store: Index, feed: str) -> None:
    Feed.broken = True
    watch, said = watching(store, feed)
    watch.work()
    assert names(store) == ["one"]
    assert "the server answered 500" in said[0]

    Feed.broken = False
    watch.work()
    assert names(store) == ["one", "two"]


def test_what_was_fetched_but_not_committed_is_fetched_again(
    store: Index, feed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index.watch, "RETRY", 0.0)
    watch, said = watching(store, feed)
    with monkeypatch.context() as patch:

        def full(_: object) -> None:
            raise StoreError("database or disk is full")

        patch.setattr(Writer, "commit", full)
        watch.work()
    assert said == ["database or disk is full; trying again"]
    assert names(store) == []
    watch.work()

    assert names(store) == ["one", "two"]
    assert [status for _, status in Feed.answers] == [200] * 6


def test_addresses_that_fail_are_not_asked_every_second(store: Index, feed: str) -> None:
    watch, said = watching(store, feed, every=300.0)
    with store.update():
        watch.work()
        watch.work()
    assert len(said) == 1


def test_a_page_that_could_not_be_parsed_is_asked_for_again(
    store: Index, feed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch, said = watching(store, feed.replace("/feed", "/one"))
    with monkeypatch.context() as patch:

        def busy(*_: object, **__: object) -> None:
            raise LoadError("was given up")

        patch.setattr("index.worker.Parsers.read", busy)
        watch.work()
    watch.work()

    assert "was given up" in said[0]
    assert names(store) == ["one"]


def test_the_index_may_lie_in_the_watched_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index.watch, "TICK", 0.1)
    with Index.create(folder / "my.citewire", Manifest("fake@1", 32, 192, 1)) as store:
        watch, said = watching(store, folder)
        with running(watch):
            until(lambda: names(store) == ["a.txt"])
            time.sleep(2)
    assert len(said) == 1


def test_a_single_file_and_a_folder_made_anew_are_followed(
    store: Index, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index.watch, "TICK", 0.1)
    note = folder.parent / "note.txt"
    note.write_text(STORY + "One.")
    watch, _ = watching(store, folder, note)

    def text(name: str) -> str:
        with store.snapshot() as snapshot:
            article = snapshot.article(str(folder.parent / name))
            return article.text if article else ""

    with running(watch):
        for word in ("Two.", "Three."):  # as editors save
            until(lambda: len(names(store)) == 2)
            (folder.parent / "new").write_text(STORY + word)
            (folder.parent / "new").replace(note)
            until(lambda word=word: text("note.txt").endswith(word))
        folder.rename(folder.parent / "old")
        folder.mkdir()
        (folder / "b.txt").write_text(STORY)
        until(lambda: sorted(names(store)) == ["b.txt", "note.txt"])
        (folder / "c.txt").write_text(STORY)
        until(lambda: sorted(names(store)) == ["b.txt", "c.txt", "note.txt"])


def test_rows_that_are_gone_from_a_file_are_taken_out(store: Index, folder: Path) -> None:
    rows = folder / "rows.csv"
    rows.write_text("id,title,text\n1,One,It opened.\n2,Two,It closed.\n")
    watch, _ = watching(store, folder)
    watch.notice(str(rows))
    watch.work()
    rows.write_text("id,title,text\n1,One,It opened.\n")
    watch.notice(str(rows))
    watch.work()

    assert names(store) == ["rows.csv#1"]


def test_a_link_to_itself_does_not_end_the_watch(store: Index, folder: Path) -> None:
    (folder / "loop.txt").symlink_to(folder / "loop.txt")
    watch, said = watching(store, folder)
    watch.notice(str(folder / "loop.txt"))
    watch.work()

    assert names(store) == ["a.txt"]
    assert any("loop.txt" in line for line in said)
