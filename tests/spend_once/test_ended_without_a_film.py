"""A request whose first submit failed, was moderated or lost its film is answered by that end."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.spend_once.stage import DAY, HOUR, MINUTE, PROMPT, Stage

pytestmark = pytest.mark.virtual_time

ENDS = [("fail", "generation_failed"), ("cancel", "cancelled")]
PAUSES = [0.0, 3 * MINUTE, DAY]


def verdict(data: dict[str, Any]) -> tuple[str, str, bool]:
    """What an error result says of money and of repeating."""
    return data["error"]["kind"], data["error"]["charged"], data["error"]["retry_safe"]


@pytest.mark.parametrize(("outcome", "kind"), ENDS)
@pytest.mark.parametrize("pause", PAUSES)
@pytest.mark.parametrize("restarted", [False, True])
async def test_a_failure_answers_the_same_request_and_another_seed_tries_again(
    tmp_path: Path, outcome: str, kind: str, pause: float, restarted: bool
) -> None:
    stage = Stage(tmp_path)
    stage.world.script_next(outcome=outcome)
    async with stage.visits(restarted=restarted) as visit:
        first = await (await visit()).extend(stage.clip, text_prompt=PROMPT)
        assert verdict(first) == (kind, "unknown", True)
        await anyio.sleep(pause)
        again = await (await visit()).extend(stage.clip, text_prompt=PROMPT)
        assert verdict(again) == (kind, "unknown", True)
        assert again["twin"] is True
        assert stage.posts == 1
        other = await (await visit()).extend(stage.clip, text_prompt=PROMPT, seed=7)

        assert other["status"] == "SUCCEEDED"
        assert stage.posts == 2


@pytest.mark.parametrize(("outcome", "kind"), [*ENDS, ("moderate", "moderated")])
async def test_reading_a_failed_task_is_always_safe_to_repeat(tmp_path: Path, outcome: str, kind: str) -> None:
    stage = Stage(tmp_path)
    stage.world.script_next(outcome=outcome)
    async with stage.server() as desk:
        await desk.extend(stage.clip, text_prompt=PROMPT)
        read = await desk.data("get_task", taskId=stage.task_id())

        assert verdict(read) == (kind, "unknown", True)


@pytest.mark.parametrize("answer", ["422", "400"])
@pytest.mark.parametrize("pause", [0.0, 3 * MINUTE, 40 * DAY])
@pytest.mark.parametrize("restarted", [False, True])
async def test_a_request_that_was_moderated_at_submit_is_never_sent_again(
    tmp_path: Path, answer: str, pause: float, restarted: bool
) -> None:
    stage = Stage(tmp_path)
    stage.world.switch(moderation=answer)
    async with stage.visits(restarted=restarted) as visit:
        first = await (await visit()).extend(stage.clip, text_prompt="forbidden dunes")
        stage.leap(pause)
        again = await (await visit()).extend(stage.clip, text_prompt="forbidden dunes")

        assert verdict(first) == verdict(again) == ("moderated", "no", False)
        assert (stage.posts, stage.charged) == (1, 0)


@pytest.mark.parametrize("pause", [0.0, 3 * MINUTE, 40 * DAY])
@pytest.mark.parametrize("restarted", [False, True])
async def test_a_request_whose_task_was_moderated_is_never_sent_again(
    tmp_path: Path, pause: float, restarted: bool
) -> None:
    stage = Stage(tmp_path)
    stage.world.script_next(outcome="moderate")
    async with stage.visits(restarted=restarted) as visit:
        first = await (await visit()).extend(stage.clip, text_prompt=PROMPT)
        stage.leap(pause)
        again = await (await visit()).extend(stage.clip, text_prompt=PROMPT)

        assert verdict(first) == verdict(again) == ("moderated", "unknown", False)
        assert stage.posts == 1


@pytest.mark.parametrize("moderation", ["422", "failed"])
async def test_another_seed_for_a_moderated_request_goes_through(tmp_path: Path, moderation: str) -> None:
    stage = Stage(tmp_path)
    stage.world.switch(moderation=moderation)
    async with stage.server() as desk:
        await desk.extend(stage.clip, text_prompt="forbidden dunes")
        other = await desk.extend(stage.clip, text_prompt="forbidden dunes", seed=7)

        assert other["error"]["kind"] == "moderated"
        assert stage.posts == 2


async def test_a_moderated_request_is_answered_from_the_ledger_while_upstream_is_away(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    async with stage.server() as desk:
        await desk.extend(stage.clip, text_prompt="forbidden dunes")
        stage.cut_off()
        again = await desk.extend(stage.clip, text_prompt="forbidden dunes")

        assert verdict(again) == ("moderated", "no", False)
        assert stage.posts == 1


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("task_too", [False, True])
async def test_a_film_that_was_deleted_is_not_found_and_was_charged(
    tmp_path: Path, restarted: bool, task_too: bool
) -> None:
    stage = Stage(tmp_path)
    async with stage.visits(restarted=restarted) as visit:
        await (await visit()).extend(stage.clip, text_prompt=PROMPT)
        task = stage.world.accepted[0]
        task.hidden, task.artifacts[0].deleted = task_too, True
        await anyio.sleep(HOUR)
        again = await (await visit()).extend(stage.clip, text_prompt=PROMPT)

        assert verdict(again) == ("not_found", "yes", True)
        assert again["twin"] is True
        assert (stage.posts, stage.charged) == (1, 1)


async def test_another_seed_makes_a_deleted_film_anew(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    async with stage.server() as desk:
        await desk.extend(stage.clip, text_prompt=PROMPT)
        task = stage.world.accepted[0]
        task.hidden = task.artifacts[0].deleted = True
        other = await desk.extend(stage.clip, text_prompt=PROMPT, seed=7)

        assert other["status"] == "SUCCEEDED"
        assert stage.charged == 2
