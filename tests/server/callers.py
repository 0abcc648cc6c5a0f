"""Several callers of one server, each with a token of its own: over real HTTP, or on wires where time is virtual."""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx2
from mcp.client.client import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.auth.provider import AccessToken, TokenVerifier
from mcp_types import ResourceTemplateReference

from runway_mcp.server.app import create_server
from runway_mcp.server.contract.uris import TASKS
from runway_mcp.simulator.builders import small_world
from runway_mcp.simulator.world import World
from tests.kit.client import ToolClient
from tests.kit.server import InProcessServer, open_server, settings
from tests.kit.upstream import Upstream
from tests.server.toy import served

ANA, BOB = "ana", "bob"
"""Two callers."""

DUNES = "over the dunes"
"""A prompt."""

TASK = ResourceTemplateReference(uri="runway://tasks/{taskId}")
"""What a taskId is completed for."""


class ByToken(TokenVerifier):
    """Knows one token of each caller: its name and `-token`."""

    async def verify_token(self, token: str) -> AccessToken | None:
        """The caller of a token; None for any other."""
        caller = token.removesuffix("-token")
        return AccessToken(token=token, client_id=caller, scopes=[]) if token != caller in (ANA, BOB) else None


BY_TOKEN = ByToken()
"""The verifier of these tests."""


def headers_of(caller: str) -> dict[str, str]:
    """The header that a caller's requests have."""
    return {"authorization": f"Bearer {caller}-token"}


@dataclass(frozen=True)
class Entrance:
    """Where the clients of one caller come in; without a caller they have no token."""

    url: str
    caller: str | None
    world: World

    @asynccontextmanager
    async def client(self, mode: str, **fields: Any) -> AsyncGenerator[ToolClient]:
        """A client with the caller's token; `fields` are those of the SDK's client."""
        headers = headers_of(self.caller) if self.caller else {}
        async with AsyncExitStack() as stack:
            if self.url.endswith("/sse"):
                transport: Any = sse_client(self.url, headers=headers)
            else:
                http = await stack.enter_async_context(httpx2.AsyncClient(headers=headers, timeout=30))
                transport = streamable_http_client(self.url, http_client=http)
            client: Any = Client(transport, mode=mode, **fields)  # pyright: ignore[reportArgumentType]  the eras' names
            yield ToolClient(await stack.enter_async_context(client), self.world)


@dataclass(frozen=True)
class HostedServer:
    """A server that many callers share: its origin and the path of its transport."""

    origin: str
    path: str
    world: World

    def of(self, caller: str | None) -> Entrance:
        """Where a caller's clients come in."""
        return Entrance(f"{self.origin}{self.path}", caller, self.world)


@asynccontextmanager
async def hosted(
    folder: Path,
    *,
    path: str = "/mcp",
    world: World | None = None,
    verifier: TokenVerifier | None = BY_TOKEN,
    **fields: Any,
) -> AsyncGenerator[HostedServer]:
    """A server over a world whose tasks take a third of a second, bounded by 60 seconds; `fields` are its settings."""
    world = world or small_world(pace=0.3, clips=2)
    server = create_server(settings(folder, **{"poll_seconds": 0.05, **fields}), transport=Upstream(world))
    with anyio.fail_after(60):
        async with served(server, transport="sse", verifier=verifier) as origin:
            yield HostedServer(origin, path, world)


@asynccontextmanager
async def ana_and_bob(server: HostedServer, mode: str, **fields: Any) -> AsyncGenerator[tuple[ToolClient, ToolClient]]:
    """A client of each of the two callers."""
    async with server.of(ANA).client(mode, **fields) as ana, server.of(BOB).client(mode, **fields) as bob:
        yield ana, bob


@dataclass(frozen=True)
class Of:
    """Where the clients of one caller come in at a server in the test's process."""

    server: InProcessServer
    caller: str

    def client(self, mode: str, **fields: Any) -> AbstractAsyncContextManager[ToolClient]:
        """A client of the caller's."""
        return self.server.client(mode, caller=self.caller, **fields)


@asynccontextmanager
async def callers(
    world: World, folder: Path, mode: str, *names: str, **fields: Any
) -> AsyncGenerator[tuple[ToolClient, ToolClient]]:
    """A client of each of two callers at one server; by default of the two that have names."""
    one, other = names or (ANA, BOB)
    async with (
        open_server(world, folder, **fields) as server,
        server.client(mode, caller=one) as first,
        server.client(mode, caller=other) as second,
    ):
        yield first, second


async def everything_told(client: ToolClient) -> str:
    """All that lists and completions tell a caller."""
    listed = await client.data("list_assets", links=True)
    tasks = await client.mcp.read_resource(TASKS)
    resources = await client.mcp.list_resources()
    return repr((listed, tasks, resources, await offered(client)))


async def offered(client: ToolClient) -> list[str]:
    """The taskIds that completion offers."""
    return (await client.mcp.complete(TASK, {"name": "taskId", "value": "user:"})).completion.values
