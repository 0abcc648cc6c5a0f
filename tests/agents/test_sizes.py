"""What an agent pays in characters: lists, films, definitions."""

from pathlib import Path

import pytest

from runway_mcp.simulator.builders import add_upload, add_video
from runway_mcp.simulator.world import World
from tests.agents.reading import size, without_links
from tests.kit.client import structured, text
from tests.kit.definitions import LISTED_WHEREVER, LONGEST_DEFINITIONS
from tests.kit.server import open_client
from tests.kit.upstream import extended_clips, virtual_world

pytestmark = pytest.mark.virtual_time

PROMPT = (
    "The camera rises slowly over the dunes while warm evening light falls on the grass; two gulls cross the frame "
    "from left to right, the sea glitters far behind, and a lone lighthouse comes into view at the end of it all."
)[:200]


def a_full_library() -> World:
    """Ten assets as people have them: chains, Turbo and Gen-4 clips, an upload; all with long prompts."""
    world = virtual_world(clips=0)
    extended_clips(world, *(f"{number} {PROMPT}" for number in range(4)))
    extended_clips(world, *(f"{number} {PROMPT}" for number in range(3)), model="gen3a_turbo", step=8)
    add_video(world, prompt=PROMPT, age=90)
    add_video(world, model="gen4", prompt=PROMPT, age=80)
    add_upload(world, name="holiday by the sea, second morning, first take.mp4", age=70)
    return world


async def test_a_listing_of_ten_clips_is_short_in_both_forms(tmp_path: Path, mode: str) -> None:
    async with open_client(a_full_library(), tmp_path, mode) as client:
        result = await client.call("list_assets")

        data = structured(result)
        assert len(data["assets"]) == 10
        assert size(data) <= 6500
        assert len(text(result)) <= 4000
        assert max(size(asset) for asset in data["assets"]) <= 600


async def test_ten_films_of_this_server_are_short_in_both_forms(tmp_path: Path, mode: str) -> None:
    world = virtual_world(clips=0)
    films = [extended_clips(world, PROMPT, f"{number} {PROMPT}", f"{number} {PROMPT}")[-1] for number in range(10)]
    async with open_client(world, tmp_path, mode) as client:
        for number, film in enumerate(films):
            await client.extend(film, text_prompt=f"{number} {PROMPT}"[:200])
        result = await client.call("list_assets")

        data = structured(result)
        assert {each["extended_count"] for each in data["assets"]} == {3}
        assert size(data) <= 6500
        assert len(text(result)) <= 4000
        assert max(size(asset) for asset in data["assets"]) <= 600


async def test_clips_that_need_many_words_are_short_and_told_apart_by_their_prompts(tmp_path: Path, mode: str) -> None:
    world = virtual_world(clips=0)
    for film in extended_clips(world, *(f"{number} {PROMPT}" for number in range(10)), model="gen4_turbo"):
        film.metadata = "null"
    async with open_client(world, tmp_path, mode) as client:
        result = await client.call("list_assets")

        data = structured(result)
        assert "length: from view_film or a dry_run" in data["assets"][0]["reason"]
        assert size(data) <= 6500
        assert len(text(result)) <= 4000
        assert min(len(asset["text_prompt"]) for asset in data["assets"]) >= 60
        assert max(size(asset) for asset in data["assets"]) <= 600


@pytest.mark.parametrize("name", ["n" * 300, '"' * 300, "\u6d77" * 300])
async def test_no_name_makes_an_asset_of_a_listing_long(tmp_path: Path, name: str) -> None:
    world = virtual_world(clips=0)
    films = extended_clips(world, PROMPT, PROMPT)
    for film in films:
        film.name = name
    async with open_client(world, tmp_path, "auto") as client:
        assert max(size(asset) for asset in (await client.data("list_assets"))["assets"]) <= 600


async def test_the_result_of_a_film_is_short_but_for_its_links(tmp_path: Path, mode: str) -> None:
    world = virtual_world(clips=0)
    clip = extended_clips(world, PROMPT, PROMPT)[-1]
    prompt = "The camera rises slowly over the dunes, warm evening light."
    async with open_client(world, tmp_path, mode) as client:
        film = await client.extend(clip, text_prompt=prompt, seconds=10)
        again = await client.extend(clip, text_prompt=prompt, seconds=10)
        read = await client.data("get_task", taskId=film["taskId"])

        assert size(without_links(film)) <= 1500
        assert size(without_links(read)) <= 1500
        # Told again, it says more of what was paid when: the URIs are links as well.
        uris = size(again["task_uri"]) + size(again["video"]["uri"])
        assert size(without_links(again)) - uris <= 1500


async def test_the_definitions_are_short_and_hold_nothing_that_hosts_choke_on(tmp_path: Path, mode: str) -> None:
    async with open_client(virtual_world(), tmp_path, mode) as client:
        tools = [
            tool.model_dump(mode="json", by_alias=True, exclude_none=True)
            for tool in (await client.mcp.list_tools()).tools
        ]

        assert size({"tools": tools}) < LONGEST_DEFINITIONS
        assert [tool["name"] for tool in tools] == LISTED_WHEREVER
        for tool in tools:
            properties = tool["inputSchema"]["properties"].values()
            assert not {"anyOf", "oneOf", "allOf", "additionalProperties"} & tool["inputSchema"].keys()
            assert all(isinstance(kind["type"], str) for kind in properties)
            assert not [kind for kind in properties if "enum" in kind and kind["type"] == "integer"]
            assert not [kind for kind in properties if {"anyOf", "oneOf", "allOf", "not", "$ref"} & kind.keys()]
            assert all(kind["description"] for kind in properties)
            assert "additionalProperties" not in str(tool["inputSchema"])
            assert "null" not in str(tool["inputSchema"])
            assert tool.get("outputSchema", {"required": ["summary"]})["required"] == ["summary"]


async def test_each_tool_has_all_four_hints(tmp_path: Path, mode: str) -> None:
    async with open_client(virtual_world(), tmp_path, mode) as client:
        hints = {
            tool.name: tool.annotations and tool.annotations.model_dump(exclude={"title"})
            for tool in (await client.mcp.list_tools()).tools
        }

        reads = {"read_only_hint": True, "destructive_hint": False, "idempotent_hint": True, "open_world_hint": True}
        assert hints == dict.fromkeys(LISTED_WHEREVER, reads) | {"extend_video": reads | {"read_only_hint": False}}
