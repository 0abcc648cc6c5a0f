"""Assets, accounts and features: their lists, forms, uploads and deletions, and the links to their files."""

import base64
import json
import re
from typing import Any

import httpx
import pytest

from runway_mcp.simulator.builders import EMAIL, add_image, add_upload, add_video, seeded_world
from runway_mcp.simulator.timeline import ManualClock
from runway_mcp.simulator.world import World
from tests.kit.clock import EPOCH
from tests.simulator.requests import ORIGIN, clip, extend, made_by


async def listed(api: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    answer = await api.get("/assets/", params={"offset": 0, "limit": 50, **query})
    assert answer.status_code == 200
    body: list[dict[str, Any]] = answer.json()
    return body


async def test_an_asset_shows_what_the_vendor_s_page_shows(api: httpx.AsyncClient, world: World) -> None:
    asset, task = world.assets[0], world.assets[0].task
    assert task is not None

    body = (await api.get(f"/assets/{clip(world)}")).json()

    assert body.pop("url").startswith(f"{ORIGIN}/files/{asset.uuid}.mp4?_jwt=")
    assert body.pop("previewUrls")[0].startswith(f"{ORIGIN}/files/{asset.uuid}-0.jpg?_jwt=")
    assert body == {
        "assetId": clip(world),
        "id": asset.uuid,
        "createdAt": "2027-01-15T07:00:00.000Z",
        "updatedAt": "2027-01-15T07:00:00.000Z",
        "name": "Gen-3 Alpha 358000000, clip 0.mp4",
        "mediaType": "video",
        "mediaSubtype": None,
        "fileCount": 1,
        "fileSize": 1024,
        "fileExtStandardized": "mp4",
        "isUserUpload": False,
        "username": "director",
        "userPicture": None,
        "userId": 17000001,
        "createdBy": 17000001,
        "private": True,
        "privateInTeam": True,
        "favorite": False,
        "parentAssetGroupId": None,
        "metadata": {
            "frameRate": 24,
            "duration": 10,
            "width": 1280,
            "height": 768,
            "hasAlphaChannel": False,
            "hasAudio": False,
        },
        "taskId": world.task_id(task),
    }


async def test_metadata_comes_in_three_forms_and_uploads_have_no_task(api: httpx.AsyncClient, world: World) -> None:
    world.assets.clear()
    add_video(world, metadata="null", age=1)
    add_upload(world, metadata="A", age=2)
    add_image(world, age=3)

    video, upload, image = await listed(api)

    assert video["metadata"] is None
    assert upload["metadata"] == {
        "frameRate": 24,
        "duration": 10,
        "dimensions": [1280, 768],
        "size": {"width": 1280, "height": 768},
    }
    assert image["metadata"] is None
    assert {"taskId", "mediaSubtype"}.isdisjoint(upload.keys() | image.keys())


async def test_assets_are_listed_newest_first_by_page_and_medium(api: httpx.AsyncClient, world: World) -> None:
    add_image(world, age=1)
    add_video(world, prompt="newest", age=0)

    everything = await listed(api)
    second = await listed(api, offset=1, limit=1)
    images = await listed(api, mediaType="image")

    assert [each["name"].split(", ")[-1] for each in everything] == ["newest.mp4", "mood.gif", "clip 0.mp4"]
    assert [each["name"] for each in second] == [each["name"] for each in images] == ["mood.gif"]


async def test_a_deleted_asset_is_gone(api: httpx.AsyncClient, world: World) -> None:
    url = (await listed(api))[0]["url"]

    first, second = [await api.delete(f"/assets/{clip(world)}") for _ in range(2)]

    assert (first.json(), second.json()) == ({"success": True}, {"error": "Not found.", "code": 404})
    assert await listed(api) == []
    assert (await api.get(url)).status_code == 404


async def test_an_upload_answers_in_its_own_shape_and_is_served_as_it_came(
    api: httpx.AsyncClient, world: World
) -> None:
    answer = await api.post(
        "/assets/?name=last frame.png&width=640&height=384.0",
        content=b"png bytes",
        headers={"Content-Type": "image/png"},
    )

    body = answer.json()
    served = await api.get(body["url"])
    assert (body["size"], body["createdBy"], body["type"]["name"]) == (
        9,
        {"id": 17000001, "username": "director"},
        "image",
    )
    assert {"fileSize", "mediaType", "taskId"}.isdisjoint(body)
    assert (served.content, served.headers["content-type"]) == (b"png bytes", "image/png")
    assert (world.assets[-1].width, world.assets[-1].height) == (640, 384)


async def test_an_upload_without_a_suffix_takes_its_type_s(api: httpx.AsyncClient) -> None:
    answer = await api.post("/assets/?name=clip&duration=5.2", content=b"x", headers={"Content-Type": "video/x-flv"})

    served = await api.get(answer.json()["url"].replace(".x-flv", ".flv"))
    assert (served.status_code, served.headers["content-type"]) == (200, "application/octet-stream")


@pytest.mark.parametrize(
    ("query", "content", "content_type", "complaint"),
    [
        ("", b"x", "image/png", "name is required"),
        ("?name=a", b"x", "text/plain", "text/plain is not supported"),
        ("?name=a", b"x", "image/tiff", "image/tiff is not supported"),
        ("?name=a", b"x", "", "(none) is not supported"),
        ("?name=a", b"", "image/png", "body is empty"),
        ("?name=a&width=wide", b"x", "image/png", "width must be a number"),
    ],
)
async def test_a_bad_upload_is_refused(
    api: httpx.AsyncClient, query: str, content: bytes, content_type: str, complaint: str
) -> None:
    answer = await api.post(f"/assets/{query}", content=content, headers={"Content-Type": content_type})

    assert (answer.status_code, complaint in answer.json()["error"]) == (400, True)


async def test_accounts_show_secrets_in_clear_as_upstream_does(api: httpx.AsyncClient, world: World) -> None:
    world.accounts[EMAIL].error = "Session expired"

    everyone = (await api.get("/accounts")).json()
    one = await api.get(f"/accounts/{EMAIL}/")
    encoded = await api.get(f"/accounts/{EMAIL.replace('@', '%40')}")

    assert everyone[EMAIL].keys() == {"email", "password", "maxJobs", "jwt", "error"}
    assert everyone[EMAIL]["password"] == "simulated-password"
    assert (one.status_code, one.json()) == (200, everyone[EMAIL])
    assert (encoded.status_code, encoded.headers["content-type"]) == (404, "text/plain; charset=utf-8")


async def test_without_accounts_the_answer_is_a_plain_404(api: httpx.AsyncClient, world: World) -> None:
    world.accounts.clear()

    answers = [await api.get("/accounts"), await api.get("/features/")]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert all(answer.text.startswith("Configuration not found.") for answer in answers)


async def test_features_tell_what_is_permitted_and_used(api: httpx.AsyncClient, world: World) -> None:
    await extend(api, clip(world))

    answer = await api.get("/features/", params={"email": EMAIL})

    assert answer.json() == {
        "permitted": {"storageGB": 500, "numPlanCredits": 2250},
        "used": {"numPlanCredits": 50},
    }


async def test_every_read_brings_a_fresh_link_that_tells_its_end(api: httpx.AsyncClient, world: World) -> None:
    first, second = [(await listed(api))[0]["url"] for _ in range(2)]

    payload = re.split(r"[.=]", second.partition("_jwt")[2])[2]
    told = json.loads(base64.urlsafe_b64decode(payload + "=="))
    assert first != second
    assert told["exp"] == EPOCH + world.switches.link_seconds
    assert {"keyHash", "bucket", "stage", "exp"} <= told.keys()


@pytest.mark.parametrize("change", ["expired", "unsigned", "forged", "another file's", "no file's name"])
async def test_a_link_without_a_living_signature_is_refused(
    api: httpx.AsyncClient, world: World, clock: ManualClock, change: str
) -> None:
    other = add_video(world)
    url: str = (await api.get(f"/assets/{clip(world)}")).json()["url"]
    if change == "expired":
        clock.advance(world.switches.link_seconds)
    changed = {
        "unsigned": url.partition("?")[0],
        "forged": url[:-2] + ("AA" if url[-2:] != "AA" else "BB"),
        "another file's": url.replace(world.assets[0].uuid, other.uuid),
        "no file's name": url.replace(".mp4", ""),
    }.get(change, url)

    refused = await api.get(changed)
    fresh = await api.get((await api.get(f"/assets/{clip(world)}")).json()["url"])

    assert (refused.status_code, refused.text) == (403, "AccessDenied")
    assert fresh.status_code == 200


@pytest.mark.parametrize(
    ("wanted", "status", "length", "told"),
    [
        (None, 200, 1024, None),
        ("bytes=0-99", 206, 100, "bytes 0-99/1024"),
        ("bytes=1000-", 206, 24, "bytes 1000-1023/1024"),
        ("bytes=1000-4000", 206, 24, "bytes 1000-1023/1024"),
        ("bytes=-24", 206, 24, "bytes 1000-1023/1024"),
        ("bytes=-", 200, 1024, None),
        ("bytes=1024-", 416, 0, "bytes */1024"),
    ],
)
async def test_a_file_is_served_in_whole_or_by_range(
    api: httpx.AsyncClient, wanted: str | None, status: int, length: int, told: str | None
) -> None:
    url = (await listed(api))[0]["url"]

    answer = await api.get(url, headers={"Range": wanted} if wanted else {})

    assert (answer.status_code, len(answer.content), answer.headers.get("content-range")) == (status, length, told)
    assert (answer.headers["content-length"], answer.headers["accept-ranges"]) == (str(length), "bytes")


async def test_a_preview_is_a_picture(api: httpx.AsyncClient, world: World) -> None:
    world.assets[0].previews = 3
    urls = (await listed(api))[0]["previewUrls"]

    answer = await api.get(urls[2])

    assert len(urls) == 3
    assert (answer.headers["content-type"], answer.content[:2]) == ("image/jpeg", b"\xff\xd8")


async def test_a_file_s_size_is_a_number_in_assets_and_text_in_artifacts(
    api: httpx.AsyncClient, world: World, clock: ManualClock
) -> None:
    task_id = (await extend(api, clip(world))).json()["taskId"]
    clock.advance(10)
    film = made_by(world, task_id)

    artifact = (await api.get(f"/tasks/{task_id}")).json()["artifacts"][0]
    asset = (await api.get(f"/assets/{world.asset_id(film)}")).json()
    served = await api.get(artifact["url"])

    assert (artifact["fileSize"], asset["fileSize"], len(served.content)) == ("1024", 1024, 1024)
    assert (artifact["filename"], artifact["taskId"]) == (asset["name"], task_id)


async def test_the_seeded_library_has_a_clip_of_every_sort(clock: ManualClock) -> None:
    world = seeded_world(clock=clock)
    account = world.accounts[EMAIL]

    assets = world.list_assets(account, None)

    assert [asset.name for asset in assets] == [
        "Gen-3 Alpha 358000000, a quiet beach at dusk.mp4",
        "Gen-3 Alpha Turbo 358000001, gulls over the pier.mp4",
        "Gen-3 Alpha 358000002, the long way home.mp4",
        "Gen-4 358000006, a lighthouse in fog.mp4",
        "holiday.mp4",
        "mood.gif",
    ]
    assert {asset.metadata for asset in assets} == {"A", "B", "null"}
    assert assets[2].task is not None
    assert (assets[2].duration, assets[2].task.extended_count) == (40, 3)
    assert (account.permitted, world.remaining(EMAIL)) == (2250, 1315)
