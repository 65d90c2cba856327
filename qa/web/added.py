"""Where files that people add are kept, and what they are called there.

Holds: a name has no folder in it, is not hidden, is no option to a command, and has a suffix that is read.
Writes nothing.
"""

import hashlib
import unicodedata
from pathlib import Path
from urllib.parse import unquote_to_bytes

import platformdirs

from index.formats import READABLE
from index.rows import ROW_FORMATS
from qa.web.body import Refused

NAME_BYTES = 200  # of a file's name: file systems take 255


def added_folder(index: Path | None) -> Path:
    """Give the folder for files that people add to an index, None for the one over the sample.

    It is among a person's data, not in a cache, and outside the index, which may be built anew.
    """
    key = f"-{hashlib.sha256(str(index.resolve()).encode()).hexdigest()[:12]}" if index else ""
    return Path(platformdirs.user_data_dir("citewire")) / f"added{key}"


def file_name(header: str) -> str:
    """Give a safe name for a file whose name came percent-encoded.

    >>> file_name("C%3A%5CDocs%5C..%2F-Z%C3%BCrich%0A.md")
    'Zürich.md'

    :raises Refused: there is no name left, it is too long, or no article is read from such files
    """
    try:
        decoded = unquote_to_bytes(header).decode("utf-8")
    except UnicodeDecodeError:
        raise Refused(400, "expected the file's name in UTF-8, percent-encoded") from None
    last = unicodedata.normalize("NFC", decoded).replace("\\", "/").rpartition("/")[2]
    # Control and format characters: new lines, reversals of direction; "#" parts a file from its row.
    shown = "".join(" " if unicodedata.category(letter)[0] == "C" else letter for letter in last)
    name = " ".join(shown.replace("#", " ").split()).lstrip(".- ")
    stem, dot, suffix = name.rpartition(".")
    stem = stem.rstrip()
    known = sorted(READABLE | ROW_FORMATS)
    if not stem or f".{suffix.lower()}" not in known:
        raise Refused(
            415, f"{name[:100] or 'a file without a name'} was not added: expected {', '.join(known)}"
        )
    if len(name.encode()) > NAME_BYTES:
        raise Refused(400, f"the file's name is too long; at most {NAME_BYTES} bytes")
    return stem + dot + suffix
