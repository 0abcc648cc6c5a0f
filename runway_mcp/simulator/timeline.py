"""The timeline of a task: what it shows from which second on, fixed when the task is accepted or moves in its queue.

A state is a lookup in the timeline at read time; nothing ticks in the background.
All times are seconds of the world's clock.
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
    """A clock that moves only when told; call it for its seconds."""

    def __init__(self, start: float = 0.0) -> None:
        self.now = start

    def __call__(self) -> float:
        """Return the seconds it shows."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Move forward; refuses to go back."""
        if seconds < 0:
            raise ValueError("A clock does not go back.")
        self.now += seconds


@dataclass(frozen=True, slots=True)
class Script:
    """How one task goes.

    `queue` and `duration` in seconds (by default a tenth and nine tenths of the world's pace); `ratios` even, stalling
    half-way, absent, or given one by one; `outcome` with `empty` a success without a film and `several` one with two;
    `error` replaces the failed task's error (None is a null error); `end` replaces the word of the final status.
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
    """What a task shows from `at` on: its status word and its progress, which is null when None."""

    at: float
    status: str
    ratio: float | None
    last: bool = False


def timeline(
    script: Script, *, created: float, ready: float, starts: float, ends: float, waiting: str
) -> tuple[Moment, ...]:
    """Return the moments of a task that waits until `ready`, then for a slot until `starts`, and runs until `ends`."""
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
    """Return the index of the moment that shows at this time; before its time a task shows its first."""
    return max(0, bisect_right(moments, now, key=lambda moment: moment.at) - 1)


def _ratios(script: Script) -> tuple[float | None, ...]:
    if isinstance(script.ratios, tuple):
        return script.ratios or (None,)
    if script.ratios == "null":
        return (None,)
    even = tuple(i / STEPS for i in range(STEPS))
    return even if script.ratios == "even" else tuple(min(ratio, 0.5) for ratio in even)
