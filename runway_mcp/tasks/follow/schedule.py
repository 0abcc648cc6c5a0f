"""Schedule (pace) of an account's reads: pure functions of times, in seconds on one clock.

Reads are placed where a change is likely: after the submit, at the expected start, and at the end, forecast from
upstream's progress or from durations. Every pause is in units of `poll`, the shortest gap between two reads.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import gcd, inf
from typing import NamedTuple

# Pauses in units of `poll`: the longest with an observer, the shortest without one, the longest while the task queues.
_FAR, _UNATTENDED, _QUEUED = 3.0, 6.0, 12.0
# While callbacks are expected: the age at the first read, the pause after it, and how late the callback of a forecast
# end may be.
_NET_FIRST, _NET_PAUSE, _NET_GRACE = 6.0, 30.0, 2.0
# A forecast end is exact if its span is at most this long; else a read comes halfway into the span, at most this late.
_SHORT, _LONGEST_LEAD = 0.8, 0.5
# Ratios may be off by so much of their step on either side, since clocks and connections are inexact.
_BLUR = 0.1
# The cost of delaying a read by a second: highest at a certain end, lower where an end is likely, lowest where none is.
_SURE, _LIKELY, _VAGUE, _IDLE = 1.0, 0.2, 0.03, 0.003
_MOST_CHOICES = 12


class Span(NamedTuple):
    """The ages, in seconds, between which most tasks of a kind end."""

    soon: float
    late: float


UNKNOWN = Span(0.0, 300.0)
"""The span before any duration is learned."""


class Need(NamedTuple):
    """When a task should be read, and the cost of a second's delay."""

    at: float
    worth: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """Forecast of a task's course; times are in seconds on one clock.

    `began` is its submit, `seen` its last read, `reads` their number; `starts` is when upstream expects it to start. If
    the last `ratio` goes on rising evenly, the end lies between `soonest` and `latest`; these follow from the ratios
    since `anchor` (a time and a ratio), reported in steps of `grain` hundredths.
    """

    began: float
    seen: float
    reads: int = 0
    starts: float | None = None
    ratio: float = 0.0
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
        soonest, latest = _ends(self.anchor, self.began, now, ratio, step=(grain or 100) / 100)
        soonest, latest = max(self.soonest, soonest), min(self.latest, latest)
        if ratio < self.ratio or max(soonest, now) > latest:
            # No even rise explains these ratios, or the forecast end has passed: start anew.
            return replace(known, ratio=ratio, grain=grain, anchor=(now, ratio), soonest=now, latest=inf)
        anchor = self.anchor or (now, ratio)
        return replace(known, ratio=ratio, grain=grain, anchor=anchor, soonest=soonest, latest=latest)


def need(
    forecast: Forecast, *, poll: float, attended: bool = True, net: bool = False, durations: Span | None = None
) -> Need:
    """When a task should next be read, and what a delay costs.

    `attended` says that it has an observer, `net` that a callback is expected to report its end; `durations` is the
    span of its kind.
    """
    seen, worth = forecast.seen, _IDLE
    if net:
        plan = seen + _NET_PAUSE * poll if forecast.reads else forecast.began + _NET_FIRST * poll
        return Need(max(seen, min(plan, forecast.latest + _NET_GRACE * poll)), worth)
    if forecast.starts is not None and forecast.starts > seen:
        pause = min(max(poll, (forecast.starts - seen) / 2), _QUEUED * poll)
    elif forecast.latest < inf:
        pause, worth = _until_forecast(forecast, poll)
    else:
        pause, worth = _by_durations(seen - forecast.began, durations or UNKNOWN, poll)
    return Need(seen + (pause if attended else max(pause, _UNATTENDED * poll)), worth)


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


def _ends(
    anchor: tuple[float, float] | None, began: float, now: float, ratio: float, *, step: float
) -> tuple[float, float]:
    """The times between which an even rise ends that shows `ratio` at `now`.

    A ratio may be rounded or cut to its step: the true progress lies between half a step below it and a whole step
    above. Without an anchor, the rise began no earlier than the task.
    """
    below, above = (0.5 + _BLUR) * step, (1 + _BLUR) * step
    low, high = ratio - below, min(1.0, ratio + above)
    if anchor is None:
        return now, now + (1 - low) * (now - began) / low if low > 0 else inf
    then, first = anchor
    if ratio <= first:
        return now, inf
    first_low, first_high = max(0.0, first - below), first + above
    soonest = now + (1 - high) * (now - then) / (high - first_low)
    return soonest, now + (1 - low) * (now - then) / (low - first_high) if low > first_high else inf


def _until_forecast(forecast: Forecast, poll: float) -> tuple[float, float]:
    """The pause until just after the forecast end, or into its span if that is long, and its worth.

    A read just before the end costs a whole extra pause, so a short span is waited out. If the end is far, earlier
    reads improve the forecast.
    """
    soonest = max(forecast.soonest, forecast.seen)
    span, left, worth = forecast.latest - soonest, forecast.latest - forecast.seen, _SURE
    if span > _SHORT * poll:
        left, worth = soonest - forecast.seen + min(span / 2, _LONGEST_LEAD * poll), _LIKELY
    return (min(left / 2, _FAR * poll), _IDLE) if left > _FAR * poll else (max(poll, left), worth)


def _by_durations(age: float, durations: Span, poll: float) -> tuple[float, float]:
    """The pause, and its worth, for a task of that age that has no forecast but the durations of its kind."""
    if age < durations.soon:
        return (min(max(poll, durations.soon - age), _FAR * poll) if age >= poll else poll), _IDLE
    return min(max(poll, (age - durations.late) / 4), _FAR * poll), _VAGUE
