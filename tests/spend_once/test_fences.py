"""A process that was stopped, or a wall clock that jumps, makes no second POST."""

import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from runway_mcp.simulator.records import Task
from tests.kit.upstream import fault
from tests.spend_once.setup import HOUR, MINUTE, POST, PROMPT, Setup

pytestmark = pytest.mark.virtual_time


def arguments(setup: Setup) -> dict[str, Any]:
    return {"assetId": setup.world.asset_id(setup.clip), "text_prompt": PROMPT}


def made(setup: Setup) -> list[Task]:
    """The tasks that upstream accepted for the request."""
    return [task for task in setup.world.accepted if task.options["text_prompt"] == PROMPT]


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize(("jump", "back"), [(HOUR, HOUR), (HOUR, 0.0), (25 * HOUR, 25 * HOUR), (-HOUR, -HOUR)])
async def test_a_wall_clock_that_jumps_while_a_request_waits_for_a_slot_makes_no_second_task(
    tmp_path: Path, processes: int, jump: float, back: float
) -> None:
    setup = Setup(tmp_path, max_jobs=1, pace=300)
    async with setup.server() as one, setup.server() as other, anyio.create_task_group() as group:
        await one.extend(setup.clip, text_prompt="the slot is taken", wait_seconds=0)
        group.start_soon(partial(one.mcp.call_tool, "extend_video", arguments(setup)))
        await anyio.sleep(3)
        setup.clock_ahead += jump
        await anyio.sleep(1)
        second = one if processes == 1 else other
        group.start_soon(partial(second.mcp.call_tool, "extend_video", arguments(setup)))
        await anyio.sleep(2)
        setup.clock_ahead -= back
        setup.account.max_jobs = 5
        await anyio.sleep(2 * MINUTE)

        assert len(made(setup)) == 1
        told = await second.extend(setup.clip, text_prompt=PROMPT)
        assert told["taskId"] == setup.task_id(1)
        assert len(made(setup)) == 1


BUSY_ONCE: dict[str, Any] = {
    "kind": "status",
    "status": 429,
    "body": {"error": "You have too many tasks running or pending."},
    "retry_after": 10,
}


@pytest.mark.parametrize("stopped", [15.0, 100.0, HOUR])
async def test_a_process_that_is_stopped_before_it_posts_again_posts_no_second_time(
    tmp_path: Path, stopped: float
) -> None:
    """The first process waits for the ledger's lock, to post; while it is stopped there, another one asks."""
    setup = Setup(tmp_path)
    fault(setup.world, **POST, **BUSY_ONCE)
    async with setup.server() as first, setup.server() as second, anyio.create_task_group() as group:
        group.start_soon(partial(first.mcp.call_tool, "extend_video", arguments(setup)))
        await anyio.sleep(9)
        with closing(sqlite3.connect(tmp_path / "ledger.sqlite3", isolation_level=None, timeout=0)) as lock:
            lock.execute("BEGIN IMMEDIATE")
            await anyio.sleep(3)
            setup.leap(stopped)
            lock.execute("ROLLBACK")
        told = await second.extend(setup.clip, text_prompt=PROMPT, wait_seconds=45)

        assert told["taskId"] == setup.task_id()
        await anyio.sleep(2 * MINUTE)
        assert setup.charged == 1


@pytest.mark.parametrize("stopped", [15.0, 100.0, HOUR])
async def test_a_process_that_is_stopped_while_another_asks_finds_the_task_of_that_one(
    tmp_path: Path, stopped: float
) -> None:
    setup = Setup(tmp_path)
    fault(setup.world, **POST, **BUSY_ONCE)
    told: list[Any] = []

    async def ask() -> None:
        told.append(await first.data("extend_video", **arguments(setup)))

    async with setup.server() as first, setup.server() as second:
        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await anyio.sleep(5)
            setup.leap(stopped)
            told.append(await second.extend(setup.clip, text_prompt=PROMPT, wait_seconds=45))

        assert [each["taskId"] for each in told] == [setup.task_id()] * 2
        assert setup.charged == 1
        # The charge is told once, by the call that made the POST.
        assert sorted(each["credits"]["cost"] for each in told) == [0, 50]


async def test_of_two_processes_on_one_folder_the_second_tells_the_film_of_the_first(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    async with setup.server() as one, setup.server() as other:
        await one.extend(setup.clip, text_prompt=PROMPT)
        await anyio.sleep(3 * MINUTE)

        await setup.check_film_again(await other.extend(setup.clip, text_prompt=PROMPT))
        assert setup.posts == 1


async def test_a_request_that_a_dead_process_left_waiting_never_becomes_unknown_and_blocks_nobody(
    tmp_path: Path,
) -> None:
    setup = Setup(tmp_path)
    await setup.die_while_posting(arrives=False, text_prompt=PROMPT)
    async with setup.server() as client:
        await anyio.sleep(1)
        setup.alter("UPDATE intents SET state = 'waiting'")
        await anyio.sleep(HOUR)

        assert "unknown" not in setup.states()
        film = await client.extend(setup.clip, text_prompt=PROMPT)
        assert film["status"] == "SUCCEEDED"
        assert "twin" not in film
        assert setup.charged == 1
        assert "waiting" not in setup.states()


async def test_a_request_that_was_left_waiting_before_a_restart_blocks_nobody(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    await setup.die_while_posting(arrives=False, text_prompt=PROMPT)
    setup.alter("UPDATE intents SET state = 'waiting'")
    await anyio.sleep(3 * HOUR)
    async with setup.server() as client:
        await anyio.sleep(20 * MINUTE)
        assert "unknown" not in setup.states()
        film = await client.extend(setup.clip, text_prompt=PROMPT)

        assert film["status"] == "SUCCEEDED"
        assert setup.charged == 1
        assert "waiting" not in setup.states()


async def test_a_call_that_waited_for_a_dead_holder_says_why_it_submitted_nothing(tmp_path: Path) -> None:
    setup = Setup(tmp_path, pace=5)
    await setup.die_while_posting(arrives=False, text_prompt=PROMPT)
    async with setup.server() as client:
        setup.alter("UPDATE intents SET state = 'waiting', posts = 0, lease = ?", setup.machine_time() + 11)
        refused = await client.extend(setup.clip, text_prompt=PROMPT, wait_seconds=14)

        assert (refused["error"]["kind"], refused["error"]["charged"]) == ("busy", "no")
        assert "gave up" in refused["summary"]
        step = refused["next_step"]
        assert (await client.data(step["tool"], **step["arguments"]))["status"] == "SUCCEEDED"
        assert setup.charged == 1
