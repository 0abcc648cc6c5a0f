"""When an account is worth a read: pure functions of times in seconds on one clock, and nothing else.

A read is worth its price where a change is likely: soon after the submit, when the promised start has come, and above
all at the end. The end is foretold by the ratio, or else by how long such tasks took before. The shortest gap between
two reads of an account is the caller's to keep; here it is called `poll`, and every pause is given in units of it, so
that a test or a benchmark may shrink them all alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import gcd, inf
from typing import NamedTuple

# Pauses in units of `poll`: the longest while somebody waits, while nobody does, and while the task queues.
_FAR = 3.0
_UNATTENDED = 6.0
_QUEUED = 12.0
# The net under callbacks: the first read, the pause after it, and how late a foretold end may be called.
_NET_FIRST, _NET_FIRST_UNATTENDED = 6.0, 12.0
_NET_PAUSE = 30.0
_NET_GRACE = 2.0
# With a callback that tells of progress, a read is worth its price when the task is so many times older.
_NET_OLDER = 5.0
_NET_SOONEST = 3.0
# How far reads of the same sort are spread, so that readers that began together do not stay in step.
_SPREAD = 0.2
# Clocks and connections are not exact: ratios are taken to be off by so much of their grain, on either side.
_BLUR = 0.1
# A promised end is known well if it lies within so short a span; else a read comes so far into the span, at most so
# long after its begin (a share of it, and units of `poll`).
_SHORT = 0.8
_LEAD, _LONGEST_LEAD = 0.5, 0.5
# What a second's delay of a read costs: all of it at an end that is sure, else as much as an end is likely since the
# last read; next to nothing where none is.
_SURE, _LIKELY, _VAGUE, _IDLE = 1.0, 0.2, 0.03, 0.003
_MOST_CHOICES = 12


class Span(NamedTuple):
    """Between which ages, in seconds, most tasks of a sort have ended."""

    soon: float
    late: float


UNKNOWN = Span(0.0, 300.0)
"""Where nothing is learned yet."""


@dataclass(frozen=True)
class Watch:
    """Who cares: `attended` if somebody waits, `net` while callbacks are expected to tell the end.

    `nudged` if a callback told of progress after the last read.
    """

    attended: bool = True
    net: bool = False
    nudged: bool = False


class Need(NamedTuple):
    """When a task wants to be read, and what it is worth to be read just then and not later."""

    at: float
    worth: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is known of a task's course: `began` is its submit, `seen` when upstream last told of it, `reads` how often.

    `starts` is when upstream expects to begin; `ratio` is the last one told, which `rose` to that. If it rises evenly,
    the end lies between `soonest` and `latest`; that follows from the ratios since `anchor` (a time and a ratio), told
    in steps of `grain` hundredths.
    """

    began: float
    seen: float
    reads: int = 0
    starts: float | None = None
    ratio: float | None = None
    rose: float = inf
    anchor: tuple[float, float] | None = None
    grain: int = 0
    soonest: float = 0.0
    latest: float = inf

    def after(self, now: float, *, ratio: float | None, starts_in: float | None) -> "Forecast":
        """The forecast after a read."""
        known = replace(self, seen=now, reads=self.reads + 1, starts=now + starts_in if starts_in else None)
        if ratio is None:
            return known
        grain = gcd(self.grain, max(1, round(ratio * 100))) if ratio else self.grain
        step = (grain or 100) / 100
        known = replace(known, ratio=ratio, grain=grain, rose=self.rose if ratio == self.ratio else now)
        if ratio < (self.ratio or 0.0) or _stalls(known, step):
            return _restarted(known)
        soonest, latest = _ends(self.anchor, self.began, now, ratio, step=step)
        known = replace(
            known,
            anchor=self.anchor or (now, ratio),
            soonest=max(self.soonest, soonest),
            latest=min(self.latest, latest),
        )
        # Ratios that no even rise explains, or an end that did not come: what they promised counts no more.
        return _restarted(known) if max(known.soonest, now) > known.latest else known


def need(forecast: Forecast, watch: Watch, *, poll: float, durations: Span | None = None, phase: float = 0.0) -> Need:
    """When a task is next worth a read.

    `durations` is learned from such tasks; `phase`, from 0 to 1 and one for each reader, spreads what may be spread.
    """
    seen, worth = forecast.seen, _IDLE
    if watch.net:
        return Need(_under_net(forecast, watch, poll), worth)
    if forecast.starts is not None and forecast.starts > seen:
        pause = min(max(poll, (forecast.starts - seen) / 2), _QUEUED * poll)
    elif forecast.latest < inf:
        pause, worth = _until_promise(forecast, poll)
    else:
        pause, worth = _unforetold(seen - forecast.began, durations or UNKNOWN, poll)
    if not watch.attended:
        pause = max(pause, _UNATTENDED * poll)
    # The quickest pace and a promised end are kept exactly.
    may_spread = forecast.reads == 0 or (pause > poll and worth == _IDLE)
    return Need(seen + pause * (1 + _SPREAD * phase if may_spread else 1), worth)


def together(needs: Sequence[Need], *, earliest: float, poll: float) -> float:
    """When one read serves several tasks best: not before `earliest`, and the next one a whole `poll` later.

    It is the earliest need, or one of those that follow so closely that reading first would make them wait longer.
    """
    first = max(earliest, min(need.at for need in needs))
    near = [need for need in needs if need.at < first + poll]
    choices = sorted({first, *(need.at for need in near if need.at > first)})[:_MOST_CHOICES]

    def lateness(choice: float) -> float:
        served = sum(need.worth * (choice - max(first, need.at)) for need in near if need.at <= choice)
        put_off = sum(need.worth * (choice + poll - need.at) for need in near if need.at > choice)
        return served + put_off

    return min(choices, key=lateness)


def _restarted(forecast: Forecast) -> Forecast:
    return replace(forecast, anchor=(forecast.seen, forecast.ratio or 0.0), soonest=forecast.seen, latest=inf)


def _stalls(forecast: Forecast, step: float) -> bool:
    """Whether the ratio has stood still for twice as long as a step of it took before."""
    if forecast.anchor is None or forecast.ratio is None or forecast.ratio <= forecast.anchor[1]:
        return False
    then, first = forecast.anchor
    return forecast.seen - forecast.rose > 2 * step * (forecast.rose - then) / (forecast.ratio - first)


def _ends(
    anchor: tuple[float, float] | None, began: float, now: float, ratio: float, *, step: float
) -> tuple[float, float]:
    """Between which times an even rise ends that shows `ratio` at `now`.

    A ratio may be rounded or cut off to its step: the task's true progress lies half a step below it to a whole one
    above. Without an anchor nothing is known but that the rise did not start before the task began.
    """
    low, high = ratio - (0.5 + _BLUR) * step, min(1.0, ratio + (1 + _BLUR) * step)
    if anchor is None:
        return now, now + (1 - low) * (now - began) / low if low > 0 else inf
    then, first = anchor
    if ratio <= first:
        return now, inf
    first_low, first_high = max(0.0, first - (0.5 + _BLUR) * step), first + (1 + _BLUR) * step
    soonest = now + (1 - high) * (now - then) / (high - first_low)
    latest = now + (1 - low) * (now - then) / (low - first_high) if low > first_high else inf
    return soonest, latest


def _until_promise(forecast: Forecast, poll: float) -> tuple[float, float]:
    """The pause until just when the task must have ended, or may have if that is not known so well, and its worth.

    A read that comes a moment too early costs a whole pause, so a span that is short is waited for. On a long way
    there a read or two tell the end better.
    """
    soonest = max(forecast.soonest, forecast.seen)
    span = forecast.latest - soonest
    if span <= _SHORT * poll:
        left, worth = forecast.latest - forecast.seen, _SURE
    else:
        left, worth = soonest - forecast.seen + min(_LEAD * span, _LONGEST_LEAD * poll), _LIKELY
    if left > _FAR * poll:
        return min(left / 2, _FAR * poll), _IDLE
    return max(poll, left), worth


def _unforetold(age: float, durations: Span, poll: float) -> tuple[float, float]:
    """The pause, and its worth, for a task of that age of whose end nothing tells but other tasks of its sort."""
    if age < poll:
        return poll, _IDLE
    if age < durations.soon:
        return min(max(poll, durations.soon - age), _FAR * poll), _IDLE
    return min(max(poll, (age - durations.late) / 4), _FAR * poll), _VAGUE


def _under_net(forecast: Forecast, watch: Watch, poll: float) -> float:
    seen, age = forecast.seen, forecast.seen - forecast.began
    if forecast.reads:
        plan = seen + _NET_PAUSE * poll
    else:
        plan = forecast.began + (_NET_FIRST if watch.attended else _NET_FIRST_UNATTENDED) * poll
    if forecast.latest < inf:
        plan = min(plan, forecast.latest + _NET_GRACE * poll)
    if watch.nudged and watch.attended:
        plan = min(plan, forecast.began + max(_NET_OLDER * age, _NET_SOONEST * poll))
    return max(plan, seen)
