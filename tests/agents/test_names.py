"""Whatever names a clip or a task: ids long and bare, links, URIs, names, one for the other."""

from pathlib import Path
from urllib.parse import quote

import anyio
import pytest

from runway_mcp.simulator.builders import add_video
from runway_mcp.simulator.faults import Fault
from runway_mcp.simulator.records import Asset
from runway_mcp.simulator.world import World
from tests.agents.reading import step_of
from tests.kit.client import ToolClient, structured
from tests.kit.server import open_client
from tests.kit.upstream import virtual_world

pytestmark = pytest.mark.virtual_time

BEACH = "beach.mp4"


def a_library() -> tuple[World, Asset]:
    """Three clips by other hands, and the one in the middle."""
    world = virtual_world(clips=0)
    clips = [add_video(world, name=name, age=900.0 * age) for age, name in enumerate(("pier.mp4", BEACH, "dunes.mp4"))]
    return world, clips[1]


def task_of(world: World, asset: Asset) -> str:
    """The taskId of the task that made an asset."""
    assert asset.task is not None
    return world.task_id(asset.task)


async def spellings(client: ToolClient, asset: Asset) -> dict[str, str]:
    """Everything that names an asset of which nothing but one name is in the ledger."""
    world, asset_id = client.world, client.world.asset_id(asset)
    task_id = task_of(world, asset)
    link = (await client.data("get_task", taskId=task_id))["video"]["url"]
    return {
        "assetId": asset_id,
        "asset's uuid": asset.uuid,
        "asset's uuid in capitals": asset.uuid.upper(),
        "taskId": task_id,
        "task's uuid": task_id[-36:],
        "asset's URI": f"runway://assets/{asset_id}",
        "asset's URI, encoded": f"runway://assets/{quote(asset_id, safe='')}",
        "task's URI": f"runway://tasks/{task_id}",
        "task's URI, encoded": f"runway://tasks/{quote(task_id, safe='')}",
        "link": link,
        "link of another signature": f"{link.partition('?')[0]}?_jwt=some.other.signature",
        "link without a signature": link.partition("?")[0],
    }


async def test_every_spelling_of_a_clip_is_priced_as_that_clip(tmp_path: Path, mode: str) -> None:
    world, clip = a_library()
    async with open_client(world, tmp_path, mode) as client:
        named = await spellings(client, clip) | {"name": BEACH, "name between blanks": f"  {BEACH} "}
        told = {how: await client.data("extend_video", assetId=name, dry_run=True) for how, name in named.items()}

        sources = {how: data.get("lineage", {}).get("source_assetId") for how, data in told.items()}
        assert sources == dict.fromkeys(named, world.asset_id(clip))
        assert client.posts == 0


async def test_every_spelling_of_a_clip_reads_the_task_that_made_it(tmp_path: Path, mode: str) -> None:
    world, clip = a_library()
    async with open_client(world, tmp_path, mode) as client:
        named = await spellings(client, clip)
        told = {how: await client.data("get_task", taskId=name) for how, name in named.items()}

        assert {how: data.get("taskId") for how, data in told.items()} == dict.fromkeys(named, task_of(world, clip))


async def test_a_name_means_the_clip_that_has_it_when_the_call_comes(tmp_path: Path, mode: str) -> None:
    world, clip = a_library()
    async with open_client(world, tmp_path, mode) as client:
        await client.data("get_task", taskId=BEACH)
        clip.name = "an old beach.mp4"
        newer = add_video(world, name=BEACH)
        told = await client.data("extend_video", assetId=BEACH)

        assert told["lineage"]["source_assetId"] == world.asset_id(newer)


async def test_every_spelling_of_a_request_is_the_same_request(tmp_path: Path, mode: str) -> None:
    world, clip = a_library()
    async with open_client(world, tmp_path, mode) as client:
        named = await spellings(client, clip) | {"name": BEACH}
        told = {how: await client.data("extend_video", assetId=name) for how, name in named.items()}

        assert {data["taskId"] for data in told.values()} == {world.task_id(client.last_task())}
        assert len(world.accepted) == 1


async def test_a_task_that_still_runs_is_found_by_its_bare_uuid(tmp_path: Path, mode: str) -> None:
    world, clip = a_library()
    world.pace = 900
    async with open_client(world, tmp_path, mode) as client:
        task_id = (await client.extend(clip, wait_seconds=0))["taskId"]

        assert (await client.data("get_task", taskId=task_id[-36:]))["taskId"] == task_id


async def test_a_film_of_this_server_is_found_by_its_uuid_and_its_new_name(tmp_path: Path, mode: str) -> None:
    world, clip = a_library()
    async with open_client(world, tmp_path, mode) as client:
        film = (await client.extend(clip, text_prompt="gulls over the pier"))["video"]
        await anyio.sleep(60)
        for name in (film["assetId"][-36:], film["name"], film["url"]):
            data = await client.data("extend_video", assetId=name, dry_run=True)
            assert data["lineage"]["source_assetId"] == film["assetId"]
            assert data["lineage"]["source_name"] == film["name"]


async def test_a_name_that_two_clips_have_is_refused_with_both_assetids(tmp_path: Path, mode: str) -> None:
    world, first = a_library()
    second = add_video(world, name=BEACH, age=7200)
    async with open_client(world, tmp_path, mode) as client:
        result = await client.call("extend_video", assetId=BEACH)

        error = structured(result)["error"]
        assert (error["kind"], error["charged"], error["retry"]) == ("invalid_request", "no", "after_change")
        assert world.asset_id(first) in error["message"]
        assert world.asset_id(second) in error["message"]
        assert client.posts == 0


@pytest.mark.parametrize("tool", ["extend_video", "get_task"])
@pytest.mark.parametrize("typo", ["beech", "user", "uuid"])
async def test_a_reference_that_is_nearly_right_names_the_three_nearest_clips(
    tmp_path: Path, mode: str, tool: str, typo: str
) -> None:
    world, clip = a_library()
    for number in range(4):
        add_video(world, name=f"completely different {number}.mp4", age=9000)
    asset_id = world.asset_id(clip)
    wrong = "0" if asset_id[-1] != "0" else "1"
    reference = {"beech": "beech.mp4", "user": asset_id[:-1] + wrong, "uuid": clip.uuid[:-1] + wrong}[typo]
    async with open_client(world, tmp_path, mode) as client:
        data = await client.data(
            tool, **{"extend_video": {"assetId": reference}, "get_task": {"taskId": reference}}[tool]
        )

        message = data["error"]["message"]
        assert data["error"]["kind"] == "not_found"
        assert sum(world.asset_id(each) in message for each in world.assets) == 3
        nearest = message.partition("The nearest are: ")[2].partition(";")[0]
        assert nearest.endswith(asset_id)
        assert client.posts == 0


@pytest.mark.parametrize(
    "reference", ["0f7d2c54-8f4e-4b0a-9a39-5c1f6f6e2b77", "asset:0f7d2c54-8f4e-4b0a-9a39-5c1f6f6e2b77"]
)
async def test_for_an_id_that_no_clip_is_like_none_is_told_as_the_one_that_may_be_meant(
    tmp_path: Path, mode: str, reference: str
) -> None:
    world, clip = a_library()
    whole = world.asset_id(clip).partition("asset:")[0] + reference if "asset" in reference else reference
    async with open_client(world, tmp_path, mode) as client:
        message = (await client.data("extend_video", assetId=whole))["error"]["message"]

    assert "No id here is like it. Others are: " in message
    assert "nearest" not in message
    assert world.asset_id(clip) in message


@pytest.mark.parametrize(
    ("written", "found"),
    [("the beech walk", True), ("beach walk", True), ("wallk", True), ("zebra", False)],
)
async def test_the_next_step_after_a_misspelt_name_finds_the_clip_that_was_meant(
    tmp_path: Path, written: str, *, found: bool
) -> None:
    world, _ = a_library()
    meant = add_video(world, name="The beach walk at dusk.mp4", age=9000)
    async with open_client(world, tmp_path, "auto") as client:
        refused = await client.data("extend_video", assetId=written, dry_run=True)
        step = refused["next_step"]
        listed = await client.data(step["tool"], **step["arguments"])

    assert ([each["assetId"] for each in listed["assets"]] == [world.asset_id(meant)]) is found


async def test_a_name_in_another_case_is_no_exact_name_but_the_nearest(tmp_path: Path) -> None:
    world, clip = a_library()
    async with open_client(world, tmp_path, "auto") as client:
        data = await client.data("extend_video", assetId="Beach.mp4", dry_run=True)

        assert data["error"]["kind"] == "not_found"
        assert world.asset_id(clip) in data["error"]["message"]


@pytest.mark.parametrize("how", ["name", "asset's uuid", "task's uuid", "link", "taskId", "asset's URI, encoded"])
async def test_a_paid_film_comes_back_by_whatever_named_its_clip_although_the_clip_is_gone(
    tmp_path: Path, mode: str, how: str
) -> None:
    world, clip = a_library()
    async with open_client(world, tmp_path, mode) as client:
        named = await spellings(client, clip) | {"name": BEACH}
        first = await client.data("extend_video", assetId=named[how], text_prompt="on")
        clip.deleted = True
        assert clip.task is not None
        clip.task.hidden = True
        await anyio.sleep(86_400)

        again = await client.data("extend_video", assetId=named[how], text_prompt="on")

        assert (again["taskId"], again["twin"]) == (first["taskId"], True)
        assert again["video"]["assetId"] == first["video"]["assetId"]
        assert again["credits"]["cost"] == 0
        assert client.posts == 1


async def test_a_name_that_went_to_another_clip_is_that_clip_and_a_new_request(tmp_path: Path) -> None:
    world, clip = a_library()
    async with open_client(world, tmp_path, "auto") as client:
        await client.data("extend_video", assetId=BEACH)
        clip.name = "old beach.mp4"
        other = add_video(world, name=BEACH, age=60)

        data = await client.data("extend_video", assetId=BEACH, dry_run=True)

        assert data["lineage"]["source_assetId"] == world.asset_id(other)
        assert "twin" not in data


async def test_the_next_call_names_a_clip_by_the_words_it_was_given(tmp_path: Path) -> None:
    world, clip = a_library()
    async with open_client(world, tmp_path, "auto") as client:
        tool, arguments = step_of(await client.data("extend_video", assetId=BEACH, dry_run=True))
        film = await client.data(tool, **arguments)

        assert film["lineage"]["source_assetId"] == world.asset_id(clip)
        assert client.posts == 1


async def test_upstream_out_of_reach_is_told_as_that_when_a_name_has_to_be_looked_for(tmp_path: Path) -> None:
    world, _ = a_library()
    async with open_client(world, tmp_path, "auto") as client:
        world.faults += [Fault(times=None, status=503)]
        data = await client.data("extend_video", assetId=BEACH, wait_seconds=10)

        assert (data["error"]["kind"], data["error"]["charged"], data["error"]["retry"]) == (
            "unavailable",
            "no",
            "later",
        )
        assert client.took <= 20
