"""Prompts stand in the next call as they were given, however long; what stood in for them once is refused."""

import json
from pathlib import Path

import pytest

from runway_mcp.simulator.faults import Fault
from tests.agents.reading import next_call, step_of
from tests.kit.client import structured, text
from tests.kit.server import open_client
from tests.kit.upstream import virtual_world

pytestmark = pytest.mark.virtual_time

LONG = ("The camera rises over the dunes; \"slowly\", 'and' in the evening's light… " * 80)[:5000]


@pytest.mark.parametrize("words", ["(as before)", "as before", " (As Before) ", "AS BEFORE"])
@pytest.mark.parametrize("dry_run", [True, False])
async def test_words_that_only_stand_for_a_prompt_are_refused_as_one(
    tmp_path: Path, mode: str, words: str, dry_run: bool
) -> None:
    async with open_client(virtual_world(), tmp_path, mode) as client:
        data = await client.extend(client.clip, text_prompt=words, dry_run=dry_run)

        assert (data["error"]["kind"], data["error"]["charged"]) == ("invalid_request", "no")
        assert "text_prompt" in data["summary"]
        assert client.posts == 0


async def test_a_prompt_may_hold_those_words_beside_others(tmp_path: Path) -> None:
    async with open_client(virtual_world(), tmp_path, "auto") as client:
        assert (await client.extend(client.clip, text_prompt="The waves roll as before.", dry_run=True))[
            "status"
        ] == "DRY_RUN"


async def test_a_prompt_of_5000_characters_stands_in_full_in_the_next_call_of_both_forms(
    tmp_path: Path, mode: str
) -> None:
    world = virtual_world()
    async with open_client(world, tmp_path, mode) as client:
        assert len(LONG) == 5000
        given = {"assetId": world.asset_id(client.clip), "text_prompt": LONG.strip(), "seconds": 10}
        result = await client.mcp.call_tool("extend_video", {**given, "dry_run": True})

        assert step_of(structured(result)) == ("extend_video", {**given, "dry_run": False})
        assert next_call(text(result)) == step_of(structured(result))


async def test_a_prompt_of_5000_characters_that_was_made_is_read_in_full_from_the_task(
    tmp_path: Path, mode: str
) -> None:
    world = virtual_world()
    async with open_client(world, tmp_path, mode) as client:
        await client.mcp.call_tool(
            "extend_video", {"assetId": world.asset_id(client.clip), "text_prompt": LONG, "wait_seconds": 45}
        )
        result = await client.mcp.call_tool("get_task", {"taskId": world.task_id(client.last_task())})

        assert structured(result)["text_prompt"] == LONG.strip()
        line = next(each for each in text(result).splitlines() if each.startswith("text_prompt: "))
        assert json.loads(line.removeprefix("text_prompt: ")) == LONG.strip()


async def test_an_error_repeats_the_whole_call(tmp_path: Path, mode: str) -> None:
    world = virtual_world()
    world.faults += [Fault(method="POST", status=502)]
    async with open_client(world, tmp_path, mode) as client:
        given = {"assetId": world.asset_id(client.clip), "text_prompt": LONG.strip(), "seed": 7, "wait_seconds": 5}
        result = await client.mcp.call_tool("extend_video", given)

        assert structured(result)["error"]["kind"] == "submission_unknown"
        assert step_of(structured(result)) == ("extend_video", given)
        assert next_call(text(result)) == ("extend_video", given)
