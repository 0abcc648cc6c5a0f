"""Sender of the POST that spends: one at a time per intent, in the background, whatever becomes of its call.

The process awaits each answer, confirms a refusal, records the outcome and has an unclear one reconciled.
"""

import logging
from contextlib import suppress
from dataclasses import dataclass

import anyio

from runway_mcp.logs import said_of
from runway_mcp.runway.errors import Busy, RunwayError, SubmitUnclear
from runway_mcp.runway.models import Submission, Task
from runway_mcp.tasks.failures import failure_of
from runway_mcp.tasks.intents import LOOKING_SECONDS, Intent, State
from runway_mcp.tasks.spend.dependencies import SubmitDependencies
from runway_mcp.tasks.spend.matching import contradicts
from runway_mcp.tasks.spend.reconcile import CONFIRMING_PAUSE, Reconciler
from runway_mcp.tasks.store.protocol import LedgerError

_log = logging.getLogger(__name__)

# Seconds before the first look for the task of an unanswered POST, and between further looks.
_LOOK_AFTER = 10.0
_LOOK_AGAIN = 5.0
# How long a look that confirms a refusal may take, in seconds.
_LOOK_SECONDS = 10.0


class LeaseExpired:
    """The outcome if the lease ended or another holder claimed the intent before its POST: nothing was sent."""


@dataclass(frozen=True)
class Refused:
    """The outcome of a refused POST; `confirmed` if the last of the looks after it shows that there is no task."""

    error: RunwayError
    confirmed: bool


PostOutcome = Task | Refused | SubmitUnclear | LedgerError | LeaseExpired


class Post:
    """A POST in progress; once `done` is set, `outcome` is its task or the reason why there is none.

    `hurried` starts the looks early; cancelling `scope` abandons the POST.
    """

    def __init__(self) -> None:
        self.done = anyio.Event()
        self.hurried = anyio.Event()
        self.scope = anyio.CancelScope(shield=True)
        self.outcome: PostOutcome | None = None


class Posts:
    """The unanswered POSTs of this process, by claim."""

    def __init__(self, dependencies: SubmitDependencies, reconciler: Reconciler) -> None:
        self._dependencies = dependencies
        self._reconciler = reconciler
        self._out: dict[str, Post] = {}

    def of(self, intent: Intent) -> Post | None:
        """The intent's POST while it is out; None otherwise."""
        return self._out.get(intent.claim)

    def begin(self, intent: Intent, submission: Submission) -> Post:
        """Sends the POST of a waiting intent in the background, unless its claim was lost; it outlives the call."""
        post = self._out[intent.claim] = Post()
        self._dependencies.background.start_soon(self._post, post, intent, submission)
        return post

    def look_soon(self, intent: Intent) -> None:
        """Looks at once for the task of a POST that is out, when there is a sign of one."""
        post = self.of(intent)
        if post is not None:
            post.hurried.set()

    async def finish(self, grace: float) -> None:
        """Waits `grace` seconds for POSTs that are out to be answered and recorded, then abandons them."""
        with anyio.move_on_after(grace, shield=True):
            for post in list(self._out.values()):
                await post.done.wait()
        for post in self._out.values():
            post.scope.cancel()

    async def _post(self, post: Post, claimed: Intent, submission: Submission) -> None:
        intent, dependencies = claimed, self._dependencies
        with post.scope, said_of(caller=claimed.caller, intent_id=claimed.id):
            try:
                with dependencies.client.telemetry.apart():
                    begun = await dependencies.ledger.begin_post(
                        claimed.id, claimed.claim, upstream=dependencies.client.upstream_time()
                    )
                    if begun is None:
                        post.outcome = LeaseExpired()
                        return
                    intent = begun
                    outcome = await self._confirmed(intent, await self._answer(post, intent, submission))
                    post.outcome = await self._written(intent, outcome)
                    self._note(intent, post.outcome)
            except LedgerError as error:
                post.outcome = error
            except Exception:  # noqa: BLE001  a crash here would end every other call of the process
                _log.exception("a submit failed with a fault of this server and is looked for")
                post.outcome = post.outcome or SubmitUnclear("a fault of this server")
                self._note(intent, post.outcome)
                self._reconciler.keep_looking(intent)
            finally:
                del self._out[claimed.claim]
                post.done.set()

    def _note(self, intent: Intent, outcome: PostOutcome) -> None:
        """Tells the audit trail of an outcome; it is told of an accepted task when that is adopted.

        An account without a free slot has refused nothing: the submit is made later, or its call says that it was not.
        """
        audit = self._dependencies.audit
        if isinstance(outcome, SubmitUnclear) or (isinstance(outcome, Refused) and not outcome.confirmed):
            audit.unclear(intent)
        elif isinstance(outcome, Refused) and not isinstance(outcome.error, Busy):
            audit.refused(intent, failure_of(outcome.error).kind)

    async def _answer(self, post: Post, intent: Intent, submission: Submission) -> Task | RunwayError:
        """The POST's answer, or the task that a look finds meanwhile, whichever comes first."""
        answer: Task | RunwayError | None = None

        async def send() -> None:
            nonlocal answer
            try:
                told = await self._dependencies.client.submit(submission)
                answer = SubmitUnclear("an answer that tells of another task") if contradicts(told, intent) else told
            except RunwayError as error:
                answer = error
            race.cancel_scope.cancel()

        async def search() -> None:
            nonlocal answer
            with anyio.move_on_after(_LOOK_AFTER):
                await post.hurried.wait()
            while (seen := await self._reconciler.look(intent)).task is None:  # noqa: ASYNC110  no event announces a task
                await anyio.sleep(_LOOK_AGAIN)
            answer = seen.task
            race.cancel_scope.cancel()

        async with anyio.create_task_group() as race:
            race.start_soon(send)
            race.start_soon(search)
        return answer or SubmitUnclear("it was cut short")

    async def _confirmed(self, intent: Intent, answer: Task | RunwayError) -> Task | Refused | SubmitUnclear:
        """A refusal with the result of the looks that confirm it; a task of the intent that a look finds outweighs it.

        A request that never left needs no look. Until confirmed, the ledger keeps the refusal as open, so that a crash
        in between loses nothing.
        """
        if isinstance(answer, Task | SubmitUnclear):
            return answer
        if answer.status is None:
            return Refused(answer, confirmed=True)
        with suppress(LedgerError):
            await self._write_refusal(intent, Refused(answer, confirmed=False))
        confirmed, named = False, answer.running if isinstance(answer, Busy) else ()
        for pause in (0.0, CONFIRMING_PAUSE):
            await anyio.sleep(pause)
            seen = await self._reconciler.look(intent, named=named, seconds=_LOOK_SECONDS)
            if seen.task is not None:
                return seen.task
            confirmed = seen.proves_none
        return Refused(answer, confirmed=confirmed)

    async def _written(self, intent: Intent, outcome: Task | Refused | SubmitUnclear) -> PostOutcome:
        """Records an outcome; if the ledger fails, retries in the background."""
        try:
            outcome = await self._write(intent, outcome)
        except LedgerError as error:
            _log.warning("%s", error)
            self._dependencies.background.start_soon(self._write_later, intent, outcome)
        answer = outcome.error if isinstance(outcome, Refused) else outcome
        if isinstance(answer, Busy | SubmitUnclear):
            await self._reconciler.adopt_named(answer.running)
        return outcome

    async def _write_later(self, intent: Intent, outcome: Task | Refused | SubmitUnclear) -> None:
        give_up = anyio.current_time() + LOOKING_SECONDS
        while anyio.current_time() < give_up:
            await anyio.sleep(_LOOK_AGAIN)
            try:
                await self._write(intent, outcome)
            except LedgerError:
                continue
            except Exception:  # noqa: BLE001  a crash here would end every other call of the process
                _log.exception("the outcome of a submit could not be written down through a fault of this server")
            return

    async def _write(self, intent: Intent, outcome: Task | Refused | SubmitUnclear) -> Task | Refused | SubmitUnclear:
        """Records the outcome of a POST; a task that another intent owns makes it unclear."""
        ledger = self._dependencies.ledger
        if isinstance(outcome, Task):
            try:
                adopted = await self._reconciler.adopt(intent, outcome)
            except LedgerError:
                await self._dependencies.accepted(outcome)
                raise
            if adopted is not None and adopted.task_id == outcome.task_id:
                return outcome
            outcome = SubmitUnclear("an answer that tells of another request's task")
        if isinstance(outcome, SubmitUnclear):
            written = await ledger.answered(intent.id, intent.claim, State.UNCLEAR, posts=intent.posts, looked=False)
        else:
            written = await self._write_refusal(intent, outcome)
        if written is not None and written.state is State.UNCLEAR:
            self._reconciler.keep_looking(written)
        return outcome

    async def _write_refusal(self, intent: Intent, refused: Refused) -> Intent | None:
        """Records a refusal, final once confirmed; a confirmed `Busy` leaves the intent waiting for a slot."""
        told = failure_of(refused.error)
        state, failure = State.UNCLEAR, (told.kind, told.message)
        if isinstance(refused.error, Busy) and refused.confirmed:
            state, failure = State.WAITING, None
        elif refused.confirmed:
            state = State.REFUSED
        return await self._dependencies.ledger.answered(
            intent.id, intent.claim, state, posts=intent.posts, looked=refused.confirmed, failure=failure
        )
