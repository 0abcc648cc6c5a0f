"""What a dead process left, and when the search for it ends."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.kit.upstream import fault
from tests.spend_once.setup import DAY, HOUR, MINUTE, POST, PROMPT, Setup

pytestmark = pytest.mark.virtual_time

GIVEN = [{}, {"seed": 7, "replyRef": "my-film-1"}]


@pytest.mark.parametrize("down", [5.0, 30.0, 15 * MINUTE])
@pytest.mark.parametrize("given", GIVEN)
async def test_a_restart_hours_later_closes_nothing_before_a_look_could_read(
    tmp_path: Path, down: float, given: dict[str, Any]
) -> None:
    setup = Setup(tmp_path)
    await setup.die_while_posting(arrives=True, text_prompt=PROMPT, **given)
    await anyio.sleep(3 * HOUR)
    setup.cut_off()
    async with setup.server() as client:
        await anyio.sleep(down)
        assert setup.states()[0] in ("posting", "unclear")
        setup.connect()

        assert await setup.until(lambda: setup.states() == ["accepted"], within=2 * MINUTE)
        assert setup.rows()[0]["task_id"] == setup.task_id()
        await setup.check_film_again(await client.extend(setup.clip, text_prompt=PROMPT, **given))
        assert setup.posts == 1


async def test_a_call_while_nobody_can_look_says_that_it_is_not_known_yet(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    await setup.die_while_posting(arrives=True, text_prompt=PROMPT)
    await anyio.sleep(3 * HOUR)
    setup.cut_off()
    async with setup.server() as client:
        told = await client.extend(setup.clip, text_prompt=PROMPT)

        error = told["error"]
        assert (error["kind"], error["charged"], error["retry_safe"]) == ("submission_unknown", "unknown", True)
        assert told["next_step"]["tool"] == "extend_video"
        assert setup.states()[0] in ("posting", "unclear")
        assert setup.posts == 1


@pytest.mark.parametrize("failing", ["/tasks", "/scheduler"])
async def test_a_look_that_could_read_only_one_of_the_lists_closes_nothing(tmp_path: Path, failing: str) -> None:
    setup = Setup(tmp_path)
    await setup.die_while_posting(arrives=False, text_prompt=PROMPT)
    await anyio.sleep(3 * HOUR)
    setup.cut_off(method="GET", path_prefix=failing)
    async with setup.server():
        await anyio.sleep(20 * MINUTE)
        assert setup.states()[0] in ("posting", "unclear")
        setup.connect()

        assert await setup.until(lambda: setup.states() == ["unknown"], within=2 * MINUTE)


@pytest.mark.parametrize("left", ["posting", "unclear"])
@pytest.mark.parametrize("given", GIVEN)
async def test_what_another_process_left_is_looked_for_by_a_running_one_without_any_call(
    tmp_path: Path, left: str, given: dict[str, Any]
) -> None:
    setup = Setup(tmp_path)
    async with setup.server() as client:
        await client.extend(setup.clip, text_prompt="another film")
        await anyio.sleep(5 * MINUTE)
        await setup.die_while_posting(arrives=True, text_prompt=PROMPT, **given)
        setup.alter("UPDATE intents SET state = ?, lease = created WHERE task_id IS NULL", left)

        assert await setup.until(lambda: setup.states() == ["accepted"] * 2, within=3 * MINUTE)
        assert [row["task_id"] for row in setup.rows()] == [setup.task_id(0), setup.task_id(1)]
        assert setup.posts == 2


async def test_what_never_arrived_is_closed_as_unknown_by_the_first_good_look_after_ten_minutes(
    tmp_path: Path,
) -> None:
    setup = Setup(tmp_path)
    fault(setup.world, **POST, kind="reset")
    async with setup.server() as client:
        await client.extend(setup.clip, text_prompt=PROMPT)
        await anyio.sleep(8 * MINUTE)
        assert setup.states() == ["unclear"]

        assert await setup.until(lambda: setup.states() == ["unknown"], within=4 * MINUTE)
        told = await client.extend(setup.clip, text_prompt=PROMPT)
        error = told["error"]
        assert (error["kind"], error["charged"], error["retry_safe"]) == ("submission_unknown", "unknown", True)
        assert not repeats(told.get("next_step"))
        assert "seed" in error["message"]
        assert setup.posts == 1


def repeats(step: dict[str, Any] | None) -> bool:
    """Whether a next step is the very call that failed for good."""
    return step is not None and step["tool"] == "extend_video" and not step["arguments"].keys() & {"seed", "dry_run"}


async def test_without_any_look_for_a_day_it_is_closed_saying_that_nobody_could_look(tmp_path: Path) -> None:
    setup, other = Setup(tmp_path / "one"), Setup(tmp_path / "other")
    fault(other.world, **POST, kind="reset")
    async with other.server() as client:
        await client.extend(other.clip, text_prompt=PROMPT)
        await anyio.sleep(15 * MINUTE)
        seen = (await client.extend(other.clip, text_prompt=PROMPT))["error"]["message"]
    async with setup.server() as client:
        setup.at_next_post(setup.cut_off, kind="reset")
        await client.extend(setup.clip, text_prompt=PROMPT)
        await anyio.sleep(20 * MINUTE)
        assert setup.states() == ["unclear"]
        setup.leap(23 * HOUR)
        await anyio.sleep(20 * MINUTE)
        assert setup.states() == ["unclear"]
        setup.leap(HOUR)

        assert await setup.until(lambda: setup.states() == ["unknown"], within=5 * MINUTE)
        told = await client.extend(setup.clip, text_prompt=PROMPT)
        assert told["error"]["kind"] == "submission_unknown"
        assert told["error"]["charged"] == "unknown"
        assert told["error"]["message"] != seen
        assert setup.posts == 1


async def test_a_start_looks_once_for_what_was_closed_within_the_last_day(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    setup.world.switch(late_in_lists=HOUR, late_in_scheduler=HOUR)
    fault(setup.world, **POST, kind="reset_after")
    async with setup.server() as client:
        await client.extend(setup.clip, text_prompt=PROMPT)
        assert await setup.until(lambda: setup.states() == ["unknown"], within=15 * MINUTE)
    await anyio.sleep(2 * HOUR)
    async with setup.server() as client:
        assert await setup.until(lambda: setup.states() == ["accepted"], within=MINUTE)

        await setup.check_film_again(await client.extend(setup.clip, text_prompt=PROMPT))
        assert setup.posts == 1


@pytest.mark.parametrize("pause", [3 * HOUR, 40 * DAY])
async def test_a_closed_request_is_never_posted_again_and_another_seed_is(tmp_path: Path, pause: float) -> None:
    setup = Setup(tmp_path)
    fault(setup.world, **POST, kind="reset")
    async with setup.server() as client:
        await client.extend(setup.clip, text_prompt=PROMPT)
        await anyio.sleep(15 * MINUTE)
        setup.leap(pause)
        told = await client.extend(setup.clip, text_prompt=PROMPT)
        assert told["error"]["kind"] == "submission_unknown"
        assert setup.posts == 1
        film = await client.extend(setup.clip, text_prompt=PROMPT, seed=7)

        assert film["status"] == "SUCCEEDED"
        assert setup.posts == 2


async def test_what_a_killed_process_left_is_told_by_the_next_call_at_once_after_the_restart(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    await setup.die_while_posting(arrives=True, text_prompt=PROMPT)
    await anyio.sleep(3 * HOUR)
    async with setup.server() as client:
        await setup.check_film_again(await client.extend(setup.clip, text_prompt=PROMPT))

        assert setup.posts == 1


async def test_what_a_killed_process_has_posted_is_looked_for_as_soon_as_its_lease_has_lapsed(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    async with setup.server():
        await setup.die_while_posting(arrives=True, text_prompt=PROMPT)
        lease = float(setup.rows()[0]["lease"])
        assert lease > setup.machine_time() + MINUTE
        assert await setup.until(lambda: setup.states() == ["accepted"], within=2 * MINUTE)

    assert setup.machine_time() - lease < 3
    assert (setup.posts, setup.charged) == (1, 1)
