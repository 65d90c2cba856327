"""A build embeds only what is new, keeps what was committed, and says what it did."""

import io
import json
import os
import sys
import threading
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from conftest import FakeEncoder, measure
from numpy.typing import NDArray

from index.build import Progress, Summary, build, remove
from index.database import Manifest
from index.embed import passage_text
from index.fetch import Validators
from index.load import Skipped
from index.progress import Bar
from index.store import Index

STORIES = {
    "a.txt": "Bridge opens\n\nThe bridge over the Elsk opened on Monday. The mayor was there with his dog. "
    "It barked all day. Nobody in the town minded the noise at all.\n",
    "b.txt": "Mayor leaves\n\nThe mayor of Elsk left on Tuesday. Nobody knows where he went.\n",
    "sub/c.md": "# Boat sinks\n\nA boat sank in the Elsk on Friday. Its crew swam to the shore.\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path.resolve() / "news"
    for name, text in STORIES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.fixture
def store(tmp_path: Path) -> Index:
    return Index.create(tmp_path / "index", Manifest("fake@1", 32, 16, 1))


def names(store: Index) -> list[str]:
    with store.snapshot() as snapshot:
        return sorted(Path(article.id).name for article in snapshot.articles())


def counts(summary: Summary) -> tuple[int, int, int, int]:
    return summary.added, summary.updated, summary.unchanged, summary.removed


def test_a_first_build_embeds_every_passage_and_a_second_none(
    store: Index, folder: Path, encoder: FakeEncoder
) -> None:
    first = build(store, encoder, measure, [folder])

    with store.snapshot() as snapshot:
        passages = [p for article in snapshot.articles() for p in snapshot.passages(article.id)]
    assert counts(first) == (3, 0, 0, 0)
    assert first.passages == len(passages) == len(encoder.texts) > 3
    assert sorted(encoder.texts) == sorted(passage_text(p) for p in passages)
    assert names(store) == ["a.txt", "b.txt", "c.md"]

    encoder.texts.clear()
    second = build(store, encoder, measure, [folder, folder / "a.txt"])
    assert counts(second) == (0, 0, 3, 0)
    assert encoder.texts == []
    with store.snapshot() as snapshot:
        assert snapshot.generation == 1


def test_only_a_changed_file_is_embedded_again(store: Index, folder: Path, encoder: FakeEncoder) -> None:
    build(store, encoder, measure, [folder])
    encoder.texts.clear()
    (folder / "b.txt").write_text("Mayor returns\n\nThe mayor of Elsk came back on Wednesday.\n")

    summary = build(store, encoder, measure, [folder])

    assert counts(summary) == (0, 1, 2, 0)
    assert encoder.texts == ["Mayor returns\nThe mayor of Elsk came back on Wednesday."]
    with store.snapshot() as snapshot:
        texts = [passage.text for passage in snapshot.passages(str(folder / "b.txt"))]
        assert texts == ["The mayor of Elsk came back on Wednesday."]


def test_each_vector_belongs_to_its_passage(store: Index, folder: Path, encoder: FakeEncoder) -> None:
    build(store, encoder, measure, [folder])

    with store.snapshot() as snapshot:
        for article in snapshot.articles():
            for passage in snapshot.passages(article.id):
                ((hit,),) = snapshot.search_vectors(encoder.encode([passage_text(passage)]), 1)
                assert hit.passage == passage
                assert hit.score == pytest.approx(1, abs=1e-3)


def test_a_file_that_is_gone_is_kept_unless_pruned(store: Index, folder: Path, encoder: FakeEncoder) -> None:
    build(store, encoder, measure, [folder])
    (folder / "a.txt").unlink()

    assert counts(build(store, encoder, measure, [folder])) == (0, 0, 2, 0)
    assert names(store) == ["a.txt", "b.txt", "c.md"]
    assert counts(build(store, encoder, measure, [folder / "sub"], prune=True)) == (0, 0, 1, 0)
    assert counts(build(store, encoder, measure, [folder], prune=True)) == (0, 0, 2, 1)
    assert names(store) == ["b.txt", "c.md"]


def test_pruning_takes_out_rows_that_left_their_file(
    store: Index, folder: Path, encoder: FakeEncoder
) -> None:
    path = folder / "rows.jsonl"
    rows = [{"id": name, "title": name, "text": f"The story of {name} is short."} for name in "xyz"]
    path.write_text("\n".join(map(json.dumps, rows)))
    build(store, encoder, measure, [path])
    path.write_text("\n".join(map(json.dumps, rows[1:])))

    assert build(store, encoder, measure, [folder], prune=True).removed == 1
    assert names(store) == ["a.txt", "b.txt", "c.md", "rows.jsonl#y", "rows.jsonl#z"]


def test_pruning_keeps_what_could_not_be_looked_at(
    store: Index, folder: Path, encoder: FakeEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "rows.jsonl").write_text('{"id": "x", "text": "The story of x is short."}')
    build(store, encoder, measure, [folder])
    everything = names(store)
    (folder / "rows.jsonl").unlink()
    os.mkfifo(folder / "rows.jsonl")

    summary = build(store, encoder, measure, [folder], prune=True)
    assert [item.reason for item in summary.skipped] == ["not a regular file"]
    assert (summary.removed, names(store)) == (0, everything)

    folder.rename(tmp_path / "elsewhere")  # a disk that is not there
    monkeypatch.chdir(tmp_path)
    for place in (folder, "news"):
        summary = build(store, encoder, measure, [place], prune=True)
        assert [item.reason for item in summary.skipped] == ["no such file or folder"]
        assert (summary.removed, names(store)) == (0, everything)


def test_articles_are_removed_by_folder_file_and_id(
    store: Index, folder: Path, encoder: FakeEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "rows.csv").write_text("id,text\nx,The story of x is short.\ny,The story of y is short.\n")
    (folder / "b.txt.txt").write_text(STORIES["b.txt"])
    build(store, encoder, measure, [folder])
    monkeypatch.chdir(folder)

    assert remove(store, ["b.txt", f"{folder}/rows.csv#x", "none", str(folder / "su")]) == {
        "b.txt": 1,
        f"{folder}/rows.csv#x": 1,
        "none": 0,
        str(folder / "su"): 0,
    }
    assert names(store) == ["a.txt", "b.txt.txt", "c.md", "rows.csv#y"]
    assert remove(store, [str(folder / "rows.csv"), "sub/"]) == {str(folder / "rows.csv"): 1, "sub/": 1}
    assert remove(store, ["."]) == {".": 2}
    assert names(store) == []


def test_a_name_that_is_not_utf_8_can_be_indexed_pruned_and_removed(
    store: Index, tmp_path: Path, encoder: FakeEncoder
) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path / "odd") + b"\xff"))
    odd.mkdir()
    for name in ("a.txt", "b.txt"):
        (odd / name).write_text(STORIES[name])
    build(store, encoder, measure, [odd])
    (odd / "a.txt").unlink()

    assert build(store, encoder, measure, [odd], prune=True).removed == 1
    assert remove(store, [str(odd)]) == {str(odd): 1}


def test_skipped_files_are_reported_and_the_others_go_in(
    store: Index, folder: Path, encoder: FakeEncoder
) -> None:
    (folder / "photo.jpg").write_bytes(b"\xff\xd8")
    (folder / "furniture.txt").write_text("Advertisement\nShare | Tweet\n")

    summary = build(store, encoder, measure, [folder, folder / "none.txt"])

    assert {Path(item.location).name: item.reason for item in summary.skipped} == {
        "photo.jpg": "unsupported format .jpg",
        "furniture.txt": "no text left after cleaning",
        "none.txt": "no such file or folder",
    }
    assert names(store) == ["a.txt", "b.txt", "c.md"]
    assert str(summary).startswith("3 added, 0 updated, 0 unchanged, 3 skipped in ")


def test_a_summary_counts_what_was_removed() -> None:
    skipped = (Skipped("a", "b"),)
    assert str(Summary(1, 2, 3, 4, 5, skipped, 6.04)) == (
        "1 added, 2 updated, 3 unchanged, 4 removed, 1 skipped in 6.0 s"
    )


class Interrupted(FakeEncoder):
    """Is interrupted by the person in the second pool."""

    def encode(
        self, texts: Sequence[str], progress: Callable[[int], None] | None = None
    ) -> NDArray[np.float32]:
        if self.texts:
            raise KeyboardInterrupt
        return super().encode(texts, progress)


def test_an_interrupted_build_keeps_what_was_committed_and_goes_on_there(
    store: Index, folder: Path, encoder: FakeEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("index.build.POOL", 1)
    interrupted = Interrupted()

    with pytest.raises(KeyboardInterrupt):
        build(store, interrupted, measure, [folder])

    assert names(store) == ["a.txt"]
    summary = build(store, encoder, measure, [folder])
    assert counts(summary) == (2, 0, 1, 0)
    assert not set(encoder.texts) & set(interrupted.texts)
    assert names(store) == ["a.txt", "b.txt", "c.md"]


def test_progress_is_told_for_both_stages(store: Index, folder: Path, encoder: FakeEncoder) -> None:
    told: list[Progress] = []

    summary = build(store, encoder, measure, [folder], report=told.append)

    assert [p.done for p in told if p.stage == "reading"] == [1, 2, 3]
    embedding = [p for p in told if p.stage == "embedding"]
    assert [p.done for p in embedding] == list(range(1, summary.passages + 1))
    assert {p.total for p in embedding} == {summary.passages}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("screen", [io.StringIO(), Terminal()], ids=["file", "terminal"])
def test_the_bar_is_drawn_only_on_a_terminal(
    store: Index,
    folder: Path,
    encoder: FakeEncoder,
    monkeypatch: pytest.MonkeyPatch,
    screen: io.StringIO,
) -> None:
    monkeypatch.setattr(sys, "stderr", screen)

    with Bar() as bar:
        build(store, encoder, measure, [folder], report=bar)

    shown = screen.getvalue()
    assert ("Reading" in shown and "Embedding" in shown) == screen.isatty()
    assert screen.isatty() or shown == ""


class Feed(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        base = f"http://{self.headers['Host']}"
        items = "".join(
            f"<item><title>{n}</title><link>{base}/{n}</link></item>" for n in ("one", "two", "three")
        )
        is_feed = self.path == "/feed"
        feed = f'<rss version="2.0"><channel><title>Elsk</title>{items}</channel></rss>'
        self.send_response(200)
        self.send_header("Content-Type", "application/rss+xml" if is_feed else "text/plain")
        self.end_headers()
        self.wfile.write((feed if is_feed else f"The boat {self.path} sank in the Elsk on Friday.").encode())

    def log_message(self, *_args: object) -> None:
        pass


def test_a_feed_whose_time_is_up_goes_on_when_it_is_added_again(
    store: Index, encoder: FakeEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("index.load.FEED_SECONDS", 0.0)
    with ThreadingHTTPServer(("127.0.0.1", 0), Feed) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        site = f"http://127.0.0.1:{httpd.server_port}"
        for reached, rest in (
            ("one", ["two", "three"]),
            ("two", ["three", "one"]),
            ("three", ["one", "two"]),
        ):
            validators: Validators = {}
            summary = build(store, encoder, measure, [f"{site}/feed"], validators=validators)

            reason = "not reached in 0 seconds; adding the feed again, or this address, goes on"
            assert counts(summary) == (1, 0, 0, 0)
            assert summary.skipped == tuple(Skipped(f"{site}/{name}", reason) for name in rest)
            assert list(validators) == [f"{site}/{reached}"]  # the feed is asked for again, changed or not
        httpd.shutdown()
    assert names(store) == ["one", "three", "two"]
