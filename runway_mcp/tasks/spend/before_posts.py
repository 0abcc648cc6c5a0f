"""Looks before a POST that is not an intent's first, or whose intent was left by an earlier claim."""

from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import replace

import anyio

from runway_mcp.runway.models import Task
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.intents import Intent, State
from runway_mcp.tasks.spend.matching import LookResult
from runway_mcp.tasks.spend.reconcile import Reconciler, forgotten
from runway_mcp.tasks.spend.waiting import Waiter, Waiting
from runway_mcp.tasks.store.protocol import LedgerError, Store

ANSWER_PATIENCE = 5.0
"""The least time for the answer of a POST, or for a look before it, however short the caller's wait, in seconds."""

CERTAIN_SECONDS = 15.0
"""For so long a refused extension is looked for before the same request is paid as a continuation, in seconds."""

# Seconds between two looks for what was refused, and for how long it is looked for.
_LOOK_ON, _UNCERTAIN_SECONDS = 3.0, 300.0
# How long a look may take, and between two of them, in seconds.
_LOOK_PATIENCE, _LOOK_AGAIN = 15.0, 5.0


class LooksBeforePosts:
    """Looks for what earlier POSTs of an intent made; another POST may leave only after one that saw nothing."""

    def __init__(self, ledger: Store, reconciler: Reconciler) -> None:
        self._ledger = ledger
        self._reconciler = reconciler

    async def found(
        self, intent: Intent, deadline: float, waiter: Waiter, *, is_left: bool, is_sure: bool
    ) -> Intent | None:
        """The intent with the task that an earlier POST of it made, or as its new holder left it.

        None if it certainly has no task: then another POST may leave. One that `is_left` is looked for until a look
        succeeds, the deadline (loop's time), or the wait of the `waiter` is cut short. Raises `Failure` if no look was
        complete, if one saw a task that may be its own, or if the ledger has forgotten it; `is_sure` says that an
        earlier look found none.
        """
        while True:
            holds = await self._ledger.keep_waiting(intent.id, intent.claim, seconds=_LOOK_PATIENCE)
            # As it stands: it was claimed before its POST, and only the POST dates it on upstream's clock.
            standing = await self._ledger.find("id", intent.id)
            if standing is None and (is_left or not is_sure):
                raise forgotten(intent)
            if standing is None or not holds:
                return standing
            seconds = min(_LOOK_PATIENCE, max(ANSWER_PATIENCE, deadline - anyio.current_time()))
            seen = await self._seen(standing, seconds)
            if isinstance(seen, Intent):
                return seen
            if seen.proves_none:
                return None
            if seen.alike:
                raise await self._doubted(intent, _ALIKE)
            if not is_left:
                raise Failure("unavailable", _CANNOT_LOOK, charged="no" if is_sure else "unknown")
            if anyio.current_time() + _LOOK_AGAIN > deadline:
                raise await self._doubted(intent, _LEFT)
            if not await waiter.waits(anyio.Event(), anyio.current_time() + _LOOK_AGAIN, Waiting("trace")):
                raise await self._doubted(intent, _LEFT)

    async def accepted_after_all(self, intent_id: str, *, since: float) -> Intent | None:
        """The refused intent of that id with the task that a look finds; None once it surely has none.

        That is after a look that saw nothing, `CERTAIN_SECONDS` after `since` (loop's time). Raises `Failure` if that
        is not certain after five minutes, or the ledger does not know the intent any more, as after a fail-over.
        """
        task: Task | None = None
        while True:
            intent = await self._ledger.find("id", intent_id)
            if intent is None:
                raise Failure("unavailable", _UNCERTAIN)
            if intent.task_id is not None:
                return intent
            begun = anyio.current_time()
            seen = await self._reconciler.look(intent, seconds=_LOOK_PATIENCE)
            # A ledger that cannot be told of a task is told after the next look, whatever that sees.
            task = seen.task or task
            with suppress(LedgerError):
                if task is not None and (adopted := await self._reconciler.adopt(intent, task)) is not None:
                    return adopted
                task = None
            proves_none = seen.proves_none and task is None
            if intent.state is State.REFUSED and proves_none and begun >= since + CERTAIN_SECONDS:
                return None
            if anyio.current_time() >= since + _UNCERTAIN_SECONDS:
                raise Failure("unavailable", _UNCERTAIN)
            await anyio.sleep(_LOOK_ON)

    async def _seen(self, intent: Intent, seconds: float) -> LookResult | Intent:
        """What a look sees of an intent; the intent that owns it if that is its task. Raises `Failure`."""
        while (seen := await self._reconciler.look(intent, seconds=seconds)).task is not None:
            try:
                adopted = await self._reconciler.adopt(intent, seen.task)
            except LedgerError as error:
                raise await self._unadopted(intent, error) from error
            if adopted is not None:
                return adopted
        return seen

    async def _unadopted(self, intent: Intent, error: LedgerError) -> Failure:
        """The failure to be raised where a look has seen the task of an intent, and the ledger cannot be told of it."""
        with suppress(LedgerError):
            return await self._doubted(intent, _SEEN)
        self._reconciler.keep_looking(replace(intent, state=State.UNCLEAR))
        return Failure("submission_unknown", f"{error} {_SEEN}", charged="unknown", intent=intent)

    async def _doubted(self, intent: Intent, why: str) -> Failure:
        """The failure to be raised for a waiting intent that is left unclear: it is looked for, and not posted."""
        await self._ledger.withdraw(intent.id, intent.claim, failure=("submission_unknown", why))
        standing = await self._ledger.find("id", intent.id) or intent
        if standing.state is State.UNCLEAR:
            self._reconciler.keep_looking(standing)
        return await self._reconciler.failure(standing)


_UNCERTAIN = (
    "Runway has refused to extend the clip, and its lists do not show for certain that this made no task; continuing "
    "it submitted nothing. Make the same call later."
)
_CANNOT_LOOK = (
    "An earlier try of this request was refused. Before it is submitted again Runway's lists have to show that it made "
    "no task, and they cannot be read now; this call submitted nothing. Make the same call later."
)
_ALIKE = (
    "Runway shows a task of the same request that no request of this server owns, and not whose it is; this call "
    "submitted nothing. The same call looks again. To submit once more on purpose, give another `seed`."
)
_SEEN = (
    "Runway shows a task of this request, which the ledger could not be told of; this call submitted nothing. The same "
    "call looks again."
)
_LEFT = (
    "This request was left waiting, and meanwhile another server on a copy of the ledger may have submitted it. Before "
    "it is submitted Runway's lists have to show no task of it, and they cannot be read now; this call submitted "
    "nothing. The same call looks again."
)


@contextmanager
def nothing_out(*, is_sure: bool) -> Generator[None]:
    """Tells that nothing was submitted where the ledger fails while no POST is out; passes if that is not `is_sure`."""
    try:
        yield
    except LedgerError as error:
        if not is_sure:
            raise
        raise not_submitted(error) from error


def not_submitted(error: LedgerError) -> Failure:
    """The failure of a call that ends with one of the ledger's before any POST of it can have been accepted."""
    return Failure("unavailable", f"{error} This call submitted nothing.")
