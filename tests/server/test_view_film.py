"""A look at a film: one picture and one text in every host, and what the text tells of the picture."""

from pathlib import Path
from typing import Any

import pytest
from mcp_types import ImageContent

from runway_mcp.simulator.builders import add_upload, add_video, small_world
from runway_mcp.simulator.faults import Fault
from runway_mcp.simulator.run import running
from tests.kit.client import text
from tests.kit.server import open_client
from tests.kit.upstream import extended_clips, virtual_world
from tests.server.pictures import brightness, chain_world, clip_of, films_client, give, grey_world, seen

NEXT = "Next: extend_video {"


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
        assert (
            "(30 s, 64x36): 8 frames, spread evenly from its first to its last, each with its second below it. "
            "Upper row, left to right: 0.00, 4.00, 8.00, 12.00 s. "
            "Lower row, left to right: 16.00, 20.00, 24.00, 29.00 s."
        ) in told
        assert "Seams, where an extension begins: at 10 s and 20 s. A white line stands left of the first frame" in told
        assert NEXT in told


async def test_a_strip_of_few_frames_has_one_row_and_unknown_seams_are_told_as_such(tmp_path: Path) -> None:
    world = small_world(clips=0)
    _, film = extended_clips(world, "a beach", "night falls")
    give(film, tmp_path, 16, 235)
    async with films_client(world, tmp_path, "auto") as client:
        world.faults.append(Fault("GET", "/tasks/", times=None, status=503))
        _, told = seen(await client.call("view_film", assetId=world.asset_id(film), show="strip"))

        assert "2 frames, spread evenly from its first to its last, each with its second below it. One row," in told
        assert "Whether and where it has seams, at which an extension begins, could not be read." in told


async def test_a_strip_of_a_clip_in_one_piece_says_that_it_has_no_seams(tmp_path: Path) -> None:
    async with films_client(grey_world(tmp_path), tmp_path, "auto") as client:
        _, told = seen(await client.call("view_film", assetId=clip_of(client.world), show="strip"))

        assert "5 frames, spread evenly from its first to its last, each with its second below it." in told
        assert "Upper row, left to right: 0.00, 0.20, 0.40, 0.60 s. Lower row, left to right: 0.80 s." in told
        assert "It was not extended: it has no seams." in told


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

        assert f"Runway cannot extend it itself ({why}" in told
        assert "a model can continue it" in told
        assert f'Next: extend_video {{"assetId": "{world.asset_id(clip)}", "dry_run": true}}' in told


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
        assert "Seams, where an extension begins: at 10 s, 20 s and 30 s. A white line" in told
        assert ", 39.96 s." in told
