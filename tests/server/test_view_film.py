"""A look at a film: one picture and one text in every host, whatever names the clip, and every failure in words."""

from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from mcp_types import ImageContent, TextContent

from runway_mcp.films.chains import Seams
from runway_mcp.films.viewing import View
from runway_mcp.media.errors import HOW_TO_INSTALL, MediaMissing
from runway_mcp.server.app import create_server
from runway_mcp.server.viewing import clip_named, picture_for, seams_for
from runway_mcp.simulator.builders import add_image, add_task, add_upload, add_video, small_world
from runway_mcp.simulator.faults import Fault
from runway_mcp.simulator.links.faults import LinkFault
from runway_mcp.simulator.run import running
from runway_mcp.simulator.world import World
from runway_mcp.tasks.failures import Failure
from tests.kit.client import ToolClient, text
from tests.kit.server import InProcessServer, open_client, open_server, settings
from tests.kit.upstream import Upstream, extended_clips, virtual_world
from tests.server.pictures import brightness, films_client, give, grey_world, seen

NEXT = "Next: extend_video {"


def clip_of(world: World) -> str:
    return world.asset_id(world.assets[0])


def nothing_serves(world: World) -> None:
    """From now on neither the API nor any link answers."""
    world.faults.append(Fault(times=None, status=503))
    world.link_faults.append(LinkFault("status", times=None, status=503))


async def test_the_last_frame_comes_as_one_picture_and_one_text_with_no_structured_content(
    tmp_path: Path, mode: str
) -> None:
    async with films_client(grey_world(tmp_path), tmp_path, mode) as client:
        result = await client.call("view_film", assetId=clip_of(client.world))

        picture, told = seen(result)
        assert brightness(picture) > 245
        assert picture.size == (64, 36)
        assert result.structured_content is None
        assert 'Gen-3 Alpha 358000000, clip 0.mp4" (1 s, 64x36): its last frame, at 0.80 s.' in told
        assert f'{NEXT}"assetId": "{clip_of(client.world)}", "dry_run": true}}.' in told
        assert "goes on from this frame" in told
        image = result.content[0]
        assert isinstance(image, ImageContent)
        assert image.annotations
        assert image.annotations.audience == ["user", "assistant"]


async def test_its_definition_promises_no_structured_content_and_changes_nothing(tmp_path: Path, mode: str) -> None:
    async with open_client(virtual_world(), tmp_path, mode) as client:
        (tool,) = [each for each in (await client.mcp.list_tools()).tools if each.name == "view_film"]

        assert tool.output_schema is None
        assert tool.annotations
        assert tool.annotations.read_only_hint
        assert tool.annotations.idempotent_hint
        assert tool.annotations.open_world_hint
        assert not tool.annotations.destructive_hint


@pytest.mark.parametrize(
    ("arguments", "luma", "says"),
    [
        ({"show": "last_frame"}, 255, "its last frame, at 0.80 s."),
        ({"show": "first_frame"}, 0, "its first frame, at 0.00 s."),
        ({"show": None, "at_seconds": None}, 255, "its last frame, at 0.80 s."),
        ({"show": "", "at_seconds": " "}, 255, "its last frame, at 0.80 s."),
        ({"at_seconds": 0}, 0, "its frame at 0.00 s."),
        ({"at_seconds": 0.3}, 51, "its frame at 0.20 s."),
        ({"at_seconds": "0.4"}, 109, "its frame at 0.40 s."),
        ({"show": "last_frame", "at_seconds": 0.6}, 168, "its frame at 0.60 s."),
        ({"at_seconds": 0.85}, 255, "its frame at 0.80 s."),
        ({"at_seconds": 99}, 255, "it ends before 99 s, so this is its last frame, at 0.80 s."),
        # A host that fills everything in asks for what `show` says.
        ({"show": "last_frame", "at_seconds": 0}, 255, "its last frame, at 0.80 s."),
        ({"show": "first_frame", "at_seconds": 0}, 0, "its first frame, at 0.00 s."),
    ],
    ids=str,
)
async def test_the_frame_that_was_asked_for_is_shown_and_its_real_second_told(
    tmp_path: Path, arguments: dict[str, Any], luma: int, says: str
) -> None:
    async with films_client(grey_world(tmp_path), tmp_path, "auto") as client:
        picture, told = seen(await client.call("view_film", assetId=clip_of(client.world), **arguments))

        assert brightness(picture) == pytest.approx(luma, abs=6)
        assert says in told


async def test_a_strip_tells_the_second_of_each_frame_by_rows_and_where_extensions_begin(
    tmp_path: Path, mode: str
) -> None:
    world = chain_world(tmp_path)
    async with films_client(world, tmp_path, mode) as client:
        clip = world.asset_id(world.assets[-1])
        picture, told = seen(await client.call("view_film", assetId=clip, show="strip"))

        assert max(picture.size) <= 1568
        assert "8 frames of all of it, row by row at 0.00, " in told
        assert " / " in told
        assert ", 29.00 s." in told
        assert "Extensions begin at 10 s, 20 s, marked by white lines." in told
        assert NEXT in told


def chain_world(folder: Path) -> World:
    """A clip of ten seconds and two extensions of it, each with a film of one frame a second."""
    world = small_world(clips=0)
    films = extended_clips(world, "a beach", "the camera rises", "night falls")
    for count, film in enumerate(films, start=1):
        give(film, folder, *range(20, 20 + 10 * count), rate=1)
    return world


async def test_a_strip_of_a_clip_in_one_piece_says_that_it_has_no_seams(tmp_path: Path) -> None:
    async with films_client(grey_world(tmp_path), tmp_path, "auto") as client:
        _, told = seen(await client.call("view_film", assetId=clip_of(client.world), show="strip"))

        assert "5 frames of all of it, row by row at 0.00, 0.20, 0.40, 0.60 / 0.80 s." in told
        assert "It was not extended: it has no seams." in told


async def test_a_second_look_costs_no_request_at_all(tmp_path: Path, mode: str) -> None:
    world = chain_world(tmp_path)
    async with films_client(world, tmp_path, mode) as client:
        clip = world.asset_id(world.assets[-1])
        shows = ("last_frame", "first_frame", "strip")
        first = [seen(await client.call("view_film", assetId=clip, show=show)) for show in shows]
        asked = world.requests.copy()
        nothing_serves(world)
        second = [seen(await client.call("view_film", assetId=clip, show=show)) for show in shows]

        assert [told for _, told in first] == [told for _, told in second]
        assert [picture.tobytes() for picture, _ in first] == [picture.tobytes() for picture, _ in second]
        assert world.requests == asked


async def test_a_restart_keeps_the_pictures(tmp_path: Path) -> None:
    world = grey_world(tmp_path)
    async with films_client(world, tmp_path, "auto") as client:
        seen(await client.call("view_film", assetId=clip_of(world)))
    world.link_faults.append(LinkFault("status", times=None, status=503))
    async with films_client(world, tmp_path, "auto") as client:
        picture, _ = seen(await client.call("view_film", assetId=clip_of(world)))

        assert brightness(picture) > 245


async def test_a_link_that_has_died_is_replaced_by_a_fresh_one(tmp_path: Path) -> None:
    world = grey_world(tmp_path)
    async with films_client(world, tmp_path, "auto") as client:
        world.link_faults.append(LinkFault("dead"))
        picture, _ = seen(await client.call("view_film", assetId=clip_of(world)))

        assert brightness(picture) > 245
        assert world.requests["GET /assets/{id}"] == 2


def names_of(world: World) -> dict[str, str]:
    """Everything that names the first clip of a world."""
    clip, asset_id = world.assets[0], clip_of(world)
    assert clip.task is not None
    return {
        "assetId": asset_id,
        "taskId": world.task_id(clip.task),
        "uuid": clip.uuid,
        "URI": f"runway://assets/{asset_id}",
        "encoded URI of a picture": f"runway://assets/{quote(asset_id, safe='')}/frames/last",
        "URI of its task": f"runway://tasks/{world.task_id(clip.task)}",
        "link": f"{world.origin}/files/{clip.uuid}.mp4?_jwt=dead",
        "name": clip.name,
    }


@pytest.mark.parametrize("kind", names_of(small_world()))
async def test_whatever_names_a_clip_shows_it(tmp_path: Path, kind: str) -> None:
    world = grey_world(tmp_path)
    async with films_client(world, tmp_path, "auto") as client:
        _, told = seen(await client.call("view_film", assetId=names_of(world)[kind]))

        assert f'{NEXT}"assetId": "{clip_of(world)}"' in told


async def test_a_film_whose_asset_is_gone_is_seen_by_its_task(tmp_path: Path) -> None:
    world = grey_world(tmp_path)
    (clip,) = world.assets
    async with films_client(world, tmp_path, "auto") as client:
        world.faults.append(Fault("GET", "/assets/", times=None, status=404, body={"error": "gone"}))
        world.link_faults.append(LinkFault("dead"))
        assert clip.task
        picture, _ = seen(await client.call("view_film", assetId=world.task_id(clip.task)))

        assert brightness(picture) > 245


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (None, "it was uploaded"),
        ({"model": "gen4"}, "it was made by gen4"),
        ({"extended": 3}, "it was extended 3 times"),
    ],
    ids=["upload", "Gen-4", "complete"],
)
async def test_what_cannot_be_extended_is_shown_as_any_and_says_why(
    tmp_path: Path, made: dict[str, Any] | None, why: str
) -> None:
    world = small_world(clips=0)
    clip = add_upload(world) if made is None else add_video(world, **made)
    give(clip, tmp_path, 16, 235)
    async with films_client(world, tmp_path, "auto") as client:
        _, told = seen(await client.call("view_film", assetId=world.asset_id(clip)))

        assert f"It cannot be extended: {why}" in told
        assert f"assetId: {world.asset_id(clip)}" in told
        assert "Next:" not in told


async def refused(client: ToolClient, **arguments: Any) -> str:
    """The text of a look that fails, which is all of its result."""
    result = await client.call("view_film", **arguments)
    assert result.is_error
    (block,) = result.content
    assert isinstance(block, TextContent)
    assert "Charged: no." in block.text
    return block.text


async def test_a_second_beside_another_show_is_refused_with_the_call_that_works(tmp_path: Path, mode: str) -> None:
    async with films_client(grey_world(tmp_path), tmp_path, mode) as client:
        clip = clip_of(client.world)
        told = await refused(client, assetId=clip, show="strip", at_seconds=0.4)

        assert "at_seconds shows one frame, and show asks for strip" in told
        assert f'Next: view_film {{"assetId": "{clip}", "at_seconds": 0.4}}.' in told
        assert not client.world.requests


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "assetId is missing."),
        ({"assetId": " "}, "assetId is empty."),
        ({"assetId": "x", "show": "middle"}, "show must be last_frame or first_frame or strip, not"),
        ({"assetId": "x", "at_seconds": -1}, "at_seconds must be a number, 0 or more, not -1."),
        ({"assetId": "x", "at_seconds": True}, "at_seconds must be a number, 0 or more, not true."),
        ({"assetId": "x", "second": 3}, 'view_film takes no argument "second" (did you mean at_seconds?).'),
    ],
    ids=str,
)
async def test_arguments_that_do_not_fit_are_refused_by_name_and_nothing_is_asked(
    tmp_path: Path, arguments: dict[str, Any], says: str
) -> None:
    async with open_client(virtual_world(), tmp_path, "auto") as client:
        told = await refused(client, **arguments)

        assert says in told
        assert "Error: invalid_request." in told
        assert not client.world.requests


async def test_an_unknown_clip_names_the_nearest_and_leads_to_the_list(tmp_path: Path, mode: str) -> None:
    async with films_client(grey_world(tmp_path), tmp_path, mode) as client:
        for unknown in (f"{clip_of(client.world)[:-1]}f", "a name that nothing has"):
            told = await refused(client, assetId=unknown)

            assert "Error: not_found." in told
            assert "The nearest are: " in told
            assert "Next: list_assets {}." in told


async def test_what_is_no_video_is_refused_clearly(tmp_path: Path) -> None:
    world = grey_world(tmp_path)
    async with films_client(world, tmp_path, "auto") as client:
        told = await refused(client, assetId=world.asset_id(add_image(world)))

        assert '"mood.gif" is no video (image), and only videos can be shown here.' in told


async def test_a_task_that_runs_is_followed_first(tmp_path: Path) -> None:
    world = grey_world(tmp_path)
    async with films_client(world, tmp_path, "auto") as client:
        task = world.task_id(add_task(world, duration=1000))
        told = await refused(client, assetId=task)

        assert "its film can be seen once it is finished" in told
        assert f'Next: get_task {{"taskId": "{task}"' in told


async def test_a_task_that_failed_has_nothing_to_see(tmp_path: Path) -> None:
    world = grey_world(tmp_path)
    async with films_client(world, tmp_path, "auto") as client:
        failed = add_task(world, outcome="fail", queue=0, duration=0)

        assert "nothing to see" in await refused(client, assetId=world.task_id(failed))


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (LinkFault("redirect", location="http://127.0.0.1:9/x.mp4"), "Runway's link to the file was not used."),
        (LinkFault("redirect", location="https://10.0.0.1/x.mp4"), "The link leads to an address that is not public."),
        (LinkFault("redirect", location="file:///etc/passwd"), "Runway's link to the file was not used."),
        (LinkFault("wrong_type"), "The link leads to a page"),
        (LinkFault("wrong_length", length=300), "No picture could be made: "),
    ],
    ids=["another port", "private", "no host", "page", "cut short"],
)
async def test_a_hostile_link_gives_words_alone_and_no_advice_to_repeat(
    tmp_path: Path, rule: LinkFault, says: str
) -> None:
    world = grey_world(tmp_path)
    async with films_client(world, tmp_path, "auto") as client:
        world.link_faults.append(replace(rule, times=None))
        told = await refused(client, assetId=clip_of(world))

        assert says in told
        assert "_jwt" not in told
        assert "You may repeat" not in told
        assert "Next: view_film" not in told


async def test_a_link_host_that_is_away_is_asked_again_later(tmp_path: Path) -> None:
    world = grey_world(tmp_path)
    async with films_client(world, tmp_path, "auto") as client:
        world.link_faults.append(LinkFault("status", times=3, status=503))
        clip = clip_of(world)
        told = await refused(client, assetId=clip)

        assert "Error: unavailable. Charged: no. You may repeat the same call later." in told
        assert f'Next: view_film {{"assetId": "{clip}"}}.' in told
        seen(await client.call("view_film", assetId=clip))


async def test_a_look_that_took_too_long_goes_on_for_the_next_one(tmp_path: Path) -> None:
    world = grey_world(tmp_path)
    async with running(world) as url, open_server(world, tmp_path / "data", url=url) as server:
        clip = await clip_named(server.context, clip_of(world))
        world.link_faults.append(LinkFault("slow", after_bytes=200, seconds=0.05))
        with pytest.raises(Failure, match="in time"):
            await picture_for(server.context, clip, View(), seconds=0.2)
        assert not world.link_faults
        world.link_faults.append(LinkFault("status", times=None))

        assert (await picture_for(server.context, clip, View(), seconds=30)).width == 64


async def test_a_clip_whose_maker_cannot_be_read_is_shown_and_read_again_at_the_next_look(tmp_path: Path) -> None:
    world = grey_world(tmp_path)
    async with films_client(world, tmp_path, "auto") as client:
        rule = Fault("GET", "/tasks/", times=None, status=503)
        world.faults.append(rule)
        _, unsure = seen(await client.call("view_film", assetId=clip_of(world)))
        world.faults.clear()
        _, sure = seen(await client.call("view_film", assetId=clip_of(world)))

        assert "Next:" not in unsure
        assert "cannot be extended" not in unsure
        assert NEXT in sure


@pytest.mark.virtual_time
@pytest.mark.parametrize("path", ["/assets", "/tasks"])
async def test_an_upstream_that_does_not_answer_ends_the_look_in_time(tmp_path: Path, path: str) -> None:
    async with open_client(virtual_world(), tmp_path, "auto") as client:
        client.world.faults.append(Fault("GET", path, times=None, kind="delay", seconds=1000))
        told = await refused(client, assetId=clip_of(client.world))

        assert "Error: unavailable." in told
        # Threads take no virtual time, but the clock may jump while one works: only the delay itself is no such jump.
        assert client.took < 1000


@pytest.mark.virtual_time
async def test_a_chain_that_does_not_answer_leaves_the_seams_unknown(tmp_path: Path) -> None:
    world = virtual_world(clips=0)
    (_, film) = extended_clips(world, "a", "b")
    async with open_server(world, tmp_path) as server:
        clip = await clip_named(server.context, world.asset_id(film))
        world.faults.append(Fault("GET", "/tasks", times=None, kind="delay", seconds=1000))

        assert await seams_for(server.context, clip) == Seams(whole=False)
        world.faults.clear()
        assert await seams_for(server.context, clip) == Seams((10.0,))


async def test_without_the_extra_one_sentence_says_how_to_get_it(tmp_path: Path, mode: str) -> None:
    def missing() -> None:
        raise MediaMissing

    world = small_world()
    server = create_server(settings(tmp_path), transport=Upstream(world))
    async with server.lifespan(server) as opened_:
        without = replace(opened_, films=replace(opened_.films, require=missing))
        async with InProcessServer(server, without, world).client(mode) as client:
            told = await refused(client, assetId=clip_of(world))

            assert HOW_TO_INSTALL in told
            assert "Error: not_configured." in told
            assert not world.requests


async def test_without_a_token_it_says_what_to_set(tmp_path: Path) -> None:
    async with open_client(virtual_world(), tmp_path, "auto", token=None) as client:
        assert "USEAPI_TOKEN" in await refused(client, assetId="x")


async def test_a_dry_run_names_the_look_before_the_words(tmp_path: Path) -> None:
    async with open_client(virtual_world(), tmp_path, "auto") as client:
        result = await client.call("extend_video", assetId=clip_of(client.world), dry_run=True)

        assert "view_film shows the last frame" in text(result)


@pytest.mark.slow
async def test_every_picture_of_a_painted_film_of_forty_seconds_is_small(tmp_path: Path) -> None:
    from runway_mcp.simulator.media.clips import PaintedFilms  # noqa: PLC0415  its codec is slow to import

    world = small_world(clips=0, films=PaintedFilms())
    clip = add_video(world, extended=3)
    async with running(world) as url, open_client(world, tmp_path, "auto", url=url) as client:
        asset_id = world.asset_id(clip)
        for show in ("last_frame", "first_frame", "strip"):
            picture, told = seen(await client.call("view_film", assetId=asset_id, show=show))

            assert max(picture.size) == (1568 if show == "strip" else 768) or show == "strip"
        assert "Extensions begin at 10 s, 20 s, 30 s, marked by white lines." in told
        assert ", 39.96 s." in told
