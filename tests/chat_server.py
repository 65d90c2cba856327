"""A real server over a handful of articles, for the tests of the doors for programs."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import gradio as gr
import uvicorn
from fastapi import FastAPI

from qa.api import QA
from qa.types import Answer, Query
from qa.web.library import Library
from qa.web.routes import api_router, json_tools, named_endpoints

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
    blocks.queue(api_open=False, max_size=64)
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.include_router(api_router(library, ask))
    gr.mount_gradio_app(app, blocks, "/", show_error=False, ssr_mode=False, mcp_server=mcp)
    json_tools(blocks)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.02)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)
