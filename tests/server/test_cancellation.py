import contextlib
import json
import signal
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import anyio
import pytest
from anyio.abc import Process
from mcp import stdio_client
from mcp.client.client import Client
from mcp.client.sse import sse_client
from mcp_types import ElicitResult

from runway_mcp.simulator.builders import small_world
from runway_mcp.simulator.faults import Fault
from runway_mcp.simulator.run import running
from runway_mcp.simulator.world import World
from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.transitions import Selection
from tests.kit.client import structured
from tests.kit.processes import http_server_process_of_loop, server_environment, stdio_parameters, stdio_server_process
from tests.kit.server import InProcessServer, open_server
from tests.kit.upstream import virtual_world

Moment = Literal["before the POST", "while the POST is out", "after the POST"]
MOMENTS: tuple[Moment, ...] = ("before the POST", "while the POST is out", "after the POST")
SPENT = {"before the POST": 0, "while the POST is out": 1, "after the POST": 1}


@dataclass
class Gate:
    """Where a call is held up: `reached` tells that it is there, `opened` lets it on."""

    reached: anyio.Event = field(default_factory=anyio.Event)
    opened: anyio.Event = field(default_factory=anyio.Event)

    async def hold(self) -> None:
        self.reached.set()
        await self.opened.wait()


def gate_at(moment: Moment, world: World) -> Gate:
    """A gate on the way of the next extension; after the POST there is none, and its progress reaches the gate."""
    gate = Gate()
    if moment == "before the POST":
        world.faults.append(Fault(method="GET", path_prefix="/assets", kind="delay", hold=gate.hold))
    elif moment == "while the POST is out":
        world.faults.append(Fault(method="POST", path_prefix="/gen3", kind="delay", hold=gate.hold))
    return gate


def clip_of(world: World) -> str:
    return world.asset_id(world.assets[0])


async def extend(
    client: Client, world: World, prompt: str, gate: Gate | None = None, **arguments: Any
) -> dict[str, Any]:
    """An extension, which opens no gate; its first word about a task reaches one, or its end on a slow machine."""

    async def listen(progress: float, total: float | None, message: str | None) -> None:  # noqa: ARG001  the SDK's names
        if gate and message and message.startswith("Task "):
            gate.reached.set()

    called = {"assetId": clip_of(world), "text_prompt": prompt, **arguments}
    film = structured(await client.call_tool("extend_video", called, progress_callback=listen))
    if gate:
        gate.reached.set()
    return film


async def cancelled_at(moment: Moment, client: Client, world: World, prompt: str) -> None:
    """Begins an extension, and cancels it at that moment."""
    gate = gate_at(moment, world)
    async with anyio.create_task_group() as group:
        group.start_soon(extend, client, world, prompt, gate)
        await gate.reached.wait()
        group.cancel_scope.cancel()
    # A call that is refused unasked: what the server reads after the cancellation, it answers after it.
    await client.call_tool("get_task", {})
    gate.opened.set()


def posts(world: World) -> int:
    return world.requests["POST /gen3/extend"]


@pytest.mark.virtual_time
@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_cancelled_call_has_spent_nothing_or_leaves_a_task_that_is_followed_to_its_end(
    tmp_path: Path, mode: str, moment: Moment
) -> None:
    world = virtual_world(pace=60)
    async with open_server(world, tmp_path) as server, server.client(mode) as client:
        await cancelled_at(moment, client.mcp, world, "on")
        await anyio.sleep(100)

        assert posts(world) == len(world.accepted) == SPENT[moment]
        intents = await server.context.service.ledger.select(Selection.SUBMITTED, limit=5)
        assert [(each.status, each.ended is not None) for each in intents] == [("SUCCEEDED", True)] * SPENT[moment]

        film = await extend(client.mcp, world, "on")
        assert film.get("twin", False) == bool(SPENT[moment])
        assert posts(world) == 1


@pytest.mark.virtual_time
async def test_a_call_that_is_cancelled_while_it_waits_for_a_slot_submits_nothing(tmp_path: Path, mode: str) -> None:
    world = virtual_world(pace=60)
    world.accounts[next(iter(world.accounts))].max_jobs = 1
    async with open_server(world, tmp_path) as server, server.client(mode) as client:
        await client.extend(client.clip, wait_seconds=0)
        waiting = anyio.Event()

        async def listen(progress: float, total: float | None, message: str | None) -> None:  # noqa: ARG001  the SDK's names
            if message and message.startswith("waiting for a slot"):
                waiting.set()

        async with anyio.create_task_group() as group:
            arguments = {"assetId": clip_of(world), "text_prompt": "second"}
            group.start_soon(partial(client.mcp.call_tool, "extend_video", arguments, progress_callback=listen))
            await waiting.wait()
            group.cancel_scope.cancel()
        await anyio.sleep(300)

        assert len(world.accepted) == 1
        assert [each.text_prompt for each in await remembered(server)] == [None]


async def remembered(server: InProcessServer) -> Sequence[Intent]:
    return await server.context.service.ledger.select(Selection.SUBMITTED, limit=5)


@pytest.mark.virtual_time
async def test_a_call_that_is_cancelled_while_the_person_is_asked_submits_nothing(tmp_path: Path, mode: str) -> None:
    asked = anyio.Event()

    async def never(_: object, __: object) -> ElicitResult:
        asked.set()
        await anyio.sleep_forever()
        raise AssertionError

    world = virtual_world()
    async with (
        open_server(world, tmp_path, confirm_above=0.0) as server,
        server.client(mode, elicitation_callback=never) as client,
    ):
        async with anyio.create_task_group() as group:
            group.start_soon(extend, client.mcp, world, "on")
            await asked.wait()
            group.cancel_scope.cancel()
        await anyio.sleep(100)

        assert posts(world) == 0
        assert await remembered(server) == []


@pytest.mark.virtual_time
@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_host_that_is_gone_in_the_middle_of_a_call_changes_nothing_of_that(
    tmp_path: Path, mode: str, moment: Moment
) -> None:
    world = virtual_world(pace=60)
    async with open_server(world, tmp_path) as server:
        gate = gate_at(moment, world)
        # An error that the leaving host meets is its own.
        with contextlib.suppress(Exception):
            async with server.client(mode) as client, anyio.create_task_group() as group:
                group.start_soon(extend, client.mcp, world, "on", gate)
                await gate.reached.wait()
                raise ConnectionAbortedError
        gate.opened.set()
        await anyio.sleep(100)

        assert posts(world) == len(world.accepted) == SPENT[moment]
        assert [each.status for each in await remembered(server)] == ["SUCCEEDED"] * SPENT[moment]


async def all_moments(client: Client, world: World) -> None:
    """Cancels a call at each moment on one wire, and asks for each again."""
    before, films = posts(world), dict[str, dict[str, Any]]()
    for moment in MOMENTS:
        await cancelled_at(moment, client, world, f"{id(client)} {moment}")

    async def ask_again(moment: Moment) -> None:
        films[moment] = await extend(client, world, f"{id(client)} {moment}", wait_seconds=45)

    async with anyio.create_task_group() as group:
        for moment in MOMENTS:
            group.start_soon(ask_again, moment)

    assert {film["status"] for film in films.values()} == {"SUCCEEDED"}
    assert {moment: film.get("twin", False) for moment, film in films.items()} == SPENT
    assert posts(world) - before == len(MOMENTS)


@asynccontextmanager
async def a_real_world(pace: float = 0.2) -> AsyncGenerator[tuple[World, str]]:
    """A stand-in on a real socket, and its URL; the test is bounded by two minutes."""
    world = small_world(pace=pace)
    with anyio.fail_after(120):
        async with running(world) as url:
            yield world, url


@pytest.mark.slow
@pytest.mark.parametrize("era", ["auto", "legacy"])
async def test_on_stdio_a_cancelled_call_spends_once_or_never(tmp_path: Path, era: Literal["auto", "legacy"]) -> None:
    async with a_real_world() as (world, url):
        host = stdio_parameters(server_environment(url, tmp_path))
        async with Client(stdio_client(host), mode=era) as client:
            await all_moments(client, world)


@pytest.mark.slow
async def test_on_each_http_transport_a_cancelled_call_spends_once_or_never(tmp_path: Path) -> None:
    transports: list[tuple[str, Literal["auto", "legacy"]]] = [
        ("/mcp", "auto"),
        ("/mcp", "legacy"),
        ("/sse", "auto"),
        ("/sse", "legacy"),
    ]
    async with a_real_world() as (world, url), http_server_process_of_loop(server_environment(url, tmp_path)) as served:
        for path, era in transports:
            transport = sse_client(f"{served.origin}/sse") if path == "/sse" else f"{served.origin}/mcp"
            async with Client(transport, mode=era) as client:
                await all_moments(client, world)


OPENING: list[dict[str, Any]] = [
    {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "0"}},
    },
    {"jsonrpc": "2.0", "method": "notifications/initialized"},
]


async def close_stdin(process: Process) -> None:
    assert process.stdin
    await process.stdin.aclose()


async def terminate(process: Process) -> None:
    process.send_signal(signal.SIGTERM)


@pytest.mark.slow
@pytest.mark.parametrize(("end", "answered"), [(close_stdin, False), (terminate, True)])
async def test_a_server_that_ends_while_its_post_is_out_is_taken_up_by_the_next_and_posts_once(
    tmp_path: Path, end: Callable[[Process], Any], answered: bool
) -> None:
    async with a_real_world() as (world, url):
        env, gate = server_environment(url, tmp_path), gate_at("while the POST is out", world)
        arguments = {"assetId": clip_of(world), "text_prompt": "on"}
        params = {"name": "extend_video", "arguments": arguments}
        call = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params}
        async with stdio_server_process(env) as process:
            assert process.stdin
            await process.stdin.send("".join(json.dumps(each) + "\n" for each in [*OPENING, call]).encode())
            await gate.reached.wait()
            await end(process)
            if answered:
                gate.opened.set()
            assert await process.wait() == 0
        gate.opened.set()
        host = stdio_parameters(env)
        async with Client(stdio_client(host), mode="legacy") as client:
            film = await extend(client, world, "on")

        assert film["status"] == "SUCCEEDED"
        assert posts(world) == len(world.accepted) == 1
