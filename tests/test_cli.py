"""The command in processes of its own: what it prints, its exit codes, and mistakes as one line."""

import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from index.database import Manifest
from index.store import Index

ROOT = Path(__file__).parents[1]
STORIES = (
    "lathbury-painting-harbour-ledger.md",
    "lathbury-painting-fieldnotes.md",
    "quennell-takeover-fieldnotes.md",
)
KNOWN = "What was the stolen Ferrywoman wrapped in when police found it in Saltby?"


def citewire(*arguments: str | Path, index: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command as a person would, with its own data folders."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_DATA_HOME": "/nonexistent/data"}
    environment.pop("CITEWIRE_INDEX", None)
    if index:
        environment["CITEWIRE_INDEX"] = str(index)
    return subprocess.run(
        [sys.executable, "-m", "qa.cli", *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("news")
    for name in STORIES:
        shutil.copy(ROOT / "eval" / "articles" / name, made)
    (made / "broken.pdf").write_bytes(b"%PDF-1.4 nothing")
    return made


@pytest.fixture(scope="module")
def indexed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("cli") / "index"
    done = citewire("index", folder, "--index", where)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("3 added, 0 updated, 0 unchanged, 1 skipped in ")
    assert done.stdout.endswith(f"; the index is at {where}\n")
    assert "broken.pdf: " in done.stderr
    assert "Traceback" not in done.stderr
    return where


def test_an_answer_is_printed_with_its_source_and_exit_code_0(indexed: Path, folder: Path) -> None:
    done = citewire("ask", KNOWN, "--index", indexed)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "% sure)\n\n[1] “" in done.stdout
    assert "shower curtain" in done.stdout.splitlines()[0]
    assert "shower curtain]" in done.stdout


def test_an_answer_as_json_is_one_document_with_the_documented_keys(indexed: Path, folder: Path) -> None:
    done = citewire("ask", KNOWN, "--json", index=indexed)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["question"] == KNOWN
    assert "shower curtain" in answer["text"]
    assert 0 < answer["confidence"] < 1
    (best, *_) = answer["citations"]
    assert best["article_id"].startswith(str(folder.resolve()))
    assert best["quote"] in best["sentence"]


def test_a_typo_is_mended_unless_the_person_says_no(indexed: Path) -> None:
    typed = KNOWN.replace("wrapped", "wraped")
    assert json.loads(citewire("ask", typed, "--json", index=indexed).stdout)["question"] == KNOWN
    kept = citewire("ask", typed, "--no-spelling", "--json", index=indexed)
    assert json.loads(kept.stdout)["question"] == typed


def test_not_in_these_articles_is_exit_code_1(indexed: Path) -> None:
    done = citewire("ask", "What is the boiling point of tungsten in kelvin?", "--json", "--index", indexed)
    assert done.returncode == 1, done.stderr
    answer = json.loads(done.stdout)
    assert answer["text"] is None
    assert answer["citations"] == []
    assert answer["nearest"]


def test_stats_say_what_the_index_holds_in_words_and_as_json(indexed: Path) -> None:
    done = citewire("stats", "--index", indexed)
    assert done.returncode == 0, done.stderr
    assert "3 articles (" in done.stdout
    assert "encoder all-MiniLM-L6-v2@" in done.stdout
    done = citewire("stats", "--json", index=indexed)
    stats = json.loads(done.stdout)
    assert (stats["articles"], stats["path"]) == (3, str(indexed))
    assert stats["bytes"] > 0
    assert sum(stats["sources"].values()) == 3


def test_removing_takes_articles_out_and_says_so(indexed: Path, folder: Path, tmp_path: Path) -> None:
    where = tmp_path / "index"
    shutil.copytree(indexed, where)
    done = citewire("remove", folder / STORIES[2], "--index", where)
    assert (done.returncode, done.stdout) == (0, f"{folder / STORIES[2]}: 1 removed\n")
    done = citewire("remove", "elsewhere", "--index", where)
    assert (done.returncode, done.stdout) == (1, "elsewhere: nothing of it is in the index\n")
    assert json.loads(citewire("stats", "--json", "--index", where).stdout)["articles"] == 2
    assert (folder / STORIES[2]).is_file()


def test_help_loads_no_model_and_names_every_command() -> None:
    code = (
        "import sys; from qa.cli import app; from typer.testing import CliRunner;"
        " done = CliRunner().invoke(app, ['--help']); print(done.output);"
        " print([m for m in ('torch', 'transformers', 'faiss', 'gradio', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    for command in (
        "index",
        "ask",
        "chat",
        "password",
        "eval",
        "stats",
        "remove",
        "check",
        "repair",
        "watch",
    ):
        assert f"\n  {command} " in done.stdout


def test_no_command_shows_the_help_and_version_the_version() -> None:
    done = citewire("--version")
    assert (done.returncode, done.stdout) == (0, f"citewire {version('citewire')}\n")
    done = citewire()
    assert "Usage:" in done.stdout + done.stderr


def test_the_eval_script_can_be_reached_and_keeps_its_exit_codes(tmp_path: Path) -> None:
    done = citewire("eval", "--help")
    assert done.returncode == 0, done.stderr
    assert "--fit-confidence" in done.stdout
    done = citewire("eval", "--gold", tmp_path / "none.jsonl", "--out", tmp_path / "report")
    assert done.returncode == 2
    assert done.stderr == f"eval: {tmp_path / 'none.jsonl'}: cannot be read: No such file or directory\n"


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    """Check that a mistake was told in one line on standard error, with exit code 2."""
    assert done.returncode == 2, done
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("citewire: ")
    return done.stderr


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("", "the question is empty; type some words"),
        ("?!", "the question is empty; type some words"),
        ("word " * 2000, "the question has 9,999 characters, the limit is 1,000"),
    ],
)
def test_an_empty_or_overlong_question_is_one_line(indexed: Path, question: str, said: str) -> None:
    assert said in one_line(citewire("ask", question, "--index", indexed))


@pytest.mark.parametrize("command", [("ask", "Who?"), ("stats",), ("remove", "a.txt")])
def test_a_missing_index_is_one_line_that_says_how_to_make_one(tmp_path: Path, command: list[str]) -> None:
    where = tmp_path / "none"
    assert one_line(citewire(*command, index=where)) == (
        f"citewire: no index at {where}; make one with: citewire index FOLDER --index {where}\n"
    )


def test_a_folder_without_articles_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    said = one_line(citewire("index", tmp_path / "empty", "--index", tmp_path / "index"))
    assert f"no articles in {tmp_path / 'empty'}" in said


def test_an_index_of_another_encoder_is_one_line(tmp_path: Path) -> None:
    Index.create(tmp_path / "index", Manifest("other-encoder@1", 384, 192, 1)).close()
    said = one_line(citewire("ask", "Who?", "--index", tmp_path / "index"))
    assert "was made with encoder other-encoder@1, not all-MiniLM-L6-v2@" in said


def test_a_place_that_is_no_index_is_not_written_to(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "thesis.doc").write_text("mine")
    assert "is not an index and is not empty" in one_line(citewire("index", folder, "--index", tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.doc"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("ask",),
        ("ask", "Who?", "--nonsense"),
        ("ask", "Who?", "--since", "yesterday"),
        ("ask", "Who?", "--threshold", "2"),
        ("nonsense",),
        ("index",),
        ("chat", "--port", "0"),
        ("eval", "--nonsense"),
    ],
)
def test_a_mistaken_command_line_is_told_without_a_traceback(arguments: tuple[str, ...]) -> None:
    done = citewire(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("Usage: ")
    assert done.stderr.splitlines()[-1].startswith("Error: ")
    assert "Traceback" not in done.stderr


def test_a_reader_that_is_not_there_is_one_line(indexed: Path, tmp_path: Path) -> None:
    done = citewire("ask", "Who?", "--reader", tmp_path, "--index", indexed)
    assert str(tmp_path) in one_line(done)
