"""Votes over the real route on a real index, and what the real eval script makes of them."""

import json
import os
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Response

from eval.questions import load_gold
from index.errors import CitewireError
from qa.api import QA
from qa.types import Answer, Citation
from qa.web.library import Library
from qa.web.votes import Votes, votes_router

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "eval" / "articles"
PARK, WRAPPED = "Who brought down Tamsin Oyelaran?", "What was the stolen Ferrywoman wrapped in?"
NOWHERE = "Who won the Eurovision Song Contest in 1974?"
ROW_TEXT = (
    "The Ferry Bridge at Ornsay 🌉 was painted green in 2019 by Hamish O'Neill & Sons Ltd. It had been red."
)


@pytest.fixture(scope="module")
def articles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("votes") / "articles"
    folder.mkdir()
    for name in ("lathbury-painting-harbour-ledger.md", "thornley-cup-channel-six-news.txt"):
        shutil.copy(SAMPLE / name, folder)
    rows = [{"id": "https://hl.example/bridge", "title": "A green bridge", "text": ROW_TEXT}]
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


@pytest.fixture(scope="module")
def qa(articles: Path) -> Iterator[QA]:
    with QA.from_articles(articles, articles.parent / "articles.citewire") as opened:
        yield opened


@pytest.fixture
def votes(tmp_path: Path) -> Votes:
    return Votes(tmp_path / "state" / "votes.jsonl")


def client_of(qa: QA | None, votes: Votes) -> TestClient:
    library = Library(lambda _: pytest.fail("it is open already"))
    library.qa = qa
    app = FastAPI()
    app.include_router(votes_router(library, votes))
    return TestClient(app)


@pytest.fixture
def page(qa: QA, votes: Votes) -> TestClient:
    return client_of(qa, votes)


def cast(page: TestClient, verdict: str, *, turn: str = "t-1", **fields: Any) -> Response:
    return page.post("/page/vote", json={"turn": turn, "verdict": verdict, "question": PARK, **fields})


def place(citation: Citation) -> dict[str, Any]:
    return {"article_id": citation.article_id, "start": citation.start, "end": citation.end}


def answered(qa: QA, question: str) -> Answer:
    answer = qa.ask(question)
    assert answer.answered
    return answer


def selection(qa: QA, name: str, words: str) -> dict[str, Any]:
    with qa.store.snapshot() as snapshot:
        article = next(article for article in snapshot.articles() if name in article.id)
    start = article.text.index(words)
    return {"article_id": article.id, "start": start, "end": start + len(words)}


def test_votes_of_every_kind_are_read_by_the_eval_script_as_they_are(
    page: TestClient, qa: QA, votes: Votes, articles: Path, tmp_path: Path
) -> None:
    who, what = answered(qa, PARK), answered(qa, WRAPPED)
    history = [[WRAPPED, what.text]]
    follow = {
        "typed": "Where was it found?",
        "question": "Where was the Ferrywoman found?",
        "history": history,
    }
    cast(page, "up", turn="up", **place(who.citations[0]))
    cast(page, "up", turn="up-none", question=NOWHERE)
    cast(page, "down", turn="down", question=WRAPPED, typed="what was teh stolen", **place(what.citations[0]))
    cast(page, "down", turn="down-none", question=NOWHERE)
    cast(page, "down", turn="down-follow", **follow, **place(what.citations[0]))
    cast(page, "up", turn="up-none-follow", **follow)
    cast(
        page,
        "right",
        turn="right",
        question="When was the Ferry Bridge painted green?",
        **selection(qa, "rows", "2019"),
    )
    cast(page, "right", turn="right-follow", **follow, **selection(qa, "lathbury", "Saltby"))
    wanted = {
        "vote-up": "single",
        "vote-up-none": "unanswerable",
        "vote-down": "rejected",
        "vote-down-none": "rejected",
        "vote-down-follow": "rejected",
        "vote-up-none-follow": "unanswerable",
        "vote-right": "single",
        "vote-right-follow": "followup",
    }
    assert {record["id"]: record["type"] for record in votes.records()} == wanted

    for own in (["--index", str(qa.store.path)], ["--articles", str(articles)]):
        out = tmp_path / own[0].strip("-")
        command = [
            sys.executable,
            "-m",
            "eval",
            "--gold",
            str(votes.path),
            "--out",
            str(out),
            "--no-plot",
            *own,
        ]
        environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
        run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr

        rows = [json.loads(line) for line in (out / "outcomes.jsonl").read_text().splitlines()]
        outcomes = {row["id"]: row for row in rows}
        assert {name: row["type"] for name, row in outcomes.items()} == wanted
        assert (outcomes["vote-up"]["f1"], outcomes["vote-up"]["source_hit"]) == (1.0, True)
        assert outcomes["vote-right"]["rank"] == 1
        assert outcomes["vote-down"]["heeded"] is False  # it still answers that
        assert outcomes["vote-right-follow"]["standalone_f1"] is not None
        report = json.loads((out / "report.json").read_text())
        assert report["scores"]["all"]["em"]["n"] == 5
        assert report["heeded"]["n"] == 3
        assert "Rejected by people: 3" in run.stdout


def test_the_records_words_and_sentence_are_the_articles(page: TestClient, qa: QA, votes: Votes) -> None:
    citation = answered(qa, PARK).citations[0]

    response = cast(page, "up", **place(citation), quote=citation.quote)

    assert (response.status_code, response.json()["said"].split(";")[0]) == (200, "Thank you")
    (record,) = votes.records()
    assert record["answers"] == [citation.quote]
    assert record["sources"] == [citation.article_id]
    assert record["evidence"] == citation.sentence
    assert stat.S_IMODE(votes.path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("selected", "kept"),
    [
        ("amish O'Neill & Sons Lt", "Hamish O'Neill & Sons Ltd"),
        (" 2019 ", "2019"),
        ("🌉 was painted green", "🌉 was painted green"),
        ("Ornsay 🌉 was", "Ornsay 🌉 was"),
        ("had been red.", "had been red"),
    ],
)
def test_a_selection_is_widened_to_whole_words(
    page: TestClient, qa: QA, votes: Votes, selected: str, kept: str
) -> None:
    assert cast(page, "right", **selection(qa, "rows", selected)).status_code == 200
    (record,) = votes.records()
    assert record["answers"] == [kept]
    assert record["sources"][0].endswith("rows.jsonl#https://hl.example/bridge")
    assert kept in record["evidence"]


def test_another_vote_on_a_turn_replaces_the_first_and_none_takes_it_back(
    page: TestClient, qa: QA, votes: Votes
) -> None:
    citation = answered(qa, PARK).citations[0]
    cast(page, "up", turn="other")
    cast(page, "up", **place(citation))
    cast(page, "down", **place(citation))
    assert [(record["id"], record["type"]) for record in votes.records()] == [
        ("vote-other", "unanswerable"),
        ("vote-t-1", "rejected"),
    ]

    assert cast(page, "none", question="").json() == {"said": "Your vote is taken back"}
    assert cast(page, "none", turn="never-cast").status_code == 200
    assert [record["id"] for record in votes.records()] == ["vote-other"]


def test_what_was_typed_is_a_follow_up_only_where_it_was_written_out(page: TestClient, votes: Votes) -> None:
    history = [[PARK, ""]]
    cast(page, "up", turn="a", typed=f" {PARK}  ", history=history)
    cast(page, "up", turn="b", typed="And when?", history=history)
    cast(page, "up", turn="c", typed="Who brouhgt down Tamsin Oyelaran?")
    alone, follow, typo = votes.records()
    assert "history" not in alone
    assert (follow["question"], follow["standalone"], follow["history"]) == ("And when?", PARK, history)
    assert (typo["question"], typo["typed"]) == (PARK, "Who brouhgt down Tamsin Oyelaran?")


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"article_id": "/gone.md", "start": 0, "end": 4}, 409, "that article is not in the index any more"),
        ({"end": 10_000_000}, 409, "has changed since"),
        ({"quote": "other words"}, 409, "has changed since"),
        ({"start": 5, "end": 5}, 422, "expected start < end"),
        ({"start": -1}, 422, "start: Input should be greater"),
        ({"start": 0, "end": 350}, 422, "select at most 300"),
        ({"start": 0, "end": 700}, 422, "select at most 300"),
        ({"verdict": "sideways"}, 422, "verdict: "),
        ({"verdict": "right", "article_id": ""}, 422, "expected the article"),
        ({"turn": "../x"}, 422, "turn: "),
        ({"turn": "a\n"}, 422, "turn: "),
        ({"turn": "a" * 65}, 422, "turn: "),
        ({"question": "  "}, 422, "expected a question"),
        ({"question": "x" * 1001}, 422, "question: "),
        ({"question": "\ud800"}, 422, "Invalid JSON"),
        ({"history": [["q", "a"]] * 21}, 422, "history: "),
        ({"history": [["q"]]}, 422, "history.0.1: "),
        ({"answers": ["mine"]}, 422, "answers: "),
        ({"question": "x" * 300_001}, 413, "over the limit of 0.3 MB"),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_what_is_not_a_vote_is_refused_in_one_line(
    page: TestClient, qa: QA, votes: Votes, fields: dict[str, Any], status: int, said: str
) -> None:
    vote = {
        "turn": "t",
        "verdict": "right",
        "question": PARK,
        **selection(qa, "thornley", "Oyelaran"),
        **fields,
    }
    response = page.post("/page/vote", content=json.dumps(vote))
    assert response.status_code == status
    assert said in response.json()["error"]
    assert "\n" not in response.json()["error"]
    assert not votes.path.exists()


def test_a_selection_without_words_is_refused(page: TestClient, qa: QA) -> None:
    assert "no word" in cast(page, "right", **selection(qa, "rows", " 🌉 ")).json()["error"]


def test_before_the_articles_are_open_a_vote_is_put_off(votes: Votes) -> None:
    response = cast(client_of(None, votes), "up")
    assert response.status_code == 503
    assert "ask again in a moment" in response.json()["error"]


def test_a_full_file_says_so_and_still_takes_changes(qa: QA, tmp_path: Path) -> None:
    votes = Votes(tmp_path / "votes.jsonl", most=2)
    page = client_of(qa, votes)
    assert [cast(page, "up", turn=turn).status_code for turn in ("a", "b", "c", "b")] == [200, 200, 507, 200]
    assert "move votes.jsonl away" in cast(page, "up", turn="c").json()["error"]
    cast(page, "none", turn="a")
    assert cast(page, "up", turn="c").status_code == 200


def test_a_file_that_a_person_broke_is_left_as_it_is(page: TestClient, votes: Votes) -> None:
    cast(page, "up")
    text = votes.path.read_text() + "{oops\n"
    votes.path.write_text(text)
    response = cast(page, "up", turn="b")
    assert (response.status_code, response.json()["error"].startswith("votes.jsonl:2: expected a gold")) == (
        503,
        True,
    )
    assert votes.path.read_text() == text


def test_a_vote_that_cannot_be_written_says_why(qa: QA, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    response = cast(client_of(qa, Votes(tmp_path / "file" / "votes.jsonl")), "up")
    assert response.status_code == 503
    assert response.json()["error"].startswith("the vote cannot be kept: ")


def test_votes_of_many_threads_and_processes_are_all_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qa.web.votes.WAIT", 60)
    path = tmp_path / "votes.jsonl"
    script = (
        "import sys\nfrom pathlib import Path\nimport qa.web.votes\nfrom qa.web.votes import Votes\n"
        "qa.web.votes.WAIT = 60\n"
        "for n in range(20): Votes(Path(sys.argv[1])).put({'id': f'{sys.argv[2]}-{n}', 'question': 'Wo\u2028?'})"
    )
    others = [subprocess.Popen([sys.executable, "-c", script, str(path), name], cwd=ROOT) for name in "ab"]
    votes = Votes(path)

    def put(name: str) -> None:
        for number in range(20):
            votes.put({"id": f"{name}-{number}"})

    threads = [threading.Thread(target=put, args=(name,)) for name in "cd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [other.wait(timeout=60) for other in others] == [0, 0]
    assert {record["id"] for record in votes.records()} == {
        f"{name}-{n}" for name in "abcd" for n in range(20)
    }


def test_a_vote_survives_being_loaded_with_its_odd_characters(page: TestClient, votes: Votes) -> None:
    question = "Wo\u2028 is “Saltby” \u202e?"
    assert cast(page, "up", question=question).status_code == 200
    questions, _ = load_gold([votes.path], None, SAMPLE, votes.path.parent)
    assert questions[0].question == question


def test_a_failed_write_leaves_the_earlier_votes(votes: Votes, monkeypatch: pytest.MonkeyPatch) -> None:
    votes.put({"id": "a"})

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("index.durable.os.fsync", full)
    with pytest.raises(CitewireError, match="No space left on device"):
        votes.put({"id": "b"})
    monkeypatch.undo()
    assert votes.records() == [{"id": "a"}]
    assert [path.name for path in votes.path.parent.iterdir() if ".new" in path.name] == []
