"""How long a call takes that finds its request already submitted."""

from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from runway_mcp.simulator.faults import Fault
from runway_mcp.simulator.records import Task
from runway_mcp.tasks.intents import uuid_of
from tests.kit.upstream import fault
from tests.spend_once.setup import PROMPT, RUNNING, Setup

pytestmark = pytest.mark.virtual_time


async def test_without_a_named_wait_a_running_task_is_told_at_once(tmp_path: Path, mode: str) -> None:
    setup = Setup(tmp_path, mode, pace=300)
    async with setup.server() as client:
        await client.extend(setup.clip, text_prompt=PROMPT, wait_seconds=0)
        await anyio.sleep(30)
        data = await client.extend(setup.clip, text_prompt=PROMPT)

        assert client.took < 1
        assert (data["taskId"], data["twin"]) == (setup.task_id(), True)
        assert data["status"] in RUNNING
        assert data["next_step"]["tool"] == "get_task"
        assert data["next_step"]["arguments"]["taskId"] == setup.task_id()
        assert data["credits"]["cost"] == 0
        assert setup.posts == 1


async def test_after_a_restart_too_a_running_task_is_told_at_once(tmp_path: Path) -> None:
    setup = Setup(tmp_path, pace=300)
    async with setup.server() as client:
        await client.extend(setup.clip, text_prompt=PROMPT, wait_seconds=0)
    await anyio.sleep(30)
    async with setup.server() as client:
        data = await client.extend(setup.clip, text_prompt=PROMPT)

        assert client.took < 1
        assert (data["taskId"], data["twin"]) == (setup.task_id(), True)


async def test_with_a_named_wait_the_film_is_awaited(tmp_path: Path, mode: str) -> None:
    setup = Setup(tmp_path, mode, pace=40)
    async with setup.server() as client:
        await client.extend(setup.clip, text_prompt=PROMPT, wait_seconds=0)
        await anyio.sleep(5)
        early = await client.extend(setup.clip, text_prompt=PROMPT, wait_seconds=10)
        assert 9 <= client.took <= 11
        film = await client.extend(setup.clip, text_prompt=PROMPT, wait_seconds=45)

        assert early["status"] in RUNNING
        await setup.check_film_again(film)
        assert setup.posts == 1


async def test_while_its_post_is_out_a_request_is_answered_within_three_seconds(tmp_path: Path, mode: str) -> None:
    setup = Setup(tmp_path, mode)
    setup.world.faults.append(Fault(method="POST", kind="delay", seconds=30))
    async with setup.server() as client, anyio.create_task_group() as group:
        group.start_soon(partial(client.mcp.call_tool, "extend_video", arguments(setup)))
        await anyio.sleep(2)
        data = await client.extend(setup.clip, text_prompt=PROMPT)

        assert client.took <= 3.5
        error = data["error"]
        assert (error["kind"], error["charged"], error["retry_safe"]) == ("submission_unknown", "unknown", True)
        assert data["next_step"]["tool"] == "extend_video"
        waited = await client.extend(setup.clip, text_prompt=PROMPT, wait_seconds=45)
        assert waited["taskId"] == setup.task_id()
        assert (setup.posts, setup.charged) == (1, 1)


def arguments(setup: Setup) -> dict[str, Any]:
    return {"assetId": setup.world.asset_id(setup.clip), "text_prompt": PROMPT}


async def test_while_the_post_of_another_process_is_out_the_answer_is_as_quick(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    setup.world.faults.append(Fault(method="POST", kind="delay", seconds=30))
    async with setup.server() as one, setup.server() as other, anyio.create_task_group() as group:
        group.start_soon(partial(one.mcp.call_tool, "extend_video", arguments(setup)))
        await anyio.sleep(2)
        data = await other.extend(setup.clip, text_prompt=PROMPT)

        assert other.took <= 3.5
        assert data["error"]["kind"] == "submission_unknown"
        waited = await other.extend(setup.clip, text_prompt=PROMPT, wait_seconds=45)
        assert waited["taskId"] == setup.task_id()
        assert (setup.posts, setup.charged) == (1, 1)


async def test_a_post_that_is_answered_meanwhile_is_told(tmp_path: Path) -> None:
    setup = Setup(tmp_path, pace=300)
    setup.world.faults.append(Fault(method="POST", kind="delay_after", seconds=3))
    async with setup.server() as client, anyio.create_task_group() as group:
        group.start_soon(partial(client.mcp.call_tool, "extend_video", arguments(setup)))
        await anyio.sleep(2)
        data = await client.extend(setup.clip, text_prompt=PROMPT)

        assert client.took <= 3.5
        assert data["taskId"] == setup.task_id()
        assert setup.posts == 1


@pytest.mark.parametrize("processes", [1, 2])
async def test_a_request_that_waits_for_a_slot_is_waited_for_as_the_first_call_would(
    tmp_path: Path, processes: int
) -> None:
    setup = Setup(tmp_path, max_jobs=1)
    async with setup.server() as client, setup.server() as other:
        await client.extend(setup.clip, text_prompt="the slot is taken", wait_seconds=0)
        second = client if processes == 1 else other
        async with anyio.create_task_group() as group:
            group.start_soon(partial(client.mcp.call_tool, "extend_video", arguments(setup)))
            await anyio.sleep(5)
            data = await second.extend(setup.clip, text_prompt=PROMPT)

            assert data["taskId"] == setup.task_id(1)
            assert second.took > 5
        assert len(made(setup)) == 1


def made(setup: Setup) -> list[Task]:
    """The tasks that upstream accepted for the request."""
    return [task for task in setup.world.accepted if task.options["text_prompt"] == PROMPT]


async def test_a_request_is_not_left_waiting_by_a_call_that_gave_up_before_it_had_a_slot(tmp_path: Path) -> None:
    setup = Setup(tmp_path, max_jobs=1, pace=60)
    async with setup.server() as client:
        await client.extend(setup.clip, text_prompt="the slot is taken", wait_seconds=0)
        with anyio.move_on_after(5):
            await client.mcp.call_tool("extend_video", arguments(setup))
        await anyio.sleep(300)
        assert made(setup) == []
        film = await client.extend(setup.clip, text_prompt=PROMPT)

        assert film["taskId"] == setup.task_id(1)
        assert len(made(setup)) == 1


@pytest.mark.parametrize("is_moved", [True, False])
async def test_who_waited_for_a_call_that_gave_up_pays_for_no_clip_that_has_lost_the_name(
    tmp_path: Path, mode: str, *, is_moved: bool
) -> None:
    setup = Setup(tmp_path, mode, max_jobs=1, pace=22, clips=2)
    first, second = setup.world.assets
    name, cut, called = first.name, anyio.CancelScope(), {"text_prompt": PROMPT, "wait_seconds": 45}
    async with setup.server() as client, anyio.create_task_group() as group:
        await client.extend(second, text_prompt="the slot is taken", wait_seconds=0)

        async def give_up() -> None:
            with cut:
                await client.data("extend_video", assetId=name, **called)

        async def end_it() -> None:
            await anyio.sleep(10)
            cut.cancel()

        group.start_soon(give_up)
        group.start_soon(end_it)
        await anyio.sleep(3)
        first.name = "renamed.mp4"
        if is_moved:
            second.name = name
            fault(setup.world, method="GET", path_prefix="/assets", status=503, times=3)
        await client.data("extend_video", assetId=name, **called)

    assert [task for task in setup.world.accepted if task.parent is first] == []


@pytest.mark.parametrize("as_named", ["{}", "runway://assets/{}"])
async def test_who_waited_for_a_call_that_gave_up_its_slot_submits_by_whatever_name_the_clip_was_given(
    tmp_path: Path, mode: str, as_named: str
) -> None:
    setup = Setup(tmp_path, mode, max_jobs=1, pace=30)
    named = as_named.format(uuid_of(setup.world.asset_id(setup.clip)))
    told: list[dict[str, Any]] = []
    async with setup.server() as client, anyio.create_task_group() as group:
        await client.extend(setup.clip, text_prompt="the slot is taken", wait_seconds=0)

        async def call(wait: int) -> None:
            told.append(await client.data("extend_video", assetId=named, text_prompt=PROMPT, wait_seconds=wait))

        for wait in (8, 45):
            group.start_soon(call, wait)
            await anyio.sleep(1)

    given_up, submitted = told
    assert given_up["error"]["kind"] == "busy"
    assert submitted["taskId"] == setup.task_id(1)
    assert len(made(setup)) == 1
