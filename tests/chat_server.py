"""A real server over a handful of articles, for the tests of the doors for programs."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import gradio as gr

from qa.api import QA
from qa.types import Answer, Query
from qa.web.library import Library
from qa.web.routes import api_router, json_tools, named_endpoints
from qa.web.server import Service, make_app, serve

ARTICLES = [
    {
        "id": "saltby", "title": "Saltby prize", "source": "Harbour Ledger", "published": "2026-03-02",
        "url": "https://ledger.example/saltby", "author": "Ida Moss",
        "text": "The Saltby prize was won by Alice Munro, the jury said. It is given every second year.",
    },
    {
        "id": "lagoon", "title": "Lagoon vote", "source": "Northgate Post", "published": "2026-04-10",
        "url": "", "author": "",
        "text": "The tidal lagoon was approved by 312 votes in Pendrawle on Thursday, the returning officer said.",
    },
    {
        "id": "rail", "title": "Transvale Rail names its chief", "source": "Fieldnotes", "published": "",
        "url": "", "author": "",
        "text": "Margit Dahl is the chief executive of Transvale Rail. She joined the company in 2019 – from Oslo.",
    },
]  # fmt: skip
WON = ("Who won the Saltby prize?", "Alice Munro")
VOTES = ("By how many votes was the tidal lagoon approved?", "312")


def write_articles(folder: Path) -> Path:
    """Write the articles as one file of JSON lines."""
    folder.mkdir()
    lines = (json.dumps(article) for article in ARTICLES)
    (folder / "news.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def opened(qa: QA) -> Library:
    """Give a library that is open already."""
    library = Library(lambda _: qa)
    library.start()
    assert library.settled.wait(120)
    return library


@contextmanager
def serving(library: Library, ask: Callable[[Query], Answer], *, mcp: bool = False) -> Iterator[str]:
    """Serve the doors on a free port of this machine; gives the address without a slash at its end."""
    with gr.Blocks(title="Citewire", analytics_enabled=False) as blocks:
        gr.Button("Ask").click(lambda: None, api_visibility="private")
        named_endpoints(library, ask)
    service = Service(port=free_port(), mcp=mcp)
    app = make_app(blocks, service, [api_router(library, ask)])
    json_tools(blocks)
    server = serve(app, service)
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.stop()


def free_port() -> int:
    """Find a port of this machine that nobody listens at."""
    with socket.socket() as trying:
        trying.bind(("127.0.0.1", 0))
        return int(trying.getsockname()[1])
