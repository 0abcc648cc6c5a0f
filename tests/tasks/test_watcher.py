from pathlib import Path

import anyio
import pytest

from runway_mcp.runway.models import ExtendRequest, Task
from runway_mcp.simulator.library import add_task
from runway_mcp.tasks.waiting import wait_for
from tests.upstream import fault, open_world

pytestmark = pytest.mark.virtual_time


class Heard:
    """What a waiter was told, and when."""

    def __init__(self) -> None:
        self.tasks: list[Task] = []
        self.times: list[float] = []

    async def tell(self, task: Task) -> None:
        self.tasks.append(task)
        self.times.append(anyio.current_time())


async def test_a_wait_ends_with_the_task_and_tells_nothing_after_it(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (world, room):
        task_id = world.task_id(add_task(world, duration=40.0, queue=4.0))
        heard = Heard()

        ended = await wait_for(
            room.watcher, await room.client.task(task_id), deadline=anyio.current_time() + 90, tell=heard.tell
        )

        assert ended.status == "SUCCEEDED"
        assert not any(task.is_terminal for task in heard.tasks)
        assert 44.0 <= anyio.current_time() <= 49.0


async def test_a_waiter_hears_something_at_least_every_ten_seconds_and_at_most_once_a_second(tmp_path: Path) -> None:
    async with open_world(tmp_path, pace=300.0) as (world, room):
        task_id = world.task_id(add_task(world, ratios="null"))
        heard = Heard()

        await wait_for(
            room.watcher, await room.client.task(task_id), deadline=anyio.current_time() + 60, tell=heard.tell
        )

        gaps = [later - earlier for earlier, later in zip(heard.times, [*heard.times[1:], 60.0], strict=True)]
        assert max(gaps) <= 10.5
        assert min(gaps[:-1]) >= 1.0


async def test_a_wait_of_no_time_asks_nothing_more(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (world, room):
        task = await room.client.task(world.task_id(add_task(world, duration=40.0)))
        before = world.requests.total()

        assert await wait_for(room.watcher, task, deadline=anyio.current_time(), tell=Heard().tell) == task
        assert world.requests.total() == before


async def test_any_number_of_waiters_on_one_task_cost_the_reads_of_one(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (world, room):
        task = await room.client.task(world.task_id(add_task(world, duration=40.0, queue=4.0)))

        async def wait() -> None:
            await wait_for(room.watcher, task, deadline=anyio.current_time() + 90, tell=Heard().tell)

        async with anyio.create_task_group() as waiters:
            for _ in range(20):
                waiters.start_soon(wait)

        assert world.requests["GET /tasks/{id}"] <= 1 + 9


async def test_several_tasks_of_an_account_are_read_as_one_page(tmp_path: Path) -> None:
    async with open_world(tmp_path, slots=10, max_jobs=10, pace=45.0) as (world, room):
        clip = world.asset_id(world.assets[0])
        tasks = [await room.client.extend(ExtendRequest(asset_id=clip, seed=seed)) for seed in range(1, 11)]

        async def wait(task: Task) -> None:
            ended = await wait_for(room.watcher, task, deadline=anyio.current_time() + 90, tell=Heard().tell)
            assert ended.artifacts

        async with anyio.create_task_group() as waiters:
            for task in tasks:
                waiters.start_soon(wait, task)

        assert world.requests["GET /tasks"] <= 10
        assert world.requests["GET /tasks/{id}"] == 0


async def test_a_row_that_hides_the_film_is_made_up_for_by_reading_the_task(tmp_path: Path) -> None:
    async with open_world(tmp_path, slots=10) as (world, room):
        tasks = [await room.client.task(world.task_id(add_task(world, duration=20.0))) for _ in range(2)]
        singles = world.requests["GET /tasks/{id}"]

        async def wait(task: Task) -> None:
            await wait_for(room.watcher, task, deadline=anyio.current_time() + 90, tell=Heard().tell)

        async with anyio.create_task_group() as waiters:
            for task in tasks:
                waiters.start_soon(wait, task)

        assert world.requests["GET /tasks/{id}"] == singles + 2


async def test_a_task_that_the_list_does_not_show_is_read_by_itself(tmp_path: Path) -> None:
    async with open_world(tmp_path, slots=5) as (world, room):
        world.switch(task_list="object")
        tasks = [await room.client.task(world.task_id(add_task(world, duration=20.0))) for _ in range(2)]
        ended: list[str] = []

        async def wait(task: Task) -> None:
            last = await wait_for(room.watcher, task, deadline=anyio.current_time() + 90, tell=Heard().tell)
            ended.append(last.status)

        async with anyio.create_task_group() as waiters:
            for task in tasks:
                waiters.start_soon(wait, task)

        assert ended == ["SUCCEEDED", "SUCCEEDED"]


@pytest.mark.parametrize(
    "trouble",
    [
        {"kind": "status", "status": 502, "body": "<html></html>", "times": 3},
        {"kind": "status", "status": 404, "body": {"error": "Not found.", "code": 404}, "times": 3},
        {"kind": "status", "status": 429, "body": {"error": "slow down"}, "retry_after": 20, "times": 2},
        {"kind": "status", "status": 401, "body": {"error": "Unauthorized"}, "times": 2},
        {"kind": "reset", "times": 3},
        {"kind": "cut", "after_bytes": 20, "times": 3},
    ],
)
async def test_reads_that_fail_on_the_way_lose_no_task(tmp_path: Path, trouble: dict[str, object]) -> None:
    async with open_world(tmp_path) as (world, room):
        task = await room.client.task(world.task_id(add_task(world, duration=20.0)))
        fault(world, method="GET", path_prefix="/tasks", **trouble)

        ended = await wait_for(room.watcher, task, deadline=anyio.current_time() + 300, tell=Heard().tell)

        assert ended.status == "SUCCEEDED"


async def test_upstream_is_not_stormed_while_it_is_down_and_no_task_is_lost_when_it_is_back(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (world, room):
        task = await room.client.task(world.task_id(add_task(world, duration=20.0)))
        fault(world, method="GET", kind="status", status=503, times=None)
        waiting = anyio.current_time() + 1200

        async def recover() -> None:
            await anyio.sleep(600)
            world.faults.clear()

        before = world.requests.total()
        async with anyio.create_task_group() as group:
            group.start_soon(recover)
            ended = await wait_for(room.watcher, task, deadline=waiting, tell=Heard().tell)

            assert ended.status == "SUCCEEDED"
        assert world.requests.total() - before < 25


async def test_a_task_that_was_deleted_is_given_up_after_ten_minutes(tmp_path: Path) -> None:
    async with open_world(tmp_path, pace=9000.0) as (world, room):
        made = add_task(world)
        task = await room.client.task(world.task_id(made))
        room.watcher.follow(task)
        made.hidden = True
        await anyio.sleep(900)
        before = world.requests.total()
        await anyio.sleep(900)

        assert world.requests.total() == before
