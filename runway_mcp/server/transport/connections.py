"""Bounds the connections of an HTTP server: how many there are, and how long each may stay silent.

Uvicorn times kept-alive connections alone, and only while they send nothing.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

MOST_CONNECTIONS = 2048
"""The most connections at a time, however many descriptors there are."""

ADMITTED = "runway_mcp.admitted"
"""What a request's ASGI scope has as true once the request has passed the checks of the server."""

ANSWERED_BY = "runway_mcp.answered_by"
"""Until when, by the event loop's clock, the answer to a request must be with its client, in its ASGI scope."""

_DESCRIPTORS = 2 * MOST_CONNECTIONS
_DESCRIPTORS_EACH = 2
_SWEEP_SECONDS = 0.5
_TIMEOUT_RESPONSE = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"

_Waiting = Literal["headers", "body", "reader", "close"]


@dataclass(frozen=True)
class ConnectionLimits:
    """What a connection may take, in seconds, and how many there may be.

    `headers_seconds`: from the connection, or from the first byte after a response, to whole headers. `body_seconds`:
    from whole headers to the whole body. `reader_seconds`: without the client taking any of what waits for it.
    `close_seconds`: from our close to the client's.
    """

    most: int = MOST_CONNECTIONS
    headers_seconds: float = 10.0
    body_seconds: float = 30.0
    reader_seconds: float = 60.0
    close_seconds: float = 5.0

    def seconds(self, waiting: _Waiting) -> float:
        """How long a connection may wait for this."""
        match waiting:
            case "headers":
                return self.headers_seconds
            case "body":
                return self.body_seconds
            case "reader":
                return self.reader_seconds
            case "close":
                return self.close_seconds


def limits_of_process() -> ConnectionLimits:
    """The limits that fit the process's descriptors, whose soft limit it raises as far as that is of use.

    Half of the descriptors are for connections. The rest serves upstream, files, and the connections that the event
    loop accepts before it hands over the first of them: several times the backlog.
    """
    descriptors = raised_descriptor_limit(_DESCRIPTORS)
    return ConnectionLimits(most=max(1, min(MOST_CONNECTIONS, descriptors // _DESCRIPTORS_EACH)))


def raised_descriptor_limit(wanted: int) -> int:
    """The soft limit of descriptors, raised to `wanted` if it is lower and the hard limit allows it."""
    try:
        import resource  # noqa: PLC0415  Windows lacks the module, and has no such limit
    except ImportError:  # pragma: no cover - Windows only
        return wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    target = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if target > soft:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
        except (OSError, ValueError):  # pragma: no cover - macOS refuses limits above one that it does not tell
            return soft
    return max(soft, target)


class HttpConnections:
    """The open connections of a server, ordered by their last whole headers, the longest ago first."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self._limits = limits
        self._open: dict[HttpConnection, None] = {}

    def protocol(self, serving: Callable[..., asyncio.Protocol]) -> type[asyncio.Protocol]:
        """The protocol that uvicorn is to make for each connection; `serving` is the one of uvicorn's that serves."""
        connections = self

        class Counted(HttpConnection):
            def __init__(self, **fields: Any) -> None:
                super().__init__(serving(**fields), connections)

        return Counted

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: "HttpConnection") -> None:
        """Counts a new connection; above the limit, the one that has waited longest for whole headers is cut.

        If none does, the oldest one is cut on which no request was admitted; without such, the new one.
        """
        self._open[connection] = None
        if len(self._open) > self._limits.most:
            giving_way = self._giving_way(connection)
            self.remove(giving_way)
            giving_way.abort()

    def _giving_way(self, newest: "HttpConnection") -> "HttpConnection":
        # Whoever opens connections above the limit makes the server look here, so it looks no further than it must.
        oldest: HttpConnection | None = None
        for each in self._open:
            if each is newest or each.is_admitted:
                continue
            if each.waits_for() in ("headers", "close"):
                return each
            oldest = oldest or each
        return oldest or newest

    def remove(self, connection: "HttpConnection") -> None:
        """Forgets a connection; does nothing if it is not counted."""
        self._open.pop(connection, None)

    def renew(self, connection: "HttpConnection") -> None:
        """Makes a connection the last one to give way, because its headers came."""
        if connection in self._open:
            del self._open[connection]
            self._open[connection] = None

    def abort_all(self) -> None:
        """Cuts every connection."""
        for connection in self._open:
            connection.abort()

    async def enforce(self) -> None:
        """Ends connections that are over their time, until it is cancelled."""
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            now = asyncio.get_running_loop().time()
            for connection in tuple(self._open):
                connection.end_if_late(now, self._limits.seconds)


class HttpConnection(asyncio.Protocol):
    """One connection, between the event loop and uvicorn's protocol, which serves it.

    It only observes: `http.cycle`, in each of uvicorn's protocols, is the newest request whose headers are whole, and
    `http.app` is what is called for each request when its turn comes.
    """

    def __init__(self, http: Any, connections: HttpConnections) -> None:
        self._http = http
        self._connections = connections
        self._transport: Any = None
        self._request: Any = None
        self._is_unread = False
        self._has_sent = False
        self._was_admitted = False
        # What is answered at the moment: behind it a client may have sent the next requests already.
        self._answered: Mapping[str, Any] | None = None
        if hasattr(http, "app"):
            http.app = self._noting(http.app)
        self._seen: tuple[object, _Waiting | None, int] = (None, None, 0)
        self._since = 0.0

    @property
    def is_admitted(self) -> bool:
        """Whether the last request on this connection has passed the checks of the server, or one that is answered now.

        While they are under way the one before it counts: they take a moment, and answer what they refuse.
        """
        request = self._http.cycle
        is_checked = request is not None and request.response_started
        is_answered = self._answered is not None and bool(self._answered.get(ADMITTED))
        return is_answered or _is_admitted(request) or (self._was_admitted and not is_checked)

    def waits_for(self) -> _Waiting | None:
        """What the connection waits for on the client's side; None while the server has all it needs."""
        request = self._http.cycle
        # Uvicorn's protocol on httptools reads on while a request is served; what it has read of the next one waits.
        has_earlier = bool(getattr(self._http, "pipeline", None))
        if self._transport.is_closing():
            return "reader" if self._transport.get_write_buffer_size() else "close"
        if self._is_unread:
            return "reader"
        if has_earlier:
            return None
        if request is None or request.response_complete:
            return "headers"
        return "body" if request.more_body else None

    def end_if_late(self, now: float, seconds: Callable[[_Waiting], float]) -> None:
        """Ends the connection if it has waited for one thing for longer than `seconds` allows it.

        A client that takes any of what waits for it is not late, unless its answer has a time of its own.
        """
        if self._answered is not None and now >= self._answered.get(ANSWERED_BY, math.inf):
            self.abort()
            return
        waiting = self.waits_for()
        seen = self._http.cycle, waiting, self._transport.get_write_buffer_size()
        if self._seen != seen:
            self._seen = seen
            self._since = now
        elif waiting is not None and now - self._since >= seconds(waiting):
            self._end(waiting)

    def _noting(self, app: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        async def run(scope: Mapping[str, Any], receive: object, send: object) -> None:
            self._answered = scope
            try:
                await app(scope, receive, send)
            finally:
                if self._answered is scope:
                    self._answered = None

        return run

    def _end(self, waiting: _Waiting) -> None:
        request = self._http.cycle
        is_answered = request is not None and request.response_started
        if waiting in ("headers", "body") and self._has_sent and not is_answered:
            self._transport.write(_TIMEOUT_RESPONSE)
        if waiting == "headers" or (waiting == "body" and not is_answered):
            self._transport.close()
        else:
            self._transport.abort()

    def abort(self) -> None:
        """Closes the connection at once, with all that was not sent."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Counts the connection; it may be cut at once, if no other can give way."""
        self._transport = transport
        self._since = asyncio.get_running_loop().time()
        self._seen = None, "headers", 0
        self._http.connection_made(transport)
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets the connection."""
        self._connections.remove(self)
        self._http.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Passes bytes on, and notes whether they completed a request's headers."""
        self._has_sent = True
        self._http.data_received(data)
        if self._http.cycle is not self._request:
            self._was_admitted = _is_admitted(self._request)
            self._request = self._http.cycle
            self._connections.renew(self)

    def eof_received(self) -> bool | None:
        """Passes the end of the client's side on."""
        return self._http.eof_received()

    def pause_writing(self) -> None:
        """Notes that the client has not read what was sent."""
        self._is_unread = True
        self._http.pause_writing()

    def resume_writing(self) -> None:
        """Notes that the client has read on."""
        self._is_unread = False
        self._http.resume_writing()


def _is_admitted(request: Any) -> bool:
    return request is not None and bool(request.scope.get(ADMITTED))
