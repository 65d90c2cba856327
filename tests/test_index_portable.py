"""An exported file carries an index elsewhere, whole or not at all."""

import gzip
import json
import sqlite3
from pathlib import Path

import pytest
from conftest import FakeEncoder, measure
from test_index_store import ENCODER, MANIFEST, article, fill, found, words

from index.build import build, import_from
from index.check import check
from index.database import DATABASE, Manifest
from index.errors import IndexDamaged, StoreError
from index.portable import read_export, verify_export, write_export
from index.store import Index


@pytest.fixture
def store(tmp_path: Path) -> Index:
    store = Index.create(tmp_path / "index", MANIFEST)
    fill(store, *(article(f"a{n}", f"Story “{n}” 😀.\nIt has two lines.") for n in range(9)))
    return store


def export(store: Index, path: Path) -> Path:
    with store.snapshot() as snapshot:
        assert write_export(snapshot, store.manifest, path) == 9
    return path


def test_what_was_exported_is_imported_without_embedding(store: Index, tmp_path: Path) -> None:
    file = export(store, tmp_path / "x.jsonl.gz")
    encoder = FakeEncoder()
    with Index.create(tmp_path / "other", MANIFEST) as other:
        fill(other, article("a3", "Another a3."), article("b", "A bridge fell."))
        summary = import_from(other, file, encoder, measure)
        assert (summary.added, summary.updated, summary.unchanged, summary.passages) == (8, 1, 0, 18)
        assert import_from(other, file, encoder, measure).unchanged == 9
        assert encoder.texts == []
        with store.snapshot() as one, other.snapshot() as two:
            theirs = {item.id: item for item in two.articles()}
            assert [theirs[item.id] for item in one.articles()] == list(one.articles())
            assert sorted(theirs) == sorted([*one.ids(), "b"])
            assert found(two, "Story “7” 😀.", 1) == words(two, "7") == ["Story “7” 😀."]
    assert check(tmp_path / "other").sound


def test_an_index_of_another_encoder_embeds_what_it_imports(store: Index, tmp_path: Path) -> None:
    file = export(store, tmp_path / "x.jsonl.gz")
    encoder = FakeEncoder(dim=8)
    with Index.create(tmp_path / "other", Manifest("small@1", 8, 64, 0)) as other:
        assert import_from(other, file, encoder, measure).added == 9
        assert len(encoder.texts) == 9
        with other.snapshot() as snapshot:
            assert snapshot.article("a2") == article("a2", "Story “2” 😀.\nIt has two lines.")
    assert check(tmp_path / "other", encoder).sound


def test_an_imported_article_is_unchanged_when_its_file_is_indexed(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("The bridge over the Elsk opened on Monday, the city said.")
    with Index.create(tmp_path / "one", MANIFEST) as one, Index.create(tmp_path / "two", MANIFEST) as two:
        build(one, ENCODER, measure, [tmp_path / "a.txt"])
        with one.snapshot() as snapshot:
            write_export(snapshot, MANIFEST, tmp_path / "x")
        import_from(two, tmp_path / "x", ENCODER, measure)
        assert build(two, ENCODER, measure, [tmp_path / "a.txt"]).unchanged == 1


def test_the_same_state_gives_the_same_file(store: Index, tmp_path: Path) -> None:
    one, two = export(store, tmp_path / "one"), export(store, tmp_path / "two")

    assert one.read_bytes() == two.read_bytes()
    lines = [json.loads(line) for line in gzip.decompress(one.read_bytes()).splitlines()]
    assert lines[0]["kind"] == "citewire export"
    assert (lines[1]["id"], lines[1]["text"]) == ("a0", "Story “0” 😀.\nIt has two lines.")
    assert lines[-1]["articles"] == 9


def test_a_file_that_is_cut_off_or_changed_is_refused_and_changes_nothing(
    store: Index, tmp_path: Path
) -> None:
    good = export(store, tmp_path / "good").read_bytes()
    lines = gzip.decompress(good).splitlines(keepends=True)
    line = lines[3].replace(b"Story", b"Stori")
    bad = {
        "cut": good[: len(good) // 2],
        "empty": b"",
        "text": b"The bridge opened.",
        "other": gzip.compress(b'{"kind": "something"}\n'),
        "newer": gzip.compress(b'{"kind": "citewire export", "version": 2}\n'),
        "line gone": gzip.compress(b"".join(lines[:3] + lines[4:])),
        "line changed": gzip.compress(b"".join([*lines[:3], line, *lines[4:]])),
        "no end": gzip.compress(b"".join(lines[:-1])),
        "two files": good + good,
        "line after the end": good + gzip.compress(lines[3]),
        "header": gzip.compress(b'{"kind": "citewire export", "version": 1, "manifest": {"x": 1}}\n'),
        "header alone": gzip.compress(b'{"kind": "citewire export"}\n'),
        "flipped": good[:400] + bytes([good[400] ^ 1]) + good[401:],
    }
    with Index.create(tmp_path / "other", MANIFEST) as other:
        for name, content in bad.items():
            (tmp_path / "bad").write_bytes(content)
            with pytest.raises(StoreError) as caught:
                import_from(other, tmp_path / "bad", ENCODER, measure)
            assert "\n" not in str(caught.value), name
        with other.snapshot() as snapshot:
            assert snapshot.generation == 0
    with pytest.raises(StoreError, match=r"cannot read .*: No such file"):
        verify_export(tmp_path / "none")


def test_a_damaged_article_is_not_exported(store: Index, tmp_path: Path) -> None:
    with sqlite3.connect(store.path / DATABASE) as connection:
        connection.execute(
            "UPDATE passages SET vector = (SELECT vector FROM passages WHERE id = 3) WHERE id = 1"
        )

    with pytest.raises(IndexDamaged, match="the article a0 fails its checksum"):
        export(store, tmp_path / "x")
    assert [file.name for file in tmp_path.iterdir()] == ["index"]


def test_a_file_that_cannot_be_written_leaves_nothing(store: Index, tmp_path: Path) -> None:
    with store.snapshot() as snapshot, pytest.raises(StoreError, match=r"cannot write .*: No such file"):
        write_export(snapshot, MANIFEST, tmp_path / "none" / "x")


def test_passages_and_vectors_come_as_they_were(store: Index, tmp_path: Path) -> None:
    file = export(store, tmp_path / "x")
    item = next(iter(read_export(file)))

    assert [p.text for p in item.passages] == ["Story “0” 😀.", "It has two lines."]
    assert item.vectors.shape == (2, 32)
    assert (item.vectors * ENCODER.encode([p.text for p in item.passages])).sum(axis=1).min() > 0.99
