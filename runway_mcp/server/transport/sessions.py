"""The sessions of streamable HTTP, of which only so many may be idle."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from mcp.server.streamable_http import MCP_SESSION_ID_HEADER
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import Message, Receive, Scope, Send

from runway_mcp.server.context import caller_in

MOST_IDLE = 256
"""The most sessions without a request in flight or an open stream; above it, those of whoever has the most end."""

IDLE_SECONDS = 600.0
"""How long a session may be idle."""

_REFUSED = 400
# What the SDK answers for a session that it does not know.
_NO_SESSION = {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "Session not found"}}


@dataclass
class _Session:
    """A session: who opened it, by the ASGI scope and by name, and how many of its requests are in flight."""

    user: Any
    caller: str
    in_flight: int = 0


class Sessions:
    """The sessions of one manager of the SDK, which ends idle ones by time but would refuse new ones above a number.

    Above that number the caller who has the most idle ones loses the one that was idle longest, so that nobody can end
    the sessions of those who have fewer.
    A request of a session that is being ended is refused as a whole, so that none is taken and then lost. An entry may
    outlive its session, if that crashed or its time was over. It is then among its caller's longest idle ones.
    """

    def __init__(self, manager: StreamableHTTPSessionManager, *, most_idle: int = MOST_IDLE) -> None:
        self._manager = manager
        self._most_idle = most_idle
        self._busy: dict[str, _Session] = {}
        self._idle: dict[str, _Session] = {}
        self._ending: set[str] = set()

    async def open(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves `initialize`; the session that it opens may end an idle one."""
        opened: list[str] = []

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < _REFUSED:
                session = Headers(raw=message["headers"]).get(MCP_SESSION_ID_HEADER)
                if session is not None:
                    opened.append(session)
                    self._idle[session] = _Session(scope.get("user"), caller_in(scope))
                    self._begin(session)
            await send(message)

        try:
            await self._manager.handle_request(scope, receive, noting)
        finally:
            for session in opened:
                self._finish(session)
        await self._end_idle()

    async def serve(self, session: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves a request of a session, which is not idle meanwhile; 404 if there is none."""
        if session in self._ending:
            await JSONResponse(_NO_SESSION, 404)(scope, receive, send)
            return
        ended = False

        async def noting(message: Message) -> None:
            nonlocal ended
            ended = ended or (message["type"] == "http.response.start" and message["status"] < _REFUSED)
            await send(message)

        is_known = self._begin(session)
        is_delete = scope["method"] == "DELETE"
        try:
            await self._manager.handle_request(scope, receive, noting if is_delete else send)
        finally:
            if is_known:
                self._finish(session)
            if ended:
                self._idle.pop(session, None)
        await self._end_idle()

    def _begin(self, session: str) -> bool:
        """Counts a request; False if no such session is known."""
        known = self._busy.get(session) or self._idle.pop(session, None)
        if known is None:
            return False
        known.in_flight += 1
        self._busy[session] = known
        return True

    def _finish(self, session: str) -> None:
        known = self._busy[session]
        known.in_flight -= 1
        if not known.in_flight:
            self._idle[session] = self._busy.pop(session)

    async def _end_idle(self) -> None:
        while len(self._idle) > self._most_idle:
            (most, _), *_ = Counter(each.caller for each in self._idle.values()).most_common(1)
            session = next(each for each, known in self._idle.items() if known.caller == most)
            await self._end(session, self._idle.pop(session))

    async def _end(self, session: str, known: _Session) -> None:
        """Ends a session as its own client would: the SDK offers no other way."""
        scope: Scope = {
            "type": "http",
            "method": "DELETE",
            "path": "/mcp",
            "query_string": b"",
            "headers": [(MCP_SESSION_ID_HEADER.encode(), session.encode())],
            "user": known.user,
        }
        self._ending.add(session)
        try:
            await self._manager.handle_request(scope, _no_body, _unsent)
        finally:
            self._ending.discard(session)


async def _no_body() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _unsent(_: Message) -> None:
    """Drops a response that nobody waits for."""
