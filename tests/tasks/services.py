"""Task services over a world, each as one server process has it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio

from runway_mcp.runway.client import RunwayClient
from runway_mcp.simulator.world import World
from runway_mcp.tasks.service import TaskService, open_tasks
from runway_mcp.tasks.store.protocol import Store
from runway_mcp.tasks.store.sqlite.store import SqliteStore
from runway_mcp.telemetry import NO_TELEMETRY, Telemetry
from tests.kit.clock import wall_clock
from tests.kit.upstream import URL, Upstream, virtual_world


def open_client(world: World, *, telemetry: Telemetry = NO_TELEMETRY) -> RunwayClient:
    """A client of a world, to be entered."""
    return RunwayClient(url=URL, token=world.token, transport=Upstream(world), now=wall_clock, telemetry=telemetry)


@asynccontextmanager
async def open_service_over(
    world: World,
    store: Store,
    *,
    poll_seconds: float = 5.0,
    public_url: str | None = None,
    telemetry: Telemetry = NO_TELEMETRY,
) -> AsyncGenerator[TaskService]:
    """A task service over a world and a store, as one server process has it."""
    async with (
        open_client(world, telemetry=telemetry) as client,
        open_tasks(client, store=store, poll_seconds=poll_seconds, public_url=public_url) as service,
    ):
        yield service


@asynccontextmanager
async def open_service(
    world: World,
    folder: Path,
    *,
    poll_seconds: float = 5.0,
    public_url: str | None = None,
    telemetry: Telemetry = NO_TELEMETRY,
) -> AsyncGenerator[TaskService]:
    """As `open_service_over`, with the store in a data folder, which it opens and closes."""
    with SqliteStore(folder / "ledger.sqlite3", wall_clock) as store:
        async with open_service_over(
            world, store, poll_seconds=poll_seconds, public_url=public_url, telemetry=telemetry
        ) as service:
            yield service


@asynccontextmanager
async def open_world(folder: Path, *, pace: float = 8.0, **fields: Any) -> AsyncGenerator[tuple[World, TaskService]]:
    """A world (`fields` of `virtual_world`) and a service over it; every wait inside is bounded by two hours."""
    world = virtual_world(pace=pace, **fields)
    with anyio.fail_after(7200):
        async with open_service(world, folder) as service:
            yield world, service
