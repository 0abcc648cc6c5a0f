"""Followed task: its state as upstream last reported it, and its waiters."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

import anyio

from runway_mcp.runway.models import Task
from runway_mcp.tasks.follow.schedule import Forecast


def _ignore() -> None:
    return


class Followed:
    """A followed task: `task` is its last known state, `changed` is set when upstream reports another.

    A waiter takes `changed` before it reads `task`, so that it misses no change. `on_wait` is called when the task
    begins to be attended; `age` is the seconds since its submit. `is_told` is False while `task` comes from the ledger
    and not from upstream. `is_given_up` is True once the task is no longer read, because upstream has not known it for
    ten minutes. Reader and watcher keep the other attributes.
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
        self, task: Task, *, age: float = 0.0, is_told: bool = True, on_wait: Callable[[], None] = _ignore
    ) -> None:
        now = anyio.current_time()
        self.task = task
        self.changed = anyio.Event()
        self.is_told = is_told
        self.is_given_up = False
        self.forecast = Forecast(began=now - age, seen=now if is_told else now - age)
        self.waiters = 0
        # When upstream last knew it, and when it last reported a change.
        self.known_at = self.turned = now
        # Whether a callback was requested; whether one claimed an end; whether one came after the last read; when the
        # claimed end may be checked, and when it was last.
        self.expects_call = self.claimed = self.nudged = False
        self.claim: float | None = None
        self.looked_into: float | None = None
        # Whether the task list shows it; whether the whole list was searched without finding it; whether a single read
        # did not find it; how many pages in a row lacked it.
        self.listed = self.swept = self.unknown = False
        self.absent = 0
        # Whether it should be read singly as soon as that is allowed.
        self.urgent = False
        self._attended_until = now
        self._on_wait = on_wait

    @property
    def is_attended(self) -> bool:
        """Whether the task has a waiter or a recent observer."""
        return self.waiters > 0 or anyio.current_time() < self._attended_until

    @contextmanager
    def attended(self) -> Generator[None]:
        """Counts a waiter (a call, a subscriber, an open stream) inside the context; reads are then more frequent."""
        self.waiters += 1
        if self.waiters == 1:
            self._on_wait()
        try:
            yield
        finally:
            self.waiters -= 1

    def observe_for(self, seconds: float) -> None:
        """Counts a polling observer as a waiter for the next `seconds`."""
        was_attended = self.is_attended
        self._attended_until = anyio.current_time() + seconds
        if not was_attended:
            self._on_wait()

    def take(self, task: Task) -> None:
        """Takes the state that upstream reports, and wakes all waiters if it is a change."""
        is_changed = told(task) != told(self.task)
        self.task = task
        if is_changed:
            self._wake()

    def give_up(self) -> None:
        """Marks the task as no longer read, and wakes all waiters."""
        self.is_given_up = True
        self._wake()

    def _wake(self) -> None:
        changed, self.changed = self.changed, anyio.Event()
        changed.set()


def told(task: Task) -> tuple[object, ...]:
    """The fields whose change wakes waiters; signed links differ at every read and do not count."""
    return task.status, task.progress, task.progress_text, task.estimated_seconds_to_start


def merged(task: Task, row: Task) -> Task:
    """The task as a row of the task list shows it; fields that the row omits are kept."""
    said = row.model_fields_set
    if said >= task.model_fields_set:
        return row
    return task.model_copy(update={name: getattr(row, name) for name in said})
