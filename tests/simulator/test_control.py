"""The control surface: it tells what happened and scripts what will, for callers on this machine."""

from typing import Any

import httpx
import pytest

from runway_mcp.simulator.app import create_app
from runway_mcp.simulator.builders import EMAIL
from runway_mcp.simulator.media.films import Film, Form
from runway_mcp.simulator.timeline import ManualClock
from runway_mcp.simulator.world import World
from tests.simulator.requests import ORIGIN, clip, extend, read


async def control(api: httpx.AsyncClient, method: str, noun: str, body: Any = None) -> httpx.Response:
    content = {} if body is None else {"json": body}
    return await api.request(method, f"{ORIGIN}/simulator/{noun}", headers={"Authorization": ""}, **content)


async def test_the_state_counts_requests_submits_and_credits(api: httpx.AsyncClient, world: World) -> None:
    task_id = (await extend(api, clip(world), replyRef="r")).json()["taskId"]
    await read(api, task_id)

    state = (await control(api, "GET", "state")).json()

    assert state["requests"] == {"POST /gen3/extend": 1, "GET /tasks/{id}": 1}
    assert (state["accepted"], state["charged"], state["remaining"]) == ([task_id], {EMAIL: 50}, {EMAIL: 2200})
    assert state["tasks"][-1] == {
        "taskId": task_id,
        "status": "PENDING",
        "taskType": "gen3a",
        "by_api": True,
        "cost": 50,
        "replyRef": "r",
    }
    assert (state["assets"][0]["assetId"], state["faults"], state["switches"]["result"]) == (clip(world), 0, "whole")


async def test_switches_faults_and_scripts_are_set_from_outside(
    api: httpx.AsyncClient, world: World, clock: ManualClock
) -> None:
    turned = await control(api, "PATCH", "switches", {"wrap_get": True})
    waiting = await control(api, "POST", "faults", [{"status": 500}, {"kind": "reset"}])
    more = await control(api, "POST", "faults", {"status": 502})
    cleared = await control(api, "DELETE", "faults")
    scripts = await control(api, "POST", "script", {"queue": 0, "duration": 2, "ratios": [0.25], "outcome": "fail"})
    task_id = (await extend(api, clip(world))).json()["taskId"]
    running = (await read(api, task_id))["task"]["progressRatio"]
    clock.advance(2)

    assert turned.json()["wrap_get"] is True
    assert (waiting.json(), more.json(), cleared.json()) == ({"faults": 2}, {"faults": 3}, {"faults": 0})
    assert scripts.json() == {"scripts": 1}
    assert (running, (await read(api, task_id))["task"]["status"]) == ("0.25", "FAILED")


async def test_a_film_of_any_form_is_added_from_outside(api: httpx.AsyncClient, world: World) -> None:
    form = {"group": 0, "index": "end", "colour": "bt709", "sound": True}
    added = await control(api, "POST", "videos", {"prompt": "a pier", "seconds": 5, "extended": 1, "form": form})
    wrong = await control(api, "POST", "videos", {"form": {"codec": "av1"}})

    asset = world.find_asset(added.json()["assetId"])
    assert asset is not None
    assert asset.film == Film(seconds=5, added=(10,), form=Form(0, "end", "bt709", sound=True))
    assert wrong.status_code == 400


async def test_a_task_is_made_by_hand_from_outside(api: httpx.AsyncClient, world: World) -> None:
    first = await control(api, "POST", "tasks", {"parent": clip(world), "seed": 5, "duration": 3})
    second = await control(api, "POST", "tasks")

    body = await read(api, first.json()["taskId"])
    assert (body["options"]["seed"], body["options"]["extended_count"]) == (5, 1)
    assert (second.json()["by_api"], second.json()["status"]) == (False, "PENDING")


async def test_a_task_made_by_hand_looks_like_an_extension_that_nobody_follows(
    api: httpx.AsyncClient, world: World, clock: ManualClock
) -> None:
    mine = (await extend(api, clip(world), seed=5, text_prompt="rain", seconds=5, exploreMode=True)).json()
    options = {"seconds": 5, "exploreMode": True}
    described = {"parent": clip(world), "seed": 5, "prompt": "rain", "duration": 3, "queue": 1, "options": options}

    theirs = (await control(api, "POST", "tasks", described)).json()["taskId"]

    body = await read(api, theirs)
    same = ["seed", "text_prompt", "seconds", "exploreMode", "extended_from_task_id", "extended_count", "name"]
    assert {name: body["options"][name] for name in same} == {name: mine["options"][name] for name in same}
    assert body["options"]["init_video"].partition("?")[0] == mine["options"]["init_video"].partition("?")[0]
    assert [body[name] for name in ("createdAt", "taskType", "status")] == [mine["createdAt"], "gen3a", "PENDING"]
    assert [task["taskId"] for task in (await api.get("/scheduler/")).json()] == [mine["taskId"]]
    listed = (await api.get("/tasks/", params={"offset": 0, "limit": 2})).json()
    assert [task["taskId"] for task in listed] == [theirs, mine["taskId"]]
    clock.advance(4)
    assert (await read(api, theirs))["status"] == "SUCCEEDED"
    assert [world.task_id(task) for task in world.accepted] == [mine["taskId"]]


async def test_what_befalls_a_submit_is_set_from_outside(api: httpx.AsyncClient, world: World) -> None:
    await control(api, "PATCH", "switches", {"date_header": False, "late_films": 5})
    rules = [{"kind": "foreign", "handled": True}, {"kind": "busy_after"}, {"status": 409, "handled": True}]
    await control(api, "POST", "faults", rules)

    answers = [await extend(api, clip(world)) for _ in rules]

    assert [answer.status_code for answer in answers] == [200, 429, 409]
    assert answers[0].json()["taskId"] == world.task_id(world.tasks[0])
    assert len(world.accepted) == 3
    assert "date" not in answers[0].headers


@pytest.mark.parametrize(
    ("method", "noun", "body"),
    [
        ("PATCH", "switches", {"warp": 1}),
        ("PATCH", "switches", []),
        ("POST", "faults", {"kind": "explode"}),
        ("POST", "script", {"outcome": "explode"}),
        ("POST", "script", {"colour": "red"}),
        ("POST", "tasks", {"model": "gen9"}),
    ],
)
async def test_what_control_cannot_read_is_refused(api: httpx.AsyncClient, method: str, noun: str, body: Any) -> None:
    answer = await control(api, method, noun, body)

    assert answer.status_code == 400
    assert answer.json()["error"]


async def test_callers_from_afar_are_refused(world: World) -> None:
    transport = httpx.ASGITransport(create_app(world), client=("192.0.2.7", 1))
    async with httpx.AsyncClient(transport=transport) as afar:
        answer = await control(afar, "GET", "state")

    assert answer.status_code == 403
