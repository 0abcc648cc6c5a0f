"""A success that is told before its film."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.spend_once.setup import HOUR, MINUTE, PROMPT, Setup

pytestmark = pytest.mark.virtual_time

PACE = 10.0


def late(folder: Path, seconds: float, mode: str = "auto") -> Setup:
    """A setup where a film is shown so many seconds after its task succeeded."""
    setup = Setup(folder, mode, pace=PACE)
    setup.world.switch(late_films=seconds)
    return setup


def check_empty(data: dict[str, Any]) -> None:
    error = data["error"]
    assert (error["kind"], error["charged"], error["retry_safe"]) == ("generation_failed", "yes", True)


@pytest.mark.parametrize("seconds", [2.0, 20.0])
async def test_a_film_that_comes_late_is_waited_for(tmp_path: Path, mode: str, seconds: float) -> None:
    setup = late(tmp_path, seconds, mode)
    async with setup.server() as client:
        film = await client.extend(setup.clip, text_prompt=PROMPT)

        assert film["status"] == "SUCCEEDED"
        assert film["video"]["assetId"] == setup.film_id()
        assert setup.posts == 1


async def test_a_task_whose_film_is_late_is_told_as_running_until_it_comes(tmp_path: Path, mode: str) -> None:
    setup = late(tmp_path, 50.0, mode)
    async with setup.server() as client:
        told = await client.extend(setup.clip, text_prompt=PROMPT, wait_seconds=20)
        assert (told["status"], told["taskId"]) == ("RUNNING", setup.task_id())
        await anyio.sleep(10)
        told = await client.data("get_task", taskId=setup.task_id())
        assert told["status"] == "RUNNING"
        again = await client.extend(setup.clip, text_prompt=PROMPT)
        assert (again["status"], again["twin"]) == ("RUNNING", True)
        film = await client.data("get_task", taskId=setup.task_id(), wait_seconds=45)

        assert film["status"] == "SUCCEEDED"
        assert film["video"]["assetId"] == setup.film_id()
        await setup.check_film_again(await client.extend(setup.clip, text_prompt=PROMPT))
        assert setup.posts == 1


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_film_that_does_not_come_within_a_minute_is_a_failure_that_was_charged(
    tmp_path: Path, restarted: bool
) -> None:
    setup = late(tmp_path, 10 * HOUR)
    async with setup.visits(restarted=restarted) as visit:
        client = await visit()
        early = await client.extend(setup.clip, text_prompt=PROMPT, wait_seconds=40)
        assert early["status"] == "RUNNING"
        await anyio.sleep(MINUTE)
        check_empty(await client.data("get_task", taskId=setup.task_id(), wait_seconds=10))

        check_empty(await (await visit()).extend(setup.clip, text_prompt=PROMPT))
        assert setup.posts == 1


async def test_a_success_without_any_film_is_told_so_after_a_minute_and_never_paid_again(tmp_path: Path) -> None:
    setup = Setup(tmp_path, pace=PACE)
    setup.world.script_next(outcome="empty")
    async with setup.server() as client:
        await client.extend(setup.clip, text_prompt=PROMPT)
        await anyio.sleep(MINUTE)
        for pause in (0.0, 3 * MINUTE, 25 * HOUR):
            await anyio.sleep(pause)
            check_empty(await client.extend(setup.clip, text_prompt=PROMPT))

        assert setup.posts == 1


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("tool", ["get_task", "extend_video"])
async def test_a_film_that_turns_up_after_its_absence_was_told_is_told_all_the_same(
    tmp_path: Path, tool: str, restarted: bool
) -> None:
    setup = late(tmp_path, 2 * HOUR)
    async with setup.visits(restarted=restarted) as visit:
        client = await visit()
        await client.extend(setup.clip, text_prompt=PROMPT)
        await anyio.sleep(2 * MINUTE)
        check_empty(await client.extend(setup.clip, text_prompt=PROMPT))
        await anyio.sleep(3 * HOUR)
        client = await visit()
        film = await client.data(tool, **named(setup, tool))

        assert film["status"] == "SUCCEEDED"
        assert film["video"]["assetId"] == setup.film_id()
        await setup.check_film_again(await client.extend(setup.clip, text_prompt=PROMPT))
        assert setup.posts == 1


def named(setup: Setup, tool: str) -> dict[str, str]:
    """The arguments of a tool that ask for the film."""
    if tool == "get_task":
        return {"taskId": setup.task_id()}
    return {"assetId": setup.world.asset_id(setup.clip), "text_prompt": PROMPT}


async def test_a_late_film_that_nobody_waited_for_is_told_to_the_next_who_asks(tmp_path: Path) -> None:
    setup = late(tmp_path, 30.0)
    async with setup.server() as client:
        await client.extend(setup.clip, text_prompt=PROMPT, wait_seconds=0)
        await anyio.sleep(HOUR)

        await setup.check_film_again(await client.extend(setup.clip, text_prompt=PROMPT))
        assert setup.posts == 1
