"""Hostile files cost their reader seconds and a line, never the process, its memory or its time."""

import io
import os
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import docx
import pytest
from test_index_formats import make_epub, make_pdf, make_zip

import index.worker
from index.errors import LoadError
from index.load import Skipped, load
from index.types import Article
from index.worker import Parsers

UNPACKED = 100_000_000
PAGE = (
    b"<html><body><article><p>The bridge over the Elsk opened on Monday, it said.</p></article></body></html>"
)


@pytest.fixture(scope="module")
def parsers() -> Iterator[Parsers]:
    with Parsers() as found:
        yield found


def refusal(parsers: Parsers, data: bytes, suffix: str) -> str:
    began = time.monotonic()
    with pytest.raises(LoadError) as caught:
        parsers.read(data, suffix, max_unpacked=UNPACKED)
    assert time.monotonic() - began < 60, "the limit is 10 seconds of processor time"
    assert "\n" not in str(caught.value)
    assert "opened on Monday" in parsers.read(PAGE, ".html", max_unpacked=UNPACKED).original, "and the next"
    return str(caught.value)


def survived(parsers: Parsers, data: bytes, suffix: str) -> None:
    """Read a file that may be an article or a typed error, and then another."""
    with suppress(LoadError):
        parsers.read(data, suffix, max_unpacked=UNPACKED)
    assert "opened on Monday" in parsers.read(PAGE, ".html", max_unpacked=UNPACKED).original


def test_what_the_parsers_say_comes_through(parsers: Parsers) -> None:
    document = parsers.read(make_pdf("One page.", info="/Title (A title)"), ".pdf", max_unpacked=UNPACKED)

    assert (document.original, document.meta.title) == ("One page.", "A title")
    assert refusal(parsers, b"%PDF-1.4 nothing", ".pdf") == "damaged or truncated PDF"


def test_a_zip_bomb_is_not_unpacked(parsers: Parsers) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", bytes(200_000_000))
    lying = file.getvalue().replace((200_000_000).to_bytes(4, "little"), (1_000).to_bytes(4, "little"))

    for suffix in (".docx", ".epub"):
        assert "unpacks to" in refusal(parsers, file.getvalue(), suffix) or suffix == ".epub"
        assert refusal(parsers, lying, suffix)


def test_a_pdf_bomb_ends_at_the_limits(parsers: Parsers) -> None:
    stream = zlib.compress(bytes(400_000_000), 9)
    before, after = make_pdf("MARK").split(b"stream\nBT", 1)
    body = after.split(b"\nendstream", 1)[1]
    head = before.rpartition(b"<< /Length")[0] + b"<< /Length %d /Filter /FlateDecode >>\n" % len(stream)

    survived(parsers, head + b"stream\n" + stream + b"\nendstream" + body, ".pdf")


@pytest.mark.parametrize(
    "content",
    [
        '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "{0}"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
        '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;">]>'
        "<container>&d;</container>",
        '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><container>&a;</container>',
    ],
    ids=["expansion", "external"],
)
def test_xml_entities_are_not_expanded(parsers: Parsers, content: str) -> None:
    members = {"META-INF/container.xml": content.replace("{0}", "x" * 1000)}

    assert "defines XML entities, which are not expanded" in refusal(parsers, make_zip(members), ".epub")
    word = {"[Content_Types].xml": content, "word/document.xml": content, "_rels/.rels": content}
    assert "root" not in refusal(parsers, make_zip(word), ".docx")


def test_names_in_an_archive_reach_no_file(parsers: Parsers, tmp_path: Path) -> None:
    before = sorted(tmp_path.parent.iterdir())
    members: dict[str, str | bytes] = {"../evil.html": "x", "/etc/evil.html": "x", "..\\evil.html": "x"}

    refusal(parsers, make_zip(members), ".epub")
    refusal(parsers, make_zip(members), ".docx")
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf"><manifest><item id="a" href="../../../../etc/passwd"/>'
        '<item id="b" href="text/one.xhtml"/></manifest>'
        '<spine><itemref idref="a"/><itemref idref="b"/></spine></package>'
    )
    book = parsers.read(make_epub(**{"OEBPS/book.opf": package}), ".epub", max_unpacked=UNPACKED)
    assert "root:" not in book.original
    assert "The tide came in" in book.original
    assert sorted(tmp_path.parent.iterdir()) == before
    assert not Path("/etc/evil.html").exists()


def test_deep_nesting_is_a_line(parsers: Parsers) -> None:
    deep = b"<div>" * 200_000 + b"The bridge opened." + b"</div>" * 200_000
    survived(parsers, b"<html><body>" + deep + b"</body></html>", ".html")


@pytest.mark.parametrize(
    ("work", "expected"),
    [
        ("while True: pass", "took more than 10 seconds to read"),
        ("x = [bytearray(10_000_000) for _ in range(999)]", "needs more than 512 MB to be read"),
        ("os.abort()", "the parser crashed; the file may be damaged"),
        ("time.sleep(99)", "was given up: reading it did not end"),
        ("os._exit(0)", "the parser crashed; the file may be damaged"),
        ("raise ZeroDivisionError", "cannot be parsed (ZeroDivisionError); the file may be damaged"),
        ("print('noise', flush=True); os.system('echo noise'); raise ZeroDivisionError", "cannot be parsed"),
    ],
    ids=["endless", "memory", "crash", "hang", "exit", "error", "noise"],
)
def test_whatever_a_parser_does_ends_in_a_line(
    monkeypatch: pytest.MonkeyPatch, work: str, expected: str
) -> None:
    program = f"""
import os, time, index.formats, index.worker
def read(data, suffix, **rest):
    if data != b"bad":
        return index.formats.read(data, suffix, **rest)
    {work}
index.worker.read, index.worker.SECONDS = read, 1
index.worker.main()
"""
    with Parsers(program) as parsers:
        if "sleep" in work:
            parsers.read(PAGE, ".html", max_unpacked=UNPACKED)  # so that the start is not waited for
            monkeypatch.setattr(index.worker, "PATIENCE", 8.0)
        message = refusal(parsers, b"bad", ".pdf")
        assert message.startswith(expected)


def test_ctrl_c_ends_the_child_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    with Parsers() as parsers:
        parsers.read(PAGE, ".html", max_unpacked=UNPACKED)
        child = parsers._child
        assert child
        monkeypatch.setattr(index.worker, "_receive", interrupted)
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            parsers.read(PAGE, ".html", max_unpacked=UNPACKED)
    assert child.poll() == -9
    assert time.monotonic() - began < 4


def test_a_long_docx_is_read_within_the_limit(parsers: Parsers) -> None:
    document = docx.Document()
    for number in range(3_000):
        document.add_paragraph(f"The bridge opened on day {number}.")
    file = io.BytesIO()
    document.save(file)

    assert parsers.read(file.getvalue(), ".docx", max_unpacked=UNPACKED).original.count("opened") == 3_000


def test_the_child_ends_with_its_user(tmp_path: Path) -> None:
    with Parsers() as parsers:
        parsers.read(PAGE, ".html", max_unpacked=UNPACKED)
        child = parsers._child
        assert child
    assert child.poll() == 0


def test_what_lies_in_the_current_folder_is_no_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('taken over')")
    monkeypatch.chdir(tmp_path)

    with Parsers() as parsers:
        assert parsers.read(PAGE, ".html", max_unpacked=UNPACKED).original


# Hostile names, characters and sizes, through load.


def loaded(*places: Path) -> tuple[list[Article], list[str]]:
    found = list(load(places))
    articles = [item for item in found if isinstance(item, Article)]
    return articles, [item.reason for item in found if isinstance(item, Skipped)]


def test_fifos_devices_and_links_that_leave_the_folder_are_skipped(tmp_path: Path) -> None:
    folder = tmp_path / "news"
    folder.mkdir()
    (tmp_path / "secret.txt").write_text("The secret is out there.")
    os.mkfifo(folder / "fifo.txt")
    (folder / "device.txt").symlink_to("/dev/zero")
    (folder / "leaves.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "up.txt").symlink_to("../secret.txt")
    (folder / "loop").symlink_to(folder)

    articles, reasons = loaded(folder)

    assert articles == []
    assert sorted(reasons) == [*["a link that leads out of the folder"] * 3, "not a regular file"]
    assert loaded(Path("/dev/zero"))[1] == ["not a regular file"]


@pytest.mark.parametrize("suffix", [".txt", ".html", ".jsonl", ".csv"])
def test_control_characters_and_lone_surrogates_become_text_that_can_be_stored(
    tmp_path: Path, suffix: str
) -> None:
    words = "The bridge\x00 opened \u202eyadnoM no\u202c at last, \ufdd0 it said. " * 3
    path = tmp_path / f"a{suffix}"
    match suffix:
        case ".jsonl":
            path.write_text(
                '{"title": "A \\ud83d title", "text": "The bridge \\udc00 opened \\u0000 there."}\n'
            )
        case ".csv":
            path.write_text(f'title,text\nA,"{words}"\n')
        case ".html":
            path.write_text(f"<html><body><article><p>{words}</p></article></body></html>")
        case _:
            path.write_bytes(words.encode() + b"\xed\xa0\x80 end.")

    articles, reasons = loaded(path)

    assert len(articles) + len(reasons) == 1
    for article in articles:
        article.text.encode()  # raises on a lone surrogate
        assert "\0" not in article.text


def test_a_line_of_a_gigabyte_is_read_past(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with path.open("wb") as file:
        file.write(b'{"title": "A", "text": "It is blue."}\n')
        file.truncate(1_000_000_000)  # a hole: one line of zeros
        file.seek(0, os.SEEK_END)
        file.write(b'\n{"title": "B", "text": "The bridge opened on Monday."}\n')

    articles, reasons = loaded(path)

    assert [article.title for article in articles] == ["A", "B"]
    assert reasons == ["over the limit of 8 MB a row; split it"]
