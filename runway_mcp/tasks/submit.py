"""Spends once: a request becomes one intent on disk and one POST, or the twin of an earlier one.

What a call does here is claim, wait and tell; the POST itself belongs to the process (`posting`), so that a call that
is cancelled or out of time leaves it running. An unclear answer is settled by looking (`settle`).
"""

import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal

import anyio

from runway_mcp.runway.errors import Busy, NotFound, RunwayError, SubmitUnclear
from runway_mcp.runway.ids import account_of
from runway_mcp.runway.models import RunningTask, Task
from runway_mcp.tasks.database import LedgerError
from runway_mcp.tasks.drafts import draft, request_of
from runway_mcp.tasks.failures import Failure, failure_of
from runway_mcp.tasks.ground import Ground
from runway_mcp.tasks.intents import LOOKING_SECONDS, WAITING_LEASE, Intent, State
from runway_mcp.tasks.ledger import FREE
from runway_mcp.tasks.plan import Plan
from runway_mcp.tasks.posting import Late, Post, Posts
from runway_mcp.tasks.settle import Settlements
from runway_mcp.tasks.terms import Terms, arguments_key
from runway_mcp.tasks.watcher import Watcher

_log = logging.getLogger(__name__)

# A POST has at least so long to be answered, however short the caller's wait, in seconds.
ANSWER_PATIENCE = 5.0
# However short the caller's wait, there is time for one look, in seconds.
_ONE_LOOK = 1.0
# How often a call looks for what it waits for.
_LOOK_AGAIN = 5.0
# What upstream asks for after a 429, in seconds.
_SLOT_PAUSE = (10.0, 30.0)
_HEARTBEAT = 8.0
# How long a call reads a task that it was returned, in seconds.
_READING = 2.0
# How often the ledger is asked for what another process does.
_LEDGER_PAUSE = 0.5


@dataclass(frozen=True)
class Waiting:
    """Why a submit is not settled yet: for a slot (held by `running`), an answer, or a trace of a lost one."""

    reason: Literal["slot", "answer", "trace"]
    running: tuple[RunningTask, ...] = ()


Say = Callable[[Waiting], Awaitable[None]]


@dataclass(frozen=True)
class Submitted:
    """A task that an intent owns; `twin` tells that an earlier submit was returned instead of a second one."""

    task: Task
    intent: Intent
    twin: bool


class Submissions:
    """The submits that calls ask for, each a POST of its own or the twin of an earlier one.

    `callbacks` is the address of our own callbacks, None if upstream cannot reach us.
    """

    def __init__(
        self, ground: Ground, settlements: Settlements, posts: Posts, watcher: Watcher, *, callbacks: str | None = None
    ) -> None:
        self._ground = ground
        self._settlements = settlements
        self._posts = posts
        self._watcher = watcher
        self._callbacks = callbacks

    async def submit(self, plan: Plan, *, deadline: float, say: Say, terms: Terms = FREE) -> Submitted:
        """Submits a plan once, or returns its twin, at the latest at `deadline` (in the event loop's time).

        While all slots are busy it tries again until then. A POST has five seconds to be answered even if the deadline
        is nearer. `say` is awaited at least every ten seconds. Raises `Failure`: `busy` with nothing submitted,
        `submission_unknown` if no answer is clear by then, or the refusal; `TermsRefused` if the terms do not allow it.
        """
        say = _sparing(say)
        while True:
            try:
                now, covers = self._ground.now(), arguments_key(plan)
                wanted = draft(plan, now=now, calls_back=self._callbacks is not None)
                intent, twin = await self._ground.ledger.claim(wanted, now=now, terms=terms, covers=covers)
            except LedgerError as error:
                raise _not_submitted(error) from error
            try:
                if twin:
                    submitted = await self._told(await self._join(intent, deadline, say), twin=True)
                else:
                    submitted = await self._spend(plan, intent, deadline, say)
            except LedgerError as error:
                raise Failure("submission_unknown", f"{error} {_LOST}", charged="unknown") from error
            if submitted is not None:
                return submitted

    async def resume(self) -> None:
        """Takes up what earlier processes left: follows their tasks, looks for their unclear submits."""
        for intent in await self._ground.ledger.unfinished():
            if intent.task_id is None:
                self._settlements.keep_looking(intent)
            else:
                await self._ground.accepted(Task(task_id=intent.task_id, status=intent.status or "PENDING"))

    async def _spend(self, plan: Plan, intent: Intent, deadline: float, say: Say) -> Submitted | None:
        """The task of the intent's one POST; None if nothing was posted and the request has to be claimed again."""
        request = request_of(plan, intent, callbacks=self._callbacks)
        try:
            while True:
                post = self._posts.begin(intent, request, turbo=plan.model.turbo)
                patience = max(deadline, anyio.current_time() + ANSWER_PATIENCE)
                await _await(post.done, patience, say, Waiting("answer"))
                outcome = post.outcome
                if isinstance(outcome, Task):
                    return Submitted(outcome, intent, twin=False)
                if outcome is None or isinstance(outcome, SubmitUnclear):
                    return await self._told(await self._join(intent, deadline, say), twin=False)
                if isinstance(outcome, Late):
                    return None
                if isinstance(outcome, LedgerError):
                    raise _not_submitted(outcome) from outcome
                if not isinstance(outcome, Busy):
                    raise failure_of(outcome) from outcome
                if not await self._wait_for_slot(intent, outcome, deadline, say):
                    return None
        finally:
            if self._posts.of(intent) is None:
                await self._withdraw(intent)

    async def _wait_for_slot(self, intent: Intent, busy: Busy, deadline: float, say: Say) -> bool:
        """Waits as long as upstream asks for; raises `busy` if the deadline comes before.

        Returns False if the intent's lease was over already, so that another may stand in its place.
        """
        shortest, longest = _SLOT_PAUSE
        left = deadline - anyio.current_time() - 1.0
        pause = busy.retry_after or random.uniform(shortest, min(longest, max(shortest, left)))  # noqa: S311  jitter
        running = busy.running or await self._running(intent)
        if pause > left:
            raise replace(failure_of(busy), running=running) from busy
        now = self._ground.now()
        if not await self._ground.ledger.keep_waiting(intent.id, now=now, lease=now + pause + WAITING_LEASE):
            return False
        await _await(anyio.Event(), anyio.current_time() + pause, say, Waiting("slot", running))
        return True

    async def _running(self, intent: Intent) -> tuple[RunningTask, ...]:
        """The account's running tasks where a 429 does not name them; none if they cannot be read soon."""
        with anyio.move_on_after(_READING), suppress(RunwayError):
            listed = await self._ground.client.scheduler(patience=0)
            return tuple(task for task in listed if account_of(task.task_id) == intent.account)
        return ()

    async def _join(self, intent: Intent, deadline: float, say: Say) -> Intent:
        """Waits until an intent is settled or was withdrawn; raises `Failure` at the deadline.

        Its owner may be another call or another process, living or dead; looking harms none of them.
        """
        next_look, deadline = 0.0, max(deadline, anyio.current_time() + _ONE_LOOK)
        while True:
            standing = await self._ground.ledger.get(intent.id)
            if standing is None or standing.is_settled:
                return standing or replace(intent, state=State.REFUSED)
            post, now = self._posts.of(intent), anyio.current_time()
            if post is None and standing.state is State.WAITING:
                if standing.lease < self._ground.now():
                    return standing
            elif post is None and now >= next_look:
                next_look = now + _LOOK_AGAIN
                with anyio.move_on_after(max(0.0, deadline - now)):
                    if await self._settlements.settle(standing):
                        continue
            if standing.state is State.UNKNOWN or anyio.current_time() >= deadline:
                raise await self._out_of_time(standing)
            until = min(deadline, anyio.current_time() + _LEDGER_PAUSE)
            await _await(post.done if post else anyio.Event(), until, say, _reason(standing, post))

    async def _out_of_time(self, intent: Intent) -> Failure:
        if intent.state is State.WAITING:
            message = "All slots of the account are busy, and the same request is already waiting for one."
            return Failure("busy", message, retry_after=_SLOT_PAUSE[0])
        return await self._settlements.failure(intent)

    async def _withdraw(self, intent: Intent) -> None:
        """Leaves nothing behind of an intent that posted nothing."""
        with anyio.CancelScope(shield=True):
            try:
                await self._ground.ledger.withdraw(intent.id)
            except LedgerError:
                _log.exception("an intent that posted nothing could not be withdrawn; its lease ends by itself")

    async def _told(self, intent: Intent, *, twin: bool) -> Submitted | None:
        """What a settled intent is told as; None for one that was refused and may be tried again."""
        if intent.task_id is not None:
            return Submitted(await self._task(intent, intent.task_id), intent, twin=twin)
        if intent.failure_kind == "moderated":
            raise Failure("moderated", intent.failure_message or "", retry_safe=False, twin=True)
        return None

    async def _task(self, intent: Intent, task_id: str) -> Task:
        """The task as upstream tells it; if that cannot be read soon, one whose end is open: no end by hearsay."""
        with anyio.move_on_after(_READING), suppress(RunwayError):
            try:
                return await self._watcher.read(task_id, patience=_READING)
            except NotFound:
                if self._ground.now() - intent.created > LOOKING_SECONDS:
                    raise _gone(task_id) from None
        return Task(task_id=task_id, status="UNKNOWN" if intent.ended else intent.status or "PENDING")


def _gone(task_id: str) -> Failure:
    message = (
        f"This request was submitted before, as {task_id}, and Runway does not know that task any more: probably it "
        "was deleted. To submit it once more on purpose, give a `seed` of your own choice."
    )
    return Failure("not_found", message, charged="unknown", twin=True)


_LOST = "Whether the submit was accepted is not known; the same call looks for it and never submits it again."


def _not_submitted(error: LedgerError) -> Failure:
    return Failure("unavailable", f"{error} This call submitted nothing.")


def _reason(intent: Intent, post: Post | None) -> Waiting:
    if intent.state is State.WAITING:
        return Waiting("slot")
    return Waiting("answer" if post else "trace")


async def _await(event: anyio.Event, until: float, say: Say, waiting: Waiting) -> None:
    """Waits for the event until a time, and says why every few seconds."""
    while not event.is_set() and (left := until - anyio.current_time()) > 0:
        await say(waiting)
        with anyio.move_on_after(min(left, _HEARTBEAT)):
            await event.wait()


def _sparing(say: Say) -> Say:
    """Says the same reason again only after a heartbeat."""
    said: tuple[str, float] | None = None

    async def spare(waiting: Waiting) -> None:
        nonlocal said
        now = anyio.current_time()
        if said is None or said[0] != waiting.reason or now - said[1] >= _HEARTBEAT:
            said = waiting.reason, now
            await say(waiting)

    return spare
