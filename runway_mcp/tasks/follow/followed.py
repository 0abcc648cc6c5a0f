"""Followed task: what callers see of it, and what the reader of its account keeps of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from math import inf

import anyio
from anyio.abc import TaskGroup

from runway_mcp.runway.client import RunwayClient
from runway_mcp.runway.models import Task
from runway_mcp.tasks.follow.durations import Durations
from runway_mcp.tasks.follow.schedule import Forecast
from runway_mcp.tasks.follow.sharing import ReadPermits


def told(task: Task) -> tuple[object, ...]:
    """The fields whose change is yielded to observers; signed links differ at every read and do not count."""
    return task.status, task.progress, task.progress_text, task.estimated_seconds_to_start


@dataclass(frozen=True, slots=True)
class Followed:
    """A followed task at the moment of asking: as last reported, when it began, and when upstream last knew it.

    Times are the event loop's. `is_told` is False while `task` comes from the ledger and not from upstream. `silence`
    is for how many seconds upstream has not told of it; None unless the last read of the account failed.
    """

    task: Task
    began: float
    known_at: float
    is_told: bool
    silence: float | None


@dataclass
class Common:
    """What the readers of all accounts share; `poll` is the shortest time between two reads of one, in seconds.

    `on_change` is awaited with each changed task before its observers get it, `on_gone` with each that upstream has not
    known for ten minutes. `missed` counts the ends in a row without their callback, `observers` those of all tasks.
    `sharing` is where other servers may follow the same tasks.
    """

    client: RunwayClient
    background: TaskGroup
    poll: float
    durations: Durations
    on_change: Callable[[Task], Awaitable[None]]
    on_gone: Callable[[Task], Awaitable[None]]
    missed: int = 0
    observers: int = 0
    sharing: ReadPermits | None = None


@dataclass(slots=True, eq=False)
class Entry:
    """A followed task as the reader of its account keeps it; nothing else changes it.

    `known_at` is when upstream last knew it; the next change that it reports sets `changed`.
    """

    task: Task
    forecast: Forecast
    is_told: bool
    known_at: float
    changed: anyio.Event = field(default_factory=anyio.Event)
    is_given_up: bool = False
    observers: int = 0
    observed_until: float = 0.0
    # Whether a callback is expected to claim its end; when a claim may be checked; when it was last read out of turn.
    expects_call: bool = False
    claim: float = inf
    looked_into: float = -inf
    # How many pages in a row lacked it; whether a single read did not find it; whether it should be read singly next.
    absent: int = 0
    unknown: bool = False
    urgent: bool = False
    # When another server read it last, by the store's clock, as far as that was taken over; whether it read the end.
    shared_at: float = -inf
    is_over: bool = False
