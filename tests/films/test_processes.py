"""Keeping by whole servers in processes of their own: by default on stdio alone, killed at any moment, two at once."""

import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import Process
from mcp.client.client import Client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from runway_mcp.media.files.download import BLOCK_BYTES
from runway_mcp.simulator.links.faults import LinkFault
from runway_mcp.simulator.run import running
from runway_mcp.simulator.world import World
from tests.films.servers import film_world, until
from tests.kit.client import ToolClient, structured
from tests.kit.films import SmallFilms
from tests.kit.processes import http_server_process_of_loop, server_environment, stdio_parameters, stdio_server_process

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

LIMIT = 120.0
SIZE = 6_000_000


def environment(url: str, folder: Path, **ours: str) -> dict[str, str]:
    """The environment of a server with its films beside its data; whether it keeps them is left to the transport."""
    ours = {"RUNWAY_MCP_SAVE": "", "RUNWAY_MCP_SAVE_DIR": str(folder / "films"), **ours}
    return server_environment(url, folder / "data", **ours)


def names(folder: Path) -> list[str]:
    films = folder / "films"
    return sorted(each.name for each in films.iterdir()) if films.exists() else []


def rendered(world: World) -> bytes:
    film = world.accepted[-1].artifacts[0].film
    assert film is not None
    return world.films.render(film)


@asynccontextmanager
async def over_stdio(env: dict[str, str], world: World) -> AsyncGenerator[ToolClient]:
    async with Client(stdio_client(stdio_parameters(env))) as client:
        yield ToolClient(client, world)


async def test_films_are_kept_on_stdio_unless_that_is_switched_off(tmp_path: Path) -> None:
    world = film_world()
    with anyio.fail_after(LIMIT):
        async with running(world) as url:
            async with over_stdio(environment(url, tmp_path / "on"), world) as client:
                kept = await client.extend(client.clip)
            off = environment(url, tmp_path / "off", RUNWAY_MCP_SAVE="never")
            async with over_stdio(off, world) as client:
                plain = await client.extend(client.clip)

    assert Path(kept["saved"]["path"]).name in names(tmp_path / "on")
    assert "saved" not in plain
    assert names(tmp_path / "off") == []


@pytest.mark.parametrize(("setting", "keeps"), [("", False), ("own", True)])
async def test_films_are_kept_over_http_only_where_that_is_set(tmp_path: Path, setting: str, keeps: bool) -> None:
    world = film_world()
    with anyio.fail_after(LIMIT):
        async with running(world) as url:
            env = environment(url, tmp_path, RUNWAY_MCP_SAVE=setting)
            async with (
                http_server_process_of_loop(env) as server,
                Client(streamable_http_client(server.mcp)) as mcp,
            ):
                client = ToolClient(mcp, world)
                listed = [tool.name for tool in (await mcp.list_tools()).tools]
                data = await client.extend(client.clip)

    assert ("save_film" in listed) is keeps
    assert ("saved" in data) is keeps
    assert bool(names(tmp_path)) is keeps


INITIALIZE = (
    b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},'
    b'"clientInfo":{"name":"t","version":"1"}}}\n'
)


@pytest.mark.parametrize("after", [200_000, 2_000_000, 5_500_000])
async def test_a_server_killed_while_it_keeps_a_film_goes_on_when_it_starts_again(tmp_path: Path, after: int) -> None:
    world = film_world(films=SmallFilms(filler=SIZE))
    world.link_faults.append(LinkFault("stall", after_bytes=after))
    with anyio.fail_after(LIMIT):
        async with running(world) as url:
            env = environment(url, tmp_path)
            async with stdio_server_process(env) as process:
                await _ask(process, world)
                await until(lambda: _part_bytes(tmp_path) >= after // BLOCK_BYTES * BLOCK_BYTES)
                process.send_signal(signal.SIGKILL)
                await process.wait()
            assert not [name for name in names(tmp_path) if name.endswith(".mp4")]
            async with over_stdio(env, world) as client:
                await until(lambda: [name for name in names(tmp_path) if name.endswith(".mp4")])
                twin = await client.extend(client.clip)

    film = Path(twin["saved"]["path"])
    assert film.read_bytes() == rendered(world)
    assert names(tmp_path) == [film.name]


def _part_bytes(folder: Path) -> int:
    films = folder / "films"
    parts = list(films.glob("*.part")) if films.exists() else []
    return max((each.stat().st_size for each in parts), default=-1)


async def _ask(process: Process, world: World) -> None:
    """Has a server of the handshake era extend the first clip, without waiting for the answer."""
    assert process.stdin
    clip = world.asset_id(world.assets[0])
    call = (
        '{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"extend_video","arguments":'
        f'{{"assetId":"{clip}"}}}}}}\n'
    )
    await process.stdin.send(INITIALIZE)
    await process.stdin.send(b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n')
    await process.stdin.send(call.encode())


async def test_two_servers_that_keep_the_same_film_at_once_make_one_file(tmp_path: Path) -> None:
    world = film_world(films=SmallFilms(filler=SIZE))
    world.link_faults.append(LinkFault("slow", times=1, after_bytes=200_000, seconds=0.03))
    saved: list[dict[str, Any]] = []
    with anyio.fail_after(LIMIT):
        async with running(world) as url:
            env = environment(url, tmp_path)
            async with over_stdio(env, world) as one, over_stdio(env, world) as other:

                async def save(client: ToolClient) -> None:
                    result = await client.call("save_film", assetId=world.asset_id(client.clip))
                    saved.append(structured(result)["saved"])

                async with anyio.create_task_group() as group:
                    group.start_soon(save, one)
                    group.start_soon(save, other)

    assert saved[0] == saved[1]
    assert names(tmp_path) == [Path(saved[0]["path"]).name]
    film = world.assets[0].film
    assert film is not None
    assert Path(saved[0]["path"]).read_bytes() == world.films.render(film)
