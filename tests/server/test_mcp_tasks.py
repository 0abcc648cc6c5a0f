import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp_types import (
    CallToolResult,
    ElicitResult,
)

from runway_mcp.server.protocol_tasks import EXTENSION, TTL_MS
from runway_mcp.server.updates.observers import KEPT_SECONDS
from runway_mcp.simulator.builders import add_task
from runway_mcp.simulator.faults import Fault
from runway_mcp.simulator.world import World
from tests.server.bench import Desk, a_world, check_form, structured
from tests.server.lobby import Lobby, lobby
from tests.server.tasked import Handle, TakesTasks, Told, ask, called, tell

pytestmark = pytest.mark.virtual_time

CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
ENVELOPE: dict[str, Any] = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}
DECLARED: dict[str, Any] = {"extensions": {EXTENSION: {}}}
LONG = "user:1234-runwayml:nobody@example.com-task:11111111-2222-4333-8444-555555555555"


@asynccontextmanager
async def host(world: World, folder: Path, **fields: Any) -> AsyncGenerator[tuple[Desk, Lobby]]:
    """A host that takes tasks, at a server of its own."""
    async with lobby(world, folder, **fields) as place, place.client("auto", extensions=[TakesTasks()]) as desk:
        yield desk, place


async def begun(desk: Desk, **arguments: Any) -> Handle:
    """The task that an extension is answered with."""
    handle = await called(desk.client, "extend_video", assetId=desk.world.asset_id(desk.clip), **arguments)
    assert isinstance(handle, Handle)
    return handle


async def test_an_extension_is_answered_with_a_task_as_soon_as_its_id_is_known(tmp_path: Path) -> None:
    async with host(a_world(pace=60), tmp_path, poll_seconds=3.5) as (desk, _):
        handle = await begun(desk, wait_seconds=45)

        assert anyio.current_time() < 5
        assert handle.task_id == desk.world.task_id(desk.last_task())
        assert handle.status == "working"
        assert handle.status_message.startswith("The task is queued")
        assert handle.created_at == handle.last_updated_at == "2027-01-15T08:00:00.000Z"
        assert (handle.ttl_ms, handle.poll_interval_ms) == (TTL_MS, 3500)
        assert desk.posts == 1


async def test_a_host_that_polls_gets_the_film_as_the_result_of_its_call(tmp_path: Path) -> None:
    async with host(a_world(pace=60), tmp_path) as (desk, _):
        film = await desk.extend(desk.clip, text_prompt="over the dunes")

        assert film["status"] == "SUCCEEDED"
        assert film["lineage"]["source_assetId"] == desk.world.asset_id(desk.clip)
        assert film["text_prompt"] == "over the dunes"
        assert desk.took <= 60 + 2 * 5 + 2
        assert desk.posts == 1


async def test_a_poll_tells_how_far_the_task_is_without_asking_upstream(tmp_path: Path) -> None:
    async with host(a_world(pace=100), tmp_path) as (desk, _):
        handle = await begun(desk)
        told = [handle, *[await ask_after(desk, handle, 2) for _ in range(20)]]
        reads = sum(desk.world.requests[path] for path in ("GET /tasks/{id}", "GET /tasks"))

        assert {each.status for each in told} == {"working"}
        assert len({each.status_message for each in told}) >= 3
        assert "Runway reports" in told[-1].status_message
        assert reads <= 40 / 5 + 2


async def ask_after(desk: Desk, handle: Handle, seconds: float) -> Told:
    await anyio.sleep(seconds)
    return await ask(desk.client.session, "tasks/get", handle.task_id)


async def test_who_polls_has_the_task_followed_at_the_pace_of_somebody_who_waits_while_he_does(tmp_path: Path) -> None:
    async with host(a_world(pace=math.inf), tmp_path) as (desk, place):
        handle = await begun(desk)
        for _ in range(12):
            await ask_after(desk, handle, 5)
        polled = desk.world.requests["GET /tasks/{id}"]
        await anyio.sleep(31)
        assert place.context.observers.latest(handle.task_id) is None
        left = desk.world.requests["GET /tasks/{id}"]
        await anyio.sleep(60)

        assert polled >= 9
        assert desk.world.requests["GET /tasks/{id}"] - left <= 3


@pytest.mark.parametrize(
    ("outcome", "kind", "after"),
    [("fail", "generation_failed", 30), ("moderate", "moderated", 30), ("empty", "generation_failed", 90)],
)
async def test_a_generation_that_failed_is_completed_with_an_error_as_its_result(
    tmp_path: Path, outcome: str, kind: str, after: float
) -> None:
    world = a_world(pace=10)
    world.script_next(outcome=outcome)
    async with host(world, tmp_path) as (desk, _):
        handle = await begun(desk)
        told = await ask_after(desk, handle, after)

        assert told.status == "completed"
        assert told.result
        assert told.result.is_error
        data = structured(told.result)
        check_form(data, "get_task")
        assert data["error"]["kind"] == kind
        assert told.status_message == data["summary"]


async def test_a_task_cancelled_on_runways_side_is_cancelled_and_says_so(tmp_path: Path) -> None:
    world = a_world(pace=10)
    world.script_next(outcome="cancel")
    async with host(world, tmp_path) as (desk, _):
        handle = await begun(desk)
        await anyio.sleep(30)
        told = await ask(desk.client.session, "tasks/get", handle.task_id)

        assert (told.status, told.result) == ("cancelled", None)
        assert "cancelled on Runway's side" in told.status_message


async def test_the_same_request_gets_its_task_while_that_runs_and_its_film_whenever_it_comes_later(
    tmp_path: Path,
) -> None:
    async with host(a_world(pace=30), tmp_path) as (desk, _):
        handle, again = await begun(desk), await begun(desk)
        assert again.task_id == handle.task_id
        for pause in (60, 300, 500):
            await ask_after(desk, handle, pause)
            twin = await called(desk.client, "extend_video", assetId=desk.world.asset_id(desk.clip))

            assert not isinstance(twin, Handle)
            assert (structured(twin)["taskId"], structured(twin)["twin"]) == (handle.task_id, True)
        assert desk.posts == 1


async def test_a_task_that_ended_long_ago_is_read_again_for_links_that_live(tmp_path: Path) -> None:
    async with host(a_world(pace=40), tmp_path) as (desk, _):
        handle = await begun(desk)
        first = [await ask_after(desk, handle, 5) for _ in range(9)][-1]
        reads = desk.world.requests["GET /tasks/{id}"]
        again = await ask_after(desk, handle, 5)
        assert desk.world.requests["GET /tasks/{id}"] == reads
        last = await ask_after(desk, handle, KEPT_SECONDS)

        assert desk.world.requests["GET /tasks/{id}"] == reads + 1
        assert film_of(first)["url"] == film_of(again)["url"] != film_of(last)["url"]


def film_of(told: Any) -> dict[str, Any]:
    assert told.status == "completed"
    return structured(told.result)["video"]


async def test_cancelling_ends_the_following_and_never_claims_to_have_stopped_the_task(tmp_path: Path) -> None:
    async with host(a_world(pace=100), tmp_path) as (desk, place):
        handle = await begun(desk)
        await anyio.sleep(10)

        answer = await tell(desk.client, "tasks/cancel", handle.task_id)
        assert set(answer.model_dump(exclude_none=True)) <= {"meta", "result_type"}
        await anyio.sleep(1)
        assert place.context.observers.latest(handle.task_id) is None

        told = await ask(desk.client.session, "tasks/get", handle.task_id)
        assert told.status == "working"
        assert told.status_message.startswith("Runway cannot stop a task: this one goes on and may be charged.")

        await anyio.sleep(200)
        told = await ask(desk.client.session, "tasks/get", handle.task_id)
        assert told.status == "completed"
        assert told.status_message.startswith("The longer film is ready")
        await tell(desk.client, "tasks/cancel", handle.task_id)


async def test_a_cancel_takes_nothing_from_another_host_that_waits_for_the_same_task(tmp_path: Path) -> None:
    statuses: list[str] = []
    async with host(a_world(pace=60), tmp_path) as (desk, place):
        handle = await begun(desk)
        async with place.client("legacy") as other, anyio.create_task_group() as group:

            async def wait() -> None:
                while "SUCCEEDED" not in statuses:
                    told = await other.data("get_task", taskId=handle.task_id, wait_seconds=45)
                    statuses.append(told["status"])

            group.start_soon(wait)
            await anyio.sleep(5)
            await tell(desk.client, "tasks/cancel", handle.task_id)

        assert len(statuses) == 2


async def test_an_update_is_acknowledged_and_changes_nothing(tmp_path: Path) -> None:
    async with host(a_world(pace=100), tmp_path) as (desk, _):
        handle = await begun(desk)
        await tell(desk.client, "tasks/update", handle.task_id)

        assert (await ask(desk.client.session, "tasks/get", handle.task_id)).status == "working"


async def test_a_wait_for_an_unfinished_task_is_a_task_and_a_glance_is_a_result(tmp_path: Path) -> None:
    async with host(a_world(pace=100), tmp_path) as (desk, _):
        begun_task = await begun(desk)
        glance = await called(desk.client, "get_task", taskId=begun_task.task_id)
        wait = await called(desk.client, "get_task", taskId=begun_task.task_id, wait_seconds=10)
        await anyio.sleep(120)
        film = await called(desk.client, "get_task", taskId=begun_task.task_id, wait_seconds=10)

        assert isinstance(wait, Handle)
        assert (wait.task_id, wait.status) == (begun_task.task_id, "working")
        assert isinstance(glance, CallToolResult)
        assert structured(glance)["status"] in ("PENDING", "RUNNING")
        assert isinstance(film, CallToolResult)
        assert structured(film)["status"] == "SUCCEEDED"


async def test_what_is_no_running_task_is_answered_plainly(tmp_path: Path) -> None:
    world = a_world(pace=10)
    async with host(world, tmp_path) as (desk, _):
        clip = world.asset_id(desk.clip)
        plain = {
            "DRY_RUN": await called(desk.client, "extend_video", assetId=clip, dry_run=True),
            "invalid_request": await called(desk.client, "extend_video", assetId=clip, seconds=7),
            "not_found": await called(desk.client, "get_task", taskId=LONG, wait_seconds=5),
            "moderated": await called(desk.client, "extend_video", assetId=clip, text_prompt="forbidden"),
        }
        await called(desk.client, "list_assets")
        await begun(desk)
        await anyio.sleep(30)
        plain["SUCCEEDED"] = await called(desk.client, "extend_video", assetId=clip)

    for word, answer in plain.items():
        assert isinstance(answer, CallToolResult)
        data = structured(answer)
        assert (data["error"]["kind"] if "error" in data else data["status"]) == word


async def test_a_submit_without_a_clear_answer_is_told_plainly_since_there_is_no_task_to_name(tmp_path: Path) -> None:
    world = a_world(pace=300)
    world.switch(late_in_lists=60, late_in_scheduler=60)
    world.faults.append(Fault(method="POST", status=502, handled=True))
    async with host(world, tmp_path) as (desk, _):
        unclear = await called(desk.client, "extend_video", assetId=world.asset_id(desk.clip), wait_seconds=20)
        await anyio.sleep(60)
        found = await begun(desk)

        assert isinstance(unclear, CallToolResult)
        assert structured(unclear)["error"]["kind"] == "submission_unknown"
        assert found.task_id == world.task_id(desk.last_task())
        assert desk.posts == 1


async def test_a_clip_that_cannot_be_checked_in_time_is_told_plainly(tmp_path: Path) -> None:
    world = a_world()
    world.faults.append(Fault(path_prefix="/assets", times=None, kind="delay", seconds=500))
    async with host(world, tmp_path) as (desk, _):
        answer = await called(desk.client, "extend_video", assetId=world.asset_id(desk.clip))

        assert isinstance(answer, CallToolResult)
        assert structured(answer)["error"]["kind"] == "unavailable"
        assert anyio.current_time() <= 45
        assert desk.posts == 0


async def test_the_person_is_asked_before_there_is_a_task(tmp_path: Path) -> None:
    asked: list[str] = []

    async def agree(_: object, params: Any) -> ElicitResult:
        asked.append(params.message)
        return ElicitResult(action="accept", content={"ok": True})

    async with (
        lobby(a_world(pace=60), tmp_path, confirm_above=0.0) as place,
        place.client("auto", extensions=[TakesTasks()], elicitation_callback=agree) as desk,
    ):
        film = await desk.extend(desk.clip)

        assert film["status"] == "SUCCEEDED"
        assert len(asked) == desk.posts == 1


async def test_a_task_outlives_the_server_that_began_it(tmp_path: Path) -> None:
    world = a_world(pace=60)
    async with host(world, tmp_path) as (desk, _):
        handle = await begun(desk)
    async with host(world, tmp_path) as (desk, _):
        again = await ask(desk.client.session, "tasks/get", handle.task_id)
        await anyio.sleep(100)
        film = await ask(desk.client.session, "tasks/get", handle.task_id)

        assert (again.status, again.created_at) == ("working", handle.created_at)
        assert film.status == "completed"
        assert desk.posts == 1


async def test_a_task_that_somebody_made_by_hand_can_be_followed_too(tmp_path: Path) -> None:
    world = a_world()
    task = add_task(world, queue=10, duration=30)
    async with host(world, tmp_path) as (desk, _):
        handle = await called(desk.client, "get_task", taskId=world.task_id(task), wait_seconds=5)

        assert isinstance(handle, Handle)
        # It ends without a film of its own, which may come late for a minute.
        assert [(await ask_after(desk, handle, pause)).status for pause in (60, 90)] == ["working", "completed"]


async def test_a_task_whose_times_upstream_does_not_tell_has_some_all_the_same(tmp_path: Path) -> None:
    world = a_world()
    body = {"taskId": LONG, "status": "RUNNING", "createdAt": "yesterday", "updatedAt": None}
    world.faults.append(Fault(path_prefix="/tasks", times=None, body=body, status=200))
    async with host(world, tmp_path) as (desk, _):
        told = await ask(desk.client.session, "tasks/get", LONG)

        assert told.created_at == told.last_updated_at == "2027-01-15T08:00:00Z"


async def test_a_task_that_upstream_has_just_accepted_and_does_not_show_yet_can_be_asked_for(tmp_path: Path) -> None:
    world = a_world(pace=60)
    async with host(world, tmp_path) as (desk, place):
        handle = await begun(desk)
        await tell(desk.client, "tasks/cancel", handle.task_id)
        await anyio.sleep(1)
        assert place.context.observers.latest(handle.task_id) is None
        world.faults.append(Fault(path_prefix="/tasks", status=404))

        assert (await ask(desk.client.session, "tasks/get", handle.task_id)).status == "working"
