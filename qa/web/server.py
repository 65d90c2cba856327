"""The server of the page: FastAPI with the guard, the login, everyone's routes, and last of all Gradio.

Holds: what this process serves is decided here and in `qa.web.guard`, never by an environment variable;
waiting questions and open connections are bounded; `Server.stop` returns within seconds.
Does not build the page and answers no question.
"""

import asyncio
import importlib.util
import logging
import os
import socket
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs
import uvicorn
from fastapi import APIRouter, FastAPI, Request, Response
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from index.errors import CitewireError
from qa.web.guard import HEAD, Gate, Guard
from qa.web.login import Login
from qa.web.users import Users

if TYPE_CHECKING:
    import gradio as gr

PORT = 7860  # Gradio's own, and so the one that people expect
PORTS = 100  # tried from there on
QUEUE = 64  # questions that wait, for two cores that answer a few in a second; one more gets 503 at once
CONCURRENCY = 4  # Gradio's events of one kind that run side by side, where the page names no other number
CONNECTIONS = 512  # open at once; each person who looks at the page holds one
KEEP_ALIVE = 10  # seconds that a connection stays open with no request, or half of one
STUCK = 30  # seconds that a client may leave what it was sent unread
PROXIES = ["127.0.0.1", "::1", "::ffff:127.0.0.1"]  # this machine, as each kind of socket names it
GRACE = 1  # seconds that replies have left when the server is told to stop
LOCAL = ("localhost", "127.0.0.1", "[::1]")
ANYWHERE = ("0.0.0.0", "::", "")
NOT_ENCRYPTED = "citewire: what is sent is not encrypted, unless a proxy that speaks TLS stands in front"
TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}


def default_votes_path() -> Path:
    """Give the file that votes go to when none is named."""
    return Path(platformdirs.user_data_dir("citewire")) / "votes.jsonl"


@dataclass(frozen=True, slots=True)
class Service:
    """How the page is served.

    ``port``: None for 7860 or, if that is taken, the next that is free. ``names``: host names answered to
    besides this machine's own. ``users``: the file of those who may log in; None where no login is asked for,
    which is for one person on this machine. ``add``: articles may be added on the page. ``votes``: the file
    that votes go to. ``mcp``: Gradio's MCP server runs too.
    """

    host: str = "127.0.0.1"
    port: int | None = None
    names: tuple[str, ...] = ()
    users: Path | None = None
    add: bool = True
    votes: Path = field(default_factory=default_votes_path)
    mcp: bool = False

    @property
    def answers_to(self) -> tuple[str, ...]:
        """The host names of requests that are let in."""
        if self.host in LOCAL[:2]:
            return (*LOCAL, *self.names)
        bound = () if self.host in ANYWHERE else (f"[{self.host}]" if ":" in self.host else self.host,)
        return (*LOCAL, socket.gethostname(), *bound, *self.names)


def make_app(
    blocks: "gr.Blocks",
    service: Service,
    routers: Sequence[APIRouter] = (),
    *,
    head: str = "",
    theme: Any = None,
) -> FastAPI:
    """Put the page, its files and everyone's routes behind the guard and, where users are named, the login.

    :param blocks: the page; its queue is replaced by a bounded one
    :param routers: routes under /page/ and /api/, which come before Gradio's
    :param head: HTML for the page's head
    :raises CitewireError: the MCP server is asked for and not installed, or nobody can log in
    """
    from gradio.routes import mount_gradio_app

    from qa.web.bounds import keep_little, take_no_files

    if service.mcp and importlib.util.find_spec("mcp") is None:
        raise CitewireError("the MCP server is not installed; add it with: pip install 'citewire[mcp]'")
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)  # `qa.web.routes` describes its own
    if service.users:
        app.add_middleware(Login, users=Users.read(service.users))
    gate = Gate.of(service.answers_to, login=service.users is not None, mcp=service.mcp)
    app.add_middleware(Guard, gate=gate)
    for router in (_files(), *routers):
        app.include_router(router)
    # Figures that nobody sees, made anew after every event: 12 ms of CPU where 10,000 are kept.
    os.environ.update(GRADIO_ANALYTICS_MAX_EVENTS="1", GRADIO_ANALYTICS_CACHE_FREQUENCY=str(sys.maxsize))
    take_no_files(blocks)
    blocks.queue(api_open=False, max_size=QUEUE, default_concurrency_limit=CONCURRENCY)
    keep_little(blocks)
    # Whatever is left to its default here is read from the environment by Gradio.
    mount_gradio_app(
        app, blocks, "/", server_name=service.host, server_port=service.port or PORT, root_path="",
        allowed_paths=[], blocked_paths=[], max_file_size=1, show_error=False, enable_monitoring=False,
        run_history=False, ssr_mode=False, pwa=False, mcp_server=service.mcp, footer_links=[], theme=theme,
        head=head,
    )  # fmt: skip
    blocks.share = False
    if service.mcp and blocks.mcp_error:
        raise CitewireError(f"the MCP server cannot be started: {blocks.mcp_error}")
    return app


def _files() -> APIRouter:
    """Serve the scripts and styles beside this module under /page/, each with its hash as ETag."""
    router = APIRouter(include_in_schema=False)
    for path in sorted(Path(__file__).parent.iterdir()):
        if path.suffix in TYPES:
            router.add_api_route(f"/page/{path.name}", _sender(path), methods=["GET", "HEAD"])
    return router


def _sender(path: Path) -> Any:
    body, kind = path.read_bytes(), TYPES[path.suffix]
    tag = f'"{sha256(body).hexdigest()[:32]}"'
    headers = {"etag": tag, "cache-control": "no-cache"}  # asked for each time, sent when it has changed

    def send(request: Request) -> Response:
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(body, headers=headers, media_type=kind)

    return send


class _Impatient(H11Protocol):
    """uvicorn waits for ever for a whole request, and until its reply is read; this ends the connection."""

    _stuck: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._expect()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stuck = self.loop.call_later(STUCK, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._let_go()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._let_go()

    def _let_go(self) -> None:
        if self._stuck:
            self._stuck.cancel()

    def _expect(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(KEEP_ALIVE, self._end, self.cycle)

    def _end(self, last: RequestResponseCycle | None) -> None:
        if self.cycle is last:
            self.transport.close()  # which waits until what was written is read
            self.loop.call_later(STUCK, self.transport.abort)


class Server:
    """The page at its address, in a thread of its own."""

    def __init__(self, app: FastAPI, service: Service) -> None:
        self._socket = _listen(service)
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            app, log_config=None, access_log=False, server_header=False, date_header=True, lifespan="on",
            http=_Impatient, ws="none", h11_max_incomplete_event_size=HEAD,
            limit_concurrency=CONNECTIONS, timeout_keep_alive=KEEP_ALIVE, timeout_graceful_shutdown=GRACE,
            # A proxy that ends TLS says who asks, and how; it is believed on this machine only.
            proxy_headers=service.users is not None, forwarded_allow_ips=PROXIES,
        )  # fmt: skip
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        self._uvicorn = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._uvicorn.run, kwargs={"sockets": [self._socket]}, daemon=True, name="citewire-server"
        )

    def start(self) -> None:
        """Return when the page can be asked for.

        :raises CitewireError: the server ended before that; the log says why
        """
        self._thread.start()
        while not self._uvicorn.started:
            self._thread.join(0.02)
            if not self._thread.is_alive():
                raise CitewireError("the server could not start; the lines above say why")

    def stop(self) -> None:
        """End the server, open streams too, within a few seconds."""
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # it reports each stream it cuts off
        self._uvicorn.should_exit = True
        self._thread.join(GRACE + 4)


def announcement(service: Service, port: int) -> str:
    """Say where the page is, in one line."""
    moved = f" (port {PORT} is taken)" if service.port is None and port != PORT else ""
    named = service.names[0] if service.names else service.host
    if service.users and not service.names and service.host in ANYWHERE:
        named = socket.gethostname()
    shown = f"[{named}]" if ":" in named.strip("[]") and not named.startswith("[") else named
    return f"Citewire is at http://{shown}:{port}/{moved}; Ctrl+C stops it"


def serve(app: FastAPI, service: Service) -> Server:
    """Run the app in a thread, and return when it listens.

    :raises CitewireError: the port is taken, or the address is not this machine's
    """
    server = Server(app, service)
    server.start()
    return server


def _listen(service: Service) -> socket.socket:
    family = socket.AF_INET6 if ":" in service.host else socket.AF_INET
    for port in (service.port,) if service.port else range(PORT, PORT + PORTS):
        listening = socket.socket(family)
        if os.name == "posix":  # elsewhere this would take the port from another process
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((service.host, port))
            listening.listen(CONNECTIONS)
        except OSError as error:
            listening.close()
            if isinstance(error, socket.gaierror) or error.errno == 99:
                raise CitewireError(f"{service.host} is not an address of this machine") from error
        else:
            return listening
    taken = f"port {service.port} is taken" if service.port else f"no port from {PORT} on is free"
    raise CitewireError(f"{taken}; choose another with --port")
