"""The eval script from end to end, with a scripted QA in place of models and an index."""

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from eval import __main__ as script
from eval.ask import Outcome, ask
from eval.plot import draw
from eval.questions import Question
from eval.report import build_report, table
from index.errors import ModelError
from index.types import Hit, Passage
from qa.api import sample_index_path
from qa.types import Answer, Candidate, Citation, Evidence

GOLD: list[dict[str, Any]] = [
    {"id": "right", "question": "How many came?", "answers": ["214", "214 people"], "type": "single"},
    {"id": "near", "question": "Who opened it?", "answers": ["Mayor Ada Ruiz of Elswick"], "type": "multi"},
    {"id": "declined", "question": "When did it open?", "answers": ["Monday"], "type": "single"},
    {"id": "unfound", "question": "Where was it?", "answers": ["Elswick"], "type": "single"},
    {"id": "unread", "question": "Why was it late?", "answers": ["rain"], "type": "single"},
    {"id": "second", "question": "What did it cost?", "answers": ["£5,000"], "type": "multi"},
    {
        "id": "later",
        "question": "Was it more before?",
        "answers": ["300"],
        "type": "followup",
        "history": [["How many came?", "214"]],
        "standalone": "How many came last year?",
    },
    {"id": "quiet", "question": "Who paid?", "answers": [], "type": "unanswerable"},
    {"id": "invented", "question": "Who complained?", "answers": [], "type": "unanswerable"},
]

# what was searched -> ranked candidates (text, confidence), whether shown, articles found in order
SCRIPT: dict[str, tuple[list[tuple[str, float]], bool, list[str]]] = {
    "How many came?": ([("the 214 people", 0.95)], True, ["fair.md"]),
    "Who opened it?": ([("Mayor Ada Ruiz", 0.85)], True, ["other.md", "fair.md"]),
    "When did it open?": ([("Monday", 0.3)], False, ["fair.md"]),
    "Where was it?": ([("Port", 0.7)], True, ["other.md"]),
    "Why was it late?": ([("fog", 0.6)], True, ["other.md", "other.md", "fair.md"]),
    "What did it cost?": ([("£9", 0.55), ("£5,000", 0.5)], True, ["fair.md"]),
    "Was it more before? [fair]": ([("about 300", 0.8)], True, ["fair.md"]),
    "How many came last year?": ([("300", 0.9)], True, ["fair.md"]),
    "Who paid?": ([], False, ["fair.md"]),
    "Who complained?": ([("Jo", 0.65)], True, ["fair.md"]),
}

SINGLE = Question("s", "How many came?", ("214",), "single")


class FakeChat:
    def __init__(self, qa: "FakeQA") -> None:
        self.qa = qa
        self.history: list[tuple[str, str]] = []

    def tell(self, question: str, answer_text: str) -> None:
        self.history.append((question, answer_text))

    def understood(self, text: str) -> str:
        return f"{text} [fair]" if self.history else text

    def ask(self, text: str) -> Answer:
        assert self.history == [("How many came?", "214")]
        return self.qa.ask(f"{text} [fair]")


class FakeQA:
    signature = "fake|1"

    def __init__(self, articles: Path) -> None:
        self.articles = articles
        self.asked: list[str] = []

    def chat(self) -> FakeChat:
        return FakeChat(self)

    def search(self, question: str, k: int = 10) -> Sequence[Hit]:
        found = SCRIPT[question][2][:k]
        return [Hit(Passage(1, str(self.articles / name), 0, 1, "x"), 1.0) for name in found]

    def ask(self, question: str) -> Answer:
        self.asked.append(question)
        texts, answered, found = SCRIPT.get(question, ([], False, []))
        candidates = tuple(
            Candidate(text, sure, (self.citation(found[-1], text),), Evidence(2.0, 1.0, 0.5, 0.5, 1))
            for text, sure in texts
        )
        return Answer(question, candidates, answered, (), self.signature)

    def citation(self, name: str, quote: str) -> Citation:
        path = str(self.articles / name)
        return Citation(path, "", "", "", None, 0, len(quote), quote, quote, 0, quote, 0, 0, len(quote))


@pytest.fixture(autouse=True)
def qa(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeQA:
    articles = tmp_path / "articles"
    articles.mkdir()
    for name in ("fair.md", "other.md"):
        (articles / name).write_text("text")
    rows = [{**row, "sources": ["fair.md"] if row["answers"] else []} for row in GOLD]
    (tmp_path / "gold.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    fake = FakeQA(articles)
    monkeypatch.setattr(script, "open_qa", lambda *_: fake)
    return fake


def run(tmp_path: Path, *options: str) -> Result:
    given = {"--gold": "gold.jsonl", "--articles": "articles", "--out": "out", "--index": "x.citewire"}
    paths = [part for option, name in given.items() for part in (option, str(tmp_path / name))]
    return CliRunner().invoke(script.app, [*paths, *options])


def read_outcomes(tmp_path: Path) -> dict[str, dict[str, Any]]:
    rows = [json.loads(line) for line in (tmp_path / "out" / "outcomes.jsonl").read_text().splitlines()]
    return {row["id"]: row for row in rows}


def test_a_run_writes_the_report_the_outcomes_and_the_plot(qa: FakeQA, tmp_path: Path) -> None:
    result = run(tmp_path)
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "outcomes.jsonl",
        "report.json",
        "report.png",
        "report.svg",
    ]
    assert (tmp_path / "out" / "report.png").read_bytes().startswith(b"\x89PNG")
    assert "</svg>" in (tmp_path / "out" / "report.svg").read_text()
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["signature"].startswith("fake|1|k:10|")
    assert report["settings"]["articles"] == str(tmp_path / "articles")
    assert report["versions"]["python"] == sys.version.split()[0]
    assert len(qa.asked) == 3 + len(GOLD) + 1  # warm-up, and the follow-up written out


def test_the_scores_are_those_worked_out_by_hand(tmp_path: Path) -> None:
    run(tmp_path, "--no-plot")
    scores = json.loads((tmp_path / "out" / "report.json").read_text())["scores"]
    value = {group: {name: score["value"] for name, score in own.items()} for group, own in scores.items()}

    near, later = 2 * 3 / (3 + 5), 2 * 1 / (2 + 1)
    assert value["all"]["em"] == pytest.approx((1 + 1) / 9)
    assert value["all"]["f1"] == pytest.approx((1 + near + later + 1) / 9)
    assert value["answerable"]["best_em"] == pytest.approx(2 / 7)
    assert value["answerable"]["best_f1"] == pytest.approx((1 + near + 1 + later) / 7)
    assert value["unanswerable"]["declined"] == 1 / 2
    assert value["answerable"]["declined"] == pytest.approx(1 / 7)
    assert value["all"]["shown_right"] == pytest.approx(3 / 7)
    assert scores["all"]["shown_right"]["n"] == 7
    assert value["all"]["source_hit"] == pytest.approx(5 / 6)
    assert value["all"]["recall"] == pytest.approx(6 / 7)
    assert value["all"]["mrr"] == pytest.approx((1 + 1 / 2 + 1 + 0 + 1 / 3 + 1 + 1) / 7)
    # right at 0.95, 0.85, 0.8 and 0.3; wrong at 0.7, 0.65, 0.6, 0.55 and 0
    assert value["all"]["auroc"] == pytest.approx((5 + 5 + 5 + 1) / 20)
    assert value["followup"]["share_of_standalone"] == pytest.approx(later)
    assert value["unanswerable"]["recall"] is None
    assert all(
        score["value"] is None or score["low"] <= score["value"] <= score["high"]
        for own in scores.values()
        for score in own.values()
        if score["low"] is not None
    )


def test_each_miss_is_put_down_to_the_step_that_lost_the_answer(tmp_path: Path) -> None:
    run(tmp_path, "--no-plot")
    outcomes = read_outcomes(tmp_path)
    assert {name: row["fault"] for name, row in outcomes.items()} == {
        "right": None,
        "near": None,
        "declined": "abstention",
        "unfound": "retrieval",
        "unread": "reader",
        "second": "ranking",
        "later": None,
        "quiet": None,
        "invented": "false answer",
    }
    assert outcomes["unread"]["rank"] == 3
    assert outcomes["declined"]["prediction"] is None
    assert outcomes["declined"]["best_candidate"] == "Monday"
    assert outcomes["later"]["asked"] == "Was it more before? [fair]"


def test_k_limits_where_a_right_article_is_looked_for(tmp_path: Path) -> None:
    run(tmp_path, "--no-plot", "--k", "2")
    assert read_outcomes(tmp_path)["unread"]["rank"] is None
    assert read_outcomes(tmp_path)["unread"]["fault"] == "retrieval"


def test_the_table_says_what_counts_as_right(tmp_path: Path) -> None:
    output = run(tmp_path, "--no-plot").output
    assert "an F1 of 0.5 or more counts as right" in output
    assert "Misses: retrieval 1, reader 1, ranking 1, abstention 1, false answer 1." in output
    assert " nan" not in output


def test_a_limit_asks_only_so_many(tmp_path: Path) -> None:
    run(tmp_path, "--no-plot", "--limit", "3")
    assert list(read_outcomes(tmp_path)) == ["right", "unfound", "later"]


def test_without_matplotlib_one_line_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    result = run(tmp_path)
    assert result.exit_code == 0
    assert result.stderr.count('pip install "citewire[plot]"') == 1
    assert (tmp_path / "out" / "report.json").exists()
    assert not (tmp_path / "out" / "report.svg").exists()


def test_a_persons_mistake_is_one_line_and_exit_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> FakeQA:
        raise ModelError("the reader is not there")

    monkeypatch.setattr(script, "open_qa", fail)
    result = run(tmp_path)
    assert (result.exit_code, result.stderr) == (2, "eval: the reader is not there\n")

    (tmp_path / "file").write_text("")
    result = run(tmp_path, "--out", str(tmp_path / "file"))
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("wrong", "shown", "heeded"),
    [
        (("214 people",), "the 214 people", False),
        (("214",), "the 214 people of Elswick", True),  # F1 0.4
        (("214",), None, True),
        ((), None, False),
        ((), "214", True),
    ],
)
def test_a_rejected_answer_is_scored_apart(wrong: tuple[str, ...], shown: str | None, heeded: bool) -> None:
    gold = Question("r", "How many came?", (), "rejected", wrong=wrong)
    rejected = Outcome(gold, gold.question, shown, shown or "", 0.9, (), (), None, None, 5.0)
    asked = Question("u", "Who paid?", (), "unanswerable")
    other = Outcome(asked, asked.question, None, "", 0.0, None, (), None, None, 5.0)

    report, alone = build_report([rejected, other], "s", 10), build_report([other], "s", 10)

    assert (report.scores, report.faults, report.calibration) == (
        alone.scores,
        alone.faults,
        alone.calibration,
    )
    assert report.heeded
    assert (report.heeded.value, report.heeded.n) == (heeded, 1)
    assert alone.heeded is None
    assert "not given again" in table(report)
    assert "not given again" not in table(alone)
    assert rejected.to_dict()["heeded"] is heeded


def test_votes_that_only_reject_make_a_report_and_a_plot(tmp_path: Path) -> None:
    gold = Question("r", "Who paid?", (), "rejected")
    report = build_report([Outcome(gold, "Who paid?", None, "", 0.0, (), (), None, None, 5.0)], "s", 10)
    json.dumps(report.to_dict(), allow_nan=False)
    draw(report, tmp_path)
    assert (tmp_path / "report.png").exists()


def test_an_index_is_kept_in_the_cache_by_the_articles_path(tmp_path: Path) -> None:
    one, other = (script.index_path(tmp_path / name / "news", tmp_path) for name in ("a", "b"))
    assert one != other
    assert one == script.index_path(tmp_path / "a" / "news", tmp_path)
    assert one.parent == tmp_path


def test_the_samples_scores_are_not_of_what_people_added_to_the_chat(tmp_path: Path) -> None:
    assert script.index_path(script.SAMPLE, tmp_path) != sample_index_path()
    assert script.index_path(script.SAMPLE, tmp_path).parent == tmp_path


def test_a_report_of_one_unanswerable_question_has_no_gaps() -> None:
    question = Question("u", "Who paid?", (), "unanswerable")
    outcome = Outcome(question, "Who paid?", None, "", 0.0, None, (), None, None, 5.0)
    report = build_report([outcome], "s", 10)
    assert list(report.scores) == ["all", "unanswerable"]
    json.dumps(report.to_dict(), allow_nan=False)


def test_a_new_topic_is_asked_in_a_chat_and_counted_if_something_was_carried_over(tmp_path: Path) -> None:
    history = (("How many came?", "214"),)
    question = Question("n", "Was it more before?", (), "newtopic", history=history)
    carried = ask(FakeQA(tmp_path), question, tmp_path, 10)
    assert carried.carried is True
    kept = replace(carried, carried=False)
    report = build_report([carried, kept, kept, kept], "s", 10)
    assert report.scores["newtopic"]["carried"].value == 1 / 4
    assert "New topics: something carried over in 1 of 4." in table(report)
    assert "New topics" not in table(build_report([replace(kept, carried=None, question=SINGLE)], "s", 10))
