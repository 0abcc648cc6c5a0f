"""The real server on the stand-in, and a real client of it, all in one process and on one clock."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import anyio
import httpx
from jsonschema import Draft202012Validator
from mcp.client.client import Client
from mcp_types import CallToolResult, ResourceLink, TextContent
from pydantic import SecretStr

from runway_mcp.server.app import create_server
from runway_mcp.server.contract.tool_results import LONGEST_RESULT
from runway_mcp.server.tools.definitions import TOOLS
from runway_mcp.settings import Settings
from runway_mcp.simulator.app import create_app
from runway_mcp.simulator.builders import small_world
from runway_mcp.simulator.records import Asset, Task
from runway_mcp.simulator.world import TOKEN, World

EPOCH = 1_800_000_000.0
URL = "http://127.0.0.1/v1/runwayml"


def wall() -> float:
    """Unix seconds, on the event loop's clock."""
    return EPOCH + anyio.current_time()


def a_world(*, pace: float = 20.0, **fields: Any) -> World:
    """A world with one account and one Gen-3 Alpha clip of 10 s, on the event loop's clock; a task takes `pace`."""
    return small_world(clock=anyio.current_time, wall=wall, pace=pace, **fields)


def settings(folder: Path, **fields: Any) -> Settings:
    """Settings for the stand-in, with its token."""
    return Settings.model_validate({"token": SecretStr(TOKEN), "url": URL, "data_dir": folder, **fields})


@dataclass(frozen=True)
class Told:
    """One progress notification and when it came, in seconds since the call."""

    at: float
    number: float
    total: float | None
    message: str


class Desk:
    """A client at the server; every result is checked against the tool's output schema.

    Of the last call, `told` is its progress and `took` how long it took, in seconds.
    """

    def __init__(self, client: Client, world: World) -> None:
        self.client = client
        self.world = world
        self.told: list[Told] = []
        self.took = 0.0

    async def call(self, tool: str, **arguments: Any) -> CallToolResult:
        """Calls a tool."""
        self.told.clear()
        began = anyio.current_time()

        async def keep(progress: float, total: float | None, message: str | None) -> None:
            self.told.append(Told(anyio.current_time() - began, progress, total, message or ""))

        with anyio.fail_after(1200):
            result = await self.client.call_tool(tool, arguments, progress_callback=keep)
        self.took = anyio.current_time() - began
        data = structured(result)
        check_form(data, tool)
        assert tool == "list_assets" or max(len(json.dumps(data)), len(text(result))) < LONGEST_RESULT
        assert result.is_error == ("error" in data)
        return result

    async def data(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The structured content of a call."""
        return structured(await self.call(tool, **arguments))

    async def extend(self, asset: Asset, **arguments: Any) -> dict[str, Any]:
        """The structured content of an `extend_video` call on an asset of the world."""
        return await self.data("extend_video", assetId=self.world.asset_id(asset), **arguments)

    @property
    def clip(self) -> Asset:
        """The first clip of the world."""
        return self.world.assets[0]

    @property
    def posts(self) -> int:
        """How many submits the stand-in was sent."""
        return sum(count for request, count in self.world.requests.items() if request.startswith("POST"))

    def last_task(self) -> Task:
        """The task that the stand-in accepted last."""
        return self.world.accepted[-1]


@asynccontextmanager
async def at_desk(world: World, folder: Path, mode: str, **fields: Any) -> AsyncGenerator[Desk]:
    """A desk at a fresh server on this world; `fields` are the server's settings."""
    server = create_server(settings(folder, **fields), transport=httpx.ASGITransport(create_app(world)), now=wall)
    async with Client(server, mode=mode) as client:
        yield Desk(client, world)


def structured(result: CallToolResult) -> dict[str, Any]:
    """The structured content of a result."""
    data: Any = result.structured_content
    assert isinstance(data, dict)
    return cast("dict[str, Any]", data)


def check_form(data: dict[str, Any], tool: str) -> None:
    """Fails unless the data conform to the tool's output schema."""
    errors = [error.message for error in Draft202012Validator(TOOLS[tool].output_schema or {}).iter_errors(data)]  # pyright: ignore[reportUnknownMemberType] - jsonschema tells no types
    assert not errors


def text(result: CallToolResult) -> str:
    """The text block of a result."""
    block = result.content[0]
    assert isinstance(block, TextContent)
    return block.text


def links(result: CallToolResult) -> list[str]:
    """The URIs of a result's link blocks."""
    return [block.uri for block in result.content if isinstance(block, ResourceLink)]
