"""Durations of tasks: how long each kind takes to run, learned from those that succeeded."""

from collections import defaultdict, deque

from runway_mcp.runway.models import Task
from runway_mcp.tasks.follow.schedule import Span

# How many of the last durations of a kind are kept, and how many are needed for a span.
_REMEMBERED, _FEWEST = 20, 5
# Margins for a task that is faster or slower than all that are kept.
_QUICKER, _SLOWER = 0.8, 1.2

Kind = tuple[str | None, bool]
"""A kind of tasks with similar durations: task type, and whether in explore mode."""


class Durations:
    """The last durations of each kind of task, in seconds from submit to success."""

    def __init__(self) -> None:
        self._took: defaultdict[Kind, deque[float]] = defaultdict(lambda: deque(maxlen=_REMEMBERED))
        self._spans: dict[Kind, Span] = {}

    def learn(self, kind: Kind, seconds: float) -> None:
        """Adds the duration of one more task, in seconds."""
        took = self._took[kind]
        took.append(seconds)
        if len(took) >= _FEWEST:
            self._spans[kind] = Span(_QUICKER * min(took), _SLOWER * max(took))

    def span(self, task: Task) -> Span:
        """The ages between which most tasks of its kind end; a wide guess if fewer than five have succeeded."""
        return self._spans.get((task.task_type, bool(task.options.explore_mode)), Span())
