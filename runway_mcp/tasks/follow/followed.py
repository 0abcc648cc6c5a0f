"""A task under watch: what upstream last said of it, and who waits for more."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

import anyio

from runway_mcp.runway.models import Task
from runway_mcp.tasks.follow.schedule import Forecast


def _nobody() -> None:
    return


class Followed:
    """A task under watch: `task` is what upstream last said of it, `changed` is set when it says something else.

    A waiter takes `changed` before it looks at `task`, so that no change is lost between the two. `on_wait` is called
    when somebody begins to wait; `age` is how many seconds ago the task was submitted; `is_told` is False while `task`
    is what the ledger remembers and not upstream's word, `is_given_up` is True once nobody reads it any more because
    upstream has not known it for long. AccountReader and watcher keep the other attributes.
    """

    __slots__ = (
        "_attended_until",
        "_on_wait",
        "absent",
        "changed",
        "claim",
        "claimed",
        "expects_call",
        "forecast",
        "is_given_up",
        "is_told",
        "known_at",
        "listed",
        "looked_into",
        "nudged",
        "swept",
        "task",
        "turned",
        "unknown",
        "urgent",
        "waiters",
    )

    def __init__(
        self, task: Task, *, age: float = 0.0, is_told: bool = True, on_wait: Callable[[], None] = _nobody
    ) -> None:
        now = anyio.current_time()
        self.task = task
        self.changed = anyio.Event()
        self.is_told = is_told
        self.is_given_up = False
        self.forecast = Forecast(began=now - age, seen=now if is_told else now - age)
        self.waiters = 0
        # When upstream last knew it, and when it last told something else.
        self.known_at = self.turned = now
        # Whether upstream was asked to call us; whether it has claimed an end; when such a claim may be looked into,
        # and when one was; whether a callback came after the last read.
        self.expects_call = self.claimed = self.nudged = False
        self.claim: float | None = None
        self.looked_into: float | None = None
        # Whether the list shows it, or all of the list was searched for it in vain, and how many pages in a row lacked
        # it; whether a read of it alone did not find it.
        self.listed = self.swept = self.unknown = False
        self.absent = 0
        # Whether it should be read by itself as soon as that is allowed.
        self.urgent = False
        self._attended_until = now
        self._on_wait = on_wait

    @property
    def is_attended(self) -> bool:
        """Whether somebody waits for it."""
        return self.waiters > 0 or anyio.current_time() < self._attended_until

    @contextmanager
    def attended(self) -> Generator[None]:
        """Keeps the reads at the pace of somebody who waits: a call, a subscriber, an open stream."""
        self.waiters += 1
        if self.waiters == 1:
            self._on_wait()
        try:
            yield
        finally:
            self.waiters -= 1

    def observe_for(self, seconds: float) -> None:
        """Counts somebody who asks again and again as one who waits, for so long after he asked."""
        was_attended = self.is_attended
        self._attended_until = anyio.current_time() + seconds
        if not was_attended:
            self._on_wait()

    def take(self, task: Task) -> None:
        """Takes what upstream says, and wakes all waiters if it is something else than before."""
        news = told(task) != told(self.task)
        self.task = task
        if news:
            self._wake()

    def give_up(self) -> None:
        """Sends all waiters away, since nothing more will be told of the task."""
        self.is_given_up = True
        self._wake()

    def _wake(self) -> None:
        changed, self.changed = self.changed, anyio.Event()
        changed.set()


def told(task: Task) -> tuple[object, ...]:
    """What of a task is news to those who wait; its links are fresh at every read and are not."""
    return task.status, task.progress, task.progress_text, task.estimated_seconds_to_start


def merged(task: Task, row: Task) -> Task:
    """The task as a row of the list tells it; what a thin row leaves out stays as it was."""
    said = row.model_fields_set
    if said >= task.model_fields_set:
        return row
    return task.model_copy(update={name: getattr(row, name) for name in said})
