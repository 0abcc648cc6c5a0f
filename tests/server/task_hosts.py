"""Hosts that take tasks of the protocol, each at a server of its own."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio

from runway_mcp.simulator.world import World
from tests.kit.client import ToolClient
from tests.kit.protocol_tasks import TakesTasks, TaskHandle, TaskState, ask, called
from tests.kit.server import InProcessServer, open_server

LONG = "user:1234-runwayml:nobody@example.com-task:11111111-2222-4333-8444-555555555555"


@asynccontextmanager
async def host(world: World, folder: Path, **fields: Any) -> AsyncGenerator[tuple[ToolClient, InProcessServer]]:
    """A host that takes tasks, at a server of its own."""
    async with (
        open_server(world, folder, **fields) as server,
        server.client("auto", extensions=[TakesTasks()]) as client,
    ):
        yield client, server


async def begun(client: ToolClient, **arguments: Any) -> TaskHandle:
    """The task that an extension is answered with."""
    handle = await called(client.mcp, "extend_video", assetId=client.world.asset_id(client.clip), **arguments)
    assert isinstance(handle, TaskHandle)
    return handle


async def ask_after(client: ToolClient, handle: TaskHandle, seconds: float) -> TaskState:
    """What `tasks/get` tells after so many seconds."""
    await anyio.sleep(seconds)
    return await ask(client.mcp.session, "tasks/get", handle.task_id)
