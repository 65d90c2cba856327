"""Give the loaders mutated files: an article or a typed error, within the limits of time and memory.

python tests/sweep_fuzz.py [--inputs N] [--format .pdf]    # 20,000 of each format without it

Mutations are of bytes and, for archives, of what is inside them. Prints for each format how many gave an
article, how many were refused, the slowest, and the most memory that the child process had.
"""

import io
import random
import resource
import subprocess
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from test_index_formats import PAGE, make_docx, make_epub, make_pdf

from index.errors import LoadError
from index.fetch import Fetched
from index.rows import read_rows
from index.worker import Parsers

FEED = b"""<?xml version="1.0"?><rss version="2.0"><channel><title>Elsk Feed</title><item><title>One</title>
<link>https://elsk.example/one</link><pubDate>Sat, 14 Mar 2026 09:00:00 GMT</pubDate><description>&lt;p&gt;Its
own words.&lt;/p&gt;</description></item></channel></rss>"""
TEXT = (
    "---\ntitle: Bridge\ndate: 2026-03-14\n---\n# Bridge opens\n\nThe bridge “opened” on Monday, 😀 said.\n"
)
SEEDS: dict[str, list[bytes]] = {
    ".txt": [TEXT.encode(), TEXT.encode("utf-16"), TEXT.encode("cp1252", "replace")],
    ".md": [TEXT.encode()],
    ".html": [PAGE.encode("cp1252", "replace"), b"<p>" * 50 + b"The bridge opened." + b"</p>" * 50],
    ".pdf": [make_pdf("The bridge opened.\nIt cost 43m.", "Page two.", info="/Title (Bridge)")],
    ".docx": [make_docx()],
    ".epub": [make_epub()],
    ".jsonl": [b'{"id": "1", "title": "Bridge", "text": "It opened.", "date": "2026-03-14"}\n' * 4],
    ".csv": [b'title,text,date\nBridge,"It opened, they said.",2026-03-14\n"A ""quote""",Text,\n' * 3],
    "feed": [FEED],
}
NASTY = [
    *(
        b"\0",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\xed\xa0\x80",
        b"\xe2\x80\xae",
        b"\r\n",
        b"\x1a",
        b"%00",
        b"../",
    ),
    *(
        b"<!ENTITY a SYSTEM 'file:///etc/passwd'>",
        b"<![CDATA[",
        b"&#x110000;",
        b"]]>",
        b"<" * 300,
        b"{" * 300,
    ),
    *(b'"' * 99, b"[" * 3000, b"9" * 400, b"-1", b"4294967295", b"1e999", b"\\ud83d", b"<script>", b"\x0c"),
    *(
        b"/Length 99999999",
        b"/Count -5",
        b"/Kids [3 0 R 3 0 R]",
        b"stream\n",
        b"endobj",
        b"/Filter /JBIG2Decode",
    ),
]
MEGABYTES = 512 + 150  # what the parsers have before the first file is 100
SECONDS = 60.0  # of a clock; the limit is of 10 seconds of processor time, which a busy machine stretches


def mutated(rng: random.Random, data: bytes) -> bytes:
    for _ in range(rng.choice([1, 1, 2, 4, 16])):
        at, end = rng.randrange(len(data) + 1), rng.randrange(len(data) + 1)
        low, high = sorted((at, min(end, at + 200)))
        kind = rng.randrange(6)
        if kind == 0 and data:
            at = rng.randrange(len(data))
            data = data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]
        elif kind == 1:
            data = data[:at] + rng.choice(NASTY) + data[at:]
        elif kind == 2:
            data = data[:low] + data[high:]
        elif kind == 3:
            data = data[:at] + data[low:high] * rng.choice([1, 2, 50]) + data[at:]
        elif kind == 4:
            data = data[:at]
        else:
            data = data[:at] + rng.randbytes(rng.randrange(20)) + data[at:]
    return data[:500_000]


def mutated_archive(rng: random.Random, data: bytes) -> bytes:
    """Change what is inside an archive, so that it still unpacks."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        names = old.namelist()
        chosen = rng.choice(names)
        for name in names:
            content = old.read(name)
            new.writestr(name, mutated(rng, content) if name == chosen else content)
    return file.getvalue()


def reader(suffix: str, parsers: Parsers) -> Callable[[bytes], object]:
    if suffix == "feed":
        return lambda data: parsers.read_feed(Fetched("https://elsk.example/feed", "", data))
    if suffix in {".jsonl", ".csv"}:
        return lambda data: list(read_rows(io.BytesIO(data), suffix, max_row_bytes=100_000))
    return lambda data: parsers.read(data, suffix, max_unpacked=10_000_000)


def sweep(suffix: str, inputs: int) -> int:
    rng, counts, slowest, wrong = random.Random(suffix), Counter[str](), 0.0, 0
    with Parsers() as parsers:
        read = reader(suffix, parsers)
        with suppress(LoadError):
            read(SEEDS[suffix][0])  # the child has started
        for _ in range(inputs):
            data = rng.choice(SEEDS[suffix])
            if suffix in {".docx", ".epub"} and rng.random() < 0.7:
                data = mutated_archive(rng, data)
            else:
                data = mutated(rng, data)
            began = time.monotonic()
            try:
                read(data)
                counts["read"] += 1
            except LoadError as error:
                counts["refused"] += 1
                counts["crashed"] += "crashed" in str(error)
                counts["out of time"] += "took more than" in str(error)
                wrong += "\n" in str(error)
            except Exception as error:
                wrong += 1
                print(f"{suffix}: {type(error).__name__}: {error}: {data[:200]!r}")
            slowest = max(slowest, time.monotonic() - began)
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3
    wrong += (slowest > SECONDS) + (memory > MEGABYTES) + (counts["crashed"] > inputs / 1_000)
    print(
        f"{suffix}: {inputs:,} inputs, {dict(counts)}, slowest {slowest:.2f} s, child {memory:.0f} MB, {wrong} wrong"
    )
    return wrong


def option(name: str, default: str) -> str:
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else default


if __name__ == "__main__":
    only, count = option("--format", ""), int(option("--inputs", "20000"))
    if only:
        sys.exit(1 if sweep(only, count) else 0)
    # A process for each format, so that the memory of one is not counted for the next.
    command = [sys.executable, __file__, "--inputs", str(count), "--format"]
    sys.exit(max(subprocess.run([*command, suffix], check=False).returncode for suffix in SEEDS))
