"""How tasks go through time, and what reads, lists and deletions of them answer."""

import math
from typing import Any

import httpx
import pytest

from runway_mcp.simulator.builders import EMAIL, add_account, add_task
from runway_mcp.simulator.timeline import ManualClock
from runway_mcp.simulator.world import World
from tests.simulator.requests import clip, extend, read


def shown(body: dict[str, Any]) -> tuple[Any, ...]:
    return body["status"], body["progressRatio"], body["estimatedTimeToStartSeconds"]


async def test_a_task_waits_runs_and_succeeds_on_the_clock_alone(
    api: httpx.AsyncClient, world: World, clock: ManualClock
) -> None:
    task_id = (await extend(api, clip(world))).json()["taskId"]
    seen = [shown(await read(api, task_id))]
    for seconds in (0.5, 0.5, 4.5, 4.4, 0.1, 500):
        clock.advance(seconds)
        seen.append(shown(await read(api, task_id)))

    assert seen == [
        ("PENDING", None, 1.0),
        ("PENDING", None, 0.5),
        ("RUNNING", "0", None),
        ("RUNNING", "0.5", None),
        ("RUNNING", "0.95", None),
        ("SUCCEEDED", "1", None),
        ("SUCCEEDED", "1", None),
    ]


@pytest.mark.parametrize(
    ("ratios", "seen"),
    [
        ("even", ["0", "0.5", "0.8"]),
        ("stall", ["0", "0.5", "0.5"]),
        ("null", [None, None, None]),
        ((0.1, None, 0.37, 0.2), ["0.1", "0.37", "0.2"]),
        ((), [None, None, None]),
    ],
)
async def test_progress_follows_the_script(
    api: httpx.AsyncClient, world: World, clock: ManualClock, ratios: Any, seen: list[str | None]
) -> None:
    world.script_next(queue=0, duration=100, ratios=ratios)
    task_id = (await extend(api, clip(world))).json()["taskId"]

    ratio = [(await read(api, task_id))["progressRatio"]]
    for seconds in (50, 30):
        clock.advance(seconds)
        ratio.append((await read(api, task_id))["progressRatio"])

    assert ratio == seen


@pytest.mark.parametrize(
    ("script", "status", "error", "films"),
    [
        ({}, "SUCCEEDED", None, 1),
        ({"outcome": "several"}, "SUCCEEDED", None, 2),
        ({"outcome": "empty"}, "SUCCEEDED", None, 0),
        ({"outcome": "cancel"}, "CANCELLED", None, 0),
        ({"outcome": "fail", "error": "It broke."}, "FAILED", "It broke.", 0),
        ({"outcome": "fail", "error": None}, "FAILED", None, 0),
        ({"outcome": "fail", "error": {"reason": ""}}, "FAILED", {"reason": ""}, 0),
        ({"outcome": "fail", "error": None, "end": "EXPIRED"}, "EXPIRED", None, 0),
    ],
)
async def test_a_task_ends_as_scripted(
    api: httpx.AsyncClient,
    world: World,
    clock: ManualClock,
    script: dict[str, Any],
    status: str,
    error: Any,
    films: int,
) -> None:
    world.script_next(**script)
    task_id = (await extend(api, clip(world))).json()["taskId"]
    clock.advance(10)

    body = await read(api, task_id)

    assert (body["status"], body["error"], len(body["artifacts"])) == (status, error, films)


async def test_a_task_may_run_for_ever_and_keep_another_waiting(
    api: httpx.AsyncClient, world: World, clock: ManualClock
) -> None:
    world.script_next(queue=0, duration=math.inf)
    world.accounts[EMAIL].slots = 1
    task_id, behind = [(await extend(api, clip(world))).json()["taskId"] for _ in range(2)]
    clock.advance(1e9)

    assert shown(await read(api, task_id)) == ("RUNNING", "0", None)
    assert shown(await read(api, behind)) == ("THROTTLED", None, None)


@pytest.mark.parametrize("script", [{"outcome": "explode"}, {"ratios": "odd"}, {"queue": -1}, {"duration": "long"}])
def test_a_script_that_means_nothing_is_refused(world: World, script: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="A task"):
        world.script_next(**script)


def test_a_clock_does_not_go_back(clock: ManualClock) -> None:
    with pytest.raises(ValueError, match="does not go back"):
        clock.advance(-1)


@pytest.mark.parametrize("word", ["THROTTLED", "PENDING"])
async def test_a_task_beyond_the_plan_s_slots_waits_for_one(
    api: httpx.AsyncClient, world: World, clock: ManualClock, word: str
) -> None:
    world.switch(over_slots=word)
    add_task(world, queue=0, duration=30)
    add_task(world, queue=0, duration=20)
    task_id = (await extend(api, clip(world))).json()["taskId"]

    clock.advance(5)
    waiting = await read(api, task_id)
    clock.advance(15)
    running = await read(api, task_id)

    assert shown(waiting) == (word, None, 15.0)
    assert shown(running) == ("RUNNING", "0", None)


async def test_beyond_the_slots_the_switch_may_refuse(api: httpx.AsyncClient, world: World) -> None:
    world.switch(over_slots="429", code_in_429b=True)
    for _ in range(2):
        add_task(world)

    answer = await extend(api, clip(world))

    assert (answer.status_code, answer.json()["code"]) == (429, 429)


async def test_a_stopped_task_is_cancelled_and_lets_the_next_one_up(
    api: httpx.AsyncClient, world: World, clock: ManualClock
) -> None:
    world.switch(delete_task="cancels")
    world.accounts[EMAIL].slots = 1
    first, second = [(await extend(api, clip(world))).json()["taskId"] for _ in range(2)]
    clock.advance(4)

    answer = await api.delete(f"/tasks/{first}")

    assert (answer.status_code, answer.json()) == (200, {"success": True})
    assert (await read(api, first))["status"] == "CANCELLED"
    assert (await read(api, second))["status"] == "RUNNING"
    assert sum(asset.task is world.find_task(first) for asset in world.assets) == 0


@pytest.mark.parametrize("mode", ["forgets", "cancels"])
async def test_a_finished_task_that_is_deleted_is_gone_while_its_film_stays(
    api: httpx.AsyncClient, world: World, clock: ManualClock, mode: str
) -> None:
    world.switch(delete_task=mode)
    task_id = (await extend(api, clip(world))).json()["taskId"]
    clock.advance(10)
    film = (await read(api, task_id))["artifacts"][0]["assetId"]

    await api.delete(f"/tasks/{task_id}/")

    assert (await api.get(f"/tasks/{task_id}")).json() == {"error": "Not found.", "code": 404}
    assert (await api.delete(f"/tasks/{task_id}")).status_code == 404
    assert (await api.get(f"/assets/{film}")).status_code == 200


async def test_a_forgotten_task_goes_on_in_secret(api: httpx.AsyncClient, world: World, clock: ManualClock) -> None:
    task_id = (await extend(api, clip(world))).json()["taskId"]
    await api.delete(f"/tasks/{task_id}")
    clock.advance(10)

    assets = (await api.get("/assets/", params={"offset": 0, "limit": 10})).json()

    assert len(assets) == 2
    assert world.remaining(EMAIL) == 2200


async def test_a_read_leaves_out_what_a_submit_adds(api: httpx.AsyncClient, world: World) -> None:
    created = (await extend(api, clip(world), replyRef="r", replyUrl="http://a.test/")).json()

    body = await read(api, created["taskId"])

    assert created.keys() - body.keys() == {"features", "replyUrl", "replyRef", "code"}


@pytest.mark.parametrize("suffix", ["", "/"])
async def test_an_id_that_was_encoded_is_not_found(api: httpx.AsyncClient, world: World, suffix: str) -> None:
    task_id = (await extend(api, clip(world))).json()["taskId"]

    plain = await api.get(f"/tasks/{task_id}{suffix}")
    encoded = [
        await api.get(f"/tasks/{task_id.replace(mark, code)}{suffix}") for mark, code in ((":", "%3A"), ("@", "%40"))
    ]

    assert plain.status_code == 200
    assert [answer.status_code for answer in encoded] == [404, 404]


async def test_the_list_is_newest_first_by_page_and_holds_tasks_made_by_hand(
    api: httpx.AsyncClient, world: World, clock: ManualClock
) -> None:
    by_hand = world.task_id(add_task(world, parent=world.assets[0], options={"route": "x"}))
    clock.advance(1)
    task_id = (await extend(api, clip(world))).json()["taskId"]

    pages = [
        [task["taskId"] for task in (await api.get("/tasks/", params={"offset": at, "limit": 2})).json()]
        for at in (0, 2, 4)
    ]

    assert pages[0] == [task_id, by_hand]
    assert (len(pages[1]), pages[2]) == (1, [])


async def test_the_list_filters_by_status(api: httpx.AsyncClient, world: World) -> None:
    task_id = (await extend(api, clip(world))).json()["taskId"]

    tasks = (await api.get("/tasks", params={"offset": 0, "limit": 9, "statuses": "PENDING,RUNNING"})).json()

    assert [task["taskId"] for task in tasks] == [task_id]


@pytest.mark.parametrize(
    ("path", "query", "complaint"),
    [
        ("/tasks/", {"limit": "1"}, "offset is required"),
        ("/tasks/", {"offset": "0"}, "limit is required"),
        ("/tasks/", {"offset": "1001", "limit": "1"}, "offset is out of range 0…1000"),
        ("/tasks/", {"offset": "0", "limit": "1001"}, "limit is out of range 1…1000"),
        ("/tasks/", {"offset": "x", "limit": "1"}, "offset must be an integer"),
        ("/tasks/", {"offset": "0", "limit": "1", "statuses": "DONE"}, "statuses does not support DONE"),
        ("/assets/", {"offset": "0", "limit": "51"}, "limit is out of range 1…50"),
        ("/assets/", {"offset": "0", "limit": "1", "mediaType": "text"}, "mediaType supports"),
    ],
)
async def test_a_list_with_a_bad_query_is_refused(
    api: httpx.AsyncClient, path: str, query: dict[str, str], complaint: str
) -> None:
    answer = await api.get(path, params=query)

    assert answer.status_code == 400
    assert complaint in answer.json()["error"]


@pytest.mark.parametrize("path", ["/tasks/?offset=0&limit=5", "/assets/?offset=0&limit=5", "/features/"])
async def test_several_accounts_need_an_email(api: httpx.AsyncClient, world: World, path: str) -> None:
    add_account(world, "second@example.com")
    join = "&" if "?" in path else "?"

    refused = await api.get(path)
    answered = await api.get(f"{path}{join}email={EMAIL}")
    unknown = await api.get(f"{path}{join}email=nobody@example.com")

    assert (refused.status_code, "email is required" in refused.json()["error"]) == (400, True)
    assert answered.status_code == 200
    assert (unknown.status_code, unknown.headers["content-type"]) == (404, "text/plain; charset=utf-8")


async def test_the_scheduler_lists_what_the_api_started_until_it_ends(
    api: httpx.AsyncClient, world: World, clock: ManualClock
) -> None:
    add_task(world)
    task_id = (await extend(api, clip(world), replyRef="r")).json()["taskId"]

    during = (await api.get("/scheduler/")).json()
    clock.advance(10)
    after = (await api.get("/scheduler")).json()

    assert during == [{"taskId": task_id, "replyRef": "r"}]
    assert after == []


async def test_a_task_taken_from_the_scheduler_runs_on_unfollowed(
    api: httpx.AsyncClient, world: World, clock: ManualClock
) -> None:
    task_id = (await extend(api, clip(world))).json()["taskId"]

    first, second = [await api.delete(f"/scheduler/{task_id}") for _ in range(2)]
    clock.advance(10)

    assert (first.status_code, first.json()) == (200, {"success": True})
    assert second.json() == {"error": f"Unable to locate running {task_id}", "code": 404}
    assert (await read(api, task_id))["status"] == "SUCCEEDED"


@pytest.mark.parametrize("path", ["/nothing", "/gen3/extend", "/tasks/a/b"])
async def test_a_path_that_does_not_exist_answers_404(api: httpx.AsyncClient, path: str) -> None:
    answer = await api.get(path)

    assert (answer.status_code, answer.json()["code"]) == (404, 404)
