"""What a call returns for a submitted intent: its task as upstream reports it, its film, or its recorded end."""

import logging
from dataclasses import dataclass

import anyio

from runway_mcp.runway.client import RunwayClient
from runway_mcp.runway.errors import NotFound, RunwayError
from runway_mcp.runway.models import Asset, Task
from runway_mcp.tasks.failures import failed
from runway_mcp.tasks.follow.watcher import Watcher
from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.recall import deleted, known_end, remembered_failure, remembered_task
from runway_mcp.tasks.store.protocol import Store

_log = logging.getLogger(__name__)

# How long reading the task and its film may take, in seconds.
_READING = 2.0
# How long after its task's end a film is assumed to exist, in seconds.
_FRESH = 60.0
# The pause in seconds before a second read has to confirm that a film is gone.
_SURE = 0.5


@dataclass(frozen=True)
class Submitted:
    """A task and the intent that owns it; `twin` says that the intent is of an earlier submit."""

    task: Task
    intent: Intent
    twin: bool


class Outcomes:
    """Answers calls from intents of known outcome; reads upstream, never posts."""

    def __init__(self, client: RunwayClient, ledger: Store, watcher: Watcher) -> None:
        self._client = client
        self._ledger = ledger
        self._watcher = watcher

    async def told(self, intent: Intent, *, twin: bool) -> Submitted | None:
        """The task of an intent of known outcome; None for a refused one that may be tried again.

        Raises `Failure` if it was moderated, if its film was deleted, or if its task ended without a film.
        """
        if intent.task_id is not None:
            return Submitted(await self._task(intent, intent.task_id), intent, twin=twin)
        if intent.failure_kind == "moderated":
            raise failed("moderated", intent.failure_message or "", twin=twin)
        return None

    async def _task(self, intent: Intent, task_id: str) -> Task:
        """The task as upstream reports it, or as last recorded.

        That is if it cannot be read in two seconds, or if its end is recorded and what was read is older. Raises
        `Failure` for a deleted film and for an end without a film.
        """
        with anyio.move_on_after(_READING):
            try:
                task = await self._watcher.read(task_id, patience=_READING)
                if task.is_terminal or known_end(intent, task_id) is None:
                    return await self._with_film(intent, task)
            except NotFound:
                return await self._without_task(intent, task_id)
            except RunwayError as error:
                _log.info("a task that answers a request could not be read: %s", error)
        if (failure := remembered_failure(intent)) is not None:
            raise failure
        return remembered_task(intent, task_id)

    async def _with_film(self, intent: Intent, task: Task) -> Task:
        """The task; raises `Failure` if its film was deleted, which is not checked within a minute of its end."""
        if not task.artifacts or intent.ended is None or self._ledger.now() - intent.ended < _FRESH:
            return task
        await self._film(intent, task.artifacts[0].asset_id)
        return task

    async def _without_task(self, intent: Intent, task_id: str) -> Task:
        """What remains of a task that upstream does not know: its film or its recorded end."""
        if intent.film is not None:
            film, remembered = await self._film(intent, intent.film.asset_id), remembered_task(intent, task_id)
            return remembered if film is None else remembered.model_copy(update={"artifacts": (film,)})
        if intent.ended is not None:
            raise remembered_failure(intent) or deleted(intent)
        # Upstream may not know a new task yet; the watcher finds out if it is gone.
        remembered = remembered_task(intent, task_id)
        self._watcher.follow(remembered)
        return remembered

    async def _film(self, intent: Intent, asset_id: str) -> Asset | None:
        """The film, None if it cannot be read; raises `Failure` if two reads report it as deleted."""
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
