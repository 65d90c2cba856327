"""JSONL and CSV -> one Document a row, streamed.

Part of load. Holds: a bad row is reported by its line and the rows after it go in; no more than one row
is in memory, and no row may be longer than the limit.
"""

import codecs
import csv
import json
from collections.abc import Iterator, Mapping
from typing import BinaryIO

import orjson

from index.decode import decode, sniff, to_plain
from index.errors import LoadError
from index.metadata import COLUMNS, Document, column, from_columns

ROW_FORMATS = frozenset({".jsonl", ".ndjson", ".csv", ".tsv"})
_WANTED = ", ".join(COLUMNS["text"])
_SAMPLE = 1_000_000  # bytes that choose the encoding: a few hundred articles

Row = tuple[str, Document | str]
"""(the row's id or "line 7", the document or the reason why there is none)."""


def read_rows(file: BinaryIO, suffix: str, *, max_row_bytes: int) -> Iterator[Row]:
    """Yield each row of a JSONL, CSV or TSV file.

    A row's id is its id column, else its url, else the number of its first line.

    :param file: a seekable file opened for bytes
    :param suffix: one of ``ROW_FORMATS``
    :raises LoadError: the file as a whole is no table of articles
    """
    sample = file.read(_SAMPLE)
    encoding = sniff(sample[: sample.rfind(b"\n") + 1] or sample)
    file.seek(0)
    if encoding in {"utf-16", "utf-32"}:  # a byte 0x0A does not end a line there
        lines = _lines(codecs.EncodedFile(file, "utf-8", encoding, errors="replace"), max_row_bytes)
        encoding = "utf-8"
    else:
        lines = _lines(file, max_row_bytes)
    if suffix in {".jsonl", ".ndjson"}:
        yield from _read_jsonl(lines, encoding, max_row_bytes)
    else:
        yield from _read_csv(lines, encoding, suffix, max_row_bytes)


def _lines(file: "BinaryIO | codecs.StreamRecoder", limit: int) -> Iterator[tuple[int, bytes | None]]:
    """Yield (line number, line); None in place of a line over the limit, which is read past."""
    number = 0
    while line := file.readline(limit + 1):
        number += 1
        parts, size = [line], len(line)
        while line and not line.endswith(b"\n"):
            line = file.readline(1_000_000)
            size += len(line)
            if size <= limit + 1:
                parts.append(line)
        yield number, b"".join(parts) if size <= limit + 1 else None


def _text(line: bytes, encoding: str) -> str:
    try:
        return line.decode(encoding)
    except UnicodeError:  # the sample was plain ASCII, or this one line is damaged
        return decode(line)


def _overlong(limit: int) -> str:
    return f"over the limit of {limit / 1e6:g} MB a row; split it"


def _read_jsonl(lines: Iterator[tuple[int, bytes | None]], encoding: str, limit: int) -> Iterator[Row]:
    for number, line in lines:
        if line is None:
            yield f"line {number}", _overlong(limit)
        elif line.strip():
            try:
                row = _json_object(_text(line, encoding).removeprefix("\ufeff"))
                yield _row(row, number)
            except LoadError as error:
                yield f"line {number}", str(error)


def _json_object(line: str) -> dict[str, object]:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        # orjson refuses half a surrogate pair, which other writers cut emoji into; the standard library
        # takes it and to_plain replaces it.
        if "\\ud" not in line.lower():
            raise LoadError(f"not valid JSON: {error.msg}") from error
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as second:
            raise LoadError("not valid JSON") from second
    if not isinstance(row, dict):
        raise LoadError('expected a JSON object a line, such as {"title": …, "text": …}')
    return row


def _read_csv(
    lines: Iterator[tuple[int, bytes | None]], encoding: str, suffix: str, limit: int
) -> Iterator[Row]:
    bad: list[Row] = []
    last = 0  # the number of the line that csv was given last

    def texts() -> Iterator[str]:
        nonlocal last
        for number, line in lines:
            last = number
            try:
                if line is None:
                    raise LoadError(_overlong(limit))
                yield _text(line, encoding) if line.strip() else "\n"
            except LoadError as error:
                bad.append((f"line {number}", str(error)))

    source = texts()
    first = next(source, "").removeprefix("\ufeff")
    delimiter = "\t" if suffix == ".tsv" else max(",;\t|", key=first.count)
    try:
        header = [name.strip() for name in next(csv.reader([first], delimiter=delimiter), [])]
    except csv.Error as error:
        raise LoadError(f"not readable as CSV: its first line: {error}") from error
    if not set(COLUMNS["text"]) & {name.lower() for name in header}:
        raise LoadError(f"no text column: found {', '.join(header)[:200]}; expected one of {_WANTED}")
    csv.field_size_limit(max(limit, csv.field_size_limit()))  # of the process: raised, never lowered
    reader = csv.reader(source, delimiter=delimiter)
    while True:
        number = last + 1
        try:
            if (values := next(reader, None)) is None:
                break
            if len(values) > len(header):
                raise LoadError(f"{len(values)} values for {len(header)} columns; put the text in quotes")
            if values:
                yield _row(dict(zip(header, values, strict=False)), number)
        except csv.Error as error:
            yield f"line {number}", f"not readable as CSV: {error}; is a quotation mark left open?"
        except LoadError as error:
            yield f"line {number}", str(error)
    yield from bad


def _row(row: Mapping[str, object], number: int) -> Row:
    named = {str(name).strip().lower(): value for name, value in row.items()}
    text = column(named, "text")
    if isinstance(text, list) and all(isinstance(part, str) for part in text):
        text = "\n\n".join(text)
    if not isinstance(text, str):
        found = ", ".join(to_plain(name) for name in row)[:200]
        raise LoadError(f"no text: found {found or 'nothing'}; expected one of {_WANTED}")
    meta = from_columns(named)
    return meta.id or meta.url or str(number), Document(to_plain(text), meta)
