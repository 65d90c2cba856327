"""The chat in a process of its own and Chromium before it: what the tests of the page share.

Holds: only loopback addresses are asked for; the process and the browser that were started are ended.
"""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

sync_api = pytest.importorskip("playwright.sync_api")

ROOT = Path(__file__).parents[1]
CHROMIUM = Path("/usr/bin/chromium")
# Chromium asks for nothing by itself; what it asks for all the same is not looked up.
QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE *.localhost",
)
PATIENCE = 300_000  # milliseconds: the first answer waits for the sample to be indexed and the models


def start(home: Path, *options: str) -> subprocess.Popen[str]:
    """Start the chat with caches and data of its own under ``home``."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(home), "XDG_DATA_HOME": str(home)}
    command = [sys.executable, "ui.py", *options]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def served(process: subprocess.Popen[str]) -> str:
    """Give the address that the process says it is at."""
    assert process.stdout
    line = process.stdout.readline()
    found = re.search(r"http://127\.0\.0\.1:\d+/", line)
    assert found, line + (process.stderr.read() if process.stderr else "")
    return found.group()


def stop(process: subprocess.Popen[str]) -> str:
    """End the process; give what it wrote to stderr."""
    process.terminate()
    return process.communicate(timeout=30)[1]


@contextmanager
def chat(home: Path, *options: str) -> Iterator[str]:
    """Run the chat; the value is its address."""
    process = start(home, "--port", str(free_port()), *options)
    try:
        yield served(process)
    finally:
        stop(process)


@contextmanager
def chromium(*options: str) -> Iterator["sync_api.Browser"]:
    """Run Chromium, which asks for nothing by itself."""
    if not CHROMIUM.exists():
        pytest.skip(f"needs {CHROMIUM}")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu", *QUIET, *options]
        )
        yield browser
        browser.close()


class Browsed:
    """A page in Chromium, with every host it asked for, every dialog it opened and every other window."""

    def __init__(self, page: "sync_api.Page", address: str) -> None:
        self.page = page
        self.hosts: set[str] = set()
        self.requests: list[str] = []
        self.dialogs: list[str] = []
        self.errors: list[str] = []
        self.opened: list[str] = []
        page.on("request", self._requested)
        page.on("dialog", self._said)
        page.on("popup", lambda other: self.opened.append(other.url))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(address, timeout=PATIENCE)

    def _requested(self, request: "sync_api.Request") -> None:
        if request.url.startswith(("data:", "blob:")):
            return
        self.requests.append(request.url)
        self.hosts.add(urlsplit(request.url).hostname or "")

    def _said(self, dialog: "sync_api.Dialog") -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    @property
    def box(self) -> "sync_api.Locator":
        """Where questions are typed."""
        return self.page.locator("#ask textarea")

    def ask(self, question: str) -> "sync_api.Locator":
        """Ask as a person does, and wait for the answer; give its turn, even if the same was asked before."""
        turns = self.page.locator(".turn:not(.only-notice)")  # a notice goes when the next question is asked
        asked = turns.count()
        self.box.fill(question)
        self.box.press("Enter")
        return self._answered(turns.nth(asked))

    def answered(self, question: str) -> "sync_api.Locator":
        """Wait for the answer to a question that this page was asked once; give its turn."""
        return self._answered(self.page.locator(".turn", has_text=question).last)

    def _answered(self, turn: "sync_api.Locator") -> "sync_api.Locator":
        turn.locator(".answer").wait_for(timeout=PATIENCE)
        return turn
