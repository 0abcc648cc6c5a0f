"""How long tasks take, learned from those that have ended."""

from collections import deque
from collections.abc import Iterable

from runway_mcp.runway.models import Task
from runway_mcp.tasks.follow.schedule import Span

# So many of the last tasks of a sort are remembered, and so many must have ended before they tell anything.
_REMEMBERED, _FEWEST = 20, 5
# The next task may well be a little quicker or slower than all that are remembered.
_QUICKER, _SLOWER = 0.8, 1.2

Sort = tuple[str | None, bool]
"""What tells how long a task takes: its type, and whether it runs in explore mode."""


def task_kind(task: Task) -> Sort:
    """The sort of a task."""
    return task.task_type, bool(task.options.explore_mode)


class Durations:
    """How long, in seconds from the submit, the last successful tasks of each sort took."""

    def __init__(self) -> None:
        self._took: dict[Sort, deque[float]] = {}
        self._spans: dict[Sort, Span] = {}

    def learn(self, sort: Sort, took: Iterable[float]) -> None:
        """Takes in how long tasks took, oldest first."""
        remembered = self._took.setdefault(sort, deque(maxlen=_REMEMBERED))
        remembered.extend(took)
        if len(remembered) >= _FEWEST:
            self._spans[sort] = Span(_QUICKER * min(remembered), _SLOWER * max(remembered))

    def span(self, task: Task) -> Span | None:
        """Between which ages most tasks of this one's sort have ended; None if too few have been seen."""
        return self._spans.get(task_kind(task))
