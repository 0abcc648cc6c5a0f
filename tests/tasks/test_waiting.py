import math
from itertools import pairwise

import anyio
import pytest

from runway_mcp.runway.models import Task
from runway_mcp.tasks.follow.followed import Followed
from runway_mcp.tasks.follow.waiting import wait_for
from runway_mcp.tasks.follow.watcher import Watcher
from tests.tasks.scripted_upstream import Course, ScriptedUpstream, nothing, silent, watching

pytestmark = pytest.mark.virtual_time


class Heard:
    """What a waiter was told, and when; each telling takes it `seconds`."""

    def __init__(self, *, seconds: float = 0.0) -> None:
        self.tasks: list[Task] = []
        self.times: list[float] = []
        self._seconds = seconds

    async def tell(self, task: Task) -> None:
        self.tasks.append(task)
        self.times.append(anyio.current_time())
        await anyio.sleep(self._seconds)

    @property
    def gaps(self) -> list[float]:
        return [later - earlier for earlier, later in pairwise(self.times)]


async def wait(
    watcher: Watcher, upstream: ScriptedUpstream, course: Course, heard: Heard, *, seconds: float = 600.0
) -> Task:
    deadline = anyio.current_time() + seconds
    return await wait_for(watcher, upstream.tell(course), deadline=deadline, tell=heard.tell)


def at(entry: Followed, ratio: float, status: str = "RUNNING") -> Task:
    """The task of a handle, further on."""
    return entry.task.model_copy(update={"progress": ratio, "status": status})


async def test_a_wait_ends_with_the_task_and_tells_nothing_after_it() -> None:
    upstream, heard = ScriptedUpstream(), Heard()
    async with watching(upstream) as watcher:
        ended = await wait(watcher, upstream, upstream.make(44.0, queue=4.0), heard)

        assert ended.status == "SUCCEEDED"
        assert 44.0 <= anyio.current_time() <= 49.0
    assert not any(task.is_terminal for task in heard.tasks)


async def test_a_waiter_hears_something_at_once_and_then_at_least_every_ten_seconds() -> None:
    upstream, heard = ScriptedUpstream(), Heard()
    async with watching(upstream) as watcher:
        await wait(watcher, upstream, upstream.make(900.0, shows=nothing), heard, seconds=60.0)

        assert anyio.current_time() == pytest.approx(60.0)
    assert heard.times[0] == 0.0
    assert max([*heard.gaps, 60.0 - heard.times[-1]]) <= 10.0 + 1e-6


async def test_changes_that_come_faster_are_told_once_a_second_and_the_end_at_once() -> None:
    upstream, heard = ScriptedUpstream(), Heard()
    async with watching(upstream) as watcher:
        course = upstream.make(900.0)
        entry = watcher.follow(upstream.tell(course))

        async def change() -> None:
            for step in range(1, 46):
                await anyio.sleep(0.1)
                entry.take(at(entry, step / 100))
            entry.take(at(entry, 1.0, "SUCCEEDED"))

        async with anyio.create_task_group() as changing:
            changing.start_soon(change)
            assert (await wait(watcher, upstream, course, heard)).status == "SUCCEEDED"

        assert anyio.current_time() == pytest.approx(4.5)
    assert min(heard.gaps) >= 1.0 - 1e-6
    assert len(heard.times) == 5


async def test_a_change_during_a_telling_is_not_missed() -> None:
    upstream, heard = ScriptedUpstream(), Heard(seconds=3.0)
    async with watching(upstream) as watcher:
        course = upstream.make(900.0)
        entry = watcher.follow(upstream.tell(course))

        async def end() -> None:
            await anyio.sleep(1.0)
            entry.take(at(entry, 1.0, "SUCCEEDED"))

        async with anyio.create_task_group() as ending:
            ending.start_soon(end)
            assert (await wait(watcher, upstream, course, heard)).status == "SUCCEEDED"

        assert anyio.current_time() == pytest.approx(3.0)


async def test_a_telling_that_hangs_does_not_outlast_the_deadline() -> None:
    upstream, heard = ScriptedUpstream(), Heard(seconds=math.inf)
    async with watching(upstream) as watcher:
        task = await wait(watcher, upstream, upstream.make(20.0), heard, seconds=45.0)

        assert task.status == "SUCCEEDED"
        assert anyio.current_time() == pytest.approx(45.0)


async def test_a_wait_of_no_time_asks_and_tells_nothing() -> None:
    upstream, heard = ScriptedUpstream(), Heard()
    async with watching(upstream) as watcher:
        assert (await wait(watcher, upstream, upstream.make(60.0), heard, seconds=0.0)).status == "RUNNING"

    assert not upstream.arrivals
    assert not heard.tasks


async def test_a_finished_task_is_returned_without_a_read() -> None:
    upstream, heard = ScriptedUpstream(), Heard()
    async with watching(upstream) as watcher:
        course = upstream.make(10.0)
        await anyio.sleep(20.0)

        assert (await wait(watcher, upstream, course, heard)).artifacts

    assert not upstream.arrivals
    assert not heard.tasks


async def test_a_wait_that_is_cut_off_leaves_the_task_followed_and_unattended() -> None:
    upstream = ScriptedUpstream()
    async with watching(upstream) as watcher:
        course = upstream.make(60.0)
        with anyio.move_on_after(20.0):
            await wait_for(watcher, upstream.tell(course), deadline=math.inf, tell=silent)
        entry = watcher.followed(course.task_id)
        assert entry is not None
        assert not entry.is_attended
        await anyio.sleep(90.0)

        assert entry.task.status == "SUCCEEDED"
