"""What a settled intent answers: its task as upstream tells it now, its film, or the memory of its end."""

import logging
from dataclasses import dataclass

import anyio

from runway_mcp.runway.client import RunwayClient
from runway_mcp.runway.errors import NotFound, RunwayError
from runway_mcp.runway.models import Asset, Task
from runway_mcp.tasks.failures import failed
from runway_mcp.tasks.follow.watcher import Watcher
from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.recall import deleted, remembered_failure, remembered_task
from runway_mcp.tasks.store.ledger import Ledger

_log = logging.getLogger(__name__)

# How long a task is read for its answer, in seconds.
_READING = 2.0
# For so long after its end a film is believed to be there, in seconds.
_FRESH = 60.0
# How long after a first read that found no film a second one has to agree, in seconds.
_SURE = 0.5


@dataclass(frozen=True)
class Submitted:
    """A task that an intent owns; `twin` tells that an earlier submit was returned instead of a second one."""

    task: Task
    intent: Intent
    twin: bool


class Outcomes:
    """Outcomes requests from intents that are settled; reads upstream, never posts."""

    def __init__(self, client: RunwayClient, ledger: Ledger, watcher: Watcher) -> None:
        self._client = client
        self._ledger = ledger
        self._watcher = watcher

    async def told(self, intent: Intent, *, twin: bool) -> Submitted | None:
        """What a settled intent is told as; None for one that was refused and may be tried again."""
        if intent.task_id is not None:
            return Submitted(await self._task(intent, intent.task_id), intent, twin=twin)
        if intent.failure_kind == "moderated":
            raise failed("moderated", intent.failure_message or "", twin=twin)
        return None

    async def _task(self, intent: Intent, task_id: str) -> Task:
        """The task as upstream tells it, or as it was last told where that cannot be read soon.

        Raises `Failure` for a film that is there no more, and for an end without one.
        """
        with anyio.move_on_after(_READING):
            try:
                return await self._with_film(intent, await self._watcher.read(task_id, patience=_READING))
            except NotFound:
                return await self._without_task(intent, task_id)
            except RunwayError as error:
                _log.info("a task that answers a request could not be read: %s", error)
        if (failure := remembered_failure(intent)) is not None:
            raise failure
        return remembered_task(intent, task_id)

    async def _with_film(self, intent: Intent, task: Task) -> Task:
        """The task, if its film is still there; raises `Failure` if it was deleted. A fresh one is believed."""
        if not task.artifacts or intent.ended is None or self._ledger.now() - intent.ended < _FRESH:
            return task
        await self._film(intent, task.artifacts[0].asset_id)
        return task

    async def _without_task(self, intent: Intent, task_id: str) -> Task:
        """What is left of a task that upstream does not know: its film, or the memory of its end."""
        if intent.film is not None:
            film, remembered = await self._film(intent, intent.film.asset_id), remembered_task(intent, task_id)
            return remembered if film is None else remembered.model_copy(update={"artifacts": (film,)})
        if intent.ended is not None:
            raise remembered_failure(intent) or deleted(intent)
        # It may be too fresh for upstream; whoever follows it finds out if it is gone.
        remembered = remembered_task(intent, task_id)
        self._watcher.follow(remembered)
        return remembered

    async def _film(self, intent: Intent, asset_id: str) -> Asset | None:
        """The film, None if it cannot be read; raises `Failure` if it was deleted, which two reads have to say."""
        for pause in (0.0, _SURE):
            await anyio.sleep(pause)
            try:
                return await self._client.asset(asset_id, patience=0)
            except NotFound:
                continue
            except RunwayError as error:
                _log.info("a film that answers a request could not be read: %s", error)
                return None
        raise deleted(intent)
