"""What waits on a stream of the HTTP+SSE transport until its client has read it, bounded in number and time.

Over `/mcp` a request lasts until its answer was read, and so does its place. Over HTTP+SSE a request is over before
anybody looks at what it asks for, and its answer waits on another connection.
"""

import math
from collections import deque
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from types import TracebackType
from typing import Final, Protocol, Self

import anyio
from mcp.shared.message import SessionMessage
from starlette.types import Message, Scope, Send

from runway_mcp.server.transport.caller_rules import CallerRules
from runway_mcp.server.transport.connections import ANSWERED_BY

MOST_UNREAD: Final = 256
"""So many messages may wait on a stream; with one more its connection is cut."""

UNREAD_SECONDS: Final = 300.0
"""So long a message may wait before the connection is cut, in seconds."""

_EVENT: Final = b"event: message"


class _Stream(Protocol):
    async def send(self, item: SessionMessage, /) -> None: ...
    async def aclose(self) -> None: ...


class Unread:
    """The messages that wait on one stream, the request for which has that `scope`; `send` is its ASGI channel.

    Its server writes to `bounded`, its response is sent by `sending`. `rules` take what a message needs while it waits;
    on leaving all is given back.
    """

    def __init__(self, scope: Scope, send: Send, rules: CallerRules | None) -> None:
        self._scope = scope
        self._send = send
        self._rules = rules
        self._waiting: deque[tuple[float, ExitStack]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self._waiting:
            self._waiting.popleft()[1].close()

    async def sending(self, message: Message) -> None:
        """Sends a part of the response; one with a whole message, which was read then, ends the oldest one's wait."""
        await self._send(message)
        if message["type"] == "http.response.body" and message.get("body", b"").startswith(_EVENT) and self._waiting:
            self._waiting.popleft()[1].close()
            self._note_end()

    def bounded(self, stream: _Stream) -> "BoundedStream":
        """The stream, each of whose messages waits from its sending on."""
        return BoundedStream(stream, self)

    @contextmanager
    def sent(self, message: SessionMessage) -> Generator[SessionMessage | None]:
        """What is to be sent of a message, which waits from now on unless its sending fails; None if too many wait."""
        if len(self._waiting) >= MOST_UNREAD:
            self._scope[ANSWERED_BY] = -math.inf
            yield None
            return
        taken = ExitStack()
        if self._rules is not None:
            told = taken.enter_context(self._rules.waiting(self._scope, message.message))
            message = SessionMessage(told, message.metadata)
        waiting = anyio.current_time(), taken
        self._waiting.append(waiting)
        self._note_end()
        try:
            yield message
        except BaseException:
            # As of a call that ends while its progress is sent: nobody reads that any more.
            with taken, suppress(ValueError):
                self._waiting.remove(waiting)
            self._note_end()
            raise

    def _note_end(self) -> None:
        self._scope[ANSWERED_BY] = self._waiting[0][0] + UNREAD_SECONDS if self._waiting else math.inf


class BoundedStream:
    """A stream that sends only what may wait; made by `Unread.bounded`."""

    def __init__(self, stream: _Stream, unread: Unread) -> None:
        self._stream = stream
        self._unread = unread

    async def send(self, item: SessionMessage, /) -> None:
        """Sends a message, or what is told in its place; drops one too many, after which the connection is cut."""
        with self._unread.sent(item) as told:
            if told is not None:
                await self._stream.send(told)

    async def aclose(self) -> None:
        """Closes the stream."""
        await self._stream.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> bool | None:
        await self.aclose()
        return None
