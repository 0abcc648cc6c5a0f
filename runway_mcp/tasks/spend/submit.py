"""Spends once: a request becomes one intent on disk, or is answered by its earlier one.

What a call does here is claim, wait and tell. It posts once, and once more after each answer that the slots are busy,
when a look has found no task. The POST itself belongs to the process (`posting`), so that a call that is cancelled or
out of time leaves it running. An unknown outcome is settled by looking (`settle`).
"""

import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import anyio

from runway_mcp.runway.errors import Busy, RunwayError, SubmitUnclear
from runway_mcp.runway.ids import account_of
from runway_mcp.runway.models import ExtendRequest, RunningTask, Task
from runway_mcp.tasks.failures import Failure, failed, failure_of
from runway_mcp.tasks.follow.watcher import Watcher
from runway_mcp.tasks.intents import Intent, State
from runway_mcp.tasks.policy import SpendPolicy
from runway_mcp.tasks.spend.dependencies import SubmitDependencies
from runway_mcp.tasks.spend.drafts import draft, request_of
from runway_mcp.tasks.spend.outcomes import Outcomes, Submitted
from runway_mcp.tasks.spend.plan import Plan, Wish, key_of
from runway_mcp.tasks.spend.posting import LeaseExpired, Post, PostOutcome, Posts, Refused
from runway_mcp.tasks.spend.reconcile import Reconciler, outcome_failure
from runway_mcp.tasks.spend.refusals import arguments_key
from runway_mcp.tasks.store.database import LedgerError
from runway_mcp.tasks.store.ledger import FREE

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
# How long the running tasks of a full account are read, in seconds.
_READING = 2.0
# How long a look before a POST may take, in seconds.
_LOOK_PATIENCE = 15.0
# How often the ledger is asked for what another process does.
_LEDGER_PAUSE = 0.5


@dataclass(frozen=True)
class Waiting:
    """Why a submit is not settled yet: for a slot (held by `running`), an answer, or a trace of a lost one."""

    reason: Literal["slot", "answer", "trace"]
    running: tuple[RunningTask, ...] = ()


Say = Callable[[Waiting], Awaitable[None]]


class Submissions:
    """The submits that calls ask for, each a POST of its own or answered by an earlier one.

    `callbacks` is the address of our own callbacks, None if upstream cannot reach us.
    """

    def __init__(
        self,
        dependencies: SubmitDependencies,
        reconciler: Reconciler,
        posts: Posts,
        watcher: Watcher,
        *,
        callbacks: str | None = None,
    ) -> None:
        self._dependencies = dependencies
        self._reconciler = reconciler
        self._posts = posts
        self._outcomes = Outcomes(dependencies.client, dependencies.ledger, watcher)
        self._callbacks = callbacks

    async def earlier(self, wish: Wish) -> Intent | None:
        """The intent that answers a wish, found without asking upstream, or None; raises `LedgerError`."""
        return await self._dependencies.ledger.earlier(wish.asset_id, partial(key_of, wish))

    async def answer(
        self, intent: Intent, *, deadline: float, say: Say, patience: float | None = None, twin: bool = True
    ) -> Submitted | None:
        """What the intent of an earlier submit answers, at the latest at `deadline`; None if it came to nothing.

        With a `patience` an unknown outcome is awaited for so many seconds only. `twin` is False for a submit of this
        very call. Raises `Failure` as `submit` does.
        """
        try:
            return await self._outcomes.told(await self._join(intent, deadline, _sparing(say), patience), twin=twin)
        except LedgerError as error:
            raise Failure("submission_unknown", f"{error} {_LOST}", charged="unknown") from error

    async def submit(
        self, plan: Plan, *, deadline: float, say: Say, policy: SpendPolicy = FREE, patience: float | None = None
    ) -> Submitted:
        """Submits a plan once, or answers with its earlier submit, at `deadline` at the latest (event loop's time).

        While all slots are busy it tries again until then. A POST has five seconds to be answered even if the deadline
        is nearer; of another call's POST, an unknown outcome is awaited for `patience` seconds only, if given. `say` is
        awaited at least every ten seconds. Raises `Failure`: `busy` with nothing submitted, `submission_unknown` if no
        answer is clear by then, or the refusal; `PolicyRefused` if the policy do not allow it.
        """
        say, covers = _sparing(say), arguments_key(plan)
        posted: set[str] = set()
        while True:
            try:
                wanted = draft(plan, calls_back=self._callbacks is not None)
                intent, is_earlier = await self._dependencies.ledger.claim(
                    wanted, plan.key, policy=policy, covers=covers, spellings=plan.spellings
                )
            except LedgerError as error:
                raise _not_submitted(error) from error
            if is_earlier:
                twin = intent.id not in posted
                submitted = await self.answer(intent, deadline=deadline, say=say, patience=patience, twin=twin)
            else:
                submitted = await self._spend(plan, intent, deadline, say, posted)
            if submitted is not None:
                return submitted

    async def resume(self) -> None:
        """Takes up what earlier processes left: follows their tasks, looks for their unclear submits."""
        for intent in await self._dependencies.ledger.unfinished():
            if intent.task_id is None:
                self._reconciler.keep_looking(intent)
            else:
                await self._dependencies.accepted(Task(task_id=intent.task_id, status=intent.status or "PENDING"))
        await self._reconciler.look_again()

    async def _spend(self, plan: Plan, intent: Intent, deadline: float, say: Say, posted: set[str]) -> Submitted | None:
        """The task of the intent's one POST; None if nothing was posted and the request has to be claimed again.

        `posted` takes the id of an intent that this call has sent a POST for.
        """
        request = request_of(plan, intent, callbacks=self._callbacks)
        try:
            return await self._posted(intent, request, posted, turbo=plan.model.turbo, deadline=deadline, say=say)
        except LedgerError as error:
            raise Failure("submission_unknown", f"{error} {_LOST}", charged="unknown") from error
        finally:
            if self._posts.of(intent) is None:
                await self._withdraw(intent)

    async def _posted(
        self, intent: Intent, request: ExtendRequest, posted: set[str], *, turbo: bool, deadline: float, say: Say
    ) -> Submitted | None:
        """Posts, and posts again while the slots are busy; every POST but the first follows a look that found none."""
        is_first, is_sure = intent.posts == 0, intent.is_verified
        while True:
            if not is_first and (found := await self._looked_for(intent, deadline, say, is_sure=is_sure)) is not None:
                return await self._outcomes.told(found, twin=found.id not in posted)
            is_first = False
            outcome = await self._sent(intent, request, posted, turbo=turbo, deadline=deadline, say=say)
            match outcome:
                case Task() as task:
                    return Submitted(task, intent, twin=False)
                case None | SubmitUnclear():
                    return await self._settled(await self._join(intent, deadline, say))
                case LeaseExpired():
                    return None
                case LedgerError() as error:
                    raise _not_submitted(error) from error
                case Refused(error=Busy() as busy, confirmed=is_sure):
                    if not await self._wait_for_slot(intent, busy, deadline, say, is_sure=is_sure):
                        return None
                case Refused() as refused:
                    return await self._refused(intent, refused)

    async def _settled(self, intent: Intent) -> Submitted | None:
        """What this call's own POST came to; raises `Failure` for a refusal, which this call does not try again."""
        submitted = await self._outcomes.told(intent, twin=False)
        if submitted is None and intent.state is State.REFUSED and intent.failure_kind is not None:
            raise failed(intent.failure_kind, intent.failure_message or "", intent=intent)
        return submitted

    async def _sent(
        self, intent: Intent, request: ExtendRequest, posted: set[str], *, turbo: bool, deadline: float, say: Say
    ) -> PostOutcome | None:
        """What a POST comes to; None if that is not known in time, which is five seconds at least."""
        post = self._posts.begin(intent, request, turbo=turbo)
        await _await(post.done, max(deadline, anyio.current_time() + ANSWER_PATIENCE), say, Waiting("answer"))
        if not isinstance(post.outcome, LeaseExpired):
            posted.add(intent.id)
        return post.outcome

    async def _refused(self, intent: Intent, refused: Refused) -> Submitted | None:
        """Raises the refusal: surely nothing was charged, or nobody could confirm that yet."""
        if not refused.confirmed:
            standing = await self._dependencies.ledger.get(intent.id) or intent
            if not standing.has_outcome:
                raise await self._reconciler.failure(standing)
            if standing.task_id is not None:
                return await self._outcomes.told(standing, twin=False)
        raise failure_of(refused.error) from refused.error

    async def _looked_for(self, intent: Intent, deadline: float, say: Say, *, is_sure: bool) -> Intent | None:
        """The intent with the task that an earlier POST of it made after all, or as another holder has it.

        None if there is surely no task: then another POST may leave. Raises `Failure` if nobody can look; `is_sure`
        tells that an earlier look found none.
        """
        await say(Waiting("trace"))
        ledger = self._dependencies.ledger
        if not await ledger.keep_waiting(intent.id, intent.claim, seconds=_LOOK_PATIENCE):
            return await ledger.get(intent.id)
        seconds = min(_LOOK_PATIENCE, max(ANSWER_PATIENCE, deadline - anyio.current_time()))
        while (seen := await self._reconciler.look(intent, seconds=seconds)).task is not None:
            adopted = await self._reconciler.adopt(intent, seen.task)
            if adopted is not None:
                return adopted
        if seen.complete:
            return None
        raise Failure("unavailable", _CANNOT_LOOK, charged="no" if is_sure else "unknown")

    async def _wait_for_slot(self, intent: Intent, busy: Busy, deadline: float, say: Say, *, is_sure: bool) -> bool:
        """Waits as long as upstream asks for; raises `busy` if the deadline comes before.

        Returns False if another has claimed the intent.
        """
        shortest, longest = _SLOT_PAUSE
        left = deadline - anyio.current_time() - 1.0
        pause = busy.retry_after or random.uniform(shortest, min(longest, max(shortest, left)))  # noqa: S311  jitter
        running = busy.running or await self._running(intent)
        if pause > left:
            standing = await self._dependencies.ledger.get(intent.id)
            if standing is None or standing.claim != intent.claim or standing.state is not State.WAITING:
                return False
            raise replace(failure_of(busy), running=running, charged="no" if is_sure else "unknown") from busy
        if not await self._dependencies.ledger.keep_waiting(intent.id, intent.claim, seconds=pause):
            return False
        await _await(anyio.Event(), anyio.current_time() + pause, say, Waiting("slot", running))
        return True

    async def _running(self, intent: Intent) -> tuple[RunningTask, ...]:
        """The account's running tasks where a 429 does not name them; none if they cannot be read soon."""
        with anyio.move_on_after(_READING), suppress(RunwayError):
            listed = await self._dependencies.client.scheduler(patience=0)
            return tuple(task for task in listed if account_of(task.task_id) == intent.account)
        return ()

    async def _join(self, intent: Intent, deadline: float, say: Say, patience: float | None = None) -> Intent:
        """Waits until an intent is settled or was withdrawn; raises `Failure` at the deadline.

        Its holder may be another call or another process, living or dead; looking harms none of them.
        """
        next_look, deadline = 0.0, max(deadline, anyio.current_time() + _ONE_LOOK)
        soon = deadline if patience is None else min(deadline, anyio.current_time() + patience)
        while True:
            standing = await self._dependencies.ledger.get(intent.id)
            if standing is None or standing.has_outcome:
                return standing or replace(intent, state=State.REFUSED)
            post, now = self._posts.of(intent), anyio.current_time()
            if standing.state is State.WAITING:
                # Its next POST has as long to be answered as one that is out already.
                soon = deadline if patience is None else min(deadline, now + patience)
            limit = deadline if standing.state is State.WAITING else soon
            if post is None and standing.state is State.WAITING:
                if standing.lease < self._dependencies.ledger.now():
                    return standing
            elif post is None and now >= next_look:
                next_look = now + _LOOK_AGAIN
                with anyio.move_on_after(max(0.0, limit - now)):
                    standing = await self._reconciler.reconcile(standing)
                    if standing.has_outcome:
                        return standing
            if standing.state is State.UNKNOWN or anyio.current_time() >= limit:
                raise await self._out_of_time(standing)
            until = min(limit, anyio.current_time() + _LEDGER_PAUSE)
            await _await(post.done if post else anyio.Event(), until, say, _reason(standing, post))

    async def _out_of_time(self, intent: Intent) -> Failure:
        if intent.state is State.WAITING:
            return replace(outcome_failure(intent), intent=None)
        return await self._reconciler.failure(intent)

    async def _withdraw(self, intent: Intent) -> None:
        """Leaves nothing behind of an intent that posted nothing."""
        with anyio.CancelScope(shield=True):
            try:
                await self._dependencies.ledger.withdraw(intent.id, intent.claim)
            except LedgerError:
                _log.exception("an intent that posted nothing could not be withdrawn; its lease ends by itself")


_CANNOT_LOOK = (
    "An earlier try of this request was refused. Before it is submitted again Runway's lists have to show that it made "
    "no task, and they cannot be read now; this call submitted nothing. Make the same call later."
)
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
