"""The chat's page in a real browser, and the lines with which it starts and ends."""

import json
import re
import socket
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from browser import PATIENCE, Browsed, chat, chromium, free_port, start, sync_api

import ui
from index.build import Progress
from index.snapshot import Stats
from index.types import Hit, Passage
from qa.web.about import facts_of
from qa.web.examples import SAMPLE_QUESTIONS
from qa.web.library import progress_text

LAGOON = "By how many votes did the tidal lagoon win before the recount in Pendrawle?"
FUEL = "How many tonnes of fuel leaked at Port Elswick?"
PIN = "Who designed the Time's Up lapel pin?"
NOWHERE = "Who is the president of France?"


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
    assert facts_of(stats) == "1 article from 1 outlet, 2026"


def test_what_is_being_read_is_said_in_words() -> None:
    hits = [Hit(Passage(number, "a", 0, 1, "x"), 1.0) for number in range(2)]
    assert ui.reading(hits) == "Reading 2 passages of 1 article"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def address(home: Path) -> Iterator[str]:
    with chat(home) as address:
        yield address


@pytest.fixture(scope="module")
def browse() -> Iterator["sync_api.Browser"]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def seen(browse: "sync_api.Browser", address: str) -> Iterator[Browsed]:
    context = browse.new_context(permissions=["clipboard-read", "clipboard-write"])
    found = Browsed(context.new_page(), address)
    found.page.locator("#examples button").first.wait_for(timeout=PATIENCE)
    yield found
    assert found.hosts <= {"127.0.0.1"}
    assert found.dialogs == []
    assert found.errors == []
    context.close()


def test_an_answer_is_quoted_and_opens_its_article_at_the_words(seen: Browsed) -> None:
    page = seen.page
    assert "39 articles from 6 outlets" in page.locator("#facts").inner_text()
    page.wait_for_function("document.activeElement.tagName === 'TEXTAREA'")
    turn = seen.ask(LAGOON)
    assert turn.locator(".answer").inner_text().startswith("31")
    assert turn.locator("blockquote mark").inner_text() == "31"
    tip = turn.locator(".answer .tip")
    assert not tip.is_visible()
    turn.locator(".answer .sure").hover()
    tip.wait_for()
    assert re.match(r"\d\d%\. Of answers marked this sure", tip.inner_text())

    card = turn.locator(".version.best .source .open").first
    card.click()
    pane = page.locator("#pane")
    mark = pane.locator("mark")
    mark.wait_for()
    assert mark.inner_text() == "31"
    assert pane.locator("#pane-title").inner_text() in card.inner_text()
    box, scroll = mark.bounding_box(), pane.locator(".scroll").bounding_box()
    assert box
    assert scroll
    assert scroll["y"] <= box["y"] <= scroll["y"] + scroll["height"]
    links = pane.locator("#pane-links a")
    assert [link.get_attribute("rel") for link in links.all()] == ["noopener noreferrer"] * 2
    assert "#:~:text=" in (links.first.get_attribute("href") or "")
    page.keyboard.press("Escape")
    assert not pane.is_visible()
    assert page.evaluate("document.activeElement.className") == "open", "the focus is lost"


def test_something_is_seen_within_200_ms_and_the_stages_follow(seen: Browsed) -> None:
    took = seen.page.evaluate(
        """async question => {
          const field = document.querySelector('#ask textarea');
          Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, 'value').set.call(field, question);
          field.dispatchEvent(new Event('input', {bubbles: true}));
          await new Promise(done => setTimeout(done, 100));
          window.stages = [];
          const look = new MutationObserver(() => {
            const stage = document.querySelector('.turn .wait')?.textContent;
            if (stage && window.stages.at(-1) !== stage) window.stages.push(stage);
          });
          look.observe(document.querySelector('#turns'), {subtree: true, childList: true, characterData: true});
          const from = performance.now();
          document.querySelector('#ask .submit-button').click();
          while (!document.querySelector('.turn .wait')) await new Promise(requestAnimationFrame);
          return performance.now() - from;
        }""",
        FUEL,
    )
    assert took < 200
    seen.answered(FUEL)
    stages = seen.page.evaluate("window.stages")
    assert stages[0] == "Searching"
    assert re.fullmatch(r"Reading \d+ passages of \d+ articles", stages[-1])


def test_a_question_asked_before_the_pages_script_came_is_not_lost(
    browse: "sync_api.Browser", address: str
) -> None:
    held: list[sync_api.Route] = []
    page = browse.new_page()
    page.route("**/page/chats.js", lambda route: held.append(route))  # noqa: PLW0108
    page.goto(address, wait_until="commit")
    box = page.locator("#ask textarea")
    box.wait_for(timeout=PATIENCE)
    box.fill(LAGOON)
    box.press("Enter")
    while not held:
        page.wait_for_timeout(20)
    assert page.locator(".turn").count() == 0
    held[0].continue_()
    page.locator(".turn .answer", has_text="31").wait_for(timeout=PATIENCE)
    page.close()


def test_answers_that_differ_stand_side_by_side_with_dates(seen: Browsed) -> None:
    turn = seen.ask(FUEL)
    versions = turn.locator(".version")
    assert versions.count() >= 2
    # All at once, since the page may still be scrolling.
    first, second, *_ = versions.evaluate_all("all => all.map(one => one.getBoundingClientRect().y)")
    assert first == pytest.approx(second, abs=0.5), "the first two are not beside each other"
    assert all(re.search(r"\b20\d\d\b", text) for text in versions.locator(".meta").all_inner_texts())


def test_no_answer_says_what_was_missing(seen: Browsed) -> None:
    turn = seen.ask(NOWHERE)
    assert turn.locator(".answer").inner_text() == "Not in these articles"
    assert "No article has the word “France”" in turn.inner_text()
    assert turn.locator(".source").count() > 0


def test_a_follow_up_and_a_typo_are_shown_as_understood_and_can_be_changed(seen: Browsed) -> None:
    page = seen.page
    seen.ask(PIN)
    turn = seen.ask("When did she make it?")
    assert "Understood as:" in turn.locator(".understood").inner_text()
    turn.locator(".understood button").click()
    assert page.locator("#ask textarea").input_value() == turn.locator(".understood em").inner_text()

    turn = seen.ask("Who designed the Time's Up lapel pni of the Gloden Globes?")
    assert "Golden Globes" in turn.locator(".understood em").inner_text()
    turn.get_by_role("button", name="Ask as typed").click()
    turn = seen.answered('"Gloden"')
    assert '"Gloden"' in turn.locator(".asked").inner_text()
    assert turn.locator(".understood").count() == 0


def test_what_cannot_be_asked_is_said_and_stays_in_the_box(seen: Browsed) -> None:
    page = seen.page
    seen.ask(LAGOON)
    seen.box.fill("why " * 600)
    seen.box.press("Enter")
    page.locator(".notice", has_text="the limit is 1,000").wait_for()
    page.wait_for_function("document.querySelector('#ask textarea').value.startsWith('why why')")
    assert page.locator(".turn .answer").count() == 1, "the conversation is still there"
    seen.box.fill("  ")
    seen.box.press("Enter")
    page.locator(".notice", has_text="Type a question first").wait_for()
    page.route("**/gradio_api/queue/join*", lambda route: route.fulfill(status=503, body="{}"))
    seen.box.fill(NOWHERE)
    seen.box.press("Enter")
    page.locator(".notice", has_text="Too many people are asking").wait_for()
    page.unroute("**/gradio_api/queue/join*")
    seen.ask(NOWHERE)
    assert page.locator(".turn .notice").count() == 0


def test_conversations_are_kept_reopened_exported_and_forgotten(seen: Browsed) -> None:
    page = seen.page
    seen.ask(PIN)
    page.reload()
    assert "Arianne Phillips" in page.locator(".turn .answer").inner_text()
    seen.ask("When did she make it?")
    assert "Phillips" in page.locator(".understood em").inner_text(), "the reload lost the conversation"

    with page.expect_download() as download:
        page.click("#export")
    exported = Path(download.value.path()).read_text()
    assert re.fullmatch(r"citewire-\d{4}-\d\d-\d\d\.md", download.value.suggested_filename)
    assert exported.startswith("# Citewire, ")
    assert "### Who designed the Time's Up lapel pin?\n\n**Arianne Phillips**" in exported

    page.click("#new")
    assert page.locator(".turn").count() == 0
    seen.ask(LAGOON)
    page.click("#show-history")
    chats = page.locator("#chats .chat")
    assert chats.count() == 2
    chats.filter(has_text=PIN).click()
    assert page.locator(".turn").count() == 2
    page.click("#show-history")
    page.get_by_role("button", name=f"Delete “{LAGOON}”").click()
    assert chats.count() == 1
    page.click("#forget")
    assert page.locator("#chats").inner_text() == "None yet."
    page.keyboard.press("Escape")
    assert page.locator(".turn").count() == 0


def test_an_answer_goes_to_its_conversation_wherever_the_person_has_gone(seen: Browsed) -> None:
    page, held = seen.page, list["sync_api.Route"]()
    seen.ask(PIN)

    def hold(route: "sync_api.Route") -> None:
        held.append(route)

    def ask_and_hold(question: str) -> None:
        held.clear()
        page.route("**/gradio_api/queue/join*", hold)
        seen.box.fill(question)
        seen.box.press("Enter")
        page.locator(".turn .wait").wait_for()
        while not held:
            page.wait_for_timeout(20)

    def let_go() -> None:
        held[0].continue_()
        page.unroute("**/gradio_api/queue/join*")

    ask_and_hold(LAGOON)
    page.click("#new")
    assert page.locator(".turn").count() == 0
    page.click("#show-history")
    page.locator("#chats .chat").click()
    assert page.locator(".turn .wait").count() == 1, "it is still being answered"
    let_go()
    page.locator(".turn .answer", has_text="31").wait_for(timeout=PATIENCE)
    page.reload()
    page.locator(".turn .answer").nth(1).wait_for()

    ask_and_hold(FUEL)
    page.click("#show-history")
    page.click("#forget")
    page.keyboard.press("Escape")
    let_go()
    page.wait_for_timeout(2_000)  # for the answer that nobody wants any more
    seen.ask(NOWHERE)
    page.click("#show-history")
    assert [chat.inner_text().split("\n")[0] for chat in page.locator("#chats .chat").all()] == [NOWHERE]


def test_two_tabs_of_one_conversation_keep_the_turns_of_both(seen: Browsed) -> None:
    seen.ask(PIN)
    other = Browsed(seen.page.context.new_page(), seen.page.url)
    other.page.locator(".turn .answer").wait_for()
    other.ask(LAGOON)
    seen.ask(NOWHERE)
    seen.page.reload()
    asked = seen.page.locator(".turn .asked")
    asked.nth(2).wait_for()
    assert asked.all_inner_texts() == [PIN, LAGOON, NOWHERE]


def test_a_quote_is_found_again_in_an_article_that_has_changed(seen: Browsed) -> None:
    page = seen.page
    turn = seen.ask(PIN)

    def show_as(change: Callable[[str], str]) -> None:
        def changed(route: "sync_api.Route") -> None:
            article = route.fetch().json()
            route.fulfill(json={**article, "text": change(article["text"])})

        page.route("**/api/article*", changed)
        turn.locator(".source .open").first.click()
        page.locator("#pane-text", has_text="designer").wait_for()

    show_as(lambda text: f"Corrected by the editor. \U0001f600 {text}")
    assert page.locator("#pane mark").inner_text() == "Arianne Phillips"
    page.keyboard.press("Escape")
    page.unroute("**/api/article*")
    show_as(lambda text: text.replace("Arianne Phillips", "the designer"))
    assert page.locator("#pane mark").count() == 0
    assert "has changed since it was quoted" in page.locator("#pane-meta").inner_text()
    page.unroute("**/api/article*")


def test_an_answer_is_copied_with_its_sources(seen: Browsed) -> None:
    turn = seen.ask(PIN)
    turn.get_by_role("button", name="Copy with sources").click()
    turn.locator(".said", has_text="Copied").wait_for()
    copied = seen.page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith(f"{PIN}\n\nArianne Phillips   (")
    assert "[1] “Golden Globes go black" in copied
    turn = seen.ask("When did she make it?")
    turn.get_by_role("button", name="Copy with sources").click()
    turn.locator(".said", has_text="Copied").wait_for()
    copied = seen.page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("When did she make it?\n\nUnderstood as: When did Arianne Phillips")


def test_filters_keep_to_outlets_and_days(seen: Browsed) -> None:
    page = seen.page
    page.click("#show-filters")
    page.get_by_label("Fieldnotes").check()
    page.get_by_role("button", name="Done").click()
    assert page.locator("#chosen").inner_text().startswith("Only Fieldnotes")
    turn = seen.ask(FUEL)
    assert all(meta.startswith("Fieldnotes") for meta in turn.locator(".meta").all_inner_texts())

    page.get_by_role("button", name="Ask all articles again").click()
    page.click("#show-filters")
    page.fill("#since", "2026-01-01")
    page.fill("#until", "2025-01-01")
    page.get_by_role("button", name="Done").click()
    assert page.locator("#filters-wrong").is_visible()
    page.fill("#until", "2026-12-31")
    page.get_by_role("button", name="Done").click()
    assert "from 1 Jan 2026" in page.locator("#chosen").inner_text()
    turn = seen.ask(FUEL)
    assert all("2026" in meta for meta in turn.locator(".meta").all_inner_texts())


def test_keys_reach_the_question_and_earlier_ones(seen: Browsed) -> None:
    page = seen.page
    seen.ask(PIN)
    page.locator("#top").click()
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.tagName") == "TEXTAREA"
    page.keyboard.press("ArrowUp")
    assert page.locator("#ask textarea").input_value() == PIN
    page.keyboard.type(" Who?")
    page.keyboard.press("ArrowUp")
    assert page.locator("#ask textarea").input_value() == f"{PIN} Who?", "what was typed is lost"


def votes(home: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (home / "citewire" / "votes.jsonl").read_text().splitlines()]


def test_votes_become_gold_questions(seen: Browsed, home: Path) -> None:
    page = seen.page
    turn = seen.ask(PIN)
    up, down = turn.locator("[data-vote=up]"), turn.locator("[data-vote=down]")
    up.click()
    turn.locator(".said", has_text="kept as a question with this answer").wait_for()
    assert up.get_attribute("aria-pressed") == "true"
    (gold,) = votes(home)
    assert (gold["question"], gold["type"], gold["answers"]) == (PIN, "single", ["Arianne Phillips"])

    down.click()
    turn.locator(".said", has_text="kept as a wrong answer").wait_for()
    assert up.get_attribute("aria-pressed") == "false"
    assert [(gold["type"], gold["wrong"]) for gold in votes(home)] == [("rejected", ["Arianne Phillips"])]
    turn.get_by_role("button", name="It is not in these articles").click()
    turn.locator(".said", has_text="don't answer").wait_for()
    assert [gold["type"] for gold in votes(home)] == ["unanswerable"]

    turn.locator(".source .open").first.click()
    page.locator("#pane mark").wait_for()
    page.evaluate(
        """() => {
          const text = document.querySelector('#pane-text'), words = 'black-and-white';
          for (const node of text.childNodes) {
            const at = node.textContent.indexOf(words);
            if (at < 0 || node.nodeType !== Node.TEXT_NODE) continue;
            getSelection().setBaseAndExtent(node, at, node, at + words.length);
          }
        }"""
    )
    page.wait_for_function("document.querySelector('#right').value === 'black-and-white'")
    page.click("#correct button")
    page.locator("#correct .said", has_text="kept with your answer").wait_for()
    assert [(gold["type"], gold["answers"]) for gold in votes(home)] == [("single", ["black-and-white"])]
    page.fill("#right", "Ewan McGregor")
    with page.expect_response("**/page/vote"):  # which is sent when it is written
        page.click("#correct button")
    assert [gold["answers"] for gold in votes(home)] == [["Ewan McGregor"]]
    for nowhere in ("no such words", "McGrego"):
        page.fill("#right", nowhere)
        page.click("#correct button")
        page.locator("#correct .said", has_text="not in this article").wait_for()
        page.fill("#right", "black-and-white")
        page.click("#correct button")
        page.locator("#correct .said", has_text="kept with your answer").wait_for()


def test_articles_are_added_by_file_and_asked_at_once(seen: Browsed, tmp_path: Path) -> None:
    page = seen.page
    article = tmp_path / "Größe der Möwe.md"
    article.write_text("# Gulls\n\nThe keeper of the Ullapard gull house is Oona Fairweather, aged 61.\n")
    bad = tmp_path / "picture.png"
    bad.write_bytes(b"x")
    page.click("#show-add")
    page.set_input_files("#files", [article, bad])
    page.locator("#added .done", has_text="Größe der Möwe.md: 1 article added").wait_for(timeout=60_000)
    page.locator("#added .wrong", has_text="picture.png").wait_for()
    page.fill("#url", "http://127.0.0.1:9/nothing")
    page.locator("#from-url button").click()
    page.locator("#added .wrong", has_text="http://127.0.0.1:9/nothing was not added").wait_for()
    page.keyboard.press("Escape")
    page.wait_for_function("document.querySelector('#facts').textContent.startsWith('40 articles')")
    turn = seen.ask("Who is the keeper of the Ullapard gull house?")
    assert turn.locator(".answer").inner_text().startswith("Oona Fairweather")


def test_every_example_has_an_answer(seen: Browsed) -> None:
    shown = seen.page.locator("#examples button").all_inner_texts()
    assert shown == [question for question, _ in SAMPLE_QUESTIONS]
    seen.page.locator("#examples button").first.click()
    assert seen.answered(shown[0]).locator("mark").count() > 0
    for question in shown[1:]:
        assert seen.ask(question).locator("mark").count() > 0, question


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
