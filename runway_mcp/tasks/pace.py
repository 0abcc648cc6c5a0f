"""When a followed task is worth reading: soon after its submit, then ever closer to the end that its ratio promises.

Pure functions of times in seconds on one clock. The shortest gap between two reads of an account is the caller's to
keep; here it is called `poll`.
"""

from dataclasses import dataclass, replace

# A read that comes a moment too early costs a whole gap, so the promised end is read a little late: upstream rounds
# the ratio to hundredths, which blurs the end by as many hundredths of the whole.
_BLUR = 0.012
_LATE = 0.3
_FEWEST = 0.03
# Gaps in units of `poll`.
_FAR = 6.0
_UNATTENDED = 6.0
_OVERDUE = 3.0
# While callbacks come, reads are a net for those that get lost, in seconds.
_NET_FIRST = 100.0
_NET = 120.0


@dataclass(frozen=True)
class Outlook:
    """What is known of a task's course: `began` is when following began, `seen` the last read, on the loop's clock.

    `anchor` is the first ratio with its time, `ratio` the last; `end` is when the task should end, if anything tells;
    `starts` is when upstream expects to begin.
    """

    began: float
    seen: float | None = None
    anchor: tuple[float, float] | None = None
    ratio: float | None = None
    end: float | None = None
    starts: float | None = None

    def after(self, now: float, *, ratio: float | None, starts_in: float | None, usual: float | None) -> "Outlook":
        """The outlook after a read; `usual` is how long such a task takes from its submit, in seconds."""
        known = replace(self, seen=now, starts=now + starts_in if starts_in else None)
        if ratio is None:
            return replace(known, end=self.began + usual if usual and self.end is None else self.end)
        if self.anchor is None or ratio < self.anchor[1]:
            return replace(known, anchor=(now, ratio), ratio=ratio, end=_first_guess(self.began, now, ratio, usual))
        if ratio == self.ratio:
            return known
        then, first = self.anchor
        if ratio - first < _FEWEST:
            return replace(known, ratio=ratio)
        return replace(known, ratio=ratio, end=now + (1 - ratio) * (now - then) / (ratio - first))


def wanted(outlook: Outlook, now: float, *, poll: float, attended: bool, net: bool) -> float:
    """When the task is next worth a read; `attended` if somebody waits for it, `net` while callbacks are expected."""
    seen = outlook.seen
    if net:
        return outlook.began + _NET_FIRST if seen is None else seen + _NET
    if seen is None:
        return outlook.began + poll
    gap = _gap(outlook, seen, poll)
    if not attended:
        gap = max(gap, _UNATTENDED * poll)
    return max(now, seen + gap)


def together(times: list[float], *, earliest: float, poll: float) -> float:
    """One read for several tasks: at the first wanted time, or a little later if an end is promised just then."""
    first = max(earliest, min(times))
    soon = [time for time in times if first < time <= first + 0.6 * poll]
    return min(soon, default=first)


def _gap(outlook: Outlook, seen: float, poll: float) -> float:
    if outlook.starts is not None and outlook.starts > seen:
        return min(max(poll, 0.8 * (outlook.starts - seen)), _FAR * poll)
    if outlook.end is None:
        return poll
    target = outlook.end + _LATE + _BLUR * max(0.0, outlook.end - outlook.began)
    left = target - seen
    if left <= 0:
        return min(max(poll, -left / 4), _OVERDUE * poll)
    if left <= 2 * poll:
        return max(poll, left)
    return min(max(poll, left / 2), _FAR * poll)


def _first_guess(began: float, now: float, ratio: float, usual: float | None) -> float | None:
    if ratio > 5 * _FEWEST:
        return began + (now - began) / ratio
    return began + usual if usual else None
