import math
from collections.abc import AsyncIterator

import anyio
import pytest

from runway_mcp.runway.models import Task
from runway_mcp.tasks.follow.watcher import Watcher
from tests.tasks.observing import end_of, observing
from tests.tasks.scripted_upstream import Course, ScriptedUpstream, nothing, watching

pytestmark = pytest.mark.virtual_time


def changes(
    watcher: Watcher, upstream: ScriptedUpstream, course: Course, *, seconds: float = 600.0
) -> AsyncIterator[Task]:
    """What is told of a task within so many seconds."""
    watcher.follow(upstream.tell(course))
    return watcher.changes(course.task_id, anyio.current_time() + seconds)


async def test_a_task_is_told_as_it_stands_then_at_each_change_and_its_end_comes_last() -> None:
    upstream = ScriptedUpstream()
    async with watching(upstream) as watcher:
        told = [task async for task in changes(watcher, upstream, upstream.make(44.0, queue=4.0))]

        assert 44.0 <= anyio.current_time() <= 49.0
    assert [task.status for task in (told[0], told[-1])] == ["PENDING", "SUCCEEDED"]
    assert not any(task.is_terminal for task in told[:-1])
    assert len({task.progress for task in told}) == len(told)


async def test_what_does_not_change_is_told_once_until_the_deadline() -> None:
    upstream = ScriptedUpstream()
    async with watching(upstream) as watcher:
        told = [task async for task in changes(watcher, upstream, upstream.make(900.0, shows=nothing), seconds=60.0)]

        assert anyio.current_time() == pytest.approx(60.0)
    assert len(told) == 1
    assert len(upstream.arrivals) > 5


async def test_changes_during_the_turn_of_who_iterates_are_told_next_as_one() -> None:
    upstream = ScriptedUpstream()
    async with watching(upstream) as watcher:
        told: list[Task] = []
        async with observing(watcher, upstream.tell(course := upstream.make(60.0))):
            async for task in changes(watcher, upstream, course):
                told.append(task)
                await anyio.sleep(30.0)

        assert anyio.current_time() == pytest.approx(120.0)
    assert len(told) == 4
    assert told[-1].status == "SUCCEEDED"


async def test_an_end_that_is_known_at_the_deadline_is_told_after_it() -> None:
    upstream = ScriptedUpstream()
    async with watching(upstream) as watcher, observing(watcher, upstream.tell(course := upstream.make(20.0))):
        told: list[Task] = []
        async for task in changes(watcher, upstream, course, seconds=45.0):
            told.append(task)
            await anyio.sleep(50.0)

    assert [task.status for task in told] == ["RUNNING", "SUCCEEDED"]


async def test_a_deadline_that_has_passed_asks_nothing() -> None:
    upstream = ScriptedUpstream()
    async with watching(upstream) as watcher:
        assert (await end_of(watcher, upstream.tell(upstream.make(60.0)), deadline=0.0)).status == "RUNNING"

    assert not upstream.arrivals


async def test_nothing_is_told_of_a_task_that_is_not_followed() -> None:
    upstream = ScriptedUpstream()
    async with watching(upstream) as watcher:
        course = upstream.make(10.0)
        await anyio.sleep(20.0)

        assert [task async for task in changes(watcher, upstream, course)] == []

    assert not upstream.arrivals


async def test_an_iteration_that_is_cut_off_leaves_the_task_followed_and_unobserved() -> None:
    upstream = ScriptedUpstream()
    async with watching(upstream) as watcher:
        course = upstream.make(900.0, shows=nothing)
        with anyio.move_on_after(20.0):
            await end_of(watcher, upstream.tell(course), deadline=math.inf)
        observed = len(upstream.arrivals)
        await anyio.sleep(300.0)

        assert 4 <= len(upstream.arrivals) - observed <= 300.0 / 30.0
        assert watcher.followed(course.task_id) is not None
