"""A web page -> its article: text in paragraphs, and what the page says about itself.

Part of load. Holds: works on bytes that are here; fetch.py is what goes to the network.
Does not remove boilerplate inside the article; that is cleaning's work.
"""

import re
from urllib.parse import urljoin, urlsplit

from index.decode import decode, to_plain
from index.errors import LoadError
from index.metadata import Document, Metadata, http_url, one_line, parse_date, same_words, site_of

_CHARSET = re.compile(rb"""<(?:meta\s[^>]*?charset|\?xml\s[^>]*?encoding)\s*=\s*["']?([\w:-]+)""", re.I)

_CLAIMS = "//link[@rel='canonical']/@href | //meta[@property='og:url']/@content"


def read_html(data: bytes, *, charset: str = "", url: str = "") -> Document:
    """Take the article out of a web page, paragraphs parted by blank lines."""
    declared = _CHARSET.search(data[:4096])
    html = decode(data, charset or (declared[1].decode("ascii") if declared else ""))
    text, meta = extract(html, url)
    if not text:
        raise LoadError("no article text in it; the page may build itself with JavaScript")
    return Document(text, meta)


def extract(html: str, url: str = "") -> tuple[str, Metadata]:
    """Return the article in a page or book chapter, "" if there is none, and the metadata found.

    :param url: the address of the page, if it has one
    :raises LoadError: the parser gave up
    """
    from lxml.etree import LxmlError
    from trafilatura import bare_extraction, load_html

    try:
        tree = load_html(html)
        if tree is None:
            return "", Metadata()
        # Read here: trafilatura leaves out relative addresses, and takes one from any host.
        address = _canonical(tree.xpath(_CLAIMS), url)
        # trafilatura drops <figure> with all that is in it; a caption often holds a name or a place.
        for figure in tree.iter("figure", "figcaption"):
            figure.tag = "p" if figure.tag == "figcaption" else "div"
        # Extensive date search takes any date on the page, such as the copyright year's.
        dates = {"original_date": True, "extensive_search": False}
        page = bare_extraction(
            tree,
            url=url or None,
            favor_recall=True,
            include_comments=False,
            with_metadata=True,
            date_extraction_params=dates,
        )
    except (ValueError, TypeError, AttributeError, LookupError, AssertionError, LxmlError) as error:
        raise LoadError(f"not readable as HTML ({type(error).__name__})") from error
    except RecursionError as error:
        raise LoadError("elements nested too deeply") from error
    if page is None or isinstance(page, dict):
        return "", Metadata()
    host, source = site_of(address), one_line(page.sitename)
    if source.rpartition("://")[2] == urlsplit(address).netloc.removeprefix("www."):
        source = ""  # trafilatura's own fallback, with the port in it
    meta = Metadata(
        title=one_line(page.title),
        published=parse_date(page.date),
        author=one_line(page.author),
        source=source or host,
        url=address,
    )
    return _paragraphs(to_plain(page.text or ""), meta.title), meta


def _canonical(claims: list[str], url: str) -> str:
    """Return the address that a page claims for itself, unless the page came from another host."""
    for claim in claims:
        try:
            claimed = http_url(urljoin(url, claim.strip()))
        except ValueError:  # such as "http://[bad"
            continue
        if claimed and site_of(claimed) == site_of(url or claimed):
            return claimed
    return http_url(url)


def _paragraphs(text: str, title: str) -> str:
    """Part trafilatura's lines by blank lines, except inside lists and tables; drop a first line = title."""
    lines = [line.strip() for line in text.split("\n")]
    lines = [line for line in lines if line and not re.fullmatch(r"[|\s-]+", line)]
    if len(lines) > 1 and same_words(lines[0], title):
        del lines[0]
    parts: list[str] = []
    for before, line in zip(["", *lines], lines, strict=False):
        together = before[:2] == line[:2] and line[:2] in {"- ", "| "}
        parts.append(("\n" if together else "\n\n") + line)
    return "".join(parts).strip()
