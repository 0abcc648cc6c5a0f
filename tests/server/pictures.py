"""Films to look at through the server, and the pictures in its results."""

import base64
import io
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from mcp_types import CallToolResult, ImageContent, TextContent
from PIL import Image, ImageStat

from runway_mcp.simulator.builders import small_world
from runway_mcp.simulator.records import Asset
from runway_mcp.simulator.run import running
from runway_mcp.simulator.world import World
from tests.kit.client import ToolClient
from tests.kit.films import film
from tests.kit.server import open_client
from tests.kit.upstream import extended_clips

GREYS = (16, 60, 110, 160, 235)
"""The luma of five frames, from black to white."""


def grey_world(folder: Path, *luma: int, rate: int = 5, **fields: Any) -> World:
    """A world whose first clip is a grey film of so many frames; one second of five from black to white by default."""
    world = small_world(**fields)
    give(world.assets[0], folder, *(luma or GREYS), rate=rate)
    return world


def give(asset: Asset, folder: Path, *luma: int, rate: int = 5) -> None:
    """Makes a grey film the file of an asset."""
    asset.content = film(folder / f"{asset.uuid}.mp4", *luma, rate=rate).read_bytes()
    asset.film, asset.size = None, len(asset.content)
    asset.duration, asset.width, asset.height = len(luma) / rate, 64, 36


@asynccontextmanager
async def films_client(world: World, folder: Path, mode: str, **fields: Any) -> AsyncGenerator[ToolClient]:
    """A client at a server whose upstream's links lead to a socket of this machine."""
    async with running(world) as url, open_client(world, folder / "data", mode, url=url, **fields) as client:
        yield client


def seen(result: CallToolResult) -> tuple[Image.Image, str]:
    """The picture and the text of a result, which holds nothing else."""
    assert not result.is_error, result.content
    image, told = result.content
    assert isinstance(image, ImageContent)
    assert isinstance(told, TextContent)
    assert image.mime_type == "image/jpeg"
    return opened(base64.b64decode(image.data)), told.text


def opened(jpeg: bytes) -> Image.Image:
    """A JPEG of less than 100 kB, decoded."""
    assert len(jpeg) < 100_000
    picture = Image.open(io.BytesIO(jpeg))
    picture.load()
    assert picture.format == "JPEG"
    return picture


def brightness(picture: Image.Image) -> float:
    """The mean brightness of a picture, 0 (black) to 255 (white)."""
    return ImageStat.Stat(picture.convert("L")).mean[0]


def clip_of(world: World) -> str:
    """The assetId of a world's first clip."""
    return world.asset_id(world.assets[0])


def chain_world(folder: Path) -> World:
    """A clip of ten seconds and two extensions of it, each with a film of one frame a second."""
    world = small_world(clips=0)
    clips = extended_clips(world, "a beach", "the camera rises", "night falls")
    for count, clip in enumerate(clips, start=1):
        give(clip, folder, *range(20, 20 + 10 * count), rate=1)
    return world
