"""A client of the server as a host has it, and how its results are read."""

import json
from dataclasses import dataclass
from typing import Any, cast

import anyio
from jsonschema import Draft202012Validator
from mcp.client.client import Client
from mcp_types import CallToolResult, ResourceLink, TextContent

from runway_mcp.server.contract.results.tool_results import LONGEST_RESULT
from runway_mcp.server.tools.definitions import TOOLS
from runway_mcp.simulator.records import Asset, Task
from runway_mcp.simulator.world import World


@dataclass(frozen=True)
class ProgressNote:
    """One progress notification and when it came, in seconds since the call."""

    at: float
    number: float
    total: float | None
    message: str


class ToolClient:
    """A client that calls tools; every result is checked against the tool's output schema, if it has one.

    `mcp` is the SDK's own client.
    Of the last call, `told` is its progress and `took` how long it took, in seconds.
    """

    def __init__(self, client: Client, world: World) -> None:
        self.mcp = client
        self.world = world
        self.told: list[ProgressNote] = []
        self.took = 0.0

    async def call(self, tool: str, **arguments: Any) -> CallToolResult:
        """Calls a tool."""
        self.told.clear()
        began = anyio.current_time()

        async def keep(progress: float, total: float | None, message: str | None) -> None:
            self.told.append(ProgressNote(anyio.current_time() - began, progress, total, message or ""))

        with anyio.fail_after(1200):
            result = await self.mcp.call_tool(tool, arguments, progress_callback=keep)
        self.took = anyio.current_time() - began
        if TOOLS[tool].output_schema is None:
            assert result.structured_content is None
            assert len(text(result)) < LONGEST_RESULT
            return result
        data = structured(result)
        check_output(data, tool)
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


def structured(result: CallToolResult) -> dict[str, Any]:
    """The structured content of a result."""
    data: Any = result.structured_content
    assert isinstance(data, dict)
    return cast("dict[str, Any]", data)


def check_output(data: dict[str, Any], tool: str) -> None:
    """Fails unless the data conform to the tool's output schema."""
    errors = [error.message for error in Draft202012Validator(TOOLS[tool].output_schema or {}).iter_errors(data)]  # pyright: ignore[reportUnknownMemberType] - jsonschema tells no types
    assert not errors


def text(result: CallToolResult) -> str:
    """The text block of a result."""
    (told,) = [block.text for block in result.content if isinstance(block, TextContent)]
    return told


def links(result: CallToolResult) -> list[str]:
    """The URIs of a result's link blocks."""
    return [block.uri for block in result.content if isinstance(block, ResourceLink)]
