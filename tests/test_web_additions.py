"""Adding articles over the real route to a real index: files, pages, feeds, and what is refused."""

import json
import stat
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain
from pathlib import Path
from typing import Any, TypedDict
from urllib.parse import quote

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Response
from starlette.requests import Request
from test_index_formats import make_pdf

from index.embed import Encoder, SentenceTransformerEncoder
from index.errors import IndexBusy
from qa.api import QA
from qa.read import Reader, TransformersReader
from qa.web.added import added_folder, file_name
from qa.web.additions import PLACES, Additions, additions_router
from qa.web.body import Refused
from qa.web.library import Library

FERRY = "The new ferry to Ornsay carried 412 people on its first day, the harbour master Hamish O'Neill said."
PAGE = f"<html><head><title>A ferry</title></head><body><article><h1>A ferry</h1><p>{FERRY}</p></article></body></html>"


class Models(TypedDict):
    """What ``QA.from_articles`` takes."""

    encoder: Encoder
    reader: Reader


@pytest.fixture(scope="module")
def models() -> Models:
    """The shipped models, loaded once."""
    return {"encoder": SentenceTransformerEncoder(), "reader": TransformersReader()}


@pytest.fixture
def qa(tmp_path: Path, models: Models) -> Iterator[QA]:
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "bridge.md").write_text("# A bridge\n\nThe bridge over the Elsk opened in 2019.\n")
    with QA.from_articles(tmp_path / "first", tmp_path / "first.citewire", **models) as opened:
        yield opened


@pytest.fixture
def library(qa: QA) -> Library:
    library = Library(lambda _: pytest.fail("it is open already"))
    library.qa = qa
    library.settled.set()
    return library


@pytest.fixture
def additions(library: Library, tmp_path: Path) -> Additions:
    return Additions(library, tmp_path / "data" / "added", public_only=False)


@pytest.fixture
def page(additions: Additions) -> TestClient:
    app = FastAPI()
    app.include_router(additions_router(additions))
    return TestClient(app)


def drop(page: TestClient, name: str, content: bytes | str | Iterator[bytes]) -> Response:
    return page.post("/page/articles", headers={"X-File-Name": quote(name, safe="")}, content=content)


def lines(response: Response) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.text
    return [json.loads(line) for line in response.text.splitlines()]


def last(response: Response) -> dict[str, Any]:
    return lines(response)[-1]


def kept(additions: Additions) -> list[str]:
    return sorted(path.name for path in additions.folder.iterdir()) if additions.folder.exists() else []


def ids(qa: QA) -> set[str]:
    with qa.store.snapshot() as snapshot:
        return set(snapshot.ids())


def test_each_user_has_files_of_their_own(qa: QA, additions: Additions) -> None:
    app = FastAPI()

    @app.middleware("http")
    async def login(request: Request, call_next: Callable[[Request], Any]) -> Any:
        request.state.user = request.headers["user"]
        return await call_next(request)

    app.include_router(additions_router(additions))
    client = TestClient(app)
    for user in ("ana", "bo", "..", "bo"):
        headers = {"X-File-Name": "notes.md", "user": user}
        said = last(client.post("/page/articles", headers=headers, content=f"# {user}\n\n{FERRY} {user}"))
        assert "error" not in said
    places = {additions.folder / f"of-{user}" / "notes.md" for user in ("ana", "bo", "..")}
    assert set(additions.folder.rglob("*.md")) == places
    assert {str(place) for place in places} <= ids(qa)
    assert (additions.folder / "of-ana" / "notes.md").read_text().endswith("ana")


def test_where_the_index_is_stays_with_the_machine(
    page: TestClient, qa: QA, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    said = f"process 1 is writing to {qa.store.path}; try again when it is done"

    def busy(*_: Any, **__: Any) -> Any:
        raise IndexBusy(said)

    monkeypatch.setattr(qa, "add", busy)
    end = last(drop(page, "a.md", FERRY))
    assert end == {"error": "another process is writing to the articles; try again in a moment"}
    assert said in caplog.text


def test_a_dropped_file_is_indexed_with_progress_and_can_be_asked(
    page: TestClient, qa: QA, library: Library, additions: Additions
) -> None:
    *progress, end = lines(drop(page, "Fähre – №1.md", f"# A ferry\n\n{FERRY}\n"))

    assert [step["stage"] for step in progress] == ["reading", "embedding"]
    assert progress[-1] == {"stage": "embedding", "done": 1, "total": 1}
    assert end == {"added": 1, "updated": 0, "unchanged": 0, "skipped": [], "said": "1 article added"}
    path = additions.folder / "Fähre – №1.md"
    assert kept(additions) == [path.name]
    assert stat.S_IMODE(additions.folder.stat().st_mode) == 0o700
    assert library.stats
    assert library.stats.articles == 2
    answer = qa.ask("How many people did the ferry to Ornsay carry on its first day?")
    assert answer.text
    assert "412" in answer.text
    assert answer.citations[0].article_id == str(path)
    assert library.settled.wait(60)
    assert library.examples == ("Who is Hamish O'Neill?",)


def test_the_same_name_is_a_new_version_of_the_article(
    page: TestClient, qa: QA, additions: Additions
) -> None:
    assert last(drop(page, "a.txt", FERRY))["said"] == "1 article added"
    assert last(drop(page, "a.txt", FERRY))["said"] == "1 article unchanged"
    assert last(drop(page, "a.txt", FERRY.replace("412", "415")))["said"] == "1 article updated"
    assert kept(additions) == ["a.txt"]
    assert len(ids(qa)) == 2


def test_a_pdf_and_a_table_with_a_bad_row_go_in(page: TestClient, qa: QA) -> None:
    assert last(drop(page, "notice.pdf", make_pdf("The bridge cost 43 million pounds.")))["added"] == 1
    rows = [
        json.dumps({"id": "one", "text": FERRY}),
        "{oops",
        json.dumps({"id": "two", "text": "Rain fell."}),
    ]
    end = last(drop(page, "rows.jsonl", "\n".join(rows)))
    assert end["said"] == "2 articles added, 1 skipped"
    assert end["skipped"][0]["name"] == "rows.jsonl#line 2"
    assert end["skipped"][0]["reason"].startswith("not valid JSON")
    assert {name.rpartition("/")[2] for name in ids(qa)} == {
        "bridge.md",
        "notice.pdf",
        "rows.jsonl#one",
        "rows.jsonl#two",
    }


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("bad.pdf", b"%PDF-1.7 cut", "bad.pdf was not added: damaged or truncated PDF"),
        ("none.md", b" \n", "none.md was not added: empty file"),
        ("rows.csv", b"a,b\n1,2\n", "rows.csv was not added: no text column"),
        ("bad.docx", b"PK\3\4 no", "bad.docx was not added: "),
    ],
)
def test_a_file_that_cannot_be_read_is_taken_away_again(
    page: TestClient, qa: QA, additions: Additions, name: str, content: bytes, reason: str
) -> None:
    before = ids(qa)
    end = last(drop(page, name, content))
    assert end["error"].startswith(reason)
    assert str(additions.folder) not in end["error"]
    assert (kept(additions), ids(qa)) == ([], before)


def test_a_bad_new_version_leaves_the_former_one(page: TestClient, qa: QA, additions: Additions) -> None:
    drop(page, "a.md", FERRY)
    assert "error" in last(drop(page, "a.md", b"\0\0\0"))
    assert "error" in last(drop(page, "a.md", b""))
    assert (additions.folder / "a.md").read_text() == FERRY
    assert kept(additions) == ["a.md"]
    with qa.store.snapshot() as snapshot:
        article = snapshot.article(str(additions.folder / "a.md"))
    assert article
    assert article.text == FERRY


# what the browser sends (percent-encoded), what the file is called
NAMES = [
    ("C%3A%5CDocs%5C..%2F-Z%C3%BCrich%0A.md", "Zürich.md"),
    ("../../../etc/passwd.txt", "passwd.txt"),
    ("..%2F..%2Fx.md", "x.md"),
    (".bashrc.md", "bashrc.md"),
    ("--output.md", "output.md"),
    ("a#b.md", "a b.md"),
    ("a%00.md", "a.md"),
    ("%E2%80%AEdm.a.md", "dm.a.md"),
    ("Z%75%CC%88rich.MD", "Zürich.MD"),
    ("%E6%9D%B1%E4%BA%AC.html", "東京.html"),
]


@pytest.mark.parametrize(("header", "name"), NAMES)
def test_a_hostile_name_becomes_a_safe_one(header: str, name: str) -> None:
    assert file_name(header) == name


@pytest.mark.parametrize(
    ("header", "status", "said"),
    [
        ("", 415, "a file without a name was not added"),
        (".md", 415, "md was not added: expected .csv, .docx"),
        ("..%2F", 415, "a file without a name"),
        ("a.exe", 415, "a.exe was not added"),
        ("md", 415, "md was not added"),
        ("a.md%2F..", 415, "a file without a name"),
        (".incoming-x", 415, "incoming-x was not added"),
        ("%FF.md", 400, "in UTF-8, percent-encoded"),
        (quote("ü" * 150) + ".md", 400, "too long; at most 200 bytes"),
    ],
)
def test_a_name_that_is_no_articles_is_refused(header: str, status: int, said: str) -> None:
    with pytest.raises(Refused, match=said) as caught:
        file_name(header)
    assert caught.value.status == status


def test_hostile_names_stay_in_the_folder(page: TestClient, additions: Additions, tmp_path: Path) -> None:
    for name in ("../../escaped.md", "/tmp/escaped.md", "..\\escaped.md"):
        assert "error" not in last(drop(page, name, FERRY))
    assert kept(additions) == ["escaped.md"]
    assert not list(tmp_path.glob("escaped.md"))
    assert drop(page, "run.sh", "x").status_code == 415


@pytest.mark.parametrize("announced", [True, False])
def test_an_oversized_body_is_refused_and_nothing_of_it_stays(
    page: TestClient, additions: Additions, monkeypatch: pytest.MonkeyPatch, announced: bool
) -> None:
    monkeypatch.setattr("qa.web.additions.MAX_BYTES", 100_000)
    sent = []

    def pieces() -> Iterator[bytes]:
        for _ in range(100):
            sent.append(1)
            yield b"x" * 10_000

    response = drop(page, "a.txt", b"x" * 100_001 if announced else pieces())
    assert (response.status_code, response.json()) == (413, {"error": "over the limit of 0.1 MB"})
    assert kept(additions) == []
    assert last(drop(page, "a.txt", FERRY))["added"] == 1  # its place was given back


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("", 422),
        ("{}", 422),
        ('{"url": "file:///etc/passwd"}', 422),
        ('{"url": "/etc/passwd"}', 422),
        ('{"url": 5}', 422),
        (json.dumps({"url": "http://a.example/" + "x" * 2000}), 422),
        (" " * 9000, 413),
    ],
)
def test_what_is_neither_a_file_nor_an_address_is_refused(page: TestClient, body: str, status: int) -> None:
    response = page.post("/page/articles", content=body)
    assert response.status_code == status
    assert len(response.json()["error"].splitlines()) == 1


class Site(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        host = f"http://127.0.0.1:{self.server.server_address[1]}"
        links = "".join(
            f"<item><title>{n}</title><link>{host}/{n}</link></item>" for n in ("one", "two", "gone")
        )
        feed = f'<rss version="2.0"><channel><title>HL</title>{links}</channel></rss>'
        self.send_response(404 if self.path == "/gone" else 200)
        self.send_header("Content-Type", "application/rss+xml" if self.path == "/feed" else "text/html")
        self.end_headers()
        self.wfile.write(
            (feed if self.path == "/feed" else PAGE.replace("412", self.path.strip("/"))).encode()
        )

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()


def test_a_page_and_a_feed_are_added_by_their_address(page: TestClient, qa: QA, site: str) -> None:
    assert last(page.post("/page/articles", json={"url": f" {site}/page "}))["said"] == "1 article added"
    assert f"{site}/page" in ids(qa)
    end = last(page.post("/page/articles", json={"url": f"{site}/feed"}))
    assert (end["added"], end["said"]) == (2, "2 articles added, 1 skipped")
    assert end["skipped"] == [{"name": f"{site}/gone", "reason": "the server answered 404 Not Found"}]
    end = last(page.post("/page/articles", json={"url": f"{site}/gone"}))
    assert end == {"error": f"{site}/gone was not added: the server answered 404 Not Found"}


def test_a_page_that_others_may_add_to_does_not_fetch_from_its_own_network(
    library: Library, qa: QA, site: str, tmp_path: Path
) -> None:
    app = FastAPI()
    app.include_router(additions_router(Additions(library, tmp_path / "added", public_only=True)))
    before = ids(qa)
    end = last(TestClient(app).post("/page/articles", json={"url": f"{site}/page"}))
    assert end == {"error": f"{site}/page was not added: 127.0.0.1 is not a public address"}
    assert ids(qa) == before


def test_one_addition_at_a_time_and_only_so_many_wait(
    page: TestClient, additions: Additions, monkeypatch: pytest.MonkeyPatch
) -> None:
    doing, done, told = threading.Event(), threading.Event(), threading.Event()
    start = additions.start

    def slow(say: Any) -> None:
        doing.set()
        assert done.wait(30)

    def start_and_hear(add: Callable[[Any], None]) -> Iterator[str]:
        lines = start(add)
        first = next(lines)
        told.set()
        return chain([first], lines)

    for _ in range(PLACES - 1):
        additions.take_place()
        waiting = additions.start(slow)
        doing.wait(30)
    monkeypatch.setattr(additions, "start", start_and_hear)
    answers: list[Response] = []
    last_one = threading.Thread(target=lambda: answers.append(drop(page, "a.txt", FERRY)))
    last_one.start()
    assert told.wait(30)  # it waits in the last place
    assert next(waiting) == '{"stage": "waiting", "done": 0, "total": 0}\n'
    refused = drop(page, "b.txt", FERRY)
    assert (refused.status_code, "waiting already" in refused.json()["error"]) == (503, True)

    done.set()
    last_one.join(60)
    assert [line.get("stage") for line in lines(answers[0])] == ["waiting", "reading", "embedding", None]
    assert last(drop(page, "b.txt", "Rain fell."))["added"] == 1


def test_a_fault_inside_is_one_line_and_the_next_addition_works(
    page: TestClient, qa: QA, additions: Additions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret detail")

    with monkeypatch.context() as patch:
        patch.setattr(QA, "add", broken)
        assert last(drop(page, "a.txt", FERRY)) == {"error": "something broke inside; the terminal says what"}
    assert kept(additions) == []
    assert last(drop(page, "a.txt", FERRY))["added"] == 1


def test_before_the_articles_are_open_nothing_is_taken(tmp_path: Path) -> None:
    app = FastAPI()
    closed = Additions(Library(lambda _: pytest.fail("never")), tmp_path / "added", public_only=False)
    app.include_router(additions_router(closed))
    assert drop(TestClient(app), "a.md", FERRY).status_code == 503
    assert kept(closed) == []


def test_added_articles_are_there_after_a_start_that_prunes(
    page: TestClient, qa: QA, additions: Additions, tmp_path: Path, site: str, models: Models
) -> None:
    drop(page, "a.txt", FERRY)
    page.post("/page/articles", json={"url": f"{site}/page"})
    (tmp_path / "first" / "bridge.md").rename(tmp_path / "first" / "tunnel.md")
    wanted = {str(additions.folder / "a.txt"), f"{site}/page", str(tmp_path / "first" / "tunnel.md")}
    for places in ([tmp_path / "first"], [tmp_path / "first", additions.folder]):
        with QA.from_articles(places, qa.store.path, prune=True, **models) as again:
            assert ids(again) == wanted


def test_files_are_kept_apart_by_index_and_outside_caches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    sample, one, other = added_folder(None), added_folder(tmp_path / "a"), added_folder(tmp_path / "b")
    assert sample == tmp_path / "citewire" / "added"
    assert len({sample, one, other}) == 3
    assert added_folder(tmp_path / "x" / ".." / "a") == one
