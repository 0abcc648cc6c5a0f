"""Waiting: why a submit has no outcome yet, how a call that waits for it is told so, and the wait for a slot."""

import random
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from typing import Literal

import anyio

from runway_mcp.runway.client import RunwayClient
from runway_mcp.runway.errors import Busy, RunwayError
from runway_mcp.runway.ids import account_of
from runway_mcp.runway.models import RunningTask
from runway_mcp.tasks.failures import failure_of
from runway_mcp.tasks.intents import Intent, State
from runway_mcp.tasks.spend.dependencies import SubmitDependencies
from runway_mcp.tasks.spend.posting import Post
from runway_mcp.tasks.spend.reconcile import forgotten
from runway_mcp.tasks.store.caller_view import CallerLedger

# How often a call that waits says again what for, in seconds.
_HEARTBEAT = 8.0
# The range of the pause that upstream asks for after a 429 without a Retry-After, in seconds.
_SLOT_PAUSE = (10.0, 30.0)
# What is left of a call's wait for the submit itself, in seconds.
_SUBMITTING = 1.0
# For how long a wait for a slot is leased at once, in seconds; a lease ends soon whatever becomes of the clock.
_LEASED = 20.0
# How long reading the running tasks of a full account may take, in seconds.
_READING = 2.0


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


async def wait_for_slot(
    dependencies: SubmitDependencies, intent: Intent, busy: Busy, *, deadline: float, waiter: Waiter, is_sure: bool
) -> bool:
    """Waits as long as upstream asks after a 429, with the intent's lease held; False if the claim was lost.

    Raises `Failure` of kind `busy` if the deadline comes first, or if the wait is cut short: charged `no` where it
    `is_sure` that the 429 started nothing, else `unknown`. Where that is not sure, one that the ledger has forgotten is
    no claim that was lost, but `submission_unknown`.
    """
    ledger = dependencies.ledger
    visible = CallerLedger(ledger, intent.caller)
    running = await visible.shown(busy.running or await _running(dependencies.client, intent))
    shortest, longest = _SLOT_PAUSE
    left = deadline - anyio.current_time() - _SUBMITTING
    pause = busy.retry_after or random.uniform(shortest, min(longest, max(shortest, left)))  # noqa: S311  jitter
    ends, gives_up = anyio.current_time() + pause, pause > left
    while not gives_up and (leased := min(ends - anyio.current_time(), _LEASED)) > 0:
        if not await ledger.keep_waiting(intent.id, intent.claim, seconds=leased):
            if not is_sure and await ledger.find("id", intent.id) is None:
                raise forgotten(intent)
            return False
        until, slot = anyio.current_time() + leased, Waiting("slot", running)
        gives_up = not await waiter.waits(anyio.Event(), until, slot)
    if not gives_up:
        return True
    standing = await ledger.find("id", intent.id)
    if standing is None and not is_sure:
        raise forgotten(intent)
    if standing is None or standing.claim != intent.claim or standing.state is not State.WAITING:
        return False
    raise replace(failure_of(busy), running=running, charged="no" if is_sure else "unknown") from busy


async def _running(client: RunwayClient, intent: Intent) -> tuple[RunningTask, ...]:
    """The account's running tasks if a 429 does not name them; none if they cannot be read in two seconds."""
    with anyio.move_on_after(_READING), suppress(RunwayError):
        listed = await client.scheduler(patience=0)
        return tuple(task for task in listed if account_of(task.task_id) == intent.account)
    return ()
