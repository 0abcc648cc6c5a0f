"""What `tasks/get` tells of a task, and how closely a task that is polled is followed."""

import math
from pathlib import Path
from typing import Any

import anyio
import pytest

from runway_mcp.server.updates.observers import KEPT_SECONDS
from runway_mcp.simulator.builders import add_task
from runway_mcp.simulator.faults import Fault
from tests.kit.client import check_output, structured
from tests.kit.protocol_tasks import TaskHandle, ask, called, tell
from tests.kit.upstream import virtual_world
from tests.server.task_hosts import LONG, ask_after, begun, host

pytestmark = pytest.mark.virtual_time


async def test_a_poll_tells_how_far_the_task_is_without_asking_upstream(tmp_path: Path) -> None:
    async with host(virtual_world(pace=100), tmp_path) as (client, _):
        handle = await begun(client)
        told = [handle, *[await ask_after(client, handle, 2) for _ in range(20)]]
        reads = sum(client.world.requests[path] for path in ("GET /tasks/{id}", "GET /tasks"))

        assert {each.status for each in told} == {"working"}
        assert len({each.status_message for each in told}) >= 3
        assert "Runway reports" in told[-1].status_message
        assert reads <= 40 / 5 + 2


async def test_who_polls_has_the_task_followed_at_the_pace_of_somebody_who_waits_while_he_does(tmp_path: Path) -> None:
    async with host(virtual_world(pace=math.inf), tmp_path) as (client, place):
        handle = await begun(client)
        for _ in range(12):
            await ask_after(client, handle, 5)
        polled = client.world.requests["GET /tasks/{id}"]
        await anyio.sleep(31)
        assert place.context.observers.latest(handle.task_id) is None
        left = client.world.requests["GET /tasks/{id}"]
        await anyio.sleep(60)

        assert polled >= 9
        assert client.world.requests["GET /tasks/{id}"] - left <= 3


@pytest.mark.parametrize(
    ("outcome", "kind", "after"),
    [("fail", "generation_failed", 30), ("moderate", "moderated", 30), ("empty", "generation_failed", 90)],
)
async def test_a_generation_that_failed_is_completed_with_an_error_as_its_result(
    tmp_path: Path, outcome: str, kind: str, after: float
) -> None:
    world = virtual_world(pace=10)
    world.script_next(outcome=outcome)
    async with host(world, tmp_path) as (client, _):
        handle = await begun(client)
        told = await ask_after(client, handle, after)

        assert told.status == "completed"
        assert told.result
        assert told.result.is_error
        data = structured(told.result)
        check_output(data, "get_task")
        assert data["error"]["kind"] == kind
        assert told.status_message == data["summary"]


async def test_a_task_cancelled_on_runways_side_is_cancelled_and_says_so(tmp_path: Path) -> None:
    world = virtual_world(pace=10)
    world.script_next(outcome="cancel")
    async with host(world, tmp_path) as (client, _):
        handle = await begun(client)
        await anyio.sleep(30)
        told = await ask(client.mcp.session, "tasks/get", handle.task_id)

        assert (told.status, told.result) == ("cancelled", None)
        assert "cancelled on Runway's side" in told.status_message


async def test_a_task_that_ended_long_ago_is_read_again_for_links_that_live(tmp_path: Path) -> None:
    async with host(virtual_world(pace=40), tmp_path) as (client, _):
        handle = await begun(client)
        first = [await ask_after(client, handle, 5) for _ in range(9)][-1]
        reads = client.world.requests["GET /tasks/{id}"]
        again = await ask_after(client, handle, 5)
        assert client.world.requests["GET /tasks/{id}"] == reads
        last = await ask_after(client, handle, KEPT_SECONDS)

        assert client.world.requests["GET /tasks/{id}"] == reads + 1
        assert film_of(first)["url"] == film_of(again)["url"] != film_of(last)["url"]


def film_of(told: Any) -> dict[str, Any]:
    assert told.status == "completed"
    return structured(told.result)["video"]


async def test_a_task_outlives_the_server_that_began_it(tmp_path: Path) -> None:
    world = virtual_world(pace=60)
    async with host(world, tmp_path) as (client, _):
        handle = await begun(client)
    async with host(world, tmp_path) as (client, _):
        again = await ask(client.mcp.session, "tasks/get", handle.task_id)
        await anyio.sleep(100)
        film = await ask(client.mcp.session, "tasks/get", handle.task_id)

        assert (again.status, again.created_at) == ("working", handle.created_at)
        assert film.status == "completed"
        assert client.posts == 1


async def test_a_task_that_somebody_made_by_hand_can_be_followed_too(tmp_path: Path) -> None:
    world = virtual_world()
    task = add_task(world, queue=10, duration=30)
    async with host(world, tmp_path) as (client, _):
        handle = await called(client.mcp, "get_task", taskId=world.task_id(task), wait_seconds=5)

        assert isinstance(handle, TaskHandle)
        # It ends without a film of its own, which may come late for a minute.
        assert [(await ask_after(client, handle, pause)).status for pause in (60, 90)] == ["working", "completed"]


async def test_a_task_whose_times_upstream_does_not_tell_has_some_all_the_same(tmp_path: Path) -> None:
    world = virtual_world()
    body = {"taskId": LONG, "status": "RUNNING", "createdAt": "yesterday", "updatedAt": None}
    world.faults.append(Fault(path_prefix="/tasks", times=None, body=body, status=200))
    async with host(world, tmp_path) as (client, _):
        told = await ask(client.mcp.session, "tasks/get", LONG)

        assert told.created_at == told.last_updated_at == "2027-01-15T08:00:00Z"


async def test_a_task_that_upstream_has_just_accepted_and_does_not_show_yet_can_be_asked_for(tmp_path: Path) -> None:
    world = virtual_world(pace=60)
    async with host(world, tmp_path) as (client, place):
        handle = await begun(client)
        await tell(client.mcp, "tasks/cancel", handle.task_id)
        await anyio.sleep(1)
        assert place.context.observers.latest(handle.task_id) is None
        world.faults.append(Fault(path_prefix="/tasks", status=404))

        assert (await ask(client.mcp.session, "tasks/get", handle.task_id)).status == "working"
