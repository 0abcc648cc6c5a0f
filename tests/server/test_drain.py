"""The end of a server while a paid request is out: one for others waits longer for its answer than one for one user."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from runway_mcp.callers import CallersFile
from runway_mcp.data_folder import LEDGER
from runway_mcp.server.app import HOSTED_GRACE
from runway_mcp.simulator.world import World
from runway_mcp.tasks.intents import State
from runway_mcp.tasks.service import SHUTDOWN_GRACE
from runway_mcp.tasks.store.sqlite.store import SqliteStore
from runway_mcp.tasks.transitions import Selection
from tests.kit.clock import wall_clock
from tests.kit.server import open_server
from tests.kit.upstream import fault, virtual_world
from tests.server.many_callers import CallersOnDisk
from tests.spend_once.setup import PROMPT
from tests.tasks.submits import POST, submit, wish

pytestmark = pytest.mark.virtual_time


def of_callers(folder: Path) -> dict[str, Any]:
    """A file of callers."""
    return {"callers": CallersFile(CallersOnDisk(folder).write(ana=""), hide=lambda _: None)}


async def ended(folder: Path, *, answer_after: float, **fields: Any) -> tuple[float, State]:
    """How long the end of a server took whose request is answered so late, and how that stands in the ledger."""
    world, arrived = virtual_world(pace=900), anyio.Event()

    async def hold() -> None:
        arrived.set()
        await anyio.sleep(answer_after)

    fault(world, **POST, kind="delay_after", hold=hold)
    async with open_server(world, folder, **fields) as server:
        async with anyio.create_task_group() as calls:
            calls.start_soon(submit, server.context.service, wish(world))
            await arrived.wait()
            calls.cancel_scope.cancel()
        began = anyio.current_time()
    took = anyio.current_time() - began
    with SqliteStore(folder / LEDGER, wall_clock) as store:
        (intent,) = await store.select(Selection.UNFINISHED)
    assert len(world.accepted) == 1
    return took, intent.state


ISSUER = {"issuer": "https://issuer.example.com", "audience": "https://runway.example.com"}


def of_issuer(_: Path) -> dict[str, Any]:
    """An issuer."""
    return {**ISSUER, "over_http": True}


@pytest.mark.parametrize("hosted", [of_callers, of_issuer])
async def test_a_server_for_others_waits_a_while_for_the_answer_of_a_paid_request(
    tmp_path: Path, hosted: Callable[[Path], dict[str, Any]]
) -> None:
    took, state = await ended(tmp_path, answer_after=9.0, **hosted(tmp_path))

    assert state is State.ACCEPTED
    assert took == pytest.approx(9.0, abs=0.1)


async def test_that_wait_is_bounded(tmp_path: Path) -> None:
    took, _ = await ended(tmp_path, answer_after=600.0, **of_callers(tmp_path))

    assert took <= HOSTED_GRACE + 0.1


@pytest.mark.parametrize("fields", [{}, {"over_http": True}, ISSUER])
async def test_a_server_for_one_user_ends_before_its_host_kills_it(tmp_path: Path, fields: dict[str, Any]) -> None:
    # Over stdio an issuer that is set serves nobody.
    took, state = await ended(tmp_path, answer_after=9.0, **fields)

    assert took == pytest.approx(SHUTDOWN_GRACE, abs=0.1)
    assert state is not State.ACCEPTED


# --- calls that wait for a slot


async def told_as_it_drains(folder: Path, mode: str, calls: int = 1) -> tuple[World, list[dict[str, Any]], list[float]]:
    """What calls are told, and how soon, that wait for a slot as the server is told to stop after some 20 seconds."""
    world = virtual_world(pace=100, max_jobs=1)
    told, ends, stopped = list[dict[str, Any]](), list[float](), 0.0
    async with open_server(world, folder) as server, server.client(mode) as first:
        await first.extend(first.clip, text_prompt="another film", wait_seconds=0)

        async def wait() -> None:
            async with server.client(mode) as client:
                told.append(await client.extend(client.clip, text_prompt=PROMPT, wait_seconds=45))
                ends.append(anyio.current_time())

        async with anyio.create_task_group() as group:
            for _ in range(calls):
                group.start_soon(wait)
            await anyio.sleep(20)
            # A refusal of just now is looked at for two seconds, which a stop does not cut short.
            while not await server.context.service.ledger.select(Selection.WAITING):  # noqa: ASYNC110  no event tells it
                await anyio.sleep(0.1)
            stopped = anyio.current_time()
            server.context.waits.end_all()
    return world, told, [end - stopped for end in ends]


async def test_a_call_that_waits_for_a_slot_is_told_so_once_the_server_is_told_to_stop(
    tmp_path: Path, mode: str
) -> None:
    world, (told,), (took,) = await told_as_it_drains(tmp_path, mode)

    assert took == pytest.approx(0, abs=0.5)
    error = told["error"]
    assert (error["kind"], error["charged"], error["retry_safe"]) == ("busy", "no", True)
    assert told["next_step"]["tool"] == "extend_video"
    assert told["next_step"]["arguments"]["text_prompt"] == PROMPT
    assert len(world.accepted) == 1
    with SqliteStore(tmp_path / LEDGER, wall_clock) as store:
        assert await store.select(Selection.WAITING) == []


async def test_the_same_call_submits_once_at_the_server_that_follows(tmp_path: Path) -> None:
    world, _, _ = await told_as_it_drains(tmp_path, "auto", calls=3)
    await anyio.sleep(120)
    async with open_server(world, tmp_path) as server, server.client("auto") as client:
        films = [await client.extend(client.clip, text_prompt=PROMPT, wait_seconds=0) for _ in range(2)]

    assert len(world.accepted) == 2
    assert [film["taskId"] for film in films] == [world.task_id(world.accepted[1])] * 2


async def test_whoever_waits_for_another_calls_slot_is_told_so_too(tmp_path: Path) -> None:
    world, told, took = await told_as_it_drains(tmp_path, "auto", calls=3)

    assert max(took) == pytest.approx(0, abs=1.0)
    assert {(each["error"]["kind"], each["error"]["charged"]) for each in told} == {("busy", "no")}
    assert len(world.accepted) == 1


async def test_a_call_whose_request_is_out_is_told_once_five_seconds_have_passed(tmp_path: Path) -> None:
    world, told = virtual_world(pace=100), list[dict[str, Any]]()

    async def hold() -> None:
        await anyio.sleep(60)

    fault(world, **POST, kind="delay_after", hold=hold)
    async with open_server(world, tmp_path) as server, server.client("auto") as client:

        async def wait() -> None:
            told.append(await client.extend(client.clip, text_prompt=PROMPT, wait_seconds=45))

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await anyio.sleep(8)
            fault(world, method="GET", kind="status", status=503, times=None)
            server.context.waits.end_all()
        assert client.took == pytest.approx(8, abs=0.5)

    error = told[0]["error"]
    assert (error["kind"], error["charged"], error["retry_safe"]) == ("submission_unknown", "unknown", True)
    assert told[0]["next_step"]["tool"] == "extend_video"
    assert len(world.accepted) == 1
