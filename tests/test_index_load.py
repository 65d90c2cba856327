"""Files, folders, tables, addresses and feeds become articles; everything else is skipped with its reason."""

import itertools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.fetch import Entry
from index.load import Limits, Skipped, _own_place, load
from index.types import Article

LIMITS = Limits()
STORY = "Bridge opens at last\n\nThe bridge over the Elsk opened on Monday, the city said.\n"


def articles(*sources: str | Path, limits: Limits = LIMITS) -> list[Article]:
    found = list(load(sources, limits=limits))
    assert [item for item in found if isinstance(item, Skipped)] == []
    return [item for item in found if isinstance(item, Article)]


def reasons(*sources: str | Path, limits: Limits = LIMITS) -> dict[str, str]:
    return {x.location: x.reason for x in load(sources, limits=limits) if isinstance(x, Skipped)}


def test_a_text_file_becomes_an_article_without_its_headline(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(STORY.replace("\n", "\r\n").encode())

    (article,) = articles(path)

    assert article.id == str(path.resolve())
    assert article.title == "Bridge opens at last"
    assert article.original == STORY
    assert article.text == STORY.split("\n\n", 1)[1]
    start, end = article.to_original(4, 10)
    assert article.original[start:end] == article.text[4:10] == "bridge"


@given(st.text(max_size=200))
def test_the_text_is_always_the_original_without_its_cuts(body: str) -> None:
    from index.formats import read_text
    from index.load import _without

    text = "---\ntitle: T\n---\n" + body
    document = read_text(text, markdown=True)
    kept = [True] * len(text)
    for cut in document.cuts:
        kept[cut.start : cut.end] = [False] * (cut.end - cut.start)

    assert _without(text, document.cuts) == "".join(itertools.compress(text, kept))


def test_a_folder_is_searched_in_order_without_hidden_names(tmp_path: Path) -> None:
    for name in ("b.txt", "a.md", "sub/c.TXT", "sub/.hidden/d.txt", ".e.txt", "sub/deep/er/f.html"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(STORY if path.suffix != ".html" else f"<html><body><p>{STORY}</p></body></html>")
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff")
    (tmp_path / "Makefile").write_text("all:")

    found = list(load([tmp_path]))

    names = [Path(x.id).name for x in found if isinstance(x, Article)]
    assert names == ["a.md", "b.txt", "c.TXT", "f.html"]
    assert reasons(tmp_path) == {
        str(tmp_path / "photo.jpg"): "unsupported format .jpg",
        str(tmp_path / "Makefile"): "unsupported format (no extension)",
    }


def test_links_do_not_lead_out_of_a_folder_nor_give_a_file_twice(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out/secret.txt").write_text(STORY)
    (tmp_path / "in/a.txt").write_text(STORY)
    (tmp_path / "in/again.txt").symlink_to("a.txt")
    (tmp_path / "in/leaves.txt").symlink_to("../out/secret.txt")
    (tmp_path / "in/folder").symlink_to("../out")
    (tmp_path / "in/broken.txt").symlink_to("nowhere.txt")
    (tmp_path / "in/loop.txt").symlink_to("loop.txt")

    found = [x for x in load([tmp_path / "in"]) if isinstance(x, Article)]

    assert [x.id for x in found] == [str(tmp_path / "in/a.txt")]
    skipped = {Path(place).name: reason for place, reason in reasons(tmp_path / "in").items()}
    assert skipped["leaves.txt"] == skipped["folder"] == "a link that leads out of the folder"
    assert skipped["nowhere.txt"] == "no such file or folder"
    assert "loop.txt" in skipped


def test_overlapping_sources_give_an_article_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_text(STORY)
    monkeypatch.chdir(tmp_path)

    assert len(articles(tmp_path, "a.txt", "./a.txt", tmp_path / "a.txt", ".")) == 1


def test_an_empty_folder_gives_nothing(tmp_path: Path) -> None:
    assert list(load([tmp_path])) == []


def test_a_file_name_that_is_not_utf8_gets_an_id_that_can_be_stored(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/caf\xe9.txt"
    try:
        Path(os.fsdecode(name)).write_text(STORY)
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")

    (article,) = articles(tmp_path)

    assert article.id.encode().endswith(b"caf\\xe9.txt")


def fifo(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("name", "make", "reason"),
    [
        ("gone.txt", lambda _: None, "no such file or folder"),
        ("empty.txt", lambda p: p.write_bytes(b""), "empty file"),
        ("blank.md", lambda p: p.write_bytes(b" \n\n"), "empty file"),
        ("marks.txt", lambda p: p.write_text("--- *** ---"), "no words in it"),
        (
            "image.txt",
            lambda p: p.write_bytes(b"\x89PNG\r\n\x1a\n"),
            "binary data, not text (looks like PNG)",
        ),
        ("pipe.txt", fifo, "not a regular file"),
        ("scan.xyz", lambda p: p.write_text("x"), "unsupported format .xyz"),
        (
            "big.txt",
            lambda p: p.write_bytes(b"word " * 1000),
            "0.0 MB is over the limit of 0.004 MB; split it or use JSONL, one article a line",
        ),
        (
            "long.txt",
            lambda p: p.write_text("word " * 600),
            "3,000 characters are over the limit of 2,000; split it",
        ),
        ("bad.pdf", lambda p: p.write_bytes(b"%PDF-1.7 cut"), "damaged or truncated PDF"),
        ("no\0de.txt", lambda _: None, "cannot be read: embedded null byte"),
    ],
)
def test_a_bad_file_is_skipped_with_its_reason_and_the_next_is_read(
    tmp_path: Path, name: str, make: Callable[[Path], object], reason: str
) -> None:
    bad, good = tmp_path / name, tmp_path / "good.txt"
    make(bad)
    good.write_text(STORY)

    skipped, article = load([bad, good], limits=Limits(max_file_bytes=4000, max_chars=2000))

    assert isinstance(skipped, Skipped)
    assert skipped.reason == reason
    assert "\n" not in skipped.reason
    assert isinstance(article, Article)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(STORY)
    path.chmod(0)

    assert reasons(path) == {str(path): "permission denied"}


def test_each_jsonl_line_is_an_article_and_a_corrupt_one_stops_nothing(tmp_path: Path) -> None:
    rows = [
        {"id": 17, "headline": "One", "BODY": "First body.", "date": "2026-03-14", "authors": ["A", "B"]},
        {"url": "https://hl.example/2", "content": ["Para one.", "Para two."], "publisher": {"name": "HL"}},
        {"text": "Half an emoji \ud83d and a \0 here.", "date": 1520000000, "url": "javascript:x"},
    ]
    lines = [json.dumps(row) for row in rows]
    lines += ["{cut", "", "[1]", '{"title": "no text"}', '{"text": ""}', '{"id": 17, "text": "again"}']
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(lines))

    found = [x for x in load([path]) if isinstance(x, Article)]

    assert [x.id.partition("#")[2] for x in found] == ["17", "https://hl.example/2", "3"]
    assert [x.text for x in found] == [
        "First body.",
        "Para one.\n\nPara two.",
        "Half an emoji \ufffd and a \ufffd here.",
    ]
    assert (found[0].title, found[0].author, found[0].published) == ("One", "A, B", date(2026, 3, 14))
    assert (found[1].source, found[1].url) == ("HL", "https://hl.example/2")
    assert (found[2].published, found[2].url) == (date(2018, 3, 2), "")
    skipped = {place.partition("#")[2]: reason for place, reason in reasons(path).items()}
    assert list(skipped) == ["line 4", "line 6", "line 7", "line 8", "17"]
    assert skipped["line 4"].startswith("not valid JSON")
    assert skipped["line 7"].startswith("no text: found title; expected one of text, body")
    assert skipped["17"] == "an earlier row has the same id"


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_tables_are_read_in_any_encoding(tmp_path: Path, codec: str) -> None:
    jsonl, table = tmp_path / "a.jsonl", tmp_path / "a.csv"
    jsonl.write_bytes('{"text": "Le café “fermé”."}\n{"text": "Été – à Noël."}\n'.encode(codec))
    table.write_bytes('id;text\n1;"Le café “fermé”."\n2;"Été – à Noël."\n'.encode(codec))

    for path in (jsonl, table):
        assert [x.text for x in articles(path)] == ["Le café “fermé”.", "Été – à Noël."]


def test_a_row_over_the_limit_is_skipped_and_the_next_are_read(tmp_path: Path) -> None:
    jsonl, table = tmp_path / "a.jsonl", tmp_path / "a.csv"
    jsonl.write_text(f'{{"text": "{"x" * 3000}"}}\n{{"text": "next"}}\n')
    table.write_text(f"text\n{'x' * 3000}\nnext\n")
    limits = Limits(max_row_bytes=1000)

    for path, line in ((jsonl, "line 1"), (table, "line 2")):
        assert [x.text for x in load([path], limits=limits) if isinstance(x, Article)] == ["next"]
        assert reasons(path, limits=limits) == {
            f"{path}#{line}": "over the limit of 0.001 MB a row; split it"
        }


def test_csv_rows_may_span_lines_and_hold_long_fields(tmp_path: Path) -> None:
    long = "word " * 40_000
    path = tmp_path / "a.csv"
    path.write_text(
        f'Title,Article,Pubdate,Site\n"One, two","First\nline","2 March 2018",HL\n,"{long}",,\n\nx,y,z,a,b\n'
    )

    one, two = (x for x in load([path]) if isinstance(x, Article))

    assert (one.id, one.title, one.text) == (f"{path}#2", "One, two", "First\nline")
    assert (one.published, one.source) == (date(2018, 3, 2), "HL")
    assert (two.id, two.text) == (f"{path}#4", long)
    assert reasons(path) == {f"{path}#line 6": "5 values for 4 columns; put the text in quotes"}


def test_tsv_and_ndjson_are_tables_too(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("text\tid\nOne, two; three\tr1\n")
    (tmp_path / "b.ndjson").write_text('{"text": "Four"}')

    assert [(x.id.partition("#")[2], x.text) for x in articles(tmp_path)] == [
        ("r1", "One, two; three"),
        ("1", "Four"),
    ]


def test_a_table_without_a_text_column_is_skipped_once(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("title,words\n1,2\n3,4\n")

    (reason,) = reasons(path).values()

    assert reason.startswith("no text column: found title, words; expected one of text, body, content")


def test_load_is_lazy_and_imports_no_parser(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(STORY)
    code = (
        "import sys; from index.load import load; next(load([sys.argv[1]]));"
        "heavy = ['trafilatura', 'pypdfium2', 'docx', 'feedparser', 'httpx', 'lxml'];"
        "print([m for m in heavy if m in sys.modules])"
    )
    root = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path], cwd=root, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"


def test_a_table_in_utf_16_with_damaged_characters_is_read(tmp_path: Path) -> None:
    rows = "title,text\nA,It is blue.\nB,It is red.\n".encode("utf-16-le").replace(b"e\0d\0", b"\x00\xdcd\0")
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe" + rows)

    assert [item.text for item in articles(tmp_path / "a.csv")] == ["It is blue.", "It is r\ufffdd."]


def test_a_first_line_that_is_no_csv_is_a_line(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"ti\rtle,text\nA,B\n")

    (reason,) = reasons(tmp_path / "a.csv").values()

    assert reason.startswith("not readable as CSV: its first line: ")


PAGE = """<html><head><title>{0}</title><link rel="canonical" href="/canonical/{1}"></head><body>
<article><h1>{0}</h1><p>{0}: the bridge over the Elsk opened on Monday after two years, it said.</p></article>
</body></html>"""


class Site(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        name = self.path.strip("/").partition("?")[0]
        base = f"http://{self.headers['Host']}"
        feed = f"""<rss version="2.0"><channel><title>Elsk Feed</title>
            <item><title>One</title><link>{base}/one</link>
            <pubDate>Sat, 14 Mar 2026 09:00:00 GMT</pubDate></item>
            <item><title>Gone</title><link>{base}/gone</link><description>&lt;p&gt;Its own words, kept by the
            feed for those who read there.&lt;/p&gt;</description></item>
            <item><title>Lost</title><link>{base}/lost</link></item></channel></rss>"""
        borrowed = f"""<rss version="2.0"><channel><title>Evil</title><item><title>Gone</title>
            <link>{self.path.partition("?")[2]}</link><description>Words of its own.</description>
            </item></channel></rss>"""
        answers = {
            "borrowed": ("application/rss+xml", borrowed),
            "one": ("text/html", PAGE.format("One", "one")),
            "plain": ("text/plain; charset=utf-8", STORY),
            "image": ("image/png", "x"),
            "feed": ("application/rss+xml", feed),
        }
        kind, body = answers.get(name, ("", ""))
        self.send_response(200 if kind else 404)
        self.send_header("Content-Type", kind or "text/html")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()


def test_a_page_is_known_by_its_canonical_address_and_comes_once(site: str) -> None:
    (article,) = articles(f"{site}/one?utm_source=x", f"{site}/one#top")

    assert article.id == article.url == f"{site}/canonical/one"
    assert (article.title, article.source) == ("One", "127.0.0.1")
    assert article.text.startswith("One: the bridge")


def test_a_text_at_an_address_is_read_as_text(site: str) -> None:
    (article,) = articles(f"{site}/plain")

    assert (article.id, article.url, article.title) == (
        f"{site}/plain",
        f"{site}/plain",
        "Bridge opens at last",
    )


def test_a_feed_gives_its_pages_or_its_own_words(site: str) -> None:
    one, gone, lost = load([f"{site}/feed"])

    assert isinstance(one, Article)
    assert (one.id, one.published, one.source) == (f"{site}/canonical/one", date(2026, 3, 14), "Elsk Feed")
    assert isinstance(gone, Article)
    assert (gone.id, gone.title) == (f"{site}/gone", "Gone")
    assert gone.text.startswith("Its own words")
    assert lost == Skipped(f"{site}/lost", "the server answered 404 Not Found")


def test_a_feeds_words_do_not_take_the_place_of_another_sites_article(site: str) -> None:
    own, port = site.rpartition(":")[0], site.rpartition(":")[2]
    (words,) = articles(f"{site}/borrowed?http://localhost:{port}/gone")

    assert words.id == f"{site}/borrowed?http://localhost:{port}/gone#http://localhost:{port}/gone"
    assert words.url == f"http://localhost:{port}/gone"
    (words,) = articles(f"{site}/borrowed?{own}:1/gone")  # of the same host
    assert words.id == words.url == f"{own}:1/gone"


@pytest.mark.parametrize(
    ("feed", "link", "is_own"),
    [
        ("https://hl.example/feed", "https://www.hl.example/a", True),
        ("https://www.hl.example/feed", "http://HL.example:8080/a", True),
        ("https://feeds.hl.example/feed", "https://hl.example/a", False),  # evil.host.example is not its host
        ("https://evil.example/feed", "https://hl.example/a", False),
        ("https://evil.example/feed", "https://hl.example.evil.example/a", False),
        ("https://evil.example/feed", "", False),
    ],
)
def test_a_feed_speaks_for_its_own_host_only(feed: str, link: str, is_own: bool) -> None:
    entry = Entry(url=link, title="T", author="", source="", published=None, html="", id="7")
    assert _own_place(entry, feed) == (link if is_own else f"{feed}#{link or 7}")


def test_an_address_without_an_article_is_skipped(site: str) -> None:
    assert reasons(f"{site}/image", f"{site}/none", "http://[bad") == {
        f"{site}/image": "the content type image/png is not an article",
        f"{site}/none": "the server answered 404 Not Found",
        "http://[bad": "not an http(s) address",
    }
