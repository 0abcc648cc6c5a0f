"""Uploads: one POST of the bytes as they are, whatever happens."""

import httpx
import pytest

from runway_mcp.runway import errors
from runway_mcp.runway.client import RunwayClient
from runway_mcp.runway.creation import Creation
from runway_mcp.runway.models import Asset
from runway_mcp.simulator.builders import EMAIL, small_world
from runway_mcp.simulator.run import running
from tests.runway.samples import ASSET_ID, TOKEN, UPLOAD, client_of, not_gzip, shown

PNG = b"\x89PNG\r\n\x1a\n\x00\xff bytes of a picture"


async def test_an_upload_sends_the_bytes_as_they_are_and_gives_back_the_asset() -> None:
    seen: list[httpx.Request] = []
    async with client_of(httpx.Response(200, json=UPLOAD), seen=seen) as client:
        asset = await client.upload_asset(PNG, name="runway-mcp 1+2", email="a+b@c.example", width=1280, height=720)

    (request,) = seen
    assert asset == Asset.model_validate(UPLOAD)
    assert (asset.asset_id, asset.size_bytes, asset.media_type) == (ASSET_ID, 4321, "video")
    assert request.method == "POST"
    assert request.url.path == "/v1/runwayml/assets/"
    assert dict(request.url.params) == {
        "name": "runway-mcp 1+2",
        "email": "a+b@c.example",
        "width": "1280",
        "height": "720",
    }
    assert (request.content, request.headers["content-type"]) == (PNG, "image/png")
    assert request.headers["authorization"] == f"Bearer {TOKEN}"


async def test_what_is_not_told_is_not_sent() -> None:
    seen: list[httpx.Request] = []
    async with client_of(httpx.Response(201, json={"asset": UPLOAD}), seen=seen) as client:
        await client.upload_asset(PNG, name="a", content_type="image/jpeg")

    assert dict(seen[0].url.params) == {"name": "a"}
    assert seen[0].headers["content-type"] == "image/jpeg"


ANSWERS: list[tuple[object, type[errors.RunwayError], bool]] = [
    (httpx.Response(400), errors.InvalidRequest, False),
    (httpx.Response(401), errors.Unauthorized, False),
    (httpx.Response(413), errors.InvalidRequest, False),
    (httpx.Response(422), errors.Moderated, False),
    (httpx.Response(429), errors.Busy, False),
    (httpx.Response(596), errors.AccountBroken, False),
    (httpx.Response(408), errors.Unavailable, True),
    (httpx.Response(502), errors.Unavailable, True),
    (httpx.ReadError("gone"), errors.Unavailable, True),
    (httpx.ReadTimeout("late"), errors.Unavailable, True),
    (RuntimeError("a fault"), errors.Unavailable, True),
    (httpx.ConnectError("refused"), errors.Unavailable, False),
    (httpx.Response(200, json={"success": True}), errors.UnexpectedResponse, True),
    (httpx.Response(200, text="<html>"), errors.UnexpectedResponse, True),
    (httpx.Response(302, headers={"Location": "/"}), errors.UnexpectedResponse, True),
    (not_gzip, errors.Unavailable, True),
]


@pytest.mark.parametrize(("answer", "error", "may_exist"), ANSWERS, ids=shown)
async def test_an_upload_is_posted_once_and_tells_whether_the_asset_may_exist(
    answer: httpx.Response, error: type[errors.RunwayError], may_exist: bool
) -> None:
    seen: list[httpx.Request] = []
    async with client_of(answer, seen=seen) as client:
        with pytest.raises(errors.RunwayError) as caught:
            await client.upload_asset(PNG, name="a")

    told = caught.value
    assert (type(told), len(seen)) == (error, 1)
    assert may_exist == (
        isinstance(told, errors.UnexpectedResponse) or (isinstance(told, errors.Unavailable) and told.sent)
    )
    assert TOKEN not in str(told)


async def test_the_stand_in_takes_an_upload_and_a_film_that_begins_with_it() -> None:
    world = small_world()
    async with running(world) as url, RunwayClient(url=url, token=world.token, patience=0) as client:
        frame = await client.upload_asset(PNG, name="runway-mcp-frame", email=EMAIL, width=64, height=36)
        read = await client.asset(frame.asset_id)
        submission = Creation(endpoint="gen4_5/create", start_frame=frame.asset_id, aspect_ratio="9:16", seconds=8)
        task = await client.submit(submission)
        (listed,) = [each for each in await client.assets(media_type="image") if each.asset_id == frame.asset_id]

    assert (frame.name, read.media_type, listed.name) == ("runway-mcp-frame", "image", "runway-mcp-frame")
    assert (task.task_type, task.options.seconds, task.account) == ("gen4.5", 8, EMAIL)
    assert task.options.init_image
    assert frame.url
    assert task.options.init_image.partition("?")[0] == frame.url.partition("?")[0]
