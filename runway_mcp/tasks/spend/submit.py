"""Submission of a plan: claims one intent and posts it once, or returns the outcome of an earlier one.

After a 429 it posts again, after a look that found no task. The POST runs in the background (`posting`), so that no
cancelled or late call stops it; an unknown outcome is reconciled (`reconcile`).
"""

import logging
from contextlib import nullcontext, suppress
from dataclasses import replace
from functools import partial

import anyio

from runway_mcp.runway.errors import Busy, SubmitUnclear
from runway_mcp.runway.models import Extension, Submission, Task
from runway_mcp.tasks.catalogue import CreateModel
from runway_mcp.tasks.failures import Failure, failed, failure_of
from runway_mcp.tasks.follow.unfinished import follow_unfinished
from runway_mcp.tasks.follow.watcher import Watcher
from runway_mcp.tasks.intents import AUTO, WAITING_LEASE, Intent, State
from runway_mcp.tasks.policy import FREE, SpendPolicy
from runway_mcp.tasks.spend.audit import Audit
from runway_mcp.tasks.spend.before_posts import ANSWER_PATIENCE, LooksBeforePosts, not_submitted, nothing_out
from runway_mcp.tasks.spend.continuation import continuation_key
from runway_mcp.tasks.spend.dependencies import SubmitDependencies
from runway_mcp.tasks.spend.drafts import draft, identified, submission_of
from runway_mcp.tasks.spend.outcome_waits import OutcomeWaits
from runway_mcp.tasks.spend.outcomes import Outcomes, Submitted
from runway_mcp.tasks.spend.plan import Plan, key_of
from runway_mcp.tasks.spend.posting import LeaseExpired, PostOutcome, Posts, Refused
from runway_mcp.tasks.spend.preparing import Prepare, prepared
from runway_mcp.tasks.spend.priced import PricedRequest
from runway_mcp.tasks.spend.reconcile import Reconciler
from runway_mcp.tasks.spend.refusals import arguments_key
from runway_mcp.tasks.spend.waiting import Say, Waiter, Waiting, Within, throttled, wait_for, wait_for_slot
from runway_mcp.tasks.store.leases import GIVING_BACK_SECONDS
from runway_mcp.tasks.store.protocol import LedgerError
from runway_mcp.tasks.transitions import Selection

__all__ = ["ANSWER_PATIENCE", "Say", "Submissions", "Submitted", "Waiting"]

_log = logging.getLogger(__name__)


class Submissions:
    """Submits plans, each by a POST of its own or by the outcome of an earlier submit.

    `callbacks` is the address of this server's callbacks; None if upstream cannot reach it.
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
        self._watcher = watcher
        self._outcomes = Outcomes(dependencies.client, dependencies.ledger, watcher)
        self._callbacks = callbacks
        self._looks = LooksBeforePosts(dependencies.ledger, reconciler)
        self._waits = OutcomeWaits(dependencies, reconciler, posts)
        self._left: set[str] = set()

    @property
    def audit(self) -> Audit:
        """What is told each outcome."""
        return self._dependencies.audit

    async def earlier(self, asked: Extension, *, caller: str, model: CreateModel | None = None) -> Intent | None:
        """The intent of which a caller's request is a duplicate, from the ledger alone; raises `LedgerError`.

        Without a `model` it is a request to extend, else one to continue with that model.
        """
        key = partial(continuation_key, asked, model) if model is not None else partial(key_of, asked)
        key = partial(key, caller=caller)
        return await self._dependencies.ledger.earlier(asked.asset_id, key)

    async def answer(
        self,
        intent: Intent,
        *,
        deadline: float,
        say: Say,
        patience: float | None = None,
        twin: bool = True,
        within: Within = nullcontext,
    ) -> Submitted | None:
        """The outcome of an intent, at `deadline` at the latest; None if it may be submitted again.

        `patience` limits the wait for an unknown outcome, in seconds. `twin` is False for a submit of this very call;
        `within` as for `submit`. Raises `Failure` as `submit` does.
        """
        waiter = Waiter(throttled(say), within)
        try:
            return await self._outcomes.told(await self._waits.outcome(intent, deadline, waiter, patience), twin=twin)
        except LedgerError as error:
            raise Failure("submission_unknown", f"{error} {_LOST}", charged="unknown") from error

    async def submit(
        self,
        plan: Plan,
        *,
        caller: str,
        deadline: float,
        say: Say,
        policy: SpendPolicy = FREE,
        patience: float | None = None,
        within: Within = nullcontext,
    ) -> Submitted:
        """Submits a caller's plan once, or returns its earlier submit's outcome, by `deadline` (event loop's time).

        While all slots are busy it tries again until then. A POST has five seconds to be answered even past the
        deadline; `patience` limits the wait for an unknown outcome of another call's POST, in seconds. `say` is awaited
        at least every ten seconds; a wait that `within` cuts short ends as at the deadline. Raises `PolicyRefused` and
        `Failure`: `busy` with nothing submitted, `submission_unknown` if the outcome is unknown then, or the refusal.
        """
        waiter, posted = Waiter(throttled(say), within), set[str]()
        while True:
            intent, is_earlier = await self.claim(plan, caller=caller, policy=policy)
            if is_earlier and intent.step(AUTO) is not None:
                raise Failure("invalid_request", _CONTINUED, unextendable=_CONTINUED)
            if is_earlier:
                twin = intent.claim not in posted
                answer = self.answer(
                    intent, deadline=deadline, say=waiter.say, patience=patience, twin=twin, within=within
                )
                submitted = await (self.audit.repeated(intent, answer) if twin else answer)
            else:
                submission = submission_of(plan, intent, callbacks=self._callbacks)
                submitted = await self._spend(intent, submission, deadline, waiter, posted)
            if submitted is not None:
                return submitted

    async def claim(self, plan: PricedRequest, *, caller: str, policy: SpendPolicy = FREE) -> tuple[Intent, bool]:
        """A caller's intent of a plan, as `Store.claim` gives it; raises `PolicyRefused` and `Failure`."""
        upstream = self._dependencies.client.upstream_time()
        drafted = draft(plan, caller=caller, calls_back=self._callbacks is not None, upstream=upstream)
        try:
            with self._dependencies.client.telemetry.claim() as operation:
                intent, is_earlier = await self._dependencies.ledger.claim(
                    drafted,
                    plan.key(caller),
                    policy=policy,
                    covers=arguments_key(plan, caller),
                    spellings=plan.spellings,
                    rivals=plan.rivals(caller),
                )
                operation.of_task(intent.task_id)
        except LedgerError as error:
            raise not_submitted(error) from error
        # A surely refused POST is looked for anyway, so only other intents that are claimed again count as left.
        if not is_earlier and intent.id != drafted.id and not (intent.posts and intent.looked):
            self._left.add(intent.claim)
        return intent, is_earlier

    async def accepted_after_all(self, intent_id: str, *, since: float) -> Intent | None:
        """As `LooksBeforePosts.accepted_after_all`."""
        return await self._looks.accepted_after_all(intent_id, since=since)

    def is_left(self, intent: Intent) -> bool:
        """Whether an intent that is claimed here was left by an earlier claim.

        The ledger may be a copy by then, and another server may have posted for it: it is looked for before any POST.
        """
        return intent.claim in self._left

    async def spend(
        self, plan: PricedRequest, intent: Intent, *, prepare: Prepare, deadline: float, say: Say
    ) -> Submitted | None:
        """Prepares a claimed intent and posts it once; None if nothing was posted and it has to be claimed again.

        A preparation that fails withdraws the intent with that failure, at no cost. One that is cancelled leaves it
        waiting, its lease ended, for whoever claims it next. Raises `Failure` as `submit` does.
        """
        try:
            submission = await self._prepared(intent, prepare)
            if submission is None:
                return None
            whole = identified(submission, plan, intent, callbacks=self._callbacks)
            return await self._spend(intent, whole, deadline, Waiter(throttled(say)), set(), stays=True)
        finally:
            self._left.discard(intent.claim)

    async def _prepared(self, intent: Intent, prepare: Prepare) -> Submission | None:
        """The submission of a prepared intent; None if it has to be claimed again."""
        try:
            return await prepared(self._dependencies.ledger, intent, prepare)
        except Failure as failure:
            await self._withdraw(intent, (failure.kind, failure.message))
            self.audit.refused(intent, failure.kind)
            raise
        except LedgerError as error:
            raise not_submitted(error) from error
        except anyio.get_cancelled_exc_class():
            await self._leave(intent)
            raise
        except Exception:
            # Left waiting it would be prepared, and would crash, again and again.
            await self._withdraw(intent, ("unexpected_response", _CRASHED))
            raise

    async def follow_unfinished(self, *, followed_too: bool = False) -> list[Intent]:
        """As the function of that name, with the tasks of this ledger."""
        dependencies = self._dependencies
        return await follow_unfinished(
            dependencies.ledger, self._watcher, dependencies.taken_up, followed_too=followed_too
        )

    async def resume(self) -> None:
        """Follows the tasks, and looks for the unclear submits, that earlier processes left; raises `LedgerError`.

        What raises has begun nothing that would be begun twice when this is done again.
        """
        closed = await self._dependencies.ledger.select(Selection.CLOSED_LATELY)
        for intent in await self.follow_unfinished(followed_too=True):
            self._reconciler.keep_looking(intent)
        for intent in closed:
            self._reconciler.look_soon(intent)

    async def _spend(
        self,
        intent: Intent,
        submission: Submission,
        deadline: float,
        waiter: Waiter,
        posted: set[str],
        *,
        stays: bool = False,
    ) -> Submitted | None:
        """The task of the intent's POST; None if nothing was posted and the request has to be claimed again.

        Adds the intent's claim to `posted` once this call has sent a POST for it. With `stays` a cancelled call leaves
        the intent waiting.
        """
        withdraws, doubt = True, None
        try:
            return await self._posted(intent, submission, posted, deadline=deadline, waiter=waiter)
        except LedgerError as error:
            raise Failure("submission_unknown", f"{error} {_LOST}", charged="unknown") from error
        except Failure as failure:
            # What a look has seen, and the ledger could not be told of at once, is looked for and not refused.
            doubt = (failure.kind, failure.message) if failure.kind == "submission_unknown" else None
            raise
        except anyio.get_cancelled_exc_class():
            withdraws = not stays
            raise
        finally:
            if self._posts.of(intent) is None:
                await (self._withdraw(intent, doubt) if withdraws else self._leave(intent))
            self._left.discard(intent.claim)

    async def _posted(
        self, intent: Intent, submission: Submission, posted: set[str], *, deadline: float, waiter: Waiter
    ) -> Submitted | None:
        """Posts, and again while the slots are busy; every POST but the first follows a look that found no task.

        So does the first one of an intent that was left.
        """
        is_first, is_sure = intent.posts == 0 and not self.is_left(intent), intent.is_verified
        while True:
            if not is_first and (found := await self._found(intent, deadline, waiter, is_sure=is_sure)) is not None:
                return await self._outcomes.told(found, twin=found.claim not in posted)
            await self._check_may_spend(intent, is_sure=is_first or is_sure)
            is_first = False
            outcome = await self._sent(intent, submission, posted, deadline=deadline, waiter=waiter)
            match outcome:
                case Task() as task:
                    return Submitted(task, intent, twin=False)
                case None | SubmitUnclear():
                    return await self._own_outcome(await self._waits.outcome(intent, deadline, waiter))
                case LeaseExpired():
                    return None
                case LedgerError() as error:
                    raise not_submitted(error) from error
                case Refused(error=Busy() as busy, confirmed=is_sure):
                    with nothing_out(is_sure=is_sure):
                        holds = await wait_for_slot(
                            self._dependencies, intent, busy, deadline=deadline, waiter=waiter, is_sure=is_sure
                        )
                    if not holds:
                        return None
                case Refused() as refused:
                    return await self._refused(intent, refused)

    async def _check_may_spend(self, intent: Intent, *, is_sure: bool) -> None:
        """Withdraws an intent whose caller may not spend any more, and raises that `Failure`."""
        if not self._dependencies.may_spend(intent.caller):
            await self._withdraw(intent, ("unauthorized", _NO_MORE))
            raise Failure("unauthorized", _NO_MORE, charged="no" if is_sure else "unknown")

    async def _own_outcome(self, intent: Intent) -> Submitted | None:
        """The outcome of this call's own POST; raises `Failure` for a refusal, which this call does not try again."""
        submitted = await self._outcomes.told(intent, twin=False)
        if submitted is None and intent.state is State.REFUSED and intent.failure_kind is not None:
            raise failed(intent.failure_kind, intent.failure_message or "", intent=intent, refused=intent.id)
        return submitted

    async def _sent(
        self, intent: Intent, submission: Submission, posted: set[str], *, deadline: float, waiter: Waiter
    ) -> PostOutcome | None:
        """The outcome of a POST; None if unknown by the deadline, or after five seconds if that is later."""
        post = self._posts.begin(intent, submission)
        await wait_for(post.done, anyio.current_time() + ANSWER_PATIENCE, waiter.say, Waiting("answer"))
        await waiter.waits(post.done, deadline, Waiting("answer"))
        if not isinstance(post.outcome, LeaseExpired):
            posted.add(intent.claim)
        return post.outcome

    async def _refused(self, intent: Intent, refused: Refused) -> Submitted | None:
        """Raises the refusal as a `Failure`, or returns the task that a later look found after all."""
        if not refused.confirmed:
            standing = await self._dependencies.ledger.find("id", intent.id) or intent
            if not standing.has_outcome:
                raise await self._reconciler.failure(standing)
            if standing.task_id is not None:
                return await self._outcomes.told(standing, twin=False)
        raise replace(failure_of(refused.error), refused=intent.id) from refused.error

    async def _found(self, intent: Intent, deadline: float, waiter: Waiter, *, is_sure: bool) -> Intent | None:
        """As `LooksBeforePosts.found`."""
        await waiter.say(Waiting("trace"))
        is_left = self.is_left(intent)
        with nothing_out(is_sure=is_sure and not is_left):
            return await self._looks.found(intent, deadline, waiter, is_left=is_left, is_sure=is_sure)

    async def _leave(self, intent: Intent) -> None:
        """Ends the lease of an intent that never posted and goes on waiting; from now on it is not posted here.

        One that posted before keeps its lease: upstream asked for a pause, and its lists may show late what it made.
        """
        with anyio.move_on_after(GIVING_BACK_SECONDS, shield=True), suppress(LedgerError):
            standing = await self._dependencies.ledger.find("id", intent.id)
            if standing is not None and standing.posts == 0:
                await self._dependencies.ledger.keep_waiting(intent.id, intent.claim, seconds=-WAITING_LEASE)

    async def _withdraw(self, intent: Intent, failure: tuple[str, str] | None = None) -> None:
        """Withdraws an intent that posted nothing."""
        with anyio.CancelScope(shield=True):
            try:
                await self._dependencies.ledger.withdraw(intent.id, intent.claim, failure=failure)
            except LedgerError:
                _log.exception("an intent without a POST that is out could not be withdrawn; its lease ends by itself")


_CRASHED = "The film could not be prepared through a fault of this server; nothing was submitted or charged."
_CONTINUED = "it was continued meanwhile, by the same request"
_NO_MORE = (
    "This caller may not spend any more: whoever runs this server took that back before the request was submitted, so "
    "it was not."
)
_LOST = "Whether the submit was accepted is not known; the same call looks for it first, and never pays for it twice."
