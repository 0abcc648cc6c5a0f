"""A dry run tells whether the request was submitted before, and spends nothing either way."""

from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.spend_once.setup import HOUR, PROMPT, Setup

pytestmark = pytest.mark.virtual_time


@pytest.mark.parametrize("pause", [0.0, HOUR])
@pytest.mark.parametrize("given", [{}, {"replyRef": "my-film-1"}, {"seconds": 5}, {"text_prompt": f" {PROMPT} "}])
async def test_a_dry_run_of_a_request_that_was_submitted_before_names_its_task(
    tmp_path: Path, mode: str, pause: float, given: dict[str, Any]
) -> None:
    setup = Setup(tmp_path, mode, pace=60)
    async with setup.server() as client:
        await client.extend(setup.clip, text_prompt=PROMPT, wait_seconds=0)
        await anyio.sleep(pause)
        data = await client.extend(setup.clip, dry_run=True, **{"text_prompt": PROMPT, **given})

        check_known(setup, data)


def check_known(setup: Setup, data: dict[str, Any]) -> None:
    assert data["status"] == "DRY_RUN"
    assert "taskId" not in data
    assert "error" not in data
    assert data["twin"] is True
    assert data["credits"]["cost"] == 0
    assert data["next_step"]["tool"] == "get_task"
    assert data["next_step"]["arguments"]["taskId"] == setup.task_id()
    assert setup.posts == 1


@pytest.mark.parametrize("names", [("seed",), ("replyRef",), ("seed", "replyRef")])
async def test_a_dry_run_that_gives_our_seed_or_reference_back_names_the_task(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    setup = Setup(tmp_path)
    async with setup.server() as client:
        told = await client.extend(setup.clip, text_prompt=PROMPT)
        await anyio.sleep(HOUR)
        given = {name: told[name] for name in names}
        check_known(setup, await client.extend(setup.clip, dry_run=True, text_prompt=PROMPT, **given))


async def test_a_dry_run_names_the_task_though_the_source_is_gone(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    async with setup.server() as client:
        await client.extend(setup.clip, text_prompt=PROMPT)
        setup.forget_source()
        check_known(setup, await client.extend(setup.clip, dry_run=True, text_prompt=PROMPT))


async def test_a_dry_run_of_a_new_request_leads_to_the_call_that_says_it_is_none(tmp_path: Path, mode: str) -> None:
    setup = Setup(tmp_path, mode)
    async with setup.server() as client:
        priced = await client.extend(setup.clip, text_prompt=PROMPT, seconds=10, dry_run=True)

        assert priced["status"] == "DRY_RUN"
        assert "twin" not in priced
        assert priced["credits"]["cost"] == 100
        assert priced["next_step"]["tool"] == "extend_video"
        assert priced["next_step"]["arguments"]["dry_run"] is False
        assert setup.posts == 0
        film = await client.data("extend_video", **priced["next_step"]["arguments"])
        assert film["status"] == "SUCCEEDED"
        assert (setup.posts, setup.charged) == (1, 1)


async def test_a_dry_run_of_another_take_prices_it(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    async with setup.server() as client:
        await client.extend(setup.clip, text_prompt=PROMPT)
        priced = await client.extend(setup.clip, text_prompt=PROMPT, seed=7, dry_run=True)

        assert "twin" not in priced
        assert priced["credits"]["cost"] == 50
        assert setup.posts == 1


async def test_a_dry_run_is_no_submit_that_a_later_call_could_find(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    async with setup.server() as client:
        await client.extend(setup.clip, text_prompt=PROMPT, dry_run=True)
        film = await client.extend(setup.clip, text_prompt=PROMPT)

        assert film["status"] == "SUCCEEDED"
        assert "twin" not in film


async def test_a_dry_run_of_a_refusal_that_nobody_could_confirm_promises_nothing(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    setup.at_next_post(setup.blind, kind="status", status=400)
    async with setup.server() as client:
        refused = await client.extend(setup.clip, text_prompt=PROMPT)
        setup.connect()
        priced = await client.extend(setup.clip, text_prompt=PROMPT, dry_run=True)
        await client.data("extend_video", **priced["next_step"]["arguments"])

        assert (refused["error"]["charged"], refused["error"]["retry"]) == ("unknown", "later")
        assert refused["next_step"]["arguments"]["text_prompt"] == PROMPT
        assert "charge nothing" not in priced["summary"]
        assert (priced["credits"]["cost"], setup.charged) == (50, 1)


async def test_a_dry_run_of_a_request_that_waits_for_a_slot_prices_it(tmp_path: Path) -> None:
    setup = Setup(tmp_path, max_jobs=1, pace=300)
    async with setup.server() as client, setup.server() as other, anyio.create_task_group() as group:
        await client.extend(setup.clip, text_prompt="the slot is taken", wait_seconds=0)
        group.start_soon(partial(client.extend, setup.clip, text_prompt=PROMPT, wait_seconds=30))
        await anyio.sleep(12)
        priced = await other.extend(setup.clip, text_prompt=PROMPT, dry_run=True)

        assert setup.states() == ["accepted", "waiting"]
        assert "twin" not in priced
        assert priced["credits"]["cost"] == 50
        group.cancel_scope.cancel()
