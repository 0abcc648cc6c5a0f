"""A server that keeps films, over a stand-in whose links lead to a socket and whose films decode."""

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio

from runway_mcp.simulator.builders import small_world
from runway_mcp.simulator.run import running
from runway_mcp.simulator.world import World
from tests.kit.client import ToolClient
from tests.kit.films import SmallFilms
from tests.kit.server import InProcessServer, open_server

FILMS, DATA = "films", "data"
"""The folders of films and of data in a test's folder."""

LIMIT = 120.0
"""For so long a server lives, or a test waits, at most, in seconds; a busy machine needs a part of it."""

DUNES = "over the dunes"


@dataclass(frozen=True)
class Kept:
    """A server that keeps films in `folder`."""

    server: InProcessServer
    folder: Path

    @property
    def names(self) -> list[str]:
        """What lies in the folder of films."""
        return sorted(each.name for each in self.folder.iterdir()) if self.folder.exists() else []


def film_world(**fields: Any) -> World:
    """A world whose tasks take a third of a second and whose films decode."""
    given: dict[str, Any] = {"pace": 0.3, "films": SmallFilms(), **fields}
    return small_world(**given)


@asynccontextmanager
async def keeping_server(folder: Path, world: World, **fields: Any) -> AsyncGenerator[Kept]:
    """A server over the world, for two minutes at most; `fields` are its settings, and `transport` and `free`."""
    given: dict[str, Any] = {"save": "own", "save_dir": folder / FILMS, "poll_seconds": 0.05, **fields}
    async with (
        running(world) as url,
        open_server(world, folder / DATA, url=url, now=time.time, within=LIMIT, **given) as server,
    ):
        yield Kept(server, folder / FILMS)


async def until(condition: Any) -> None:
    """Waits until a condition holds; the test's own bound ends it otherwise."""
    with anyio.fail_after(LIMIT):
        while not condition():  # noqa: ASYNC110  what is waited for is a file, which nothing tells of
            await anyio.sleep(0.01)


async def extended(client: ToolClient, **more: Any) -> dict[str, Any]:
    """The first clip of the world, extended by the words of `DUNES`."""
    return await client.extend(client.clip, text_prompt=DUNES, **more)


def rendered(world: World) -> bytes:
    """The film that was made last."""
    film = world.accepted[-1].artifacts[0].film
    assert film is not None
    return world.films.render(film)
