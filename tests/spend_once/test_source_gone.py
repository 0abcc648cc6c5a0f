"""A film that was paid for comes back though its source is gone, or upstream is away."""

from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from tests.spend_once.stage import HOUR, PROMPT, RUNNING, TWIN, Stage

pytestmark = pytest.mark.virtual_time


def asset_id(stage: Stage) -> str:
    return stage.world.asset_id(stage.clip)


def asset_uri(stage: Stage) -> str:
    return f"runway://assets/{asset_id(stage)}"


def task_id(stage: Stage) -> str:
    assert stage.clip.task is not None
    return stage.world.task_id(stage.clip.task)


def task_uri(stage: Stage) -> str:
    return f"runway://tasks/{task_id(stage)}"


def bare_uuid(stage: Stage) -> str:
    return stage.clip.uuid


Spelling = Callable[[Stage], str]
EVERY = [asset_id, asset_uri, task_id, task_uri, bare_uuid]


@pytest.mark.parametrize("again", EVERY)
@pytest.mark.parametrize("first", [asset_id, task_uri])
@pytest.mark.parametrize("restarted", [False, True])
async def test_a_paid_film_comes_back_when_its_source_was_deleted_however_that_is_named(
    tmp_path: Path, first: Spelling, again: Spelling, restarted: bool
) -> None:
    stage = Stage(tmp_path)
    async with stage.visits(restarted=restarted) as visit:
        await (await visit()).data("extend_video", assetId=first(stage), text_prompt=PROMPT)
        stage.forget_source()
        await anyio.sleep(HOUR)
        told = await (await visit()).data("extend_video", assetId=again(stage), text_prompt=PROMPT)

        await stage.check_film_again(told)
        assert (stage.posts, stage.charged) == (1, 1)


@pytest.mark.parametrize("spelling", EVERY)
@pytest.mark.parametrize("restarted", [False, True])
async def test_while_upstream_is_away_a_paid_film_is_told_without_a_link(
    tmp_path: Path, mode: str, spelling: Spelling, restarted: bool
) -> None:
    stage = Stage(tmp_path, mode)
    async with stage.visits(restarted=restarted) as visit:
        await (await visit()).extend(stage.clip, text_prompt=PROMPT)
        await anyio.sleep(HOUR)
        stage.cut_off()
        desk = await visit()
        data = await desk.data("extend_video", assetId=spelling(stage), text_prompt=PROMPT)

        check_without_link(stage, data, desk.took)
        assert (stage.posts, stage.charged) == (1, 1)


def check_without_link(stage: Stage, data: dict[str, object], took: float) -> None:
    video, money = data["video"], data["credits"]
    assert isinstance(video, dict)
    assert isinstance(money, dict)
    assert "error" not in data
    assert (data["twin"], money["cost"], data["taskId"]) == (True, 0, stage.task_id())
    assert str(data["summary"]).startswith(TWIN)
    assert video["assetId"] == stage.film_id()
    assert "url" not in video
    assert took <= 46


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_film_that_ended_while_nobody_asked_is_told_without_a_link_while_upstream_is_away(
    tmp_path: Path, restarted: bool
) -> None:
    stage = Stage(tmp_path)
    async with stage.visits(restarted=restarted) as visit:
        await (await visit()).extend(stage.clip, text_prompt=PROMPT, wait_seconds=0)
        await anyio.sleep(HOUR)
        stage.cut_off()
        desk = await visit()

        check_without_link(stage, await desk.extend(stage.clip, text_prompt=PROMPT), desk.took)


@pytest.mark.parametrize("spelling", EVERY)
async def test_while_upstream_is_away_a_running_task_is_named(tmp_path: Path, spelling: Spelling) -> None:
    stage = Stage(tmp_path, pace=600)
    async with stage.server() as desk:
        await desk.extend(stage.clip, text_prompt=PROMPT, wait_seconds=0)
        await anyio.sleep(30)
        stage.cut_off()
        data = await desk.data("extend_video", assetId=spelling(stage), text_prompt=PROMPT, wait_seconds=5)

        assert data["taskId"] == stage.task_id()
        assert data["status"] in (*RUNNING, "UNKNOWN")
        assert data["twin"] is True
        assert desk.took <= 10
        assert stage.posts == 1


async def test_the_link_is_back_as_soon_as_upstream_is(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    async with stage.server() as desk:
        await desk.extend(stage.clip, text_prompt=PROMPT)
        await anyio.sleep(HOUR)
        stage.cut_off()
        await desk.extend(stage.clip, text_prompt=PROMPT)
        stage.connect()
        stage.forget_source()

        await stage.check_film_again(await desk.extend(stage.clip, text_prompt=PROMPT))


async def test_a_lost_answer_is_found_though_the_source_is_gone_by_then(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    await stage.die_while_posting(arrives=True, text_prompt=PROMPT)
    stage.forget_source()
    await anyio.sleep(HOUR)
    async with stage.server() as desk:
        await stage.check_film_again(await desk.extend(stage.clip, text_prompt=PROMPT))

        assert stage.posts == 1


async def test_a_new_request_for_a_deleted_source_is_refused_free_of_charge(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    async with stage.server() as desk:
        await desk.extend(stage.clip, text_prompt=PROMPT)
        stage.forget_source()
        other = await desk.extend(stage.clip, text_prompt="another film")

        assert (other["error"]["kind"], other["error"]["charged"]) == ("not_found", "no")
        assert stage.posts == 1


async def test_a_film_whose_task_was_deleted_still_comes_back(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    async with stage.server() as desk:
        await desk.extend(stage.clip, text_prompt=PROMPT)
        stage.world.accepted[0].hidden = True
        await anyio.sleep(HOUR)

        data = await desk.extend(stage.clip, text_prompt=PROMPT)
        assert data["twin"] is True
        assert data["video"]["assetId"] == stage.film_id()
        assert await stage.opens(data["video"]["url"])
        assert stage.posts == 1


async def test_a_deleted_task_of_ours_is_told_by_its_film_and_then_as_paid(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    async with stage.server() as desk:
        film = await desk.extend(stage.clip, text_prompt=PROMPT)
        stage.world.accepted[0].hidden = True
        by_task = await desk.data("get_task", taskId=film["taskId"])
        by_film = await desk.data("get_task", taskId=film["video"]["assetId"])
        stage.world.accepted[0].artifacts[0].deleted = True
        await anyio.sleep(HOUR)
        gone = await desk.data("get_task", taskId=film["taskId"])

        assert by_task["video"]["assetId"] == by_film["video"]["assetId"] == film["video"]["assetId"]
        assert (gone["error"]["kind"], gone["error"]["charged"]) == ("not_found", "yes")
