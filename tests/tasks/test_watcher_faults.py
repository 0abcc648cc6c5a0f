"""What goes wrong while tasks are followed, upstream or here, and loses none of them."""

import math
from pathlib import Path

import anyio
import pytest

from runway_mcp.runway.models import Task
from runway_mcp.simulator.builders import add_task
from tests.kit.upstream import fault
from tests.tasks.observing import end_of, observing
from tests.tasks.scripted_upstream import Row, ScriptedUpstream, nothing, watching
from tests.tasks.services import open_world
from tests.tasks.watched_ends import POLL, ends, fail

pytestmark = pytest.mark.virtual_time


async def test_a_listener_that_stumbles_keeps_nobody_from_hearing() -> None:
    async def stumble(_: Task) -> None:
        raise ValueError

    upstream = ScriptedUpstream()
    async with watching(upstream, on_change=stumble) as watcher:
        await ends(watcher, upstream, upstream.make(30.0), patience=POLL)


async def test_a_fault_of_our_own_ends_neither_the_reader_nor_the_process(caplog: pytest.LogCaptureFixture) -> None:
    def stumble(_: Row) -> None:
        raise ValueError

    upstream = ScriptedUpstream()
    upstream.single = stumble
    async with watching(upstream) as watcher:
        course = upstream.make(60.0)
        watcher.follow(upstream.tell(course))
        await anyio.sleep(45)
        upstream.single = dict

        await ends(watcher, upstream, course, patience=100.0)
    assert "with a fault of this server" in caplog.text


async def test_a_task_may_be_followed_while_a_page_is_taken_in() -> None:
    upstream = ScriptedUpstream()

    async def follow_another(_: Task) -> None:
        if len(upstream.courses) < 20:
            watcher.follow(upstream.tell(upstream.make(60.0)))

    async with watching(upstream, on_change=follow_another) as watcher:
        await ends(watcher, upstream, *(upstream.make(40.0 + number) for number in range(8)))
        await anyio.sleep(200)

        assert len(upstream.courses) == 20
        assert not any(watcher.followed(each) for each in upstream.courses)


@pytest.mark.parametrize("seconds", [5.2, 16.0])
async def test_an_end_that_takes_long_to_write_down_breaks_no_reader(seconds: float) -> None:
    upstream = ScriptedUpstream()

    async def written_slowly(task: Task) -> None:
        if task.is_terminal:
            await anyio.sleep(seconds)

    async with watching(upstream, on_change=written_slowly) as watcher:
        course = upstream.make(521.0, shows=nothing)
        watcher.follow(upstream.tell(course))
        for _ in range(800):
            await watcher.read(course.task_id)
            await anyio.sleep(0.7)

        assert watcher.followed(course.task_id) is None
        await ends(watcher, upstream, upstream.make(30.0))


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
    async with open_world(tmp_path) as (world, service):
        task = await service.client.task(world.task_id(add_task(world, duration=20.0)))
        fault(world, method="GET", path_prefix="/tasks", **trouble)

        ended = await end_of(service.watcher, task, deadline=anyio.current_time() + 300)

        assert ended.status == "SUCCEEDED"


async def test_a_task_that_was_deleted_is_given_up_after_ten_minutes_and_so_is_waiting_for_it(tmp_path: Path) -> None:
    async with open_world(tmp_path, pace=9000.0) as (world, service):
        made = add_task(world)
        task = await service.client.task(world.task_id(made))
        made.hidden = True
        left = await end_of(service.watcher, task, deadline=math.inf)
        gave_up, before = anyio.current_time(), world.requests.total()
        await anyio.sleep(900)

        assert left == task
        assert 600 <= gave_up <= 900
        assert world.requests.total() == before


async def test_upstream_is_silent_on_a_task_for_as_long_as_its_reads_fail() -> None:
    upstream = ScriptedUpstream()
    async with watching(upstream) as watcher:
        course = upstream.make(600.0)

        def silence() -> float | None:
            followed = watcher.followed(course.task_id)
            assert followed is not None
            return followed.silence

        async with observing(watcher, upstream.tell(course)):
            await anyio.sleep(20)
            told = silence()
            upstream.single = lambda row: fail([row])
            await anyio.sleep(60)
            failing = silence()
            upstream.single = dict
            await anyio.sleep(90)

            assert told is None
            assert failing is not None
            assert 50 <= failing <= 70
            assert silence() is None
