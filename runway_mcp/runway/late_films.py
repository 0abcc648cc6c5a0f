"""Successes whose film is not there yet: upstream tells SUCCEEDED a moment before the artifacts."""

import math

import anyio

from runway_mcp.runway.models import Task

GRACE_SECONDS = 60.0
"""For so long after it was first seen, a success without a film is told as still running."""

_REMEMBERED = 1000


class LateFilms:
    """Remembers since when each task succeeds without a film; of very many, the latest."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    def absent(self, task_id: str) -> None:
        """Notes a task that was told to have no film before, which is not waited for again."""
        self._since[task_id] = -math.inf

    def told(self, task: Task) -> Task:
        """The task as it is to be told: RUNNING while its film may still turn up, else as upstream tells it."""
        if task.status != "SUCCEEDED" or task.artifacts:
            self._since.pop(task.task_id, None)
            return task
        now = anyio.current_time()
        since = self._since.setdefault(task.task_id, now)
        while len(self._since) > _REMEMBERED:
            del self._since[next(iter(self._since))]
        return task.model_copy(update={"status": "RUNNING"}) if now - since < GRACE_SECONDS else task
