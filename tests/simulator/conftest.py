"""What the tests of the stand-in share: a hand clock, a small world on it, and a client in the same process."""

from collections.abc import AsyncGenerator

import httpx
import pytest

from runway_mcp.simulator.app import create_app
from runway_mcp.simulator.builders import small_world
from runway_mcp.simulator.timeline import ManualClock
from runway_mcp.simulator.world import World
from tests.kit.clock import EPOCH
from tests.simulator.requests import API


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1000.0)


@pytest.fixture
def world(clock: ManualClock) -> World:
    return small_world(clock=clock, wall=lambda: EPOCH, pace=10.0)


@pytest.fixture
async def api(world: World) -> AsyncGenerator[httpx.AsyncClient]:
    """A client with the token, below the API's base."""
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(create_app(world)),
        base_url=API,
        headers={"Authorization": f"Bearer {world.token}"},
    ) as client:
        yield client
