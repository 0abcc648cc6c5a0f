"""The stand-in in the test's own process: the same application, without sockets, on the event loop's clock."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx

from runway_mcp.runway.client import RunwayClient
from runway_mcp.simulator.app import create_app
from runway_mcp.simulator.faults import ConnectionLost, Fault
from runway_mcp.simulator.library import small_world
from runway_mcp.simulator.world import World
from runway_mcp.tasks.service import TaskService, open_tasks
from runway_mcp.tasks.store.protocol import Store
from runway_mcp.tasks.store.sqlite import SqliteStore

URL = "http://upstream.test/v1/runwayml"
EPOCH = 1_800_000_000.0


class Upstream(httpx.AsyncBaseTransport):
    """Carries requests to a world; what the stand-in does to a connection looks as it would on a socket."""

    def __init__(self, world: World) -> None:
        self._carry = httpx.ASGITransport(create_app(world))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            return await self._carry.handle_async_request(request)
        except ConnectionLost as error:
            raise httpx.ReadError("the connection was reset", request=request) from error


def wall_clock() -> float:
    """Unix seconds that pass as the event loop's do."""
    return EPOCH + anyio.current_time()


def virtual_world(**fields: Any) -> World:
    """A small world on the event loop's clock (`fields` of `small_world`)."""
    return small_world(clock=anyio.current_time, wall=wall_clock, **fields)


def fault(world: World, **rule: Any) -> None:
    """Scripts one fault (the fields of `Fault`)."""
    world.faults.append(Fault(**rule))


@asynccontextmanager
async def opened_over(
    world: World, store: Store, *, poll_seconds: float = 5.0, public_url: str | None = None
) -> AsyncGenerator[TaskService]:
    """A task service over a world and a store, as one server process has it."""
    async with (
        RunwayClient(url=URL, token=world.token, transport=Upstream(world), now=wall_clock) as client,
        open_tasks(client, store=store, poll_seconds=poll_seconds, public_url=public_url) as service,
    ):
        yield service


@asynccontextmanager
async def opened_room(
    world: World, folder: Path, *, poll_seconds: float = 5.0, public_url: str | None = None
) -> AsyncGenerator[TaskService]:
    """As `opened_over`, with the store in a data folder, which it opens and closes."""
    with SqliteStore(folder / "ledger.sqlite3", wall_clock) as store:
        async with opened_over(world, store, poll_seconds=poll_seconds, public_url=public_url) as service:
            yield service


@asynccontextmanager
async def open_world(folder: Path, **fields: Any) -> AsyncGenerator[tuple[World, TaskService]]:
    """A small world (`fields` of `small_world`) and a room over it; every wait inside is bounded by two hours."""
    world = virtual_world(**fields)
    with anyio.fail_after(7200):
        async with opened_room(world, folder) as service:
            yield world, service
