import logging
import math
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from runway_mcp.runway.errors import NotFound, Unavailable
from runway_mcp.runway.models import Extension, Task
from runway_mcp.simulator.builders import add_task
from runway_mcp.tasks.follow.durations import Durations
from runway_mcp.tasks.follow.waiting import wait_for
from runway_mcp.tasks.follow.watcher import Watcher
from tests.tasks.booth import Booth, Course, Row, nothing, silent, watching
from tests.upstream import fault, open_world

pytestmark = pytest.mark.virtual_time

POLL = 5.0
# Differences of the clock's readings are not exact.
ALLOWED = POLL - 1e-6


async def ends(watcher: Watcher, booth: Booth, *courses: Course, patience: float = 900.0) -> dict[str, Task]:
    """The ends of tasks, each waited for by a caller of its own; checks that each comes within its patience."""
    ended: dict[str, Task] = {}

    async def wait(course: Course) -> None:
        deadline = course.ends + patience
        ended[course.task_id] = await wait_for(watcher, booth.tell(course), deadline=deadline, tell=silent)

    async with anyio.create_task_group() as waiters:
        for course in courses:
            waiters.start_soon(wait, course)
    assert all(task.is_terminal for task in ended.values())
    return ended


def thin(rows: list[Row]) -> list[Row]:
    return [{name: row[name] for name in ("taskId", "status")} for row in rows]


def running_only(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row["status"] in ("PENDING", "RUNNING")]


def without_errors(rows: list[Row]) -> list[Row]:
    return [{name: value for name, value in row.items() if name != "error"} for row in rows]


def without_reasons(rows: list[Row]) -> list[Row]:
    return [{**row, "error": None} for row in rows]


def without_links(rows: list[Row]) -> list[Row]:
    return [{**row, "artifacts": [{"assetId": film["assetId"]} for film in row["artifacts"]]} for row in rows]


def without_status(rows: list[Row]) -> list[Row]:
    return [{name: value for name, value in row.items() if name != "status"} for row in rows]


def as_at_the_submit(rows: list[Row]) -> list[Row]:
    return [{**row, "status": "PENDING", "progressRatio": None, "artifacts": []} for row in rows]


def refuse(_: list[Row]) -> httpx.Response:
    return httpx.Response(400, json={"error": "Parameter email is unknown.", "code": 400})


def fail(_: list[Row]) -> httpx.Response:
    return httpx.Response(502, text="<html>Bad gateway</html>")


LISTS: dict[str, Callable[[list[Row]], Any]] = {
    "an array, newest first": list,
    "an array, oldest first": lambda rows: rows[::-1],
    "an object with tasks": lambda rows: {"tasks": rows},
    "one task alone": lambda rows: rows[0],
    "nothing": lambda _: [],
    "thin rows": thin,
    "rows without a status": without_status,
    "failures without an error": without_errors,
    "failures without a reason": without_reasons,
    "films without a link": without_links,
    "running tasks alone": running_only,
    "what was true at the submit": as_at_the_submit,
    "a refusal": refuse,
    "no answer": fail,
    "HTML": lambda _: httpx.Response(200, text="<html></html>"),
    "something else": lambda _: {"message": "hello"},
}


@pytest.mark.parametrize("listing", LISTS.values(), ids=LISTS)
async def test_whatever_the_list_is_like_all_ends_are_told_whole_and_no_two_reads_are_closer_than_allowed(
    listing: Callable[[list[Row]], Any],
) -> None:
    booth = Booth()
    booth.listing = listing
    async with watching(booth) as watcher:
        courses = [booth.make(30.0 + 25.0 * number, queue=3.0) for number in range(5)]
        courses.append(booth.make(60.0, end="FAILED"))

        ended = await ends(watcher, booth, *courses, patience=150.0)

    for course in courses:
        task = ended[course.task_id]
        assert task.status == course.end
        assert task.options.text_prompt == "the camera rises"
        assert [film.url for film in task.artifacts] == (["https://films.test/1.mp4"] if course.end != "FAILED" else [])
        assert (task.error is not None) == (course.end == "FAILED")
    assert booth.closest >= ALLOWED


@pytest.mark.parametrize("listing", ["a refusal", "no answer", "nothing", "what was true at the submit"])
async def test_a_list_that_does_not_serve_is_told_once_in_the_log(
    listing: str, caplog: pytest.LogCaptureFixture
) -> None:
    booth = Booth()
    booth.listing = LISTS[listing]
    with caplog.at_level(logging.WARNING, logger="runway_mcp"):
        async with watching(booth) as watcher:
            for _ in range(3):
                await ends(watcher, booth, *(booth.make(300.0 + 9.0 * number) for number in range(4)))

    assert sum("the list of tasks does not serve" in record.message for record in caplog.records) == 1


async def test_a_list_that_does_not_serve_is_tried_again_later() -> None:
    booth = Booth()
    booth.listing = refuse
    async with watching(booth) as watcher:
        for _ in range(3):
            watcher.follow(booth.tell(booth.make(1500.0)))
        await anyio.sleep(300)
        assert booth.pages == 1
        booth.listing = list
        await anyio.sleep(600)

    assert booth.pages > 5


async def test_ten_tasks_of_an_account_cost_the_reads_of_one() -> None:
    booth = Booth()
    async with watching(booth) as watcher:
        await ends(watcher, booth, *(booth.make(60.0 + 7.0 * number) for number in range(10)))

    assert booth.singles <= 1
    assert booth.pages <= 125.0 / POLL


async def test_any_number_of_waiters_on_one_task_cost_the_reads_of_one() -> None:
    booth = Booth()
    async with watching(booth) as watcher:
        await ends(watcher, booth, *[booth.make(60.0)] * 50)

    assert len(booth.arrivals) <= 60.0 / POLL


async def test_accounts_are_read_apart_from_each_other() -> None:
    booth = Booth()
    async with watching(booth) as watcher:
        courses = [booth.make(60.0, account=f"{name}@example.com") for name in ("ana", "ben") for _ in range(2)]

        await ends(watcher, booth, *courses)

    assert booth.pages >= 2
    assert booth.closest < POLL


@pytest.mark.parametrize("others", [120, 1300])
@pytest.mark.parametrize("order", [1, -1])
async def test_tasks_deep_in_a_long_list_are_found_by_asking_for_more_of_it(others: int, order: int) -> None:
    booth = Booth()
    booth.listing = lambda rows: rows[::order]
    async with watching(booth) as watcher:
        for _ in range(others if order < 0 else 0):
            booth.make(1.0)
        courses = [booth.make(200.0) for _ in range(3)]
        for _ in range(others if order > 0 else 0):
            booth.make(1.0)

        await ends(watcher, booth, *courses, patience=15.0)

    assert max(booth.limits) == (1000 if others > 1000 else 200)
    assert booth.singles <= 1


async def test_a_page_is_no_larger_than_it_has_to_be() -> None:
    booth = Booth()
    async with watching(booth) as watcher:
        first = [booth.make(100.0), booth.make(110.0)]
        for _ in range(300):
            booth.make(1.0)
        await ends(watcher, booth, *first)
        booth.limits.clear()

        await ends(watcher, booth, *(booth.make(100.0 + number) for number in range(4)))

    assert booth.limits[-1] == 50


async def test_a_task_that_only_the_list_lacks_costs_the_others_little() -> None:
    booth = Booth()
    async with watching(booth) as watcher:
        courses = [booth.make(100.0 + number) for number in range(4)]
        booth.listing = lambda rows: [row for row in rows if row["taskId"] != courses[0].task_id]

        await ends(watcher, booth, *courses, patience=2.5 * POLL)


@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED"])
async def test_a_task_that_upstream_lists_but_does_not_know_ends_as_its_row_says(status: str) -> None:
    booth = Booth()
    booth.listing = lambda rows: thin(rows) if status == "SUCCEEDED" else rows
    booth.single = lambda _: httpx.Response(404, json={"error": "Not found.", "code": 404})
    async with watching(booth) as watcher:
        ended = await ends(watcher, booth, booth.make(40.0, end=status), booth.make(50.0, end=status))

    assert {task.status for task in ended.values()} == {status}


async def test_a_row_without_a_reason_is_not_believed_while_its_task_is_too_fresh_to_be_read() -> None:
    booth = Booth()
    booth.listing = without_reasons
    booth.single = lambda row: row if anyio.current_time() > 40 else httpx.Response(404, json={"error": "Not found."})
    async with watching(booth) as watcher:
        failed = booth.make(5.0, end="FAILED")
        ended = await ends(watcher, booth, failed, booth.make(300.0), patience=60.0)

    assert ended[failed.task_id].error is not None


async def test_a_task_that_nobody_waits_for_is_read_less_often() -> None:
    booth = Booth()
    async with watching(booth) as watcher:
        watcher.follow(booth.tell(booth.make(600.0, shows=nothing)))
        await anyio.sleep(300)

    assert 5 <= len(booth.arrivals) <= 300 / (6 * POLL)


async def test_whoever_begins_to_wait_is_served_at_once() -> None:
    booth = Booth()
    async with watching(booth) as watcher:
        course = booth.make(600.0, shows=nothing)
        entry = watcher.follow(booth.tell(course))
        await anyio.sleep(100)
        before = len(booth.arrivals)
        with entry.attended():
            await anyio.sleep(50)

        assert len(booth.arrivals) - before >= 9


async def test_a_task_that_queues_is_left_alone() -> None:
    booth = Booth()
    async with watching(booth) as watcher:
        course = booth.make(1000.0, queue=600.0)
        with watcher.follow(booth.tell(course)).attended():
            await anyio.sleep(500)

    assert len(booth.arrivals) <= 12


async def test_what_earlier_tasks_took_keeps_reads_for_the_time_when_the_end_can_come() -> None:
    durations = Durations()
    durations.learn(("gen3a", False), [100.0, 110.0, 120.0, 130.0, 140.0])
    taught, untaught = Booth(), Booth()
    async with watching(taught, durations=durations) as watcher:
        await ends(watcher, taught, taught.make(100.0, shows=nothing), patience=POLL)
    async with watching(untaught) as watcher:
        await ends(watcher, untaught, untaught.make(100.0, shows=nothing), patience=POLL)

    assert len(taught.arrivals) < 0.7 * len(untaught.arrivals)


async def test_the_end_of_an_even_rise_is_noticed_at_once_by_few_reads() -> None:
    booth = Booth()
    async with watching(booth) as watcher:
        course = booth.make(163.0, queue=13.0)

        await ends(watcher, booth, course)

        assert anyio.current_time() - course.ends < 2.0
    assert len(booth.arrivals) < 20


async def test_retry_after_is_honoured() -> None:
    booth = Booth()
    booth.single = lambda _: httpx.Response(429, json={"error": "slow down"}, headers={"Retry-After": "100"})
    async with watching(booth) as watcher:
        with watcher.follow(booth.tell(booth.make(600.0))).attended():
            await anyio.sleep(400)

    assert len(booth.arrivals) in (3, 4)
    assert booth.closest >= 100.0


async def test_a_listener_that_stumbles_keeps_nobody_from_hearing() -> None:
    async def stumble(_: Task) -> None:
        raise ValueError

    booth = Booth()
    async with watching(booth, on_change=stumble) as watcher:
        await ends(watcher, booth, booth.make(30.0), patience=POLL)


async def test_a_fault_of_our_own_ends_neither_the_reader_nor_the_process(caplog: pytest.LogCaptureFixture) -> None:
    def stumble(_: Row) -> None:
        raise ValueError

    booth = Booth()
    booth.single = stumble
    async with watching(booth) as watcher:
        course = booth.make(60.0)
        watcher.follow(booth.tell(course))
        await anyio.sleep(45)
        booth.single = dict

        await ends(watcher, booth, course, patience=100.0)
    assert "with a fault of this server" in caplog.text


async def test_a_task_may_be_followed_while_a_page_is_taken_in() -> None:
    booth = Booth()

    async def follow_another(_: Task) -> None:
        if len(booth.courses) < 20:
            watcher.follow(booth.tell(booth.make(60.0)))

    async with watching(booth, on_change=follow_another) as watcher:
        await ends(watcher, booth, *(booth.make(40.0 + number) for number in range(8)))
        await anyio.sleep(200)

        assert len(booth.courses) == 20
        assert not any(watcher.followed(each) for each in booth.courses)


async def test_a_read_of_a_followed_task_is_shared_by_all_who_ask_within_an_interval() -> None:
    booth = Booth()
    async with watching(booth) as watcher:
        course = booth.make(600.0)
        watcher.follow(booth.tell(course))
        await anyio.sleep(25)
        before = len(booth.arrivals)
        async with anyio.create_task_group() as callers:
            for _ in range(20):
                callers.start_soon(watcher.read, course.task_id)
        await anyio.sleep(POLL - 0.1)
        task = await watcher.read(course.task_id)

        assert task.status == "RUNNING"
        assert len(booth.arrivals) - before == 1
        await anyio.sleep(60)
    assert booth.closest >= ALLOWED


async def test_callers_who_ask_for_many_followed_tasks_keep_to_the_pace_of_the_account() -> None:
    booth = Booth()
    async with watching(booth) as watcher:
        courses = [booth.make(600.0) for _ in range(20)]
        for course in courses:
            watcher.follow(booth.tell(course))
        for _ in range(100):
            for course in courses:
                assert (await watcher.read(course.task_id)).task_id == course.task_id
            await anyio.sleep(1)

    assert booth.singles == 0
    assert booth.closest >= ALLOWED


async def test_a_caller_does_not_ask_an_upstream_that_wants_to_be_left_alone() -> None:
    booth = Booth()
    booth.listing = lambda _: httpx.Response(429, headers={"Retry-After": "60"}, json={"error": "Slow down."})
    booth.single = lambda row: booth.listing([row])
    async with watching(booth) as watcher:
        courses = [booth.make(600.0) for _ in range(2)]
        entries = [watcher.follow(booth.tell(course)) for course in courses]
        with entries[0].attended():
            await anyio.sleep(20)
            asked = len(booth.arrivals)
            await watcher.read(courses[1].task_id)
            await anyio.sleep(30)

            assert asked == len(booth.arrivals) == 1


@pytest.mark.parametrize("looked_at", ["one by one", "all at once"])
async def test_who_looks_at_all_tasks_has_them_read_as_if_he_waited(looked_at: str) -> None:
    booth = Booth()
    async with watching(booth) as watcher:
        looking = ExitStack()
        entries = [watcher.follow(booth.tell(booth.make(300.0, shows=nothing))) for _ in range(3)]
        if looked_at == "all at once":
            watcher.observe_all(begin=True)
        for entry in entries if looked_at == "one by one" else ():
            looking.enter_context(entry.attended())
        await anyio.sleep(100)
        attended = booth.pages
        looking.close()
        if looked_at == "all at once":
            watcher.observe_all(begin=False)
        await anyio.sleep(100)

    assert attended >= 100 / POLL / 3
    assert booth.pages - attended < attended


async def test_a_list_that_stands_still_after_it_has_proved_itself_is_found_out() -> None:
    booth = Booth()
    async with watching(booth) as watcher:
        await ends(watcher, booth, *(booth.make(30.0 + number) for number in range(8)))
        courses = [booth.make(60.0, shows=nothing) for _ in range(3)]
        frozen: list[Row] = [course.row() for course in courses]
        booth.listing = lambda _: frozen

        await ends(watcher, booth, *courses, patience=30 * POLL)


@pytest.mark.parametrize("seconds", [5.2, 16.0])
async def test_an_end_that_takes_long_to_write_down_breaks_no_reader(seconds: float) -> None:
    booth = Booth()

    async def written_slowly(task: Task) -> None:
        if task.is_terminal:
            await anyio.sleep(seconds)

    async with watching(booth, on_change=written_slowly) as watcher:
        course = booth.make(521.0, shows=nothing)
        watcher.follow(booth.tell(course))
        for _ in range(800):
            await watcher.read(course.task_id)
            await anyio.sleep(0.7)

        assert watcher.followed(course.task_id) is None
        await ends(watcher, booth, booth.make(30.0))


async def test_who_asks_for_a_task_that_is_not_there_keeps_no_other_waiting() -> None:
    booth = Booth()
    async with watching(booth) as watcher:
        gone, other = booth.make(30.0), booth.make(30.0)
        del booth.courses[gone.task_id]
        watcher.follow(Task(task_id=gone.task_id, status="PENDING"))

        async def ask() -> None:
            while True:
                with pytest.raises(NotFound):
                    await watcher.read(gone.task_id)
                await anyio.sleep(3)

        async with anyio.create_task_group() as asking:
            asking.start_soon(ask)
            await ends(watcher, booth, other, patience=3 * POLL)
            asking.cancel_scope.cancel()


async def test_a_caller_who_goes_away_in_the_middle_of_a_read_has_read_all_the_same() -> None:
    booth = Booth()
    async with watching(booth) as watcher:
        courses = [booth.make(600.0) for _ in range(2)]
        for course in courses:
            watcher.follow(booth.tell(course))
        booth.seconds = 20.0
        for _ in range(200):
            with anyio.move_on_after(0.2):
                await watcher.read(courses[0].task_id)
            await anyio.sleep(0.05)

    assert booth.closest >= ALLOWED


async def test_who_asks_again_and_again_counts_as_one_who_waits() -> None:
    booth = Booth()
    async with watching(booth) as watcher:
        course = booth.make(600.0, shows=nothing)
        watcher.follow(booth.tell(course))
        await anyio.sleep(100)
        before = len(booth.arrivals)
        for _ in range(6):
            await watcher.read(course.task_id)
            await anyio.sleep(20)

    assert len(booth.arrivals) - before >= 100 / POLL


async def test_a_read_of_a_task_that_is_not_followed_asks_upstream() -> None:
    booth = Booth()
    async with watching(booth) as watcher:
        course = booth.make(600.0)
        for _ in range(3):
            assert (await watcher.read(course.task_id)).task_id == course.task_id

        assert len(booth.arrivals) == 3
        assert watcher.followed(course.task_id) is None


async def test_a_read_that_fails_is_the_callers_and_leaves_the_task_followed() -> None:
    booth = Booth()
    booth.single = lambda row: fail([row])
    async with watching(booth) as watcher:
        course = booth.make(60.0)
        watcher.follow(booth.tell(course))
        await anyio.sleep(20)
        with pytest.raises(Unavailable):
            await watcher.read(course.task_id, patience=0)
        booth.single = dict

        await ends(watcher, booth, course, patience=60.0)


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

        ended = await wait_for(service.watcher, task, deadline=anyio.current_time() + 300, tell=silent)

        assert ended.status == "SUCCEEDED"


async def test_a_task_that_was_deleted_is_given_up_after_ten_minutes_and_so_is_waiting_for_it(tmp_path: Path) -> None:
    async with open_world(tmp_path, pace=9000.0) as (world, service):
        made = add_task(world)
        task = await service.client.task(world.task_id(made))
        made.hidden = True
        left = await wait_for(service.watcher, task, deadline=math.inf, tell=silent)
        gave_up, before = anyio.current_time(), world.requests.total()
        await anyio.sleep(900)

        assert left == task
        assert 600 <= gave_up <= 900
        assert world.requests.total() == before


async def test_callers_who_ask_at_the_same_moment_for_a_task_that_nobody_follows_cost_one_read() -> None:
    booth = Booth()
    async with watching(booth) as watcher:
        course = booth.make(600.0)
        for turn in range(1, 3):
            async with anyio.create_task_group() as callers:
                for _ in range(20):
                    callers.start_soon(watcher.read, course.task_id)
            await anyio.sleep(0.1)

            assert len(booth.arrivals) == turn


async def test_upstream_is_silent_on_a_task_for_as_long_as_its_reads_fail() -> None:
    booth = Booth()
    async with watching(booth) as watcher:
        course = booth.make(600.0)
        entry = watcher.follow(booth.tell(course))
        with entry.attended():
            await anyio.sleep(20)
            told = watcher.silence(course.task_id)
            booth.single = lambda row: fail([row])
            await anyio.sleep(60)
            failing = watcher.silence(course.task_id)
            booth.single = dict
            await anyio.sleep(90)

            assert told is None
            assert failing is not None
            assert 50 <= failing <= 70
            assert watcher.silence(course.task_id) is None
    assert watcher.silence("a task that nobody follows") is None


async def test_what_an_earlier_process_left_is_read_soon_and_then_at_leisure(tmp_path: Path) -> None:
    async with open_world(tmp_path, pace=600.0) as (world, service):
        task = await service.client.submit(Extension(asset_id=world.asset_id(world.assets[0]), seed=1))
        service.watcher.follow(Task(task_id=task.task_id, status="PENDING"), oldest=400.0)
        await anyio.sleep(POLL)
        assert world.requests["GET /tasks/{id}"] == 1
        await anyio.sleep(120)

        assert world.requests["GET /tasks/{id}"] <= 5
