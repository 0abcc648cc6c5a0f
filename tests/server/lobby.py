"""One server whose lifespan is open, and any number of real clients of it, of either era, each on a wire of its own.

The wire is a pair of streams, as with stdio; a client that leaves closes its end, and the server finds that out.
"""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import anyio
import httpx
from mcp.client.client import Client
from mcp.client.subscriptions import ResourceUpdated
from mcp.server.lowlevel import Server
from mcp.server.runner import serve_dual_era_loop
from mcp.shared.memory import MessageStream, create_client_server_memory_streams
from mcp_types import (
    EmptyResult,
    ResourceListChangedNotification,
    ResourceUpdatedNotification,
    SubscribeRequest,
    SubscribeRequestParams,
    UnsubscribeRequest,
    UnsubscribeRequestParams,
)

from runway_mcp.server.app import create_server
from runway_mcp.server.context import ServerContext
from runway_mcp.simulator.app import create_app
from runway_mcp.simulator.world import World
from tests.server.bench import Desk, settings, wall

LIST = "the list"
"""What is heard when the list of resources has changed."""


class Lobby:
    """The open server: `context` is what its handlers may reach."""

    def __init__(self, server: Server[Any], context: ServerContext, world: World) -> None:
        self.context = context
        self.world = world
        self._server = server

    @asynccontextmanager
    async def client(self, mode: str, **fields: Any) -> AsyncGenerator[Desk]:
        """A client on a wire of its own, at a desk; `fields` are the client's."""
        async with Client(self.wire(), mode=mode, **fields) as client:
            yield Desk(client, self.world)

    @asynccontextmanager
    async def wire(self) -> AsyncGenerator[MessageStream]:
        """A wire to the server, and a client's end of it: what is received, what is sent."""
        async with create_client_server_memory_streams() as (ours, theirs), anyio.create_task_group() as group:

            async def serve() -> None:
                await serve_dual_era_loop(self._server, *theirs, lifespan_state=self.context)

            group.start_soon(serve)
            try:
                yield ours
            finally:
                await ours[1].aclose()


@asynccontextmanager
async def lobby(world: World, folder: Path, **fields: Any) -> AsyncGenerator[Lobby]:
    """A lobby over this world; `fields` are the server's settings."""
    server = create_server(settings(folder, **fields), transport=httpx.ASGITransport(create_app(world)), now=wall)
    with anyio.fail_after(7200):
        async with server.lifespan(server) as context:
            yield Lobby(server, context, world)


class Place(Protocol):
    """Where clients come in."""

    def client(self, mode: str, **fields: Any) -> AbstractAsyncContextManager[Desk]: ...


@asynccontextmanager
async def hearing(place: Place, mode: str, *uris: str, **fields: Any) -> AsyncGenerator[tuple[Desk, list[str]]]:
    """A client that wants to hear of resources and of the list, in the way of its era; and what it has heard."""
    heard: list[str] = []
    if mode == "legacy":

        async def keep(message: object) -> None:
            if isinstance(message, ResourceUpdatedNotification):
                heard.append(message.params.uri)
            elif isinstance(message, ResourceListChangedNotification):
                heard.append(LIST)

        async with place.client(mode, message_handler=keep, **fields) as desk:
            for uri in uris:
                await subscribe(desk.client, uri)
            yield desk, heard
        return
    async with (
        place.client(mode, **fields) as desk,
        desk.client.listen(resource_subscriptions=uris, resources_list_changed=True) as subscription,
        anyio.create_task_group() as group,
    ):

        async def listen() -> None:
            async for event in subscription:
                heard.append(event.uri if isinstance(event, ResourceUpdated) else LIST)  # noqa: PERF401  heard at once

        group.start_soon(listen)
        yield desk, heard
        group.cancel_scope.cancel()


async def subscribe(client: Client, uri: str) -> None:
    """Subscribes in the way of the 2025 protocols."""
    request = SubscribeRequest(params=SubscribeRequestParams(uri=uri))
    await client.session.send_request(request, EmptyResult)


async def unsubscribe(client: Client, uri: str) -> None:
    """Takes a subscription of the 2025 protocols back."""
    request = UnsubscribeRequest(params=UnsubscribeRequestParams(uri=uri))
    await client.session.send_request(request, EmptyResult)
