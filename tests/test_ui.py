"""The web chat: what its pure functions render, and the real page in a real browser."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import ui
from index.build import Progress
from index.snapshot import Stats
from qa.web.examples import SAMPLE_QUESTIONS
from qa.web.library import progress_text

sync_api = pytest.importorskip("playwright.sync_api")

ROOT = Path(__file__).parents[1]
CHROMIUM = Path("/usr/bin/chromium")
HOSTILE = '<script>alert(1)</script><img src="http://evil.example/x.png"> ![x](http://evil.example/y.png)'


@pytest.mark.parametrize(
    ("progress", "seconds", "said"),
    [
        (None, 0, "Opening the articles"),
        (Progress("reading", 12, 12), 1, "Reading 12 articles"),
        (Progress("embedding", 80, 160), 10, "Indexing 80 of 160 passages, 10 s left"),
        (Progress("embedding", 100, 1100), 60, "Indexing 100 of 1,100 passages, 10 min left"),
    ],
)
def test_progress_is_said_in_words(progress: Progress | None, seconds: float, said: str) -> None:
    assert progress_text(progress, seconds) == said


def test_the_header_counts_articles_and_outlets() -> None:
    stats = Stats(1, 1, 3, 100, (("The Ledger", 1), ("", 0)), date(2026, 1, 1), date(2026, 2, 1), 1)
    assert "1 article from 1 outlet, 2026" in ui.header_html(stats)


def start(home: Path, *options: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "XDG_CACHE_HOME": str(home), "XDG_DATA_HOME": str(home)}
    command = [sys.executable, "ui.py", *options]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def served(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    line = process.stdout.readline()
    found = re.search(r"http://127\.0\.0\.1:\d+/", line)
    assert found, line + (process.stderr.read() if process.stderr else "")
    return found.group()


def stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    process.communicate(timeout=30)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    process = start(tmp_path_factory.mktemp("home"), "--port", str(free_port()))
    yield served(process)
    stop(process)


class Browsed:
    """A page in Chromium, with every address it asked for and every dialog it opened."""

    def __init__(self, page: "sync_api.Page", address: str) -> None:
        self.page = page
        self.hosts: set[str] = set()
        self.dialogs: list[str] = []
        page.on("request", lambda request: self.hosts.add(urlsplit(request.url).hostname or ""))
        page.on("dialog", lambda dialog: (self.dialogs.append(dialog.message), dialog.dismiss()))
        page.goto(address)

    def ask(self, question: str) -> "sync_api.Locator":
        self.page.fill("#ask textarea", question)
        self.page.press("#ask textarea", "Enter")
        return self.answered(question)

    def answered(self, question: str) -> "sync_api.Locator":
        turn = self.page.locator(".turn", has_text=question).last
        turn.locator(".answer").wait_for(timeout=120_000)
        return turn


@pytest.fixture
def browse() -> Iterator["sync_api.Browser"]:
    if not CHROMIUM.exists():
        pytest.skip(f"needs {CHROMIUM}")
    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu", *quiet]
        )
        yield browser
        browser.close()


def test_a_person_asks_checks_the_source_and_asks_on(browse: "sync_api.Browser", address: str) -> None:
    seen = Browsed(browse.new_page(), address)
    page = seen.page
    page.locator("#welcome h1").wait_for()  # at once, whatever the index does
    examples = page.locator("#welcome button")
    examples.first.wait_for(timeout=120_000)
    assert "39 articles from 6 outlets" in page.locator("header").inner_text()
    assert page.evaluate("document.activeElement.tagName") == "TEXTAREA"

    turn = seen.ask("By how many votes did the tidal lagoon win before the recount in Pendrawle?")
    assert turn.locator(".answer").inner_text().startswith("31")
    assert turn.locator("blockquote mark").inner_text() == "31"
    card = turn.locator("details.source").first
    assert not card.locator(".context").is_visible()
    card.locator("summary").click()
    assert card.locator(".context mark").is_visible()
    assert card.locator("a").get_attribute("rel") == "noopener noreferrer"

    turn = seen.ask("Who is the president of France?")
    assert turn.locator(".answer").inner_text() == "Not in these articles"
    assert turn.locator("details.source").count() > 0
    assert card.get_attribute("open") is not None, "an earlier card closed"

    seen.ask("Who designed the Time's Up lapel pin?")
    turn = seen.ask("When did she make it?")
    assert "Understood as:" in turn.locator(".understood").inner_text()
    turn.locator(".understood button").click()
    assert page.locator("#ask textarea").input_value() == turn.locator(".understood em").inner_text()

    turn = seen.ask("Who designed the Time's Up lapel pni of the Gloden Globes?")
    assert "Golden Globes" in turn.locator(".understood em").inner_text()
    turn.get_by_role("button", name="Ask as typed").click()
    page.locator(".turn").nth(5).locator(".answer").wait_for()
    assert '"Gloden"' in page.locator(".turn").nth(5).locator(".asked").inner_text()
    assert page.locator(".turn").nth(5).locator(".understood").count() == 0

    page.fill("#ask textarea", "why " * 600)
    page.press("#ask textarea", "Enter")
    page.locator(".notice").wait_for()
    page.wait_for_function("document.querySelector('#ask textarea').value.startsWith('why why')")
    assert page.locator(".turn").count() == 6, "the conversation is still there"

    page.click("#new")
    page.locator(".turn").first.wait_for(state="detached")
    question = examples.nth(1).inner_text()
    examples.nth(1).click()
    assert seen.answered(question).locator("mark").count() > 0
    page.press("#ask textarea", "Enter")
    page.locator(".notice", has_text="Type a question first").wait_for()
    assert seen.hosts == {"127.0.0.1"}
    assert seen.dialogs == []


def test_every_example_has_an_answer(browse: "sync_api.Browser", address: str) -> None:
    seen = Browsed(browse.new_page(), address)
    seen.page.locator("#welcome button").first.wait_for(timeout=120_000)
    shown = seen.page.locator("#welcome button").all_inner_texts()
    assert shown == [question for question, _ in SAMPLE_QUESTIONS]
    for question in shown:
        assert seen.ask(question).locator("mark").count() > 0, question


def test_a_hostile_article_is_shown_as_text(browse: "sync_api.Browser", tmp_path: Path) -> None:
    folder = tmp_path / "articles"
    folder.mkdir()
    body = f"The keeper of Brannock Lighthouse is Oona Fairweather {HOSTILE} ${{alert(2)}} {{{{value}}}}."
    (folder / "a.jsonl").write_text(
        '{"title": "<img src=x onerror=alert(1)>", "text": %s, "url": "javascript:alert(1)"}'
        % ('"' + (body + " Brannock Lighthouse was built in 1871. ").replace('"', '\\"') + '"')
    )
    process = start(tmp_path, "--articles", str(folder), "--index", str(tmp_path / "i"))
    try:
        seen = Browsed(browse.new_page(), served(process))
        turn = seen.ask("Who is the keeper of Brannock Lighthouse?")
        turn.locator("summary").first.click()
        shown = turn.inner_text()
        assert "<script>alert(1)</script>" in shown
        assert "${alert(2)} {{value}}" in shown
        assert turn.locator("img, script, a[href^=javascript]").count() == 0
        time.sleep(0.5)
        assert seen.dialogs == []
        assert seen.hosts == {"127.0.0.1"}
    finally:
        stop(process)


@pytest.mark.parametrize("options", [["--index", "nowhere"], ["--articles", "nowhere", "--index", "{}"]])
def test_what_cannot_be_opened_is_one_line_and_exit_code_2(tmp_path: Path, options: list[str]) -> None:
    given = [option.format(tmp_path / "index") for option in options]
    process = start(tmp_path, *given, "--port", str(free_port()))
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 2
    assert len(errors.strip().splitlines()) == 1
    assert errors.startswith("citewire: ")


def test_a_named_port_that_is_taken_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        process = start(tmp_path, "--port", port)
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 2
    assert errors == f"citewire: port {port} is taken; choose another with --port\n"
