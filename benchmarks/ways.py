"""The ways to follow tasks that are compared: ours, and the loop that other servers run."""

import json
import math
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial

import anyio
import httpx

from benchmarks.scenes import TRIP, Notice, Scene, Way
from benchmarks.upstream import URL, Desk, Made, wall_clock
from runway_mcp.runway.client import RunwayClient
from runway_mcp.runway.models import TERMINAL, Task
from runway_mcp.tasks.follow.watcher import Watcher

POLL = 5.0
"""The poll interval: RUNWAY_MCP_POLL_SECONDS."""

TOKEN = "user:1234-benchmark"  # noqa: S105  opens nothing


def loop(pause: float) -> Way:
    """One GET per task, then a pause of so many seconds, until the task has ended."""
    return partial(_loop, pause=pause)


@asynccontextmanager
async def ours(desk: Desk, scene: Scene) -> AsyncGenerator[Notice]:
    """The watcher of this package, with one caller waiting for each task."""
    luck = random.Random(scene.seed)  # noqa: S311  a benchmark repeats itself
    lost = {"none": 1.0, "a tenth lost": 0.1, "all lost": 1.0}.get(scene.callbacks, 0.0)
    async with (
        RunwayClient(url=URL, token=TOKEN, transport=desk, now=wall_clock) as client,
        anyio.create_task_group() as background,
    ):
        watcher = Watcher(client, background, poll_seconds=POLL, on_change=silent, on_gone=silent, now=wall_clock)

        async def notice(made: Made) -> None:
            task = desk.tell(made)
            watcher.follow(task, calls_back=scene.callbacks != "none")
            if luck.random() >= lost:
                background.start_soon(_call_back, watcher, made, scene.callbacks == "changes")
            await end_of(watcher, task)

        yield notice
        background.cancel_scope.cancel()


async def end_of(watcher: Watcher, task: Task) -> None:
    """Waits as a call does, until the task has ended."""
    watcher.follow(task)
    async for _ in watcher.changes(task.task_id, math.inf):
        pass


async def silent(_: Task) -> None:
    """Tells nobody."""


@asynccontextmanager
async def _loop(desk: Desk, _: Scene, *, pause: float) -> AsyncGenerator[Notice]:
    async with httpx.AsyncClient(transport=desk) as client:

        async def notice(made: Made) -> None:
            status = ""
            while status not in TERMINAL:
                await anyio.sleep(pause)
                answer = await client.get(f"{URL}/tasks/{made.task_id}")
                status = json.loads(answer.content)["status"]

        yield notice


async def _call_back(watcher: Watcher, made: Made, changes: bool) -> None:  # noqa: FBT001  start_soon passes by position
    """Calls as upstream does; what the call leads to is what the address of callbacks would do with it."""
    for moment in made.record.moments[1:] if changes else made.record.moments[-1:]:
        if moment.at >= anyio.current_time():
            await anyio.sleep(moment.at + TRIP - anyio.current_time())
            if moment.last:
                watcher.note_callback(made.task_id)
