"""Where a film came from, in results and listings, and a search that finds it by its ancestors."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from runway_mcp.simulator.builders import add_image, add_task, add_upload, add_video
from runway_mcp.simulator.records import Asset
from runway_mcp.simulator.world import World
from tests.kit.client import ToolClient, structured, text
from tests.kit.server import open_client
from tests.kit.upstream import extended_clips, virtual_world

pytestmark = pytest.mark.virtual_time

ASKED_FOR = {"uri", "url", "url_expires_at", "preview_urls", "mediaType", "taskId"}


async def found(client: ToolClient, **arguments: object) -> list[str]:
    """The assetIds that a listing names."""
    return [asset["assetId"] for asset in (await client.data("list_assets", **arguments))["assets"]]


def ids(world: World, *assets: Asset) -> list[str]:
    """The assetIds of assets."""
    return [world.asset_id(asset) for asset in assets]


async def test_a_film_names_its_source_and_its_prompt_in_result_task_and_listing(tmp_path: Path, mode: str) -> None:
    world = virtual_world(clips=0)
    clip = add_video(world, prompt="a quiet beach")
    async with open_client(world, tmp_path, mode) as client:
        film = await client.extend(clip, text_prompt="gulls rise", seconds=10)
        read = await client.data("get_task", taskId=film["taskId"])
        listed = await client.call("list_assets")

        for data in (film, read):
            assert data["lineage"]["source_assetId"] == world.asset_id(clip)
            assert data["lineage"]["source_name"] == clip.name
            assert data["text_prompt"] == "gulls rise"
        asset = next(each for each in structured(listed)["assets"] if each["assetId"] == film["video"]["assetId"])
        assert (asset["source_assetId"], asset["source_name"]) == (world.asset_id(clip), clip.name)
        assert (asset["text_prompt"], asset["extended_count"]) == ("gulls rise", 1)
        assert f'from "{clip.name}", prompt "gulls rise"' in text(listed)


async def test_films_that_others_made_name_their_source_by_their_tasks(tmp_path: Path, mode: str) -> None:
    world = virtual_world(clips=0)
    beach, gulls = extended_clips(world, "a quiet beach", "gulls rise")
    async with open_client(world, tmp_path, mode) as client:
        listed = (await client.data("list_assets"))["assets"]
        assert gulls.task is not None
        read = await client.data("get_task", taskId=world.task_id(gulls.task))

        assert (listed[0]["source_assetId"], listed[0]["source_name"]) == (world.asset_id(beach), beach.name)
        assert (listed[0]["text_prompt"], listed[1]["text_prompt"]) == ("gulls rise", "a quiet beach")
        assert "source_assetId" not in listed[1]
        assert (read["lineage"]["extended_count"], read["text_prompt"]) == (1, "gulls rise")
        assert read["lineage"]["source_assetId"] == world.asset_id(beach)
        assert read["lineage"]["source_name"] == beach.name


async def test_a_film_is_found_by_what_it_came_from_over_three_generations(tmp_path: Path, mode: str) -> None:
    world = virtual_world(clips=3)
    films = extended_clips(world, "a quiet beach", "gulls rise", "the pier burns", "night falls")
    async with open_client(world, tmp_path, mode) as client:
        assert await found(client, query="beach") == ids(world, *reversed(films))
        assert await found(client, query="gulls") == ids(world, *films[:0:-1])
        assert await found(client, query="pier") == ids(world, films[3], films[2])
        assert await found(client, query="night") == ids(world, films[3])
        assert await found(client, query="nobody") == []


async def test_a_film_is_found_by_the_prompts_of_what_it_came_from(tmp_path: Path, mode: str) -> None:
    world = virtual_world(clips=3)
    films = extended_clips(world, "a quiet beach", "gulls rise", "the pier burns")
    for number, film in enumerate(films):
        film.name = f"take {number}"
    async with open_client(world, tmp_path, mode) as client:
        assert await found(client, query="beach") == ids(world, *reversed(films))
        assert await found(client, query="gulls pier") == ids(world, films[2])


async def test_a_source_of_the_same_name_is_not_named_again(tmp_path: Path, mode: str) -> None:
    world = virtual_world(clips=0)
    films = extended_clips(world, "a quiet beach", "gulls rise")
    for film in films:
        film.name = "beach.mp4"
    async with open_client(world, tmp_path, mode) as client:
        longer = (await client.data("list_assets"))["assets"][0]
        assert films[1].task is not None
        read = await client.data("get_task", taskId=world.task_id(films[1].task))

        assert (longer["source_assetId"], "source_name" in longer) == (world.asset_id(films[0]), False)
        assert (read["lineage"]["source_assetId"], "source_name" in read["lineage"]) == (
            world.asset_id(films[0]),
            False,
        )


@pytest.mark.parametrize("query", ["beach night", "NIGHT beach", "  fAlLs   Quiet ", "night gulls PIER beach"])
async def test_words_are_found_together_in_any_order_and_case(tmp_path: Path, mode: str, query: str) -> None:
    world = virtual_world(clips=3)
    films = extended_clips(world, "a quiet beach", "gulls rise", "the pier burns", "night falls")
    async with open_client(world, tmp_path, mode) as client:
        assert await found(client, query=query) == ids(world, films[3])
        assert await found(client, query=f"{query} nobody") == []


async def test_what_this_server_extended_three_times_is_found_by_its_first_clip_also_when_that_is_gone(
    tmp_path: Path, mode: str
) -> None:
    world = virtual_world(clips=2)
    clip = add_video(world, prompt="a quiet beach", seconds=5)
    async with open_client(world, tmp_path, mode) as client:
        source = world.asset_id(clip)
        for prompt in ("gulls rise", "the pier burns", "night falls"):
            source = (await client.data("extend_video", assetId=source, text_prompt=prompt))["video"]["assetId"]
        assert clip.task is not None
        clip.deleted = clip.task.hidden = True

        assert source in await found(client, query="Beach")


async def test_a_search_says_among_how_many_it_looked_and_pages_count_matches(tmp_path: Path, mode: str) -> None:
    world = virtual_world(clips=0)
    for number in range(60):
        add_video(world, prompt=f"{'beach' if number % 2 else 'pier'} take {number}", age=600.0 * number)
    async with open_client(world, tmp_path, mode) as client:
        first = await client.data("list_assets", query="beach", limit=20)
        second = await client.data(first["next_step"]["tool"], **first["next_step"]["arguments"])

        assert "30 matches among the newest 60 assets" in first["summary"]
        assert (first["next_offset"], len(first["assets"])) == (20, 20)
        assert first["next_step"]["arguments"] == {"query": "beach", "limit": 20, "offset": 20}
        assert len(second["assets"]) == 10
        assert "next_offset" not in second
        names = [each["name"] for each in first["assets"] + second["assets"]]
        assert len(set(names)) == 30
        assert all("beach" in name for name in names)


LONG = "The tide goes out over the flats while the light fades and the wind turns; " * 2 + "a red boat comes in."


async def test_a_match_shows_the_words_that_it_was_found_by(tmp_path: Path, mode: str) -> None:
    world = virtual_world(clips=0)
    add_video(world, prompt=LONG).name = "first take.mp4"
    async with open_client(world, tmp_path, mode) as client:
        result = await client.call("list_assets", query="BOAT tide")

        prompt = structured(result)["assets"][0]["text_prompt"]
        assert prompt.startswith("The tide goes out over")
        assert prompt.endswith(" … wind turns; a red boat comes in.")
        assert f'  prompt "{prompt}"' in text(result).splitlines()
        assert (await client.data("list_assets", query="tide"))["assets"][0]["text_prompt"] == LONG


async def test_a_match_by_what_a_film_was_made_from_says_so(tmp_path: Path, mode: str) -> None:
    world = virtual_world(clips=0)
    films = extended_clips(world, "a quiet beach", "gulls rise", "the pier burns")
    async with open_client(world, tmp_path, mode) as client:
        for query, matched in (("beach", [None, "ancestor", "ancestor"]), ("gulls quiet", ["ancestor", "ancestor"])):
            result = await client.call("list_assets", query=query)
            found = {each["assetId"]: each.get("matched") for each in structured(result)["assets"]}

            assert [found[each] for each in ids(world, *films) if each in found] == matched, query
            assert text(result).count(" (matches by what it was made from)") == 2
        assert "matched" not in str(await client.data("list_assets"))


@pytest.mark.parametrize("tool", ["get_task", "extend_video", "view_film"])
async def test_a_clip_is_taken_by_a_name_that_was_cut_at_its_end(tmp_path: Path, tool: str) -> None:
    world = virtual_world(clips=3)
    add_video(world, prompt="dunes", age=10).name = f"{LONG}.mp4"
    async with open_client(world, tmp_path, "auto") as client:
        listed = (await client.data("list_assets", query="boat"))["assets"][0]
        assert listed["name"] == f"{LONG[:79].rstrip()}…"
        argument = {"taskId": listed["name"]} if tool == "get_task" else {"assetId": listed["name"]}
        result = await client.call(tool, **argument, **({"dry_run": True} if tool == "extend_video" else {}))

        assert "Nothing has the name" not in text(result)
        assert listed["assetId"] in text(result) or tool == "view_film"


async def test_a_search_looks_through_the_newest_200_assets(tmp_path: Path) -> None:
    world = virtual_world(clips=0)
    for number in range(230):
        add_video(world, prompt=f"take {number}" if number != 190 else "the beach", age=600.0 * number)
    async with open_client(world, tmp_path, "auto") as client:
        data = await client.data("list_assets", query="beach")

        assert [each["text_prompt"] for each in data["assets"]] == ["the beach"]
        assert "1 match among the newest 200 assets" in data["summary"]


NO_CURRENT_MODEL: dict[str, Any] = {"over_http": True, "upload_films": False}
"""A server that hands nobody its files, and uploads none."""


async def test_only_what_can_be_extended_is_listed_where_that_is_asked(tmp_path: Path, mode: str) -> None:
    world = virtual_world(clips=0)
    films = extended_clips(world, "a quiet beach", "gulls rise", "the pier burns", "night falls")
    turbo = add_video(world, model="gen3a_turbo", age=10)
    add_video(world, model="gen4", age=20)
    add_upload(world, age=30)
    async with open_client(world, tmp_path, mode, **NO_CURRENT_MODEL) as client:
        data = await client.data("list_assets", extendable_only=True)
        second = await client.data("list_assets", extendable_only=True, limit=2, offset=2)

        assert [each["assetId"] for each in data["assets"]] == ids(world, turbo, *films[2::-1])
        assert {each["extendable"] for each in data["assets"]} == {"yes"}
        assert data["summary"].startswith("4 of the newest 7 assets; 4 extendable")
        assert [each["assetId"] for each in second["assets"]] == ids(world, *films[1::-1])
        assert await found(client, extendable_only=True, query="gulls") == ids(world, *films[2:0:-1])


async def test_what_a_current_model_continues_counts_as_extendable_in_a_search_and_is_told_apart(
    tmp_path: Path, mode: str
) -> None:
    world = virtual_world(clips=0)
    native, other, upload = (
        add_video(world, prompt="gulls", age=10),
        add_video(world, model="gen4", prompt="gulls", age=20),
        add_upload(world, name="gulls.mp4", age=30),
    )
    add_image(world)
    async with open_client(world, tmp_path, mode) as client:
        result = await client.call("list_assets", extendable_only=True, query="gulls")
        data = structured(result)

        assert [each["assetId"] for each in data["assets"]] == ids(world, native, other, upload)
        assert [(each["extendable"], each["continuable"]) for each in data["assets"]] == [
            ("yes", True),
            ("no", True),
            ("no", True),
        ]
        models = "gen4.5 for at most 60, gen4 for at most 60, gen4-turbo for about 25 credits"
        assert data["summary"].endswith(f"3 continuable with a current model, as often as wanted (+5 s: {models}).")
        assert text(result).count(", continuable, ") == 1
        assert "continuable with a `model` only: made by gen4)" in text(result)
        assert "continuable with a `model` only: uploaded)" in text(result)
        pictures = await client.data("list_assets", mediaType="image")
        assert [each["continuable"] for each in pictures["assets"]] == [False]


async def test_where_this_server_may_not_continue_nothing_is_said_to_be_continuable(tmp_path: Path) -> None:
    world = virtual_world()
    async with open_client(world, tmp_path, "auto", **NO_CURRENT_MODEL) as client:
        data = await client.data("list_assets")

        assert [each["continuable"] for each in data["assets"]] == [False]
        assert data["summary"] == "1 asset, 1 of them extendable."


async def test_links_are_there_only_where_they_are_asked_for(tmp_path: Path, mode: str) -> None:
    world = virtual_world()
    add_image(world)
    async with open_client(world, tmp_path, mode) as client:
        bare = await client.call("list_assets")
        full = await client.call("list_assets", links=True)
        pictures = await client.data("list_assets", mediaType="image", links=True)

        [asset], [linked] = structured(bare)["assets"], structured(full)["assets"]
        assert not ASKED_FOR & asset.keys()
        assert linked.keys() - asset.keys() == ASKED_FOR
        assert {name: linked[name] for name in asset} == asset
        assert "http" not in text(bare)
        assert linked["url"] in text(full)
        assert linked["taskId"] in text(full)
        assert pictures["assets"][0]["mediaType"] == "image"


async def test_a_listing_holds_nothing_but_what_the_contract_names(tmp_path: Path, mode: str) -> None:
    world = virtual_world(clips=0)
    extended_clips(world, "a", "b", "c", "d")
    add_upload(world)
    named = {
        *("assetId", "name", "createdAt", "duration_seconds", "width", "height", "text_prompt", "source_assetId"),
        *(
            "extendable",
            "reason",
            "continuable",
            "extended_count",
            "extensions_left",
            "longest_seconds",
            "cost_to_longest",
        ),
    }
    async with open_client(world, tmp_path, mode) as client:
        data = await client.data("list_assets")

        assert {name for each in data["assets"] for name in each} - named <= {"source_name"}
        assert None not in [value for each in data["assets"] for value in each.values()]


async def test_a_listed_prompt_is_cut_at_200_characters(tmp_path: Path) -> None:
    world = virtual_world(clips=0)
    add_video(world, prompt="dunes " * 100)
    async with open_client(world, tmp_path, "auto") as client:
        assert len((await client.data("list_assets"))["assets"][0]["text_prompt"]) <= 200
        assert await found(client, query="dunes")


async def test_running_tasks_tell_what_they_will_be(tmp_path: Path, mode: str) -> None:
    world = virtual_world(pace=100)
    async with open_client(world, tmp_path, mode) as client:
        ours = await client.extend(client.clip, text_prompt="gulls rise", seconds=10, wait_seconds=0)
        theirs = add_task(world, prompt="by hand", parent=client.clip, queue=0, duration=900, options={"seconds": 5})
        await anyio.sleep(50)
        result = await client.call("list_assets")

        running = {each["taskId"]: each for each in structured(result)["running"]}
        clip = world.asset_id(client.clip)
        assert running[ours["taskId"]] == {
            "taskId": ours["taskId"],
            "status": "RUNNING",
            "progress": 0.4,
            "source_assetId": clip,
            "text_prompt": "gulls rise",
            "seconds": 10,
        }
        other = running[world.task_id(theirs)]
        assert (other["text_prompt"], other["seconds"], other["source_assetId"]) == ("by hand", 5, clip)
        for told in (ours["taskId"], "gulls rise", world.task_id(theirs), "by hand"):
            assert told in text(result)
        searched = await client.data("list_assets", query="nothing has this name")
        assert searched["running"]
