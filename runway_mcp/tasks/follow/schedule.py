"""Schedule (pace) of an account's reads: pure functions of times, in seconds on one clock.

Reads are placed where a change is likely: after the submit, at the expected start, and at the end, forecast from
upstream's progress or from durations. Every pause is in units of `poll`, the shortest gap between two reads.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import gcd, inf
from typing import NamedTuple

# Pauses in units of `poll`: the longest with an observer, the shortest without one, the longest while the task queues.
_FAR, _UNATTENDED, _QUEUED = 3.5, 6.0, 12.0
# While callbacks are expected: the age at the first read, the pause after it, and how late the callback of a forecast
# end may be.
_NET_FIRST, _NET_PAUSE, _NET_GRACE = 6.0, 30.0, 2.0
# A forecast end is exact if its span is at most this long; else a read comes halfway into the span, at most this late.
_SHORT, _LONGEST_LEAD = 0.8, 0.5
# Ratios may be off by so much of their step on either side, since clocks and connections are inexact.
_BLUR = 0.1


class Span(NamedTuple):
    """The ages, in seconds, between which most tasks of a kind end; a wide guess before any duration is learned."""

    soon: float = 0.0
    late: float = 300.0


class Need(NamedTuple):
    """When a task should be read, and whether because its end is then expected."""

    at: float
    is_end: bool = False


@dataclass(frozen=True, slots=True)
class Forecast:
    """Forecast of a task's course; times are in seconds on one clock.

    `began` is its submit, `seen` its last read; `starts` is when upstream expects it to start. If its ratio rises
    evenly, the end lies between `soonest` and `latest`; these follow from the ratios since `anchor` (a time and a
    ratio), reported in steps of `grain` hundredths.
    """

    began: float
    seen: float
    starts: float | None = None
    anchor: tuple[float, float] | None = None
    grain: int = 0
    soonest: float = 0.0
    latest: float = inf

    def after(self, now: float, *, ratio: float | None, starts_in: float | None) -> "Forecast":
        """The forecast after a read at `now`; `ratio` is from 0 to 1, `starts_in` in seconds."""
        known = replace(self, seen=now, starts=now + starts_in if starts_in else None)
        if ratio is None:
            return known
        grain = gcd(self.grain, max(1, round(ratio * 100))) if ratio else self.grain
        soonest, latest = self._ends(now, ratio, step=(grain or 100) / 100)
        soonest, latest = max(self.soonest, soonest), min(self.latest, latest)
        if max(soonest, now) > latest or (self.anchor is not None and ratio < self.anchor[1]):
            # No even rise explains these ratios, or the forecast end has passed: start anew.
            return replace(known, grain=grain, anchor=(now, ratio), soonest=now, latest=inf)
        return replace(known, grain=grain, anchor=self.anchor or (now, ratio), soonest=soonest, latest=latest)

    def _ends(self, now: float, ratio: float, *, step: float) -> tuple[float, float]:
        """The times between which an even rise ends that shows `ratio` at `now`.

        A ratio may be rounded or cut to its step: the true progress lies between half a step below it and a whole step
        above. Without an anchor, the rise began no earlier than the task.
        """
        below, above = (0.5 + _BLUR) * step, (1 + _BLUR) * step
        low, high = ratio - below, min(1.0, ratio + above)
        then, first = self.anchor or (self.began, -above)
        least, most = low - first - above, high - max(0.0, first - below)
        soonest = now + (1 - high) * (now - then) / most if self.anchor and ratio > first else now
        return soonest, now + (1 - low) * (now - then) / least if least > 0 else inf


def need(forecast: Forecast, *, poll: float, attended: bool = True, net: bool = False, durations: Span) -> Need:
    """When a task should next be read.

    `attended` says that it has an observer, `net` that a callback is expected to report its end; `durations` is the
    span of its kind. A read just before the end costs a whole extra pause, so a short span is waited out; if the end is
    far, earlier reads improve the forecast.
    """
    seen, age, is_end = forecast.seen, forecast.seen - forecast.began, False
    if net:
        plan = seen + _NET_PAUSE * poll if age >= poll else forecast.began + _NET_FIRST * poll
        return Need(max(seen, min(plan, forecast.latest + _NET_GRACE * poll)))
    if forecast.starts is not None and forecast.starts > seen:
        pause = min(max(poll, (forecast.starts - seen) / 2), _QUEUED * poll)
    elif forecast.latest < inf:
        soonest = max(forecast.soonest, seen)
        span, pause = forecast.latest - soonest, forecast.latest - seen
        if span > _SHORT * poll:
            pause = soonest - seen + min(span / 2, _LONGEST_LEAD * poll)
        is_end = pause <= _FAR * poll
        pause = max(poll, pause) if is_end else min(pause / 2, _FAR * poll)
    elif poll <= age < durations.soon:
        pause = min(max(poll, durations.soon - age), _FAR * poll)
    else:
        pause = min(max(poll, (age - durations.late) / 4), _FAR * poll)
    return Need(seen + (pause if attended else max(pause, _UNATTENDED * poll)), is_end)


def together(needs: Sequence[Need], *, earliest: float, poll: float) -> float:
    """When one read serves several tasks best: not before `earliest`, if the next one comes a whole `poll` later.

    The result is the earliest need, or the first expected end that a read before it would delay.
    """
    first = max(earliest, min(need.at for need in needs))
    return min((max(first, need.at) for need in needs if need.is_end and need.at < first + poll), default=first)
