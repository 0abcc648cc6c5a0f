"""A host that gives up, or loses the answer, and comes back with the same request."""

import json
from pathlib import Path
from typing import Any, Literal

import anyio
import pytest

from runway_mcp.simulator.faults import Fault
from tests.kit.client import ToolClient
from tests.spend_once.setup import DAY, HOUR, MINUTE, PROMPT, Setup

pytestmark = pytest.mark.virtual_time

PAUSES = [MINUTE, 3 * MINUTE, HOUR, 25 * HOUR, 40 * DAY]
How = Literal["told", "unread", "cancelled at once", "cancelled while it runs"]


async def ask(setup: Setup, client: ToolClient, how: How) -> None:
    """The first call: its film is told, or told to nobody, or the host takes the call back."""
    arguments = {"assetId": setup.world.asset_id(setup.clip), "text_prompt": PROMPT}
    if how == "told":
        assert (await client.data("extend_video", **arguments))["status"] == "SUCCEEDED"
    elif how == "unread":
        await client.mcp.call_tool("extend_video", arguments)
    else:
        setup.world.faults.append(Fault(method="POST", kind="delay", seconds=1.0))
        with anyio.move_on_after(0.5 if how == "cancelled at once" else 5):
            await client.mcp.call_tool("extend_video", arguments)


async def pass_time(setup: Setup, seconds: float) -> None:
    """The machine sleeps through what exceeds a day."""
    setup.leap(max(0.0, seconds - DAY))
    await anyio.sleep(min(seconds, DAY))


@pytest.mark.parametrize("pause", PAUSES)
@pytest.mark.parametrize("restarted", [False, True])
async def test_a_told_film_answers_the_same_request_whatever_the_time_between(
    tmp_path: Path, mode: str, pause: float, restarted: bool
) -> None:
    await check_repeat(Setup(tmp_path, mode), "told", pause, restarted=restarted)


@pytest.mark.parametrize("pause", PAUSES)
@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("how", ["unread", "cancelled at once", "cancelled while it runs"])
async def test_a_host_that_gave_up_gets_the_film_it_has_paid_for_whatever_the_time_between(
    tmp_path: Path, how: How, pause: float, restarted: bool
) -> None:
    await check_repeat(Setup(tmp_path), how, pause, restarted=restarted)


async def check_repeat(setup: Setup, how: How, pause: float, *, restarted: bool) -> None:
    async with setup.visits(restarted=restarted) as visit:
        await ask(setup, await visit(), how)
        await pass_time(setup, pause)
        await check_again(setup, await visit())


async def check_again(setup: Setup, client: ToolClient) -> None:
    data = await client.extend(setup.clip, text_prompt=PROMPT)

    await setup.check_film_again(data)
    assert (setup.posts, setup.charged) == (1, 1)


async def test_repeats_stay_free_however_many_there_are(tmp_path: Path, mode: str) -> None:
    setup = Setup(tmp_path, mode)
    async with setup.server() as client:
        first = await client.extend(setup.clip, text_prompt=PROMPT)
        assert "twin" not in first
        for pause in PAUSES:
            await pass_time(setup, pause)
            await check_again(setup, client)
        remaining = (await client.extend(setup.clip, dry_run=True, seed=1))["credits"]["remaining"]

        assert remaining == first["credits"]["remaining"]


async def test_the_text_of_a_repeated_film_says_all_that_its_structure_says(tmp_path: Path, mode: str) -> None:
    setup = Setup(tmp_path, mode)
    async with setup.server() as client:
        await client.extend(setup.clip, text_prompt=PROMPT)
        await anyio.sleep(3 * MINUTE)
        result = await client.call("extend_video", assetId=setup.world.asset_id(setup.clip), text_prompt=PROMPT)

        data: Any = result.structured_content
        said: Any = result.content[0]
        assert said.text.startswith(data["summary"])
        assert data["video"]["url"] in said.text
        assert json.dumps(data["next_step"]["arguments"], ensure_ascii=False) in said.text
        assert "seed" in said.text


async def test_a_cap_on_the_day_does_not_keep_a_film_from_its_payer(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    async with setup.server(max_credits_per_day=50) as client:
        await client.extend(setup.clip, text_prompt=PROMPT)
        await anyio.sleep(3 * MINUTE)
        await check_again(setup, client)
        other = await client.extend(setup.clip, text_prompt="another film")

        assert other["error"]["kind"] == "spend_limit"
        assert setup.posts == 1


async def test_a_confirmation_is_not_asked_for_what_was_paid_before(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    async with setup.server() as client:
        await client.extend(setup.clip, text_prompt=PROMPT)
    await anyio.sleep(HOUR)
    async with setup.server(confirm_above=0.0) as client:
        await check_again(setup, client)


async def test_the_same_request_in_two_processes_at_once_pays_once(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    async with setup.server() as one, setup.server() as other, anyio.create_task_group() as group:
        for client in (one, other, one, other):
            group.start_soon(lambda client=client: client.mcp.call_tool("extend_video", asked(setup)))
    assert (setup.posts, setup.charged) == (1, 1)


def asked(setup: Setup) -> dict[str, Any]:
    return {"assetId": setup.world.asset_id(setup.clip), "text_prompt": PROMPT}


async def test_the_hint_says_that_a_repeat_is_harmless(tmp_path: Path, mode: str) -> None:
    async with Setup(tmp_path, mode).server() as client:
        tools = {tool.name: tool for tool in (await client.mcp.list_tools()).tools}

        hints = tools["extend_video"].annotations
        assert hints is not None
        told = (hints.read_only_hint, hints.destructive_hint, hints.idempotent_hint, hints.open_world_hint)
        assert told == (False, False, True, True)
