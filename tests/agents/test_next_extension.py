"""What follows a film: the next extension like this one, a source that keeps its extensions, a balance of today."""

from pathlib import Path
from typing import Any

import pytest

from runway_mcp.simulator.builders import add_video
from tests.kit.client import structured, text
from tests.kit.server import open_client
from tests.kit.upstream import virtual_world

pytestmark = pytest.mark.virtual_time


@pytest.mark.parametrize(
    ("asked", "carried"),
    [
        ({}, {}),
        ({"seconds": 5}, {}),
        ({"seconds": 10}, {"seconds": 10}),
        ({"exploreMode": True}, {"exploreMode": True}),
    ],
)
async def test_the_next_extension_is_priced_like_the_one_before(
    tmp_path: Path, mode: str, asked: dict[str, Any], carried: dict[str, Any]
) -> None:
    async with open_client(virtual_world(unlimited=True), tmp_path, mode) as client:
        data = await client.extend(client.clip, **asked)

        step = {"assetId": data["video"]["assetId"], **carried, "dry_run": True}
        assert data["next_step"]["arguments"] == step


async def test_next_steps_alone_lead_from_ten_seconds_to_forty(tmp_path: Path, mode: str) -> None:
    async with open_client(virtual_world(permitted=400), tmp_path, mode) as client:
        data = await client.extend(client.clip, seconds=10, text_prompt="over the dunes")
        promised = data["lineage"]["longest_seconds"]
        while step := data.get("next_step"):
            data = await client.data(step["tool"], **step["arguments"])

        assert data["video"]["duration_seconds"] == pytest.approx(promised, abs=1.5)
        assert data["lineage"]["extensions_left"] == 0


async def test_two_takes_of_one_clip_use_up_none_of_its_extensions(tmp_path: Path, mode: str) -> None:
    async with open_client(virtual_world(), tmp_path, mode) as client:
        takes = [await client.extend(client.clip, seed=seed) for seed in (1, 2)]
        listed = await client.data("list_assets", query="gen-3")

        source = next(each for each in listed["assets"] if each["assetId"] == takes[0]["lineage"]["source_assetId"])
        assert source["extensions_left"] == 3
        assert [take["lineage"]["extensions_left"] for take in takes] == [2, 2]


async def test_reading_a_task_tells_no_balance_of_the_past(tmp_path: Path, mode: str) -> None:
    async with open_client(virtual_world(pace=20), tmp_path, mode) as client:
        first = await client.extend(client.clip, seed=1, wait_seconds=0)
        await client.extend(client.clip, seed=2)

        assert "remaining" in first["credits"]
        assert "remaining" not in (await client.data("get_task", taskId=first["taskId"], wait_seconds=45))["credits"]


@pytest.mark.parametrize("setting", ["max_credits_per_call", "max_credits_per_day"])
async def test_a_refusal_by_a_limit_names_the_setting_that_raises_it(tmp_path: Path, mode: str, setting: str) -> None:
    async with open_client(virtual_world(), tmp_path, mode, **{setting: 20}) as client:
        clip = client.world.asset_id(client.clip)
        for refusal in (
            await client.call("extend_video", assetId=clip),
            await client.call("extend_video", assetId=clip, dry_run=True),
        ):
            assert f"RUNWAY_MCP_{setting.upper()}" in structured(refusal)["summary"] + str(structured(refusal))
            assert f"RUNWAY_MCP_{setting.upper()}" in text(refusal)


async def test_a_listing_with_links_leads_to_preview_and_resource_in_text_as_well(tmp_path: Path, mode: str) -> None:
    async with open_client(virtual_world(), tmp_path, mode) as client:
        result = await client.call("list_assets", links=True)

        asset = structured(result)["assets"][0]
        for fact in (asset["uri"], asset["url"], asset["preview_urls"][0], asset["taskId"]):
            assert fact in text(result)


async def test_a_complete_film_whose_earlier_films_are_gone_leads_to_a_model_that_continues_it(
    tmp_path: Path, mode: str
) -> None:
    world = virtual_world(clips=0)
    film = add_video(world, extended=3)
    async with open_client(world, tmp_path, mode) as client:
        refused = await client.extend(film)

        assert refused["error"]["kind"] == "invalid_request"
        assert "no film before it was found" in refused["summary"]
        assert refused["next_step"]["arguments"]["model"] == "gen4.5"


@pytest.mark.parametrize("asked", [{"query": "zebra"}, {"query": "zebra", "extendable_only": True}])
async def test_a_search_without_a_match_leads_to_the_listing_without_it(
    tmp_path: Path, mode: str, asked: dict[str, Any]
) -> None:
    async with open_client(virtual_world(), tmp_path, mode) as client:
        nothing = await client.data("list_assets", limit=2, **asked)
        all_of_them = await client.data(nothing["next_step"]["tool"], **nothing["next_step"]["arguments"])

        assert nothing["assets"] == []
        assert nothing["next_step"]["arguments"] == {"limit": 2}
        assert all_of_them["assets"]
        assert "query" not in str((await client.data("list_assets", offset=900)).get("next_step"))
