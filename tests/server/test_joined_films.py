"""Films of several parts as resources and in lists: for the caller who made them, and for nobody else."""

import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio
import anyio.lowlevel
import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, BlobResourceContents, PromptReference, ResourceTemplateReference

from tests.films.joined import RISES, clip_world, continued, films_server, joined
from tests.films.servers import until
from tests.kit.client import ToolClient, structured, text
from tests.kit.clock import LeapingClock
from tests.kit.server import InProcessServer
from tests.kit.upstream import extended_clips
from tests.server.subscribers import LIST, hearing

pytestmark = pytest.mark.slow

NIGHT = "night falls"


async def document(client: ToolClient, uri: str) -> dict[str, Any]:
    """The JSON of a resource."""
    (contents,) = (await client.mcp.read_resource(uri)).contents
    return json.loads(contents.text)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownVariableType, reportUnknownMemberType, reportUnknownArgumentType]


async def file_of(client: ToolClient, uri: str) -> bytes:
    """The bytes of a resource."""
    (contents,) = (await client.mcp.read_resource(uri)).contents
    assert isinstance(contents, BlobResourceContents)
    assert contents.mime_type == "video/mp4"
    return base64.b64decode(contents.blob)


async def refusal(client: ToolClient, uri: str) -> MCPError:
    """The error that a read ends in."""
    with pytest.raises(MCPError) as caught:
        await client.mcp.read_resource(uri)
    return caught.value


async def listed(client: ToolClient) -> list[str]:
    """The URIs of all pages of the list."""
    page = await client.mcp.list_resources()
    uris = [each.uri for each in page.resources]
    while page.next_cursor is not None:
        page = await client.mcp.list_resources(cursor=page.next_cursor)
        uris += [each.uri for each in page.resources]
    return uris


async def test_a_film_is_read_with_its_parts_prompts_models_seeds_costs_and_seams_and_its_file(
    tmp_path: Path, mode: str
) -> None:
    async with films_server(tmp_path) as kept, kept.server.client(mode) as client:
        first = await joined(client)
        told = await joined(client, first["film"]["id"], text_prompt=NIGHT, seconds=8, seed=7)
        film, uri = told["film"], told["film"]["uri"]

        for safe in (":/@", ""):
            read = await document(client, quote(uri, safe=safe))
            assert {name: read[name] for name in ("id", "uri", "step", "seconds", "frames", "joined", "seams")} == {
                name: film[name] for name in ("id", "uri", "step", "seconds", "frames", "joined", "seams")
            }
        assert (read["status"], read["step"], len(read["seams"])) == ("SUCCEEDED", "done", 2)
        assert [part.get("text_prompt") for part in read["parts"]] == ["a beach at dusk", RISES, NIGHT]
        assert [part["model"] for part in read["parts"]] == ["gen4", "gen4.5", "gen4.5"]
        assert [part.get("seed") for part in read["parts"]] == [None, first["seed"], 7]
        assert [part.get("cost") for part in read["parts"]] == [None, 60, 96]
        assert [part.get("taskId") for part in read["parts"]] == [None, first["taskId"], told["taskId"]]
        assert read["credits"]["cost"] == 156
        assert "at most 96 credits (an upper bound" in told["summary"]
        assert ", at most 156 for all its continuations" in told["summary"]
        assert Path(read["saved"]["path"]).name == read["name"]
        assert await file_of(client, f"{uri}/video") == Path(read["saved"]["path"]).read_bytes()
        assert read["video_uri"] == f"{uri}/video"


async def test_a_film_that_is_under_way_is_read_with_its_step_and_the_call_that_follows_it(tmp_path: Path) -> None:
    async with films_server(tmp_path, clip_world(pace=100)) as kept, kept.server.client("auto") as client:
        told = await continued(client)
        read = await document(client, told["film"]["uri"])

        assert read["step"] in ("frame", "upload", "create")
        assert read["status"] != "SUCCEEDED"
        assert (read["next_step"]["tool"], read["next_step"]["arguments"]["taskId"]) == ("get_task", told["film"]["id"])
        assert read["credits"]["cost"] == 60
        error = await refusal(client, f"{told['film']['uri']}/video")
        assert error.code == INVALID_PARAMS
        assert "is not joined yet" in error.message
        assert told["film"]["uri"] not in await listed(client)


async def test_a_film_that_is_under_way_is_named_by_the_listing_and_by_no_strangers(tmp_path: Path) -> None:
    async with (
        films_server(tmp_path, clip_world(pace=100)) as kept,
        kept.server.client("auto", caller="maker") as client,
    ):
        told = await continued(client)
        async with kept.server.client("auto", caller="stranger") as stranger:
            summaries = [(await each.data("list_assets"))["summary"] for each in (client, stranger)]

        named = f"1 film of several parts under way, for get_task: {told['film']['id']}."
        assert [named in summary for summary in summaries] == [True, False]


async def test_the_clip_that_is_a_part_of_a_film_says_so_where_clips_are_listed(tmp_path: Path, mode: str) -> None:
    async with films_server(tmp_path) as kept, kept.server.client(mode) as client:
        told = await joined(client)
        source, part = [each["assetId"] for each in told["film"]["parts"]]
        reasons = {each["assetId"]: each.get("reason", "") for each in (await client.data("list_assets"))["assets"]}

        named = f"part of {told['film']['id']}; go on with the film by that id"
        assert named in reasons[part]
        assert "part of" not in reasons[source]


async def test_a_new_film_of_a_part_alone_is_not_taken_for_the_film_that_has_it(tmp_path: Path, mode: str) -> None:
    async with films_server(tmp_path) as kept, kept.server.client(mode) as client:
        first = await joined(client)
        part = first["film"]["parts"][-1]["assetId"]
        priced = await client.data("extend_video", assetId=part, model="gen4.5", dry_run=True)
        begun = await continued(client, part)
        other = await joined(client, part)

        assert f"To go on with the film give assetId {first['film']['id']}" in priced["summary"]
        assert "This is a new film that begins with this clip alone" in begun["summary"]
        assert "To go on with the film" not in begun["summary"] + other["summary"]
        assert other["next_step"]["arguments"]["assetId"] == other["film"]["id"] != first["film"]["id"]


async def test_a_clip_that_several_films_have_leads_to_the_one_that_ends_with_it(tmp_path: Path, mode: str) -> None:
    async with films_server(tmp_path) as kept, kept.server.client(mode) as client:
        first = await joined(client)
        part = first["film"]["parts"][-1]["assetId"]
        longer = await joined(client, first["film"]["id"])
        assert part in [each["assetId"] for each in longer["film"]["parts"][:-1]]

        priced = await client.data("extend_video", assetId=part, model="gen4.5", dry_run=True)
        reasons = {each["assetId"]: each.get("reason", "") for each in (await client.data("list_assets"))["assets"]}

        assert f"To go on with the film give assetId {first['film']['id']}" in priced["summary"]
        assert f"part of {first['film']['id']}; go on" in reasons[part]


async def test_a_refused_continuation_of_a_part_tells_of_no_new_film(tmp_path: Path) -> None:
    async with films_server(tmp_path, max_credits_per_day=60) as kept, kept.server.client("auto") as client:
        part = (await joined(client))["film"]["parts"][-1]["assetId"]
        refused = await client.data("extend_video", assetId=part, model="gen4.5", text_prompt="no")

        assert refused["error"]["kind"] == "spend_limit"
        assert "new film" not in refused["summary"]


@pytest.mark.parametrize("end", ["", "/video"])
async def test_an_unknown_film_and_one_of_another_caller_are_answered_alike(tmp_path: Path, end: str) -> None:
    async with films_server(tmp_path) as kept, kept.server.client("auto", caller="maker") as maker:
        told = await joined(maker)
        async with kept.server.client("auto", caller="stranger") as stranger:
            refused = [
                await refusal(stranger, f"runway://films/{named}{end}")
                for named in (told["film"]["id"], "film_0123456789abcdef", "film_x", "x")
            ]
            for each in refused:
                assert (each.code, each.message[:17]) == (INVALID_PARAMS, "Unknown resource.")
            assert await completed(stranger, "") == []
            assert told["film"]["uri"] not in await listed(stranger)
            assert "films" not in await stranger.data("list_assets")
            for tool, argument in (("view_film", "assetId"), ("get_task", "taskId"), ("save_film", "assetId")):
                own, other = [
                    text(await stranger.call(tool, **{argument: named}))
                    for named in (told["film"]["id"], "film_0123456789abcdef")
                ]
                assert "knows no film of this id" in own
                assert own.partition("The nearest are")[0] == other.partition("The nearest are")[0]
                assert told["film"]["id"] not in own.partition("The nearest are")[2]


async def completed(client: ToolClient, typed: str) -> list[str]:
    """What is offered for the id of a film."""
    reference = ResourceTemplateReference(uri="runway://films/{id}")
    return (await client.mcp.complete(reference, {"name": "id", "value": typed})).completion.values


async def test_films_are_listed_behind_the_tasks_and_completed_by_id_and_name(tmp_path: Path, mode: str) -> None:
    async with films_server(tmp_path) as kept, kept.server.client(mode) as client:
        told = await joined(client)
        film_id = told["film"]["id"]

        assert (await listed(client))[-1] == told["film"]["uri"]
        assert await completed(client, "") == await completed(client, film_id[:9]) == [film_id]
        assert await completed(client, "the-cam") == [film_id]
        assert await completed(client, "film_zz") == []
        prompt = PromptReference(name="extend_clip")
        clips = (await client.mcp.complete(prompt, {"name": "clip", "value": "the-camera"})).completion.values
        assert clips == [f"{Path(told['saved']['path']).name} ({film_id})"]


async def test_who_wants_to_hear_of_a_film_hears_of_its_steps_and_of_its_end(tmp_path: Path, mode: str) -> None:
    clock = LeapingClock()
    async with films_server(tmp_path, clip_world(pace=600, clock=clock)) as kept, kept.server.client(mode) as client:
        told = await continued(client)
        uri = told["film"]["uri"]
        async with (
            hearing(kept.server, mode, uri) as (_, heard),
            hearing(kept.server, mode, quote(uri, safe="")) as (
                _,
                encoded,
            ),
        ):
            await until(lambda: client.world.accepted)
            clock.leap(600)
            await joined(client)
            await until(lambda: heard.count(uri) >= 2 and LIST in heard)

            assert set(heard) <= {uri, LIST}
            assert quote(uri, safe="") in encoded


async def test_a_stranger_hears_nothing_of_a_film(tmp_path: Path, mode: str) -> None:
    clock = LeapingClock()
    world = clip_world(pace=600, clock=clock)
    async with films_server(tmp_path, world) as kept, kept.server.client(mode, caller="maker") as maker:
        told = await continued(maker)
        uri = told["film"]["uri"]
        async with (
            hearing(kept.server, mode, uri, caller="stranger") as (_, nothing),
            hearing(kept.server, mode, uri, caller="maker") as (_, heard),
        ):
            await until(lambda: world.accepted)
            clock.leap(600)
            await joined(maker)
            await until(lambda: heard.count(uri) >= 2)

            assert uri not in nothing


async def test_a_listing_holds_films_that_the_same_words_find_and_no_frame_that_was_uploaded(
    tmp_path: Path, mode: str
) -> None:
    async with films_server(tmp_path) as kept, kept.server.client(mode) as client:
        told = await joined(client)
        longer = await joined(client, told["film"]["id"], text_prompt=NIGHT)
        result = await client.call("list_assets")
        data = structured(result)

        names = [Path(each["saved"]["path"]).name for each in (longer, told)]
        common = {"width": 64, "height": 36, "continuable": True, "source_name": client.clip.name}
        assert data["films"] == [
            {
                "id": each["film"]["id"],
                "name": name,
                "createdAt": film["createdAt"],
                "seconds": each["film"]["seconds"],
                "parts": parts,
                "text_prompt": each["text_prompt"],
                **common,
            }
            for each, film, name, parts in zip((longer, told), data["films"], names, (3, 2), strict=True)
        ]
        made = {asset["assetId"]: asset["createdAt"][:19] for asset in data["assets"]}
        for each, film in zip((longer, told), data["films"], strict=True):
            assert film["createdAt"] >= made[each["film"]["parts"][-1]["assetId"]]
        assert f'  from "{client.clip.name}", last prompt "{NIGHT}"' in text(result).splitlines()
        assert "; 2 joined films; clips newest first, then joined films." in data["summary"]
        assert f'- film "{names[0]}" (0.4 s, 64x36, 3 parts, made ' in text(result)
        assert text(result).count("Z, continuable with a `model`): film_") == 2
        assert longer["film"]["id"] in text(result)
        for query, found in (("NIGHT rises", 1), ("camera beach dusk", 2), ("gen-4 358", 2), ("nothing like it", 0)):
            assert len((await client.data("list_assets", query=query)).get("films", ())) == found, query
        by_source = structured(found := await client.call("list_assets", query="beach"))
        assert [each.get("matched") for each in by_source["assets"]] == ["film", "ancestor", None]
        assert [each["matched"] for each in by_source["films"]] == ["ancestor", "ancestor"]
        assert text(found).count("(matches by what it was made from)") == 3
        assert text(found).count("(matches by the film that it is a part of)") == 1
        assert by_source["summary"].startswith(
            "5 matches (3 clips, 2 joined films) among the newest 3 assets and all joined films; 0 extendable; "
        )
        first = await client.data("list_assets", limit=1)
        assert (len(first["films"]), first["next_offset"]) == (1, 1)
        second = await client.data("list_assets", **first["next_step"]["arguments"])
        assert second["films"] == data["films"][1:]
        images = await client.data("list_assets", mediaType="image")
        assert (images["assets"], "films" in images) == ([], False)
        assert client.world.requests["POST /assets"] == 2
        asset = ResourceTemplateReference(uri="runway://assets/{assetId}")
        offered = (await client.mcp.complete(asset, {"name": "assetId", "value": ""})).completion.values
        assert len(offered) == 3


async def watched(server: InProcessServer, uri: str) -> None:
    """Subscribes to a film and is gone again."""
    async with hearing(server, "legacy", uri):
        await anyio.lowlevel.checkpoint()


async def test_whoever_is_gone_is_followed_for_no_more(tmp_path: Path) -> None:
    async with films_server(tmp_path, clip_world(pace=100)) as kept, kept.server.client("auto") as client:
        uri = (await continued(client))["film"]["uri"]
        for _ in range(3):
            await watched(kept.server, uri)
        async with hearing(kept.server, "legacy", uri, "runway://films/film_0123456789abcdef") as (_, heard):
            assert heard == []


async def test_a_film_and_its_parts_are_found_by_what_its_first_clip_was_extended_from(
    tmp_path: Path, mode: str
) -> None:
    world = clip_world()
    *_, tide = extended_clips(world, "a pier at noon", "the tide comes in", seconds=5, step=5)
    tide.film = world.assets[0].film
    async with films_server(tmp_path, world) as kept, kept.server.client(mode) as client:
        told = await joined(client, world.asset_id(tide), text_prompt="lanterns are lit")
        found = await client.data("list_assets", query="lanterns tide pier")

        assert [each["id"] for each in found["films"]] == [told["film"]["id"]]
        assert [each["assetId"] for each in found["assets"]] == [told["film"]["parts"][-1]["assetId"]]
