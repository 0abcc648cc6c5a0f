"""The text block alone is enough to act on: every fact of the structured content that a next call or a prompt needs."""

import json
from pathlib import Path

import anyio
import pytest

from runway_mcp.simulator.builders import add_task, add_video
from runway_mcp.simulator.faults import Fault
from tests.agents.reading import next_call, step_of
from tests.kit.client import structured, text
from tests.kit.server import open_client
from tests.kit.upstream import extended_clips, virtual_world

pytestmark = pytest.mark.virtual_time

PROMPT = 'The "camera" rises; 5 {credits} …\nsecond line.'


async def test_the_text_of_a_film_carries_all_that_the_next_one_goes_on_from(tmp_path: Path, mode: str) -> None:
    world = virtual_world(clips=0)
    clip = add_video(world, prompt="a quiet beach")
    async with open_client(world, tmp_path, mode) as client:
        made = await client.call("extend_video", assetId=world.asset_id(clip), text_prompt=PROMPT, seconds=10)
        read = await client.call("get_task", taskId=structured(made)["taskId"])

        for result in (made, read):
            data, told = structured(result), text(result)
            for fact in (
                f"text_prompt: {json.dumps(PROMPT, ensure_ascii=False)}",
                f"seed: {data['seed']}",
                data["taskId"],
                data["video"]["assetId"],
                data["video"]["url"],
                f"Preview picture of Runway's: {data['video']['preview_urls'][-1]}",
                world.asset_id(clip),
                clip.name,
                "20 s",
                "extension 1 of 3",
                "The film has 2 extensions left, up to 40 s for about 200 credits (2 steps of 10 s).",
                "100 credits",
            ):
                assert fact in told
            assert next_call(told) == step_of(data)


async def test_the_text_of_a_running_task_carries_its_prompt_its_source_and_how_to_wait(
    tmp_path: Path, mode: str
) -> None:
    world = virtual_world(pace=900)
    async with open_client(world, tmp_path, mode) as client:
        result = await client.call(
            "extend_video", assetId=world.asset_id(client.clip), text_prompt=PROMPT, seed=7, wait_seconds=0
        )

        data, told = structured(result), text(result)
        for fact in (json.dumps(PROMPT, ensure_ascii=False), "seed: 7", data["taskId"], client.clip.name, "50"):
            assert fact in told
        assert next_call(told) == step_of(data)
        assert next_call(told)[0] == "get_task"


async def test_by_text_alone_a_clip_is_found_priced_extended_and_followed_to_its_end(tmp_path: Path, mode: str) -> None:
    world = virtual_world(clips=2, pace=100)
    async with open_client(world, tmp_path, mode) as client:
        listing = text(await client.call("list_assets", query="clip 1"))
        clip = next(line for line in listing.splitlines() if line.startswith("- ")).partition("assetId ")[2]
        told = text(await client.call("extend_video", assetId=clip, text_prompt=PROMPT, seconds=10, dry_run=True))
        for _ in range(10):
            if "The longer film is ready" in told:
                break
            tool, arguments = next_call(told)
            told = text(await client.call(tool, **arguments))

        assert "The longer film is ready, 20 s long" in told
        tool, arguments = next_call(told)
        assert (tool, arguments["dry_run"]) == ("extend_video", True)
        assert len(world.accepted) == 1
        assert world.accepted[0].options["text_prompt"] == PROMPT


async def test_by_text_alone_a_listing_is_paged_to_its_end(tmp_path: Path, mode: str) -> None:
    world = virtual_world(clips=12)
    async with open_client(world, tmp_path, mode) as client:
        told = text(await client.call("list_assets", limit=5))
        seen = told
        while "Next: " in told:
            tool, arguments = next_call(told)
            told = text(await client.call(tool, **arguments))
            seen += told

        assert all(world.asset_id(clip) in seen for clip in world.assets)


async def test_the_text_of_a_listing_carries_every_fact_that_a_choice_needs(tmp_path: Path, mode: str) -> None:
    world = virtual_world(clips=0)
    films = extended_clips(world, "a quiet beach", "gulls rise", "the pier burns", "night falls")
    async with open_client(world, tmp_path, mode) as client:
        result = await client.call("list_assets")

        told = text(result)
        for asset in structured(result)["assets"]:
            assert f"assetId {asset['assetId']}" in told
            assert f'prompt "{asset["text_prompt"]}"' in told
        assert f'from "{films[0].name}"' in told
        assert "continuable with a `model` only: it was extended 3 times, and Gen-3 Alpha allows 3" in told
        assert "extendable 1 time, to 40 s for about 100 credits" in told


async def test_the_text_of_a_dry_run_carries_the_quote_where_one_is_needed(tmp_path: Path, mode: str) -> None:
    async with open_client(virtual_world(), tmp_path, mode, confirm_above=0.0) as client:
        result = await client.call("extend_video", assetId=client.world.asset_id(client.clip), dry_run=True)

        assert next_call(text(result))[1]["confirm"] == structured(result)["quote"]["id"]
        assert next_call(text(result)) == step_of(structured(result))
        film = await client.data("extend_video", **next_call(text(result))[1])
        assert film["status"] == "SUCCEEDED"


async def test_the_text_of_an_unclear_submit_names_the_candidates(tmp_path: Path, mode: str) -> None:
    world = virtual_world(pace=3000)
    world.faults += [Fault(method="POST", status=502)]
    async with open_client(world, tmp_path, mode) as client:
        await client.extend(client.clip, wait_seconds=1)
        add_task(world, seed=77)
        await anyio.sleep(700)
        result = await client.call("extend_video", assetId=world.asset_id(client.clip), wait_seconds=1)

        assert structured(result)["candidates"][0]["taskId"] in text(result)
        assert next_call(text(result)) == step_of(structured(result))
