"""Bare connections to a server at a real port of this machine."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import anyio
from anyio.abc import SocketStream

HEALTH = b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"


def address(url: str) -> tuple[str, int]:
    place = urlsplit(url)
    return place.hostname or "", place.port or 0


@asynccontextmanager
async def at(url: str) -> AsyncGenerator[SocketStream]:
    """A bare connection to the server; the whole of it is bounded."""
    with anyio.fail_after(60):
        async with await anyio.connect_tcp(*address(url)) as connection:
            yield connection


async def everything(connection: SocketStream) -> bytes:
    """All that the server sends until it closes the connection."""
    received = b""
    try:
        async for chunk in connection:
            received += chunk
    except anyio.BrokenResourceError:
        pass  # the server cut it
    return received


async def healthy(connection: SocketStream) -> None:
    await connection.send(HEALTH)
    received = b""
    while b'"ok"' not in received:
        received += await connection.receive()
