"""What the list of tasks serves for: whatever it is like, all ends are told, with few reads."""

import logging
from collections.abc import Callable
from typing import Any

import anyio
import httpx
import pytest

from tests.tasks.scripted_upstream import Row, ScriptedUpstream, nothing, watching
from tests.tasks.watched_ends import ALLOWED, POLL, ends, fail, refuse, thin, without_reasons

pytestmark = pytest.mark.virtual_time


def running_only(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row["status"] in ("PENDING", "RUNNING")]


def without_errors(rows: list[Row]) -> list[Row]:
    return [{name: value for name, value in row.items() if name != "error"} for row in rows]


def without_links(rows: list[Row]) -> list[Row]:
    return [{**row, "artifacts": [{"assetId": film["assetId"]} for film in row["artifacts"]]} for row in rows]


def without_status(rows: list[Row]) -> list[Row]:
    return [{name: value for name, value in row.items() if name != "status"} for row in rows]


def as_at_the_submit(rows: list[Row]) -> list[Row]:
    return [{**row, "status": "PENDING", "progressRatio": None, "artifacts": []} for row in rows]


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
    upstream = ScriptedUpstream()
    upstream.listing = listing
    async with watching(upstream) as watcher:
        courses = [upstream.make(30.0 + 25.0 * number, queue=3.0) for number in range(5)]
        courses.append(upstream.make(60.0, end="FAILED"))

        ended = await ends(watcher, upstream, *courses, patience=150.0)

    for course in courses:
        task = ended[course.task_id]
        assert task.status == course.end
        assert task.options.text_prompt == "the camera rises"
        assert [film.url for film in task.artifacts] == (["https://films.test/1.mp4"] if course.end != "FAILED" else [])
        assert (task.error is not None) == (course.end == "FAILED")
    assert upstream.closest >= ALLOWED


@pytest.mark.parametrize("listing", ["a refusal", "no answer", "nothing", "what was true at the submit"])
async def test_a_list_that_does_not_serve_is_told_once_in_the_log(
    listing: str, caplog: pytest.LogCaptureFixture
) -> None:
    upstream = ScriptedUpstream()
    upstream.listing = LISTS[listing]
    with caplog.at_level(logging.WARNING, logger="runway_mcp"):
        async with watching(upstream) as watcher:
            for _ in range(3):
                await ends(watcher, upstream, *(upstream.make(300.0 + 9.0 * number) for number in range(4)))

    assert sum("the list of tasks does not serve" in record.message for record in caplog.records) == 1


async def test_a_list_that_does_not_serve_is_tried_again_later() -> None:
    upstream = ScriptedUpstream()
    upstream.listing = refuse
    async with watching(upstream) as watcher:
        for _ in range(3):
            watcher.follow(upstream.tell(upstream.make(1500.0)))
        await anyio.sleep(300)
        assert upstream.pages == 1
        upstream.listing = list
        await anyio.sleep(600)

    assert upstream.pages > 5


async def test_ten_tasks_of_an_account_cost_the_reads_of_one() -> None:
    upstream = ScriptedUpstream()
    async with watching(upstream) as watcher:
        await ends(watcher, upstream, *(upstream.make(60.0 + 7.0 * number) for number in range(10)))

    assert upstream.singles <= 1
    assert upstream.pages <= 125.0 / POLL


async def test_any_number_of_waiters_on_one_task_cost_the_reads_of_one() -> None:
    upstream = ScriptedUpstream()
    async with watching(upstream) as watcher:
        await ends(watcher, upstream, *[upstream.make(60.0)] * 50)

    assert len(upstream.arrivals) <= 60.0 / POLL


async def test_accounts_are_read_apart_from_each_other() -> None:
    upstream = ScriptedUpstream()
    async with watching(upstream) as watcher:
        courses = [upstream.make(60.0, account=f"{name}@example.com") for name in ("ana", "ben") for _ in range(2)]

        await ends(watcher, upstream, *courses)

    assert upstream.pages >= 2
    assert upstream.closest < POLL


@pytest.mark.parametrize("others", [120, 350])
@pytest.mark.parametrize("order", [1, -1])
async def test_tasks_deep_in_a_long_list_are_found_by_asking_for_more_of_it(others: int, order: int) -> None:
    upstream = ScriptedUpstream()
    upstream.listing = lambda rows: rows[::order]
    async with watching(upstream) as watcher:
        for _ in range(others if order < 0 else 0):
            upstream.make(1.0)
        courses = [upstream.make(200.0) for _ in range(3)]
        for _ in range(others if order > 0 else 0):
            upstream.make(1.0)

        await ends(watcher, upstream, *courses, patience=15.0)

    assert max(upstream.limits) == 200
    assert upstream.singles <= 1


async def test_a_page_is_no_larger_than_it_has_to_be() -> None:
    upstream = ScriptedUpstream()
    async with watching(upstream) as watcher:
        first = [upstream.make(100.0), upstream.make(110.0)]
        for _ in range(300):
            upstream.make(1.0)
        await ends(watcher, upstream, *first)
        upstream.limits.clear()

        await ends(watcher, upstream, *(upstream.make(100.0 + number) for number in range(4)))

    assert upstream.limits[-1] == 50


async def test_a_task_that_only_the_list_lacks_costs_the_others_little() -> None:
    upstream = ScriptedUpstream()
    async with watching(upstream) as watcher:
        courses = [upstream.make(100.0 + number) for number in range(4)]
        upstream.listing = lambda rows: [row for row in rows if row["taskId"] != courses[0].task_id]

        await ends(watcher, upstream, *courses, patience=2.5 * POLL)


@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED"])
async def test_a_task_that_upstream_lists_but_does_not_know_ends_as_its_row_says(status: str) -> None:
    upstream = ScriptedUpstream()
    upstream.single = lambda _: httpx.Response(404, json={"error": "Not found.", "code": 404})
    async with watching(upstream) as watcher:
        ended = await ends(watcher, upstream, upstream.make(40.0, end=status), upstream.make(50.0, end=status))

    assert {task.status for task in ended.values()} == {status}


async def test_a_row_without_a_reason_is_not_believed_while_its_task_is_too_fresh_to_be_read() -> None:
    upstream = ScriptedUpstream()
    upstream.listing = without_reasons
    upstream.single = lambda row: (
        row if anyio.current_time() > 40 else httpx.Response(404, json={"error": "Not found."})
    )
    async with watching(upstream) as watcher:
        failed = upstream.make(5.0, end="FAILED")
        ended = await ends(watcher, upstream, failed, upstream.make(300.0), patience=60.0)

    assert ended[failed.task_id].error is not None


async def test_a_list_that_stands_still_after_it_has_proved_itself_is_found_out() -> None:
    upstream = ScriptedUpstream()
    async with watching(upstream) as watcher:
        await ends(watcher, upstream, *(upstream.make(30.0 + number) for number in range(8)))
        courses = [upstream.make(60.0, shows=nothing) for _ in range(3)]
        frozen: list[Row] = [course.row() for course in courses]
        upstream.listing = lambda _: frozen

        await ends(watcher, upstream, *courses, patience=30 * POLL)
