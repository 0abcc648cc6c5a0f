"""Which calls are answered with a task of the protocol, and which with a result."""

from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp_types import (
    CallToolResult,
    ElicitResult,
)

from runway_mcp.server.protocol_tasks import TTL_MS
from runway_mcp.simulator.faults import Fault
from tests.kit.client import structured
from tests.kit.protocol_tasks import TakesTasks, TaskHandle, called
from tests.kit.server import open_server
from tests.kit.upstream import virtual_world
from tests.server.task_hosts import LONG, ask_after, begun, host

pytestmark = pytest.mark.virtual_time


async def test_an_extension_is_answered_with_a_task_as_soon_as_its_id_is_known(tmp_path: Path) -> None:
    async with host(virtual_world(pace=60), tmp_path, poll_seconds=3.5) as (client, _):
        handle = await begun(client, wait_seconds=45)

        assert anyio.current_time() < 5
        assert handle.task_id == client.world.task_id(client.last_task())
        assert handle.status == "working"
        assert handle.status_message.startswith("The task is queued")
        assert handle.created_at == handle.last_updated_at == "2027-01-15T08:00:00.000Z"
        assert (handle.ttl_ms, handle.poll_interval_ms) == (TTL_MS, 3500)
        assert client.posts == 1


async def test_a_host_that_polls_gets_the_film_as_the_result_of_its_call(tmp_path: Path) -> None:
    async with host(virtual_world(pace=60), tmp_path) as (client, _):
        film = await client.extend(client.clip, text_prompt="over the dunes")

        assert film["status"] == "SUCCEEDED"
        assert film["lineage"]["source_assetId"] == client.world.asset_id(client.clip)
        assert film["text_prompt"] == "over the dunes"
        assert client.took <= 60 + 2 * 5 + 2
        assert client.posts == 1


async def test_the_same_request_gets_its_task_while_that_runs_and_its_film_whenever_it_comes_later(
    tmp_path: Path,
) -> None:
    async with host(virtual_world(pace=30), tmp_path) as (client, _):
        handle, again = await begun(client), await begun(client)
        assert again.task_id == handle.task_id
        for pause in (60, 300, 500):
            await ask_after(client, handle, pause)
            twin = await called(client.mcp, "extend_video", assetId=client.world.asset_id(client.clip))

            assert not isinstance(twin, TaskHandle)
            assert (structured(twin)["taskId"], structured(twin)["twin"]) == (handle.task_id, True)
        assert client.posts == 1


async def test_a_wait_for_an_unfinished_task_is_a_task_and_a_glance_is_a_result(tmp_path: Path) -> None:
    async with host(virtual_world(pace=100), tmp_path) as (client, _):
        begun_task = await begun(client)
        glance = await called(client.mcp, "get_task", taskId=begun_task.task_id)
        wait = await called(client.mcp, "get_task", taskId=begun_task.task_id, wait_seconds=10)
        await anyio.sleep(120)
        film = await called(client.mcp, "get_task", taskId=begun_task.task_id, wait_seconds=10)

        assert isinstance(wait, TaskHandle)
        assert (wait.task_id, wait.status) == (begun_task.task_id, "working")
        assert isinstance(glance, CallToolResult)
        assert structured(glance)["status"] in ("PENDING", "RUNNING")
        assert isinstance(film, CallToolResult)
        assert structured(film)["status"] == "SUCCEEDED"


async def test_what_is_no_running_task_is_answered_plainly(tmp_path: Path) -> None:
    world = virtual_world(pace=10)
    async with host(world, tmp_path) as (client, _):
        clip = world.asset_id(client.clip)
        plain = {
            "DRY_RUN": await called(client.mcp, "extend_video", assetId=clip, dry_run=True),
            "invalid_request": await called(client.mcp, "extend_video", assetId=clip, seconds=7),
            "not_found": await called(client.mcp, "get_task", taskId=LONG, wait_seconds=5),
            "moderated": await called(client.mcp, "extend_video", assetId=clip, text_prompt="forbidden"),
        }
        await called(client.mcp, "list_assets")
        await begun(client)
        await anyio.sleep(30)
        plain["SUCCEEDED"] = await called(client.mcp, "extend_video", assetId=clip)

    for word, answer in plain.items():
        assert isinstance(answer, CallToolResult)
        data = structured(answer)
        assert (data["error"]["kind"] if "error" in data else data["status"]) == word


async def test_a_submit_without_a_clear_answer_is_told_plainly_since_there_is_no_task_to_name(tmp_path: Path) -> None:
    world = virtual_world(pace=300)
    world.switch(late_in_lists=60, late_in_scheduler=60)
    world.faults.append(Fault(method="POST", status=502, handled=True))
    async with host(world, tmp_path) as (client, _):
        unclear = await called(client.mcp, "extend_video", assetId=world.asset_id(client.clip), wait_seconds=20)
        await anyio.sleep(60)
        found = await begun(client)

        assert isinstance(unclear, CallToolResult)
        assert structured(unclear)["error"]["kind"] == "submission_unknown"
        assert found.task_id == world.task_id(client.last_task())
        assert client.posts == 1


async def test_a_clip_that_cannot_be_checked_in_time_is_told_plainly(tmp_path: Path) -> None:
    world = virtual_world()
    world.faults.append(Fault(path_prefix="/assets", times=None, kind="delay", seconds=500))
    async with host(world, tmp_path) as (client, _):
        answer = await called(client.mcp, "extend_video", assetId=world.asset_id(client.clip))

        assert isinstance(answer, CallToolResult)
        assert structured(answer)["error"]["kind"] == "unavailable"
        assert anyio.current_time() <= 45
        assert client.posts == 0


async def test_the_person_is_asked_before_there_is_a_task(tmp_path: Path) -> None:
    asked: list[str] = []

    async def agree(_: object, params: Any) -> ElicitResult:
        asked.append(params.message)
        return ElicitResult(action="accept", content={"ok": True})

    async with (
        open_server(virtual_world(pace=60), tmp_path, confirm_above=0.0) as server,
        server.client("auto", extensions=[TakesTasks()], elicitation_callback=agree) as client,
    ):
        film = await client.extend(client.clip)

        assert film["status"] == "SUCCEEDED"
        assert len(asked) == client.posts == 1
