"""Looks for the films of tasks that had succeeded without one: they were paid for, whoever asks for them."""

import logging
from collections.abc import Awaitable, Callable
from typing import Final

import anyio
from anyio.abc import TaskGroup

from runway_mcp.runway.client import RunwayClient
from runway_mcp.runway.errors import NotFound, RunwayError
from runway_mcp.runway.models import Task

PAUSES: Final = (30.0, 60.0, 240.0, 900.0, 3600.0, 10_800.0)
"""After so many seconds each upstream is asked for the film again; after the last only whoever wants it asks."""

LOOKED_FOR_SECONDS: Final = 86_400.0
"""For a task that ended so many seconds ago a start looks for its film; for an older one nobody does unasked."""

_MOST: Final = 100
_log = logging.getLogger(__name__)


class MissingFilms:
    """Asks for the films of at most 100 tasks at a time, in the task group `background`; `told` hears of what is there.

    A film that another server or call has found meanwhile is told once more.
    """

    def __init__(self, client: RunwayClient, background: TaskGroup, told: Callable[[Task], Awaitable[object]]) -> None:
        self._client = client
        self._background = background
        self._told = told
        self._looked_for: set[str] = set()

    def noted(self, task: Task, *, is_own: bool) -> None:
        """Begins to ask for the film of an own task that has succeeded without one."""
        if is_own and task.status == "SUCCEEDED" and not task.artifacts:
            self.look_for(task.task_id)

    def look_for(self, task_id: str) -> None:
        """Begins to ask for the film of a task, unless that goes on already."""
        if task_id not in self._looked_for and len(self._looked_for) < _MOST:
            self._looked_for.add(task_id)
            self._background.start_soon(self._look_for, task_id)

    async def _look_for(self, task_id: str) -> None:
        try:
            for pause in PAUSES:
                await anyio.sleep(pause)
                try:
                    task = await self._client.task(task_id)
                except NotFound:
                    return
                except RunwayError as error:
                    _log.info("whether a film has turned up is not known: %s", error)
                    continue
                if task.artifacts:
                    await self._told(task)
                    return
        except Exception:  # noqa: BLE001  a crash here would end every other call of the process
            _log.exception("a missing film could not be looked for")
        finally:
            self._looked_for.discard(task_id)
