"""Servers that continue clips over a stand-in on a socket, since the files behind links are fetched over sockets."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from runway_mcp.simulator.run import running
from runway_mcp.simulator.world import World
from tests.films.continuing.processes import clip_world
from tests.kit.client import ToolClient
from tests.kit.server import InProcessServer, open_server

LIMIT = 120.0
"""For so long a server lives at most, in seconds."""

CREATES = ("POST /gen4_5/create", "POST /gen4/create", "POST /gen4turbo/create")


@asynccontextmanager
async def continuing_server(world: World, folder: Path, **fields: Any) -> AsyncGenerator[InProcessServer]:
    """A server that saves films; `fields` are those of `open_server`."""
    async with running(world) as url, _server_at(url, world, folder, **fields) as server:
        yield server


@asynccontextmanager
async def continuing_at(url: str, world: World, folder: Path, **fields: Any) -> AsyncGenerator[ToolClient]:
    """A client of such a server over a stand-in that runs already; the next one is a restart."""
    async with _server_at(url, world, folder, **fields) as server, server.client("auto") as client:
        yield client


@asynccontextmanager
async def _server_at(url: str, world: World, folder: Path, **fields: Any) -> AsyncGenerator[InProcessServer]:
    given: dict[str, Any] = {"save": "own", "save_dir": folder / "films", "poll_seconds": 0.05, **fields}
    network = httpx.AsyncHTTPTransport()
    async with open_server(world, folder / "data", transport=network, url=url, within=LIMIT, **given) as server:
        yield server


@asynccontextmanager
async def continuing(folder: Path, world: World | None = None, **fields: Any) -> AsyncGenerator[ToolClient]:
    """A client of such a server; without a `world` over one whose only clip is of Gen-4."""
    async with (
        continuing_server(world or clip_world(), folder, **fields) as server,
        server.client("auto") as client,
    ):
        yield client


def creates(client: ToolClient) -> int:
    """How many requests to make a film from a frame the stand-in was sent: each may be charged."""
    return sum(client.world.requests[each] for each in CREATES)


def clip_id(client: ToolClient) -> str:
    """The assetId of the first clip."""
    return client.world.asset_id(client.clip)
