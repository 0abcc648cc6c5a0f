"""The timeline of a task: its status and progress over time, fixed when it is accepted or moves in its queue.

The state of a task is a lookup in its timeline; nothing ticks. All times are seconds of the world's clock.
"""

import math
from bisect import bisect_right
from dataclasses import dataclass
from types import EllipsisType
from typing import Any, Literal, get_args

STEPS = 20
"""How many steps an even progress takes."""

ENDS = {"succeed": "SUCCEEDED", "empty": "SUCCEEDED", "several": "SUCCEEDED", "cancel": "CANCELLED"}
Outcome = Literal["succeed", "fail", "moderate", "cancel", "empty", "several"]


class ManualClock:
    """A clock that moves only by `advance`; a call returns its seconds."""

    def __init__(self, start: float = 0.0) -> None:
        self.now = start

    def __call__(self) -> float:
        """The seconds that it shows."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Moves forward; raises `ValueError` for negative seconds."""
        if seconds < 0:
            raise ValueError("A clock does not go back.")
        self.now += seconds


@dataclass(frozen=True, slots=True)
class Script:
    """How one task goes; raises `ValueError` for what it does not take.

    `queue` and `duration` are seconds, by default a tenth and nine tenths of the world's pace. `ratios` is the
    progress: even, stalling half-way, absent (`null`), or given one by one. `outcome` is the end: `empty` succeeds
    without a film, `several` with two. `error` replaces the error of a failed task, by null if None. `end` replaces the
    word of the final status.
    """

    queue: float | None = None
    duration: float | None = None
    ratios: Literal["even", "stall", "null"] | tuple[float | None, ...] = "even"
    outcome: Outcome = "succeed"
    error: str | dict[str, Any] | EllipsisType | None = ...
    end: str | None = None

    def __post_init__(self) -> None:
        if self.outcome not in get_args(Outcome):
            raise ValueError(f"A task has no outcome {self.outcome!r}.")
        if any(isinstance(each, str) or (each or 0) < 0 for each in (self.queue, self.duration)):
            raise ValueError("A task's queue and duration are seconds.")
        if not isinstance(self.ratios, tuple) and self.ratios not in {"even", "stall", "null"}:
            raise ValueError(f"A task has no ratios {self.ratios!r}.")


@dataclass(frozen=True, slots=True)
class Moment:
    """What a task shows from `at` on: its status word, and its progress from 0 to 1, or null if None."""

    at: float
    status: str
    ratio: float | None
    last: bool = False


def timeline(
    script: Script, *, created: float, ready: float, starts: float, ends: float, waiting: str
) -> tuple[Moment, ...]:
    """The moments of a task that waits until `ready`, then for a slot until `starts`, and runs until `ends`."""
    moments = [Moment(created, "PENDING", None)]
    if starts > ready and waiting != "PENDING":
        moments.append(Moment(ready, waiting, None))
    ratios = _ratios(script)
    if math.isfinite(ends):
        step = (ends - starts) / len(ratios)
        moments += [Moment(starts + step * number, "RUNNING", ratio) for number, ratio in enumerate(ratios)]
    else:
        moments.append(Moment(starts, "RUNNING", ratios[0]))
    status = script.end or ENDS.get(script.outcome, "FAILED")
    final = 1.0 if script.outcome in {"succeed", "empty", "several"} else moments[-1].ratio
    moments.append(Moment(ends, status, final, last=True))
    return tuple(moments)


def index_at(moments: tuple[Moment, ...], now: float) -> int:
    """The index of the moment that a task shows at this time; before its first moment, the first."""
    return max(0, bisect_right(moments, now, key=lambda moment: moment.at) - 1)


def _ratios(script: Script) -> tuple[float | None, ...]:
    if isinstance(script.ratios, tuple):
        return script.ratios or (None,)
    if script.ratios == "null":
        return (None,)
    even = tuple(i / STEPS for i in range(STEPS))
    return even if script.ratios == "even" else tuple(min(ratio, 0.5) for ratio in even)
