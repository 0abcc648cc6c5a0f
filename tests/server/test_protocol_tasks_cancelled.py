"""What `tasks/cancel` and `tasks/update` do, and what they leave alone."""

from pathlib import Path

import anyio
import pytest

from tests.server.bench import a_world
from tests.server.task_hosts import begun, host
from tests.server.tasked import ask, tell

pytestmark = pytest.mark.virtual_time


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
