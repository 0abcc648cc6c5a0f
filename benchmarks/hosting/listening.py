"""Open `subscriptions/listen` streams, thousands in one event loop: each notes when it is told of a change."""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final, cast

from benchmarks.talking import message

_AT_ONCE: Final = 25
_TOLD: Final = b"notifications/resources/updated"
_ACKNOWLEDGED: Final = b"notifications/subscriptions/acknowledged"


class Listener(asyncio.Protocol):
    """One stream: whether it is open, and when each update of its resource came, on the machine's monotonic clock."""

    def __init__(self, host: str, token: str, uri: str) -> None:
        sent = message("2026-07-28", 1, "subscriptions/listen", {"notifications": {"resourceSubscriptions": [uri]}})
        body = json.dumps(sent).encode()
        lines = (
            "POST /mcp HTTP/1.1",
            f"Host: {host}",
            f"Authorization: Bearer {token}",
            "Content-Type: application/json",
            "Accept: application/json, text/event-stream",
            "MCP-Protocol-Version: 2026-07-28",
            "Mcp-Method: subscriptions/listen",
            f"Content-Length: {len(body)}",
        )
        self._request = "\r\n".join([*lines, "", ""]).encode() + body
        self._unread = b""
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.heard: list[float] = []
        self.told = asyncio.Event()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asks for the stream."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Notes what whole events tell."""
        read = self._unread + data
        *events, self._unread = read.split(b"\r\n\r\n")
        if not self.opened.done() and _ACKNOWLEDGED in read:
            self.opened.set_result(None)
        self.heard += [time.perf_counter() for event in events if _TOLD in event]
        self.told.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Says so, if the stream never opened."""
        if not self.opened.done():
            self.opened.set_exception(ConnectionError(f"the stream did not open: {self._unread[:200]!r} {exc}"))


@dataclass(frozen=True)
class Delay:
    """How much later than a moment an update reached the streams: the first, half of them, the last; in seconds."""

    first: float
    median: float
    last: float


@dataclass
class Listeners:
    """Streams that are open at once, until `close`."""

    streams: list[Listener] = field(default_factory=list[Listener])

    async def open(self, origin: str, tokens: Sequence[str], uri: str, *, each: int) -> None:
        """Opens so many for each token, a few at a time; raises ConnectionError if one is refused."""
        name = origin.removeprefix("http://")
        host, _, port = name.partition(":")
        loop = asyncio.get_running_loop()
        # In turns, as a caller's requests are counted in each second.
        wanted = [token for _ in range(each) for token in tokens]
        for begin in range(0, len(wanted), _AT_ONCE):
            made = [
                await loop.create_connection(lambda token=token: Listener(name, token, uri), host, int(port))
                for token in wanted[begin : begin + _AT_ONCE]
            ]
            opened = [protocol for _, protocol in made]
            async with asyncio.timeout(60):
                await asyncio.gather(*(stream.opened for stream in opened))
            self.streams += opened

    async def heard(self, times: int, *, within: float) -> None:
        """Waits until each stream was told so many times; raises TimeoutError."""
        async with asyncio.timeout(within):
            for stream in self.streams:
                while len(stream.heard) < times:
                    await stream.told.wait()
                    stream.told.clear()

    def forget(self) -> None:
        """Forgets what was told so far."""
        for stream in self.streams:
            stream.heard.clear()

    def earliest(self, number: int) -> float:
        """When the first stream was told of the update of this number."""
        return min(stream.heard[number] for stream in self.streams)

    def delay(self, number: int, since: float) -> Delay:
        """How much later than a moment the update of this number came."""
        told = sorted(stream.heard[number] - since for stream in self.streams)
        return Delay(told[0], median(told), told[-1])

    def close(self) -> None:
        """Ends all of them."""
        for stream in self.streams:
            if stream.transport is not None:
                stream.transport.abort()
        self.streams.clear()
