"""What a caller's own read of a task costs upstream, and what it gives."""

import anyio
import httpx
import pytest

from runway_mcp.runway.errors import NotFound, Unavailable
from runway_mcp.runway.models import Task
from runway_mcp.tasks.follow.watcher import Watcher
from tests.tasks.observing import observing
from tests.tasks.scripted_upstream import ScriptedUpstream, nothing, watching
from tests.tasks.watched_ends import ALLOWED, POLL, ends, fail

pytestmark = pytest.mark.virtual_time


async def test_a_read_of_a_followed_task_is_shared_by_all_who_ask_within_an_interval() -> None:
    upstream = ScriptedUpstream()
    async with watching(upstream) as watcher:
        course = upstream.make(600.0)
        watcher.follow(upstream.tell(course))
        await anyio.sleep(25)
        before = len(upstream.arrivals)
        async with anyio.create_task_group() as callers:
            for _ in range(20):
                callers.start_soon(watcher.read, course.task_id)
        await anyio.sleep(POLL - 0.1)
        task = await watcher.read(course.task_id)

        assert task.status == "RUNNING"
        assert len(upstream.arrivals) - before == 1
        await anyio.sleep(60)
    assert upstream.closest >= ALLOWED


async def test_callers_who_ask_for_many_followed_tasks_keep_to_the_pace_of_the_account() -> None:
    upstream = ScriptedUpstream()
    async with watching(upstream) as watcher:
        courses = [upstream.make(600.0) for _ in range(20)]
        for course in courses:
            watcher.follow(upstream.tell(course))
        for _ in range(100):
            for course in courses:
                assert (await watcher.read(course.task_id)).task_id == course.task_id
            await anyio.sleep(1)

    assert upstream.singles == 0
    assert upstream.closest >= ALLOWED


async def test_a_caller_does_not_ask_an_upstream_that_wants_to_be_left_alone() -> None:
    upstream = ScriptedUpstream()
    upstream.listing = lambda _: httpx.Response(429, headers={"Retry-After": "60"}, json={"error": "Slow down."})
    upstream.single = lambda row: upstream.listing([row])
    async with watching(upstream) as watcher:
        courses = [upstream.make(600.0) for _ in range(2)]
        watcher.follow(upstream.tell(courses[1]))
        async with observing(watcher, upstream.tell(courses[0])):
            await anyio.sleep(20)
            asked = len(upstream.arrivals)
            await watcher.read(courses[1].task_id)
            await anyio.sleep(30)

            assert asked == len(upstream.arrivals) == 1


async def test_a_caller_of_patience_goes_on_where_one_of_none_gives_up() -> None:
    upstream = ScriptedUpstream()
    course = upstream.make(600.0)
    told: dict[float, str] = {}

    async def ask(watcher: Watcher, patience: float) -> None:
        try:
            told[patience] = (await watcher.read(course.task_id, patience=patience)).status
        except Unavailable:
            told[patience] = "unavailable"

    usual = upstream.single
    upstream.single = lambda row: httpx.Response(503) if upstream.singles <= 2 else usual(row)
    async with watching(upstream) as watcher, anyio.create_task_group() as callers:
        for patience in (0.0, 10.0):
            callers.start_soon(ask, watcher, patience)

    assert told == {0.0: "unavailable", 10.0: "RUNNING"}


async def test_who_asks_for_a_task_that_is_not_there_keeps_no_other_waiting() -> None:
    upstream = ScriptedUpstream()
    async with watching(upstream) as watcher:
        gone, other = upstream.make(30.0), upstream.make(30.0)
        del upstream.courses[gone.task_id]
        watcher.follow(Task(task_id=gone.task_id, status="PENDING"))

        async def ask() -> None:
            while True:
                with pytest.raises(NotFound):
                    await watcher.read(gone.task_id)
                await anyio.sleep(3)

        async with anyio.create_task_group() as asking:
            asking.start_soon(ask)
            await ends(watcher, upstream, other, patience=3 * POLL)
            asking.cancel_scope.cancel()


async def test_who_asks_for_a_task_that_is_not_there_causes_one_read() -> None:
    upstream = ScriptedUpstream()
    async with watching(upstream) as watcher:
        await anyio.sleep(POLL)
        gone = upstream.make(30.0)
        del upstream.courses[gone.task_id]
        watcher.follow(Task(task_id=gone.task_id, status="PENDING"))
        with pytest.raises(NotFound):
            await watcher.read(gone.task_id)

        assert len(upstream.arrivals) == 1


async def test_a_caller_who_goes_away_in_the_middle_of_a_read_has_read_all_the_same() -> None:
    upstream = ScriptedUpstream()
    async with watching(upstream) as watcher:
        courses = [upstream.make(600.0) for _ in range(2)]
        for course in courses:
            watcher.follow(upstream.tell(course))
        upstream.seconds = 20.0
        for _ in range(200):
            with anyio.move_on_after(0.2):
                await watcher.read(courses[0].task_id)
            await anyio.sleep(0.05)

    assert upstream.closest >= ALLOWED


async def test_callers_who_go_away_in_the_middle_of_reads_slow_nobody_down() -> None:
    upstream = ScriptedUpstream()
    async with watching(upstream) as watcher:
        course = upstream.make(600.0, shows=nothing)
        watcher.follow(upstream.tell(course))
        await anyio.sleep(20)
        upstream.seconds = 1.0
        for _ in range(5):
            with anyio.move_on_after(0.2):
                await watcher.read(course.task_id)
            await anyio.sleep(POLL)
        upstream.seconds = 0.0
        before = len(upstream.arrivals)
        await anyio.sleep(4 * POLL)

        assert len(upstream.arrivals) - before >= 3


async def test_a_read_of_a_task_that_is_not_followed_asks_upstream() -> None:
    upstream = ScriptedUpstream()
    async with watching(upstream) as watcher:
        course = upstream.make(600.0)
        for _ in range(3):
            assert (await watcher.read(course.task_id)).task_id == course.task_id

        assert len(upstream.arrivals) == 3
        assert watcher.followed(course.task_id) is None


async def test_a_read_that_fails_is_the_callers_and_leaves_the_task_followed() -> None:
    upstream = ScriptedUpstream()
    upstream.single = lambda row: fail([row])
    async with watching(upstream) as watcher:
        course = upstream.make(60.0)
        watcher.follow(upstream.tell(course))
        await anyio.sleep(20)
        with pytest.raises(Unavailable):
            await watcher.read(course.task_id, patience=0)
        upstream.single = dict

        await ends(watcher, upstream, course, patience=60.0)


async def test_callers_who_ask_at_the_same_moment_for_a_task_that_nobody_follows_cost_one_read() -> None:
    upstream = ScriptedUpstream()
    async with watching(upstream) as watcher:
        course = upstream.make(600.0)
        for turn in range(1, 3):
            async with anyio.create_task_group() as callers:
                for _ in range(20):
                    callers.start_soon(watcher.read, course.task_id)
            await anyio.sleep(0.1)

            assert len(upstream.arrivals) == turn
