"""The real server in the test's process: its lifespan is open, and any number of real clients come and go.

Each client, of either era, has a wire of its own: a pair of streams, as with stdio. A client that leaves closes its
end, and the server finds that out.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import anyio
import httpx
from anyio.streams.memory import MemoryObjectSendStream
from mcp.client.client import Client
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.lowlevel import Server
from mcp.server.runner import serve_dual_era_loop
from mcp.shared.memory import MessageStream, create_client_server_memory_streams
from mcp.shared.message import ServerMessageMetadata, SessionMessage
from pydantic import SecretStr
from starlette.requests import Request

from runway_mcp.callers import CallersFile
from runway_mcp.media.files.folder import Free, disk_free
from runway_mcp.server.app import create_server
from runway_mcp.server.context import Lifespan, ServerContext
from runway_mcp.settings import Settings
from runway_mcp.simulator.world import TOKEN, World
from runway_mcp.telemetry import NO_TELEMETRY, Telemetry
from tests.kit.client import ToolClient
from tests.kit.clock import wall_clock
from tests.kit.upstream import URL, Upstream


def settings(folder: Path, **fields: Any) -> Settings:
    """Settings for the stand-in, with its token."""
    return Settings.model_validate({"token": SecretStr(TOKEN), "url": URL, "data_dir": folder, **fields})


class InProcessServer:
    """The open server."""

    def __init__(self, server: Server[Any], lifespan: Lifespan, world: World) -> None:
        self._lifespan = lifespan
        self.world = world
        self._server = server

    @property
    def context(self) -> ServerContext:
        """What its handlers may reach for the caller without a name."""
        return self._lifespan.for_caller("")

    @asynccontextmanager
    async def client(self, mode: str, *, caller: str = "", **fields: Any) -> AsyncGenerator[ToolClient]:
        """A client on a wire of its own; `fields` are those of the SDK's client."""
        async with Client(self.wire(caller), mode=mode, **fields) as client:
            yield ToolClient(client, self.world)

    @asynccontextmanager
    async def wire(self, caller: str = "") -> AsyncGenerator[MessageStream]:
        """A wire to the server, and a client's end of it: what is received, what is sent.

        With a `caller` each message comes with the request of a verified token, as over HTTP+SSE.
        """
        async with create_client_server_memory_streams() as (ours, theirs), anyio.create_task_group() as group:
            read, write = theirs
            if caller:
                signing, signed = anyio.create_memory_object_stream[SessionMessage | Exception]()
                group.start_soon(_sign, read, signing, caller)
                read = signed

            async def serve() -> None:
                await serve_dual_era_loop(self._server, read, write, lifespan_state=self._lifespan)

            group.start_soon(serve)
            try:
                yield ours
            finally:
                await ours[1].aclose()


async def _sign(read: Any, signing: MemoryObjectSendStream[SessionMessage | Exception], caller: str) -> None:
    """Passes messages on, each with a request by a verified token of the caller's."""
    user = AuthenticatedUser(AccessToken(token="", client_id=caller, scopes=[]))
    request = Request({"type": "http", "headers": [], "user": user})
    async with read, signing:
        async for message in read:
            metadata = ServerMessageMetadata(request_context=request)
            is_message = isinstance(message, SessionMessage)
            await signing.send(replace(message, metadata=metadata) if is_message else message)


@asynccontextmanager
async def open_server(
    world: World,
    folder: Path,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    now: Callable[[], float] = wall_clock,
    within: float = 7200,
    free: Free = disk_free,
    callers: CallersFile | None = None,
    telemetry: Telemetry = NO_TELEMETRY,
    middleware: Sequence[Any] = (),
    **fields: Any,
) -> AsyncGenerator[InProcessServer]:
    """A fresh server over this world or another `transport`, for so many seconds at most; `fields` are its settings.

    `middleware` of the SDK's server comes before its own.
    """
    upstream = transport or Upstream(world)
    server = create_server(
        settings(folder, **fields), transport=upstream, now=now, free=free, callers=callers, telemetry=telemetry
    )
    server.middleware[:0] = middleware
    with anyio.fail_after(within):
        async with server.lifespan(server) as context:
            yield InProcessServer(server, context, world)


@asynccontextmanager
async def open_client(world: World, folder: Path, mode: str, **fields: Any) -> AsyncGenerator[ToolClient]:
    """A client of one era at a fresh server of its own; `fields` are those of `open_server`."""
    async with open_server(world, folder, within=inf, **fields) as server, server.client(mode) as client:
        yield client
