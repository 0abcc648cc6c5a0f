"""The stand-in as a process of its own, steered over its stdin and stdout with lines of JSON.

`open` makes a fresh world on a fresh port; a POST may be held there when it arrives or when it was accepted, until
`release`. `truth` tells of every POST what it sent, what became of it and what it was told. `later` lets time pass
upstream, `delete` takes an asset away, `faults` adds troubles and `calm` ends them all. It ends when its stdin does.
"""

import asyncio
import json
import sys
import time
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runway_mcp.simulator.app import BASE, create_app
from runway_mcp.simulator.builders import small_world
from runway_mcp.simulator.faults import Fault
from runway_mcp.simulator.records import Task
from runway_mcp.simulator.run import running
from runway_mcp.simulator.world import World

# A POST is let go after so many seconds even if nobody releases it.
LONGEST_HOLD = 30.0

# What no run can go on with once its troubles are over.
CALM = {"late_in_lists": 0.0, "late_in_scheduler": 0.0, "brief_404": 0.0, "late_films": 0.0}


@dataclass
class Post:
    """A POST that arrived: its body, the task that it made, and the status that it was answered with, if it was.

    Times are in seconds of the machine's monotonic clock, which all processes share; `wall` is upstream's Unix time.
    """

    number: int
    body: Any
    began: float
    wall: float
    task: Task | None = None
    status: int | None = None
    ended: float | None = None


POST: ContextVar[Post | None] = ContextVar("POST", default=None)
"""The POST that is being handled."""


class Accepted(list[Task]):
    """The world's list of accepted tasks, which tells each POST of its task."""

    def append(self, task: Task, /) -> None:
        """Takes a task."""
        super().append(task)
        post = POST.get()
        if post is not None:
            post.task = task


class Witness:
    """Writes down every POST of an extension."""

    def __init__(self, app: ASGIApp, world: World, posts: list[Post]) -> None:
        self._app = app
        self._world = world
        self._posts = posts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, and writes it down if it is one."""
        if scope["type"] != "http" or scope["method"] != "POST" or not scope["path"].startswith(f"{BASE}/gen"):
            await self._app(scope, receive, send)
            return
        began = time.monotonic()
        messages: list[Message] = [await receive()]
        while messages[-1].get("more_body"):
            messages.append(await receive())
        if messages[-1]["type"] != "http.request":
            return  # its sender died before all of it had left
        body = b"".join(message.get("body", b"") for message in messages)
        wall = self._world.wall_at(self._world.now())
        post = Post(len(self._posts) + 1, json.loads(body or b"null"), began, wall)
        self._posts.append(post)
        left = iter(messages)

        async def replay() -> Message:
            return next(left, None) or await receive()

        async def note(message: Message) -> None:
            if message["type"] == "http.response.start":
                post.status = message["status"]
            await send(message)

        token = POST.set(post)
        try:
            await self._app(scope, replay, note)
        finally:
            POST.reset(token)
            post.ended = time.monotonic()


class UpstreamClock:
    """Upstream's clock; `ahead` is how much time was let pass."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        """Its seconds."""
        return time.monotonic() + self.ahead


async def main() -> None:
    """Serves worlds until stdin ends."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        order = json.loads(line)
        await _serve(order, reader)


async def _serve(order: dict[str, Any], reader: asyncio.StreamReader) -> None:
    """One world, from its `open` to its `close`."""
    clock = UpstreamClock()
    world = small_world(
        pace=order["pace"], clock=clock, clips=order.get("clips", 1), **order.get("account", {"permitted": 100_000})
    )
    world.accepted = Accepted()
    release, posts = anyio.Event(), list[Post]()

    async def hold() -> None:
        say({"event": order["hold"]})
        with anyio.move_on_after(LONGEST_HOLD):
            await release.wait()

    for rule in order["faults"]:
        world.faults.append(Fault(**rule))
    if order.get("hold"):
        kind = "delay" if order["hold"] == "arrived" else "delay_after"
        world.faults.insert(0, Fault(method="POST", path_prefix="/gen3/extend", kind=kind, hold=hold))
    for script in order.get("scripts", ()):
        world.script_next(**script)
    world.switch(**order["switches"])
    app = create_app(world)
    app.add_middleware(Witness, world=world, posts=posts)
    async with running(app) as url:
        world.origin = url.removesuffix(BASE)
        clips = [_clip(world, number) for number in range(order.get("clips", 1))]
        say({"url": url, "token": world.token, "assetId": clips[0]["assetId"], "clips": clips})
        while line := await reader.readline():
            told = json.loads(line)
            if told["op"] == "close":
                break
            if told["op"] == "truth":
                say({"posts": [truth_of(world, post) for post in posts]})
            elif told["op"] == "release":
                release.set()
            else:
                _change(world, clock, told)
                say({"done": told["op"]})


def _clip(world: World, number: int) -> dict[str, Any]:
    asset = world.assets[number]
    assert asset.task
    return {"assetId": world.asset_id(asset), "taskId": world.task_id(asset.task), "name": asset.name}


def _change(world: World, clock: UpstreamClock, order: dict[str, Any]) -> None:
    match order["op"]:
        case "later":
            clock.ahead += order["seconds"]
        case "delete":
            asset = world.find_asset(order["assetId"])
            if asset is not None:
                asset.deleted = True
        case "faults":
            world.faults.extend(Fault(**rule) for rule in order["faults"])
        case _:
            world.faults.clear()
            world.scripts.clear()
            world.switch(**CALM)
    world.notify()


def truth_of(world: World, post: Post) -> dict[str, Any]:
    """What arrived, what was made of it and what it was told."""
    task = post.task
    return {
        "number": post.number,
        "body": post.body,
        "began": post.began,
        "ended": post.ended,
        "wall": post.wall,
        "status": post.status,
        "taskId": world.task_id(task) if task else None,
        "cost": task.cost if task else 0,
    }


def say(message: dict[str, Any]) -> None:
    """Tells the campaign something."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    anyio.run(main)
