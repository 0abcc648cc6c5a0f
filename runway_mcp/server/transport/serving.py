"""Runs an HTTP app on a socket until SIGINT or SIGTERM, and ends it in a bounded time."""

import asyncio
import errno
import logging
import math
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from runway_mcp.server.transport.connections import ConnectionLimits, HttpConnections, limits_of_process
from runway_mcp.server.transport.cut_off import served_within
from runway_mcp.server.transport.heads import bounded
from runway_mcp.server.transport.signals import stop_signals

BACKLOG = 64
"""How many connections the system holds for the server. The event loop accepts as many at a time, unbounded else."""

GRACE_SECONDS = 1.0
"""How long requests may go on after a stop signal, in seconds; open streams would never end by themselves."""

LIMIT_SECONDS = 4
"""How long the process waits for connections that do not close even then, in seconds."""


@dataclass(frozen=True)
class Drain:
    """A stop that is told before: `begin` is called at the signal, and `seconds` later the server stops."""

    begin: Callable[[], None]
    seconds: float


_OUT_OF_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)

_log = logging.getLogger(__name__)


def bind(host: str, port: int) -> socket.socket:
    """A bound server socket; port 0 takes a free one. Raises `OSError` if the address is not available."""
    family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    listener = socket.create_server(address[:2], family=family)
    # asyncio sends small responses without delay only on sockets that name their protocol.
    return socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=listener.detach())


def url_of(host: str, listener: socket.socket) -> str:
    """The URL of `host` with the port that the socket really has."""
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{listener.getsockname()[1]}"


async def serve_app(
    app: Starlette,
    listener: socket.socket,
    *,
    ready: Callable[[], None],
    limits: ConnectionLimits | None = None,
    drain: Drain | None = None,
    stopping: Callable[[], None] = lambda: None,
    end_streams: Callable[[], None] = lambda: None,
) -> None:
    """Serves the app, within its lifespan, until SIGINT or SIGTERM; calls `ready` once it can be reached.

    Must be called in the main thread. Closes the socket. Logs no request, since its URL may hold a secret. Without
    `limits`, as many connections as the process's descriptors allow; it raises their soft limit. With a `drain` it goes
    on serving for a while after the signal. Calls `stopping` once it begins to end, at the signal, and `end_streams`
    when nothing new is taken any more: what these end by themselves is told as ended, and not cut off.
    """
    closing = Closing()
    connections = HttpConnections(limits or limits_of_process())
    config = uvicorn.Config(
        endable(trimmed(app), closing),
        access_log=False,
        backlog=BACKLOG,
        http=connections.protocol(bounded()),
        lifespan="off",
        log_config=None,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=LIMIT_SECONDS,
        ws="none",
    )
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()
    loop.set_exception_handler(partial(_tell_failure, connections))
    # The lifespan is entered here, because uvicorn would exit the process if it fails.
    try:
        with listener:
            async with app.router.lifespan_context(app), anyio.create_task_group() as group:
                group.start_soon(connections.enforce)
                server = _BoundedServer(config, closing, ready, drain=drain, stopping=stopping, end_streams=end_streams)
                await server.serve(sockets=[listener])
                connections.abort_all()
                group.cancel_scope.cancel()
    finally:
        loop.set_exception_handler(before)


def _tell_failure(connections: HttpConnections, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Logs a failure in the event loop; a lack of descriptors in one line, and all else as the loop does."""
    error = context.get("exception")
    if isinstance(error, OSError) and error.errno in _OUT_OF_DESCRIPTORS:
        _log.error(
            "out of file descriptors, with %d HTTP connections open: new connections wait. A higher limit helps "
            "(ulimit -n, LimitNOFILE)",
            len(connections),
        )
    else:
        loop.default_exception_handler(context)


class _BoundedServer(uvicorn.Server):
    """Uvicorn with this package's signals; its own are raised again at its end, which changes the exit code."""

    def __init__(
        self,
        config: uvicorn.Config,
        closing: "Closing",
        ready: Callable[[], None],
        *,
        drain: Drain | None,
        stopping: Callable[[], None],
        end_streams: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self._closing = closing
        self._ready = ready
        self._drain = drain
        self._stopping = stopping
        self._end_streams = end_streams

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        loop = asyncio.get_running_loop()

        def stop() -> None:
            if self._drain is None:
                self.should_exit = True
            else:
                # A signal may come between two steps of whatever runs, so what it begins waits for its turn.
                loop.call_soon_threadsafe(self._begin_drain, self._drain)

        with stop_signals(stop):
            yield

    def _begin_drain(self, drain: Drain) -> None:
        self._stopping()
        drain.begin()
        asyncio.get_running_loop().call_later(drain.seconds, self._exit)

    def _exit(self) -> None:
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._drain is None:
            self._stopping()
        self._end_streams()
        self._closing.begin()
        await super().shutdown(sockets)


class Closing:
    """The requests under way, which end soon after the server begins to stop."""

    def __init__(self) -> None:
        self._scopes: set[anyio.CancelScope] = set()
        self._ends = math.inf

    def begin(self) -> None:
        """Lets what runs, and what still comes, go on for `GRACE_SECONDS` at most."""
        self._ends = anyio.current_time() + GRACE_SECONDS
        for scope in self._scopes:
            scope.deadline = self._ends

    @contextmanager
    def ending(self) -> Generator[None]:
        """Cancels its body at that time; a deadline costs a request far less than a task of its own."""
        ends = self._ends if math.isinf(self._ends) else anyio.current_time() + GRACE_SECONDS
        with anyio.CancelScope(deadline=ends) as scope:
            self._scopes.add(scope)
            try:
                yield
            finally:
                self._scopes.discard(scope)


def trimmed(app: ASGIApp) -> ASGIApp:
    """The app, with header values without the blanks around them, which are none of the value (RFC 9112, 5.1).

    The parser of httptools leaves those behind a value in it.
    """

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        headers: list[tuple[bytes, bytes]] = scope.get("headers", [])
        if any(value.strip(b" \t") is not value for _, value in headers):
            scope["headers"] = [(name, value.strip(b" \t")) for name, value in headers]
        await app(scope, receive, send)

    return run


def endable(app: ASGIApp, closing: Closing) -> ASGIApp:
    """The app, with requests that end soon after `closing` begins: begun responses by a last chunk, others by 503."""

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        await served_within(closing.ending(), app, scope, receive, send, refusal=_stopping)

    return run


def _stopping() -> ASGIApp:
    return PlainTextResponse("The server is stopping", 503)
