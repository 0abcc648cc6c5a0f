"""A client of the real server: connected, of one era and over one transport, and the stand-in behind the server."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import anyio
from mcp.client.client import Client
from mcp.client.sse import sse_client
from mcp.client.stdio import StdioServerParameters
from mcp.client.subscriptions import ResourceUpdated
from mcp_types import (
    CallToolResult,
    ElicitRequestParams,
    ElicitResult,
    EmptyResult,
    ResourceUpdatedNotification,
    SubscribeRequest,
    SubscribeRequestParams,
)

from runway_mcp.simulator.builders import add_video
from runway_mcp.simulator.world import World
from tests.kit.processes import PROGRAM

Transport = Literal["stdio", "http", "sse"]
Mode = Literal["legacy", "auto"]

ERAS: dict[Mode, str] = {"legacy": "2025-11-25", "auto": "2026-07-28"}
PATIENCE = 60.0
"""How long a test may wait for anything, in seconds."""


@dataclass(frozen=True)
class Endpoint:
    """Where clients of one transport come in: a URL, or the environment of a process of their own."""

    transport: Transport
    url: str
    env: dict[str, str] = field(repr=False)

    @asynccontextmanager
    async def client(self, mode: Mode, **fields: Any) -> AsyncGenerator[Client]:
        """A connected client of one era; `fields` are the client's."""
        async with Client(self._way(), mode=mode, **fields) as client:
            yield client

    def _way(self) -> Any:
        if self.transport == "stdio":
            return StdioServerParameters(command=PROGRAM[0], args=[*PROGRAM[1:], "serve"], env=self.env)
        return sse_client(f"{self.url}/sse") if self.transport == "sse" else f"{self.url}/mcp"


@dataclass
class TransportClient:
    """A client at its endpoint, and everything that it has heard."""

    endpoint: Endpoint
    mode: Mode
    mcp: Client
    world: World
    heard: "News"
    asked: "Questions"

    def clip(self) -> str:
        """The assetId of a fresh clip, which no other test knows; only films that end after it are newer."""
        return self.world.asset_id(add_video(self.world, age=0))

    async def call(self, tool: str, arguments: dict[str, Any], **fields: Any) -> CallToolResult:
        """Calls a tool, within the patience of a test."""
        with anyio.fail_after(PATIENCE):
            return await self.mcp.call_tool(tool, arguments, **fields)

    async def data(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The structured content of a call."""
        return structured(await self.call(tool, arguments))

    @asynccontextmanager
    async def hearing(self, uri: str) -> AsyncGenerator[None]:
        """Wants to hear of a resource, in the way of the era."""
        if self.mode == "legacy":
            request = SubscribeRequest(params=SubscribeRequestParams(uri=uri))
            await self.mcp.session.send_request(request, EmptyResult)
            yield
            return
        async with self.mcp.listen(resource_subscriptions=[uri]) as news, anyio.create_task_group() as group:

            async def listen() -> None:
                async for event in news:
                    if isinstance(event, ResourceUpdated):
                        self.heard.take(event.uri)

            group.start_soon(listen)
            yield
            group.cancel_scope.cancel()


class News:
    """The resources that were told to have changed; `wait` is for one of them."""

    def __init__(self) -> None:
        self._uris: list[str] = []
        self._more = anyio.Event()

    async def keep(self, message: object) -> None:
        """Takes what a client of the 2025 era is told."""
        if isinstance(message, ResourceUpdatedNotification):
            self.take(message.params.uri)

    def take(self, uri: str) -> None:
        """Notes a resource that has changed."""
        self._uris.append(uri)
        self._more.set()
        self._more = anyio.Event()

    async def wait(self, uri: str) -> None:
        """Waits until this resource has changed."""
        with anyio.fail_after(PATIENCE):
            while uri not in self._uris:
                await self._more.wait()


class Questions:
    """What the person behind the host was asked; `answer` is what he says to each."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.answer = ElicitResult(action="decline")

    async def __call__(self, _context: object, params: ElicitRequestParams) -> ElicitResult:
        self.heard.append(params.message)
        return self.answer


class Progress:
    """What a call told of its progress; `reached` is set once a message has the word that it waits for."""

    def __init__(self, awaited: str = "") -> None:
        self.numbers: list[float] = []
        self.reached = anyio.Event()
        self._awaited = awaited

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        assert total == 100
        self.numbers.append(progress)
        if self._awaited in (message or ""):
            self.reached.set()


def structured(result: CallToolResult) -> dict[str, Any]:
    """The structured content, which every result has."""
    assert result.structured_content is not None
    return cast("dict[str, Any]", result.structured_content)
