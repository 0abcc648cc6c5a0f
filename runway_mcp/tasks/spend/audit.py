"""The audit trail: one line in the log for each outcome of a submit; who was charged for what can be read there.

Where figures are wanted, outcomes are counted here too: calls that are cut off, or handed over, tell none in a result.
"""

import logging
from collections.abc import Awaitable
from contextlib import AbstractContextManager
from typing import Final, TypeVar

from runway_mcp.logs import SPENDS, said_of
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.intents import Intent
from runway_mcp.telemetry import Meter

_log = logging.getLogger(SPENDS)
_T = TypeVar("_T")

MOST_REMEMBERED: Final = 10_000
"""Of how many outcomes it is known that they were told; several looks may find the same one."""


class Audit:
    """Tells each outcome once, to the log and a `meter`.

    A submit of unknown outcome is told of as such, and again when that is known.
    """

    def __init__(self, meter: Meter | None = None) -> None:
        self._told: dict[tuple[str, ...], None] = {}
        self._meter = meter

    def accepted(self, intent: Intent | None, task_id: str) -> None:
        """A task was started; the intent is None if the ledger cannot tell it."""
        cost = intent.cost if intent is not None else "an unknown number of"
        if self._is_new("accepted", task_id):
            with _about(intent, task=task_id):
                _log.info("a task was accepted: about %s credits", cost)
            self._count("accepted", intent.cost if intent is not None else 0)

    def refused(self, intent: Intent, kind: str) -> None:
        """Nothing was started; `kind` says why."""
        if self._is_new("refused", intent.id, intent.claim, str(intent.posts)):
            with _about(intent):
                _log.info("a submit was refused: %s", kind)
            self._count("refused")

    def unclear(self, intent: Intent) -> None:
        """Whether a task was started is not known, and is looked for."""
        if self._is_new("unclear", intent.id, intent.claim, str(intent.posts)):
            with _about(intent):
                _log.info("a submit is unclear: about %s credits", intent.cost)
            self._count("unclear")

    def closed(self, intent: Intent) -> None:
        """Whether a task was started is not known, and is not looked for any more."""
        if self._is_new("closed", intent.id, intent.claim):
            with _about(intent):
                _log.info("a submit stays unclear: about %s credits", intent.cost)
            self._count("unknown")

    async def repeated(self, intent: Intent, answer: Awaitable[_T | None]) -> _T | None:
        """What answers a repeat of a request by its earlier intent; told, unless it is None and the request goes on.

        Raises the `Failure` that it ends with.
        """
        try:
            answered = await answer
        except Failure as failure:
            self._answered(intent, failure.kind)
            raise
        if answered is not None:
            self._answered(intent)
        return answered

    def _answered(self, intent: Intent, kind: str = "") -> None:
        """A call was answered by an earlier submit, at no cost."""
        with _about(intent, task=intent.task_id or ""):
            _log.info("a twin was answered: no credits")
        # Waiting for a slot the earlier one has come to nothing, which its calls are counted as.
        if kind != "busy":
            self._count("twin")

    def _count(self, outcome: str, cost: int = 0) -> None:
        if self._meter is not None:
            self._meter.submitted(outcome, cost)

    def _is_new(self, *outcome: str) -> bool:
        if outcome in self._told:
            return False
        self._told[outcome] = None
        while len(self._told) > MOST_REMEMBERED:
            del self._told[next(iter(self._told))]
        return True


def _about(intent: Intent | None, **more: str) -> AbstractContextManager[None]:
    own = {} if intent is None else {"caller": intent.caller, "intent_id": intent.id}
    return said_of(**own, **more)
