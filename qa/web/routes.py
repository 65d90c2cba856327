"""The doors for programs: plain HTTP with an OpenAPI description, and Gradio's named endpoints.

Holds: both take and give the same JSON, an answer's being that of ``citewire ask --json``; an error is one
line: ``{"detail": …}`` with its status over HTTP, ``gr.Error`` from an endpoint.
Wiring only: ``qa.web.doors`` does the work. The endpoints are what an MCP client sees as tools.
"""

import json
from collections.abc import Callable
from functools import cache, partial
from importlib.metadata import version
from typing import Annotated, Any

import gradio as gr
from fastapi import APIRouter, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from gradio.events import api

import qa.types
from qa.types import Answer
from qa.web.body import Refused, first_error
from qa.web.bounds import Told
from qa.web.doors import Doors
from qa.web.library import Library
from qa.web.replies import AnswerReply, ArticleReply, Asked, AskedInTurn, Named, Problem, SearchReply, Sought

Ask = Callable[[qa.types.Query], Answer]

REFUSALS: dict[int | str, dict[str, Any]] = {
    404: {"model": Problem, "description": "There is no such article."},
    422: {"model": Problem, "description": "The question or a filter is not understood."},
    500: {"model": Problem, "description": "The index or a model fails."},
    503: {
        "model": Problem,
        "description": "Too many questions wait already, or the articles are being opened;"
        " the header Retry-After says when to come back.",
    },
}
ABOUT = (
    "Ask a collection of articles and get quoted answers with exact citations. Offsets are half-open Unicode"
    " code points. An error is a JSON object whose `detail` is one line."
)


def api_router(library: Library, ask: Ask) -> APIRouter:
    """Make the plain HTTP routes under ``/api/``, and their description at ``/api/openapi.json``.

    :param library: what is searched; until it is open, each route answers 503
    :param ask: answers a query, from any thread: ``Batcher.ask``
    """
    doors = Doors(library, ask)
    problems: dict[int | str, dict[str, Any]] = {status: REFUSALS[status] for status in (422, 500, 503)}
    router = APIRouter(prefix="/api", route_class=_OneLine)

    @router.get("/ask", summary="Answer a question", responses=problems)
    async def ask_by_address(asked: Annotated[Asked, Query()]) -> AnswerReply:
        """Answer a question that stands alone with words quoted from the articles."""
        return await doors.give(partial(doors.answer, AskedInTurn(**asked.model_dump())))

    @router.post("/ask", summary="Answer a question of a conversation", responses=problems)
    async def ask_in_turn(asked: AskedInTurn) -> AnswerReply:
        """Answer a question with words quoted from the articles; it may refer to earlier turns."""
        return await doors.give(partial(doors.answer, asked))

    @router.get("/search", summary="Find passages", responses=problems)
    async def search(sought: Annotated[Sought, Query()]) -> SearchReply:
        """Find the passages that the reader would be given, the best first, without reading them."""
        return await doors.give(partial(doors.search, sought))

    @router.get("/article", summary="Fetch an article", responses=REFUSALS)
    async def article(named: Annotated[Named, Query()]) -> ArticleReply:
        """Fetch an article whole, with the ranges of its passages."""
        return await doors.give(partial(doors.article, named))

    @cache
    def description() -> dict[str, Any]:
        return get_openapi(
            title="Citewire", version=version("citewire"), description=ABOUT, routes=router.routes
        )

    @router.get("/openapi.json", include_in_schema=False)
    async def openapi() -> dict[str, Any]:
        return description()

    return router


class _OneLine(APIRoute):
    """A route whose errors are one line."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError as error:
                refused = Refused(422, first_error(error.errors()))
            except Refused as error:
                refused = error
            headers = {"Retry-After": str(refused.retry)} if refused.retry else None
            return JSONResponse({"detail": str(refused)}, refused.status, headers)

        return handled


def named_endpoints(library: Library, ask: Ask) -> None:
    """Give the page that is being built its endpoints for programs: ``/ask``, ``/search``, ``/article``.

    To be called inside ``gr.Blocks()``. They are not queued, which matters to MCP only: its calls then run
    here, where Gradio would otherwise ask its own server by an address taken from the request.
    Gradio's queue holds none of them back: `Doors` and the batcher bound them, and turn away at once who
    would otherwise wait there first. Their docstrings are in the form that Gradio takes apart for its clients
    and for MCP.

    :param library: what is searched; until it is open, each endpoint raises ``gr.Error``
    :param ask: answers a query, from any thread: ``Batcher.ask``
    """
    doors = Doors(library, ask)
    answering, searching, fetching = _answering(doors), _searching(doors), _fetching(doors)
    api(answering, api_name="ask", queue=False, concurrency_limit=None)
    api(searching, api_name="search", queue=False, concurrency_limit=None)
    api(fetching, api_name="article", queue=False, concurrency_limit=None)


# Plain dictionaries leave them, since Gradio gives models that are not its own to clients as text.
Json = dict[str, Any]


def _answering(doors: Doors) -> Callable[..., Any]:
    async def ask(
        question: str,
        source: list[str] | None = None,
        since: str | None = None,
        until: str | None = None,
        turns: list[list[str | None]] | None = None,
    ) -> Json:
        """Answer a question about the articles with words quoted from them.

        The reply is the JSON of `citewire ask --json`. A `text` of null means that the articles do not hold
        the answer; `nearest` then has the closest passages.

        Args:
            question: What to ask, in words; at most 1,000 characters.
            source: Only these outlets, by name; none for all.
            since: Only articles published on this day (YYYY-MM-DD) or later.
            until: Only articles published on this day (YYYY-MM-DD) or before.
            turns: Earlier [question, answer] pairs of the conversation, the oldest first.

        Returns:
            question, asked, text, confidence (0 to 1), citations, alternatives, nearest, signature
        """
        given = {"question": question, "source": source, "since": since, "until": until, "turns": turns}
        return await _reply(doors, lambda: doors.answer(AskedInTurn.model_validate(given)))

    return ask


def _searching(doors: Doors) -> Callable[..., Any]:
    async def search(
        question: str,
        k: int = 10,
        source: list[str] | None = None,
        since: str | None = None,
        until: str | None = None,
    ) -> Json:
        """Find the passages of the articles that may answer a question, the best first.

        Args:
            question: What to look for, in words; at most 1,000 characters.
            k: Most passages to give, 1 to 100.
            source: Only these outlets, by name; none for all.
            since: Only articles published on this day (YYYY-MM-DD) or later.
            until: Only articles published on this day (YYYY-MM-DD) or before.

        Returns:
            question, asked, passages (article_id, title, source, url, published, start, end, text, score)
        """
        given = {"question": question, "k": k, "source": source, "since": since, "until": until}
        return await _reply(doors, lambda: doors.search(Sought.model_validate(given)))

    return search


def _fetching(doors: Doors) -> Callable[..., Any]:
    async def article(id: str) -> Json:  # noqa: A002 (the name that HTTP has)
        """Fetch an article whole.

        Args:
            id: An article_id of a citation or a passage.

        Returns:
            id, title, source, url, published, author, text, passages (start, end)
        """
        return await _reply(doors, lambda: doors.article(Named.model_validate({"id": id})))

    return article


async def _reply(doors: Doors, make: Callable[[], AnswerReply | SearchReply | ArticleReply]) -> Json:
    try:
        return (await doors.give(make)).model_dump(mode="json", by_alias=True)
    except Refused as error:
        raise Told(str(error)) from error


def json_tools(blocks: gr.Blocks) -> None:
    """Make MCP's tools of a page that is mounted reply with JSON, where Gradio has Python's own notation.

    Does nothing where the page has no MCP server.
    """
    server = blocks.mcp_server_obj
    if server is None:
        return
    from mcp.types import TextContent

    def as_json(values: list[Any], _: str) -> list[TextContent]:
        return [
            TextContent(type="text", text=json.dumps(value, ensure_ascii=False, indent=2)) for value in values
        ]

    server.postprocess_output_data = as_json  # type: ignore[method-assign, assignment]
