"""Closed reading: a reader, a question, its own context."""

import json
import math
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from eval.closed import main, score
from qa.default_reader.groups import Group, Text

TEXT = "Ada Lund left Brno in 1994."


def group(question: str, answer: str, source: str = "news") -> Group:
    text = Text(TEXT, ((TEXT.index(answer), TEXT.index(answer) + len(answer)),) if answer else ())
    return Group(question, (text,) if answer else (), () if answer else (text,), source)


def test_scores_are_of_each_source_and_of_all() -> None:
    scores = score(
        [
            (group("Who?", "Ada Lund"), "Lund", 2.0),  # F1 2/3
            (group("When?", "1994"), "1994", -1.0),
            (group("Why?", ""), "Brno", -2.0),
            (group("Where?", "Brno", "wiki"), "Brno", 1.0),
        ]
    )

    assert list(scores) == ["news", "wiki", "all"]
    news = scores["news"]
    assert (news.questions, news.answerable, news.em) == (3, 2, 0.5)
    assert news.f1 == pytest.approx((2 / 3 + 1) / 2)
    assert news.open_f1 == pytest.approx((2 / 3 + 0 + 1) / 3)  # at a margin of 0: declined, declined
    assert news.auroc == 1.0
    assert math.isnan(scores["wiki"].auroc)
    assert scores["all"].questions == 4


def test_the_shipped_reader_reads_a_file(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(main)
    path = tmp_path / "rows.jsonl"
    row = {
        "question": "When did Ada Lund leave Brno?",
        "context": TEXT,
        "answers": [{"start": 22, "text": "1994"}],
    }
    path.write_text(json.dumps({**row, "source": "mine"}) + "\n")

    printed = CliRunner().invoke(app, [str(path)]).output

    (line,) = [line.split() for line in printed.splitlines() if line.startswith("mine")]
    assert line[:5] == ["mine", "1", "1", "100.0", "100.0"]
    assert "cannot read questions from" in CliRunner().invoke(app, [str(tmp_path / "no.jsonl")]).output
