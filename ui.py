"""The web chat: a page that asks, shows the quoted answer and opens its sources.

Holds: text of articles and people reaches the browser escaped; nothing but http(s) links leaves the page.
The page is there at once; the articles are opened, or indexed, in a thread of their own.
Wiring only: `Library` opens, `qa.render` renders answers, `page` connects. Knows no ranking.
"""

import argparse
import os
import sys
import threading
import time
import webbrowser
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

# Read when gradio and the model libraries are imported: no telemetry, no look-ups.
os.environ.update(GRADIO_ANALYTICS_ENABLED="False", HF_HUB_DISABLE_TELEMETRY="1", DO_NOT_TRACK="1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import gradio as gr

from index.embed import Encoder
from index.errors import CitewireError
from index.snapshot import Stats
from qa.api import QA, Chat, Config, sample_index_path
from qa.read import Reader
from qa.render import answer_html, notice_html, turn_html, waiting_html
from qa.web.library import Library
from qa.web.server import NOT_ENCRYPTED, Service, announcement, make_app, serve

TICK = 0.5  # seconds between looks at a build that runs


@dataclass
class Session:
    """One person's conversation: the turns as they are shown, and the chat that remembers them."""

    chat: Chat
    turns: list[str] = field(default_factory=list)
    asked: str = ""  # what is being answered


def header_html(stats: Stats | None) -> str:
    """Render the name and what the chat knows."""
    facts = ""
    if stats:
        outlets = [name for name, _ in stats.sources if name]
        facts = f"{stats.articles:,} article{'s' * (stats.articles != 1)}"
        if outlets:
            facts += f" from {len(outlets):,} outlet{'s' * (len(outlets) != 1)}"
        if stats.oldest and stats.newest:
            facts += f", {_years(stats.oldest, stats.newest)}"
    shown = f'<span class="facts">{facts}</span>' if facts else ""
    return f'<header>{LOGO}<span class="name">Citewire</span>{shown}</header>'


def welcome_html(library: Library) -> str:
    """Render what an empty conversation shows: the promise, or how far the opening is, or what failed."""
    if library.error:
        return notice_html(f"Citewire could not start: {library.error}")
    head = "<h1>Ask your articles, get quoted answers</h1>"
    if library.qa is None:
        step, bar = library.progress, ""
        if step and step.stage == "embedding":
            bar = f'<progress aria-label="Indexing" value="{step.done}" max="{step.total}"></progress>'
        return f"{head}{waiting_html(library.status)}{bar}"
    examples = "".join(
        f'<button type="button" data-question="{escape(question)}" data-send="">{escape(question)}</button>'
        for question in library.examples
    )
    promise = "Every answer is quoted word for word from an article, with its source."
    return f'{head}<p>{promise}</p><div class="examples">{examples}</div>'


def _years(oldest: date, newest: date) -> str:
    return f"{oldest.year}" if oldest.year == newest.year else f"{oldest.year}–{newest.year}"


def reply(library: Library, text: str, session: Session | None) -> Iterator[tuple[Any, ...]]:
    """Answer one message: the turns to show, what to leave in the box, the conversation."""
    before = session.turns if session else []
    if not text.strip():
        yield [*before, notice_html("Type a question first")], "", session
        return
    yield [*before, turn_html(text, waiting_html(library.status or "Searching"))], "", session
    while not library.ready.wait(TICK):
        yield [*before, turn_html(text, waiting_html(library.status))], gr.skip(), session
    try:
        qa = library.opened()
        session = session or Session(qa.chat())
        session.asked = text
        hits = qa.search(session.chat.understood(text), qa.config.passages)
        articles = len({hit.passage.article_id for hit in hits})
        stage = f"Reading {len(hits)} passages of {articles} article{'s' * (articles != 1)}"
        yield [*before, turn_html(text, waiting_html(stage))], gr.skip(), session
        answer = session.chat.ask(text)
    except CitewireError as error:
        yield [*before, notice_html(str(error))], text, session
        return
    session.turns = [*before, turn_html(text, answer_html(answer))]
    yield session.turns, gr.skip(), session


def failed(session: Session | None) -> list[str]:
    """Give the turns to show after a fault of the program's own: what was asked stays in sight."""
    notice = notice_html("Something broke inside; the terminal says what. Ask again, or in other words")
    return [*session.turns, turn_html(session.asked, notice)] if session else [notice]


def page(library: Library) -> gr.Blocks:
    """Build the page over a library that is, or will be, open."""

    def ask(text: str, session: Session | None) -> Iterator[tuple[Any, ...]]:
        yield from reply(library, text, session)

    def look() -> tuple[Any, ...]:
        watch = gr.Timer(TICK, active=not library.settled.is_set())
        return header_html(library.stats), welcome_html(library), watch

    blocks: gr.Blocks
    with gr.Blocks(title="Citewire", analytics_enabled=False) as blocks:
        session = gr.State(None)
        with gr.Row(elem_id="top"):
            header = gr.HTML(header_html(None), apply_default_css=False)
            new = gr.Button("New chat", elem_id="new", size="sm", scale=0, min_width=90)
        welcome = gr.HTML(welcome_html(library), elem_id="welcome", apply_default_css=False)
        turns = gr.HTML(
            [], html_template='<div class="turns" aria-live="polite"></div>', js_on_load=DRAW_TURNS,
            elem_id="conversation", apply_default_css=False,
        )  # fmt: skip
        with gr.Row(elem_id="ask"):
            box = gr.Textbox(
                placeholder="Ask a question", show_label=False, label="Question",
                lines=1, max_lines=5, autofocus=True, submit_btn=True, container=False,
            )  # fmt: skip
        watch = gr.Timer(TICK)
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        outputs = [turns, box, session]
        asked = box.submit(ask, [box, session], outputs, concurrency_limit=4, **quiet)
        asked.failure(failed, session, turns, **quiet)
        new.click(lambda: ([], "", None), None, outputs, cancels=[asked], **quiet)
        blocks.load(look, None, [header, welcome, watch], concurrency_limit=None, **quiet)
        watch.tick(look, None, [header, welcome, watch], concurrency_limit=None, **quiet)
    return blocks


def main(
    index: Path | None = None,
    articles: Path | None = None,
    service: Service | None = None,
    *,
    open_browser: bool = False,
    config: Config = Config(),
    encoder: Encoder | None = None,
    reader: Reader | None = None,
) -> None:
    """Serve the chat until it is stopped.

    :param index: an index to ask; None for the one over the sample articles
    :param articles: a folder to index, or bring up to date, first
    :param service: where, to whom and with what it is served; None for one person on this machine
    :param config: with ``encoder`` and ``reader``, as ``QA.open`` takes them
    :raises CitewireError: the index or the articles cannot be opened, the port is taken, or nobody can log in
    """
    if index and not articles:
        opened = QA.open(index, config=config, encoder=encoder, reader=reader)
        library = Library(lambda _: opened)
    else:
        folder = articles or Path(str(files("eval"))) / "articles"
        place = index if articles else sample_index_path()
        library = Library(
            lambda report: QA.from_articles(
                folder,
                place,
                config=config,
                encoder=encoder,
                reader=reader,
                report=report,
                prune=not articles,
            )
        )
    service = service or Service()
    server = serve(make_app(page(library), service, head=HEAD, theme=THEME), service)
    print(announcement(service, server.port), flush=True)
    if service.users:
        print(NOT_ENCRYPTED, file=sys.stderr, flush=True)
    if open_browser:
        webbrowser.open(f"http://127.0.0.1:{server.port}/")
    try:
        library.start()
        library.ready.wait()
        if library.error:
            time.sleep(4 * TICK)  # for an open page to show it
            raise CitewireError(library.error)
        threading.Event().wait()
    except KeyboardInterrupt:
        print("stopped")
    finally:
        server.stop()
        if library.qa:
            library.qa.close()


SANS = ["ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "sans-serif"]
THEME = gr.themes.Base(font=SANS, font_mono=["ui-monospace", "monospace"])
LOGO = (
    '<svg viewBox="0 0 32 32" aria-hidden="true"><rect width="32" height="32" rx="8" fill="#0f6273"/>'
    '<path d="M8 21V15q0-5 5-6v3q-2 .6-2 3h3v6zM18 21V15q0-5 5-6v3q-2 .6-2 3h3v6z" fill="#fff"/></svg>'
)
ICON = quote(LOGO.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"'))
# Draws the turns by hand: those that have not changed stay as they are, with their cards open.
DRAW_TURNS = """
const shown = [], still = matchMedia('(prefers-reduced-motion: reduce)');
const draw = () => {
  const turns = props.value || [], list = element.querySelector('.turns');
  let changed = null;
  turns.forEach((html, i) => {
    if (shown[i] === html) return;
    const holder = document.createElement('div');
    holder.innerHTML = html;
    if (list.children[i]) list.replaceChild(holder, list.children[i]); else list.append(holder);
    shown[i] = html;
    changed = holder;
  });
  while (list.children.length > turns.length) list.lastChild.remove();
  shown.length = turns.length;
  if (changed) changed.scrollIntoView({block: 'start', behavior: still.matches ? 'auto' : 'smooth'});
  if (!turns.length) window.scrollTo(0, 0);
};
watch('value', draw);
draw();
const box = () => document.querySelector('#ask textarea, #ask input');
document.addEventListener('click', event => {
  const {question, send} = event.target.dataset;
  if (!question) return;
  const field = box(), kind = Object.getPrototypeOf(field);
  Object.getOwnPropertyDescriptor(kind, 'value').set.call(field, question);
  field.dispatchEvent(new Event('input', {bubbles: true}));
  field.focus();
  if (send !== undefined) setTimeout(() => document.querySelector('#ask .submit-button').click(), 50);
});
element.addEventListener('toggle', event => {
  const context = event.target.open && event.target.querySelector('.context');
  const mark = context && context.querySelector('mark');
  if (mark) context.scrollTop = mark.offsetTop - context.offsetTop - context.clientHeight / 3;
}, true);
setTimeout(() => box()?.focus(), 300);
"""

CSS = """
:root {
  --paper: #faf9f6; --card: #fff; --ink: #1b2330; --soft: #5b6472; --line: #e3dfd6; --accent: #0f6273;
  --tint: #e6f0f1; --mark: #ffe795; --mark-ink: #1b2330; --good: #1b6e45; --fair: #8a5a00; --weak: #a3402a;
  --serif: Charter, "Iowan Old Style", Palatino, "Palatino Linotype", Georgia, serif;
}
.dark {
  --paper: #14171c; --card: #1c2128; --ink: #e9e6df; --soft: #a3abb8; --line: #323944; --accent: #79c5d4;
  --tint: #1d3238; --mark: #6b5514; --mark-ink: #fff4cc; --good: #7fd0a3; --fair: #e5b75e; --weak: #f0937c;
}
body, gradio-app, .gradio-container { background: var(--paper) !important; color: var(--ink) !important; }
.gradio-container { width: 100% !important; max-width: 820px !important; margin: 0 auto !important;
  padding: 0 20px !important; overflow: visible !important; }
.gradio-container :is(.main, .contain, .html-container) { padding: 0 !important; }
.gradio-container .contain > .column { gap: 0 !important; min-height: 100dvh; }
footer { display: none !important; }
#top { align-items: center; padding: 14px 0; gap: 12px; flex-wrap: nowrap;
  border-bottom: 1px solid var(--line); }
#top header { display: flex; align-items: center; gap: 10px; color: var(--soft); font-size: 14px; }
#top svg { width: 30px; height: 30px; flex: none; }
#top .name { font: 700 20px var(--serif); color: var(--ink); letter-spacing: -.01em; }
#top .facts { padding-left: 10px; border-left: 1px solid var(--line); }
#new { background: none; border: 1px solid var(--line); color: var(--soft); border-radius: 99px; flex: none;
  white-space: nowrap; visibility: hidden; }
body:has(.turns > *) #new { visibility: visible; }
#new:hover { color: var(--accent); border-color: var(--accent); }
body:has(.turns > *) #welcome { display: none; }
#welcome { text-align: center; padding: 11vh 0 22px; color: var(--soft); font-size: 16px; }
#welcome h1 { font: 600 clamp(27px, 5vw, 38px)/1.2 var(--serif); color: var(--ink); margin: 0 0 12px;
  letter-spacing: -.015em; }
#welcome p { margin: 0; }
#welcome progress { width: min(340px, 80%); height: 6px; margin-top: 16px; appearance: none; border: 0; }
progress::-webkit-progress-bar, progress { background: var(--line); border-radius: 3px; }
progress::-webkit-progress-value { background: var(--accent); border-radius: 3px; }
progress::-moz-progress-bar { background: var(--accent); }
#welcome .examples { display: grid; grid-template-columns: 1fr 1fr; gap: 10px; margin-top: 30px; }
#welcome button { text-align: left; background: var(--card); color: var(--ink); border: 1px solid var(--line);
  border-radius: 12px; padding: 13px 16px; font-size: 15px; line-height: 1.4; min-height: 70px; }
#welcome button:hover { border-color: var(--accent); background: var(--tint); }
#conversation { flex: 1; padding: 6px 0 34px; }
.turns > div { scroll-margin-top: 10px; }
.turn { padding: 20px 0 26px; }
.turns > div + div .turn { border-top: 1px solid var(--line); }
.turn .asked { width: fit-content; max-width: 85%; margin: 0 0 18px auto; padding: 10px 16px; font-size: 16px;
  background: var(--tint); border-radius: 18px 18px 4px; white-space: pre-wrap; overflow-wrap: anywhere; }
.turn .understood { margin: -8px 0 16px; text-align: right; font-size: 14px; color: var(--soft); }
.understood em { color: var(--ink); }
.understood button { border: 0; background: none; color: var(--accent); text-decoration: underline; }
.answer { margin: 0; font: 600 clamp(25px, 4.6vw, 32px)/1.25 var(--serif); letter-spacing: -.01em;
  overflow-wrap: anywhere; }
.sure { display: inline-block; margin-left: 12px; padding: 3px 11px; border: 1px solid; border-radius: 99px;
  font: 500 13px/1.5 var(--font); letter-spacing: 0; vertical-align: middle; cursor: help;
  white-space: nowrap; }
.sure b { font-weight: 400; opacity: .85; }
.certain { color: var(--good); } .likely { color: var(--fair); } .possible { color: var(--soft); }
.turn blockquote { margin: 14px 0 0; padding: 2px 0 2px 16px; border-left: 3px solid var(--accent);
  font: 18px/1.6 var(--serif); color: var(--ink); overflow-wrap: anywhere; }
.turn cite { display: block; margin-top: 4px; font: normal 14px var(--font); color: var(--soft); }
.turn mark { background: var(--mark); color: var(--mark-ink); padding: 1px 3px; border-radius: 3px;
  box-decoration-break: clone; -webkit-box-decoration-break: clone; }
.none mark { background: none; color: inherit; padding: 0; }
.turn h3 { margin: 24px 0 8px; font: 600 13px var(--font); color: var(--soft); }
.source { background: var(--card); border: 1px solid var(--line); border-radius: 10px; margin-top: 8px; }
.source summary { display: flex; gap: 12px; align-items: baseline; padding: 11px 14px; cursor: pointer;
  list-style: none; border-radius: 10px; }
.source summary::-webkit-details-marker { display: none; }
.source summary::after { content: "⌄"; margin-left: auto; color: var(--soft); transition: transform .15s; }
.source[open] summary::after { transform: rotate(180deg); }
.source summary:hover .title { color: var(--accent); }
.number { flex: none; width: 22px; height: 22px; line-height: 22px; border-radius: 50%; text-align: center;
  background: var(--tint); color: var(--accent); font-size: 12px; font-weight: 600; }
.what { display: block; min-width: 0; overflow-wrap: anywhere; }
.title { display: block; font-size: 15px; font-weight: 500; line-height: 1.4; }
.meta { display: block; margin-top: 2px; font-size: 13px; color: var(--soft); }
.badge { display: inline-block; margin-left: 8px; padding: 0 8px; border-radius: 99px; font-size: 12px;
  background: var(--tint); color: var(--soft); }
.source q { display: block; margin-top: 7px; font: 15px/1.5 var(--serif); quotes: none; }
.source[open] q { display: none; }
.context { position: relative; max-height: 232px; overflow: auto; margin: 0 14px; padding: 12px 0;
  border-top: 1px solid var(--line); font: 16px/1.65 var(--serif); white-space: pre-line;
  overflow-wrap: anywhere; }
.source a { display: inline-block; padding: 6px 14px 12px; font-size: 14px; color: var(--accent); }
.others { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(270px, 100%), 1fr));
  gap: 12px 16px; }
.other { margin: 0; font: 600 20px/1.3 var(--serif); overflow-wrap: anywhere; }
.none .answer { color: var(--soft); }
#conversation .notice, #welcome .notice { margin: 16px 0; padding: 11px 16px; border: 1px solid var(--weak);
  border-radius: 10px; background: var(--card); }
.wait { margin: 0; color: var(--soft); }
.wait::after { content: "…"; animation: breathe 1.2s infinite; }
@keyframes breathe { 50% { opacity: .15; } }
#ask { position: sticky; bottom: 0; z-index: 5; margin-top: auto; padding: 10px 0 20px;
  background: linear-gradient(transparent, var(--paper) 22px); }
#ask .input-container { align-items: center; background: var(--card); border: 1px solid var(--line);
  border-radius: 26px; padding: 5px 6px 5px 14px; box-shadow: 0 4px 18px rgb(0 0 0 / 7%); }
#ask .input-container:focus-within { border-color: var(--accent); box-shadow: 0 0 0 3px var(--tint); }
#ask .block { background: none; border: 0; overflow: visible; border-radius: 0; }
#ask textarea { background: none; border: 0; box-shadow: none; color: var(--ink); padding: 7px 6px;
  font-size: 17px; line-height: 1.5; }
#ask textarea::placeholder { color: var(--soft); }
#ask .submit-button { background: var(--accent); color: var(--paper); border: 0; border-radius: 50%;
  width: 38px; height: 38px; min-width: 38px; }
:is(button, summary, a, .sure):focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
@media (max-width: 600px) {
  .gradio-container { padding: 0 14px !important; }
  #welcome .examples { grid-template-columns: 1fr; gap: 8px; }
  #welcome button { min-height: 0; padding: 10px 14px; }
  #welcome { padding-top: 4vh; }
  #top .facts { font-size: 12px; }
  .answer .sure { margin-left: 8px; }
}
@media (prefers-reduced-motion: reduce) { * { animation: none !important; } }
"""
# The style goes in whole: Gradio's own `css` takes selectors apart at commas.
HEAD = (
    f'<link rel="icon" href="data:image/svg+xml,{ICON}"><meta name="referrer" content="no-referrer">'
    f"<style>{CSS}</style>"
)


def _command_line() -> None:
    parser = argparse.ArgumentParser(prog="ui.py", description="Ask your articles in a web chat.")
    parser.add_argument("--index", type=Path, help="an index to ask; default: the sample articles'")
    parser.add_argument("--articles", type=Path, help="a folder to index first")
    parser.add_argument("--port", type=int, help="default: 7860 or the next that is free")
    parser.add_argument("--open", action="store_true", help="open it in the browser")
    given = parser.parse_args()
    try:
        main(given.index, given.articles, Service(port=given.port), open_browser=given.open)
    except CitewireError as error:
        print(f"citewire: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    _command_line()
