"""A lost answer is found however wrong the clock of the user's machine is."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from runway_mcp.simulator.builders import add_task
from tests.kit.upstream import fault
from tests.spend_once.setup import DAY, HOUR, MINUTE, POST, PROMPT, Setup

pytestmark = pytest.mark.virtual_time

AHEAD = [-DAY, -HOUR, 90.0, HOUR, DAY]
GIVEN = [{}, {"seed": 7}, {"replyRef": "my-film-1"}, {"seed": 7, "replyRef": "my-film-1"}]


@pytest.mark.parametrize("ahead", AHEAD)
@pytest.mark.parametrize("given", GIVEN)
async def test_a_lost_answer_is_found_whatever_the_machines_clock_says(
    tmp_path: Path, ahead: float, given: dict[str, Any]
) -> None:
    await check_found(Setup(tmp_path), ahead, given)


@pytest.mark.parametrize("ahead", AHEAD)
@pytest.mark.parametrize("given", GIVEN)
async def test_a_lost_answer_is_found_in_the_list_alone_whatever_the_machines_clock_says(
    tmp_path: Path, ahead: float, given: dict[str, Any]
) -> None:
    setup = Setup(tmp_path)
    setup.world.switch(late_in_scheduler=DAY)
    await check_found(setup, ahead, given)


async def check_found(setup: Setup, ahead: float, given: dict[str, Any]) -> None:
    setup.clock_ahead = ahead
    fault(setup.world, **POST, kind="reset_after")
    async with setup.server() as client:
        await client.extend(setup.clip, text_prompt=PROMPT, **given)
        await anyio.sleep(2 * MINUTE)

        await setup.check_film_again(await client.extend(setup.clip, text_prompt=PROMPT, **given))
        assert (setup.posts, setup.charged) == (1, 1)


@pytest.mark.parametrize("ahead", [-DAY, DAY])
@pytest.mark.parametrize("given", GIVEN)
async def test_what_a_killed_process_left_is_found_whatever_the_machines_clock_says(
    tmp_path: Path, ahead: float, given: dict[str, Any]
) -> None:
    setup = Setup(tmp_path)
    setup.clock_ahead = ahead
    await setup.die_while_posting(arrives=True, text_prompt=PROMPT, **given)
    await anyio.sleep(HOUR)
    async with setup.server() as client:
        await anyio.sleep(2 * MINUTE)

        assert setup.states() == ["accepted"]
        await setup.check_film_again(await client.extend(setup.clip, text_prompt=PROMPT, **given))
        assert setup.posts == 1


@pytest.mark.parametrize("ahead", [-DAY, -HOUR, HOUR, DAY])
async def test_an_older_film_with_the_callers_seed_is_not_taken_for_a_lost_submit_by_a_wrong_clock(
    tmp_path: Path, ahead: float
) -> None:
    setup = Setup(tmp_path)
    setup.clock_ahead = ahead
    look_alike: dict[str, Any] = {"parent": setup.clip, "prompt": PROMPT, "seed": 7, "options": {"seconds": 5}}
    for age in (HOUR / 2, DAY / 2):
        add_task(setup.world, age=age, **look_alike)
    fault(setup.world, **POST, kind="reset")
    async with setup.server() as client:
        first = await client.extend(setup.clip, text_prompt=PROMPT, seed=7)

        assert first["error"]["kind"] == "submission_unknown"
        assert "taskId" not in first
        assert (setup.posts, setup.charged) == (1, 0)


@pytest.mark.parametrize("ahead", [-DAY, -HOUR, HOUR, DAY])
async def test_an_older_film_with_the_callers_seed_is_not_taken_for_a_submit_that_waited_for_a_slot(
    tmp_path: Path, ahead: float
) -> None:
    setup = Setup(tmp_path)
    setup.clock_ahead = ahead
    look_alike: dict[str, Any] = {"parent": setup.clip, "prompt": PROMPT, "seed": 7, "options": {"seconds": 5}}
    add_task(setup.world, age=HOUR / 2, **look_alike)
    fault(setup.world, **POST, kind="status", status=429, body={"error": "Too many running.", "code": 429})
    async with setup.server() as client:
        first = await client.extend(setup.clip, text_prompt=PROMPT, seed=7)

        assert first["taskId"] == setup.task_id()
        assert (setup.posts, setup.charged) == (2, 1)


@pytest.mark.parametrize("ahead", AHEAD)
async def test_a_wrong_clock_changes_nothing_of_what_is_paid_once(tmp_path: Path, ahead: float) -> None:
    setup = Setup(tmp_path)
    setup.clock_ahead = ahead
    async with setup.server() as client:
        await client.extend(setup.clip, text_prompt=PROMPT)
        await anyio.sleep(3 * MINUTE)

        await setup.check_film_again(await client.extend(setup.clip, text_prompt=PROMPT))
        assert setup.posts == 1


@pytest.mark.parametrize("jump", [-DAY, -HOUR, HOUR, DAY])
async def test_a_clock_that_is_put_right_between_two_calls_changes_nothing(tmp_path: Path, jump: float) -> None:
    setup = Setup(tmp_path)
    async with setup.server() as client:
        await client.extend(setup.clip, text_prompt=PROMPT)
        setup.clock_ahead = jump
        await anyio.sleep(3 * MINUTE)
        await setup.check_film_again(await client.extend(setup.clip, text_prompt=PROMPT))
    async with setup.server() as client:
        await setup.check_film_again(await client.extend(setup.clip, text_prompt=PROMPT))
    assert setup.posts == 1


@pytest.mark.parametrize("jump", [-DAY, -HOUR, HOUR, DAY])
@pytest.mark.parametrize("given", GIVEN)
async def test_a_clock_that_jumps_while_the_post_is_out_loses_nothing(
    tmp_path: Path, jump: float, given: dict[str, Any]
) -> None:
    setup = Setup(tmp_path)

    def put_right() -> None:
        setup.clock_ahead += jump

    setup.at_next_post(put_right, kind="reset_after")
    async with setup.server() as client:
        await client.extend(setup.clip, text_prompt=PROMPT, **given)
        await anyio.sleep(2 * MINUTE)

        await setup.check_film_again(await client.extend(setup.clip, text_prompt=PROMPT, **given))
        assert setup.posts == 1
