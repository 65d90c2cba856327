"""Bytes -> str, for files whose encoding nobody wrote down.

Part of load. Order: byte order mark, strict UTF-8, nearly UTF-8, the declared charset, then a decision
by the shape of the bytes between Western (cp1252), Central European (cp1250) and non-Latin text.
Holds: the result has no lone surrogates, no NULs, no byte order mark, and only a newline ends a line.
Does not normalise Unicode (no NFC or NFKC): quotes stay as the article has them.
"""

import codecs
import re

from index.errors import LoadError

_BOMS = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_MAGIC = (
    (b"\x89PNG\r\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF8", "GIF"),
    (b"%PDF-", "PDF"),
    (b"PK\x03\x04", "a ZIP, DOCX or EPUB file"),
    (b"\x1f\x8b", "gzip"),
    (b"\x7fELF", "an ELF program"),
    (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
    (b"{\\rtf", "RTF"),
    (b"\xd0\xcf\x11\xe0", "an old Office file"),
    (b"SQLite format 3\0", "SQLite"),
)
# What a web page that declares one of these really holds (WHATWG Encoding Standard, "Names and labels").
_LABELS = {
    "iso8859-1": "cp1252",
    "ascii": "cp1252",
    "iso8859-9": "cp1254",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
}
# Encodings of non-Latin text that news archives hold; a free guess also offers hp_roman8 and cp1125.
_CYRILLIC = ["cp1251", "koi8_r", "koi8_u", "cp866", "iso8859_5"]
_EAST_ASIAN = ["cp932", "euc_jp", "gb18030", "big5", "cp949"]
_OTHERS = ["cp1253", "cp1255", "cp1256", "cp874"]  # Greek, Hebrew, Arabic, Thai
# Signs that cp1252 shows where cp1250 or ISO 8859-2 has a Polish or Czech letter: they stand inside words.
_SIGN_IN_WORD = re.compile(r"(?<=[^\W\d_])[¡¢£¥¦©ª«®±³¶¹»¼¾¿\x80-\x9f]+(?=[^\W\d_])")
# Letters that no Western language uses together, but cp1252 shows for Czech (ř, č) and Hungarian (ő, ű);
# a Danish text may have both, in a French name, but then it has æ and å too.
_NEVER_TOGETHER = (("ø", "è", "æå"), ("õ", "û", ""))
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r\f\x1b")) + b"\x7f"
_SAMPLE = 200_000  # bytes that the guess looks at: enough to be sure of, and a second at most


def decode(data: bytes, declared: str = "") -> str:
    """Decode a text file.

    :param data: the whole file
    :param declared: the charset that the file or the server names; used when the bytes fit it
    :raises LoadError: the data is empty or is not text
    """
    return to_plain(data.decode(sniff(data, declared), errors="replace"))


def to_plain(text: str) -> str:
    """Drop a byte order mark, end lines with a newline only, replace lone surrogates and NULs by U+FFFD."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return re.sub("[\0\ud800-\udfff]", "\ufffd", text)


def sniff(data: bytes, declared: str = "") -> str:
    """Name the encoding of ``data`` (a codec name); arguments and errors as for :func:`decode`."""
    if not data.strip():
        raise LoadError("empty file")
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return encoding
    _reject_binary(data)
    if _is_utf8(data):
        return "utf-8"
    encoding = _known(declared)
    if encoding and _fits(data, encoding):
        return encoding
    high = [len(run) for run in re.findall(rb"[\x80-\xff]+", data[:_SAMPLE])]
    # Accented letters stand alone or in pairs; Cyrillic or Chinese bytes come in runs. The share in runs of
    # three or more was 0.0 for sentences in eight Latin languages, and 0.89 and more in eight others.
    if sum(n for n in high if n >= 3) > 0.5 * sum(high):
        return _guess_non_latin(data) or "cp1252"
    return _latin(data)


def _reject_binary(data: bytes) -> None:
    for magic, name in _MAGIC:
        if data.startswith(magic):
            raise LoadError(f"binary data, not text (looks like {name})")
    controls = len(data) - len(data.translate(None, _CONTROLS))
    # Text has none; one in 50 forgives a file with stray control characters from an old word processor.
    if b"\0" in data or controls * 50 > len(data):
        raise LoadError("binary data, not text")


def _is_utf8(data: bytes) -> bool:
    text = data.decode("utf-8", errors="replace")
    bad = text.count("\ufffd")
    # One damaged letter in a UTF-8 file must not turn all the others into "Ã©".
    return not bad or bad * 20 <= sum(1 for c in text if c > "\x7f")


def _known(declared: str) -> str:
    try:
        codec = codecs.lookup(declared.strip().strip("\"'"))
    except (LookupError, ValueError):
        return ""
    # "utf-8" was tried, and "hex" or "zlib" are codecs but not charsets.
    return _LABELS.get(codec.name, codec.name) if codec._is_text_encoding else ""


def _fits(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeError:
        return False
    return True


def _guess_non_latin(data: bytes) -> str:
    from charset_normalizer import from_bytes

    best = from_bytes(data[:_SAMPLE], cp_isolation=_CYRILLIC + _EAST_ASIAN + _OTHERS).best()
    return best.encoding if best else ""


def _latin(data: bytes) -> str:
    western = data.decode("cp1252", errors="replace")
    damage = _damage(western)
    if damage < 2:
        return "cp1252"
    central = {name: _damage(data.decode(name, errors="replace")) for name in ("cp1250", "iso8859_2")}
    best = min(central, key=lambda name: central[name])
    return best if central[best] < damage else "cp1252"


def _damage(text: str) -> int:
    """Count what a wrong single-byte encoding leaves in Latin text: signs inside words, odd neighbours."""
    lower = text.lower()
    pairs = sum(
        min(lower.count(a), lower.count(b))
        for a, b, unless in _NEVER_TOGETHER
        if not any(letter in lower for letter in unless)
    )
    return len(_SIGN_IN_WORD.findall(text)) + lower.count("\ufffd") + pairs
