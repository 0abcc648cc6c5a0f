"""What `tasks/cancel` and `tasks/update` do, and what they leave alone."""

from pathlib import Path

import anyio
import pytest

from tests.kit.protocol_tasks import ask, tell
from tests.kit.upstream import virtual_world
from tests.server.task_hosts import begun, host

pytestmark = pytest.mark.virtual_time


async def test_cancelling_ends_the_following_and_never_claims_to_have_stopped_the_task(tmp_path: Path) -> None:
    async with host(virtual_world(pace=100), tmp_path) as (client, place):
        handle = await begun(client)
        await anyio.sleep(10)

        answer = await tell(client.mcp, "tasks/cancel", handle.task_id)
        assert set(answer.model_dump(exclude_none=True)) <= {"meta", "result_type"}
        await anyio.sleep(1)
        assert place.context.observers.latest(handle.task_id) is None

        told = await ask(client.mcp.session, "tasks/get", handle.task_id)
        assert told.status == "working"
        assert told.status_message.startswith("Runway cannot stop a task: this one goes on and may be charged.")

        await anyio.sleep(200)
        told = await ask(client.mcp.session, "tasks/get", handle.task_id)
        assert told.status == "completed"
        assert told.status_message.startswith("The longer film is ready")
        await tell(client.mcp, "tasks/cancel", handle.task_id)


async def test_a_cancel_takes_nothing_from_another_host_that_waits_for_the_same_task(tmp_path: Path) -> None:
    statuses: list[str] = []
    async with host(virtual_world(pace=60), tmp_path) as (client, place):
        handle = await begun(client)
        async with place.client("legacy") as other, anyio.create_task_group() as group:

            async def wait() -> None:
                while "SUCCEEDED" not in statuses:
                    told = await other.data("get_task", taskId=handle.task_id, wait_seconds=45)
                    statuses.append(told["status"])

            group.start_soon(wait)
            await anyio.sleep(5)
            await tell(client.mcp, "tasks/cancel", handle.task_id)

        assert len(statuses) == 2


async def test_an_update_is_acknowledged_and_changes_nothing(tmp_path: Path) -> None:
    async with host(virtual_world(pace=100), tmp_path) as (client, _):
        handle = await begun(client)
        await tell(client.mcp, "tasks/update", handle.task_id)

        assert (await ask(client.mcp.session, "tasks/get", handle.task_id)).status == "working"
