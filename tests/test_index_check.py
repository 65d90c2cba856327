"""A check finds whatever is wrong with an index, and a repair leaves a sound one that lost nothing else."""

import json
import sqlite3
from pathlib import Path

import pytest
from conftest import FakeEncoder
from test_index_store import ENCODER, MANIFEST, fill, found, put, words
from test_index_store import article as titled

from index.check import check
from index.database import DATABASE
from index.errors import IndexDamaged
from index.repair import KEPT, repair
from index.store import Index
from index.types import Article
from index.vectors import VECTORS


def article(name: str, text: str) -> Article:
    return titled(name, text, title="")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with Index.create(tmp_path / "index", MANIFEST) as store:
        fill(store, *(article(f"a{n}", f"Story number {n}.\nIt has two lines.") for n in range(12)))
        with store.update() as writer:
            writer.remove("a3")
    return tmp_path / "index"


def execute(path: Path, statement: str) -> None:
    with sqlite3.connect(path / DATABASE) as connection:
        connection.execute(statement)


def reasons(path: Path) -> list[str]:
    return [str(problem) for problem in check(path).problems]


def test_a_sound_index_has_no_problems(path: Path) -> None:
    report = check(path, ENCODER, sample=10)

    assert report.sound
    assert (report.articles, report.passages, report.embedded, report.quarantined) == (11, 22, 10, 0)


DAMAGE = {
    "text": ("UPDATE articles SET text = text || '!' WHERE id = 'a5'", "a5: fails its checksum"),
    "title": ("UPDATE articles SET title = 'x' WHERE id = 'a5'", "a5: fails its checksum"),
    "digest": ("UPDATE articles SET digest = x'00' WHERE id = 'a5'", "a5: fails its checksum"),
    "text as bytes": (
        "UPDATE articles SET text = CAST(text AS BLOB) WHERE id = 'a5'",
        "a5: fails its checksum",
    ),
    "bad UTF-8": ("UPDATE articles SET text = CAST(x'ff41' AS TEXT) WHERE id = 'a5'", "a5: cannot be read"),
    "vector": ("UPDATE passages SET vector = zeroblob(64) WHERE id = 11", "a5: passage 1 of 2 fails"),
    "offset": ("UPDATE passages SET start = start + 1 WHERE id = 11", "a5: passage 1 of 2 fails"),
    "passage gone": ("DELETE FROM passages WHERE id = 11", "a5: fails its checksum"),
    "an article gone": ("DELETE FROM articles WHERE id = 'a5'", "articles: some are missing"),
    "passage of nobody": ("UPDATE passages SET article = 99 WHERE id = 11", "passages: some belong to no"),
    "generation": ("UPDATE meta SET value = 7 WHERE key = 'generation'", "meta: cannot be read: its gen"),
    "token": ("UPDATE meta SET value = 'x' WHERE key = 'token'", "meta: cannot be read: its token fails"),
    "no contents": ("DELETE FROM meta WHERE key = 'contents'", "meta: cannot be read: its contents fails"),
    "bands": ("UPDATE bands SET band = band + 1 WHERE article = 6", "a5: its bands are of another text"),
    "words": ("DELETE FROM words_docsize WHERE id = 11", "words: the full text is not that"),
    "words too many": ("INSERT INTO words (rowid, text) VALUES (999, 'x')", "words: the full text is not"),
    "numbers": ("UPDATE sqlite_sequence SET seq = 3", "articles: numbers could be given twice, or run out"),
    "commits": ("DELETE FROM commits", "commits: the last one is not the state"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_found_and_repaired_and_nothing_else_is_lost(path: Path, kind: str) -> None:
    statement, expected = DAMAGE[kind]
    execute(path, statement)

    assert any(line.startswith(expected) for line in reasons(path)), reasons(path)

    repaired = repair(path)

    assert check(path, ENCODER).sound
    with Index.open(path) as store, store.snapshot() as snapshot:
        ids = list(snapshot.ids())
        assert [snapshot.article(i) for i in ids] == [
            article(i, f"Story number {i[1:]}.\nIt has two lines.") for i in ids
        ]
        gone = {f"a{n}" for n in range(12) if n != 3} - set(ids)
        assert gone == ({"a5"} if "article" in kind or repaired.quarantined else set())
        assert {p.place for p in repaired.quarantined} <= {"a5"}
        assert words(snapshot, "7") == ["Story number 7."]
        assert found(snapshot, "Story number 7.", 1) == ["Story number 7."]
    with Index.open(path) as store:
        fill(store, article("a5", "Back again."), article("new", "A bridge fell."))
    assert check(path, ENCODER).sound


def test_what_fails_is_kept_with_its_reason(path: Path) -> None:
    execute(path, "UPDATE articles SET text = 'Changed.' WHERE id = 'a5'")

    (problem,) = repair(path).quarantined

    assert str(problem) == "a5: fails its checksum"
    with sqlite3.connect(path / DATABASE) as connection:
        ((place, reason, moved, content),) = connection.execute("SELECT * FROM quarantine")
    assert (place, reason, json.loads(content)["text"]) == ("a5", "fails its checksum", "Changed.")
    assert moved.startswith("20")
    assert check(path).quarantined == 1
    execute(path, "UPDATE articles SET text = 'Changed.' WHERE id = 'a6'")
    repair(path)
    assert check(path).quarantined == 2


def test_vectors_of_another_text_are_found_by_embedding_anew(path: Path) -> None:
    class Other(FakeEncoder):
        def encode(self, texts, progress=None):  # type: ignore[no-untyped-def]
            return super().encode([f"{text}!" for text in texts], progress)

    problems = check(path, Other(), sample=5).problems

    assert len(problems) == 5
    assert all("is of another text: embedded anew, their cosine is " in p.reason for p in problems)


def test_a_vector_file_is_checked_and_made_anew(path: Path) -> None:
    good = (path / VECTORS).read_bytes()
    (path / VECTORS).write_bytes(good[:-1])
    assert reasons(path) == [f"{VECTORS}: damaged; it is made anew when the index is opened"]

    repair(path)
    assert (path / VECTORS).read_bytes() == good
    assert check(path).sound


def test_a_file_with_broken_pages_gives_back_what_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "index"
    with Index.create(path, MANIFEST) as store:
        fill(store, *(article(f"a{n}", f"Story number {n}.\n" + "It is long. " * 300) for n in range(40)))
    data = bytearray((path / DATABASE).read_bytes())
    at = data.index(b"Story number 20.")
    page = at // 4096 * 4096
    data[page : page + 4096] = bytes(4096)
    (path / DATABASE).write_bytes(data)

    repaired = repair(path)

    assert 1 <= len(repaired.quarantined) <= 3
    assert repaired.articles == 40 - len(repaired.quarantined)
    assert (path / KEPT).read_bytes() == bytes(data)
    assert check(path).sound


@pytest.mark.parametrize("name", ["passages_by_article", "bands_by_article", "articles_by_source", "bands"])
@pytest.mark.parametrize("content", [b"\xff" * 4096, bytes(4096)], ids=["ones", "zeros"])
def test_a_lost_page_of_what_is_derived_costs_no_article(path: Path, name: str, content: bytes) -> None:
    with sqlite3.connect(path / DATABASE) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchone()
    data = bytearray((path / DATABASE).read_bytes())
    data[(page - 1) * 4096 : page * 4096] = content
    (path / DATABASE).write_bytes(data)
    assert not check(path).sound

    repaired = repair(path)

    assert (repaired.articles, repaired.quarantined) == (11, ())
    assert check(path, ENCODER).sound


def test_articles_that_only_a_scan_finds_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "index"
    with Index.create(path, MANIFEST) as store:
        fill(store, *(article(f"a{n}", f"Story number {n}.\n" + "It is long. " * 60) for n in range(60)))
    with sqlite3.connect(path / DATABASE) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'articles'").fetchone()
    data = bytearray((path / DATABASE).read_bytes())
    root = (page - 1) * 4096
    assert data[root] == 5, "an interior page: its first cell is a child and the highest number below it"
    cell = root + int.from_bytes(data[root + 12 : root + 14], "big")
    assert data[cell + 4] > 1
    data[cell + 4] = 1
    (path / DATABASE).write_bytes(data)

    repaired = repair(path)

    assert (repaired.articles, repaired.quarantined) == (60, ())


def test_of_two_articles_with_one_id_the_newer_stays(path: Path) -> None:
    with sqlite3.connect(path / DATABASE) as connection:
        find = "SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_autoindex_articles_1'"
        (page,) = connection.execute(find).fetchone()
    data = bytearray((path / DATABASE).read_bytes())
    data[(page - 1) * 4096 : page * 4096] = bytes([10, 0, 0, 0, 0, 16, 0, 0]) + bytes(4088)  # an empty leaf
    (path / DATABASE).write_bytes(data)
    with Index.open(path) as store:
        fill(store, article("a5", "A newer story."))

    repaired = repair(path)

    assert [str(problem) for problem in repaired.quarantined] == ["a5: there is a newer one"]
    with Index.open(path) as store, store.snapshot() as snapshot:
        assert snapshot.article("a5") == article("a5", "A newer story.")
        assert len(list(snapshot.ids())) == 11


def test_a_check_while_a_writer_works_finds_nothing(path: Path) -> None:
    with Index.open(path) as store, store.update() as writer:
        put(writer, article("b", "A bridge fell."))
        writer.commit()
        assert check(path, ENCODER).sound


def test_a_damaged_article_is_not_taken_out_of_the_full_text(path: Path) -> None:
    execute(path, "UPDATE articles SET text = 'Changed, and long enough for it.' WHERE id = 'a5'")

    with Index.open(path) as store:
        with pytest.raises(IndexDamaged, match="a5 fails its checksum"):
            fill(store, article("a5", "New."))
        with store.snapshot() as snapshot:
            assert len(words(snapshot, "story")) == 11


def test_readers_go_on_while_an_index_is_repaired(path: Path) -> None:
    with Index.open(path) as store, store.snapshot() as before:
        execute(path, "UPDATE articles SET text = 'Changed.' WHERE id = 'a5'")
        repair(path)
        assert len(list(before.ids())) == 11
        with store.snapshot() as after:
            assert len(list(after.ids())) == 10
            assert after.generation == before.generation + 1
            assert found(after, "Story number 7.", 1) == ["Story number 7."]


def test_lost_settings_cannot_be_repaired(path: Path) -> None:
    execute(path, "UPDATE meta SET value = '{}' WHERE key = 'manifest'")

    with pytest.raises(
        IndexDamaged, match=r"cannot be repaired \(its manifest fails the checksum\); put a back"
    ):
        repair(path)


def test_a_file_that_is_no_database_cannot_be_repaired(path: Path) -> None:
    (path / DATABASE).write_bytes(b"garbage" * 1_000)

    with pytest.raises(IndexDamaged, match=r"cannot be repaired \(file is not a database\); put a back"):
        repair(path)
