"""The chat as an MCP server, spoken to by the protocol's own client."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("mcp")

from chat_server import VOTES, WON, opened, serving, write_articles
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, TextContent

from qa.api import QA
from qa.batch import Batcher


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QA]:
    folder = tmp_path_factory.mktemp("mcp")
    with QA.from_articles(write_articles(folder / "news"), folder / "index") as qa:
        yield qa


@pytest.fixture(scope="module")
def url(asked: QA) -> Iterator[str]:
    with Batcher(asked.answer) as batcher, serving(opened(asked), batcher.ask, mcp=True) as address:
        yield f"{address}/gradio_api/mcp/"


def session(url: str, work: Callable[[ClientSession], Awaitable[Any]]) -> Any:
    """Do something as a client of the server."""

    async def connected() -> Any:
        async with (
            streamable_http_client(url) as (reading, writing, _),
            ClientSession(reading, writing) as client,
        ):
            await client.initialize()
            return await work(client)

    return asyncio.run(connected())


def text_of(result: CallToolResult) -> str:
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


def test_the_tools_are_the_three_endpoints_described(url: str) -> None:
    tools = {tool.name: tool for tool in session(url, lambda client: client.list_tools()).tools}
    assert set(tools) == {"ask", "search", "article"}
    for tool in tools.values():
        assert tool.description
        assert "Returns:" in tool.description
        for name, field in tool.inputSchema["properties"].items():
            assert field["description"], name
    ask = tools["ask"].inputSchema
    assert ask["required"] == ["question"]
    assert set(ask["properties"]) == {"question", "source", "since", "until", "turns"}
    assert ask["properties"]["question"]["type"] == "string"
    listed = {"type": "array", "items": {"type": "string"}}
    assert ask["properties"]["source"]["oneOf"] == [{"type": "null"}, listed]
    assert tools["search"].inputSchema["properties"]["k"]["default"] == 10


def test_a_tool_replies_with_the_json_of_the_command(url: str, asked: QA) -> None:
    for question, words in (WON, VOTES):
        result = session(url, lambda client, q=question: client.call_tool("ask", {"question": q}))
        assert not result.isError
        reply, expected = json.loads(text_of(result)), asked.ask(question).to_dict()
        assert reply["text"] == words
        assert abs(reply.pop("confidence") - expected.pop("confidence")) < 1e-3
        assert reply == expected


def test_an_article_is_fetched_by_the_id_that_a_search_gave(url: str) -> None:
    async def work(client: ClientSession) -> tuple[Any, Any]:
        found = json.loads(text_of(await client.call_tool("search", {"question": VOTES[0], "k": 1})))
        given = {"id": found["passages"][0]["article_id"]}
        return found, json.loads(text_of(await client.call_tool("article", given)))

    found, article = session(url, work)
    passage = found["passages"][0]
    assert article["text"][passage["start"] : passage["end"]] == passage["text"]
    assert "312 votes" in article["text"]


@pytest.mark.parametrize(
    ("tool", "given", "said"),
    [
        ("ask", {"question": "?"}, "the question is empty; type some words"),
        ("ask", {"question": "a", "until": "later"}, "until: expected a day such as 2026-01-31, got 'later'"),
        ("article", {"id": "none"}, "no article has this id; take an article_id of a citation or a passage"),
    ],
)
def test_a_tools_error_is_the_one_line(url: str, tool: str, given: dict[str, Any], said: str) -> None:
    result = session(url, lambda client: client.call_tool(tool, given))
    assert result.isError
    assert text_of(result) == said


def test_calls_side_by_side_get_each_its_own_answer(url: str) -> None:
    async def work(client: ClientSession) -> list[CallToolResult]:
        questions = [WON[0], VOTES[0]] * 6
        return await asyncio.gather(*(client.call_tool("ask", {"question": q}) for q in questions))

    assert [json.loads(text_of(result))["text"] for result in session(url, work)] == [WON[1], VOTES[1]] * 6
