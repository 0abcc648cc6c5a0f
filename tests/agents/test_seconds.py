"""How many seconds which clip can gain, how far the steps lead, and what a wait may be."""

from pathlib import Path

import pytest

from runway_mcp.simulator.builders import add_upload, add_video
from tests.kit.client import structured, text
from tests.kit.server import open_client
from tests.kit.upstream import extended_clips, virtual_world

pytestmark = pytest.mark.virtual_time

FITS = {
    "gen3a": "can gain 5 s for about 50 credits or 10 s for about 100 credits",
    "gen3a_turbo": "gains 8 s a step for about 40 credits",
}
BY_MODELS = {
    5: "to add 5 s, continue it with a `model`: gen4.5 for at most 60 credits",
    8: "to add 8 s, continue it with a `model`: gen4.5 for at most 96 credits.",
    10: "to add 10 s, continue it with a `model`: gen4.5 for at most 120 credits",
}


@pytest.mark.parametrize(
    ("model", "seconds", "cost"),
    [
        ("gen3a", None, 50),
        ("gen3a", 5, 50),
        ("gen3a", 10, 100),
        ("gen3a", "10", 100),
        ("gen3a", 10.0, 100),
        ("gen3a_turbo", None, 40),
        ("gen3a_turbo", 8, 40),
    ],
)
async def test_a_length_that_the_clip_can_gain_is_priced(
    tmp_path: Path, mode: str, model: str, seconds: object, cost: int
) -> None:
    world = virtual_world(clips=0)
    clip = add_video(world, model=model)
    async with open_client(world, tmp_path, mode) as client:
        data = await client.extend(clip, dry_run=True, **{} if seconds is None else {"seconds": seconds})

        assert (data["status"], data["credits"]["cost"]) == ("DRY_RUN", cost)


@pytest.mark.parametrize(
    ("model", "seconds"),
    [("gen3a", 8), ("gen3a_turbo", 5), ("gen3a_turbo", 10)],
)
@pytest.mark.parametrize("dry_run", [True, False])
async def test_a_length_of_the_other_model_is_refused_with_what_fits(
    tmp_path: Path, mode: str, model: str, seconds: int, dry_run: bool
) -> None:
    world = virtual_world(clips=0)
    clip = add_video(world, model=model)
    async with open_client(world, tmp_path, mode) as client:
        data = await client.extend(clip, seconds=seconds, text_prompt="on", dry_run=dry_run)

        assert (data["error"]["kind"], data["error"]["charged"]) == ("invalid_request", "no")
        assert FITS[model] in data["summary"]
        assert BY_MODELS[seconds] in data["summary"]
        fitting = {"gen3a": 5, "gen3a_turbo": 8}[model]
        arguments = {"assetId": world.asset_id(clip), "text_prompt": "on", "seconds": fitting, "dry_run": True}
        assert (data["next_step"]["tool"], data["next_step"]["arguments"]) == ("extend_video", arguments)
        assert (await client.data("extend_video", **arguments))["status"] == "DRY_RUN"
        assert client.posts == 0


@pytest.mark.parametrize("seconds", [6, 7, 9, 3, 11, 60, -5, 5.5, "ten", True])
async def test_a_length_that_no_clip_can_gain_is_refused_with_what_fits(
    tmp_path: Path, mode: str, seconds: object
) -> None:
    async with open_client(virtual_world(), tmp_path, mode) as client:
        data = await client.extend(client.clip, seconds=seconds)

        assert (data["error"]["kind"], data["error"]["charged"]) == ("invalid_request", "no")
        assert all(fit in data["summary"] for fit in ("5", "8", "10"))
        assert not client.world.requests


@pytest.mark.parametrize("tool", ["extend_video", "get_task"])
async def test_a_wait_beyond_the_limit_is_cut_and_the_result_says_so(tmp_path: Path, mode: str, tool: str) -> None:
    world = virtual_world(pace=900)
    async with open_client(world, tmp_path, mode) as client:
        task_id = (await client.extend(client.clip, wait_seconds=0))["taskId"]
        named = {"extend_video": {"assetId": world.asset_id(client.clip)}, "get_task": {"taskId": task_id}}[tool]
        result = await client.call(tool, **named, wait_seconds=9999)

        assert "error" not in structured(result)
        assert "wait_seconds was cut from 9999 to 45" in structured(result)["summary"]
        assert "wait_seconds was cut from 9999 to 45" in text(result)
        assert 44 <= client.took <= 46


@pytest.mark.parametrize(
    ("model", "seconds", "left", "longest", "cost"),
    [
        ("gen3a", 10, 2, 40.0, 200),
        ("gen3a", 5, 2, 35.0, 200),
        ("gen3a_turbo", 8, 2, 34.0, 80),
    ],
)
async def test_a_dry_run_and_the_film_tell_what_can_be_reached_then_and_for_how_much(
    tmp_path: Path, mode: str, model: str, seconds: int, left: int, longest: float, cost: int
) -> None:
    world = virtual_world(clips=0)
    clip = add_video(world, model=model)
    async with open_client(world, tmp_path, mode) as client:
        priced = await client.call("extend_video", assetId=world.asset_id(clip), seconds=seconds, dry_run=True)
        film = await client.call("extend_video", assetId=world.asset_id(clip), seconds=seconds)

        for result in (priced, film):
            lineage = structured(result)["lineage"]
            told = (lineage["extensions_left"], lineage["longest_seconds"], lineage["cost_to_longest"])
            assert told == (left, longest, cost)
            assert f"up to {longest:.0f} s for about {cost} credits" in text(result)


async def test_the_listing_tells_how_far_each_clip_leads_and_for_how_much(tmp_path: Path, mode: str) -> None:
    world = virtual_world(clips=0)
    add_video(world, age=10)
    add_video(world, model="gen3a_turbo", age=20)
    add_video(world, seconds=5, age=30)
    complete = extended_clips(world, "a", "b", "c", "d")[-1]
    async with open_client(world, tmp_path, mode) as client:
        result = await client.call("list_assets")

        assets = structured(result)["assets"]
        assert [(each["longest_seconds"], each["cost_to_longest"]) for each in assets[:3]] == [
            (40.0, 300),
            (34.0, 120),
            (35.0, 300),
        ]
        last = next(each for each in assets if each["assetId"] == world.asset_id(complete))
        assert (last["extendable"], last["extensions_left"]) == ("no", 0)
        assert not {"longest_seconds", "cost_to_longest"} & last.keys()
        assert "extendable 3 times, to 40 s for about 300 credits" in text(result)


async def test_a_clip_without_a_known_length_promises_none(tmp_path: Path) -> None:
    world = virtual_world(clips=0)
    clip = add_video(world, metadata="null")
    async with open_client(world, tmp_path, "auto") as client:
        listed = (await client.data("list_assets"))["assets"][0]
        lineage = (await client.extend(clip, dry_run=True))["lineage"]

        assert not {"longest_seconds", "cost_to_longest"} & (listed.keys() | lineage.keys())
        assert (listed["extensions_left"], lineage["extensions_left"]) == (3, 2)


async def test_in_explore_mode_the_way_to_the_longest_costs_nothing(tmp_path: Path) -> None:
    async with open_client(virtual_world(), tmp_path, "auto") as client:
        lineage = (await client.extend(client.clip, seconds=10, exploreMode=True, dry_run=True))["lineage"]

        assert (lineage["longest_seconds"], lineage["cost_to_longest"]) == (40.0, 0)


async def test_after_the_last_extension_the_film_is_complete_and_no_call_follows(tmp_path: Path, mode: str) -> None:
    world = virtual_world(clips=0)
    clip = extended_clips(world, "a", "b", "c")[-1]
    async with open_client(world, tmp_path, mode) as client:
        priced = await client.extend(clip, seconds=10, dry_run=True)
        result = await client.call("extend_video", assetId=world.asset_id(clip), seconds=10)

        film = structured(result)
        assert "complete" in priced["summary"]
        assert "complete" in film["summary"]
        assert film["lineage"]["extensions_left"] == 0
        assert "next_step" not in film
        assert "Next:" not in text(result)
        assert "more extension" not in text(result)
        read = await client.data("get_task", taskId=film["taskId"])
        assert "complete" in read["summary"]


async def test_the_task_of_an_original_clip_tells_no_price(tmp_path: Path, mode: str) -> None:
    world = virtual_world()
    async with open_client(world, tmp_path, mode) as client:
        assert client.clip.task is not None
        result = await client.call("get_task", taskId=world.task_id(client.clip.task))

        data = structured(result)
        assert "credits" not in data
        assert "credits" not in data["summary"]
        assert "extension 0" not in text(result)
        assert (data["lineage"]["extended_count"], data["lineage"]["longest_seconds"]) == (0, 40.0)


@pytest.mark.parametrize("sort", ["gen4", "upload"])
async def test_a_clip_that_cannot_be_extended_leads_to_the_model_that_continues_it(
    tmp_path: Path, mode: str, sort: str
) -> None:
    world = virtual_world()
    clip = add_upload(world) if sort == "upload" else add_video(world, model=sort)
    async with open_client(world, tmp_path, mode) as client:
        data = await client.extend(clip)

        assert (data["error"]["kind"], data["error"]["retry"]) == ("invalid_request", "after_change")
        named = {"assetId": world.asset_id(clip), "model": "gen4.5", "dry_run": False}
        assert (data["next_step"]["tool"], data["next_step"]["arguments"]) == ("extend_video", named)
        listed = await client.data("list_assets", extendable_only=True)
        assert {each["assetId"] for each in listed["assets"]} == {world.asset_id(each) for each in (client.clip, clip)}
