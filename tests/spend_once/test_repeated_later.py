"""A host that gives up, or loses the answer, and comes back with the same request."""

import json
from pathlib import Path
from typing import Any, Literal

import anyio
import pytest

from runway_mcp.simulator.faults import Fault
from tests.server.bench import Desk
from tests.spend_once.stage import DAY, HOUR, MINUTE, PROMPT, Stage

pytestmark = pytest.mark.virtual_time

PAUSES = [MINUTE, 3 * MINUTE, HOUR, 25 * HOUR, 40 * DAY]
How = Literal["told", "unread", "cancelled at once", "cancelled while it runs"]


async def ask(stage: Stage, desk: Desk, how: How) -> None:
    """The first call: its film is told, or told to nobody, or the host takes the call back."""
    arguments = {"assetId": stage.world.asset_id(stage.clip), "text_prompt": PROMPT}
    if how == "told":
        assert (await desk.data("extend_video", **arguments))["status"] == "SUCCEEDED"
    elif how == "unread":
        await desk.client.call_tool("extend_video", arguments)
    else:
        stage.world.faults.append(Fault(method="POST", kind="delay", seconds=1.0))
        with anyio.move_on_after(0.5 if how == "cancelled at once" else 5):
            await desk.client.call_tool("extend_video", arguments)


async def pass_time(stage: Stage, seconds: float) -> None:
    """The machine sleeps through what exceeds a day."""
    stage.leap(max(0.0, seconds - DAY))
    await anyio.sleep(min(seconds, DAY))


@pytest.mark.parametrize("pause", PAUSES)
@pytest.mark.parametrize("restarted", [False, True])
async def test_a_told_film_answers_the_same_request_whatever_the_time_between(
    tmp_path: Path, mode: str, pause: float, restarted: bool
) -> None:
    await check_repeat(Stage(tmp_path, mode), "told", pause, restarted=restarted)


@pytest.mark.parametrize("pause", PAUSES)
@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("how", ["unread", "cancelled at once", "cancelled while it runs"])
async def test_a_host_that_gave_up_gets_the_film_it_has_paid_for_whatever_the_time_between(
    tmp_path: Path, how: How, pause: float, restarted: bool
) -> None:
    await check_repeat(Stage(tmp_path), how, pause, restarted=restarted)


async def check_repeat(stage: Stage, how: How, pause: float, *, restarted: bool) -> None:
    async with stage.visits(restarted=restarted) as visit:
        await ask(stage, await visit(), how)
        await pass_time(stage, pause)
        await check_again(stage, await visit())


async def check_again(stage: Stage, desk: Desk) -> None:
    data = await desk.extend(stage.clip, text_prompt=PROMPT)

    await stage.check_film_again(data)
    assert (stage.posts, stage.charged) == (1, 1)


async def test_repeats_stay_free_however_many_there_are(tmp_path: Path, mode: str) -> None:
    stage = Stage(tmp_path, mode)
    async with stage.server() as desk:
        first = await desk.extend(stage.clip, text_prompt=PROMPT)
        assert "twin" not in first
        for pause in PAUSES:
            await pass_time(stage, pause)
            await check_again(stage, desk)
        remaining = (await desk.extend(stage.clip, dry_run=True, seed=1))["credits"]["remaining"]

        assert remaining == first["credits"]["remaining"]


async def test_the_text_of_a_repeated_film_says_all_that_its_structure_says(tmp_path: Path, mode: str) -> None:
    stage = Stage(tmp_path, mode)
    async with stage.server() as desk:
        await desk.extend(stage.clip, text_prompt=PROMPT)
        await anyio.sleep(3 * MINUTE)
        result = await desk.call("extend_video", assetId=stage.world.asset_id(stage.clip), text_prompt=PROMPT)

        data: Any = result.structured_content
        said: Any = result.content[0]
        assert said.text.startswith(data["summary"])
        assert data["video"]["url"] in said.text
        assert json.dumps(data["next_step"]["arguments"], ensure_ascii=False) in said.text
        assert "seed" in said.text


async def test_a_cap_on_the_day_does_not_keep_a_film_from_its_payer(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    async with stage.server(max_credits_per_day=50) as desk:
        await desk.extend(stage.clip, text_prompt=PROMPT)
        await anyio.sleep(3 * MINUTE)
        await check_again(stage, desk)
        other = await desk.extend(stage.clip, text_prompt="another film")

        assert other["error"]["kind"] == "spend_limit"
        assert stage.posts == 1


async def test_a_confirmation_is_not_asked_for_what_was_paid_before(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    async with stage.server() as desk:
        await desk.extend(stage.clip, text_prompt=PROMPT)
    await anyio.sleep(HOUR)
    async with stage.server(confirm_above=0.0) as desk:
        await check_again(stage, desk)


async def test_the_same_request_in_two_processes_at_once_pays_once(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    async with stage.server() as one, stage.server() as other, anyio.create_task_group() as group:
        for desk in (one, other, one, other):
            group.start_soon(lambda desk=desk: desk.client.call_tool("extend_video", asked(stage)))
    assert (stage.posts, stage.charged) == (1, 1)


def asked(stage: Stage) -> dict[str, Any]:
    return {"assetId": stage.world.asset_id(stage.clip), "text_prompt": PROMPT}


async def test_the_hint_says_that_a_repeat_is_harmless(tmp_path: Path, mode: str) -> None:
    async with Stage(tmp_path, mode).server() as desk:
        tools = {tool.name: tool for tool in (await desk.client.list_tools()).tools}

        hints = tools["extend_video"].annotations
        assert hints is not None
        told = (hints.read_only_hint, hints.destructive_hint, hints.idempotent_hint, hints.open_world_hint)
        assert told == (False, False, True, True)
