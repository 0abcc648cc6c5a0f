"""Schedule (pace) of an account's reads: pure functions of times, in seconds on one clock.

Reads are placed where a change is likely: after the submit, at the expected start, and at the end, forecast from
upstream's progress or from durations. Every pause is in units of `poll`, the shortest gap between two reads.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import gcd, inf
from typing import NamedTuple

# Pauses in units of `poll`: the longest with a waiter, without one, and while the task queues.
_FAR = 3.0
_UNATTENDED = 6.0
_QUEUED = 12.0
# Fallback reads while callbacks are expected: the first read, the pause after it, and how late the callback of a
# forecast end may be.
_NET_FIRST, _NET_FIRST_UNATTENDED = 6.0, 12.0
_NET_PAUSE = 30.0
_NET_GRACE = 2.0
# After a callback about progress, the next read comes when the task is so many times older; so even a long task is read
# only about three times.
_NET_OLDER = 5.0
_NET_SOONEST = 3.0
# How far comparable reads are spread, so that readers that began together do not stay in step.
_SPREAD = 0.2
# Ratios may be off by so much of their grain on either side, since clocks and connections are inexact.
_BLUR = 0.1
# A forecast end is exact if its span is at most this long; else a read comes this far into the span, at most this long
# after its begin (a share of the span, and units of `poll`).
_SHORT = 0.8
_LEAD, _LONGEST_LEAD = 0.5, 0.5
# The cost of delaying a read by a second: highest at a certain end, lower where an end is likely, lowest where none is.
_SURE, _LIKELY, _VAGUE, _IDLE = 1.0, 0.2, 0.03, 0.003
_MOST_CHOICES = 12


class Span(NamedTuple):
    """The ages, in seconds, between which most tasks of a kind end."""

    soon: float
    late: float


UNKNOWN = Span(0.0, 300.0)
"""The span before any duration is learned."""


@dataclass(frozen=True)
class Watch:
    """The observation of a task: `attended` if it has a waiter, `net` if callbacks are expected to report its end.

    `nudged` if a callback reported progress after the last read.
    """

    attended: bool = True
    net: bool = False
    nudged: bool = False


class Need(NamedTuple):
    """When a task should be read, and the cost of a second's delay."""

    at: float
    worth: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """Forecast of a task's course; times are in seconds on one clock.

    `began` is its submit, `seen` its last read, `reads` their number; `starts` is when upstream expects it to start.
    `ratio` is the last one reported, `rose` when it reached that value. If the ratio rises evenly, the end lies between
    `soonest` and `latest`; these follow from the ratios since `anchor` (a time and a ratio), reported in steps of
    `grain` hundredths.
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
        """The forecast after a read at `now`; `ratio` is from 0 to 1, `starts_in` in seconds."""
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
        # No even rise explains these ratios, or the forecast end has passed: start anew.
        return _restarted(known) if max(known.soonest, now) > known.latest else known


def need(forecast: Forecast, watch: Watch, *, poll: float, durations: Span | None = None, phase: float = 0.0) -> Need:
    """When a task should next be read.

    `durations` is the span of its kind; `phase`, from 0 to 1 and different for each reader, spreads reads that need not
    be exact.
    """
    seen, worth = forecast.seen, _IDLE
    if watch.net:
        return Need(_with_callbacks(forecast, watch, poll), worth)
    if forecast.starts is not None and forecast.starts > seen:
        pause = min(max(poll, (forecast.starts - seen) / 2), _QUEUED * poll)
    elif forecast.latest < inf:
        pause, worth = _until_forecast(forecast, poll)
    else:
        pause, worth = _by_durations(seen - forecast.began, durations or UNKNOWN, poll)
    if not watch.attended:
        pause = max(pause, _UNATTENDED * poll)
    # The shortest pause and a forecast end are kept exactly.
    may_spread = forecast.reads == 0 or (pause > poll and worth == _IDLE)
    return Need(seen + pause * (1 + _SPREAD * phase if may_spread else 1), worth)


def together(needs: Sequence[Need], *, earliest: float, poll: float) -> float:
    """When one read serves several tasks best: not before `earliest`, if the next one comes a whole `poll` later.

    The result is the earliest need, or one of those that follow so closely that reading first would delay them more.
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
    """Whether the ratio has not changed for twice as long as one step of it took before."""
    if forecast.anchor is None or forecast.ratio is None or forecast.ratio <= forecast.anchor[1]:
        return False
    then, first = forecast.anchor
    return forecast.seen - forecast.rose > 2 * step * (forecast.rose - then) / (forecast.ratio - first)


def _ends(
    anchor: tuple[float, float] | None, began: float, now: float, ratio: float, *, step: float
) -> tuple[float, float]:
    """The times between which an even rise ends that shows `ratio` at `now`.

    A ratio may be rounded or cut to its step: the true progress lies between half a step below it and a whole step
    above. Without an anchor, the rise began no earlier than the task.
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


def _until_forecast(forecast: Forecast, poll: float) -> tuple[float, float]:
    """The pause until just after the forecast end, or into its span if that is long, and its worth.

    A read just before the end costs a whole extra pause, so a short span is waited out. If the end is far, earlier
    reads improve the forecast.
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


def _by_durations(age: float, durations: Span, poll: float) -> tuple[float, float]:
    """The pause, and its worth, for a task of that age that has no forecast but the durations of its kind."""
    if age < poll:
        return poll, _IDLE
    if age < durations.soon:
        return min(max(poll, durations.soon - age), _FAR * poll), _IDLE
    return min(max(poll, (age - durations.late) / 4), _FAR * poll), _VAGUE


def _with_callbacks(forecast: Forecast, watch: Watch, poll: float) -> float:
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
