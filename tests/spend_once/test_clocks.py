"""A lost answer is found however wrong the clock of the user's machine is."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from runway_mcp.simulator.builders import add_task
from tests.spend_once.stage import DAY, HOUR, MINUTE, POST, PROMPT, Stage
from tests.upstream import fault

pytestmark = pytest.mark.virtual_time

AHEAD = [-DAY, -HOUR, 90.0, HOUR, DAY]
GIVEN = [{}, {"seed": 7}, {"replyRef": "my-film-1"}, {"seed": 7, "replyRef": "my-film-1"}]


@pytest.mark.parametrize("ahead", AHEAD)
@pytest.mark.parametrize("given", GIVEN)
async def test_a_lost_answer_is_found_whatever_the_machines_clock_says(
    tmp_path: Path, ahead: float, given: dict[str, Any]
) -> None:
    await check_found(Stage(tmp_path), ahead, given)


@pytest.mark.parametrize("ahead", AHEAD)
@pytest.mark.parametrize("given", GIVEN)
async def test_a_lost_answer_is_found_in_the_list_alone_whatever_the_machines_clock_says(
    tmp_path: Path, ahead: float, given: dict[str, Any]
) -> None:
    stage = Stage(tmp_path)
    stage.world.switch(late_in_scheduler=DAY)
    await check_found(stage, ahead, given)


async def check_found(stage: Stage, ahead: float, given: dict[str, Any]) -> None:
    stage.clock_ahead = ahead
    fault(stage.world, **POST, kind="reset_after")
    async with stage.server() as desk:
        await desk.extend(stage.clip, text_prompt=PROMPT, **given)
        await anyio.sleep(2 * MINUTE)

        await stage.check_film_again(await desk.extend(stage.clip, text_prompt=PROMPT, **given))
        assert (stage.posts, stage.charged) == (1, 1)


@pytest.mark.parametrize("ahead", [-DAY, DAY])
@pytest.mark.parametrize("given", GIVEN)
async def test_what_a_killed_process_left_is_found_whatever_the_machines_clock_says(
    tmp_path: Path, ahead: float, given: dict[str, Any]
) -> None:
    stage = Stage(tmp_path)
    stage.clock_ahead = ahead
    await stage.die_while_posting(arrives=True, text_prompt=PROMPT, **given)
    await anyio.sleep(HOUR)
    async with stage.server() as desk:
        await anyio.sleep(2 * MINUTE)

        assert stage.states() == ["accepted"]
        await stage.check_film_again(await desk.extend(stage.clip, text_prompt=PROMPT, **given))
        assert stage.posts == 1


@pytest.mark.parametrize("ahead", [-DAY, -HOUR, HOUR, DAY])
async def test_an_older_film_with_the_callers_seed_is_not_taken_for_a_lost_submit_by_a_wrong_clock(
    tmp_path: Path, ahead: float
) -> None:
    stage = Stage(tmp_path)
    stage.clock_ahead = ahead
    look_alike: dict[str, Any] = {"parent": stage.clip, "prompt": PROMPT, "seed": 7, "options": {"seconds": 5}}
    for age in (HOUR / 2, DAY / 2):
        add_task(stage.world, age=age, **look_alike)
    fault(stage.world, **POST, kind="reset")
    async with stage.server() as desk:
        first = await desk.extend(stage.clip, text_prompt=PROMPT, seed=7)

        assert first["error"]["kind"] == "submission_unknown"
        assert "taskId" not in first
        assert (stage.posts, stage.charged) == (1, 0)


@pytest.mark.parametrize("ahead", AHEAD)
async def test_a_wrong_clock_changes_nothing_of_what_is_paid_once(tmp_path: Path, ahead: float) -> None:
    stage = Stage(tmp_path)
    stage.clock_ahead = ahead
    async with stage.server() as desk:
        await desk.extend(stage.clip, text_prompt=PROMPT)
        await anyio.sleep(3 * MINUTE)

        await stage.check_film_again(await desk.extend(stage.clip, text_prompt=PROMPT))
        assert stage.posts == 1


@pytest.mark.parametrize("jump", [-DAY, -HOUR, HOUR, DAY])
async def test_a_clock_that_is_put_right_between_two_calls_changes_nothing(tmp_path: Path, jump: float) -> None:
    stage = Stage(tmp_path)
    async with stage.server() as desk:
        await desk.extend(stage.clip, text_prompt=PROMPT)
        stage.clock_ahead = jump
        await anyio.sleep(3 * MINUTE)
        await stage.check_film_again(await desk.extend(stage.clip, text_prompt=PROMPT))
    async with stage.server() as desk:
        await stage.check_film_again(await desk.extend(stage.clip, text_prompt=PROMPT))
    assert stage.posts == 1


@pytest.mark.parametrize("jump", [-DAY, -HOUR, HOUR, DAY])
@pytest.mark.parametrize("given", GIVEN)
async def test_a_clock_that_jumps_while_the_post_is_out_loses_nothing(
    tmp_path: Path, jump: float, given: dict[str, Any]
) -> None:
    stage = Stage(tmp_path)

    def put_right() -> None:
        stage.clock_ahead += jump

    stage.at_next_post(put_right, kind="reset_after")
    async with stage.server() as desk:
        await desk.extend(stage.clip, text_prompt=PROMPT, **given)
        await anyio.sleep(2 * MINUTE)

        await stage.check_film_again(await desk.extend(stage.clip, text_prompt=PROMPT, **given))
        assert stage.posts == 1
