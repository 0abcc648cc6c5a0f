"""Serves one stream to a host of either era.

The SDK ties a connection to the era of its first request. A host may probe with `server/discover` and send `initialize`
without waiting for the response: it is served in the older era.
"""

import contextlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
from anyio.streams.memory import MemoryObjectSendStream
from mcp.server.lowlevel import Server
from mcp.server.runner import serve_dual_era_loop
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCRequest


async def serve_either_era(server: Server[Any], read: Any, write: Any, state: Any) -> None:
    """Serves until `read` ends, and closes both streams; `state` is the open lifespan of the server."""
    opening: SessionMessage | None = None
    async with write, read:
        while True:
            async with _serving(server, write, state) as inbox:
                opening = await _relayed(read, inbox, opening)
            if opening is None:
                return


@asynccontextmanager
async def _serving(
    server: Server[Any], write: Any, state: Any
) -> AsyncGenerator[MemoryObjectSendStream[SessionMessage | Exception]]:
    """One loop of the SDK, tied to one era; it handles all that it was sent before it ends."""
    inbox, read = anyio.create_memory_object_stream[SessionMessage | Exception]()
    outbox, written = anyio.create_memory_object_stream[SessionMessage]()

    async def forward() -> None:
        async with written:
            async for message in written:
                # A host that stopped reading ends the transport, which ends this loop.
                with contextlib.suppress(anyio.BrokenResourceError):
                    await write.send(message)

    async with anyio.create_task_group() as group:
        group.start_soon(forward)
        group.start_soon(partial(serve_dual_era_loop, server, read, outbox, lifespan_state=state))
        async with inbox:
            yield inbox


async def _relayed(
    read: Any, inbox: MemoryObjectSendStream[SessionMessage | Exception], opening: SessionMessage | None
) -> SessionMessage | None:
    """Relays messages until the stream ends (None), or until `initialize`, which it returns, follows only a probe."""
    only_probed = opening is None
    if opening is not None:
        await inbox.send(opening)
    probed = False
    async for message in read:
        method = _method(message)
        if method == "initialize" and only_probed and probed:
            return message
        only_probed = only_probed and method in (None, "server/discover")
        probed = probed or method == "server/discover"
        await inbox.send(message)
    return None


def _method(message: SessionMessage | Exception) -> str | None:
    """The method of a request; None for every other message."""
    request = message.message if isinstance(message, SessionMessage) else None
    return request.method if isinstance(request, JSONRPCRequest) else None
