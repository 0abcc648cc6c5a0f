"""Delay for late films: upstream may report SUCCEEDED before it lists the artifacts."""

import math

import anyio

from runway_mcp.runway.models import Task

GRACE_SECONDS = 60.0
"""How long after it was first seen a success without a film is reported as RUNNING."""

_REMEMBERED = 1000


class LateFilms:
    """The first time at which each success was seen without a film; keeps the latest 1000 tasks."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    def absent(self, task_id: str) -> None:
        """Notes a task that is known to have no film, so that it is reported as SUCCEEDED at once."""
        self._since[task_id] = -math.inf

    def told(self, task: Task) -> Task:
        """The task as it is to be reported: RUNNING while its film may still appear, else unchanged."""
        if task.status != "SUCCEEDED" or task.artifacts:
            self._since.pop(task.task_id, None)
            return task
        now = anyio.current_time()
        since = self._since.setdefault(task.task_id, now)
        while len(self._since) > _REMEMBERED:
            del self._since[next(iter(self._since))]
        return task.model_copy(update={"status": "RUNNING"}) if now - since < GRACE_SECONDS else task
