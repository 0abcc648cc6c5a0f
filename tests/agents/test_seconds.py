"""How many seconds which clip can gain, how far the steps lead, and what a wait may be."""

from pathlib import Path

import pytest

from runway_mcp.simulator.builders import add_upload, add_video
from tests.agents.reading import chain
from tests.server.bench import a_world, at_desk, structured, text

pytestmark = pytest.mark.virtual_time

FITS = {"gen3a": "5 or 10", "gen3a_turbo": "always gains 8"}


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
    world = a_world(clips=0)
    clip = add_video(world, model=model)
    async with at_desk(world, tmp_path, mode) as desk:
        data = await desk.extend(clip, dry_run=True, **{} if seconds is None else {"seconds": seconds})

        assert (data["status"], data["credits"]["cost"]) == ("DRY_RUN", cost)


@pytest.mark.parametrize(
    ("model", "seconds"),
    [("gen3a", 8), ("gen3a_turbo", 5), ("gen3a_turbo", 10)],
)
@pytest.mark.parametrize("dry_run", [True, False])
async def test_a_length_of_the_other_model_is_refused_with_what_fits(
    tmp_path: Path, mode: str, model: str, seconds: int, dry_run: bool
) -> None:
    world = a_world(clips=0)
    clip = add_video(world, model=model)
    async with at_desk(world, tmp_path, mode) as desk:
        data = await desk.extend(clip, seconds=seconds, text_prompt="on", dry_run=dry_run)

        assert (data["error"]["kind"], data["error"]["charged"]) == ("invalid_request", "no")
        assert FITS[model] in data["summary"]
        arguments = {"assetId": world.asset_id(clip), "text_prompt": "on", "dry_run": True}
        assert (data["next_step"]["tool"], data["next_step"]["arguments"]) == ("extend_video", arguments)
        assert (await desk.data("extend_video", **arguments))["status"] == "DRY_RUN"
        assert desk.posts == 0


@pytest.mark.parametrize("seconds", [6, 7, 9, 3, 11, 60, -5, 5.5, "ten", True])
async def test_a_length_that_no_clip_can_gain_is_refused_with_what_fits(
    tmp_path: Path, mode: str, seconds: object
) -> None:
    async with at_desk(a_world(), tmp_path, mode) as desk:
        data = await desk.extend(desk.clip, seconds=seconds)

        assert (data["error"]["kind"], data["error"]["charged"]) == ("invalid_request", "no")
        assert all(fit in data["summary"] for fit in ("5", "8", "10"))
        assert not desk.world.requests


@pytest.mark.parametrize("tool", ["extend_video", "get_task"])
async def test_a_wait_beyond_the_limit_is_cut_and_the_result_says_so(tmp_path: Path, mode: str, tool: str) -> None:
    world = a_world(pace=900)
    async with at_desk(world, tmp_path, mode) as desk:
        task_id = (await desk.extend(desk.clip, wait_seconds=0))["taskId"]
        named = {"extend_video": {"assetId": world.asset_id(desk.clip)}, "get_task": {"taskId": task_id}}[tool]
        result = await desk.call(tool, **named, wait_seconds=9999)

        assert "error" not in structured(result)
        assert "wait_seconds was cut from 9999 to 45" in structured(result)["summary"]
        assert "wait_seconds was cut from 9999 to 45" in text(result)
        assert 44 <= desk.took <= 46


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
    world = a_world(clips=0)
    clip = add_video(world, model=model)
    async with at_desk(world, tmp_path, mode) as desk:
        priced = await desk.call("extend_video", assetId=world.asset_id(clip), seconds=seconds, dry_run=True)
        film = await desk.call("extend_video", assetId=world.asset_id(clip), seconds=seconds)

        for result in (priced, film):
            lineage = structured(result)["lineage"]
            told = (lineage["extensions_left"], lineage["longest_seconds"], lineage["cost_to_longest"])
            assert told == (left, longest, cost)
            assert f"up to {longest:.0f} s for about {cost} credits" in text(result)


async def test_the_listing_tells_how_far_each_clip_leads_and_for_how_much(tmp_path: Path, mode: str) -> None:
    world = a_world(clips=0)
    add_video(world, age=10)
    add_video(world, model="gen3a_turbo", age=20)
    add_video(world, seconds=5, age=30)
    complete = chain(world, "a", "b", "c", "d")[-1]
    async with at_desk(world, tmp_path, mode) as desk:
        result = await desk.call("list_assets")

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
    world = a_world(clips=0)
    clip = add_video(world, metadata="null")
    async with at_desk(world, tmp_path, "auto") as desk:
        listed = (await desk.data("list_assets"))["assets"][0]
        lineage = (await desk.extend(clip, dry_run=True))["lineage"]

        assert not {"longest_seconds", "cost_to_longest"} & (listed.keys() | lineage.keys())
        assert (listed["extensions_left"], lineage["extensions_left"]) == (3, 2)


async def test_in_explore_mode_the_way_to_the_longest_costs_nothing(tmp_path: Path) -> None:
    async with at_desk(a_world(), tmp_path, "auto") as desk:
        lineage = (await desk.extend(desk.clip, seconds=10, exploreMode=True, dry_run=True))["lineage"]

        assert (lineage["longest_seconds"], lineage["cost_to_longest"]) == (40.0, 0)


async def test_after_the_last_extension_the_film_is_complete_and_no_call_follows(tmp_path: Path, mode: str) -> None:
    world = a_world(clips=0)
    clip = chain(world, "a", "b", "c")[-1]
    async with at_desk(world, tmp_path, mode) as desk:
        priced = await desk.extend(clip, seconds=10, dry_run=True)
        result = await desk.call("extend_video", assetId=world.asset_id(clip), seconds=10)

        film = structured(result)
        assert "complete" in priced["summary"]
        assert "complete" in film["summary"]
        assert film["lineage"]["extensions_left"] == 0
        assert "next_step" not in film
        assert "Next:" not in text(result)
        assert "more extension" not in text(result)
        read = await desk.data("get_task", taskId=film["taskId"])
        assert "complete" in read["summary"]


async def test_the_task_of_an_original_clip_tells_no_price(tmp_path: Path, mode: str) -> None:
    world = a_world()
    async with at_desk(world, tmp_path, mode) as desk:
        assert desk.clip.task is not None
        result = await desk.call("get_task", taskId=world.task_id(desk.clip.task))

        data = structured(result)
        assert "credits" not in data
        assert "credits" not in data["summary"]
        assert "extension 0" not in text(result)
        assert (data["lineage"]["extended_count"], data["lineage"]["longest_seconds"]) == (0, 40.0)


@pytest.mark.parametrize("sort", ["gen4", "upload"])
async def test_a_clip_that_cannot_be_extended_leads_to_those_that_can(tmp_path: Path, mode: str, sort: str) -> None:
    world = a_world()
    clip = add_upload(world) if sort == "upload" else add_video(world, model=sort)
    async with at_desk(world, tmp_path, mode) as desk:
        data = await desk.extend(clip)

        assert (data["error"]["kind"], data["error"]["retry"]) == ("invalid_request", "after_change")
        assert (data["next_step"]["tool"], data["next_step"]["arguments"]) == ("list_assets", {"extendable_only": True})
        listed = await desk.data("list_assets", extendable_only=True)
        assert [each["assetId"] for each in listed["assets"]] == [world.asset_id(desk.clip)]
