"""A 429 lets a request wait for a slot, unless it or the scheduler names the request's own reference."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.kit.upstream import fault
from tests.spend_once.setup import HOUR, MINUTE, POST, PROMPT, RUNNING, Setup

pytestmark = pytest.mark.virtual_time

RUNWAYS_429: dict[str, Any] = {
    "kind": "status",
    "status": 429,
    "body": {"error": "You have too many tasks running or pending.", "code": 429},
}
GIVEN = [{}, {"seed": 7}, {"replyRef": "my-film-1"}, {"seed": 7, "replyRef": "my-film-1"}]


@pytest.mark.parametrize("given", GIVEN)
async def test_a_429_that_names_our_own_reference_is_our_task(tmp_path: Path, mode: str, given: dict[str, Any]) -> None:
    setup = Setup(tmp_path, mode)
    fault(setup.world, **POST, kind="busy_after")
    async with setup.server() as client:
        first = await client.extend(setup.clip, text_prompt=PROMPT, **given)

        assert (first["status"], first["taskId"]) == ("SUCCEEDED", setup.task_id())
        await anyio.sleep(HOUR)
        await setup.check_film_again(await client.extend(setup.clip, text_prompt=PROMPT, **given))
        assert (setup.posts, setup.charged) == (1, 1)


async def test_a_429_that_names_us_is_believed_though_nothing_else_can_be_read(tmp_path: Path) -> None:
    setup = Setup(tmp_path, pace=300)
    setup.at_next_post(setup.blind, kind="busy_after")
    async with setup.server() as client:
        first = await client.extend(setup.clip, text_prompt=PROMPT)

        assert first["taskId"] == setup.task_id()
        assert first["status"] in (*RUNNING, "UNKNOWN")
        assert (setup.posts, setup.charged) == (1, 1)


@pytest.mark.parametrize("given", GIVEN)
async def test_a_429_that_names_nobody_is_our_task_if_the_scheduler_shows_it(
    tmp_path: Path, given: dict[str, Any]
) -> None:
    setup = Setup(tmp_path)
    fault(setup.world, **POST, **RUNWAYS_429, handled=True)
    async with setup.server() as client:
        first = await client.extend(setup.clip, text_prompt=PROMPT, **given)

        assert (first["status"], first["taskId"]) == ("SUCCEEDED", setup.task_id())
        assert (setup.posts, setup.charged) == (1, 1)


@pytest.mark.parametrize("late", [{"late_in_scheduler": HOUR}, {"late_in_lists": HOUR}, {"late_in_scheduler": 5.0}])
async def test_there_is_a_look_before_every_further_post(tmp_path: Path, late: dict[str, float]) -> None:
    setup = Setup(tmp_path, pace=60)
    setup.world.switch(**late)
    fault(setup.world, **POST, **RUNWAYS_429, handled=True)
    async with setup.server() as client:
        first = await client.extend(setup.clip, text_prompt=PROMPT)

        assert first["taskId"] == setup.task_id()
        assert (setup.posts, setup.charged) == (1, 1)


async def test_a_task_that_shows_after_busy_was_told_is_found_by_the_next_call(tmp_path: Path) -> None:
    setup = Setup(tmp_path, pace=600)
    setup.world.switch(late_in_scheduler=30.0, late_in_lists=30.0)
    fault(setup.world, **POST, **RUNWAYS_429, handled=True)
    async with setup.server() as client:
        await client.extend(setup.clip, text_prompt=PROMPT, wait_seconds=0)
        await anyio.sleep(2 * MINUTE)
        again = await client.extend(setup.clip, text_prompt=PROMPT)

        assert again["taskId"] == setup.task_id()
        assert (setup.posts, setup.charged) == (1, 1)


async def test_while_nobody_can_look_a_429_is_not_posted_again(tmp_path: Path) -> None:
    setup = Setup(tmp_path, pace=600)
    setup.at_next_post(setup.blind, **RUNWAYS_429, handled=True)
    async with setup.server() as client:
        for _ in range(3):
            told = await client.extend(setup.clip, text_prompt=PROMPT)
            assert "taskId" not in told
            assert told["error"]["retry_safe"] is True
            assert setup.posts == 1
        setup.connect()
        await anyio.sleep(2 * MINUTE)
        again = await client.extend(setup.clip, text_prompt=PROMPT)

        assert again["taskId"] == setup.task_id()
        assert (setup.posts, setup.charged) == (1, 1)


async def test_a_task_that_runs_under_another_reference_is_no_reason_to_give_the_slot_up(tmp_path: Path) -> None:
    setup = Setup(tmp_path, max_jobs=1)
    async with setup.server() as client:
        await client.extend(setup.clip, text_prompt="another film", wait_seconds=0)
        first = await client.extend(setup.clip, text_prompt=PROMPT)

        assert first["taskId"] == setup.task_id(1)
        assert setup.charged == 2


async def test_a_429_that_was_none_of_ours_is_told_as_busy_and_the_same_call_submits_later(tmp_path: Path) -> None:
    setup = Setup(tmp_path, max_jobs=1, pace=100)
    async with setup.server() as client:
        await client.extend(setup.clip, text_prompt="another film", wait_seconds=0)
        busy = await client.extend(setup.clip, text_prompt=PROMPT, wait_seconds=5)
        await anyio.sleep(2 * MINUTE)
        film = await client.extend(setup.clip, text_prompt=PROMPT, wait_seconds=0)

        error = busy["error"]
        assert (error["kind"], error["charged"], error["retry_safe"]) == ("busy", "no", True)
        assert film["taskId"] == setup.task_id(1)
        assert setup.charged == 2
        names = ("seed", "replyRef")
        assert {tuple(body[name] for name in names) for body in setup.sent[1:]} == {tuple(film[name] for name in names)}
