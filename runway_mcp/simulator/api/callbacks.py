"""Callbacks: which are due, and their delivery to replyUrl, each a POST of the task as JSON.

The switches `callback` and `delivery` say which moments are posted, how often and in which order.
"""

import json
import logging
import math
import urllib.request
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
from anyio.to_thread import run_sync

from runway_mcp.simulator.api.shapes import callback_body
from runway_mcp.simulator.records import Task
from runway_mcp.simulator.timeline import Moment
from runway_mcp.simulator.wakeups import Wakeup
from runway_mcp.simulator.world import World

Send = Callable[[str, dict[str, Any]], Awaitable[None]]

SEND_SECONDS = 3.0
"""How long one delivery may take, in seconds."""

_log = logging.getLogger(__name__)


async def send_by_urllib(url: str, body: dict[str, Any]) -> None:
    """Posts the body from a worker thread, past any proxy; an error is only logged."""
    try:
        await run_sync(_post, url, json.dumps(body).encode(), abandon_on_cancel=True)
    except OSError as error:
        _log.debug("a callback was not delivered: %s", type(error).__name__)


async def deliver_due(world: World, send: Send) -> int:
    """Sends every unsent callback that is due by the world's clock; returns how many."""
    sent = 0
    now = world.now()
    for task in [task for task in world.tasks if task.reply_url and task.followed]:
        script = _deliveries(world, task)
        while task.callbacks_sent < len(script) and script[task.callbacks_sent][0] <= now:
            moment = script[task.callbacks_sent][1]
            task.callbacks_sent += 1
            sent += 1
            await send(task.reply_url or "", callback_body(world, task, moment))
    return sent


def next_due(world: World) -> float:
    """When the next unsent callback is due, in seconds of the world's clock; infinity without one."""
    due = math.inf
    for task in world.tasks:
        if task.reply_url and task.followed:
            due = min([due, *(at for at, _ in _deliveries(world, task)[task.callbacks_sent :])])
    return due


async def keep_delivering(world: World, send: Send) -> None:
    """Delivers callbacks as they fall due, until cancelled; looks again at each change of the world."""
    wakeup = Wakeup()
    world.listeners.append(wakeup)
    try:
        while True:
            event = wakeup.event
            await deliver_due(world, send)
            with anyio.move_on_after(max(0.0, next_due(world) - world.now())):
                await event.wait()
    finally:
        world.listeners.remove(wakeup)


def _deliveries(world: World, task: Task) -> list[tuple[float, Moment]]:
    if world.switches.delivery == "lost":
        return []
    last = task.moments[-1]
    moments = task.moments[1:] if world.switches.callback == "changes" else task.moments[-1:]
    if world.switches.delivery == "duplicated":
        return [(moment.at, moment) for moment in moments for _ in range(2)]
    if world.switches.delivery == "swapped":
        return [*((moment.at, moment) for moment in moments[:-2]), (last.at, last), (last.at, task.moments[-2])]
    return [(moment.at, moment) for moment in moments]


def _post(url: str, body: bytes) -> None:
    request = urllib.request.Request(  # noqa: S310  a replyUrl is checked to be http or https
        url, data=body, method="POST", headers={"Content-Type": "application/json"}
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=SEND_SECONDS) as answer:
        answer.read()
