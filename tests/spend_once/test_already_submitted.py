"""How long a call takes that finds its request already submitted."""

from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from runway_mcp.simulator.faults import Fault
from runway_mcp.simulator.records import Task
from tests.spend_once.stage import PROMPT, RUNNING, Stage

pytestmark = pytest.mark.virtual_time


async def test_without_a_named_wait_a_running_task_is_told_at_once(tmp_path: Path, mode: str) -> None:
    stage = Stage(tmp_path, mode, pace=300)
    async with stage.server() as desk:
        await desk.extend(stage.clip, text_prompt=PROMPT, wait_seconds=0)
        await anyio.sleep(30)
        data = await desk.extend(stage.clip, text_prompt=PROMPT)

        assert desk.took < 1
        assert (data["taskId"], data["twin"]) == (stage.task_id(), True)
        assert data["status"] in RUNNING
        assert data["next_step"]["tool"] == "get_task"
        assert data["next_step"]["arguments"]["taskId"] == stage.task_id()
        assert data["credits"]["cost"] == 0
        assert stage.posts == 1


async def test_after_a_restart_too_a_running_task_is_told_at_once(tmp_path: Path) -> None:
    stage = Stage(tmp_path, pace=300)
    async with stage.server() as desk:
        await desk.extend(stage.clip, text_prompt=PROMPT, wait_seconds=0)
    await anyio.sleep(30)
    async with stage.server() as desk:
        data = await desk.extend(stage.clip, text_prompt=PROMPT)

        assert desk.took < 1
        assert (data["taskId"], data["twin"]) == (stage.task_id(), True)


async def test_with_a_named_wait_the_film_is_awaited(tmp_path: Path, mode: str) -> None:
    stage = Stage(tmp_path, mode, pace=40)
    async with stage.server() as desk:
        await desk.extend(stage.clip, text_prompt=PROMPT, wait_seconds=0)
        await anyio.sleep(5)
        early = await desk.extend(stage.clip, text_prompt=PROMPT, wait_seconds=10)
        assert 9 <= desk.took <= 11
        film = await desk.extend(stage.clip, text_prompt=PROMPT, wait_seconds=45)

        assert early["status"] in RUNNING
        await stage.check_film_again(film)
        assert stage.posts == 1


async def test_while_its_post_is_out_a_request_is_answered_within_three_seconds(tmp_path: Path, mode: str) -> None:
    stage = Stage(tmp_path, mode)
    stage.world.faults.append(Fault(method="POST", kind="delay", seconds=30))
    async with stage.server() as desk, anyio.create_task_group() as group:
        group.start_soon(partial(desk.client.call_tool, "extend_video", arguments(stage)))
        await anyio.sleep(2)
        data = await desk.extend(stage.clip, text_prompt=PROMPT)

        assert desk.took <= 3.5
        error = data["error"]
        assert (error["kind"], error["charged"], error["retry_safe"]) == ("submission_unknown", "unknown", True)
        assert data["next_step"]["tool"] == "extend_video"
        waited = await desk.extend(stage.clip, text_prompt=PROMPT, wait_seconds=45)
        assert waited["taskId"] == stage.task_id()
        assert (stage.posts, stage.charged) == (1, 1)


def arguments(stage: Stage) -> dict[str, Any]:
    return {"assetId": stage.world.asset_id(stage.clip), "text_prompt": PROMPT}


async def test_while_the_post_of_another_process_is_out_the_answer_is_as_quick(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.world.faults.append(Fault(method="POST", kind="delay", seconds=30))
    async with stage.server() as one, stage.server() as other, anyio.create_task_group() as group:
        group.start_soon(partial(one.client.call_tool, "extend_video", arguments(stage)))
        await anyio.sleep(2)
        data = await other.extend(stage.clip, text_prompt=PROMPT)

        assert other.took <= 3.5
        assert data["error"]["kind"] == "submission_unknown"
        waited = await other.extend(stage.clip, text_prompt=PROMPT, wait_seconds=45)
        assert waited["taskId"] == stage.task_id()
        assert (stage.posts, stage.charged) == (1, 1)


async def test_a_post_that_is_answered_meanwhile_is_told(tmp_path: Path) -> None:
    stage = Stage(tmp_path, pace=300)
    stage.world.faults.append(Fault(method="POST", kind="delay_after", seconds=3))
    async with stage.server() as desk, anyio.create_task_group() as group:
        group.start_soon(partial(desk.client.call_tool, "extend_video", arguments(stage)))
        await anyio.sleep(2)
        data = await desk.extend(stage.clip, text_prompt=PROMPT)

        assert desk.took <= 3.5
        assert data["taskId"] == stage.task_id()
        assert stage.posts == 1


@pytest.mark.parametrize("processes", [1, 2])
async def test_a_request_that_waits_for_a_slot_is_waited_for_as_the_first_call_would(
    tmp_path: Path, processes: int
) -> None:
    stage = Stage(tmp_path, max_jobs=1)
    async with stage.server() as desk, stage.server() as other:
        await desk.extend(stage.clip, text_prompt="the slot is taken", wait_seconds=0)
        second = desk if processes == 1 else other
        async with anyio.create_task_group() as group:
            group.start_soon(partial(desk.client.call_tool, "extend_video", arguments(stage)))
            await anyio.sleep(5)
            data = await second.extend(stage.clip, text_prompt=PROMPT)

            assert data["taskId"] == stage.task_id(1)
            assert second.took > 5
        assert len(made(stage)) == 1


def made(stage: Stage) -> list[Task]:
    """The tasks that upstream accepted for the request."""
    return [task for task in stage.world.accepted if task.options["text_prompt"] == PROMPT]


async def test_a_request_is_not_left_waiting_by_a_call_that_gave_up_before_it_had_a_slot(tmp_path: Path) -> None:
    stage = Stage(tmp_path, max_jobs=1, pace=60)
    async with stage.server() as desk:
        await desk.extend(stage.clip, text_prompt="the slot is taken", wait_seconds=0)
        with anyio.move_on_after(5):
            await desk.client.call_tool("extend_video", arguments(stage))
        await anyio.sleep(300)
        assert made(stage) == []
        film = await desk.extend(stage.clip, text_prompt=PROMPT)

        assert film["taskId"] == stage.task_id(1)
        assert len(made(stage)) == 1
