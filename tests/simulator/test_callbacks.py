"""Callbacks: when they are due, what they hold, and how they go astray."""

import math
from typing import Any

import anyio
import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from runway_mcp.simulator.api.callbacks import deliver_due, next_due, send_by_urllib
from runway_mcp.simulator.app import create_app
from runway_mcp.simulator.builders import small_world
from runway_mcp.simulator.run import running
from runway_mcp.simulator.timeline import ManualClock
from runway_mcp.simulator.world import World
from tests.simulator.requests import clip, extend, read

HOOK = "http://hook.test/done"
LIMIT = 60.0


class Inbox:
    """Takes callbacks and keeps what they told."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.arrived = anyio.Event()

    async def __call__(self, url: str, body: dict[str, Any]) -> None:
        assert url == HOOK
        self.bodies.append(body)
        self.arrived.set()

    @property
    def told(self) -> list[tuple[str, str | None]]:
        return [(body["status"], body["progressRatio"]) for body in self.bodies]


async def submitted(api: httpx.AsyncClient, world: World, **script: Any) -> str:
    world.script_next(**({"queue": 1, "duration": 10, "ratios": (0.2, 0.6)} | script))
    task_id: str = (await extend(api, clip(world), replyUrl=HOOK, replyRef="r")).json()["taskId"]
    return task_id


@pytest.mark.parametrize(
    ("switches", "told"),
    [
        ({}, ["SUCCEEDED"]),
        ({"callback": "changes"}, ["RUNNING", "RUNNING", "SUCCEEDED"]),
        ({"delivery": "lost"}, []),
        ({"delivery": "duplicated"}, ["SUCCEEDED", "SUCCEEDED"]),
        ({"callback": "changes", "delivery": "swapped"}, ["RUNNING", "SUCCEEDED", "RUNNING"]),
        ({"delivery": "swapped"}, ["SUCCEEDED", "RUNNING"]),
    ],
)
async def test_callbacks_come_as_the_switches_say(
    api: httpx.AsyncClient, world: World, clock: ManualClock, switches: dict[str, Any], told: list[str]
) -> None:
    world.switch(**switches)
    inbox = Inbox()
    await submitted(api, world)
    for _ in range(12):
        clock.advance(1)
        await deliver_due(world, inbox)

    assert [status for status, _ in inbox.told] == told
    assert next_due(world) == math.inf


async def test_a_callback_is_the_task_with_what_the_caller_gave_on_top(
    api: httpx.AsyncClient, world: World, clock: ManualClock
) -> None:
    inbox = Inbox()
    task_id = await submitted(api, world, outcome="fail")
    clock.advance(11)
    await deliver_due(world, inbox)

    body = inbox.bodies[0]
    task = await read(api, task_id)
    for links in (body["options"], task["options"]):
        del links["init_video"]
    assert body == task | {"replyUrl": HOOK, "replyRef": "r"}


async def test_a_callback_knows_no_film_that_comes_late(
    api: httpx.AsyncClient, world: World, clock: ManualClock
) -> None:
    world.switch(late_films=5)
    inbox = Inbox()
    await submitted(api, world)
    clock.advance(60)

    await deliver_due(world, inbox)

    assert [(body["status"], body["artifacts"]) for body in inbox.bodies] == [("SUCCEEDED", [])]


async def test_each_callback_is_delivered_once_and_the_next_one_has_its_time(
    api: httpx.AsyncClient, world: World, clock: ManualClock
) -> None:
    world.switch(callback="changes")
    inbox = Inbox()
    await submitted(api, world)

    due = [next_due(world) - clock()]
    for seconds in (1, 0, 5):
        clock.advance(seconds)
        due += [await deliver_due(world, inbox), next_due(world) - clock()]

    assert due == [1, 1, 5, 0, 5, 1, 5]


@pytest.mark.parametrize("astray", ["no replyUrl", "taken from the scheduler"])
async def test_a_task_without_an_address_or_a_follower_calls_nobody(
    api: httpx.AsyncClient, world: World, clock: ManualClock, astray: str
) -> None:
    inbox = Inbox()
    if astray == "no replyUrl":
        await extend(api, clip(world))
    else:
        await api.delete(f"/scheduler/{await submitted(api, world)}")
    clock.advance(20)

    assert (await deliver_due(world, inbox), next_due(world)) == (0, math.inf)


@pytest.mark.virtual_time
async def test_the_lifespan_delivers_callbacks_as_they_fall_due() -> None:
    world = small_world(clock=anyio.current_time)
    inbox = Inbox()
    app = create_app(world, send=inbox)
    headers = {"Authorization": f"Bearer {world.token}"}

    with anyio.fail_after(100):
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t/v1/runwayml") as api,
        ):
            api.headers.update(headers)
            await submitted(api, world)
            await inbox.arrived.wait()
            at = anyio.current_time()

    assert inbox.told == [("SUCCEEDED", "1")]
    assert at == pytest.approx(11)
    assert world.listeners == []


async def test_a_callback_travels_over_a_socket() -> None:
    arrived: list[dict[str, Any]] = []
    done = anyio.Event()

    async def hook(request: Request) -> Response:
        arrived.append(await request.json())
        done.set()
        return PlainTextResponse("ok")

    catcher = Starlette(routes=[Route("/v1/runwayml/hook", hook, methods=["POST"])])
    world = small_world(pace=0.05)
    headers = {"Authorization": f"Bearer {world.token}"}
    with anyio.fail_after(LIMIT):
        async with (
            running(catcher) as hooks,
            running(world) as url,
            httpx.AsyncClient(base_url=url, headers=headers) as api,
        ):
            await extend(api, clip(world), replyUrl=f"{hooks}/hook")
            await done.wait()
            film = await api.get(arrived[0]["artifacts"][0]["url"])

    assert (arrived[0]["status"], film.status_code) == ("SUCCEEDED", 200)


async def test_a_callback_that_nobody_takes_is_dropped() -> None:
    with anyio.fail_after(LIMIT):
        await send_by_urllib("http://127.0.0.1:9/nobody", {})
