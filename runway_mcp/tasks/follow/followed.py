"""Followed task: what callers see of it, and what the reader of its account keeps of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio

from runway_mcp.runway.client import RunwayClient
from runway_mcp.runway.models import Task
from runway_mcp.tasks.follow.durations import Durations
from runway_mcp.tasks.follow.schedule import Forecast


def told(task: Task) -> tuple[object, ...]:
    """The fields whose change is yielded to observers; signed links differ at every read and do not count."""
    return task.status, task.progress, task.progress_text, task.estimated_seconds_to_start


def merged(task: Task, row: Task) -> Task:
    """The task as a row of the task list shows it; fields that the row omits are kept."""
    said = row.model_fields_set
    if said >= task.model_fields_set:
        return row
    return task.model_copy(update={name: getattr(row, name) for name in said})


@dataclass(frozen=True, slots=True)
class Followed:
    """A followed task at the moment of asking: as last reported, when it began, and when upstream last knew it.

    Times are the event loop's. `is_told` is False while `task` comes from the ledger and not from upstream.
    """

    task: Task
    began: float
    known_at: float
    is_told: bool


@dataclass
class Common:
    """What the readers of all accounts share; `poll` is the shortest time between two reads of one, in seconds.

    `on_change` is awaited with each changed task before its observers get it, `on_gone` with each that upstream has not
    known for ten minutes. `missed` counts the ends in a row without their callback, `observers` those of all tasks.
    """

    client: RunwayClient
    poll: float
    durations: Durations
    on_change: Callable[[Task], Awaitable[None]]
    on_gone: Callable[[Task], Awaitable[None]]
    missed: int = 0
    observers: int = 0


@dataclass(slots=True, eq=False)
class Entry:
    """A followed task as the reader of its account keeps it; nobody else changes it.

    `known_at` is when upstream last knew it, `turned` when it last reported a change, `changed` is set by the next one.
    """

    task: Task
    forecast: Forecast
    is_told: bool
    known_at: float
    turned: float
    changed: anyio.Event = field(default_factory=anyio.Event)
    is_given_up: bool = False
    observers: int = 0
    observed_until: float = 0.0
    # Whether a callback is expected to claim its end; when a claim may be checked; when it was last read out of turn.
    expects_call: bool = False
    claim: float | None = None
    looked_into: float | None = None
    # Whether the task list shows it; whether the whole list was searched without finding it; whether a single read did
    # not find it; how many pages in a row lacked it; whether it should be read singly as soon as that is allowed.
    listed: bool = False
    swept: bool = False
    unknown: bool = False
    absent: int = 0
    urgent: bool = False

    @property
    def is_attended(self) -> bool:
        """Whether the task has an observer, or had a polling one lately."""
        return self.observers > 0 or anyio.current_time() < self.observed_until

    def wake(self) -> None:
        """Wakes all observers."""
        changed, self.changed = self.changed, anyio.Event()
        changed.set()
