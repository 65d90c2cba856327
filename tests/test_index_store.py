"""The store gives back what was put in, one committed state at a time, and heals what is derived."""

import json
import math
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from conftest import FakeEncoder
from hypothesis import given
from hypothesis import strategies as st

from index.database import DATABASE, Manifest
from index.errors import IndexBusy, IndexDamaged, IndexMismatch, IndexMissing, StoreError
from index.schema import SCHEMA, article_of, article_row, set_meta
from index.snapshot import Snapshot
from index.store import Index
from index.types import Article, Cut, Filters, Passage
from index.vectors import VECTORS, VectorIndex
from index.writer import Writer, digest_of

MANIFEST = Manifest("fake@1", 32, 192, 1)
ENCODER = FakeEncoder()


def article(
    name: str, text: str, title: str = "Title", source: str = "", published: date | None = None
) -> Article:
    return Article(id=name, text=text, title=title, source=source, published=published, original=text)


def passages_of(item: Article) -> list[Passage]:
    lines = re.finditer(r"[^\n]+", item.text)
    return [Passage(0, item.id, m.start(), m.end(), m[0], item.title) for m in lines]


def put(writer: Writer, item: Article) -> None:
    passages = passages_of(item)
    writer.put(item, digest_of(item), passages, ENCODER.encode([p.text for p in passages]))


def fill(store: Index, *items: Article) -> None:
    with store.update() as writer:
        for item in items:
            put(writer, item)


@pytest.fixture
def store(tmp_path: Path) -> Index:
    return Index.create(tmp_path / "index", MANIFEST)


def found(snapshot: Snapshot, text: str, k: int = 5, filters: Filters = Filters()) -> list[str]:
    (hits,) = snapshot.search_vectors(ENCODER.encode([text]), k, filters)
    return [hit.passage.text for hit in hits]


def words(snapshot: Snapshot, *terms: str, filters: Filters = Filters(), k: int = 50) -> list[str]:
    return [hit.passage.text for hit in snapshot.search_words(terms, k, filters)]


# What goes in comes out.

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(TEXT, st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9)), max_size=5), TEXT)
def test_an_article_row_gives_the_article_back(
    original: str, gaps: list[tuple[int, int]], title: str
) -> None:
    cuts, at = [], 0
    for gap, length in gaps:
        start, end = at + gap, min(at + gap + length, len(original))
        if start < end:
            cuts.append(Cut(start, end, f"rule {gap}"))
            at = end
    text = "".join(c for n, c in enumerate(original) if not any(cut.start <= n < cut.end for cut in cuts))
    before = Article("id", title, text, "Elsk", "", date(2018, 5, 3), "Jo", original, tuple(cuts))
    with sqlite3.connect(":memory:") as connection:
        connection.row_factory = sqlite3.Row
        columns = (
            "? AS id, ? AS title, ? AS text, ? AS source, ? AS url, ? AS published, ? AS author, ? AS cuts"
        )
        row = connection.execute(f"SELECT {columns}", article_row(before)).fetchone()

    assert article_of(row) == before


def test_an_article_and_its_passages_come_back(store: Index) -> None:
    original = "Share\nThe mayor “left” 😀.\nShe stayed."
    item = Article(
        id="/a.txt",
        title="Mayor leaves",
        text=original[6:],
        source="Elsk Daily",
        url="https://elsk.example/a",
        published=date(2018, 5, 3),
        author="Jo Roe",
        original=original,
        cuts=(Cut(0, 6, "share bar"),),
    )
    fill(store, item)

    with store.snapshot() as snapshot:
        assert snapshot.article("/a.txt") == item
        assert list(snapshot.articles()) == [item]
        passages = snapshot.passages("/a.txt")
        assert [p.text for p in passages] == ["The mayor “left” 😀.", "She stayed."]
        assert all(item.text[p.start : p.end] == p.text and p.title == "Mayor leaves" for p in passages)
        assert found(snapshot, "She stayed.", 1) == ["She stayed."]
        stats = snapshot.stats()
        assert (stats.articles, stats.stories, stats.passages) == (1, 1, 2)
        assert (stats.characters, stats.sources) == (len(item.text), (("Elsk Daily", 1),))
        assert stats.oldest == stats.newest == date(2018, 5, 3)
        assert snapshot.article("/b.txt") is None
        assert snapshot.passages("/b.txt") == []


def test_a_changed_article_replaces_the_old_one(store: Index) -> None:
    fill(store, article("a", "The mayor left."), article("b", "A bridge fell."))
    fill(store, article("a", "The bishop stayed."))

    with store.snapshot() as snapshot:
        assert [item.text for item in snapshot.articles()] == ["A bridge fell.", "The bishop stayed."]
        assert words(snapshot, "mayor") == []
        assert words(snapshot, "bishop") == ["The bishop stayed."]
        assert sorted(found(snapshot, "The mayor left.")) == ["A bridge fell.", "The bishop stayed."]


def test_a_removed_article_is_in_no_search(store: Index) -> None:
    fill(store, article("a", "The mayor left.\nHe was sad."), article("b", "A bridge fell."))
    with store.update() as writer:
        assert writer.remove("a")
        assert not writer.remove("a")

    with store.snapshot() as snapshot:
        assert snapshot.article("a") is None
        assert words(snapshot, "mayor", "sad", "title") == ["A bridge fell."]
        assert found(snapshot, "The mayor left.") == ["A bridge fell."]
        assert snapshot.stats().passages == 1


def test_an_empty_index_answers_every_search_with_nothing(store: Index) -> None:
    with store.snapshot() as snapshot:
        assert found(snapshot, "anything") == []
        assert words(snapshot, "anything") == []
        assert snapshot.stats().oldest is None


# Generations, snapshots and transactions.


def test_the_generation_rises_by_one_for_each_commit_with_changes(store: Index) -> None:
    def generation() -> int:
        with store.snapshot() as snapshot:
            return snapshot.generation

    assert generation() == 0
    fill(store, article("a", "One."), article("b", "Two."))
    assert generation() == 1
    fill(store)
    with store.update() as writer:
        writer.remove("not there")
    assert generation() == 1
    with store.update() as writer:
        put(writer, article("c", "Three."))
        writer.commit()
        writer.commit()
        writer.remove("a")
    assert generation() == 3


def test_a_snapshot_sees_one_state_whatever_is_committed_meanwhile(store: Index) -> None:
    fill(store, article("a", "The mayor left."))
    with store.snapshot() as old:
        with store.update() as writer:
            writer.remove("a")
            put(writer, article("b", "A bridge fell."))
        with store.snapshot() as new:
            assert (old.generation, new.generation) == (1, 2)
            for snapshot, text in (
                (old, "The mayor left."),
                (new, "A bridge fell."),
                (old, "The mayor left."),
            ):
                assert [item.text for item in snapshot.articles()] == [text]
                assert words(snapshot, "mayor", "bridge") == [text]
                assert found(snapshot, "x") == [text]
    with store.snapshot() as later:
        assert found(later, "x") == ["A bridge fell."]


def test_a_snapshot_of_another_process_is_of_one_state_too(store: Index) -> None:
    fill(store, article("a", "The mayor left."))
    with Index.open(store.path) as other, other.snapshot() as old:
        fill(store, article("b", "A bridge fell."))
        assert found(old, "x") == ["The mayor left."]
        with other.snapshot() as new:
            assert len(found(new, "x")) == 2


def test_an_exception_undoes_what_was_not_committed(store: Index) -> None:
    def change_and_fail() -> None:
        with store.update() as writer:
            put(writer, article("a", "The mayor left."))
            writer.commit()
            put(writer, article("b", "A bridge fell."))
            raise KeyError("stop")

    with pytest.raises(KeyError):
        change_and_fail()
    with store.snapshot() as snapshot:
        assert [item.id for item in snapshot.articles()] == ["a"]
        assert found(snapshot, "x") == ["The mayor left."]
    fill(store, article("c", "A boat sank."))  # its passage takes the row number that was undone
    with store.snapshot() as snapshot:
        assert found(snapshot, "A boat sank.", 1) == ["A boat sank."]


def test_a_second_writer_is_refused_at_once(store: Index) -> None:
    script = (
        "import sys; from index.store import Index; from index.errors import IndexBusy\n"
        "try:\n    with Index.open(sys.argv[1]).update(): print('wrote')\n"
        "except IndexBusy as error: print(error)"
    )
    with store.update(), Index.open(store.path) as other:
        with pytest.raises(IndexBusy, match=rf"process {os.getpid()} is writing"), other.update():
            pass
        command = [sys.executable, "-c", script, str(store.path)]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        advice = "try again when it is done, or wait with --wait SECONDS"
        assert run.stdout == f"process {os.getpid()} is writing to {store.path}; {advice}\n"
    with Index.open(store.path) as other, other.update():
        pass


# The FAISS file is derived.


@pytest.mark.parametrize("damage", ["missing", "garbage", "cut", "folder", "older", "newer"])
def test_a_vector_file_that_is_not_right_is_healed_without_embedding(store: Index, damage: str) -> None:
    fill(store, *(article(f"a{n}", f"Story number {n}.") for n in range(20)))
    path = store.path / VECTORS
    older = path.read_bytes()
    fill(store, article("b", "A bridge fell."))
    with store.snapshot() as snapshot:
        expected = snapshot.search_vectors(ENCODER.encode(["x"]), 21)
    match damage:
        case "missing":
            path.unlink()
        case "garbage":
            path.write_bytes(b"garbage" * 999)
        case "cut":
            path.write_bytes(path.read_bytes()[:-9])
        case "folder":
            path.unlink()
            path.mkdir()
        case "older":
            path.write_bytes(older)
        case "newer":  # holds ids that this state does not know and lacks some that it does
            ids = np.arange(5, 90, dtype=np.int64)
            VectorIndex.build(ids, 32, lambda i: np.ones((len(i), 32), np.float32)).save(path, "9-other")
    ENCODER.texts.clear()

    with Index.open(store.path) as again:
        query = ENCODER.encode(["x"])
        with again.snapshot() as snapshot:
            got = snapshot.search_vectors(query, 21)
            assert {hit.passage for hit in got[0]} == {hit.passage for hit in expected[0]}
            assert got == expected
        assert ENCODER.texts == ["x"]
        with again.update() as writer:
            writer.remove("b")
        if damage != "folder":
            saved = VectorIndex.read(path)
            assert saved is not None
            assert saved[0].startswith("3-")
            assert len(saved[1].ids) == 20


def test_a_restored_copy_with_other_words_under_the_same_ids_is_searched_by_its_own(store: Index) -> None:
    fill(store, article("a", "The mayor left."))
    store.backup(store.path.parent / "copy")
    fill(store, article("b", "A bridge fell."))
    with store.snapshot() as snapshot:  # in memory: the vectors of passages 1 and 2
        assert found(snapshot, "A bridge fell.", 1) == ["A bridge fell."]
    with Index.open(store.path.parent / "copy") as copy:
        fill(copy, article("c", "A boat sank."))
    for file in (store.path.parent / "copy").iterdir():
        shutil.copy(file, store.path)
    (store.path / f"{DATABASE}-wal").unlink(missing_ok=True)
    store.close()

    with store.snapshot() as snapshot:
        assert found(snapshot, "A boat sank.", 1) == ["A boat sank."]
        assert snapshot.search_vectors(ENCODER.encode(["A boat sank."]), 1)[0][0].score > 0.99


def test_a_saved_vector_file_that_is_behind_is_caught_up_not_built_anew(store: Index) -> None:
    fill(store, *(article(f"a{n}", f"Story number {n}.") for n in range(20)))
    older = (store.path / VECTORS).read_bytes()
    fill(store, article("b", "A bridge fell."))
    (store.path / VECTORS).write_bytes(older)
    with sqlite3.connect(store.path / DATABASE) as connection:  # would be met by building anew
        connection.execute("UPDATE passages SET vector = zeroblob(64) WHERE id = 3")

    with Index.open(store.path) as again, again.snapshot() as snapshot:
        assert found(snapshot, "A bridge fell.", 1) == ["A bridge fell."]


# Compacting and copying.


def test_compacting_gives_space_back_and_changes_no_answer(store: Index) -> None:
    fill(store, *(article(f"a{n}", f"Story number {n}. " * 40) for n in range(100)))
    with store.update() as writer:
        for n in range(90):
            writer.remove(f"a{n}")
    before = (store.path / DATABASE).stat().st_size
    with store.snapshot() as snapshot, Index.open(store.path) as other:
        expected = (words(snapshot, "story"), found(snapshot, "x", 20), list(snapshot.articles()))
        other.compact()  # while this one reads
        assert (words(snapshot, "story"), found(snapshot, "x", 20), list(snapshot.articles())) == expected

    store.compact()

    assert (store.path / DATABASE).stat().st_size < before / 2
    with store.snapshot() as snapshot:
        assert (words(snapshot, "story"), found(snapshot, "x", 20), list(snapshot.articles())) == expected
    fill(store, article("b", "A bridge fell."))
    with store.snapshot() as snapshot:
        assert found(snapshot, "A bridge fell.", 1) == ["A bridge fell."]


def test_a_backup_is_the_committed_state_while_a_writer_works(store: Index, tmp_path: Path) -> None:
    fill(store, article("a", "The mayor left."))
    with store.update() as writer:
        put(writer, article("b", "A bridge fell."))
        store.backup(tmp_path / "copy")

    with Index.open(tmp_path / "copy") as copy, copy.snapshot() as snapshot:
        assert list(snapshot.ids()) == ["a"]
        assert found(snapshot, "x") == words(snapshot, "mayor") == ["The mayor left."]
        assert VectorIndex.saved_state(tmp_path / "copy" / VECTORS) is not None
    assert "holds an index already" in refusal(lambda: store.backup(tmp_path / "copy"), StoreError)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").touch()
    assert "is not empty" in refusal(lambda: store.backup(tmp_path / "photos"), StoreError)


def test_an_index_that_was_put_in_its_place_is_read_without_a_restart(store: Index, tmp_path: Path) -> None:
    fill(store, article("a", "The mayor left."))
    with Index.create(tmp_path / "other", MANIFEST) as other:
        fill(other, article("b", "A bridge fell."), article("c", "A boat sank."))
    with store.snapshot() as old:
        shutil.rmtree(store.path)
        shutil.copytree(tmp_path / "other", store.path)
        with store.snapshot() as new:
            assert list(new.ids()) == ["b", "c"]
            assert found(new, "A bridge fell.", 1) == ["A bridge fell."]
        assert list(old.ids()) == ["a"]
    with store.snapshot() as later:
        assert list(later.ids()) == ["b", "c"]


# A changed row is never served.


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE articles SET text = 'The mayor died.' WHERE id = 'a'",
        "UPDATE articles SET published = '2018-05-04' WHERE id = 'a'",
        "UPDATE articles SET story = 2 WHERE id = 'a'",
        "UPDATE passages SET start = 1 WHERE id = 1",
        "DELETE FROM passages WHERE id = 1",
    ],
)
def test_an_article_that_was_changed_behind_our_back_is_not_given(store: Index, change: str) -> None:
    fill(store, article("a", "The mayor left.", published=date(2018, 5, 3)), article("b", "A bridge fell."))
    with sqlite3.connect(store.path / DATABASE) as connection:
        connection.execute(change)
        if change.startswith("UPDATE passages"):
            connection.execute("UPDATE passages SET checksum = zeroblob(16) WHERE id = 1")

    def read() -> None:
        with Index.open(store.path) as again, again.snapshot() as snapshot:
            snapshot.article("a")

    message = refusal(read, IndexDamaged)
    assert message.endswith(
        f"is damaged (the article a fails its checksum); run: citewire repair --index {store.path}"
    )
    with Index.open(store.path) as again, again.snapshot() as snapshot:
        assert snapshot.article("b") == article("b", "A bridge fell.")


def test_settings_that_were_changed_behind_our_back_are_damage(store: Index) -> None:
    with sqlite3.connect(store.path / DATABASE) as connection:
        connection.execute("UPDATE meta SET value = replace(value, '192', '193') WHERE key = 'manifest'")

    assert "its manifest fails the checksum" in refusal(lambda: Index.open(store.path), IndexDamaged)


def test_articles_are_chosen_for_removal_as_for_a_search(store: Index) -> None:
    days = {"a": date(2018, 5, 1), "b": date(2018, 5, 2), "c": None}
    fill(store, *(article(n, f"Story {n}.", source="Écho", published=days[n]) for n in days))

    with store.update() as writer:
        assert writer.matching(Filters(until=date(2018, 5, 1))) == ["a"]
        assert writer.matching(Filters(sources=("éCHO",))) == ["a", "b", "c"]
        assert writer.matching(Filters(sources=("Elsk",))) == []


# What cannot be opened.


def refusal(action: Callable[[], object], kind: type[StoreError]) -> str:
    with pytest.raises(StoreError) as caught:
        action()
    assert caught.type is kind
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_there_is_no_index_at_an_empty_place(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none", Path(__file__) / "below"):
        message = refusal(partial(Index.open, path), IndexMissing)
        assert message == f"no index at {path}; make one with: citewire index FOLDER --index {path}"


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"x")

    message = refusal(lambda: Index.create(tmp_path, MANIFEST), StoreError)

    assert message == f"{tmp_path} is not an index and is not empty; name another place with --index"
    assert [file.name for file in tmp_path.iterdir()] == ["holiday.jpg"]
    assert "cannot make an index" in refusal(lambda: Index.create("/dev/null/x", MANIFEST), StoreError)


def test_what_a_killed_start_left_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "articles.db.new").write_bytes(b"half")
    (tmp_path / "articles.db.new-wal").write_bytes(b"half")

    with Index.create(tmp_path, MANIFEST) as store:
        fill(store, article("a", "One."))


def test_another_encoder_or_setting_is_refused(store: Index) -> None:
    path = store.path
    message = refusal(lambda: Index.open(path, encoder="other@2"), IndexMismatch)
    assert f"the index at {path} was made with encoder fake@1, not other@2; use the same setting" in message
    wanted = Manifest("fake@1", 32, 128, 0)
    message = refusal(lambda: Index.create(path, wanted), IndexMismatch)
    assert "max_tokens 192, not 128; overlap 1, not 0" in message
    assert Index.open(path, encoder="fake@1").manifest == Index.create(path, MANIFEST).manifest == MANIFEST


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (1, "has the old format 1, this Citewire reads 2; index the articles again"),
        (99, "was made by a newer Citewire (format 99, here 2); update it"),
    ],
)
def test_another_format_is_refused(store: Index, number: int, advice: str) -> None:
    with sqlite3.connect(store.path / DATABASE) as connection:
        set_meta(connection, manifest=json.dumps({"format": number, "unknown": True}))
        if number == 1:  # it had no checksums
            connection.execute("CREATE TABLE old AS SELECT key, value FROM meta")
            connection.execute("DROP TABLE meta")
            connection.execute("ALTER TABLE old RENAME TO meta")

    assert advice in refusal(lambda: Index.open(store.path), IndexMismatch)


@pytest.mark.parametrize("content", [b"garbage" * 1_000, b"SQLite format 3\0" + b"\xff" * 8_192])
def test_a_file_that_is_no_database_is_damaged(tmp_path: Path, content: bytes) -> None:
    (tmp_path / DATABASE).write_bytes(content)

    for action in (lambda: Index.open(tmp_path), lambda: Index.create(tmp_path, MANIFEST)):
        assert f"run: citewire repair --index {tmp_path}" in refusal(action, IndexDamaged)


def test_a_database_of_something_else_is_not_an_index(tmp_path: Path) -> None:
    for make in ("", "CREATE TABLE t (a)", "CREATE TABLE meta (key, value)"):
        path = tmp_path / f"i{len(make)}"
        path.mkdir()
        (path / DATABASE).touch()
        with sqlite3.connect(path / DATABASE) as connection:
            connection.execute(make)
        assert "is not an index; name another place" in refusal(partial(Index.open, path), IndexMissing)


def test_damage_inside_the_database_is_said_when_it_is_met(store: Index) -> None:
    fill(store, *(article(f"a{n}", f"Story number {n}. " * 50) for n in range(100)))
    data = bytearray((store.path / DATABASE).read_bytes())
    data[8_192:] = bytes(byte ^ 0x5A for byte in data[8_192:])
    (store.path / DATABASE).write_bytes(data)

    def read() -> None:
        with Index.open(store.path) as again, again.snapshot() as snapshot:
            list(snapshot.articles())
            words(snapshot, "story")

    def write() -> None:
        with Index.open(store.path) as again, again.update() as writer:
            put(writer, article("b", "New."))

    for action in (read, write):
        assert "is damaged" in refusal(action, IndexDamaged)


def test_an_index_that_was_deleted_is_not_made_again_by_reading(store: Index) -> None:
    shutil.rmtree(store.path)

    def read() -> None:
        with store.snapshot():
            pass

    refusal(read, IndexMissing)
    assert not store.path.exists()


def test_a_lock_that_cannot_be_taken_is_one_line(store: Index) -> None:
    (store.path / "lock").unlink(missing_ok=True)
    (store.path / "lock").mkdir()

    def write() -> None:
        with store.update():
            pass

    assert "cannot write to the index at" in refusal(write, StoreError)


# Words.


def test_bm25_is_the_published_formula(store: Index) -> None:
    texts = [
        "cat dog bird",
        "cat cat dog",
        "bird fish horse cow sheep goat",
        "cat fish horse cow sheep goat bird hen",
        "cow hen",
        "goat goat goat",
    ]
    fill(store, *(article(f"a{n}", text, title="") for n, text in enumerate(texts)))
    lengths = [len(text.split()) for text in texts]
    mean, k1, b = sum(lengths) / len(texts), 1.2, 0.75

    def bm25(text: str, query: list[str]) -> float:
        total = 0.0
        for term in query:
            holding = sum(term in t.split() for t in texts)
            idf = max(
                math.log((len(texts) - holding + 0.5) / (holding + 0.5)), 1e-6
            )  # FTS5 keeps it positive
            count = text.split().count(term)
            total += idf * count * (k1 + 1) / (count + k1 * (1 - b + b * len(text.split()) / mean))
        return total

    for query in (["cow"], ["goat", "fish"], ["hen", "dog", "sheep"]):
        expected = {text: bm25(text, query) for text in texts if set(query) & set(text.split())}
        with store.snapshot() as snapshot:
            hits = snapshot.search_words(query, 10)
        assert {hit.passage.text: hit.score for hit in hits} == pytest.approx(expected)
        assert [hit.score for hit in hits] == pytest.approx(sorted(expected.values(), reverse=True))
        assert [hit.ranks["bm25"] for hit in hits] == list(range(1, len(hits) + 1))


def test_words_match_by_stem_without_case_or_accents_and_in_headlines(store: Index) -> None:
    fill(
        store,
        article("a", "The minister resigned in Zürich.", title="Shock"),
        article("b", "A cafe\u0301 opened.", title="Bridges"),
        article("c", "日本 won.", title=""),
    )
    with store.snapshot() as snapshot:
        for term, name in (
            ("MINISTERS", "a"),
            ("resigning", "a"),
            ("zurich", "a"),
            ("shock", "a"),
            ("café", "b"),
            ("bridge", "b"),
            ("日本", "c"),
        ):
            assert [hit.passage.article_id for hit in snapshot.search_words([term], 5)] == [name], term


@pytest.mark.parametrize(
    "query", ['AND "OR" NEAR(', "* ^ - + : { } \\ ' \"", "title: x", "\0", "½ ²", "_", "NOT", "😀"]
)
def test_operators_and_signs_in_a_query_are_harmless(store: Index, query: str) -> None:
    fill(store, article("a", "The mayor left."), article("b", "And or near: not a title."))

    with store.snapshot() as snapshot:
        assert "The mayor left." in words(snapshot, query, "mayor")
        assert words(snapshot, query) == words(snapshot, *re.findall(r"[a-z]+", query.lower()))


@given(st.lists(st.text(max_size=10), max_size=5))
def test_any_text_can_be_searched_for(terms: list[str]) -> None:
    with sqlite3.connect(":memory:") as connection:
        connection.row_factory = sqlite3.Row
        connection.executescript(SCHEMA)
        empty = VectorIndex.build(
            np.zeros(0, dtype=np.int64), 32, lambda ids: np.zeros((len(ids), 32), np.float32)
        )
        assert Snapshot(connection, empty, 0).search_words(terms, 5) == []


# Filters and stories.


def test_filters_choose_by_outlet_and_day(store: Index) -> None:
    days = {"a": date(2018, 5, 1), "b": date(2018, 5, 2), "c": date(2018, 5, 3), "d": None}
    outlets = {"a": "Elsk Daily", "b": "ELSK DAILY", "c": "Écho", "d": ""}
    fill(store, *(article(n, f"Story {n}.", source=outlets[n], published=days[n]) for n in days))
    cases = [
        (Filters(), "abcd"),
        (Filters(sources=("elsk daily",)), "ab"),
        (Filters(sources=("éCHO",)), "c"),
        (Filters(sources=("Elsk Daily", "écho")), "abc"),
        (Filters(sources=("Elsk",)), ""),
        (Filters(since=date(2018, 5, 2)), "bc"),
        (Filters(until=date(2018, 5, 2)), "ab"),
        (Filters(since=date(2018, 5, 2), until=date(2018, 5, 2)), "b"),
        (Filters(sources=("écho",), until=date(2018, 5, 2)), ""),
        (Filters(since=date(2019, 1, 1)), ""),
    ]
    with store.snapshot() as snapshot:
        for filters, names in cases:
            expected = [f"Story {name}." for name in names]
            assert sorted(words(snapshot, "story", filters=filters)) == expected
            assert sorted(found(snapshot, "x", 9, filters)) == expected
        assert snapshot.sources() == ["Elsk Daily", "Écho"]


LONG = " ".join(f"word{n}" for n in range(300))


def test_copies_share_a_story_and_keep_it_when_one_is_replaced(store: Index) -> None:
    one, copy = article("a", LONG), article("b", LONG.replace("word7 ", "changed "))
    fill(store, one, copy, article("c", "A bridge fell over the Elsk on Monday."))
    with store.snapshot() as snapshot:
        stories = snapshot.stories(["a", "b", "c", "none"])
        assert stories.keys() == {"a", "b", "c"}
        assert stories["a"] == stories["b"] != stories["c"]
        assert snapshot.stats().stories == 2

    fill(store, article("a", LONG + " and more"))
    with store.snapshot() as snapshot:
        stories = snapshot.stories(["a", "b", "c"])
        assert stories["a"] == stories["b"] != stories["c"]

    fill(store, article("b", "The mayor left Elsk without a word to anyone there."))
    with store.snapshot() as snapshot:
        assert len(set(snapshot.stories(["a", "b", "c"]).values())) == 3


# Everything together, against a dictionary.


@pytest.mark.parametrize("seed", range(6))
def test_any_sequence_of_changes_gives_what_a_dictionary_would_hold(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    vocabulary = ["mayor", "bridge", "boat", "school", "river", "market"]
    model: dict[str, Article] = {}
    store = Index.create(tmp_path / "i", MANIFEST)
    generation = 0
    for _ in range(25):
        if rng.random() < 0.2:
            store.close()
            store = Index.open(tmp_path / "i")
        if rng.random() < 0.15:
            (tmp_path / "i" / VECTORS).unlink(missing_ok=True)
        wanted, changed, fails = dict(model), False, rng.random() < 0.2
        try:
            with store.update() as writer:
                for _ in range(rng.randrange(4)):
                    name = f"a{rng.randrange(8)}"
                    if rng.random() < 0.6:
                        lines = [" ".join(rng.choices(vocabulary, k=5)) for _ in range(rng.randrange(1, 4))]
                        wanted.pop(name, None)
                        wanted[name] = article(name, "\n".join(lines))
                        put(writer, wanted[name])
                        changed = True
                    else:
                        removed = writer.remove(name)
                        assert removed == (wanted.pop(name, None) is not None)
                        changed = changed or removed
                if fails:
                    raise KeyError(seed)
        except KeyError:
            pass
        else:
            model, generation = wanted, generation + changed

        with store.snapshot() as snapshot:
            assert snapshot.generation == generation
            assert list(snapshot.articles()) == list(model.values())
            passages = {p for name in model for p in snapshot.passages(name)}
            expected = [p.text for item in model.values() for p in passages_of(item)]
            assert sorted(p.text for p in passages) == sorted(expected)
            word = rng.choice(vocabulary)
            assert sorted(words(snapshot, word)) == sorted(t for t in expected if word in t)
            (hits,) = snapshot.search_vectors(ENCODER.encode([word]), 99)
            assert {hit.passage for hit in hits} == passages
            if expected:
                rows = ENCODER.encode([hit.passage.text for hit in hits])
                cosines = rows @ ENCODER.encode([word])[0]
                assert [hit.score for hit in hits] == pytest.approx(cosines.tolist(), abs=2e-3)
    store.close()
