"""The page for everyone: axe-core's rules in each state, the keyboard alone, small and enlarged screens.

axe-core comes with axe-playwright-python; it is evaluated in the page, so the page's policy stays as it is.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from browser import PATIENCE, Browsed, chat, chromium, sync_api

axe = pytest.importorskip("axe_playwright_python.base")

ONE = "How many people were at Castle Meadow for the cup final?"
SEVERAL = "How many tonnes of fuel leaked at Port Elswick?"
NONE = "Who is the president of France?"
GRAVE = ("serious", "critical")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with chat(tmp_path_factory.mktemp("home")) as served:
        yield served


@pytest.fixture(scope="module")
def browser() -> Iterator["sync_api.Browser"]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def visit(browser: "sync_api.Browser", address: str) -> Iterator[Callable[..., Browsed]]:
    """Give a function that opens the page in a context of its own, and waits until it can be asked."""
    contexts = []

    def opened(**options: Any) -> Browsed:
        contexts.append(browser.new_context(reduced_motion="reduce", **options))
        seen = Browsed(contexts[-1].new_page(), address)
        seen.page.locator("#examples button").first.wait_for(timeout=PATIENCE)
        return seen

    yield opened
    for context in contexts:
        context.close()


def violations(page: "sync_api.Page") -> list[str]:
    """Give what axe-core finds that is serious or critical, a line for each element."""
    page.evaluate(axe.AXE_SCRIPT)
    found = page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{rule['id']} ({rule['impact']}): {' '.join(map(str, node['target']))}: {node['html'][:200]}"
        for rule in found["violations"]
        if rule["impact"] in GRAVE
        for node in rule["nodes"]
    ]


def welcome(seen: Browsed) -> None:
    assert seen.page.locator("#welcome h2").is_visible()


def one_answer(seen: Browsed) -> None:
    assert seen.ask(ONE).locator("blockquote mark").is_visible()


def reading_pane(seen: Browsed) -> None:
    seen.page.locator(".turn .open").first.click()
    seen.page.locator("#pane-text mark").wait_for()


def several_answers(seen: Browsed) -> None:
    assert seen.ask(SEVERAL).locator(".version").count() > 1


def no_answer(seen: Browsed) -> None:
    assert seen.ask(NONE).locator(".none").is_visible()


def notice(seen: Browsed) -> None:
    seen.box.press("Enter")
    seen.page.locator(".notice", has_text="Type a question first").wait_for()


def filter_sheet(seen: Browsed) -> None:
    seen.page.click("#show-filters")
    assert seen.page.locator("#outlets input").count() == 6


def history_sheet(seen: Browsed) -> None:
    seen.page.click("#show-history")
    assert seen.page.locator("#chats .chat").count() == 1


def add_sheet(seen: Browsed) -> None:
    seen.page.click("#show-add")
    assert seen.page.locator("#url").is_visible()


# In the order in which a person may come to them; a dialog is closed by Escape.
STATES = (
    welcome, one_answer, reading_pane, several_answers, no_answer, notice, filter_sheet, history_sheet, add_sheet,
)  # fmt: skip
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True},
}


@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_nothing_serious_in_any_state(visit: Callable[..., Browsed], look: str) -> None:
    seen = visit(**LOOKS[look])
    assert seen.page.evaluate("document.body.classList.contains('dark')") == (look == "dark")
    found = {}
    for reach in STATES:
        reach(seen)
        found[reach.__name__] = violations(seen.page)
        seen.page.keyboard.press("Escape")
    assert {state: lines for state, lines in found.items() if lines} == {}
    assert seen.errors == []


def test_axe_is_at_work(visit: Callable[..., Browsed]) -> None:
    page = visit().page
    page.evaluate(
        "document.querySelector('#turns').innerHTML = '<p style=color:#ddd>pale</p><button></button>'"
    )
    found = " ".join(violations(page))
    assert "color-contrast" in found
    assert "button-name" in found


# From 1,100 px on the pane stands beside the conversation, below it is a modal dialog.
@pytest.mark.parametrize("width", [1280, 900])
def test_all_can_be_done_by_keyboard(visit: Callable[..., Browsed], width: int) -> None:
    seen = visit(viewport={"width": width, "height": 800}, permissions=["clipboard-read", "clipboard-write"])
    page = seen.page
    page.wait_for_function("document.activeElement === document.querySelector('#ask textarea')")
    page.keyboard.type(ONE)
    page.keyboard.press("Enter")
    seen.answered(ONE)

    to(page, ".source > .open", "Shift+Tab")
    page.keyboard.press("Enter")
    page.locator("#pane-text mark").wait_for()
    assert focused(page, "#pane .close")
    to(page, "#pane .scroll")
    page.keyboard.press("PageDown")
    page.keyboard.press("Escape")
    page.locator("#pane").wait_for(state="hidden")
    assert focused(page, ".source > .open"), "the focus is back where it came from"

    to(page, "#show-filters", "Shift+Tab")
    page.keyboard.press("Enter")
    to(page, "#outlets input")
    page.keyboard.press("Space")
    outlet = str(page.evaluate("document.activeElement.value"))
    to(page, "#filters .primary")
    page.keyboard.press("Enter")
    page.locator("#filters").wait_for(state="hidden")
    assert page.locator("#chosen").inner_text().startswith(f"Only {outlet}")
    page.wait_for_function("document.activeElement === document.querySelector('#ask textarea')")

    page.keyboard.type(SEVERAL)
    page.keyboard.press("Enter")
    turn = seen.answered(SEVERAL)
    sources = turn.locator(".source .meta").all_inner_texts()
    assert sources
    assert all(source.startswith(outlet) for source in sources)

    page.keyboard.press("/")
    to(page, ".turn:last-child [data-copy]", "Shift+Tab")
    page.keyboard.press("Enter")
    turn.locator(".said", has_text="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()").startswith(SEVERAL)

    to(page, "#new", "Shift+Tab")
    page.keyboard.press("Enter")
    page.locator(".turn").first.wait_for(state="detached")
    page.wait_for_function("document.activeElement === document.querySelector('#ask textarea')")
    to(page, "#show-history", "Shift+Tab")
    page.keyboard.press("Enter")
    to(page, "#chats .chat")
    page.keyboard.press("Enter")
    page.locator(".turn").nth(1).wait_for()
    assert seen.errors == []


def test_the_first_thing_to_tab_to_skips_to_the_question(visit: Callable[..., Browsed]) -> None:
    page = visit().page
    page.evaluate("document.activeElement.blur()")
    to(page, ".skip")
    assert page.locator(".skip").bounding_box()["x"] >= 0
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert focused(page, "#ask textarea")


def test_nothing_is_wider_than_the_screen(visit: Callable[..., Browsed]) -> None:
    seen = visit()
    wide = []
    for reach in STATES:
        reach(seen)
        for width in (640, 390, 320):  # 640 is what a window of 1,280 has when it is enlarged to 200%
            seen.page.set_viewport_size({"width": width, "height": 700})
            needed = seen.page.evaluate(
                "[document.documentElement, document.body, ...document.querySelectorAll('dialog[open], dialog[open] .scroll')]"
                ".map(one => one.scrollWidth - one.clientWidth)"
            )
            if max(needed) > 0:
                wide.append((reach.__name__, width, needed))
        seen.page.keyboard.press("Escape")
        seen.page.set_viewport_size({"width": 1280, "height": 720})
    assert wide == []


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_nothing_moves_for_those_who_want_it_still(visit: Callable[..., Browsed], motion: str) -> None:
    seen = visit()
    seen.page.emulate_media(reduced_motion=motion)
    moving = seen.page.evaluate(
        """() => {
          document.querySelector('#turns').innerHTML = '<p class="wait">Searching</p>';
          return document.getAnimations().filter(one => one.playState === 'running').length;
        }"""
    )
    assert bool(moving) == (motion == "no-preference")


def focused(page: "sync_api.Page", selector: str) -> bool:
    return bool(page.evaluate("selector => document.activeElement.matches(selector)", selector))


def to(page: "sync_api.Page", selector: str, key: str = "Tab", most: int = 60) -> None:
    """Press a key until the focus is where it should be, and can be seen there."""
    for _ in range(most):
        page.keyboard.press(key)
        if focused(page, selector):
            outline = "getComputedStyle(document.activeElement)"
            assert page.evaluate(f"{outline}.outlineStyle !== 'none' && {outline}.outlineWidth !== '0px'")
            return
    pytest.fail(f"{key} does not reach {selector}")
