"""Reconciler of submits with an unknown outcome: looks for their tasks and adopts them; never posts."""

import logging
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

import anyio
from anyio import sleep

from runway_mcp.runway.errors import RunwayError
from runway_mcp.runway.models import RunningTask, Task
from runway_mcp.tasks.failures import Failure, failed
from runway_mcp.tasks.intents import OPEN, Intent, State, next_lapse
from runway_mcp.tasks.policy import iso
from runway_mcp.tasks.spend.dependencies import SubmitDependencies
from runway_mcp.tasks.spend.matching import LookResult, among, candidates, look
from runway_mcp.tasks.store.leases import give_back
from runway_mcp.tasks.store.protocol import LedgerError
from runway_mcp.tasks.transitions import Selection

_log = logging.getLogger(__name__)

LONGEST_LOOK = 120.0
"""How long a look may take, in seconds; it may read several pages of a slow upstream."""

CONFIRMING_PAUSE = 2.0
"""Seconds between the two looks that confirm a refusal: a proxy may have repeated the POST."""

# Seconds between two looks in the background: short at first, since most tasks appear at once.
_PAUSES = (0.0, 1.0, 2.0, 4.0, 8.0, 15.0)
_LAST_PAUSE = 30.0
# For how long a server that looks for a submit has it to itself, in seconds: more than a pause and a usual look.
_LOOKER_SECONDS = 60.0
# Seconds between two checks of the ledger for intents that others abandoned; fewer where a lease lapses before.
_SWEEP_PAUSE = 15.0


class Reconciler:
    """Reconciles submits of unknown outcome, of this process and of dead ones."""

    def __init__(self, dependencies: SubmitDependencies) -> None:
        self._dependencies = dependencies
        self._looking: set[str] = set()

    async def look(
        self, intent: Intent, *, named: Iterable[RunningTask] = (), seconds: float = LONGEST_LOOK
    ) -> LookResult:
        """Looks once for an intent's task, for `seconds` at most; a failing ledger makes the look incomplete.

        `named` are running tasks that an answer listed.
        """
        with anyio.move_on_after(seconds):
            try:
                return await look(self._dependencies.client, self._dependencies.ledger, intent, named)
            except (RunwayError, LedgerError) as error:
                _log.info("looking for a submit failed: %s", error)
        return LookResult(None, complete=False)

    async def adopt(self, intent: Intent, task: Task) -> Intent | None:
        """Makes the intent own a task, and returns it; None if another intent owns the task."""
        # If cancelled in between, the task would be owned but not followed.
        with anyio.CancelScope(shield=True):
            adopted = await self._dependencies.ledger.accept(intent.id, task.task_id, task.status)
            if adopted is not None and adopted.task_id == task.task_id:
                await self._dependencies.accepted(task)
            return adopted

    async def reconcile(self, intent: Intent) -> Intent:
        """Looks, records the result and returns the intent as it then stands; raises `LedgerError`.

        A refusal that is not confirmed yet needs two looks, two seconds apart. A task that another intent adopted
        meanwhile is skipped.
        """
        seen = LookResult(None, complete=False)
        for pause in (0.0,) if intent.failure_kind is None else (0.0, CONFIRMING_PAUSE):
            await sleep(pause)
            while (seen := await self.look(intent)).task is not None:
                adopted = await self.adopt(intent, seen.task)
                if adopted is not None:
                    return adopted
        looked = await self._dependencies.ledger.looked(intent, complete=seen.complete, alike=seen.alike)
        if looked is not None and looked.state is not intent.state:
            self._note(looked)
        return looked or intent

    def _note(self, intent: Intent) -> None:
        """Tells the audit trail of what a look has decided."""
        if intent.state is State.REFUSED:
            self._dependencies.audit.refused(intent, intent.failure_kind or "not found")
        elif intent.state is State.UNKNOWN:
            self._dependencies.audit.closed(intent)

    def look_soon(self, intent: Intent) -> None:
        """Reconciles once in the background: when there is a sign of a task, at a start what was closed lately."""
        self._dependencies.background.start_soon(self._reconcile_safely, intent)

    async def adopt_named(self, running: Iterable[RunningTask]) -> None:
        """Adopts tasks of unclear submits that a 429 names; failures are left to later looks."""
        with suppress(RunwayError, LedgerError):
            unfinished = await self._dependencies.ledger.select(Selection.UNFINISHED) if running else []
            for intent in reversed(unfinished):
                if intent.task_id is None:
                    found = await among(self._dependencies.client, self._dependencies.ledger, intent, running)
                    if found is not None:
                        await self.adopt(intent, found)

    def keep_looking(self, intent: Intent) -> None:
        """Looks in the background, at least once, until the outcome is known or the intent is closed."""
        if intent.id not in self._looking:
            self._looking.add(intent.id)
            self._dependencies.background.start_soon(self._keep_looking, intent)

    async def sweep(self) -> None:
        """Reconciles, for the process's lifetime, intents that other processes left with a POST of unknown outcome."""
        pause = _SWEEP_PAUSE
        while True:
            await sleep(pause)
            pause = _SWEEP_PAUSE
            try:
                for intent in await self._dependencies.ledger.orphans():
                    self.keep_looking(intent)
                ledger = self._dependencies.ledger
                held = [*await ledger.select(Selection.UNFINISHED), *await ledger.select(Selection.WAITING)]
                posted = [each for each in held if each.state is State.POSTING or _is_reposted(each)]
                pause = next_lapse(posted, ledger.now(), most=_SWEEP_PAUSE)
            except LedgerError as error:
                _log.warning("%s", error)
            except Exception:  # noqa: BLE001  a crash here would end every other call of the process
                _log.exception("looking for what other processes left failed with a fault of this server")

    async def failure(self, intent: Intent) -> Failure:
        """The failure of a submit of unknown outcome, with candidate tasks once the intent is closed."""
        failure = outcome_failure(intent)
        if intent.state is not State.UNKNOWN:
            return failure
        return replace(
            failure, candidates=await candidates(self._dependencies.client, self._dependencies.ledger, intent)
        )

    async def _reconcile_safely(self, intent: Intent) -> Intent | None:
        """As `reconcile`, in the background: logs every error, so that nothing else ends, and returns what was given.

        None if the ledger does not know the intent any more.
        """
        try:
            standing = await self._dependencies.ledger.find("id", intent.id)
            return standing if standing is None or standing.has_outcome else await self.reconcile(standing)
        except LedgerError as error:
            _log.warning("%s", error)
        except Exception:  # noqa: BLE001  a crash here would end every other call of the process
            _log.exception("looking for a submit failed with a fault of this server")
        return intent

    async def _is_ours(self, intent: Intent) -> bool:
        """Whether no server on another machine looks for it; if that one ends, a later sweep takes it up here."""
        replicas = self._dependencies.ledger.replicas
        try:
            return replicas is None or await replicas.take(_lease(intent), seconds=_LOOKER_SECONDS) <= 0
        except LedgerError as error:
            _log.warning("%s", error)
            return True

    async def _keep_looking(self, intent: Intent) -> None:
        pauses = iter(_PAUSES)
        try:
            while True:
                await sleep(next(pauses, _LAST_PAUSE))
                if not await self._is_ours(intent):
                    return
                standing = await self._reconcile_safely(intent)
                if standing is None or standing.state not in OPEN or standing.state is State.UNKNOWN:
                    return
        finally:
            try:
                if (replicas := self._dependencies.ledger.replicas) is not None:
                    await give_back(replicas, _lease(intent))
            finally:
                self._looking.discard(intent.id)


def _is_reposted(intent: Intent) -> bool:
    """Whether it waits for a further POST, and an earlier one may have made a task."""
    return intent.state is State.WAITING and not intent.is_verified


def _lease(intent: Intent) -> str:
    return f"look:{intent.id}"


def outcome_failure(intent: Intent) -> Failure:
    """The failure that an intent without a known outcome stands for, from the ledger alone."""
    if intent.state is State.WAITING:
        return failed("busy", _WAITING, retry_after=10.0, intent=intent)
    if intent.state is State.UNKNOWN:
        words = (_CLOSED if intent.looked else _BLIND).format(facts=_facts(intent))
        return Failure("submission_unknown", words, charged="unknown", retry="after_change", intent=intent)
    if intent.failure_kind == "submission_unknown":
        words = f"{intent.failure_message or ''} {_facts(intent)}".strip()
        return Failure("submission_unknown", words, charged="unknown", retry="now", intent=intent)
    if intent.failure_kind is not None:
        moderated = intent.failure_kind == "moderated"
        message = f"{intent.failure_message or _BUSY} {_UNCONFIRMED}{'' if moderated else _LOOKS_FIRST}"
        retry = None if moderated else "later"
        return failed(intent.failure_kind, message, charged="unknown", retry=retry, intent=intent)
    message = _LOOKING.format(facts=_facts(intent))
    return Failure("submission_unknown", message, charged="unknown", retry_after=10.0, intent=intent)


def forgotten(intent: Intent) -> Failure:
    """The failure of a submit whose intent the ledger does not know any more.

    No row is ever deleted, and a claim would now find nothing of which it could be a duplicate.
    """
    words = _FORGOTTEN.format(facts=_facts(intent))
    return Failure("submission_unknown", words, charged="unknown", retry="after_change")


def _facts(intent: Intent) -> str:
    """How the user can identify the task on Runway's site."""
    return f"On Runway's site it would be a task of seed {intent.seed}, begun at about {iso(intent.created)}."


_FORGOTTEN = (
    "The ledger does not know this request any more, as after a fail-over to a server that lacks it, so it is unknown "
    "whether Runway accepted and charged it, and nothing was submitted again. Look for its task on Runway's site "
    "before you make the same call: it would be a new request. {facts}"
)
_LOOKING = (
    "Runway's answer to the submit did not arrive: it may have started the task and charged for it. The task is being "
    "looked for. Make the same call again: it only looks and never submits a second time. {facts}"
)
_ON_PURPOSE = "The same call looks again and never submits. {facts} Compare the candidates with that; to submit once "
_CLOSED = (
    "Looking for ten minutes and more did not find the task of this submit, so it is unknown whether Runway accepted "
    f"and charged it. {_ON_PURPOSE}more on purpose, give another `seed`."
)
_BLIND = (
    "For a day nobody could look for the task of this submit, since Runway's lists could not be read, so it is unknown "
    f"whether Runway accepted and charged it. {_ON_PURPOSE}more on purpose, give another `seed`."
)
_WAITING = "All slots of the account are busy, and the same request is already waiting for one."
_BUSY = "All slots of the account were busy."
_UNCONFIRMED = (
    "That answer is not confirmed: Runway's lists are still looked through, cannot be read or show a task that may be "
    "this one, so it may have been started and charged all the same."
)
_LOOKS_FIRST = " Make the same call later: it looks first, and submits only if there is none."
