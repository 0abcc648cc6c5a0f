"""Hosts that take tasks of the protocol, each at a server of its own."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio

from runway_mcp.simulator.world import World
from tests.server.bench import Desk
from tests.server.lobby import Lobby, lobby
from tests.server.tasked import Handle, TakesTasks, Told, ask, called

LONG = "user:1234-runwayml:nobody@example.com-task:11111111-2222-4333-8444-555555555555"


@asynccontextmanager
async def host(world: World, folder: Path, **fields: Any) -> AsyncGenerator[tuple[Desk, Lobby]]:
    """A host that takes tasks, at a server of its own."""
    async with lobby(world, folder, **fields) as place, place.client("auto", extensions=[TakesTasks()]) as desk:
        yield desk, place


async def begun(desk: Desk, **arguments: Any) -> Handle:
    """The task that an extension is answered with."""
    handle = await called(desk.client, "extend_video", assetId=desk.world.asset_id(desk.clip), **arguments)
    assert isinstance(handle, Handle)
    return handle


async def ask_after(desk: Desk, handle: Handle, seconds: float) -> Told:
    """What `tasks/get` tells after so many seconds."""
    await anyio.sleep(seconds)
    return await ask(desk.client.session, "tasks/get", handle.task_id)
