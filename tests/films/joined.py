"""Films of several parts made through the server's own tools, over a stand-in whose films decode."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio

from runway_mcp.simulator.world import World
from tests.films.continuing.processes import clip_world
from tests.films.servers import LIMIT, Kept, keeping_server
from tests.kit.client import ToolClient

RISES = "the camera rises"
"""The prompt of the first continuation."""


@asynccontextmanager
async def films_server(folder: Path, world: World | None = None, **fields: Any) -> AsyncGenerator[Kept]:
    """A server that keeps films, by default over one clip of Gen-4, for two minutes at most; `fields` its settings."""
    async with keeping_server(folder, world or clip_world(), **fields) as kept:
        yield kept


async def continued(client: ToolClient, source: str | None = None, **more: Any) -> dict[str, Any]:
    """What is told of a continuation at once: of the first clip of the world, or of another clip or film."""
    asset_id = source or client.world.asset_id(client.clip)
    given: dict[str, Any] = {"assetId": asset_id, "text_prompt": RISES, "model": "gen4.5", "wait_seconds": 1, **more}
    return await client.data("extend_video", **given)


async def joined(client: ToolClient, source: str | None = None, **more: Any) -> dict[str, Any]:
    """What is told of a film once it is joined."""
    told = await continued(client, source, **more)
    with anyio.fail_after(LIMIT):
        while told["status"] != "SUCCEEDED":
            assert "error" not in told, told
            told = await client.data("get_task", taskId=told["film"]["id"], wait_seconds=5)
    return told
