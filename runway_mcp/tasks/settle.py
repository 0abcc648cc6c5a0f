"""Settles unclear submits: looks for their tasks, now and in the background, and adopts what is found. Never posts."""

import logging
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

from anyio import sleep

from runway_mcp.runway.errors import RunwayError
from runway_mcp.runway.models import RunningTask, Task
from runway_mcp.tasks.database import LedgerError
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.ground import Ground
from runway_mcp.tasks.intents import LOOKING_SECONDS, Intent, State
from runway_mcp.tasks.terms import iso
from runway_mcp.tasks.traces import among, candidates, look

_log = logging.getLogger(__name__)

# Seconds between two looks in the background: soon at first, since most tasks turn up at once.
_PAUSES = (0.0, 1.0, 2.0, 4.0, 8.0, 15.0)
_LAST_PAUSE = 30.0


class Settlements:
    """The unclear submits of this process and of those that died."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._looking: set[str] = set()

    async def find(self, intent: Intent) -> Task | None:
        """The intent's task if upstream shows it; None also when looking fails, which is no proof of anything."""
        try:
            return await look(self._ground.client, self._ground.ledger, intent)
        except (RunwayError, LedgerError) as error:
            _log.info("looking for an unclear submit failed: %s", error)
            return None

    async def settle(self, intent: Intent) -> bool:
        """Looks and adopts what it finds, unless another intent was quicker: then it looks on; tells whether it did."""
        while (found := await self.find(intent)) is not None:
            if await self._adopt(intent, found):
                return True
        return False

    def hurry(self, intent: Intent) -> None:
        """Looks once, in the background, since something tells that there may be a task."""
        self._ground.background.start_soon(self._look_now, intent)

    async def notice(self, running: Iterable[RunningTask]) -> None:
        """Adopts unclear submits that a 429 happens to name; what it cannot do now, looking does later."""
        with suppress(RunwayError, LedgerError):
            for intent in await self._ground.ledger.unfinished() if running else ():
                found = (
                    await among(self._ground.client, self._ground.ledger, intent, running)
                    if intent.task_id is None
                    else None
                )
                if found is not None:
                    await self._adopt(intent, found)

    def keep_looking(self, intent: Intent) -> None:
        """Looks in the background for ten minutes from the intent on, at least once, then closes it as unknown."""
        if intent.id not in self._looking:
            self._looking.add(intent.id)
            self._ground.background.start_soon(self._keep_looking, intent)

    async def failure(self, intent: Intent) -> Failure:
        """The failure of a submit that may or may not have been accepted, with the tasks that may be it."""
        if intent.state is not State.UNKNOWN:
            message = _LOOKING.format(facts=_facts(intent))
            return Failure("submission_unknown", message, charged="unknown", retry_after=10.0, intent=intent)
        found = await candidates(self._ground.client, self._ground.ledger, intent)
        message = _CLOSED.format(facts=_facts(intent))
        return Failure("submission_unknown", message, charged="unknown", candidates=found, intent=intent)

    async def _look_now(self, intent: Intent) -> None:
        try:
            await self.settle(intent)
        except LedgerError as error:
            _log.warning("%s", error)
        except Exception:  # noqa: BLE001  a crash here would end every other call of the process
            _log.exception("looking for an unclear submit stumbled")

    async def _keep_looking(self, intent: Intent) -> None:
        pauses = iter(_PAUSES)
        try:
            while True:
                await sleep(next(pauses, _LAST_PAUSE))
                try:
                    if await self._is_over(intent):
                        return
                except LedgerError as error:
                    _log.warning("%s", error)
                except Exception:  # noqa: BLE001  a crash here would end every other call of the process
                    _log.exception("looking for an unclear submit stumbled and goes on")
        finally:
            self._looking.discard(intent.id)

    async def _is_over(self, intent: Intent) -> bool:
        """Whether the intent is settled, by this look or otherwise, or closed because its time is over."""
        standing = await self._ground.ledger.get(intent.id)
        if standing is None or standing.is_settled or await self.settle(standing):
            return True
        if self._ground.now() - intent.created < LOOKING_SECONDS:
            return False
        await self._ground.ledger.change(intent.id, _close)
        return True

    async def _adopt(self, intent: Intent, task: Task) -> bool:
        if not await self._ground.ledger.accept(intent.id, task.task_id, task.status, adopted=True):
            return False
        await self._ground.accepted(task)
        return True


def _facts(intent: Intent) -> str:
    """How a person knows the task on Runway's site."""
    return f"On Runway's site it would be a task of seed {intent.seed}, begun at about {iso(intent.created)}."


def _close(intent: Intent) -> Intent:
    return intent if intent.is_settled else replace(intent, state=State.UNKNOWN)


_LOOKING = (
    "Runway's answer to the submit did not arrive: it may have started the task and charged for it. The task is being "
    "looked for. Make the same call again: it only looks and never submits a second time. {facts}"
)
_CLOSED = (
    "Ten minutes of looking did not find the task of this submit, so it is unknown whether Runway accepted and charged "
    "it. The same call looks again and never submits. {facts} Compare the candidates with that; to submit once more on "
    "purpose, give a `seed` of your own choice."
)
