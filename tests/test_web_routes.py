"""The doors for programs, knocked at with the clients that programs use: httpx, curl and gradio_client."""

import asyncio
import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import jsonschema
import pytest
from chat_server import ARTICLES, VOTES, WON, opened, serving, write_articles
from gradio_client import Client
from gradio_client.exceptions import AppError

import qa.cli
import ui
from index.errors import Busy, CitewireError, IndexBusy, IndexDamaged, ModelError, QuestionError
from qa.api import QA
from qa.batch import Batcher
from qa.types import Answer, Citation, Query
from qa.web.body import Refused, line_of
from qa.web.doors import REQUESTS, Doors, refusal
from qa.web.library import Library
from qa.web.replies import AnswerReply, AskedInTurn

SECONDS = 60


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QA]:
    folder = tmp_path_factory.mktemp("doors")
    with QA.from_articles(write_articles(folder / "news"), folder / "index") as qa:
        yield qa


@pytest.fixture(scope="module")
def url(asked: QA) -> Iterator[str]:
    with Batcher(asked.answer) as batcher, serving(opened(asked), batcher.ask) as address:
        yield address


@pytest.fixture(scope="module")
def http(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=SECONDS, trust_env=False) as client:
        yield client


@pytest.fixture(scope="module")
def client(url: str) -> Client:
    return Client(url, verbose=False, analytics_enabled=False)


def same(reply: Any, expected: Answer) -> bool:
    """Tell whether JSON is an answer's, with room for the rounding of batches of another size."""
    given, wanted = dict(reply), expected.to_dict()
    assert abs(given.pop("confidence") - wanted.pop("confidence")) < 1e-3
    for other, also in zip(given["alternatives"], wanted["alternatives"], strict=True):
        assert abs(other.pop("confidence") - also.pop("confidence")) < 1e-3
    return bool(given == wanted)


def test_http_answers_with_the_json_of_the_command(http: httpx.Client, asked: QA) -> None:
    for question, words in (WON, VOTES, ("What is the boiling point of tungsten?", None)):
        answer = asked.ask(question)
        got = http.get("/api/ask", params={"question": question})
        posted = http.post("/api/ask", json={"question": question})
        assert (got.status_code, posted.status_code) == (200, 200)
        assert got.json()["text"] == words == answer.text
        assert same(got.json(), answer)
        assert same(posted.json(), answer)
        assert list(got.json()) == list(answer.to_dict())  # in the same order too


def test_it_is_what_the_command_prints(
    http: httpx.Client, asked: QA, capsys: pytest.CaptureFixture[str]
) -> None:
    qa.cli.app(
        ["ask", WON[0], "--json", "--index", str(asked.store.path)],
        standalone_mode=False,
        prog_name="citewire",
    )
    printed = json.loads(capsys.readouterr().out)
    got = http.get("/api/ask", params={"question": WON[0]}).json()
    assert abs(got.pop("confidence") - printed.pop("confidence")) < 1e-3
    assert got == printed


def test_filters_keep_to_outlets_and_days(http: httpx.Client) -> None:
    def cited(**filters: Any) -> set[str]:
        reply = http.get("/api/ask", params={"question": WON[0], **filters}).json()
        return {citation["source"] for citation in reply["citations"] + reply["nearest"]}

    assert cited(source="harbour ledger") == {"Harbour Ledger"}
    assert cited(source=["Northgate Post", "Fieldnotes"]) <= {"Northgate Post", "Fieldnotes"}
    assert cited(since="2026-04-01") == {"Northgate Post"}
    assert cited(until="2026-03-02", since="") == {"Harbour Ledger"}
    assert cited(source="No Such Paper") == set()


def test_a_follow_up_is_asked_with_the_turns_before_it(http: httpx.Client, asked: QA) -> None:
    turns = [["Who is the chief executive of Transvale Rail?", "Margit Dahl"], ["Is it raining?", None]]
    reply = http.post("/api/ask", json={"question": "When did she join the company?", "turns": turns}).json()
    assert reply["asked"] == "When did she join the company?"
    assert "Margit Dahl" in reply["question"]
    assert reply["text"] == "2019"
    chat = asked.chat()
    for question, answer in turns:
        chat.tell(str(question), answer or "")
    assert reply["question"] == chat.understood("When did she join the company?")


def test_search_gives_the_passages_that_are_read(http: httpx.Client, asked: QA) -> None:
    reply = http.get("/api/search", params={"question": f" {WON[0]} ", "k": 2}).json()
    hits = asked.search(WON[0], 2)
    assert (reply["question"], reply["asked"]) == (WON[0], WON[0])
    assert [passage["text"] for passage in reply["passages"]] == [hit.passage.text for hit in hits]
    assert [passage["score"] for passage in reply["passages"]] == [hit.score for hit in hits]
    best = reply["passages"][0]
    assert (best["source"], best["published"], best["url"]) == (
        "Harbour Ledger", "2026-03-02", "https://ledger.example/saltby",
    )  # fmt: skip


def test_an_article_is_whole_and_citations_are_ranges_of_it(http: httpx.Client) -> None:
    for question, words in (WON, VOTES):
        citation = http.get("/api/ask", params={"question": question}).json()["citations"][0]
        article = http.get("/api/article", params={"id": citation["article_id"]}).json()
        given = next(given for given in ARTICLES if given["title"] == article["title"])
        assert article["text"][citation["start"] : citation["end"]] == citation["quote"] == words
        assert (article["source"], article["url"], article["author"]) == (
            given["source"], given["url"], given["author"],
        )  # fmt: skip
        assert article["published"] == given["published"]
        assert given["text"] in article["text"]
        covered = {at for passage in article["passages"] for at in range(passage["start"], passage["end"])}
        assert covered >= {at for at, letter in enumerate(article["text"]) if not letter.isspace()}


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("/api/ask", "question: Field required"),
        ("/api/ask?question=", "the question is empty; type some words"),
        ("/api/ask?question=%3F%00", "the question is empty; type some words"),
        ("/api/ask?question=" + "why+" * 400, "the question has 1,599 characters, the limit is 1,000"),
        ("/api/ask?question=a&since=tomorrow", "since: expected a day such as 2026-01-31, got 'tomorrow'"),
        (
            "/api/ask?question=a&until=1700000000",
            "until: expected a day such as 2026-01-31, got '1700000000'",
        ),
        ("/api/ask?question=a&since=2026-02-30", "since: expected a day such as 2026-01-31"),
        ("/api/ask?question=a&since=2026-02-02&until=2026-02-01", "expected since <= until"),
        ("/api/ask?question=a&sources=b", "sources: Extra inputs are not permitted"),
        ("/api/ask?question=a&source=" + "b" * 1001, "source.0: String should have at most 1000 characters"),
        ("/api/search?question=a&k=0", "k: Input should be greater than or equal to 1"),
        ("/api/search?question=a&k=1e9", "k: Input should be a valid integer"),
        ("/api/article", "id: Field required"),
        ("/api/article?id=", "id: String should have at least 1 character"),
    ],
)
def test_a_bad_request_is_one_line(http: httpx.Client, address: str, said: str) -> None:
    reply = http.get(address)
    assert reply.status_code == 422
    assert list(reply.json()) == ["detail"]
    assert reply.json()["detail"].startswith(said)
    assert "\n" not in reply.json()["detail"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "JSON decode error"),
        (b"[]", "Input should be a valid dictionary"),
        (b'{"question": 5}', "question: Input should be a valid string"),
        (b'{"question": "Who \\ud800?"}', "question: expected Unicode text, got half of a surrogate pair"),
        (b'{"question": "a", "source": ["\\udfff"]}', "source.0: Input should be a valid string"),
        (b'{"question": "a", "turns": [["b", "\\ud800"]]}', "turns.0.1: Input should be a valid string"),
        (b'{"question": "a", "since": "\\ud800"}', "since: expected a day such as 2026-01-31"),
        (b'{"question": "a", "source": "b"}', "source: Input should be a valid list"),
        (b'{"question": "a", "turns": [["b"]]}', "turns.0.1: Field required"),
        (b'{"question": "a", "turns": [["b", "c", "d"]]}', "turns.0: Tuple should have at most 2 items"),
        (
            json.dumps({"question": "a", "turns": [["b", None]] * 51}).encode(),
            "turns: List should have at most",
        ),
        (
            json.dumps({"question": "a", "turns": [["b" * 1001, None]]}).encode(),
            "turns.0.0: String should have",
        ),
    ],
)
def test_a_bad_body_is_one_line(http: httpx.Client, body: bytes, said: str) -> None:
    reply = http.post("/api/ask", content=body, headers={"content-type": "application/json"})
    assert reply.status_code == 422
    assert said in reply.json()["detail"]
    assert "\n" not in reply.json()["detail"]


def test_an_article_that_is_not_there_is_404(http: httpx.Client) -> None:
    for id_ in ("no-such", "/etc/passwd", "'; drop table articles; --", "\x00", "../" * 900):
        reply = http.get("/api/article", params={"id": id_})
        assert reply.status_code == 404
        assert reply.json()["detail"].startswith("no article has this id")


def test_every_route_is_described_and_replies_as_described(http: httpx.Client) -> None:
    description = http.get("/api/openapi.json").json()
    assert (description["info"]["title"], description["openapi"][:2]) == ("Citewire", "3.")
    assert description["info"]["version"]
    assert {path: sorted(methods) for path, methods in description["paths"].items()} == {
        "/api/ask": ["get", "post"], "/api/search": ["get"], "/api/article": ["get"],
    }  # fmt: skip
    article_id = http.get("/api/search", params={"question": WON[0]}).json()["passages"][0]["article_id"]
    calls = [
        ("get", "/api/ask", {"params": {"question": WON[0], "source": ["Harbour Ledger"]}}),
        ("get", "/api/ask", {"params": {"question": "What is the boiling point of tungsten?"}}),
        ("post", "/api/ask", {"json": {"question": WON[0], "turns": [["Who?", None]]}}),
        ("get", "/api/search", {"params": {"question": WON[0]}}),
        ("get", "/api/article", {"params": {"id": article_id}}),
        ("get", "/api/ask", {"params": {"question": ""}}),
        ("post", "/api/ask", {"json": {}}),
        ("get", "/api/search", {"params": {}}),
        ("get", "/api/article", {"params": {"id": "none"}}),
    ]
    seen = set()
    for method, path, what in calls:
        reply = http.request(method, path, **what)
        route = description["paths"][path][method]
        schema = route["responses"][str(reply.status_code)]["content"]["application/json"]["schema"]
        jsonschema.Draft202012Validator({**schema, "components": description["components"]}).validate(
            reply.json()
        )
        assert route["summary"]
        assert route["description"]
        assert {"422", "500", "503"} <= set(route["responses"])
        seen.add((method, path, reply.status_code))
    assert {("get", path, 200) for path in description["paths"]} <= seen
    for parameter in (
        parameter
        for methods in description["paths"].values()
        for route in methods.values()
        for parameter in route.get("parameters", [])
    ):
        assert parameter["description"], parameter["name"]
    for name, schema in description["components"]["schemas"].items():
        assert schema["description"], name
        assert all(field["description"] for field in schema["properties"].values()), name


@pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl")
def test_curl_asks_the_plain_routes_and_the_named_endpoints(url: str, asked: QA) -> None:
    def curl(*arguments: str) -> str:
        return subprocess.run(
            ["curl", "-sS", "--noproxy", "*", "-m", str(SECONDS), *arguments],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip

    answer = asked.ask(WON[0])
    assert same(json.loads(curl("-G", f"{url}/api/ask", "--data-urlencode", f"question={WON[0]}")), answer)
    kind = ("-H", "Content-Type: application/json")
    posted = curl(*kind, "-d", json.dumps({"question": WON[0]}), f"{url}/api/ask")
    assert same(json.loads(posted), answer)
    for way, body in (
        ("call/ask", {"data": [WON[0], None, None, None, None]}),
        ("call/v2/ask", {"question": WON[0]}),
    ):
        event = json.loads(curl(*kind, "-d", json.dumps(body), f"{url}/gradio_api/{way}"))["event_id"]
        said, data = curl("-N", f"{url}/gradio_api/call/ask/{event}").strip().splitlines()[-2:]
        assert said == "event: complete"
        assert same(json.loads(data.removeprefix("data: "))[0], answer)
    event = json.loads(curl(*kind, "-d", '{"question": ""}', f"{url}/gradio_api/call/v2/ask"))["event_id"]
    said, data = curl("-N", f"{url}/gradio_api/call/ask/{event}").strip().splitlines()[-2:]
    assert said == "event: error"
    assert json.loads(data.removeprefix("data: "))["error"] == "the question is empty; type some words"


def test_gradio_client_asks_searches_and_fetches(client: Client, http: httpx.Client, asked: QA) -> None:
    assert same(client.predict(WON[0], api_name="/ask"), asked.ask(WON[0]))
    kept = client.predict(
        question=WON[0], source=["Northgate Post"], since="2026-01-01", until="2026-12-31", api_name="/ask"
    )
    assert {citation["source"] for citation in kept["citations"] + kept["nearest"]} == {"Northgate Post"}
    follow_up = client.predict(
        question="When did she join the company?",
        turns=[["Who is the chief executive of Transvale Rail?", "Margit Dahl"], ["Is it raining?", None]],
        api_name="/ask",
    )
    assert follow_up["text"] == "2019"
    found = client.predict(WON[0], k=2, api_name="/search")
    assert found == http.get("/api/search", params={"question": WON[0], "k": 2}).json()
    article_id = found["passages"][0]["article_id"]
    article = client.predict(article_id, api_name="/article")
    assert article == http.get("/api/article", params={"id": article_id}).json()


def test_gradio_client_sees_three_endpoints_with_their_types(client: Client) -> None:
    seen = client.view_api(return_format="dict", print_info=False)
    assert isinstance(seen, dict)
    assert seen["unnamed_endpoints"] == {}
    assert set(seen["named_endpoints"]) == {"/ask", "/search", "/article"}
    for endpoint in seen["named_endpoints"].values():
        assert endpoint["description"]
        assert [value["python_type"]["type"] for value in endpoint["returns"]] == ["dict(str, Any)"]
    types = {
        parameter["parameter_name"]: (parameter["python_type"]["type"], parameter["parameter_has_default"])
        for parameter in seen["named_endpoints"]["/ask"]["parameters"]
    }
    assert types == {
        "question": ("str", False),
        "source": ("None | list[str]", True),
        "since": ("None | str", True),
        "until": ("None | str", True),
        "turns": ("None | list[list[None | str]]", True),
    }


@pytest.mark.parametrize(
    ("endpoint", "given", "said"),
    [
        ("/ask", {"question": " "}, "the question is empty; type some words"),
        ("/ask", {"question": "a", "since": "soon"}, "since: expected a day such as 2026-01-31, got 'soon'"),
        ("/ask", {"question": "a", "turns": [["b"]]}, "turns.0.1: Field required"),
        ("/search", {"question": "a", "k": 0}, "k: Input should be greater than or equal to 1"),
        ("/article", {"id": "none"}, "no article has this id; take an article_id of a citation or a passage"),
    ],
)
def test_an_endpoints_error_is_the_one_line(
    client: Client, endpoint: str, given: dict[str, Any], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(AppError) as caught:
        client.predict(**given, api_name=endpoint)
    assert caught.value.message == said
    assert "Traceback" not in capfd.readouterr().err


def test_many_clients_get_each_its_own_answer(url: str, asked: QA) -> None:
    questions = [WON, VOTES, ("Who is the chief executive of Transvale Rail?", "Margit Dahl")] * 12
    with httpx.Client(base_url=url, timeout=SECONDS, trust_env=False) as http, ThreadPoolExecutor(36) as pool:
        replies = list(pool.map(lambda asked: http.get("/api/ask", params={"question": asked[0]}), questions))
    assert [(reply.json()["question"], reply.json()["text"]) for reply in replies] == questions


class Stuck:
    """Answers when told to."""

    def __init__(self) -> None:
        self.go = threading.Event()

    def __call__(self, queries: Any, /, *, found: Any) -> list[Answer]:
        assert self.go.wait(SECONDS)
        return [Answer(query.question, (), False, (), "stuck") for query in queries]


def test_a_full_line_is_503_at_once_and_holds_up_nothing_else(asked: QA) -> None:
    stuck = Stuck()
    with (
        Batcher(stuck) as batcher,
        serving(opened(asked), batcher.ask) as url,
        httpx.Client(
            base_url=url, timeout=SECONDS, trust_env=False, limits=httpx.Limits(max_connections=200)
        ) as http,
        ThreadPoolExecutor(100) as pool,
    ):
        pool_of = [pool.submit(http.get, "/api/ask", params={"question": WON[0]}) for _ in range(90)]
        end = time.monotonic() + SECONDS
        while (
            sum(asking.done() for asking in pool_of) < 10
        ):  # one is read or more, 64 wait, the rest are told
            assert time.monotonic() < end
            time.sleep(0.05)
        refused = [asking.result() for asking in pool_of if asking.done()]
        begun = time.monotonic()
        late = http.get("/api/ask", params={"question": WON[0]})
        assert time.monotonic() - begun < 1
        for reply in (*refused, late):
            assert (reply.status_code, reply.headers["retry-after"]) == (503, "5")
            assert reply.json() == {"detail": "64 questions are waiting already; ask again in a few seconds"}
        with pytest.raises(AppError, match="64 questions are waiting already"):
            Client(url, verbose=False, analytics_enabled=False).predict(WON[0], api_name="/ask")
        assert http.get("/api/search", params={"question": WON[0]}).status_code == 200
        assert http.get("/api/article", params={"id": "none"}).status_code == 404
        stuck.go.set()
        statuses = [asking.result(SECONDS).status_code for asking in pool_of]
    assert set(statuses) == {200, 503}
    assert 65 <= statuses.count(200) <= 80


def test_more_requests_than_there_are_threads_are_turned_away(asked: QA) -> None:
    doors, go = Doors(opened(asked), never), threading.Event()

    async def flood() -> list[Any]:
        crowd = [asyncio.create_task(doors.give(lambda: go.wait(SECONDS))) for _ in range(REQUESTS)]
        await asyncio.sleep(0)
        refused = await asyncio.gather(*(doors.give(lambda: True) for _ in range(5)), return_exceptions=True)
        go.set()
        assert all(await asyncio.gather(*crowd))
        assert await doors.give(lambda: True)  # there is room again
        return refused

    for error in asyncio.run(flood()):
        assert isinstance(error, Refused)
        assert (error.status, error.retry) == (503, 5)
        assert str(error) == "96 requests are being answered already; ask again in a few seconds"


def never(query: Query) -> Answer:
    raise AssertionError("nothing should be asked")


def test_while_the_articles_are_opened_each_door_says_so(asked: QA) -> None:
    go = threading.Event()

    def slow(_: object) -> QA:
        assert go.wait(SECONDS)
        raise CitewireError("no index at nowhere")

    library = Library(slow)
    library.start()
    with serving(library, never) as url, httpx.Client(base_url=url, trust_env=False) as http:
        for address in ("/api/ask?question=a", "/api/search?question=a", "/api/article?id=a"):
            reply = http.get(address)
            assert (reply.status_code, reply.headers["retry-after"]) == (503, "5")
            assert reply.json() == {"detail": "opening the articles; ask again in a moment"}
        assert http.get("/api/openapi.json").status_code == 200
        client = Client(url, verbose=False, analytics_enabled=False)
        with pytest.raises(AppError, match="opening the articles; ask again in a moment"):
            client.predict("a", api_name="/ask")
        go.set()
        assert library.settled.wait(SECONDS)
        reply = http.get("/api/ask?question=a")
        assert (reply.status_code, reply.json()["detail"]) == (503, "no index at nowhere")


def test_a_fault_of_the_programs_own_is_logged_and_told_without_its_text(
    asked: QA, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(query: Query) -> Answer:
        raise KeyError("secret")

    with (
        serving(opened(asked), broken) as url,
        httpx.Client(base_url=url, timeout=SECONDS, trust_env=False) as http,
    ):
        reply = http.get("/api/ask?question=a")
        assert (reply.status_code, reply.json()) == (
            500, {"detail": "something broke inside; the terminal says what"},
        )  # fmt: skip
        with pytest.raises(AppError) as caught:
            Client(url, verbose=False, analytics_enabled=False).predict("a", api_name="/ask")
    assert caught.value.message == "something broke inside; the terminal says what"
    assert sum("secret" in (record.exc_text or "") + str(record.exc_info) for record in caplog.records) == 2


PLACE = "/home/ana/news.citewire"


@pytest.mark.parametrize(
    ("error", "status", "retry", "line"),
    [
        (QuestionError("the question\n is empty"), 422, 0, "the question is empty"),
        (Busy("full"), 503, 5, "full"),
        (IndexDamaged(f"{PLACE} is no healthy database"), 500, 0, "the articles cannot be read or written; the terminal says why"),
        (IndexBusy(f"process 1 is writing to {PLACE}"), 500, 0, "another process is writing to the articles; try again in a moment"),
        (ModelError(f"cannot read {PLACE}"), 500, 0, "a model cannot be used; the terminal says why"),
        (CitewireError("the chat is stopping"), 503, 5, "the chat is stopping"),
    ],
)  # fmt: skip
def test_each_error_has_its_status_and_line(
    caplog: pytest.LogCaptureFixture, error: CitewireError, status: int, retry: int, line: str
) -> None:
    refused = refusal(error)
    assert (refused.status, refused.retry, str(refused)) == (status, retry, line)
    assert (str(error) in caplog.text) == (PLACE in str(error))


def test_the_page_is_told_no_path(caplog: pytest.LogCaptureFixture) -> None:
    damaged = IndexDamaged(f"{PLACE} is no healthy database")

    def fail(*_: Any) -> Any:
        raise damaged

    library = Library(fail)
    library.start()
    assert library.settled.wait(10)
    assert (library.error, library.why) == (line_of(damaged), str(damaged))
    with pytest.raises(CitewireError, match=line_of(damaged)):
        library.opened()
    library.opened = fail  # type: ignore[method-assign]
    (reply,) = ui.reply(library, None, "Who?", {"id": "a"})  # type: ignore[arg-type]
    assert "the terminal says why" in reply["notice"]
    assert PLACE not in reply["notice"]
    assert PLACE in caplog.text


def test_the_described_answer_has_all_that_an_answer_has() -> None:
    citation = Citation("a", "t", "s", "https://a.example", None, 0, 1, "q", "q", 0, "q", 0, 0, 1, copy=True)
    answer = Answer("q?", (), False, (citation,), "s", asked="Q")
    reply = AnswerReply.model_validate(answer.to_dict())
    assert reply.model_dump(mode="json", by_alias=True) == answer.to_dict()
    assert AskedInTurn(question="q", since="2026-1-2").filters.since is not None
