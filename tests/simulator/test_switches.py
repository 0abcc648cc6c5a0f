"""What each switch changes: a table over both sides of every doubt."""

from typing import Any

import httpx
import pytest

from runway_mcp.simulator.builders import add_task
from runway_mcp.simulator.switches import SwitchError
from runway_mcp.simulator.timeline import ManualClock
from runway_mcp.simulator.world import World
from tests.simulator.probes import (
    PAGE,
    Pick,
    Probe,
    assets,
    brief,
    by_bare_id,
    created,
    dated,
    expired,
    failed,
    films_told,
    finished,
    fourth,
    gone,
    half_way,
    large,
    late,
    late_upload,
    long_prompt,
    measures,
    metadata,
    newest_model,
    nobody,
    of_another,
    poor,
    read_at_once,
    recipe,
    refused_words,
    result,
    scheduler,
    spent,
    submitted,
    tasks,
    throttled,
    twice,
    webp,
    without_image,
    wrong,
)
from tests.simulator.requests import clip

FORM_A = ["dimensions", "duration", "frameRate", "size"]
FORM_B = ["duration", "frameRate", "hasAlphaChannel", "hasAudio", "height", "width"]


TABLE: list[tuple[dict[str, Any], Probe, Pick, Any]] = [
    ({"wrap_create": True}, submitted, sorted, ["code", "task"]),
    ({"wrap_create": True, "wrap_get": True}, read_at_once, list, ["task"]),
    ({}, tasks, type, list),
    ({"task_list": "wrapped"}, tasks, list, ["tasks"]),
    ({"task_list": "object"}, tasks, lambda body: body["status"], "PENDING"),
    ({"thin_ends": True}, tasks, lambda body: list(body[-1]["artifacts"][0]), ["assetId"]),
    ({"task_order": "newest"}, tasks, lambda body: [task["status"] for task in body], ["PENDING", "SUCCEEDED"]),
    ({"task_order": "oldest"}, tasks, lambda body: [task["status"] for task in body], ["SUCCEEDED", "PENDING"]),
    ({"reply_in_get": True}, read_at_once, lambda body: body["replyRef"], "r"),
    ({"reply_in_list": True}, tasks, lambda body: body[0]["replyRef"], "r"),
    ({"code_in_get": True}, read_at_once, lambda body: (body["code"], len(body["features"])), (200, 3)),
    ({"extra_fields": True}, read_at_once, lambda body: "experiments" in body, True),
    ({"running_word": "PROCESSING"}, half_way, lambda body: body["status"], "PROCESSING"),
    ({}, half_way, lambda body: body["progressRatio"], "0.5"),
    ({"progress": "number"}, half_way, lambda body: body["progressRatio"], 0.5),
    ({"progress": "null"}, half_way, lambda body: body["progressRatio"], None),
    ({"progress": "null"}, finished, lambda body: body["progressRatio"], "1"),
    ({"task_error": "string"}, failed, str, "An unexpected error occurred."),
    ({"task_error": "null"}, failed, bool, False),
    ({"artifact_size": "number"}, finished, lambda body: body["artifacts"][0]["fileSize"], 1024),
    ({}, assets, list, ["extra 0.mp4", "extra 1.mp4", "extra 2.mp4", "extra 3.mp4", "clip 0.mp4"]),
    ({"asset_order": "oldest"}, assets, list, ["clip 0.mp4", *(f"extra {n}.mp4" for n in (3, 2, 1, 0))]),
    ({"asset_order": "shuffled"}, assets, len, 5),
    ({"late_in_scheduler": 1}, scheduler, int, 0),
    ({}, scheduler, int, 1),
    ({"brief_404": 2.0}, brief, list, [404, 200]),
    ({"late_in_lists": 2.0}, late, list, [1, 2]),
    ({}, poor, bool, False),
    ({"code_in_412": True}, poor, int, 412),
    ({"fourth_extension": "422"}, fourth, int, 422),
    ({"fourth_extension": "failed"}, fourth, str, "FAILED"),
    ({"wrong_model": "404"}, wrong, int, 404),
    ({"wrong_model": "failed"}, wrong, str, "FAILED"),
    ({"gen3_gone": True}, gone, int, 400),
    ({}, by_bare_id, int, 400),
    ({"bare_ids": True}, by_bare_id, int, 200),
    ({}, nobody, tuple, ("text/plain", 200)),
    ({"plain_404": False, "account_created": True}, nobody, tuple, ("application/json", 201)),
    ({"link_seconds": 50.0}, expired, int, 403),
    ({"link_seconds": 50.0, "expired_status": 401}, expired, int, 401),
    ({"link_seconds": 500.0}, expired, int, 200),
    ({}, spent, int, 50),
    ({"refund_failed": False}, spent, int, 100),
    ({"refund_moderated": True}, spent, int, 0),
    ({}, result, tuple, (15, 15, 360)),
    ({"result": "tail"}, result, tuple, (5, 5, 120)),
    ({}, films_told, list, [("SUCCEEDED", 1, 1, 2)] * 2),
    ({"late_films": 2.0}, films_told, list, [("SUCCEEDED", 0, 0, 2), ("SUCCEEDED", 1, 1, 2)]),
    ({}, dated, list, [["Fri, 15 Jan 2027 08:01:01 GMT"]] * 4),
    ({"date_header": False}, dated, list, [[]] * 4),
    ({}, metadata, list, [FORM_B, FORM_A]),
    ({"metadata": "A"}, metadata, list, [FORM_A, FORM_A]),
    ({"metadata": "B"}, metadata, list, [FORM_B, FORM_B]),
    ({"metadata": "null"}, metadata, list, [None, None]),
    ({"gen3_gone": True, "gen3_words": "TASK.InvalidTaskType"}, refused_words, str, "TASK.InvalidTaskType"),
    ({}, created, lambda body: (body["options"]["seed"], body["name"]), (7, "Gen-4 7, sea")),
    ({"hidden_seeds": True}, created, lambda body: (body["options"].get("seed"), body["name"]), (None, "Gen-4, sea")),
    ({"hidden_seeds": True}, finished, lambda body: "seed" in body["options"], False),
    ({}, created, lambda body: "init_image" in body["options"], True),
    ({"start_frame_told": False}, created, lambda body: "init_image" in body["options"], False),
    ({"wrap_create": True}, created, sorted, ["code", "task"]),
    ({}, without_image, int, 400),
    ({"frame_required": False}, without_image, int, 200),
    ({}, long_prompt, int, 200),
    ({"gen4_prompt": 512}, long_prompt, int, 400),
    ({}, of_another, tuple, (200, 0)),
    ({"email_with_image": "overrides"}, of_another, tuple, (200, 1)),
    ({"email_with_image": "refused"}, of_another, tuple, (404, 0)),
    ({}, recipe, lambda film: (film.width, film.height), (1280, 720)),
    ({"default_ratio": "image"}, recipe, lambda film: (film.width, film.height), (720, 1280)),
    ({"created_size": "other"}, recipe, lambda film: (film.width, film.height), (864, 496)),
    ({"created_size": "tiny"}, recipe, lambda film: (film.width, film.height), (64, 36)),
    ({}, recipe, lambda film: (film.start.fit, film.start.later), ("crop", False)),
    ({"fit": "stretch"}, recipe, lambda film: film.start.fit, "stretch"),
    ({"first_frame": "similar"}, recipe, lambda film: film.start.later, True),
    ({"created_encoder": "other"}, recipe, lambda film: film.form.encoder, "other"),
    ({"created_colour": "bt709"}, recipe, lambda film: film.form.colour, "bt709"),
    ({"created_end": "black"}, recipe, lambda film: film.form.end, "black"),
    ({}, measures, tuple, (24, False)),
    ({"created_rate": 30, "created_sound": True}, measures, tuple, (30, True)),
    ({}, newest_model, str, "gen4.5"),
    ({"gen4_5_type": "gen4_5"}, newest_model, str, "gen4_5"),
    ({}, throttled, str, "SUCCEEDED"),
    ({"throttled_for": 30.0}, throttled, str, "THROTTLED"),
    ({}, large, tuple, (200, 2)),
    ({"largest_upload": 5000}, large, tuple, (200, 2)),
    ({"largest_upload": 4999}, large, tuple, (413, 1)),
    ({}, webp, int, 400),
    ({"webp_uploads": True}, webp, int, 200),
    ({}, twice, int, 3),
    ({"known_uploads": True}, twice, int, 2),
    ({}, late_upload, tuple, (1, 1, 200)),
    ({"late_uploads": 60.0}, late_upload, tuple, (0, 1, 200)),
]


@pytest.mark.parametrize(("switches", "probe", "pick", "expected"), TABLE)
async def test_a_switch_changes_what_is_answered(
    api: httpx.AsyncClient,
    world: World,
    clock: ManualClock,
    switches: dict[str, Any],
    probe: Probe,
    pick: Pick,
    expected: Any,
) -> None:
    world.switch(**switches)

    assert pick(await probe(api, world, clock)) == expected


async def test_an_asset_s_size_may_be_text(api: httpx.AsyncClient, world: World) -> None:
    world.switch(asset_size="string")

    assert (await api.get(f"/assets/{clip(world)}")).json()["fileSize"] == "1024"


async def test_an_empty_list_of_the_object_form_is_an_empty_object(api: httpx.AsyncClient, world: World) -> None:
    world.switch(task_list="object")

    assert (await api.get("/tasks/", params={"offset": 9, "limit": 1})).json() == {}


async def test_a_shuffled_list_keeps_its_order_from_page_to_page(api: httpx.AsyncClient, world: World) -> None:
    for _ in range(5):
        add_task(world)
    world.switch(task_order="shuffled")

    whole = [task["id"] for task in (await api.get("/tasks/", params=PAGE)).json()]
    pages = [(await api.get("/tasks/", params={"offset": at, "limit": 1})).json()[0]["id"] for at in range(6)]

    assert whole == pages
    assert whole != [task.uuid for task in world.tasks]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("warp", True),
        ("wrap_get", 1),
        ("task_list", "tree"),
        ("expired_status", True),
        ("brief_404", -1),
        ("brief_404", True),
        ("retry_after", "soon"),
        ("moderated_word", None),
    ],
)
def test_a_switch_that_does_not_exist_or_fit_is_refused_by_name(world: World, name: str, value: Any) -> None:
    with pytest.raises(SwitchError, match=name):
        world.switch(**{name: value})


@pytest.mark.parametrize("value", [None, 0, 2.5])
def test_a_number_or_nothing_fits_an_optional_number(world: World, value: float | None) -> None:
    world.switch(retry_after=value)

    assert world.switches.retry_after == value
