"""How often a task is read: more often while somebody waits or its end can come, less often otherwise."""

from pathlib import Path

import anyio
import httpx
import pytest

from runway_mcp.runway.models import Extension, Task
from runway_mcp.tasks.follow.durations import Durations
from tests.tasks.observing import observing
from tests.tasks.scripted_upstream import ScriptedUpstream, nothing, watching
from tests.tasks.services import open_world
from tests.tasks.watched_ends import POLL, ends

pytestmark = pytest.mark.virtual_time


async def test_a_task_that_nobody_waits_for_is_read_less_often() -> None:
    upstream = ScriptedUpstream()
    async with watching(upstream) as watcher:
        watcher.follow(upstream.tell(upstream.make(600.0, shows=nothing)))
        await anyio.sleep(300)

    assert 5 <= len(upstream.arrivals) <= 300 / (6 * POLL)


async def test_whoever_begins_to_wait_is_served_at_once() -> None:
    upstream = ScriptedUpstream()
    async with watching(upstream) as watcher:
        course = upstream.make(600.0, shows=nothing)
        watcher.follow(upstream.tell(course))
        await anyio.sleep(100)
        before = len(upstream.arrivals)
        async with observing(watcher, upstream.tell(course)):
            await anyio.sleep(50)

        assert len(upstream.arrivals) - before >= 9


async def test_a_task_that_queues_is_left_alone() -> None:
    upstream = ScriptedUpstream()
    async with watching(upstream) as watcher:
        course = upstream.make(1000.0, queue=600.0)
        async with observing(watcher, upstream.tell(course)):
            await anyio.sleep(500)

    assert len(upstream.arrivals) <= 12


async def test_what_earlier_tasks_took_keeps_reads_for_the_time_when_the_end_can_come() -> None:
    durations = Durations()
    for seconds in (100.0, 110.0, 120.0, 130.0, 140.0):
        durations.learn(("gen3a", False), seconds)
    taught, untaught = ScriptedUpstream(), ScriptedUpstream()
    async with watching(taught, durations=durations) as watcher:
        await ends(watcher, taught, taught.make(100.0, shows=nothing), patience=POLL)
    async with watching(untaught) as watcher:
        await ends(watcher, untaught, untaught.make(100.0, shows=nothing), patience=POLL)

    assert len(taught.arrivals) < 0.7 * len(untaught.arrivals)


async def test_the_end_of_an_even_rise_is_noticed_at_once_by_few_reads() -> None:
    upstream = ScriptedUpstream()
    async with watching(upstream) as watcher:
        course = upstream.make(163.0, queue=13.0)

        await ends(watcher, upstream, course)

        assert anyio.current_time() - course.ends < 2.0
    assert len(upstream.arrivals) < 20


async def test_retry_after_is_honoured() -> None:
    upstream = ScriptedUpstream()
    upstream.single = lambda _: httpx.Response(429, json={"error": "slow down"}, headers={"Retry-After": "100"})
    async with watching(upstream) as watcher, observing(watcher, upstream.tell(upstream.make(600.0))):
        await anyio.sleep(400)

    assert len(upstream.arrivals) in (3, 4)
    assert upstream.closest >= 100.0


@pytest.mark.parametrize("looked_at", ["one by one", "all at once"])
async def test_who_looks_at_all_tasks_has_them_read_as_if_he_waited(looked_at: str) -> None:
    upstream = ScriptedUpstream()
    async with watching(upstream) as watcher:
        tasks = [upstream.tell(upstream.make(300.0, shows=nothing)) for _ in range(3)]
        for task in tasks:
            watcher.follow(task)
        if looked_at == "all at once":
            watcher.observe_all(begin=True)
        async with observing(watcher, *(tasks if looked_at == "one by one" else ())):
            await anyio.sleep(100)
        attended = upstream.pages
        if looked_at == "all at once":
            watcher.observe_all(begin=False)
        await anyio.sleep(100)

    assert attended >= 100 / POLL / 3
    assert upstream.pages - attended < attended


async def test_who_asks_again_and_again_counts_as_one_who_waits() -> None:
    upstream = ScriptedUpstream()
    async with watching(upstream) as watcher:
        course = upstream.make(600.0, shows=nothing)
        watcher.follow(upstream.tell(course))
        await anyio.sleep(100)
        before = len(upstream.arrivals)
        for _ in range(6):
            await watcher.read(course.task_id)
            await anyio.sleep(20)

    assert len(upstream.arrivals) - before >= 100 / POLL


async def test_what_an_earlier_process_left_is_read_soon_and_then_at_leisure(tmp_path: Path) -> None:
    async with open_world(tmp_path, pace=600.0) as (world, service):
        task = await service.client.submit(Extension(asset_id=world.asset_id(world.assets[0]), seed=1))
        service.watcher.follow(Task(task_id=task.task_id, status="PENDING"), oldest=400.0)
        await anyio.sleep(POLL)
        assert world.requests["GET /tasks/{id}"] == 1
        await anyio.sleep(120)

        assert world.requests["GET /tasks/{id}"] <= 5
