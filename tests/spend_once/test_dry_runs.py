"""A dry run tells whether the request was submitted before, and spends nothing either way."""

from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.spend_once.stage import HOUR, PROMPT, Stage

pytestmark = pytest.mark.virtual_time


@pytest.mark.parametrize("pause", [0.0, HOUR])
@pytest.mark.parametrize("given", [{}, {"replyRef": "my-film-1"}, {"seconds": 5}, {"text_prompt": f" {PROMPT} "}])
async def test_a_dry_run_of_a_request_that_was_submitted_before_names_its_task(
    tmp_path: Path, mode: str, pause: float, given: dict[str, Any]
) -> None:
    stage = Stage(tmp_path, mode, pace=60)
    async with stage.server() as desk:
        await desk.extend(stage.clip, text_prompt=PROMPT, wait_seconds=0)
        await anyio.sleep(pause)
        data = await desk.extend(stage.clip, dry_run=True, **{"text_prompt": PROMPT, **given})

        check_known(stage, data)


def check_known(stage: Stage, data: dict[str, Any]) -> None:
    assert data["status"] == "DRY_RUN"
    assert "taskId" not in data
    assert "error" not in data
    assert data["twin"] is True
    assert data["credits"]["cost"] == 0
    assert data["next_step"]["tool"] == "get_task"
    assert data["next_step"]["arguments"]["taskId"] == stage.task_id()
    assert stage.posts == 1


@pytest.mark.parametrize("names", [("seed",), ("replyRef",), ("seed", "replyRef")])
async def test_a_dry_run_that_gives_our_seed_or_reference_back_names_the_task(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    stage = Stage(tmp_path)
    async with stage.server() as desk:
        told = await desk.extend(stage.clip, text_prompt=PROMPT)
        await anyio.sleep(HOUR)
        given = {name: told[name] for name in names}
        check_known(stage, await desk.extend(stage.clip, dry_run=True, text_prompt=PROMPT, **given))


async def test_a_dry_run_names_the_task_though_the_source_is_gone(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    async with stage.server() as desk:
        await desk.extend(stage.clip, text_prompt=PROMPT)
        stage.forget_source()
        check_known(stage, await desk.extend(stage.clip, dry_run=True, text_prompt=PROMPT))


async def test_a_dry_run_of_a_new_request_leads_to_the_call_that_says_it_is_none(tmp_path: Path, mode: str) -> None:
    stage = Stage(tmp_path, mode)
    async with stage.server() as desk:
        priced = await desk.extend(stage.clip, text_prompt=PROMPT, seconds=10, dry_run=True)

        assert priced["status"] == "DRY_RUN"
        assert "twin" not in priced
        assert priced["credits"]["cost"] == 100
        assert priced["next_step"]["tool"] == "extend_video"
        assert priced["next_step"]["arguments"]["dry_run"] is False
        assert stage.posts == 0
        film = await desk.data("extend_video", **priced["next_step"]["arguments"])
        assert film["status"] == "SUCCEEDED"
        assert (stage.posts, stage.charged) == (1, 1)


async def test_a_dry_run_of_another_take_prices_it(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    async with stage.server() as desk:
        await desk.extend(stage.clip, text_prompt=PROMPT)
        priced = await desk.extend(stage.clip, text_prompt=PROMPT, seed=7, dry_run=True)

        assert "twin" not in priced
        assert priced["credits"]["cost"] == 50
        assert stage.posts == 1


async def test_a_dry_run_is_no_submit_that_a_later_call_could_find(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    async with stage.server() as desk:
        await desk.extend(stage.clip, text_prompt=PROMPT, dry_run=True)
        film = await desk.extend(stage.clip, text_prompt=PROMPT)

        assert film["status"] == "SUCCEEDED"
        assert "twin" not in film


async def test_a_dry_run_of_a_refusal_that_nobody_could_confirm_promises_nothing(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.at_next_post(stage.blind, kind="status", status=400)
    async with stage.server() as desk:
        refused = await desk.extend(stage.clip, text_prompt=PROMPT)
        stage.connect()
        priced = await desk.extend(stage.clip, text_prompt=PROMPT, dry_run=True)
        await desk.data("extend_video", **priced["next_step"]["arguments"])

        assert (refused["error"]["charged"], refused["error"]["retry"]) == ("unknown", "later")
        assert refused["next_step"]["arguments"]["text_prompt"] == PROMPT
        assert "charge nothing" not in priced["summary"]
        assert (priced["credits"]["cost"], stage.charged) == (50, 1)


async def test_a_dry_run_of_a_request_that_waits_for_a_slot_prices_it(tmp_path: Path) -> None:
    stage = Stage(tmp_path, max_jobs=1, pace=300)
    async with stage.server() as desk, stage.server() as other, anyio.create_task_group() as group:
        await desk.extend(stage.clip, text_prompt="the slot is taken", wait_seconds=0)
        group.start_soon(partial(desk.extend, stage.clip, text_prompt=PROMPT, wait_seconds=30))
        await anyio.sleep(12)
        priced = await other.extend(stage.clip, text_prompt=PROMPT, dry_run=True)

        assert stage.states() == ["accepted", "waiting"]
        assert "twin" not in priced
        assert priced["credits"]["cost"] == 50
        group.cancel_scope.cancel()
