"""Pictures and files of clips as resources: in both eras, under every spelling of their URIs, in bounded size."""

import base64
from pathlib import Path
from urllib.parse import quote

import pytest
from mcp.client.client import Client
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS, BlobResourceContents, ResourceTemplateReference

from runway_mcp.films.viewing import LARGEST_FILM, LARGEST_PREVIEW
from runway_mcp.server.resources.kinds import KEPT_MS
from runway_mcp.simulator.builders import add_image, small_world
from runway_mcp.simulator.links.faults import LinkFault
from runway_mcp.simulator.media.films import Film
from runway_mcp.simulator.world import World
from tests.kit.films import SmallFilms
from tests.server.pictures import brightness, films_client, grey_world, opened

PICTURES = ("frames/last", "strip")


def uri_of(world: World, what: str) -> str:
    return f"runway://assets/{world.asset_id(world.assets[0])}/{what}"


async def read(client: Client, uri: str) -> BlobResourceContents:
    """The one content of a resource, which is bytes."""
    (contents,) = (await client.read_resource(uri)).contents
    assert isinstance(contents, BlobResourceContents)
    return contents


async def refusal(client: Client, uri: str) -> MCPError:
    """The error that a read ends in."""
    with pytest.raises(MCPError) as caught:
        await client.read_resource(uri)
    return caught.value


@pytest.mark.parametrize("safe", [":/@", "/", ""])
@pytest.mark.parametrize("what", PICTURES)
async def test_pictures_are_read_as_jpeg_under_their_uris_and_the_encoded_forms(
    tmp_path: Path, mode: str, what: str, safe: str
) -> None:
    world = grey_world(tmp_path, 16, 16, 235)
    async with films_client(world, tmp_path, mode) as client:
        uri = uri_of(world, what)
        contents = await read(client.mcp, quote(uri, safe=safe))

        assert (contents.uri, contents.mime_type) == (uri, "image/jpeg")
        picture = opened(base64.b64decode(contents.blob))
        assert (brightness(picture) > 245) == (what == "frames/last")


async def test_a_picture_that_was_seen_by_the_tool_is_read_without_a_request(tmp_path: Path) -> None:
    world = grey_world(tmp_path)
    async with films_client(world, tmp_path, "auto") as client:
        await client.call("view_film", assetId=world.asset_id(world.assets[0]))
        asked = world.requests.copy()
        world.link_faults.append(LinkFault("status", times=None))

        await read(client.mcp, uri_of(world, "frames/last"))

        assert world.requests == asked


async def test_the_file_is_read_as_it_is(tmp_path: Path, mode: str) -> None:
    world = grey_world(tmp_path)
    async with films_client(world, tmp_path, mode) as client:
        result = await client.mcp.read_resource(uri_of(world, "video"))

        (contents,) = result.contents
        assert isinstance(contents, BlobResourceContents)
        assert contents.mime_type == "video/mp4"
        assert base64.b64decode(contents.blob) == world.assets[0].content


@pytest.mark.parametrize("told", [LARGEST_FILM + 1, 0], ids=["said by Runway", "seen at the link"])
async def test_a_larger_file_is_refused_with_the_resource_that_has_its_link(tmp_path: Path, told: int) -> None:
    world = grey_world(tmp_path)
    clip = world.assets[0]
    clip.content, clip.size = bytes(LARGEST_FILM + 1), told
    async with films_client(world, tmp_path, "auto") as client:
        error = await refusal(client.mcp, uri_of(world, "video"))

        assert error.code == INVALID_PARAMS
        assert "more than 20 MB" in error.message
        assert f"A link to it stands in runway://assets/{world.asset_id(clip)}." in error.message


async def test_the_preview_is_the_last_of_runways_own_pictures(tmp_path: Path, mode: str) -> None:
    world = small_world()
    world.assets[0].previews = 3
    async with films_client(world, tmp_path, mode) as client:
        world.link_faults.append(LinkFault("status", f"{world.assets[0].uuid}-2.jpg", status=410))
        contents = await read(client.mcp, uri_of(world, "preview"))

        assert contents.mime_type == "image/jpeg"
        film = world.assets[0].film
        assert film
        assert base64.b64decode(contents.blob) == world.films.preview(film)
        # The one that had died was asked for, and then a fresh one.
        assert not world.link_faults


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (LinkFault("redirect", location="http://127.0.0.1:9/x.jpg"), "was not used."),
        (LinkFault("wrong_type", body="<html>"), "other than a JPEG picture"),
        (LinkFault("wrong_length", length=LARGEST_PREVIEW + 1), "more than 2 MB"),
        (LinkFault("endless"), "more than 2 MB"),
        (LinkFault("cut", after_bytes=10), "could not be fetched"),
    ],
    ids=["redirect", "page", "large", "endless", "cut"],
)
async def test_a_hostile_preview_is_refused_in_words(tmp_path: Path, rule: LinkFault, says: str) -> None:
    world = small_world()
    async with films_client(world, tmp_path, "auto") as client:
        rule.times = None
        world.link_faults.append(rule)
        error = await refusal(client.mcp, uri_of(world, "preview"))

        assert error.code == INTERNAL_ERROR
        assert says in error.message
        assert "_jwt" not in error.message


async def test_an_asset_without_a_preview_says_so(tmp_path: Path) -> None:
    world = small_world()
    world.assets[0].previews = 0
    async with films_client(world, tmp_path, "auto") as client:
        assert "no link to this asset's preview" in (await refusal(client.mcp, uri_of(world, "preview"))).message


@pytest.mark.parametrize("what", ["frames/last", "strip", "video"])
async def test_what_is_no_video_has_neither_frames_nor_a_film(tmp_path: Path, what: str) -> None:
    world = small_world()
    image = add_image(world)
    async with films_client(world, tmp_path, "auto") as client:
        error = await refusal(client.mcp, f"runway://assets/{world.asset_id(image)}/{what}")

        assert error.code == INVALID_PARAMS
        assert "only videos can be shown" in error.message


PREVIEWS = [("GIF", b"GIF89a..."), ("PNG", b"\x89PNG\r\n\x1a\n"), ("WebP", b"RIFF\x10\0\0\0WEBPVP8 ")]


class OtherPreviews(SmallFilms):
    """Films whose preview pictures are these bytes."""

    def __init__(self, picture: bytes) -> None:
        super().__init__()
        self._picture = picture

    def preview(self, film: Film) -> bytes:  # noqa: ARG002  every film has the same one
        return self._picture


@pytest.mark.parametrize(("form", "picture"), PREVIEWS)
async def test_a_preview_in_another_form_is_told_with_where_its_link_stands(
    tmp_path: Path, form: str, picture: bytes
) -> None:
    world = small_world(films=OtherPreviews(picture))
    async with films_client(world, tmp_path, "auto") as client:
        error = await refusal(client.mcp, uri_of(world, "preview"))

        assert error.code == INVALID_PARAMS
        assert f"preview of this asset is a {form} picture, and only JPEG is given here." in error.message
        assert f"A link to it stands in runway://assets/{world.asset_id(world.assets[0])}." in error.message


@pytest.mark.parametrize("what", ["", "/preview", "/frames/last", "/strip", "/video"])
async def test_an_unknown_asset_and_a_task_are_answered_in_one_way_whatever_is_asked_of_them(
    tmp_path: Path, what: str
) -> None:
    world = grey_world(tmp_path)
    async with films_client(world, tmp_path, "auto") as client:
        (clip,) = world.assets
        assert clip.task
        for named in (f"{world.asset_id(clip)[:-1]}f", world.task_id(clip.task), "", "a/b", "no such clip", "nobody"):
            uri = f"runway://assets/{named}{what}"
            error = await refusal(client.mcp, uri)

            assert error.code == INVALID_PARAMS
            assert error.message.startswith("Unknown resource. There are runway://tasks, ")
            assert error.data == {"uri": uri}


async def test_every_template_of_an_asset_completes_its_id(tmp_path: Path, mode: str) -> None:
    world = small_world()
    async with films_client(world, tmp_path, mode) as client:
        templates = [each.uri_template for each in (await client.mcp.list_resource_templates()).resource_templates]
        of_assets = [each for each in templates if "{assetId}" in each]
        for template in of_assets:
            reference = ResourceTemplateReference(uri=template)
            completed = await client.mcp.complete(reference, {"name": "assetId", "value": ""})

            assert completed.completion.values == [world.asset_id(world.assets[0])]
        ends = [each.removeprefix("runway://assets/{assetId}") for each in of_assets]
        assert ends == ["", "/preview", "/frames/last", "/strip", "/video"]


async def test_a_host_may_keep_what_a_film_shows(tmp_path: Path) -> None:
    async with films_client(grey_world(tmp_path), tmp_path, "auto") as client:
        result = await client.mcp.read_resource(uri_of(client.world, "frames/last"))

        assert result.ttl_ms == KEPT_MS
