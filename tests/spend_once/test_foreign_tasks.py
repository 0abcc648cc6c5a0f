"""Tasks that are not ours are neither believed nor adopted."""

from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from runway_mcp.simulator.builders import add_task
from runway_mcp.simulator.faults import Fault
from tests.kit.upstream import fault
from tests.spend_once.setup import HOUR, MINUTE, POST, PROMPT, Setup

pytestmark = pytest.mark.virtual_time

UNKNOWN = ("submission_unknown", "unknown", True)


def verdict(data: dict[str, Any]) -> tuple[str, str, bool]:
    """What an error result says of money and of repeating."""
    return data["error"]["kind"], data["error"]["charged"], data["error"]["retry_safe"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {"text_prompt": "another film"}),
        ({"seed": 7}, {"seed": 8}),
        ({"seed": 7}, {"seed": 7, "text_prompt": "another film"}),
        ({"seed": 7, "replyRef": "batch"}, {"seed": 7, "replyRef": "batch", "seconds": 10}),
        ({}, {"seconds": 10}),
    ],
)
@pytest.mark.parametrize("finished", [False, True])
async def test_an_answer_that_names_the_task_of_another_request_is_not_believed(
    tmp_path: Path, one: dict[str, Any], other: dict[str, Any], finished: bool
) -> None:
    setup = Setup(tmp_path)
    one, other = {"text_prompt": PROMPT, **one}, {"text_prompt": PROMPT, **other}
    async with setup.server() as client:
        await client.extend(setup.clip, **one, **({} if finished else {"wait_seconds": 0}))
        fault(setup.world, **POST, kind="foreign", handled=True)
        second = await client.extend(setup.clip, **other)
        await anyio.sleep(HOUR)

        assert (second["status"], second["taskId"]) == ("SUCCEEDED", setup.task_id(1))
        await setup.check_film_again(await client.extend(setup.clip, **one), 0)
        await setup.check_film_again(await client.extend(setup.clip, **other), 1)
        assert (setup.posts, setup.charged) == (2, 2)


async def test_an_answer_that_names_another_task_proves_no_submit(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    async with setup.server() as client:
        await client.extend(setup.clip, text_prompt=PROMPT)
        fault(setup.world, **POST, kind="foreign")
        second = await client.extend(setup.clip, text_prompt="another film")
        await anyio.sleep(20 * MINUTE)
        again = await client.extend(setup.clip, text_prompt="another film")

        assert verdict(second) == verdict(again) == UNKNOWN
        await setup.check_film_again(await client.extend(setup.clip, text_prompt=PROMPT), 0)
        assert (setup.posts, setup.charged) == (2, 1)


async def test_an_answer_that_names_a_task_made_by_hand_is_not_believed(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    fault(setup.world, **POST, kind="foreign", handled=True)
    async with setup.server() as client:
        first = await client.extend(setup.clip, text_prompt=PROMPT)

        assert (first["status"], first["taskId"]) == ("SUCCEEDED", setup.task_id())
        assert setup.posts == 1


async def test_two_requests_at_once_that_are_answered_with_other_tasks_get_their_own_films(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    setup.world.faults += [
        Fault(method="POST", kind="delay_after", seconds=4),
        Fault(method="POST", kind="foreign", handled=True),
        Fault(method="POST", kind="foreign", handled=True),
    ]
    async with setup.server() as client, anyio.create_task_group() as group:
        group.start_soon(partial(client.mcp.call_tool, "extend_video", {"assetId": setup.world.asset_id(setup.clip)}))
        await anyio.sleep(1)
        second = await client.extend(setup.clip, text_prompt="another film")
        await anyio.sleep(HOUR)

        assert second["taskId"] == setup.task_id(1)
        await setup.check_film_again(await client.extend(setup.clip), 0)
        await setup.check_film_again(await client.extend(setup.clip, text_prompt="another film"), 1)
        assert (setup.posts, setup.charged) == (2, 2)


def make_by_hand(setup: Setup, **fields: Any) -> None:
    """Starts the same film by hand: same source, prompt, length and the caller's seed."""
    add_task(setup.world, parent=setup.clip, prompt=PROMPT, seed=7, options={"seconds": 5}, **fields)


@pytest.mark.parametrize("given", [{"seed": 7}, {"seed": 7, "replyRef": "my-film-1"}])
@pytest.mark.parametrize("restarted", [False, True])
async def test_an_unfinished_task_made_by_hand_is_not_taken_for_a_submit_that_never_arrived(
    tmp_path: Path, given: dict[str, Any], restarted: bool
) -> None:
    setup = Setup(tmp_path)
    setup.at_next_post(partial(make_by_hand, setup, duration=3 * HOUR), kind="reset")
    async with setup.visits(restarted=restarted) as visit:
        first = await (await visit()).extend(setup.clip, text_prompt=PROMPT, **given)
        assert verdict(first) == UNKNOWN
        for pause in (5 * MINUTE, 20 * MINUTE):
            await anyio.sleep(pause)
            told = await (await visit()).extend(setup.clip, text_prompt=PROMPT, **given)

            assert verdict(told) == UNKNOWN
            assert "taskId" not in told
            assert setup.rows()[0]["task_id"] is None
        assert setup.posts == 1


async def test_of_a_lost_answer_and_a_task_made_by_hand_at_that_moment_ours_is_told(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    setup.at_next_post(partial(make_by_hand, setup, duration=3 * HOUR), kind="reset_after")
    async with setup.server() as client:
        first = await client.extend(setup.clip, text_prompt=PROMPT, seed=7)

        assert (first["status"], first["taskId"]) == ("SUCCEEDED", setup.task_id())
        assert setup.posts == 1


async def test_a_reference_that_the_caller_uses_twice_does_not_give_one_film_to_two_requests(tmp_path: Path) -> None:
    setup = Setup(tmp_path, pace=600)
    async with setup.server() as client:
        await client.extend(setup.clip, text_prompt=PROMPT, replyRef="batch", wait_seconds=0)
        fault(setup.world, **POST, kind="reset")
        second = await client.extend(setup.clip, text_prompt="another film", replyRef="batch")

        assert verdict(second) == UNKNOWN
        assert (setup.posts, setup.charged) == (2, 1)


async def test_what_is_not_ours_is_named_as_a_candidate_when_the_search_is_closed(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    setup.at_next_post(partial(make_by_hand, setup, duration=3 * HOUR), kind="reset")
    async with setup.server() as client:
        await client.extend(setup.clip, text_prompt=PROMPT, seed=7)
        await anyio.sleep(20 * MINUTE)
        closed = await client.extend(setup.clip, text_prompt=PROMPT, seed=7)

        assert [each["taskId"] for each in closed["candidates"]] == [setup.world.task_id(setup.world.tasks[-1])]


@pytest.mark.parametrize("path", ["/assets/", "/tasks/"])
async def test_an_answer_that_tells_of_another_id_than_was_asked_for_is_not_believed(tmp_path: Path, path: str) -> None:
    setup = Setup(tmp_path)
    other = f"user:1-runwayml:other@example.com-{path[1:-2]}:00000000-0000-4000-8000-000000000001"
    name = {"/assets/": "assetId", "/tasks/": "taskId"}[path]
    setup.spoils[path] = lambda body: body | {name: other} if name in body else body
    async with setup.server() as client:
        refused = await client.extend(setup.clip, text_prompt=PROMPT)

        assert (refused["error"]["kind"], refused["error"]["charged"]) == ("unexpected_response", "no")
        assert setup.posts == 0


async def test_requests_that_differ_in_inner_blanks_are_not_taken_for_each_other(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    fault(setup.world, **POST, kind="reset")
    fault(setup.world, **POST, kind="delay_after", seconds=7)
    async with setup.server() as client, anyio.create_task_group() as group:
        group.start_soon(partial(client.extend, setup.clip, text_prompt="the camera rises", seed=7, wait_seconds=20))
        await anyio.sleep(1.5)
        film = await client.extend(setup.clip, text_prompt="the camera  rises", seed=7, wait_seconds=40)

        assert film["status"] == "SUCCEEDED"
        assert film["taskId"] == setup.task_id()
        assert setup.charged == 1
