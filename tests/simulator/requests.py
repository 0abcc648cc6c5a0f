"""Short ways of saying what nearly every test of the stand-in does."""

from typing import Any

import httpx

from runway_mcp.simulator.records import Asset
from runway_mcp.simulator.world import World

ORIGIN = "http://standin.test"
API = f"{ORIGIN}/v1/runwayml"


def clip(world: World) -> str:
    """The assetId of the world's first clip."""
    return world.asset_id(world.assets[0])


async def extend(api: httpx.AsyncClient, asset: str, **fields: Any) -> httpx.Response:
    """Submits a Gen-3 extension."""
    return await api.post("/gen3/extend", json={"assetId": asset, **fields})


async def read(api: httpx.AsyncClient, task_id: str) -> dict[str, Any]:
    """Reads a task that is there."""
    answer = await api.get(f"/tasks/{task_id}")
    assert answer.status_code == 200
    body: dict[str, Any] = answer.json()
    return body


def made_by(world: World, task_id: str) -> Asset:
    """The film of a task."""
    return world.find_task(task_id).artifacts[0]
