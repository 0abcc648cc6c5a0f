"""A film that was paid for comes back though its source is gone, or upstream is away."""

from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from tests.spend_once.setup import HOUR, PROMPT, RUNNING, TWIN, Setup

pytestmark = pytest.mark.virtual_time


def asset_id(setup: Setup) -> str:
    return setup.world.asset_id(setup.clip)


def asset_uri(setup: Setup) -> str:
    return f"runway://assets/{asset_id(setup)}"


def task_id(setup: Setup) -> str:
    assert setup.clip.task is not None
    return setup.world.task_id(setup.clip.task)


def task_uri(setup: Setup) -> str:
    return f"runway://tasks/{task_id(setup)}"


def bare_uuid(setup: Setup) -> str:
    return setup.clip.uuid


Spelling = Callable[[Setup], str]
EVERY = [asset_id, asset_uri, task_id, task_uri, bare_uuid]


@pytest.mark.parametrize("again", EVERY)
@pytest.mark.parametrize("first", [asset_id, task_uri])
@pytest.mark.parametrize("restarted", [False, True])
async def test_a_paid_film_comes_back_when_its_source_was_deleted_however_that_is_named(
    tmp_path: Path, first: Spelling, again: Spelling, restarted: bool
) -> None:
    setup = Setup(tmp_path)
    async with setup.visits(restarted=restarted) as visit:
        await (await visit()).data("extend_video", assetId=first(setup), text_prompt=PROMPT)
        setup.forget_source()
        await anyio.sleep(HOUR)
        told = await (await visit()).data("extend_video", assetId=again(setup), text_prompt=PROMPT)

        await setup.check_film_again(told)
        assert (setup.posts, setup.charged) == (1, 1)


@pytest.mark.parametrize("spelling", EVERY)
@pytest.mark.parametrize("restarted", [False, True])
async def test_while_upstream_is_away_a_paid_film_is_told_without_a_link(
    tmp_path: Path, mode: str, spelling: Spelling, restarted: bool
) -> None:
    setup = Setup(tmp_path, mode)
    async with setup.visits(restarted=restarted) as visit:
        await (await visit()).extend(setup.clip, text_prompt=PROMPT)
        await anyio.sleep(HOUR)
        setup.cut_off()
        client = await visit()
        data = await client.data("extend_video", assetId=spelling(setup), text_prompt=PROMPT)

        check_without_link(setup, data, client.took)
        assert (setup.posts, setup.charged) == (1, 1)


def check_without_link(setup: Setup, data: dict[str, object], took: float) -> None:
    video, money = data["video"], data["credits"]
    assert isinstance(video, dict)
    assert isinstance(money, dict)
    assert "error" not in data
    assert (data["twin"], money["cost"], data["taskId"]) == (True, 0, setup.task_id())
    assert str(data["summary"]).startswith(TWIN)
    assert video["assetId"] == setup.film_id()
    assert "url" not in video
    assert took <= 46


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_film_that_ended_while_nobody_asked_is_told_without_a_link_while_upstream_is_away(
    tmp_path: Path, restarted: bool
) -> None:
    setup = Setup(tmp_path)
    async with setup.visits(restarted=restarted) as visit:
        await (await visit()).extend(setup.clip, text_prompt=PROMPT, wait_seconds=0)
        await anyio.sleep(HOUR)
        setup.cut_off()
        client = await visit()

        check_without_link(setup, await client.extend(setup.clip, text_prompt=PROMPT), client.took)


@pytest.mark.parametrize("spelling", EVERY)
async def test_while_upstream_is_away_a_running_task_is_named(tmp_path: Path, spelling: Spelling) -> None:
    setup = Setup(tmp_path, pace=600)
    async with setup.server() as client:
        await client.extend(setup.clip, text_prompt=PROMPT, wait_seconds=0)
        await anyio.sleep(30)
        setup.cut_off()
        data = await client.data("extend_video", assetId=spelling(setup), text_prompt=PROMPT, wait_seconds=5)

        assert data["taskId"] == setup.task_id()
        assert data["status"] in (*RUNNING, "UNKNOWN")
        assert data["twin"] is True
        assert client.took <= 10
        assert setup.posts == 1


async def test_the_link_is_back_as_soon_as_upstream_is(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    async with setup.server() as client:
        await client.extend(setup.clip, text_prompt=PROMPT)
        await anyio.sleep(HOUR)
        setup.cut_off()
        await client.extend(setup.clip, text_prompt=PROMPT)
        setup.connect()
        setup.forget_source()

        await setup.check_film_again(await client.extend(setup.clip, text_prompt=PROMPT))


async def test_a_lost_answer_is_found_though_the_source_is_gone_by_then(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    await setup.die_while_posting(arrives=True, text_prompt=PROMPT)
    setup.forget_source()
    await anyio.sleep(HOUR)
    async with setup.server() as client:
        await setup.check_film_again(await client.extend(setup.clip, text_prompt=PROMPT))

        assert setup.posts == 1


async def test_a_new_request_for_a_deleted_source_is_refused_free_of_charge(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    async with setup.server() as client:
        await client.extend(setup.clip, text_prompt=PROMPT)
        setup.forget_source()
        other = await client.extend(setup.clip, text_prompt="another film")

        assert (other["error"]["kind"], other["error"]["charged"]) == ("not_found", "no")
        assert setup.posts == 1


async def test_a_film_whose_task_was_deleted_still_comes_back(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    async with setup.server() as client:
        await client.extend(setup.clip, text_prompt=PROMPT)
        setup.world.accepted[0].hidden = True
        await anyio.sleep(HOUR)

        data = await client.extend(setup.clip, text_prompt=PROMPT)
        assert data["twin"] is True
        assert data["video"]["assetId"] == setup.film_id()
        assert await setup.opens(data["video"]["url"])
        assert setup.posts == 1


async def test_a_deleted_task_of_ours_is_told_by_its_film_and_then_as_paid(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    async with setup.server() as client:
        film = await client.extend(setup.clip, text_prompt=PROMPT)
        setup.world.accepted[0].hidden = True
        by_task = await client.data("get_task", taskId=film["taskId"])
        by_film = await client.data("get_task", taskId=film["video"]["assetId"])
        setup.world.accepted[0].artifacts[0].deleted = True
        await anyio.sleep(HOUR)
        gone = await client.data("get_task", taskId=film["taskId"])

        assert by_task["video"]["assetId"] == by_film["video"]["assetId"] == film["video"]["assetId"]
        assert (gone["error"]["kind"], gone["error"]["charged"]) == ("not_found", "yes")
