"""A request whose first submit failed, was moderated or lost its film is answered by that end."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.spend_once.setup import DAY, HOUR, MINUTE, PROMPT, Setup

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
    setup = Setup(tmp_path)
    setup.world.script_next(outcome=outcome)
    async with setup.visits(restarted=restarted) as visit:
        first = await (await visit()).extend(setup.clip, text_prompt=PROMPT)
        assert verdict(first) == (kind, "unknown", True)
        await anyio.sleep(pause)
        again = await (await visit()).extend(setup.clip, text_prompt=PROMPT)
        assert verdict(again) == (kind, "unknown", True)
        assert again["twin"] is True
        assert setup.posts == 1
        other = await (await visit()).extend(setup.clip, text_prompt=PROMPT, seed=7)

        assert other["status"] == "SUCCEEDED"
        assert setup.posts == 2


@pytest.mark.parametrize(("outcome", "kind"), [*ENDS, ("moderate", "moderated")])
async def test_reading_a_failed_task_is_always_safe_to_repeat(tmp_path: Path, outcome: str, kind: str) -> None:
    setup = Setup(tmp_path)
    setup.world.script_next(outcome=outcome)
    async with setup.server() as client:
        await client.extend(setup.clip, text_prompt=PROMPT)
        read = await client.data("get_task", taskId=setup.task_id())

        assert verdict(read) == (kind, "unknown", True)


@pytest.mark.parametrize("answer", ["422", "400"])
@pytest.mark.parametrize("pause", [0.0, 3 * MINUTE, 40 * DAY])
@pytest.mark.parametrize("restarted", [False, True])
async def test_a_request_that_was_moderated_at_submit_is_never_sent_again(
    tmp_path: Path, answer: str, pause: float, restarted: bool
) -> None:
    setup = Setup(tmp_path)
    setup.world.switch(moderation=answer)
    async with setup.visits(restarted=restarted) as visit:
        first = await (await visit()).extend(setup.clip, text_prompt="forbidden dunes")
        setup.leap(pause)
        again = await (await visit()).extend(setup.clip, text_prompt="forbidden dunes")

        assert verdict(first) == verdict(again) == ("moderated", "no", False)
        assert (setup.posts, setup.charged) == (1, 0)


@pytest.mark.parametrize("pause", [0.0, 3 * MINUTE, 40 * DAY])
@pytest.mark.parametrize("restarted", [False, True])
async def test_a_request_whose_task_was_moderated_is_never_sent_again(
    tmp_path: Path, pause: float, restarted: bool
) -> None:
    setup = Setup(tmp_path)
    setup.world.script_next(outcome="moderate")
    async with setup.visits(restarted=restarted) as visit:
        first = await (await visit()).extend(setup.clip, text_prompt=PROMPT)
        setup.leap(pause)
        again = await (await visit()).extend(setup.clip, text_prompt=PROMPT)

        assert verdict(first) == verdict(again) == ("moderated", "unknown", False)
        assert setup.posts == 1


@pytest.mark.parametrize("moderation", ["422", "failed"])
async def test_another_seed_for_a_moderated_request_goes_through(tmp_path: Path, moderation: str) -> None:
    setup = Setup(tmp_path)
    setup.world.switch(moderation=moderation)
    async with setup.server() as client:
        await client.extend(setup.clip, text_prompt="forbidden dunes")
        other = await client.extend(setup.clip, text_prompt="forbidden dunes", seed=7)

        assert other["error"]["kind"] == "moderated"
        assert setup.posts == 2


async def test_a_moderated_request_is_answered_from_the_ledger_while_upstream_is_away(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    async with setup.server() as client:
        await client.extend(setup.clip, text_prompt="forbidden dunes")
        setup.cut_off()
        again = await client.extend(setup.clip, text_prompt="forbidden dunes")

        assert verdict(again) == ("moderated", "no", False)
        assert setup.posts == 1


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("task_too", [False, True])
async def test_a_film_that_was_deleted_is_not_found_and_was_charged(
    tmp_path: Path, restarted: bool, task_too: bool
) -> None:
    setup = Setup(tmp_path)
    async with setup.visits(restarted=restarted) as visit:
        await (await visit()).extend(setup.clip, text_prompt=PROMPT)
        task = setup.world.accepted[0]
        task.hidden, task.artifacts[0].deleted = task_too, True
        await anyio.sleep(HOUR)
        again = await (await visit()).extend(setup.clip, text_prompt=PROMPT)

        assert verdict(again) == ("not_found", "yes", True)
        assert again["twin"] is True
        assert (setup.posts, setup.charged) == (1, 1)


async def test_another_seed_makes_a_deleted_film_anew(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    async with setup.server() as client:
        await client.extend(setup.clip, text_prompt=PROMPT)
        task = setup.world.accepted[0]
        task.hidden = task.artifacts[0].deleted = True
        other = await client.extend(setup.clip, text_prompt=PROMPT, seed=7)

        assert other["status"] == "SUCCEEDED"
        assert setup.charged == 2
