"""Durations of tasks: how long each kind takes to run, learned from those that succeeded."""

from collections import deque
from collections.abc import Iterable

from runway_mcp.runway.models import Task
from runway_mcp.tasks.follow.schedule import Span
from runway_mcp.tasks.intents import Intent

# How many of the last durations of a kind are kept, and how many are needed for a span.
_REMEMBERED, _FEWEST = 20, 5
# Margins for a task that is faster or slower than all that are kept.
_QUICKER, _SLOWER = 0.8, 1.2

Sort = tuple[str | None, bool]
"""A kind of tasks with similar durations: task type, and whether in explore mode."""


def task_kind(task: Task) -> Sort:
    """The kind of a task."""
    return task.task_type, bool(task.options.explore_mode)


class Durations:
    """The last durations of each kind of task, in seconds from submit to success."""

    def __init__(self) -> None:
        self._took: dict[Sort, deque[float]] = {}

    def learn(self, sort: Sort, took: Iterable[float]) -> None:
        """Adds durations in seconds, oldest first."""
        self._took.setdefault(sort, deque(maxlen=_REMEMBERED)).extend(took)

    def span(self, task: Task) -> Span | None:
        """The ages between which most tasks of this kind end; None if fewer than five have succeeded."""
        took = self._took.get(task_kind(task), ())
        return Span(_QUICKER * min(took), _SLOWER * max(took)) if len(took) >= _FEWEST else None


def durations_of(succeeded: Iterable[Intent]) -> dict[Sort, list[float]]:
    """The seconds from submit to end of intents whose task has ended, in their order, by kind of task."""
    took: dict[Sort, list[float]] = {}
    for intent in succeeded:
        seconds = (intent.ended or intent.created) - intent.created
        took.setdefault((intent.task_type, intent.explore_mode), []).append(seconds)
    return took
