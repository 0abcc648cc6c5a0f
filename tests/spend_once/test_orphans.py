"""What a dead process left, and when the search for it ends."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.spend_once.stage import DAY, HOUR, MINUTE, POST, PROMPT, Stage
from tests.upstream import fault

pytestmark = pytest.mark.virtual_time

GIVEN = [{}, {"seed": 7, "replyRef": "my-film-1"}]


@pytest.mark.parametrize("down", [5.0, 30.0, 15 * MINUTE])
@pytest.mark.parametrize("given", GIVEN)
async def test_a_restart_hours_later_closes_nothing_before_a_look_could_read(
    tmp_path: Path, down: float, given: dict[str, Any]
) -> None:
    stage = Stage(tmp_path)
    await stage.die_while_posting(arrives=True, text_prompt=PROMPT, **given)
    await anyio.sleep(3 * HOUR)
    stage.cut_off()
    async with stage.server() as desk:
        await anyio.sleep(down)
        assert stage.states()[0] in ("posting", "unclear")
        stage.connect()

        assert await stage.until(lambda: stage.states() == ["accepted"], within=2 * MINUTE)
        assert stage.rows()[0]["task_id"] == stage.task_id()
        await stage.check_film_again(await desk.extend(stage.clip, text_prompt=PROMPT, **given))
        assert stage.posts == 1


async def test_a_call_while_nobody_can_look_says_that_it_is_not_known_yet(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    await stage.die_while_posting(arrives=True, text_prompt=PROMPT)
    await anyio.sleep(3 * HOUR)
    stage.cut_off()
    async with stage.server() as desk:
        told = await desk.extend(stage.clip, text_prompt=PROMPT)

        error = told["error"]
        assert (error["kind"], error["charged"], error["retry_safe"]) == ("submission_unknown", "unknown", True)
        assert told["next_step"]["tool"] == "extend_video"
        assert stage.states()[0] in ("posting", "unclear")
        assert stage.posts == 1


@pytest.mark.parametrize("failing", ["/tasks", "/scheduler"])
async def test_a_look_that_could_read_only_one_of_the_lists_closes_nothing(tmp_path: Path, failing: str) -> None:
    stage = Stage(tmp_path)
    await stage.die_while_posting(arrives=False, text_prompt=PROMPT)
    await anyio.sleep(3 * HOUR)
    stage.cut_off(method="GET", path_prefix=failing)
    async with stage.server():
        await anyio.sleep(20 * MINUTE)
        assert stage.states()[0] in ("posting", "unclear")
        stage.connect()

        assert await stage.until(lambda: stage.states() == ["unknown"], within=2 * MINUTE)


@pytest.mark.parametrize("left", ["posting", "unclear"])
@pytest.mark.parametrize("given", GIVEN)
async def test_what_another_process_left_is_looked_for_by_a_running_one_without_any_call(
    tmp_path: Path, left: str, given: dict[str, Any]
) -> None:
    stage = Stage(tmp_path)
    async with stage.server() as desk:
        await desk.extend(stage.clip, text_prompt="another film")
        await anyio.sleep(5 * MINUTE)
        await stage.die_while_posting(arrives=True, text_prompt=PROMPT, **given)
        stage.alter("UPDATE intents SET state = ?, lease = created WHERE task_id IS NULL", left)

        assert await stage.until(lambda: stage.states() == ["accepted"] * 2, within=3 * MINUTE)
        assert [row["task_id"] for row in stage.rows()] == [stage.task_id(0), stage.task_id(1)]
        assert stage.posts == 2


async def test_what_never_arrived_is_closed_as_unknown_by_the_first_good_look_after_ten_minutes(
    tmp_path: Path,
) -> None:
    stage = Stage(tmp_path)
    fault(stage.world, **POST, kind="reset")
    async with stage.server() as desk:
        await desk.extend(stage.clip, text_prompt=PROMPT)
        await anyio.sleep(8 * MINUTE)
        assert stage.states() == ["unclear"]

        assert await stage.until(lambda: stage.states() == ["unknown"], within=4 * MINUTE)
        told = await desk.extend(stage.clip, text_prompt=PROMPT)
        error = told["error"]
        assert (error["kind"], error["charged"], error["retry_safe"]) == ("submission_unknown", "unknown", True)
        assert not repeats(told.get("next_step"))
        assert "seed" in error["message"]
        assert stage.posts == 1


def repeats(step: dict[str, Any] | None) -> bool:
    """Whether a next step is the very call that failed for good."""
    return step is not None and step["tool"] == "extend_video" and not step["arguments"].keys() & {"seed", "dry_run"}


async def test_without_any_look_for_a_day_it_is_closed_saying_that_nobody_could_look(tmp_path: Path) -> None:
    stage, other = Stage(tmp_path / "one"), Stage(tmp_path / "other")
    fault(other.world, **POST, kind="reset")
    async with other.server() as desk:
        await desk.extend(other.clip, text_prompt=PROMPT)
        await anyio.sleep(15 * MINUTE)
        seen = (await desk.extend(other.clip, text_prompt=PROMPT))["error"]["message"]
    async with stage.server() as desk:
        stage.at_next_post(stage.cut_off, kind="reset")
        await desk.extend(stage.clip, text_prompt=PROMPT)
        await anyio.sleep(20 * MINUTE)
        assert stage.states() == ["unclear"]
        stage.leap(23 * HOUR)
        await anyio.sleep(20 * MINUTE)
        assert stage.states() == ["unclear"]
        stage.leap(HOUR)

        assert await stage.until(lambda: stage.states() == ["unknown"], within=5 * MINUTE)
        told = await desk.extend(stage.clip, text_prompt=PROMPT)
        assert told["error"]["kind"] == "submission_unknown"
        assert told["error"]["charged"] == "unknown"
        assert told["error"]["message"] != seen
        assert stage.posts == 1


async def test_a_start_looks_once_for_what_was_closed_within_the_last_day(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.world.switch(late_in_lists=HOUR, late_in_scheduler=HOUR)
    fault(stage.world, **POST, kind="reset_after")
    async with stage.server() as desk:
        await desk.extend(stage.clip, text_prompt=PROMPT)
        assert await stage.until(lambda: stage.states() == ["unknown"], within=15 * MINUTE)
    await anyio.sleep(2 * HOUR)
    async with stage.server() as desk:
        assert await stage.until(lambda: stage.states() == ["accepted"], within=MINUTE)

        await stage.check_film_again(await desk.extend(stage.clip, text_prompt=PROMPT))
        assert stage.posts == 1


@pytest.mark.parametrize("pause", [3 * HOUR, 40 * DAY])
async def test_a_closed_request_is_never_posted_again_and_another_seed_is(tmp_path: Path, pause: float) -> None:
    stage = Stage(tmp_path)
    fault(stage.world, **POST, kind="reset")
    async with stage.server() as desk:
        await desk.extend(stage.clip, text_prompt=PROMPT)
        await anyio.sleep(15 * MINUTE)
        stage.leap(pause)
        told = await desk.extend(stage.clip, text_prompt=PROMPT)
        assert told["error"]["kind"] == "submission_unknown"
        assert stage.posts == 1
        film = await desk.extend(stage.clip, text_prompt=PROMPT, seed=7)

        assert film["status"] == "SUCCEEDED"
        assert stage.posts == 2


async def test_what_a_killed_process_left_is_told_by_the_next_call_at_once_after_the_restart(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    await stage.die_while_posting(arrives=True, text_prompt=PROMPT)
    await anyio.sleep(3 * HOUR)
    async with stage.server() as desk:
        await stage.check_film_again(await desk.extend(stage.clip, text_prompt=PROMPT))

        assert stage.posts == 1
