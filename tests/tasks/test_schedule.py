import math
import random
from collections.abc import Callable

import pytest

from runway_mcp.tasks.follow.schedule import Forecast, Need, Span, need, together

POLL = 5.0
FRESH = Forecast(began=100.0, seen=100.0)
SEEN = Forecast(began=100.0, seen=150.0)

SHOWS: dict[str, Callable[[float], float]] = {
    "rounded": lambda rise: round(rise, 2),
    "cut off": lambda rise: math.floor(rise * 100) / 100,
    "in steps of five": lambda rise: math.floor(rise * 20) / 20,
    "exact": lambda rise: rise,
}


def forecast(**known: float) -> Forecast:
    """What three reads told of a task that began at 100 and was last seen at 150."""
    return Forecast(began=100.0, seen=150.0, **known)  # pyright: ignore[reportArgumentType]  times and ratios only


@pytest.mark.parametrize(
    ("known", "attended", "pause"),
    [
        pytest.param(FRESH, True, 5.0, id="a fresh task is read as soon as that is allowed"),
        pytest.param(SEEN, True, 5.0, id="without any sign of the end every interval counts"),
        pytest.param(SEEN, False, 30.0, id="nobody waits: six intervals"),
        pytest.param(forecast(starts=150.0 + 8.0), True, 5.0, id="it starts soon: the next interval"),
        pytest.param(forecast(starts=150.0 + 60.0), True, 30.0, id="it queues: half the time that is left"),
        pytest.param(forecast(starts=150.0 + 900.0), True, 60.0, id="it queues for long: twelve intervals"),
        pytest.param(forecast(starts=149.0), True, 5.0, id="it should have started: every interval"),
        pytest.param(forecast(soonest=157.0, latest=159.0), True, 9.0, id="the end is sure: just when it has come"),
        pytest.param(forecast(soonest=150.5, latest=152.0), True, 5.0, id="the end is near: as soon as allowed"),
        pytest.param(forecast(soonest=157.0, latest=159.0), False, 30.0, id="nobody waits for an end that is sure"),
        pytest.param(forecast(soonest=174.0, latest=176.0), True, 13.0, id="the end is far: half the way"),
        pytest.param(
            forecast(soonest=250.0, latest=260.0), True, 17.5, id="the end is very far: three and a half intervals"
        ),
        pytest.param(forecast(soonest=156.0, latest=170.0), True, 8.5, id="the end is vague: early in its span"),
        pytest.param(forecast(soonest=140.0, latest=190.0), True, 5.0, id="the end may come at any time"),
    ],
)
def test_the_next_read_comes_when_a_change_is_likely(known: Forecast, attended: bool, pause: float) -> None:
    assert need(known, attended=attended, poll=POLL, durations=Span()).at == pytest.approx(known.seen + pause)


@pytest.mark.parametrize(
    ("age", "pause"),
    [
        pytest.param(10.0, 17.5, id="long before the quickest: three and a half intervals"),
        pytest.param(51.0, 9.0, id="before the quickest: until then"),
        pytest.param(58.0, 5.0, id="just before the quickest: one interval"),
        pytest.param(60.0, 5.0, id="among the others: every interval"),
        pytest.param(120.0, 5.0, id="with the slowest: every interval"),
        pytest.param(160.0, 10.0, id="after the slowest: the longer the later"),
        pytest.param(900.0, 17.5, id="long after the slowest: three and a half intervals"),
    ],
)
def test_where_no_ratio_tells_what_other_tasks_took_does(age: float, pause: float) -> None:
    known = Forecast(began=0.0, seen=age)

    assert need(known, poll=POLL, durations=Span(60.0, 120.0)).at == pytest.approx(age + pause)


@pytest.mark.parametrize(
    ("known", "pause"),
    [
        pytest.param(FRESH, 30.0, id="a first read, to tell whoever waits that it runs"),
        pytest.param(SEEN, 150.0, id="then only in case a callback is lost"),
        pytest.param(forecast(soonest=180.0, latest=190.0), 50.0, id="a foretold end that nobody called for"),
    ],
)
def test_under_callbacks_reads_are_a_net(known: Forecast, pause: float) -> None:
    assert need(known, net=True, poll=POLL, durations=Span()).at == pytest.approx(known.seen + pause)


def test_no_read_is_wanted_within_an_interval_of_the_last() -> None:
    chance = random.Random(1)  # noqa: S311  a test repeats itself
    for _ in range(2000):
        seen, soonest = chance.uniform(0, 500), chance.uniform(0, 500)
        known = Forecast(
            began=0.0,
            seen=seen,
            starts=chance.choice((None, chance.uniform(0, 900))),
            soonest=soonest,
            latest=chance.choice((math.inf, soonest + chance.uniform(0, 50))),
        )
        attended = chance.random() < 0.5

        wanted = need(known, attended=attended, poll=POLL, durations=Span(40.0, 200.0)).at

        assert POLL - 1e-9 <= wanted - seen <= 75.0


@pytest.mark.parametrize("shows", SHOWS.values(), ids=SHOWS)
def test_an_even_rise_ends_within_the_span_that_its_ratios_foretell(shows: Callable[[float], float]) -> None:
    chance = random.Random(2)  # noqa: S311  a test repeats itself
    for _ in range(300):
        starts, length = chance.uniform(1, 60), chance.uniform(20, 900)
        known, now, end = Forecast(began=0.0, seen=0.0), 0.0, starts + length
        while (now := now + chance.uniform(POLL, 4 * POLL)) < end:
            known = known.after(now, ratio=None if now < starts else shows((now - starts) / length), starts_in=None)

            assert known.soonest <= end <= known.latest


def test_each_read_of_an_even_rise_tells_its_end_better() -> None:
    known, spans = Forecast(began=0.0, seen=0.0), list[float]()
    for now in range(10, 100, 10):
        known = known.after(now, ratio=(now - 3) / 97, starts_in=None)
        spans.append(known.latest - known.soonest)

    assert spans == sorted(spans, reverse=True)
    assert spans[-1] < 2.5


@pytest.mark.parametrize(
    "later",
    [
        pytest.param([(70.0, 0.4), (80.0, 0.4), (90.0, 0.4), (100.0, 0.4)], id="it stalls"),
        pytest.param([(70.0, 0.1)], id="it falls"),
        pytest.param([(70.0, 0.7), (130.0, 0.95)], id="its end does not come"),
    ],
)
def test_a_ratio_that_breaks_its_promise_is_believed_no_more(later: list[tuple[float, float]]) -> None:
    known = Forecast(began=0.0, seen=0.0)
    for now, ratio in [(20.0, 0.21), (30.0, 0.29), (40.0, 0.4), *later]:
        known = known.after(now, ratio=ratio, starts_in=None)

    assert known.latest == math.inf
    assert need(known, poll=POLL, durations=Span()).at == known.seen + POLL


def test_after_a_stall_a_fresh_rise_is_believed_again() -> None:
    known = Forecast(began=0.0, seen=0.0)
    for now, ratio in [(20, 0.2), (40, 0.41), (60, 0.41), (80, 0.41), (100, 0.41), (120, 0.6), (130, 0.7), (140, 0.8)]:
        known = known.after(now, ratio=ratio, starts_in=None)

    assert known.soonest <= 160.0 <= known.latest
    assert known.latest - known.soonest < 10.0


@pytest.mark.parametrize(
    ("needs", "read"),
    [
        pytest.param([(7.0, True)], 7.0, id="one task: when it wants"),
        pytest.param([(3.0, True)], 5.0, id="never too early"),
        pytest.param([(7.0, True), (20.0, True)], 7.0, id="two ends: the first"),
        pytest.param([(7.0, False), (11.0, True)], 11.0, id="a look on the way waits for an end that it would delay"),
        pytest.param([(7.0, False), (12.5, True)], 7.0, id="but not for one that it would not delay"),
        pytest.param([(7.0, False)] * 10 + [(11.0, False)], 7.0, id="of many looks the first decides"),
    ],
)
def test_one_read_serves_several_tasks_when_that_delays_no_end(needs: list[tuple[float, bool]], read: float) -> None:
    assert together([Need(*each) for each in needs], earliest=5.0, poll=POLL) == read
