"""DOCX and EPUB, which are ZIP archives of XML -> one Document.

Part of load. Holds: no archive unpacks past the limit, and XML entities are not expanded.
"""

import io
import posixpath
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import unquote
from xml.etree import ElementTree

from index.decode import decode, to_plain
from index.errors import LoadError
from index.metadata import Document, Metadata, http_url, one_line, parse_date
from index.webpage import extract

if TYPE_CHECKING:
    from docx.blkcntnr import BlockItemContainer
    from docx.document import Document as DocxDocument

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # all that DOCX and EPUB use (ISO/IEC 21320-1)
_DOCX_MEDIA = ("word/media/", "word/embeddings/")
_DC = ("title", "creator", "date", "publisher", "identifier", "source")  # Dublin Core in EPUB 3.3, 5.5.3


def read_docx(data: bytes, max_unpacked: int) -> Document:
    """Read paragraphs and table cells in order; a first paragraph in the style Title is the title."""
    import docx
    from docx.exceptions import PythonDocxError
    from docx.opc.exceptions import OpcError
    from docx.oxml.exceptions import XmlchemyError
    from lxml.etree import ErrorTypes

    if data.startswith(b"\xd0\xcf\x11\xe0"):
        raise LoadError("protected by a password, or an old .doc file; save it as .docx without a password")
    members = _unzip(data, max_unpacked, lambda name: not name.startswith(_DOCX_MEDIA))
    # A new archive of what was unpacked within the limit: python-docx itself unpacks without one.
    safe = io.BytesIO()
    with zipfile.ZipFile(safe, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    try:
        document = docx.Document(safe)
        blocks = list(_docx_blocks(document))
        core = document.core_properties
        title, author, created = core.title, core.author, core.created
    except (
        *(PythonDocxError, OpcError, XmlchemyError),
        *(LookupError, ValueError, TypeError, AttributeError, SyntaxError),
    ) as error:
        if getattr(error, "code", None) == ErrorTypes.ERR_NO_MEMORY:
            raise MemoryError from error
        raise LoadError(f"damaged DOCX ({type(error).__name__})") from error
    except RecursionError as error:
        raise LoadError("tables nested too deeply") from error
    if len(blocks) > 1 and blocks[0][0] == "Title":
        title = title or blocks[0][1]
        del blocks[0]
    meta = Metadata(one_line(title), created.date() if created else None, one_line(author))
    return Document(to_plain("\n\n".join(text for _, text in blocks)), meta)


def _docx_blocks(container: "DocxDocument | BlockItemContainer") -> Iterator[tuple[str, str]]:
    """Yield (style, text) of each paragraph that is not empty; a table's row is one paragraph."""
    from docx.table import Table

    is_first = True
    for block in container.iter_inner_content():
        if isinstance(block, Table):
            for row in block.rows:
                cells = dict.fromkeys(row.cells)  # a merged cell is listed once for each column
                texts = ["\n".join(text for _, text in _docx_blocks(cell)) for cell in cells]
                if line := " | ".join(filter(None, texts)):
                    yield "Table", line
        elif text := block.text.strip():
            # Looking a style up takes 2 ms; only the first can be the title's.
            yield (block.style.name or "") if is_first and block.style else "", text
            is_first = False


def read_epub(data: bytes, max_unpacked: int) -> Document:
    """Read a book's chapters in reading order, as one article."""
    suffixes = (".xml", ".opf", ".xhtml", ".html", ".htm")
    members = _unzip(data, max_unpacked, lambda name: name.lower().endswith(suffixes))
    container = _xml(members, "META-INF/container.xml")
    root = container.find(".//{*}rootfile")
    path = unquote(root.get("full-path", "")) if root is not None else ""
    package = _xml(members, path)
    items = {item.get("id"): item for item in package.iterfind(".//{*}manifest/{*}item")}
    spine = [
        items[ref.get("idref")] for ref in package.iterfind(".//{*}itemref") if ref.get("idref") in items
    ]
    chapters = [item for item in spine if "nav" not in item.get("properties", "").split()]
    names = [
        posixpath.normpath(posixpath.join(posixpath.dirname(path), unquote(c.get("href", ""))))
        for c in chapters
    ]
    locked = decode(members.get("META-INF/encryption.xml", b"-"))  # it also lists fonts, which do not matter
    if any(f'"{name}"' in locked for name in names):
        raise LoadError("the book is encrypted (DRM)")
    texts = [extract(decode(members[name]))[0] for name in names if members.get(name, b"").strip()]
    original = "\n\n".join(filter(None, texts))
    if not original:
        raise LoadError("no chapter with text in it")
    stated = {
        field: [e.text for e in package.iterfind(f".//{{*}}metadata/{{*}}{field}") if e.text] for field in _DC
    }
    meta = Metadata(
        title=one_line(stated["title"][:1]),
        published=parse_date((stated["date"] or [""])[0]),
        author=one_line(stated["creator"]),
        source=one_line(stated["publisher"]),
        url=next(filter(None, map(http_url, stated["identifier"] + stated["source"])), ""),
    )
    return Document(original, meta)


def _xml(members: Mapping[str, bytes], name: str) -> ElementTree.Element:
    if name not in members:
        raise LoadError(f"damaged EPUB: no {name or 'package file'} in it")
    text = decode(members[name])
    if "<!ENTITY" in text:
        raise LoadError(f"{name} defines XML entities, which are not expanded")
    try:
        return ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        raise LoadError(f"damaged EPUB: {name} is not XML") from error


def _unzip(data: bytes, max_unpacked: int, wanted: Callable[[str], bool]) -> dict[str, bytes]:
    """Unpack a ZIP; members that are not wanted come back empty.

    Reading in blocks never unpacks more than the size that a member declares, so the sum of declared
    sizes bounds the memory even where they lie.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
            if any(info.flag_bits & 1 for info in infos):
                raise LoadError("protected by a password; save it without one first")
            size = sum(info.file_size for info in infos if wanted(info.filename))
            if size > max_unpacked:
                raise LoadError(
                    f"unpacks to {size / 1e6:.1f} MB, over the limit of {max_unpacked / 1e6:.0f} MB"
                )
            if any(info.compress_type not in _METHODS for info in infos):
                raise LoadError("packed in a way that DOCX and EPUB do not use")
            return {info.filename: _member(archive, info) if wanted(info.filename) else b"" for info in infos}
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, OSError) as error:
        raise LoadError("not a ZIP archive, or a damaged one") from error


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    with archive.open(info) as member:
        return b"".join(iter(lambda: member.read(65_536), b""))
