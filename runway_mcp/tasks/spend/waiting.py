"""Waiting: why a submit has no outcome yet, and how a call that waits for it is told so."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal

import anyio

from runway_mcp.runway.models import RunningTask
from runway_mcp.tasks.intents import Intent, State
from runway_mcp.tasks.spend.posting import Post

_HEARTBEAT = 8.0


@dataclass(frozen=True)
class Waiting:
    """Why a submit has no outcome yet: it waits for a slot (held by `running`), an answer or the task of a lost one."""

    reason: Literal["slot", "answer", "trace"]
    running: tuple[RunningTask, ...] = ()


Say = Callable[[Waiting], Awaitable[None]]
"""Is told what a call waits for."""

Within = Callable[[], AbstractContextManager[object]]
"""Opens around each wait of a call; it may cut the wait short, as when the server will stop soon."""


def reason_of(intent: Intent, post: Post | None) -> Waiting:
    """What a call waits for at an intent without an outcome, whose POST is out if there is a `post`."""
    if intent.state is State.WAITING:
        return Waiting("slot")
    return Waiting("answer" if post else "trace")


async def wait_for(event: anyio.Event, until: float, say: Say, waiting: Waiting) -> None:
    """Waits for the event until a time of the loop's clock, and reports the reason every few seconds."""
    while not event.is_set() and (left := until - anyio.current_time()) > 0:
        await say(waiting)
        with anyio.move_on_after(min(left, _HEARTBEAT)):
            await event.wait()


@dataclass(frozen=True)
class Waiter:
    """A call that waits: how it is told what for, and what may cut its waits short."""

    say: Say
    within: Within = nullcontext

    async def waits(self, event: anyio.Event, until: float, waiting: Waiting) -> bool:
        """As `wait_for`; False if the wait was cut short."""
        is_cut = True
        with self.within():
            await wait_for(event, until, self.say, waiting)
            is_cut = False
        return not is_cut


def throttled(say: Say) -> Say:
    """A `say` that repeats the same reason only after a heartbeat."""
    said: tuple[str, float] | None = None

    async def spare(waiting: Waiting) -> None:
        nonlocal said
        now = anyio.current_time()
        if said is None or said[0] != waiting.reason or now - said[1] >= _HEARTBEAT:
            said = waiting.reason, now
            await say(waiting)

    return spare
