"""A ledger from before a POST pays nothing a second time: a request that was left is looked for first."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.kit.upstream import fault
from tests.spend_once.setup import HOUR, MINUTE, POST, PROMPT, Setup

pytestmark = pytest.mark.virtual_time

# The row as it stood when its request was claimed.
RESTORED = (
    "UPDATE intents SET state = 'waiting', posts = 0, looked = 0, lease = 0, task_id = NULL, status = NULL,"
    " ended = NULL, film = NULL"
)


async def paid_and_restored(setup: Setup, **given: Any) -> None:
    """A request that was submitted and has its film, in a ledger from before its POST."""
    async with setup.server() as client:
        await client.extend(setup.clip, text_prompt=PROMPT, **given)
    setup.alter(RESTORED)


@pytest.mark.parametrize("given", [{}, {"seed": 7}, {"seed": 7, "replyRef": "my-film-1"}])
@pytest.mark.parametrize("later", [MINUTE, 20 * HOUR])
async def test_the_same_call_on_a_restored_ledger_gets_the_film_that_was_paid(
    tmp_path: Path, given: dict[str, Any], later: float
) -> None:
    setup = Setup(tmp_path)
    await paid_and_restored(setup, **given)
    await anyio.sleep(later)
    async with setup.server() as client:
        again = await client.extend(setup.clip, text_prompt=PROMPT, **given)

        assert again["taskId"] == setup.task_id()
        assert (setup.posts, setup.charged) == (1, 1)


async def test_where_upstream_tells_no_seed_a_task_of_the_same_request_keeps_it_from_being_posted(
    tmp_path: Path,
) -> None:
    setup = Setup(tmp_path)
    setup.world.switch(hidden_seeds=True)
    await paid_and_restored(setup)
    async with setup.server() as client:
        for pause in (0.0, MINUTE, HOUR):
            await anyio.sleep(pause)
            error = (await client.extend(setup.clip, text_prompt=PROMPT))["error"]

            assert (error["kind"], error["charged"]) == ("submission_unknown", "unknown")
        assert (setup.posts, setup.charged) == (1, 1)
        other = await client.extend(setup.clip, text_prompt=PROMPT, seed=8)
        assert other["status"] == "SUCCEEDED"


async def test_without_a_look_that_succeeds_what_was_left_is_not_posted(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    async with setup.server() as client:
        fault(setup.world, **POST, status=400, body={"error": "No."})
        await client.extend(setup.clip, text_prompt=PROMPT)
    setup.alter(RESTORED)
    setup.cut_off(method="GET", path_prefix="/scheduler")
    async with setup.server() as client:
        told = await client.extend(setup.clip, text_prompt=PROMPT)
        assert (told["error"]["kind"], told["error"]["charged"]) == ("submission_unknown", "unknown")
        assert setup.posts == 1
        setup.connect()
        await anyio.sleep(MINUTE)
        film = await client.extend(setup.clip, text_prompt=PROMPT)

        assert film["status"] == "SUCCEEDED"
        assert setup.charged == 1


async def test_a_refusal_that_was_confirmed_stays_free_while_a_repeat_of_it_cannot_look(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    async with setup.server() as client:
        fault(setup.world, **POST, status=400, body={"error": "No."})
        refused = await client.extend(setup.clip, text_prompt=PROMPT)
        setup.cut_off(method="GET", path_prefix="/scheduler")
        again = await client.extend(setup.clip, text_prompt=PROMPT)

        assert refused["error"]["charged"] == "no"
        assert (again["error"]["kind"], again["error"]["charged"]) == ("unavailable", "no")
        assert setup.posts == 1


async def test_a_429_after_acceptance_pays_once_though_nothing_shows_whose_the_task_is(tmp_path: Path) -> None:
    setup = Setup(tmp_path, pace=200.0)
    setup.world.switch(hidden_seeds=True, late_in_scheduler=100.0)
    fault(setup.world, **POST, status=429, body={"error": "busy"}, retry_after=10, handled=True)
    async with setup.server() as client:
        told = await client.extend(setup.clip, text_prompt=PROMPT)
        await anyio.sleep(2 * MINUTE)
        again = await client.extend(setup.clip, text_prompt=PROMPT)

        assert told["error"]["charged"] == "unknown"
        assert again["taskId"] == setup.task_id()
        assert (setup.posts, setup.charged) == (1, 1)
