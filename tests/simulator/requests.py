"""Short ways of saying what nearly every test of the stand-in does."""

import struct
import zlib
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


def png(width: int = 64, height: int = 36, colour: tuple[int, int, int] = (200, 40, 40)) -> bytes:
    """A picture of one colour."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = (b"\0" + bytes(colour) * width) * height
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


async def upload(api: httpx.AsyncClient, content: bytes | None = None, **query: Any) -> str:
    """Uploads a picture that is taken; returns its assetId."""
    answer = await api.post(
        "/assets/",
        params={"name": "frame", **query},
        content=png() if content is None else content,
        headers={"Content-Type": "image/png"},
    )
    assert answer.status_code == 200
    asset_id: str = answer.json()["assetId"]
    return asset_id


async def create(api: httpx.AsyncClient, image: str | None, model: str = "gen4_5", **fields: Any) -> httpx.Response:
    """Submits a film that begins with the image."""
    given = {} if image is None else {"firstImage_assetId": image}
    return await api.post(f"/{model}/create", json={**given, **fields})


async def read(api: httpx.AsyncClient, task_id: str) -> dict[str, Any]:
    """Reads a task that is there."""
    answer = await api.get(f"/tasks/{task_id}")
    assert answer.status_code == 200
    body: dict[str, Any] = answer.json()
    return body


def made_by(world: World, task_id: str) -> Asset:
    """The film of a task."""
    return world.find_task(task_id).artifacts[0]
