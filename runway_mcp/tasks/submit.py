"""Spends once: one POST for each intent, whatever happens to the call, the connection or the process.

The intent is on disk before the POST. The POST belongs to the process, not to the call: a call that is cancelled or
out of time leaves it running, and its task is written down and followed. An answer that is neither a clear yes nor a
clear no is settled by looking.
"""

import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Literal

import anyio
from anyio.abc import TaskGroup

from runway_mcp.runway.client import RunwayClient
from runway_mcp.runway.errors import Busy, RunwayError, SubmitUnclear
from runway_mcp.runway.models import ExtendRequest, RunningTask, Task
from runway_mcp.tasks.database import LedgerError
from runway_mcp.tasks.failures import Failure, failure_of
from runway_mcp.tasks.intents import POSTING_LEASE, WAITING_LEASE, Intent, State, draft, request_of
from runway_mcp.tasks.ledger import FREE, Ledger
from runway_mcp.tasks.plan import Plan
from runway_mcp.tasks.settle import Settlements
from runway_mcp.tasks.terms import Terms, arguments_key

_log = logging.getLogger(__name__)

# A POST has at least so long to be answered, however short the caller's wait, in seconds.
ANSWER_PATIENCE = 5.0
# An unanswered POST is looked for after so many seconds, and again after as many more.
_LOOK_AFTER = 10.0
_LOOK_AGAIN = 5.0
# What upstream asks for after a 429, in seconds.
_SLOT_PAUSE = (10.0, 30.0)
_HEARTBEAT = 8.0
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


class _Attempt:
    """One POST: `outcome` is its task, or why there is none, once `done` is set."""

    def __init__(self) -> None:
        self.done = anyio.Event()
        self.scope = anyio.CancelScope(shield=True)
        self.outcome: Task | RunwayError | LedgerError | None = None


class Submissions:
    """The submits of this process; `background` is the task group that their POSTs live in.

    `accepted` is awaited with each task that becomes ours; `now` gives Unix seconds.
    """

    def __init__(
        self,
        client: RunwayClient,
        ledger: Ledger,
        settlements: Settlements,
        background: TaskGroup,
        *,
        accepted: Callable[[Task], Awaitable[None]],
        now: Callable[[], float],
    ) -> None:
        self._client = client
        self._ledger = ledger
        self._settlements = settlements
        self._background = background
        self._accepted = accepted
        self._now = now
        self._attempts: dict[str, _Attempt] = {}

    async def submit(self, plan: Plan, *, deadline: float, say: Say, terms: Terms = FREE) -> Submitted:
        """Submits a plan once, or returns its twin, at the latest at `deadline` (in the event loop's time).

        While all slots are busy it tries again until then. A POST has five seconds to be answered even if the deadline
        is nearer. `say` is awaited at least every ten seconds. Raises `Failure`: `busy` with nothing submitted,
        `submission_unknown` if no answer is clear by then, or the refusal; `TermsRefused` if the terms do not allow it.
        """
        deadline = max(deadline, anyio.current_time() + ANSWER_PATIENCE)
        say = _sparing(say)
        while True:
            try:
                now, covers = self._now(), arguments_key(plan)
                intent, twin = await self._ledger.claim(draft(plan, now=now), now=now, terms=terms, covers=covers)
            except LedgerError as error:
                raise _not_submitted(error) from error
            try:
                if not twin:
                    return await self._spend(plan, intent, deadline, say)
                settled = await self._join(intent, deadline, say)
            except LedgerError as error:
                raise Failure("submission_unknown", f"{error} {_LOST}", charged="unknown") from error
            if settled.state is State.ACCEPTED:
                return Submitted(await self._task_of(settled), settled, twin=True)
            if settled.failure_kind == "moderated":
                raise Failure("moderated", settled.failure_message or "", retry_safe=False)

    async def resume(self) -> None:
        """Takes up what earlier processes left: follows their tasks, looks for their unclear submits."""
        for intent in await self._ledger.unfinished():
            if intent.task_id is None:
                self._settlements.keep_looking(intent)
            else:
                await self._accepted(Task(task_id=intent.task_id, status=intent.status or "PENDING"))

    async def finish(self, grace: float) -> None:
        """Lets POSTs that are out be answered and written down for `grace` seconds, then gives them up."""
        with anyio.move_on_after(grace, shield=True):
            for attempt in list(self._attempts.values()):
                await attempt.done.wait()
        for attempt in self._attempts.values():
            attempt.scope.cancel()

    async def _spend(self, plan: Plan, intent: Intent, deadline: float, say: Say) -> Submitted:
        request = request_of(plan, intent)
        try:
            while True:
                attempt = self._begin(intent, request, turbo=plan.model.turbo)
                await _await(attempt.done, deadline, say, Waiting("answer"))
                outcome = attempt.outcome
                if isinstance(outcome, Task):
                    return Submitted(outcome, intent, twin=False)
                if outcome is None or isinstance(outcome, SubmitUnclear):
                    settled = await self._join(intent, deadline, say)
                    return Submitted(await self._task_of(settled), settled, twin=False)
                if isinstance(outcome, LedgerError):
                    raise _not_submitted(outcome) from outcome
                if not isinstance(outcome, Busy):
                    raise failure_of(outcome) from outcome
                await self._wait_for_slot(intent, outcome, deadline, say)
        finally:
            if intent.id not in self._attempts:
                await self._withdraw(intent)

    def _begin(self, intent: Intent, request: ExtendRequest, *, turbo: bool) -> _Attempt:
        attempt = self._attempts[intent.id] = _Attempt()
        self._background.start_soon(self._post, attempt, intent, request, turbo)
        return attempt

    async def _post(self, attempt: _Attempt, intent: Intent, request: ExtendRequest, turbo: bool) -> None:  # noqa: FBT001  start_soon passes by position
        with attempt.scope:
            try:
                lease = self._now() + POSTING_LEASE
                await self._ledger.change(intent.id, lambda it: replace(it, state=State.POSTING, lease=lease))
                attempt.outcome = await self._answer(intent, request, turbo=turbo)
                await self._write(intent, attempt.outcome)
            except LedgerError as error:
                attempt.outcome = attempt.outcome or error
                _log.exception("the ledger could not be written during a submit")
            finally:
                del self._attempts[intent.id]
                attempt.done.set()

    async def _answer(self, intent: Intent, request: ExtendRequest, *, turbo: bool) -> Task | RunwayError:
        """What the POST says, or what looking finds while it is awaited: whichever comes first."""
        answer: Task | RunwayError | None = None

        async def post() -> None:
            nonlocal answer
            try:
                answer = await self._client.extend(request, turbo=turbo)
            except RunwayError as error:
                answer = error
            race.cancel_scope.cancel()

        async def search() -> None:
            nonlocal answer
            await anyio.sleep(_LOOK_AFTER)
            while answer is None:
                answer = await self._settlements.find(intent)
                await anyio.sleep(0 if answer else _LOOK_AGAIN)
            race.cancel_scope.cancel()

        async with anyio.create_task_group() as race:
            race.start_soon(post)
            race.start_soon(search)
        return answer or SubmitUnclear("it was cut short")

    async def _write(self, intent: Intent, outcome: Task | RunwayError) -> None:
        if isinstance(outcome, Task):
            try:
                await self._ledger.accept(intent.id, outcome.task_id, outcome.status, adopted=False)
            finally:
                await self._accepted(outcome)
        elif isinstance(outcome, SubmitUnclear):
            unclear = await self._ledger.change(intent.id, lambda it: replace(it, state=State.UNCLEAR))
            self._settlements.keep_looking(unclear)
            await self._settlements.notice(outcome.running)
        elif isinstance(outcome, Busy):
            await self._wait_in_ledger(intent, 0.0)
            await self._settlements.notice(outcome.running)
        else:
            failure = failure_of(outcome)
            refused = {"state": State.REFUSED, "failure_kind": failure.kind, "failure_message": failure.message}
            await self._ledger.change(intent.id, lambda it: replace(it, **refused))

    async def _wait_for_slot(self, intent: Intent, busy: Busy, deadline: float, say: Say) -> None:
        """Waits as long as upstream asks for; raises `busy` if the deadline comes before."""
        shortest, longest = _SLOT_PAUSE
        left = deadline - anyio.current_time() - 1.0
        pause = busy.retry_after or random.uniform(shortest, min(longest, max(shortest, left)))  # noqa: S311  jitter
        if pause > left:
            raise failure_of(busy) from busy
        await self._wait_in_ledger(intent, pause)
        await _await(anyio.Event(), anyio.current_time() + pause, say, Waiting("slot", busy.running))

    async def _wait_in_ledger(self, intent: Intent, pause: float) -> None:
        lease = self._now() + pause + WAITING_LEASE
        await self._ledger.change(intent.id, lambda it: replace(it, state=State.WAITING, lease=lease))

    async def _join(self, intent: Intent, deadline: float, say: Say) -> Intent:
        """Waits until an intent is settled or was withdrawn; raises `Failure` at the deadline.

        Its owner may be another call or another process, living or dead; looking harms none of them.
        """
        next_look = 0.0
        while True:
            standing = await self._ledger.get(intent.id)
            if standing is None or standing.is_settled:
                return standing or replace(intent, state=State.REFUSED)
            attempt, now = self._attempts.get(intent.id), anyio.current_time()
            if attempt is None and standing.state is State.WAITING:
                if standing.lease < self._now():
                    return standing
            elif attempt is None and now >= next_look:
                next_look = now + _LOOK_AGAIN
                with anyio.move_on_after(max(0.0, deadline - now)):
                    if await self._settlements.settle(standing):
                        continue
            if standing.state is State.UNKNOWN or anyio.current_time() >= deadline:
                raise await self._out_of_time(standing)
            until = min(deadline, anyio.current_time() + _LEDGER_PAUSE)
            await _await(attempt.done if attempt else anyio.Event(), until, say, _reason(standing, attempt))

    async def _out_of_time(self, intent: Intent) -> Failure:
        if intent.state is State.WAITING:
            message = "All slots of the account are busy, and the same request is already waiting for one."
            return Failure("busy", message, retry_after=_SLOT_PAUSE[0])
        return await self._settlements.failure(intent)

    async def _withdraw(self, intent: Intent) -> None:
        """Leaves nothing behind of an intent that posted nothing."""
        with anyio.CancelScope(shield=True):
            try:
                await self._ledger.withdraw(intent.id)
            except LedgerError:
                _log.exception("an intent that posted nothing could not be withdrawn; its lease ends by itself")

    async def _task_of(self, intent: Intent) -> Task:
        task_id = intent.task_id or ""
        try:
            return await self._client.task(task_id, patience=2.0)
        except RunwayError:
            return Task(task_id=task_id, status=intent.status or "PENDING")


_LOST = "Whether the submit was accepted is not known; the same call looks for it and never submits it again."


def _not_submitted(error: LedgerError) -> Failure:
    return Failure("unavailable", f"{error} Nothing was submitted.")


def _reason(intent: Intent, attempt: _Attempt | None) -> Waiting:
    if intent.state is State.WAITING:
        return Waiting("slot")
    return Waiting("answer" if attempt else "trace")


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
