"""A process that was stopped, or a wall clock that jumps, makes no second POST."""

import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from runway_mcp.simulator.records import Task
from tests.spend_once.stage import HOUR, MINUTE, POST, PROMPT, Stage
from tests.upstream import fault

pytestmark = pytest.mark.virtual_time


def arguments(stage: Stage) -> dict[str, Any]:
    return {"assetId": stage.world.asset_id(stage.clip), "text_prompt": PROMPT}


def made(stage: Stage) -> list[Task]:
    """The tasks that upstream accepted for the request."""
    return [task for task in stage.world.accepted if task.options["text_prompt"] == PROMPT]


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize(("jump", "back"), [(HOUR, HOUR), (HOUR, 0.0), (25 * HOUR, 25 * HOUR), (-HOUR, -HOUR)])
async def test_a_wall_clock_that_jumps_while_a_request_waits_for_a_slot_makes_no_second_task(
    tmp_path: Path, processes: int, jump: float, back: float
) -> None:
    stage = Stage(tmp_path, max_jobs=1, pace=300)
    async with stage.server() as one, stage.server() as other, anyio.create_task_group() as group:
        await one.extend(stage.clip, text_prompt="the slot is taken", wait_seconds=0)
        group.start_soon(partial(one.client.call_tool, "extend_video", arguments(stage)))
        await anyio.sleep(3)
        stage.clock_ahead += jump
        await anyio.sleep(1)
        second = one if processes == 1 else other
        group.start_soon(partial(second.client.call_tool, "extend_video", arguments(stage)))
        await anyio.sleep(2)
        stage.clock_ahead -= back
        stage.account.max_jobs = 5
        await anyio.sleep(2 * MINUTE)

        assert len(made(stage)) == 1
        told = await second.extend(stage.clip, text_prompt=PROMPT)
        assert told["taskId"] == stage.task_id(1)
        assert len(made(stage)) == 1


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
    stage = Stage(tmp_path)
    fault(stage.world, **POST, **BUSY_ONCE)
    async with stage.server() as first, stage.server() as second, anyio.create_task_group() as group:
        group.start_soon(partial(first.client.call_tool, "extend_video", arguments(stage)))
        await anyio.sleep(9)
        with closing(sqlite3.connect(tmp_path / "ledger.sqlite3", isolation_level=None, timeout=0)) as lock:
            lock.execute("BEGIN IMMEDIATE")
            await anyio.sleep(3)
            stage.leap(stopped)
            lock.execute("ROLLBACK")
        told = await second.extend(stage.clip, text_prompt=PROMPT, wait_seconds=45)

        assert told["taskId"] == stage.task_id()
        await anyio.sleep(2 * MINUTE)
        assert stage.charged == 1


@pytest.mark.parametrize("stopped", [15.0, 100.0, HOUR])
async def test_a_process_that_is_stopped_while_another_asks_finds_the_task_of_that_one(
    tmp_path: Path, stopped: float
) -> None:
    stage = Stage(tmp_path)
    fault(stage.world, **POST, **BUSY_ONCE)
    told: list[Any] = []

    async def ask() -> None:
        told.append(await first.data("extend_video", **arguments(stage)))

    async with stage.server() as first, stage.server() as second:
        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await anyio.sleep(5)
            stage.leap(stopped)
            told.append(await second.extend(stage.clip, text_prompt=PROMPT, wait_seconds=45))

        assert [each["taskId"] for each in told] == [stage.task_id()] * 2
        assert stage.charged == 1


async def test_of_two_processes_on_one_folder_the_second_tells_the_film_of_the_first(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    async with stage.server() as one, stage.server() as other:
        await one.extend(stage.clip, text_prompt=PROMPT)
        await anyio.sleep(3 * MINUTE)

        await stage.check_film_again(await other.extend(stage.clip, text_prompt=PROMPT))
        assert stage.posts == 1


async def test_a_request_that_a_dead_process_left_waiting_never_becomes_unknown_and_blocks_nobody(
    tmp_path: Path,
) -> None:
    stage = Stage(tmp_path)
    await stage.die_while_posting(arrives=False, text_prompt=PROMPT)
    async with stage.server() as desk:
        await anyio.sleep(1)
        stage.alter("UPDATE intents SET state = 'waiting'")
        await anyio.sleep(HOUR)

        assert "unknown" not in stage.states()
        film = await desk.extend(stage.clip, text_prompt=PROMPT)
        assert film["status"] == "SUCCEEDED"
        assert "twin" not in film
        assert stage.charged == 1
        assert "waiting" not in stage.states()


async def test_a_request_that_was_left_waiting_before_a_restart_blocks_nobody(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    await stage.die_while_posting(arrives=False, text_prompt=PROMPT)
    stage.alter("UPDATE intents SET state = 'waiting'")
    await anyio.sleep(3 * HOUR)
    async with stage.server() as desk:
        await anyio.sleep(20 * MINUTE)
        assert "unknown" not in stage.states()
        film = await desk.extend(stage.clip, text_prompt=PROMPT)

        assert film["status"] == "SUCCEEDED"
        assert stage.charged == 1
        assert "waiting" not in stage.states()
