"""One file's bytes -> one Document: plain text, Markdown and PDF here, the rest by their modules.

Part of load. Holds: nothing here opens a file or the network; what a parser raises is mapped to LoadError.
Web pages are in webpage.py, DOCX and EPUB in zipped.py, JSONL and CSV (many articles a file) in rows.py.
"""

import re
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from index.decode import decode, to_plain
from index.errors import LoadError
from index.metadata import Document, Metadata, from_columns, is_headline, one_line, parse_date, same_words
from index.types import Cut
from index.webpage import read_html
from index.zipped import read_docx, read_epub

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument

_MARKDOWN = frozenset({".md", ".markdown"})
_HTML = frozenset({".html", ".htm", ".xhtml"})
PLAIN = _MARKDOWN | {".txt", ".text"}  # read without a parser
READABLE = PLAIN | _HTML | {".pdf", ".docx", ".epub"}

_FRONT_MATTER = re.compile(
    r"\s*---[^\S\n]*\n(?P<block>(?:(?!---[^\S\n]*$)[^\n]*\n){1,200}?)---[^\S\n]*(?:\n|\Z)", re.M
)
_FIELD = re.compile(r"(?P<key>[A-Za-z][\w -]{0,40}?)\s*:(?:\s+(?P<value>.*))?")
_PDFIUM = threading.Lock()  # PDFium has process-wide state and no locks of its own
_PDF_TITLE_NOISE = re.compile(r"^(microsoft word - |untitled)|\.(docx?|pdf|indd|qxd|rtf|txt)$", re.I)


def read(data: bytes, suffix: str, *, max_unpacked: int, charset: str = "", url: str = "") -> Document:
    """Read a whole file.

    :param suffix: one of ``READABLE``
    :param max_unpacked: bytes that a DOCX or EPUB may unpack to
    :param charset: the charset that the server named, if any
    :param url: the address that the bytes came from; a page's own links are resolved against it
    :raises LoadError: with the reason why it is no article
    """
    if not data.strip():
        raise LoadError("empty file")
    if suffix in _HTML:
        return read_html(data, charset=charset, url=url)
    if suffix == ".pdf":
        return read_pdf(data)
    if suffix == ".docx":
        return read_docx(data, max_unpacked)
    if suffix == ".epub":
        return read_epub(data, max_unpacked)
    return read_text(decode(data, charset), markdown=suffix in _MARKDOWN)


def read_text(text: str, *, markdown: bool = False) -> Document:
    """Find front matter and headline of a text; both become cuts, since a title is metadata."""
    cuts, meta = [], Metadata()
    if (block := _FRONT_MATTER.match(text)) and (fields := _front_matter(block["block"])):
        cuts.append(Cut(0, block.end(), "front matter"))
        meta = from_columns(fields)
    begin = cuts[-1].end if cuts else 0
    if found := _headline(text, begin, meta.title, markdown):
        title, end = found
        cuts.append(Cut(begin, end, "headline"))
        meta = replace(meta, title=meta.title or title)
    return Document(text, meta, tuple(cuts))


def _front_matter(block: str) -> dict[str, str]:
    """Return the fields of a block; none when a line says that it is prose between two rules."""
    fields = {}
    for line in block.splitlines():
        if match := _FIELD.fullmatch(line.rstrip()):
            value = (match["value"] or "").strip()
            quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
            fields[match["key"]] = value[1:-1] if quoted else value
        elif line.strip() and line[0] not in " \t-#":  # lists and comments are passed over
            return {}
    return fields


def _headline(text: str, begin: int, title: str, markdown: bool) -> tuple[str, int] | None:
    """Return the headline after ``begin`` and the offset where the body begins; None if there is none."""
    start = _skip_space(text, begin)
    end = text.find("\n", start)
    body = _skip_space(text, end) if end >= 0 else len(text)
    if body == len(text):
        return None
    line = text[start:end].strip()
    heading = re.fullmatch(r"#{1,6}\s+(.*?)[\s#]*", line) if markdown else None
    name = one_line(heading[1] if heading else line)
    if title:
        found = same_words(name, title)
    else:
        blank_after = text.count("\n", end, body) > 1
        # Twice as long: in a text with hard-wrapped lines the second is about as long as the first.
        longer_after = len(text[body:].split("\n", 1)[0]) >= 2 * len(line)
        found = bool(heading) or (is_headline(line) and (blank_after or longer_after))
    return (name, body) if found and name else None


def _skip_space(text: str, offset: int) -> int:
    match = re.compile(r"\S").search(text, offset)
    return match.start() if match else len(text)


def read_pdf(data: bytes) -> Document:
    """Read a PDF's text layer; pages are parted by a form feed, so that cleaning sees repeated headers."""
    import pypdfium2

    with _PDFIUM:
        try:
            pdf = pypdfium2.PdfDocument(data)
            try:
                info = pdf.get_metadata_dict()
                pages = [to_plain(_pdf_page(pdf, number)) for number in range(len(pdf))]
            finally:
                pdf.close()
        except pypdfium2.PdfiumError as error:
            if "password" in str(error).lower():
                raise LoadError("encrypted PDF; save it without a password first") from error
            raise LoadError("damaged or truncated PDF") from error
    original = "\f".join(pages)
    if not original.strip():
        raise LoadError("no text in it; it may be a scan, which needs OCR first")
    title = one_line(info.get("Title", ""))
    meta = Metadata(
        title="" if _PDF_TITLE_NOISE.search(title) else title,
        published=parse_date(info.get("CreationDate", "")),
        author=one_line(info.get("Author", "")),
    )
    return Document(original, meta)


def _pdf_page(pdf: "PdfDocument", number: int) -> str:
    page = pdf[number]
    text_page = page.get_textpage()
    try:
        return str(text_page.get_text_bounded())
    finally:
        text_page.close()
        page.close()
