"""Files of every format, written by other programs' libraries or by hand, become one Document."""

import io
import zipfile
from datetime import date

import docx
import pytest

from index.errors import LoadError
from index.formats import read, read_text
from index.metadata import fallback_title, http_url, is_headline, parse_date
from index.types import Cut

BODY = (
    "The bridge over the Elsk opened on Monday after a delay of two years, the city said.\n\nIt cost £43m.\n"
)
UNPACKED = 1_000_000


def make_pdf(*pages: str, info: str = "", encrypt: bool = False) -> bytes:
    """Write a PDF by hand, one line of Helvetica a page line (PDF 32000-1, section 7.5)."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>"]
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(len(pages)))
    objects.append(f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>")
    objects.append("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
    for n, page in enumerate(pages):
        lines = "".join(f"({line}) Tj 0 -20 Td " for line in page.split("\n"))
        content = f"BT /F1 12 Tf 72 720 Td {lines}ET" if page else ""
        objects.append(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] "
            f"/Resources << /Font << /F1 3 0 R >> >> /Contents {5 + 2 * n} 0 R >>"
        )
        objects.append(f"<< /Length {len(content)} >>\nstream\n{content}\nendstream")
    objects.append(f"<< {info} >>")
    trailer = f"/Root 1 0 R /Info {len(objects)} 0 R"
    if encrypt:
        key = "00" * 32
        objects.append(f"<< /Filter /Standard /V 1 /R 2 /P -4 /O <{key}> /U <{key}> >>")
        trailer += f" /Encrypt {len(objects)} 0 R /ID [<{key}> <{key}>]"
    out, offsets = "%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n"
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    end = f"trailer\n<< /Size {size} {trailer} >>\nstartxref\n{len(out)}\n%%EOF\n"
    return f"{out}xref\n0 {size}\n0000000000 65535 f \n{table}{end}".encode("latin-1")


def make_zip(members: dict[str, str | bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def make_epub(**changes: str) -> bytes:
    chapter = '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><body><h1>{0}</h1><p>{1}</p></body></html>'
    members = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container">'
        '<rootfiles><rootfile full-path="OEBPS/book.opf"/></rootfiles></container>',
        "OEBPS/book.opf": '<package xmlns="http://www.idpf.org/2007/opf"><metadata '
        'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>Tides</dc:title><dc:creator>Ann Lee'
        "</dc:creator><dc:creator>Bo Ray</dc:creator><dc:date>2024-05-06</dc:date>"
        "<dc:publisher>Harbour Press</dc:publisher>"
        "</metadata><manifest>"
        '<item id="n" href="nav.xhtml" properties="nav"/><item id="b" href="text/two%20b.xhtml"/>'
        '<item id="a" href="text/one.xhtml"/></manifest>'
        '<spine><itemref idref="n"/><itemref idref="a"/><itemref idref="b"/><itemref idref="gone"/></spine>'
        "</package>",
        "OEBPS/nav.xhtml": chapter.format("Contents", "A list of the chapters that are in this book."),
        "OEBPS/text/one.xhtml": chapter.format(
            "One", "The tide came in at six and nobody on the quay had seen it."
        ),
        "OEBPS/text/two b.xhtml": chapter.format(
            "Two", "The tide went out again, and with it went the blue boat."
        ),
    }
    return make_zip({**members, **changes})


def make_docx() -> bytes:
    document = docx.Document()
    document.core_properties.author = "Ann Lee"
    document.add_paragraph("Bridge opens at last", style="Title")
    document.add_paragraph("The bridge opened on Monday.")
    table = document.add_table(rows=2, cols=2)
    for cell, text in zip(
        (c for row in table.rows for c in row.cells), ("Year", "Cost", "2024", "39m"), strict=True
    ):
        cell.text = text
    document.add_paragraph("It is blue.")
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


PAGE = """<!DOCTYPE html><html><head><meta charset="windows-1252"><title>Bridge opens | Beacon Daily</title>
<meta property="og:title" content="Bridge 'opens' at last">
<meta property="article:published_time" content="2026-03-14T23:30:00-05:00">
<meta name="author" content="Ann Lee">
<meta property="og:site_name" content="Beacon Daily">
<link rel="canonical" href="https://beacondaily.example/2026/bridge"></head><body>
<nav><ul><li><a href="/">Home</a></li><li><a href="/news">News</a></li></ul></nav>
<article><h1>Bridge ‘opens’ at last</h1>
<p>The bridge over the River Elsk opened on Monday after a delay of two years, the city’s mayor said.</p>
<figure><img src="a.jpg">
<figcaption>Crowds on the bridge, seen from the quay. Photo: J. Doe</figcaption></figure>
<p>It cost £43m, <em>four million</em> more than <a href="x">planned</a>.</p>
<ul><li>Tolls start in May</li><li>Buses start in June</li></ul>
<p>The old bridge, which was closed to lorries in 2019, will be taken down by the end of next year.</p>
</article><div id="comments" class="comments"><p>First! What a great bridge.</p></div>
<footer><p>© 2026 Beacon Daily. All rights reserved.</p></footer></body></html>"""


def test_front_matter_becomes_metadata_and_a_cut() -> None:
    block = "---\nTitle: \"Bridge: it's open\"\nByline: Ann Lee\noutlet: 'Harbour Ledger'\ndate: 2026-03-14\n"
    block += "tags:\n  - roads\nlink: https://hl.example/b\n---\n"

    document = read_text(block + BODY)

    assert document.cuts == (Cut(0, len(block), "front matter"),)
    meta = document.meta
    assert (meta.title, meta.author, meta.source) == ("Bridge: it's open", "Ann Lee", "Harbour Ledger")
    assert (meta.published, meta.url) == (date(2026, 3, 14), "https://hl.example/b")


@pytest.mark.parametrize(
    "text", ["---\nIt was a rule, not a block.\n---\n" + BODY, "---\ntitle: open ended\n" + BODY]
)
def test_prose_between_rules_is_not_front_matter(text: str) -> None:
    assert read_text(text).cuts == ()


@pytest.mark.parametrize(
    ("head", "markdown", "title"),
    [
        ("Can Yahoo dominate next decade?\n\n", False, "Can Yahoo dominate next decade?"),
        ("\n  UK 'risks breaking golden rule'  \n\n\n", False, "UK 'risks breaking golden rule'"),
        ("Bridge opens\n", False, "Bridge opens"),
        ("# Bridge opens. At last. #\n\n", True, "Bridge opens. At last."),
    ],
)
def test_a_headline_becomes_the_title_and_a_cut_up_to_the_body(head: str, markdown: bool, title: str) -> None:
    document = read_text(head + BODY, markdown=markdown)

    assert document.meta.title == title
    assert document.cuts == (Cut(0, len(head), "headline"),)


@pytest.mark.parametrize(
    "text",
    [
        BODY,
        "It closed.\n\n" + BODY,
        "“It closed.”\n\n" + BODY,
        "Dear readers,\n\n" + BODY,
        "- Home\n\n" + BODY,
        "A line of text that was wrapped by hand at about\nseventy characters, as e-mail does, and goes on.",
        "x" * 151 + "\n\n" + BODY,
        "Only one line",
    ],
)
def test_a_first_line_that_is_not_a_headline_stays_in_the_text(text: str) -> None:
    assert read_text(text).cuts == ()


def test_a_heading_that_repeats_the_title_of_the_front_matter_is_cut_too() -> None:
    front = "---\ntitle: Bridge opens\n---\n"

    document = read_text(f"{front}\n# Bridge opens\n\n{BODY}", markdown=True)

    assert [cut.rule for cut in document.cuts] == ["front matter", "headline"]
    assert document.original[document.cuts[-1].end :] == BODY


def test_a_text_without_a_headline_is_titled_by_wordpress_or_by_its_first_words() -> None:
    assert fallback_title(f"{BODY}\nThe post Bridge opens appeared first on News Wire Now.") == (
        "Bridge opens",
        "News Wire Now",
    )
    title, source = fallback_title(BODY)
    assert title == "The bridge over the Elsk opened on Monday after a delay of two years, the city…"
    assert source == ""
    assert fallback_title("Short. And more.")[0] == "Short."
    assert len(fallback_title("x" * 500)[0]) == 80


@pytest.mark.parametrize("end", [".", "!", "…", '."', "?”", ":", ","])
def test_a_sentence_is_no_headline(end: str) -> None:
    assert not is_headline("Bridge opens" + end)


@pytest.mark.parametrize(
    ("value", "day"),
    [
        ("2018-03-02", date(2018, 3, 2)),
        ("2018-03-02T23:59:59-08:00", date(2018, 3, 2)),
        ("2018-03-02 10:00:00", date(2018, 3, 2)),
        ("20180302", date(2018, 3, 2)),
        (20180302, date(2018, 3, 2)),
        ("D:20180302101500+01'00'", date(2018, 3, 2)),
        ("Fri, 02 Mar 2018 10:15:00 GMT", date(2018, 3, 2)),
        ("2 March 2018", date(2018, 3, 2)),
        ("March 2, 2018", date(2018, 3, 2)),
        ("Mar 2 2018", date(2018, 3, 2)),
        ("Friday, March 2nd, 2018 at 9:05 a.m. EST", date(2018, 3, 2)),
        ("Published 9:05, 2nd of March, 2018", date(2018, 3, 2)),
        (1520000000, date(2018, 3, 2)),
        (1520000000000, date(2018, 3, 2)),
        ("1520000000", date(2018, 3, 2)),
        ("03/04/2018", None),
        ("March 2018", None),
        ("2018-02-31", None),
        ("31 February 2018", None),
        ("yesterday", None),
        ("", None),
        (None, None),
        (True, None),
        (float("nan"), None),
        (float("inf"), None),
        (10**400, None),
        ([2018, 3, 2], None),
    ],
)
def test_a_date_is_read_when_there_is_no_doubt(value: object, day: date | None) -> None:
    assert parse_date(value) == day


@pytest.mark.parametrize(
    "value",
    ["javascript:alert(1)", "file:///etc/passwd", "http://", "http://[bad", "https://a b.example/", "x"],
)
def test_only_http_addresses_are_kept(value: str) -> None:
    assert http_url(value) == ""


def test_a_page_gives_paragraphs_captions_and_lists_without_headline_menu_or_comments() -> None:
    document = read(PAGE.encode("cp1252"), ".html", max_unpacked=UNPACKED)

    assert document.original.split("\n\n") == [
        "The bridge over the River Elsk opened on Monday after a delay of two years, the city’s mayor said.",
        "Crowds on the bridge, seen from the quay. Photo: J. Doe",
        "It cost £43m, four million more than planned.",
        "- Tolls start in May\n- Buses start in June",
        "The old bridge, which was closed to lorries in 2019, will be taken down by the end of next year.",
    ]
    meta = document.meta
    assert (meta.title, meta.author, meta.source) == ("Bridge 'opens' at last", "Ann Lee", "Beacon Daily")
    assert (meta.published, meta.url) == (date(2026, 3, 14), "https://beacondaily.example/2026/bridge")


def test_a_page_cannot_claim_the_address_of_another_host() -> None:
    url = "https://evil.example/p?x=1"

    meta = read(PAGE.encode("cp1252"), ".html", max_unpacked=UNPACKED, url=url).meta

    assert meta.url == url


def test_the_copyright_year_is_not_taken_for_the_date() -> None:
    page = PAGE.replace("2026-03-14T23:30:00-05:00", "").encode("cp1252")

    assert read(page, ".html", max_unpacked=UNPACKED).meta.published is None


def test_a_pdf_gives_its_pages_and_its_info() -> None:
    data = make_pdf(
        "Bridge opens\nIt cost 43m.",
        "Second page.",
        info="/Title (Bridge) /Author (Ann Lee) /CreationDate (D:20260314090000Z)",
    )

    document = read(data, ".pdf", max_unpacked=UNPACKED)

    assert document.original == "Bridge opens\nIt cost 43m.\fSecond page."
    assert (document.meta.title, document.meta.author) == ("Bridge", "Ann Lee")
    assert document.meta.published == date(2026, 3, 14)


def test_a_file_name_in_a_pdf_is_not_its_title() -> None:
    data = make_pdf("Words.", info="/Title (Microsoft Word - final_v2.doc)")

    assert read(data, ".pdf", max_unpacked=UNPACKED).meta.title == ""


def test_a_docx_gives_paragraphs_and_tables_in_order() -> None:
    document = read(make_docx(), ".docx", max_unpacked=UNPACKED)

    assert document.original.split("\n\n") == [
        "The bridge opened on Monday.",
        "Year | Cost",
        "2024 | 39m",
        "It is blue.",
    ]
    assert (document.meta.title, document.meta.author) == ("Bridge opens at last", "Ann Lee")


def test_an_epub_gives_its_chapters_in_reading_order() -> None:
    document = read(make_epub(), ".epub", max_unpacked=UNPACKED)

    one, two = document.original.index("tide came in"), document.original.index("tide went out")
    assert one < two
    assert "list of the chapters" not in document.original
    meta = document.meta
    assert (meta.title, meta.author, meta.source) == ("Tides", "Ann Lee, Bo Ray", "Harbour Press")
    assert meta.published == date(2024, 5, 6)


def lying_zip() -> bytes:
    """Say in both headers of a ZIP that its member is small."""
    size = 5_000_000
    data = make_zip({"word/document.xml": b"a" * size})
    return data.replace(size.to_bytes(4, "little"), (100).to_bytes(4, "little"))


XML_BOMB = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><container>&b;</container>'


@pytest.mark.parametrize(
    ("data", "suffix", "reason"),
    [
        (b"", ".pdf", "empty file"),
        (make_pdf("Words.")[:60], ".pdf", "damaged or truncated PDF"),
        (b"not a PDF", ".pdf", "damaged or truncated PDF"),
        (make_pdf("Words.", encrypt=True), ".pdf", "encrypted PDF"),
        (make_pdf(""), ".pdf", "no text in it; it may be a scan"),
        (b"PK but no archive", ".docx", "not a ZIP archive"),
        (make_docx()[:-600], ".docx", "not a ZIP archive"),
        (make_zip({"a.txt": "words"}), ".docx", "damaged DOCX"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", ".docx", "protected by a password"),
        (
            make_zip({"word/document.xml": b"0" * 2_000_000}),
            ".docx",
            "unpacks to 2.0 MB, over the limit of 1 MB",
        ),
        (lying_zip(), ".docx", "not a ZIP archive, or a damaged one"),
        (make_zip({"a.txt": "words"}), ".epub", "no META-INF/container.xml"),
        (make_epub(**{"META-INF/container.xml": XML_BOMB}), ".epub", "defines XML entities"),
        (make_epub(**{"OEBPS/book.opf": "<package>"}), ".epub", "book.opf is not XML"),
        (make_epub(**{"META-INF/encryption.xml": '<a URI="OEBPS/text/one.xhtml"/>'}), ".epub", "DRM"),
        (
            make_epub(**{"OEBPS/text/one.xhtml": "", "OEBPS/text/two b.xhtml": ""}),
            ".epub",
            "no chapter with text",
        ),
        (b"<html><head><title>404</title></head><body></body></html>", ".html", "no article text"),
        (b"<html>" + b"<div>" * 50_000 + b"deep" + b"</div>" * 50_000, ".html", "no article text|too deeply"),
        (b"\x89PNG\r\n\x1a\n", ".md", "looks like PNG"),
    ],
)
def test_what_cannot_be_read_says_why_in_one_line(data: bytes, suffix: str, reason: str) -> None:
    with pytest.raises(LoadError, match=reason) as caught:
        read(data, suffix, max_unpacked=UNPACKED)
    assert "\n" not in str(caught.value)
