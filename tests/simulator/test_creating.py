"""What a create takes, refuses, promises and charges."""

from typing import Any

import httpx
import pytest

from runway_mcp.simulator.builders import EMAIL, add_account
from runway_mcp.simulator.media.dimensions import dimensions
from runway_mcp.simulator.media.films import Form, started_by
from runway_mcp.simulator.timeline import ManualClock
from runway_mcp.simulator.world import World
from tests.simulator.requests import clip, create, extend, made_by, png, read, upload

OTHER = "other-person@example.com"
JPEG_HEAD = bytes.fromhex("ffd8 ffe0 0004 0000 ffc4 0003 00 ffc0 0011 08 0120 0200 03 012200 021101 031101")


async def test_a_create_answers_as_a_submit_does_with_the_options_of_its_model(
    api: httpx.AsyncClient, world: World
) -> None:
    image = await upload(api)

    answer = await create(api, image, text_prompt="rise", seed=7, seconds=8, aspect_ratio="9:16", replyRef="r1")

    body = answer.json()
    assert answer.status_code == 200
    assert body["taskId"] == f"user:1234-runwayml:{EMAIL}-task:{body['id']}"
    assert body["options"].pop("init_image").startswith(f"http://standin.test/files/{world.assets[-2].uuid}.png?_jwt=")
    assert body["options"] == {
        "name": "Gen-4.5 7, rise",
        "text_prompt": "rise",
        "seed": 7,
        "seconds": 8,
        "width": 720,
        "height": 1280,
        "exploreMode": False,
        "route": "i2v",
        "watermark": False,
        "creationSource": "tool-mode",
        "assetGroupName": "Generative Video",
        "recordingEnabled": True,
    }
    told = {name: body[name] for name in ("taskType", "status", "replyRef", "code", "artifacts")}
    assert told == {"taskType": "gen4.5", "status": "PENDING", "replyRef": "r1", "code": 200, "artifacts": []}
    assert body["features"]["numPlanCredits_used"] == 96


MODELS = [("gen4_5", "gen4.5", 12, (5, 8, 10)), ("gen4", "gen4", 12, (5, 10)), ("gen4turbo", "gen4_turbo", 5, (5, 10))]


@pytest.mark.parametrize(("endpoint", "task_type", "rate", "lengths"), MODELS)
async def test_each_model_makes_its_lengths_for_its_rate_and_refuses_all_others(
    api: httpx.AsyncClient,
    world: World,
    clock: ManualClock,
    endpoint: str,
    task_type: str,
    rate: int,
    lengths: tuple[int, ...],
) -> None:
    image, spent = await upload(api), 0
    for seconds in range(3, 13):
        answer = await create(api, image, endpoint, seconds=seconds)
        assert answer.status_code == (200 if seconds in lengths else 400)
        if seconds in lengths:
            spent += seconds * rate
            clock.advance(10)
            body = await read(api, answer.json()["taskId"])
            assert (body["taskType"], body["status"]) == (task_type, "SUCCEEDED")
            assert body["artifacts"][0]["metadata"]["duration"] == seconds
    shortest = await create(api, image, endpoint)

    assert shortest.json()["options"]["seconds"] == 5
    assert world.charged == {EMAIL: spent + 5 * rate}


RATIOS = {
    "16:9": (1280, 720),
    "9:16": (720, 1280),
    "1:1": (960, 960),
    "4:3": (1104, 832),
    "3:4": (832, 1104),
    "21:9": (1584, 672),
}


@pytest.mark.parametrize("ratio", [None, *RATIOS])
async def test_a_film_has_the_size_of_its_ratio_which_is_16_to_9_by_default_whatever_the_image(
    api: httpx.AsyncClient, world: World, clock: ManualClock, ratio: str | None
) -> None:
    image = await upload(api, png(36, 64))

    answer = await create(api, image, "gen4turbo", **({"aspect_ratio": ratio} if ratio else {}))
    clock.advance(10)

    film = made_by(world, answer.json()["taskId"]).film
    told = (await read(api, answer.json()["taskId"]))["artifacts"][0]["metadata"]["dimensions"]
    assert film is not None
    assert [film.width, film.height] == told == [*RATIOS[ratio or "16:9"]]


@pytest.mark.parametrize(
    ("model", "fields", "complaint"),
    [
        ("gen4", {"firstImage_assetId": None}, "firstImage_assetId is required"),
        ("gen4turbo", {"firstImage_assetId": "", "text_prompt": "sea"}, "firstImage_assetId is required"),
        ("gen4_5", {"firstImage_assetId": None}, "text_prompt is required"),
        ("gen4_5", {"firstImage_assetId": None, "text_prompt": ""}, "text_prompt is required"),
        ("gen4_5", {"firstImage_assetId": "x"}, "firstImage_assetId has an incorrect format"),
        (
            "gen4_5",
            {"firstImage_assetId": None, "text_prompt": "sea", "aspect_ratio": "1:1"},
            "aspect_ratio is supported with firstImage_assetId only",
        ),
        ("gen4_5", {"aspect_ratio": "2:1"}, "aspect_ratio supports values 16:9, 9:16, 1:1, 4:3, 3:4, 21:9"),
        ("gen4_5", {"text_prompt": "x" * 5001}, "text_prompt is too long (5001)"),
        ("gen4", {"text_prompt": "x" * 1001}, "text_prompt is too long (1001)"),
        ("gen4", {"seconds": 8}, "seconds supports values 5, 10"),
        ("gen4_5", {"seconds": "8"}, "seconds must be an integer"),
        ("gen4_5", {"seed": 0}, "seed is out of range"),
        ("gen4_5", {"maxJobs": 11}, "maxJobs is out of range"),
        ("gen4", {"email": EMAIL}, "email is not supported"),
        ("gen4_5", {"lastImage_assetId": "x"}, "lastImage_assetId is not supported"),
        ("gen4_5", {"assetId": "x"}, "assetId is not supported"),
    ],
)
async def test_a_bad_field_is_refused_by_name(
    api: httpx.AsyncClient, world: World, model: str, fields: dict[str, Any], complaint: str
) -> None:
    image = await upload(api)

    answer = await api.post(f"/{model}/create", json={"firstImage_assetId": image} | fields)

    assert (answer.status_code, answer.json()["code"]) == (400, 400)
    assert complaint in answer.json()["error"]
    assert world.accepted == []


async def test_a_prompt_may_be_as_long_as_its_model_allows(api: httpx.AsyncClient) -> None:
    image = await upload(api)

    answers = [
        await create(api, image, "gen4_5", text_prompt="x" * 5000),
        await create(api, image, "gen4", text_prompt="x" * 1000),
    ]

    assert [answer.status_code for answer in answers] == [200, 200]


async def test_a_form_may_spell_numbers_and_booleans_as_text(api: httpx.AsyncClient) -> None:
    image = await upload(api)
    fields = {"firstImage_assetId": image, "seconds": "8", "seed": "99", "exploreMode": "true", "aspect_ratio": "1:1"}

    answer = await api.post("/gen4_5/create/", files={name: (None, value) for name, value in fields.items()})

    options = answer.json()["options"]
    assert (options["seconds"], options["seed"], options["exploreMode"], options["width"]) == (8, 99, True, 960)


async def test_text_alone_makes_a_wide_film_in_an_account_with_free_capacity(
    api: httpx.AsyncClient, world: World
) -> None:
    add_account(world, OTHER)
    image = await upload(api, email=EMAIL)
    await create(api, image, maxJobs=1)
    world.accounts[EMAIL].max_jobs = 1

    free = (await create(api, None, text_prompt="sea")).json()
    named = (await create(api, None, text_prompt="sea", email=OTHER)).json()

    assert (free["options"]["route"], free["options"]["width"], free["options"]["height"]) == ("t2v", 1280, 720)
    assert "init_image" not in free["options"]
    assert OTHER in free["taskId"]
    assert OTHER in named["taskId"]


async def test_where_no_account_is_free_text_meets_the_cap_of_one(api: httpx.AsyncClient, world: World) -> None:
    for account in (world.accounts[EMAIL], add_account(world, OTHER)):
        account.max_jobs = 1
        await create(api, None, text_prompt="sea", email=account.email)

    assert (await create(api, None, text_prompt="sea")).status_code == 429


async def test_without_an_account_there_is_no_film(api: httpx.AsyncClient, world: World) -> None:
    world.accounts.clear()

    assert (await create(api, None, text_prompt="sea")).status_code == 404


async def test_a_video_is_no_image_and_a_deleted_image_is_gone(api: httpx.AsyncClient, world: World) -> None:
    image = await upload(api)
    gone = world.find_asset(image)
    assert gone is not None
    gone.deleted = True

    video, deleted = await create(api, clip(world)), await create(api, image)

    assert (video.status_code, "is not an image" in video.json()["error"]) == (400, True)
    assert deleted.status_code == 404
    assert deleted.json() == {"error": f"Unable to retrieve assetId {gone.uuid} (Not found.)", "code": 404}
    assert world.accepted == []


@pytest.mark.parametrize("content", [b"no picture", png()[:20], png(0, 36), JPEG_HEAD[:12], b"GIF89a\0"])
async def test_an_image_that_is_none_makes_the_task_fail_and_the_credits_come_back(
    api: httpx.AsyncClient, world: World, clock: ManualClock, content: bytes
) -> None:
    task_id = (await create(api, await upload(api, content))).json()["taskId"]
    clock.advance(10)

    body = await read(api, task_id)

    assert (body["status"], body["error"]["reason"], body["artifacts"]) == ("FAILED", "ASSET.INVALID", [])
    assert world.remaining(EMAIL) == 2250


def test_the_size_of_a_picture_is_read_from_its_head() -> None:
    gif = b"GIF89a" + (300).to_bytes(2, "little") + (200).to_bytes(2, "little")

    assert [dimensions(each) for each in (png(640, 360), gif, JPEG_HEAD)] == [(640, 360), (300, 200), (512, 288)]


async def test_an_account_that_cannot_pay_gets_a_412(api: httpx.AsyncClient, world: World) -> None:
    world.accounts[EMAIL].used = 2250 - 59
    image = await upload(api)

    answer, free = await create(api, image), await create(api, image, exploreMode=True)

    assert (answer.status_code, free.status_code, world.charged) == (412, 200, {EMAIL: 0})


async def test_creates_and_extensions_share_the_account_s_slots_and_its_cap(
    api: httpx.AsyncClient, world: World, clock: ManualClock
) -> None:
    image = await upload(api)
    submits = [await extend(api, clip(world)), await create(api, image), await create(api, image, "gen4turbo")]
    clock.advance(5)

    refused = await create(api, image, maxJobs=3, replyRef="r")
    states = [(await read(api, each.json()["taskId"]))["status"] for each in submits]

    assert states == ["RUNNING", "RUNNING", "THROTTLED"]
    assert (refused.status_code, len(refused.json()["runningTasks"][EMAIL])) == (429, 3)
    assert len((await api.get("/scheduler/")).json()) == 3


@pytest.mark.parametrize(("prompt", "status", "end"), [("a Forbidden sea", 422, None), ("a broken sea", 200, "FAILED")])
async def test_prompts_are_moderated_and_fail_as_in_an_extension(
    api: httpx.AsyncClient, clock: ManualClock, prompt: str, status: int, end: str | None
) -> None:
    answer = await create(api, await upload(api), text_prompt=prompt)
    clock.advance(10)

    assert answer.status_code == status
    if end:
        assert (await read(api, answer.json()["taskId"]))["status"] == end


async def test_a_script_decides_how_a_create_goes(api: httpx.AsyncClient, world: World, clock: ManualClock) -> None:
    world.script_next(outcome="several")
    task_id = (await create(api, await upload(api))).json()["taskId"]
    clock.advance(10)

    takes = (await read(api, task_id))["artifacts"]

    assert len({take["assetId"] for take in takes}) == 2
    assert (await api.get(takes[0]["url"])).content != (await api.get(takes[1]["url"])).content


async def test_a_created_film_begins_with_the_image_that_was_sent(api: httpx.AsyncClient, world: World) -> None:
    image = await upload(api, png(48, 64))

    film = made_by(world, (await create(api, image, aspect_ratio="3:4", seconds=10)).json()["taskId"]).film

    assert film is not None
    assert film.start == started_by(png(48, 64))
    assert (film.width, film.height, film.frames, film.form) == (832, 1104, 240, Form())


async def test_the_image_picks_the_account(api: httpx.AsyncClient, world: World) -> None:
    add_account(world, OTHER, permitted=20)

    assert (await create(api, await upload(api, email=OTHER))).status_code == 412


async def test_the_same_picture_twice_is_two_assets(api: httpx.AsyncClient) -> None:
    assert await upload(api) != await upload(api)
