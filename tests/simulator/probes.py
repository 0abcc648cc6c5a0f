"""Probes of the stand-in: what a client sees after one course of calls, for tests that compare switches."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from runway_mcp.simulator.builders import EMAIL, add_account, add_video
from runway_mcp.simulator.faults import Fault
from runway_mcp.simulator.timeline import ManualClock
from runway_mcp.simulator.world import World
from tests.simulator.requests import ORIGIN, clip, create, extend, made_by, png, upload

PAGE = {"offset": 0, "limit": 50}
Pick = Callable[[Any], Any]
Probe = Callable[[httpx.AsyncClient, World, ManualClock], Awaitable[Any]]


async def submitted(api: httpx.AsyncClient, world: World, _: ManualClock) -> Any:
    return (await extend(api, clip(world), replyRef="r")).json()


async def read_at_once(api: httpx.AsyncClient, world: World, clock: ManualClock) -> Any:
    body = await submitted(api, world, clock)
    task = body.get("task", body)
    return (await api.get(f"/tasks/{task['taskId']}")).json()


async def finished(api: httpx.AsyncClient, world: World, clock: ManualClock) -> Any:
    body = await submitted(api, world, clock)
    clock.advance(10)
    return (await api.get(f"/tasks/{body['taskId']}")).json()


async def half_way(api: httpx.AsyncClient, world: World, clock: ManualClock) -> Any:
    body = await submitted(api, world, clock)
    clock.advance(5.5)
    return (await api.get(f"/tasks/{body['taskId']}")).json()


async def failed(api: httpx.AsyncClient, world: World, clock: ManualClock) -> Any:
    body = (await extend(api, clip(world), text_prompt="broken")).json()
    clock.advance(10)
    return (await api.get(f"/tasks/{body['taskId']}")).json()["error"]


async def tasks(api: httpx.AsyncClient, world: World, clock: ManualClock) -> Any:
    await submitted(api, world, clock)
    return (await api.get("/tasks/", params=PAGE)).json()


async def assets(api: httpx.AsyncClient, world: World, _: ManualClock) -> Any:
    for number in range(4):
        add_video(world, prompt=f"extra {number}", age=10.0 + number)
    return [each["name"].split(", ")[1] for each in (await api.get("/assets/", params=PAGE)).json()]


async def scheduler(api: httpx.AsyncClient, world: World, clock: ManualClock) -> Any:
    await submitted(api, world, clock)
    return len((await api.get("/scheduler/")).json())


async def brief(api: httpx.AsyncClient, world: World, clock: ManualClock) -> Any:
    body = await submitted(api, world, clock)
    statuses = [(await api.get(f"/tasks/{body['taskId']}")).status_code]
    clock.advance(2)
    return [*statuses, (await api.get(f"/tasks/{body['taskId']}")).status_code]


async def late(api: httpx.AsyncClient, world: World, clock: ManualClock) -> Any:
    counts = [len(await tasks(api, world, clock))]
    clock.advance(2)
    return [*counts, len((await api.get("/tasks/", params=PAGE)).json())]


async def fourth(api: httpx.AsyncClient, world: World, clock: ManualClock) -> Any:
    answer = await extend(api, world.asset_id(add_video(world, extended=3)))
    return await outcome(api, answer, clock)


async def wrong(api: httpx.AsyncClient, world: World, clock: ManualClock) -> Any:
    answer = await extend(api, world.asset_id(add_video(world, model="gen4")))
    return await outcome(api, answer, clock)


async def outcome(api: httpx.AsyncClient, answer: httpx.Response, clock: ManualClock) -> Any:
    if answer.status_code != 200:
        return answer.status_code
    clock.advance(10)
    return (await api.get(f"/tasks/{answer.json()['taskId']}")).json()["status"]


async def poor(api: httpx.AsyncClient, world: World, _: ManualClock) -> Any:
    world.accounts[EMAIL].used = 2250
    return (await extend(api, clip(world))).json().get("code")


async def by_bare_id(api: httpx.AsyncClient, world: World, clock: ManualClock) -> Any:
    answer = await extend(api, world.assets[0].uuid)
    if answer.status_code != 200:
        return answer.status_code
    del clock
    return (await api.get(f"/tasks/{answer.json()['id']}")).status_code


async def gone(api: httpx.AsyncClient, world: World, _: ManualClock) -> Any:
    return (await extend(api, clip(world))).status_code


async def nobody(api: httpx.AsyncClient, world: World, clock: ManualClock) -> Any:
    del world, clock
    answers = [await api.get(path) for path in ("/accounts/a@b.c", f"/accounts/{EMAIL}")]
    return answers[0].headers["content-type"].partition(";")[0], answers[1].status_code


async def expired(api: httpx.AsyncClient, world: World, clock: ManualClock) -> Any:
    url = (await api.get(f"/assets/{clip(world)}")).json()["url"]
    clock.advance(100)
    return (await api.get(url)).status_code


async def spent(api: httpx.AsyncClient, world: World, clock: ManualClock) -> Any:
    for outcome_word in ("fail", "moderate"):
        world.script_next(outcome=outcome_word)
        await extend(api, clip(world))
    clock.advance(10)
    return 2250 - world.remaining(EMAIL)


async def result(api: httpx.AsyncClient, world: World, clock: ManualClock) -> Any:
    film = made_by(world, (await submitted(api, world, clock))["taskId"])
    assert film.film is not None
    return film.duration, film.film.duration, film.film.frames


async def metadata(api: httpx.AsyncClient, world: World, clock: ManualClock) -> Any:
    own = (await api.get(f"/assets/{clip(world)}")).json()["metadata"]
    made = (await finished(api, world, clock))["artifacts"][0]["metadata"]
    return [told and sorted(told) for told in (own, made)]


async def films_told(api: httpx.AsyncClient, world: World, clock: ManualClock) -> Any:
    body = await submitted(api, world, clock)
    clock.advance(10)
    counts: list[tuple[Any, ...]] = []
    for seconds in (0, 2):
        clock.advance(seconds)
        alone = (await api.get(f"/tasks/{body['taskId']}")).json()
        listed = (await api.get("/tasks/", params=PAGE)).json()[0]
        assets = (await api.get("/assets/", params=PAGE)).json()
        counts.append((alone["status"], len(alone["artifacts"]), len(listed["artifacts"]), len(assets)))
    return counts


async def dated(api: httpx.AsyncClient, world: World, clock: ManualClock) -> Any:
    clock.advance(61.5)
    world.faults.append(Fault(path_prefix="/tasks"))
    answers = [await api.get(path) for path in ("/accounts", "/tasks/", "/none", f"{ORIGIN}/simulator/state")]
    return [answer.headers.get_list("date") for answer in answers]


async def created(api: httpx.AsyncClient, world: World, clock: ManualClock) -> Any:
    del world, clock
    return (await create(api, await upload(api, png(36, 64)), "gen4", text_prompt="sea", seed=7)).json()


async def recipe(api: httpx.AsyncClient, world: World, clock: ManualClock) -> Any:
    made = made_by(world, (await created(api, world, clock))["taskId"])
    assert made.film is not None
    return made.film


async def measures(api: httpx.AsyncClient, world: World, clock: ManualClock) -> Any:
    made = made_by(world, (await created(api, world, clock))["taskId"])
    clock.advance(10)
    told = (await api.get(f"/assets/{world.asset_id(made)}")).json()["metadata"]
    return told["frameRate"], told["hasAudio"]


async def without_image(api: httpx.AsyncClient, world: World, clock: ManualClock) -> Any:
    del world, clock
    return (await create(api, None, "gen4turbo", text_prompt="sea")).status_code


async def long_prompt(api: httpx.AsyncClient, world: World, clock: ManualClock) -> Any:
    del world, clock
    return (await create(api, await upload(api), "gen4", text_prompt="x" * 600)).status_code


async def of_another(api: httpx.AsyncClient, world: World, clock: ManualClock) -> Any:
    del clock
    add_account(world, "other@example.com")
    answer = await create(api, await upload(api, email=EMAIL), email="other@example.com")
    return answer.status_code, answer.json().get("taskId", "").count("other@example.com")


async def newest_model(api: httpx.AsyncClient, world: World, clock: ManualClock) -> Any:
    del world, clock
    return (await create(api, await upload(api))).json()["taskType"]


async def throttled(api: httpx.AsyncClient, world: World, clock: ManualClock) -> Any:
    body = await submitted(api, world, clock)
    clock.advance(30)
    return (await api.get(f"/tasks/{body['taskId']}")).json()["status"]


async def refused_words(api: httpx.AsyncClient, world: World, _: ManualClock) -> Any:
    return (await extend(api, clip(world))).json()["error"]


async def large(api: httpx.AsyncClient, world: World, _: ManualClock) -> Any:
    answer = await api.post("/assets/?name=a", content=b"x" * 5000, headers={"Content-Type": "image/png"})
    return answer.status_code, len(world.assets)


async def webp(api: httpx.AsyncClient, world: World, clock: ManualClock) -> Any:
    del world, clock
    return (await api.post("/assets/?name=a", content=b"x", headers={"Content-Type": "image/webp"})).status_code


async def twice(api: httpx.AsyncClient, world: World, clock: ManualClock) -> Any:
    del world, clock
    ids = [await upload(api), await upload(api, png(2, 2)), await upload(api)]
    return len(set(ids))


async def late_upload(api: httpx.AsyncClient, world: World, clock: ManualClock) -> Any:
    del world
    image = await upload(api)
    counts = [len((await api.get("/assets/", params={**PAGE, "mediaType": "image"})).json())]
    clock.advance(60)
    counts.append(len((await api.get("/assets/", params={**PAGE, "mediaType": "image"})).json()))
    return *counts, (await api.get(f"/assets/{image}")).status_code
