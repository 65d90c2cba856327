"""The web chat: a page that asks, shows the quoted answer and opens its sources.

Holds: the page is there at once; the articles are opened, or indexed, in a thread of their own. The browser
keeps the conversation and sends what a question needs of it; the server keeps none.
Wiring only: `Library` opens, `Batcher` reads, `qa.render` renders, `qa/web/page.js` draws. Knows no ranking.
"""

import argparse
import logging
import os
import sys
import threading
import time
import webbrowser
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from queue import SimpleQueue
from typing import Any
from urllib.parse import quote

# Read when gradio and the model libraries are imported: no telemetry, no look-ups.
os.environ.update(GRADIO_ANALYTICS_ENABLED="False", HF_HUB_DISABLE_TELEMETRY="1", DO_NOT_TRACK="1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import gradio as gr

from index.embed import Encoder
from index.errors import CitewireError
from index.types import Hit
from qa.api import BATCH, QA, Config, default_index_path, sample_index_path, turn_of
from qa.batch import Batcher
from qa.markdown import answer_markdown
from qa.read import Reader
from qa.render import answer_html, notice_html
from qa.types import Answer, Citation
from qa.web.about import about_router
from qa.web.added import added_folder
from qa.web.additions import Additions, additions_router
from qa.web.body import told
from qa.web.context import context_of, turn_id
from qa.web.library import Library
from qa.web.routes import api_router, json_tools, named_endpoints
from qa.web.server import NOT_ENCRYPTED, Service, announcement, make_app, serve
from qa.web.votes import Votes, votes_router

log = logging.getLogger("citewire.chat")

TICK = 0.5  # seconds between looks at articles that are being opened
WEB = files("qa.web")
BROKEN = "something broke inside; the terminal says what. Ask again, or in other words"


def reply(library: Library, batcher: Batcher, text: str, sent: Any) -> Iterator[dict[str, Any]]:
    """Answer one message of a page: stages of the work, then the answer or a notice.

    :param sent: what the browser sends along (``qa.web.context``)
    """
    name = turn_id(sent)
    try:
        context = context_of(sent)
        if not text.strip():
            raise CitewireError("type a question first")
        while not library.ready.wait(TICK):
            yield {"id": name, "stage": library.status}
        query = library.opened().query(text, context.history, filters=context.filters)
        steps: SimpleQueue[list[Hit] | None] = SimpleQueue()
        answering = batcher.submit(query, steps.put)
        answering.add_done_callback(lambda _: steps.put(None))
        while (hits := steps.get()) is not None:
            yield {"id": name, "stage": reading(hits)}
        yield {"id": name, **shown(answering.result())}
    except CitewireError as error:
        yield {"id": name, "notice": notice_html(told(error))}
    except Exception:
        log.exception("a question could not be answered")
        yield {"id": name, "notice": notice_html(BROKEN)}


def reading(hits: list[Hit]) -> str:
    """Say what is being read."""
    articles = len({hit.passage.article_id for hit in hits})
    return f"Reading {_count(len(hits), 'passage')} of {_count(articles, 'article')}"


def shown(answer: Answer) -> dict[str, Any]:
    """Give an answer as the page draws it, and what the browser keeps of the turn."""
    turn = turn_of(answer)
    place = next(iter(answer.citations), None)
    return {
        "html": answer_html(answer),
        "turn": {
            "question": turn.question,
            "answer": turn.answer,
            "articles": turn.articles,
            "place": _place(place) if place else None,
            "markdown": answer_markdown(answer),
            "plain": f"{answer.asked or answer.question}\n\n{answer}",
        },
    }


def _place(cited: Citation) -> dict[str, Any]:
    return {
        "article": cited.article_id,
        "start": cited.start,
        "end": cited.end,
        "quote": cited.quote,
    }


def page(library: Library, batcher: Batcher) -> gr.Blocks:
    """Build the page over a library that is, or will be, open."""

    def ask(text: str, sent: Any) -> Iterator[dict[str, Any]]:
        yield from reply(library, batcher, text, sent)

    blocks: gr.Blocks
    with gr.Blocks(title="Citewire", analytics_enabled=False) as blocks:
        gr.HTML((WEB / "page.html").read_text(encoding="utf-8"), elem_id="shell", apply_default_css=False)
        wire = gr.HTML(None, html_template="<i></i>", js_on_load=CONNECT, elem_id="wire")
        sent = gr.JSON(visible=False)
        with gr.Row(elem_id="ask"):
            box = gr.Textbox(
                placeholder="Ask a question", show_label=False, label="Question",
                lines=1, max_lines=5, autofocus=True, submit_btn=True, container=False,
            )  # fmt: skip
        box.submit(
            ask, [box, sent], wire, js=BEGIN,
            trigger_mode="multiple", concurrency_limit=2 * BATCH, show_progress="hidden",
            api_name="page", api_visibility="private",  # by its name, "ask" would be taken
        )  # fmt: skip
        named_endpoints(library, batcher.ask)
    return blocks


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'s' * (number != 1)}"


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
    if articles and not index:
        index = default_index_path()
    added = added_folder(index)
    if index and not articles:
        opened = QA.open(index, config=config, encoder=encoder, reader=reader)
        library = Library(lambda _: opened)
    else:
        sample = Path(str(files("eval"))) / "articles"
        folders = [articles or sample, *([added] if added.is_dir() else [])]
        library = Library(
            lambda report: QA.from_articles(
                folders,
                index or sample_index_path(),
                config=config,
                encoder=encoder,
                reader=reader,
                report=report,
                prune=not articles,
            )
        )
    service = service or Service()
    batcher = Batcher(lambda queries, /, *, found: library.opened().answer(queries, found=found))
    blocks = page(library, batcher)
    routers = [
        about_router(library, add=service.add, login=service.users is not None),
        votes_router(library, Votes(service.votes)),
        api_router(library, batcher.ask),
    ]
    if service.add:
        routers.append(additions_router(Additions(library, added, public_only=service.users is not None)))
    app = make_app(blocks, service, routers, head=HEAD, theme=THEME)
    json_tools(blocks)
    server = serve(app, service)
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
            raise CitewireError(library.why)
        threading.Event().wait()
    except KeyboardInterrupt:
        print("stopped")
    finally:
        server.stop()
        batcher.close()
        if library.qa:
            library.qa.close()


SANS = ["ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "sans-serif"]
THEME = gr.themes.Base(font=SANS, font_mono=["ui-monospace", "monospace"])
# The page's own script may come before or after Gradio's, and after the first question of somebody quick.
BEGIN = """async text => {
  while (!window.citewire) await new Promise(done => setTimeout(done, 20));
  return window.citewire.begin(text);
}"""
CONNECT = "window.citewireWire = {element, props, watch}; window.citewire?.start(window.citewireWire);"
ICON = quote(
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8"'
    ' fill="#0f6273"/><path d="M8 21V15q0-5 5-6v3q-2 .6-2 3h3v6zM18 21V15q0-5 5-6v3q-2 .6-2 3h3v6z"'
    ' fill="#fff"/></svg>'
)
HEAD = (
    f'<link rel="icon" href="data:image/svg+xml,{ICON}"><link rel="stylesheet" href="/page/page.css">'
    '<script type="module" src="/page/page.js"></script>'
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
