"""What a submit takes, refuses, promises and charges."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from runway_mcp.simulator.builders import EMAIL, add_account, add_image, add_task, add_upload, add_video
from runway_mcp.simulator.records import Asset
from runway_mcp.simulator.timeline import ManualClock
from runway_mcp.simulator.world import World
from tests.simulator.requests import clip, extend, made_by, read


async def test_a_submit_answers_as_the_vendor_s_page_shows(api: httpx.AsyncClient, world: World) -> None:
    answer = await extend(
        api, clip(world), text_prompt="rise", seed=7, seconds=10, replyUrl="https://a.test/x", replyRef="r1"
    )

    body = answer.json()
    parent = world.assets[0].task
    assert parent is not None
    assert answer.status_code == 200
    assert body["taskId"] == f"user:1234-runwayml:{EMAIL}-task:{body['id']}"
    assert body["options"].pop("init_video").startswith("http://standin.test/files/")
    assert body["options"] == {
        "name": "Gen-3 Alpha 7, rise",
        "text_prompt": "rise",
        "seed": 7,
        "seconds": 10,
        "exploreMode": False,
        "watermark": False,
        "extended_from_task_id": world.task_id(parent),
        "image_as_end_frame": False,
        "assetGroupName": "Generative Video",
        "extended_count": 1,
        "recordingEnabled": True,
    }
    assert {name: body[name] for name in body.keys() - {"taskId", "id", "options"}} == {
        "name": "Gen-3 Alpha 7, rise",
        "image": None,
        "createdAt": "2027-01-15T08:00:00.000Z",
        "updatedAt": "2027-01-15T08:00:00.000Z",
        "taskType": "gen3a",
        "status": "PENDING",
        "error": None,
        "progressText": None,
        "progressRatio": None,
        "estimatedTimeToStartSeconds": 1.0,
        "artifacts": [],
        "sharedAsset": None,
        "features": {"storageGB": 500, "numPlanCredits_permitted": 2250, "numPlanCredits_used": 100},
        "replyUrl": "https://a.test/x",
        "replyRef": "r1",
        "code": 200,
    }


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"assetId": None}, "assetId is required"),
        ({"assetId": ""}, "assetId is required"),
        ({"assetId": 5}, "assetId must be a string"),
        ({"assetId": "not-an-id"}, "assetId has an incorrect format"),
        ({"text_prompt": 5}, "text_prompt must be a string"),
        ({"seconds": 7}, "seconds supports values 5, 10"),
        ({"seconds": 11}, "seconds is out of range 5…10"),
        ({"seconds": "10"}, "seconds must be an integer"),
        ({"seconds": True}, "seconds must be an integer"),
        ({"seed": 0}, "seed is out of range 1…4294967294"),
        ({"seed": 4_294_967_295}, "seed is out of range"),
        ({"exploreMode": "true"}, "exploreMode must be a boolean"),
        ({"replyUrl": "https://a.test/" + "x" * 1024}, "replyUrl is too long"),
        ({"replyUrl": "ftp://a.test"}, "replyUrl must be an absolute URL"),
        ({"replyUrl": "http://[a"}, "replyUrl must be an absolute URL"),
        ({"replyRef": "x" * 1025}, "replyRef is too long"),
        ({"maxJobs": 11}, "maxJobs is out of range 1…10"),
        ({"email": "a@b.c"}, "email is not supported"),
    ],
)
async def test_a_bad_field_is_refused_by_name(
    api: httpx.AsyncClient, world: World, fields: dict[str, Any], complaint: str
) -> None:
    answer = await api.post("/gen3/extend", json={"assetId": clip(world)} | fields)

    assert answer.status_code == 400
    assert complaint in answer.json()["error"]
    assert answer.json()["code"] == 400
    assert world.accepted == []


@pytest.mark.parametrize(
    ("content", "content_type", "complaint"),
    [
        (b"{", "application/json", "not valid JSON"),
        (b"[]", "application/json", "must be an object"),
        (b"a=b", "application/x-www-form-urlencoded", "Content-Type"),
    ],
)
async def test_a_body_that_is_no_order_is_refused(
    api: httpx.AsyncClient, content: bytes, content_type: str, complaint: str
) -> None:
    answer = await api.post("/gen3/extend", content=content, headers={"Content-Type": content_type})

    assert answer.status_code == 400
    assert complaint in answer.json()["error"]


async def test_a_form_may_spell_numbers_and_booleans_as_text(api: httpx.AsyncClient, world: World) -> None:
    fields = {"assetId": clip(world), "seconds": "10", "seed": "99", "exploreMode": "true", "maxJobs": "3"}

    answer = await api.post("/gen3/extend/", files={name: (None, value) for name, value in fields.items()})

    options = answer.json()["options"]
    assert (options["seconds"], options["seed"], options["exploreMode"]) == (10, 99, True)


@pytest.mark.parametrize(("name", "value"), [("seconds", "ten"), ("exploreMode", "yes")])
async def test_a_form_s_unreadable_value_is_refused(
    api: httpx.AsyncClient, world: World, name: str, value: str
) -> None:
    fields = {"assetId": clip(world), name: value}

    answer = await api.post("/gen3/extend", files={key: (None, each) for key, each in fields.items()})

    assert (answer.status_code, name in answer.json()["error"]) == (400, True)


@pytest.mark.parametrize(
    ("endpoint", "model", "fields", "cost", "gain"),
    [
        ("gen3", "gen3a", {}, 50, 5),
        ("gen3", "gen3a", {"seconds": 10}, 100, 10),
        ("gen3", "gen3a", {"seconds": 10, "exploreMode": True}, 0, 10),
        ("gen3turbo", "gen3a_turbo", {}, 40, 8),
    ],
)
async def test_an_extension_costs_its_seconds_and_makes_the_film_that_much_longer(
    api: httpx.AsyncClient,
    world: World,
    clock: ManualClock,
    endpoint: str,
    model: str,
    fields: dict[str, Any],
    cost: int,
    gain: int,
) -> None:
    source = add_video(world, model=model)

    answer = await api.post(f"/{endpoint}/extend", json={"assetId": world.asset_id(source), **fields})
    clock.advance(10)

    task_id = answer.json()["taskId"]
    assert world.charged == {EMAIL: cost}
    assert world.remaining(EMAIL) == 2250 - cost
    assert (await read(api, task_id))["artifacts"][0]["metadata"]["duration"] == 10 + gain


async def test_turbo_takes_no_seconds(api: httpx.AsyncClient, world: World) -> None:
    source = add_video(world, model="gen3a_turbo")

    answer = await api.post("/gen3turbo/extend", json={"assetId": world.asset_id(source), "seconds": 8})

    assert answer.status_code == 400


async def test_a_film_takes_three_extensions_and_no_fourth(
    api: httpx.AsyncClient, world: World, clock: ManualClock
) -> None:
    asset, counts = clip(world), list[int]()
    for _ in range(3):
        body = (await extend(api, asset, seconds=10)).json()
        counts.append(body["options"]["extended_count"])
        clock.advance(10)
        asset = world.asset_id(made_by(world, body["taskId"]))

    answer = await extend(api, asset)

    assert counts == [1, 2, 3]
    assert world.assets[-1].duration == 40
    assert (answer.status_code, answer.json()["code"]) == (400, 400)


def a_gen4_video(world: World) -> Asset:
    return add_video(world, model="gen4")


@pytest.mark.parametrize("make", [add_upload, add_image, a_gen4_video])
async def test_what_no_gen3_task_made_cannot_be_extended(
    api: httpx.AsyncClient, world: World, make: Callable[[World], Asset]
) -> None:
    answer = await extend(api, world.asset_id(make(world)))

    assert answer.status_code == 400
    assert "not a Gen-3 Alpha video" in answer.json()["error"]


@pytest.mark.parametrize("state", ["unknown", "deleted", "not yet made"])
async def test_a_missing_asset_is_named_by_its_bare_uuid(api: httpx.AsyncClient, world: World, state: str) -> None:
    asset = world.assets[0]
    if state == "deleted":
        asset.deleted = True
    if state == "not yet made":
        asset = made_by(world, (await extend(api, clip(world))).json()["taskId"])
    uuid = "00000000-0000-4000-8000-000000000000" if state == "unknown" else asset.uuid

    answer = await extend(api, f"user:1234-runwayml:{EMAIL}-asset:{uuid}")

    assert answer.status_code == 404
    assert answer.json() == {"error": f"Unable to retrieve assetId {uuid} (Not found.)", "code": 404}


async def test_an_account_that_cannot_pay_gets_a_412_without_code(api: httpx.AsyncClient, world: World) -> None:
    world.accounts[EMAIL].used = 2201

    answer = await extend(api, clip(world))

    assert answer.status_code == 412
    assert answer.json() == {"error": "You do not have enough credits to run this task."}
    assert (world.accepted, world.charged) == ([], {})


async def test_useapi_s_own_cap_answers_with_the_running_tasks(api: httpx.AsyncClient, world: World) -> None:
    first = (await extend(api, clip(world), replyRef="one", replyUrl="http://a.test/")).json()
    second = (await extend(api, clip(world))).json()

    answer = await extend(api, clip(world), maxJobs=2)

    assert answer.status_code == 429
    assert answer.json() == {
        "error": f"Account {EMAIL} is busy executing 2 tasks",
        "runningTasks": {
            EMAIL: [
                {
                    "email": EMAIL,
                    "taskId": first["taskId"],
                    "id": first["id"],
                    "replyUrl": "http://a.test/",
                    "replyRef": "one",
                },
                {"email": EMAIL, "taskId": second["taskId"], "id": second["id"]},
            ]
        },
        "code": 429,
    }
    assert "retry-after" not in answer.headers


async def test_runway_s_own_cap_counts_tasks_made_by_hand_and_has_no_code(api: httpx.AsyncClient, world: World) -> None:
    world.accounts[EMAIL].runway_limit = 1
    world.switch(retry_after=12.0)
    add_task(world)

    answer = await extend(api, clip(world))

    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "12"
    assert answer.json() == {
        "error": "You have too many tasks running or pending. Please wait for some of them to finish before starting "
        "more."
    }


async def test_explore_mode_needs_an_unlimited_plan(api: httpx.AsyncClient, world: World) -> None:
    world.accounts[EMAIL].unlimited = False

    answer = await extend(api, clip(world), exploreMode=True)

    assert (answer.status_code, "Unlimited" in answer.json()["error"]) == (400, True)


@pytest.mark.parametrize(("moderation", "status"), [("422", 422), ("400", 400), ("failed", 200)])
async def test_a_moderated_prompt_is_refused_where_the_switch_says(
    api: httpx.AsyncClient, world: World, clock: ManualClock, moderation: str, status: int
) -> None:
    world.switch(moderation=moderation)

    answer = await extend(api, clip(world), text_prompt="something Forbidden")
    clock.advance(10)

    assert answer.status_code == status
    if status == 200:
        body = await read(api, answer.json()["taskId"])
        assert (body["status"], body["error"]["reason"]) == ("FAILED", "SAFETY.INPUT.TEXT")
        assert world.remaining(EMAIL) == 2200
    else:
        assert answer.json() == {"error": "Text prompt did not pass moderation", "code": status}
        assert world.charged == {}


async def test_a_failed_generation_tells_its_reason_and_gives_the_credits_back(
    api: httpx.AsyncClient, world: World, clock: ManualClock
) -> None:
    task_id = (await extend(api, clip(world), text_prompt="a broken wave")).json()["taskId"]
    during = world.remaining(EMAIL)
    clock.advance(10)

    body = await read(api, task_id)

    assert (during, world.remaining(EMAIL)) == (2200, 2250)
    assert body["error"] == {
        "errorMessage": "An unexpected error occurred.",
        "reason": "INTERNAL.BAD_OUTPUT.CODE01",
        "message": "An unexpected error occurred.",
        "moderation_category": "",
        "tally_asimov": False,
    }
    assert (body["status"], body["artifacts"], body["progressRatio"]) == ("FAILED", [], "0.95")


@pytest.mark.parametrize(
    ("headers", "lapsed", "status", "error"),
    [
        ({"Authorization": ""}, False, 401, "Unauthorized"),
        ({"Authorization": "Bearer user:1234-wrong"}, False, 401, "Unauthorized"),
        ({}, True, 402, "Account has no subscription or subscription expired"),
    ],
)
async def test_a_stranger_and_a_lapsed_subscriber_are_refused_first(
    api: httpx.AsyncClient, world: World, headers: dict[str, str], lapsed: bool, status: int, error: str
) -> None:
    world.switch(lapsed=lapsed)

    answer = await api.post("/gen3/extend", content=b"{", headers=headers)

    assert answer.status_code == status
    assert answer.json()["error"] == error


async def test_an_account_in_an_error_state_answers_596(api: httpx.AsyncClient, world: World) -> None:
    world.accounts[EMAIL].error = "Session expired"

    answer = await extend(api, clip(world))

    assert (answer.status_code, answer.json()["code"]) == (596, 596)


async def test_the_asset_picks_the_account(api: httpx.AsyncClient, world: World) -> None:
    add_account(world, "other-person@example.com", permitted=20)
    theirs = add_video(world, email="other-person@example.com")

    answer = await extend(api, world.asset_id(theirs))

    assert answer.status_code == 412


async def test_the_users_default_callback_is_used_where_the_submit_names_none(
    api: httpx.AsyncClient, world: World
) -> None:
    world.reply_url = "https://default.test/hook"

    answer = await extend(api, clip(world))

    assert answer.json()["replyUrl"] == "https://default.test/hook"


def test_the_same_seed_gives_the_same_ids(clock: ManualClock) -> None:
    ids = [[world.new_uuid() for _ in range(2)] for world in (World(clock=clock), World(clock=clock), World(seed=2))]

    assert ids[0] == ids[1]
    assert len({*ids[0], *ids[2]}) == 4
