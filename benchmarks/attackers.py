"""What strangers do to a server on HTTP until SIGTERM: they hold, drip, guess, abandon and pretend.

Run in a process of its own, `python -m benchmarks.attackers ORIGIN`, with the access token in `ACCESS_TOKEN`; prints
what was done as JSON.
"""

import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from urllib.parse import urlsplit

import anyio
import httpx
from anyio.abc import SocketStream

IDLE = 700
"""How many connections that send nothing are held at a time."""

_DRIPPING = 20
_GUESSERS = 8
_FAILURES = (anyio.BrokenResourceError, anyio.EndOfStream, OSError, httpx.HTTPError, TimeoutError)
_INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "gone", "version": "0"}},
}


@dataclass
class Attack:
    """An attack on a server: its origin, the access token that one careless client has, and what was done."""

    origin: str
    access_token: str
    done: Counter[str] = field(default_factory=Counter[str])

    async def connect(self) -> SocketStream:
        """A connection to the server."""
        at = urlsplit(self.origin)
        return await anyio.connect_tcp(at.hostname or "", at.port or 0)

    async def run(self) -> None:
        """All of it at once, until it is cancelled."""
        async with httpx.AsyncClient(trust_env=False, timeout=20) as client, anyio.create_task_group() as group:
            for _ in range(IDLE):
                group.start_soon(self._again, "idle connections", self._idle)
            for _ in range(_DRIPPING):
                group.start_soon(self._again, "slow headers", self._slow_headers)
                group.start_soon(self._again, "slow bodies", self._slow_body)
                group.start_soon(self._again, "slow callbacks", self._slow_callback)
            numbers = count()
            for _ in range(_GUESSERS):
                group.start_soon(self._again, "guessed tokens", lambda: self._guess(client, next(numbers)))
            group.start_soon(self._again, "abandoned sessions", lambda: self._abandon(client))
            group.start_soon(self._again, "callbacks", lambda: self._callback(client, next(numbers)))
            group.start_soon(self._again, "forged log lines", lambda: self._forge(client, next(numbers)))

    async def _again(self, what: str, step: Callable[[], Awaitable[None]]) -> None:
        while True:
            with suppress(*_FAILURES):
                await step()
            self.done[what] += 1
            await anyio.sleep(0.05)

    async def _idle(self) -> None:
        async with await self.connect() as connection:
            await connection.receive()

    async def _slow_headers(self) -> None:
        async with await self.connect() as connection:
            for byte in b"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\nx: " + b"y" * 60:
                await connection.send(bytes([byte]))
                await anyio.sleep(1)

    async def _slow_body(self) -> None:
        head = f"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {self.access_token}\r\n"
        await self._drip(f"{head}content-type: application/json\r\ncontent-length: 1000\r\n\r\n")

    async def _slow_callback(self) -> None:
        await self._drip(f"POST /callbacks/{'x' * 32} HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n")

    async def _drip(self, head: str) -> None:
        async with await self.connect() as connection:
            await connection.send(head.encode())
            for _ in range(120):
                await connection.send(b" ")
                await anyio.sleep(1)

    async def _guess(self, client: httpx.AsyncClient, number: int) -> None:
        await client.post(f"{self.origin}/mcp", headers={"authorization": f"Bearer guess-{number}"}, content=b"{}")

    async def _abandon(self, client: httpx.AsyncClient) -> None:
        headers = {"authorization": f"Bearer {self.access_token}", "accept": "application/json, text/event-stream"}
        await client.post(f"{self.origin}/mcp", headers=headers, json=_INITIALIZE)
        await anyio.sleep(0.05)

    async def _callback(self, client: httpx.AsyncClient, number: int) -> None:
        await client.post(f"{self.origin}/callbacks/{number:032d}", content=b"x" * 100_000)

    async def _forge(self, client: httpx.AsyncClient, number: int) -> None:
        headers = {"authorization": f"Bearer {self.access_token}", "content-type": "application/json"}
        line = f"%0a2026-01-01%20ERROR%20forged{number}%1b[2K"
        await client.post(f"{self.origin}/messages/?session_id={line}", headers=headers, content=b'{"forged": 1}')
        await client.post(f"{self.origin}/mcp", headers=headers | {"host": f"evil{number}.example.com"}, content=b"{}")


async def main(origin: str, access_token: str) -> None:
    """Attacks until SIGTERM."""
    attack = Attack(origin, access_token)
    with anyio.open_signal_receiver(signal.SIGTERM) as told:
        async with anyio.create_task_group() as group:
            group.start_soon(attack.run)
            async for _ in told:
                group.cancel_scope.cancel()
                break
    sys.stdout.write(json.dumps(attack.done) + "\n")


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], os.environ["ACCESS_TOKEN"])
