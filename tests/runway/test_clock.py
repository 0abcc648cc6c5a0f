from datetime import UTC, datetime
from email.utils import format_datetime

import anyio
import pytest

from runway_mcp.runway.http.clock import UpstreamClock

pytestmark = pytest.mark.virtual_time

NOON = datetime(2027, 1, 15, 12, tzinfo=UTC)


async def test_nothing_is_known_of_upstreams_time_before_an_answer_told_it() -> None:
    assert UpstreamClock().now() is None


async def test_upstreams_time_is_carried_on_by_the_event_loops_clock() -> None:
    clock = UpstreamClock()
    clock.note(format_datetime(NOON, usegmt=True))
    at_once = clock.now()
    await anyio.sleep(90)

    assert at_once == NOON.timestamp()
    assert clock.now() == NOON.timestamp() + 90


async def test_the_last_answer_sets_the_time() -> None:
    clock = UpstreamClock()
    clock.note(format_datetime(NOON, usegmt=True))
    await anyio.sleep(90)
    clock.note("Fri, 15 Jan 2027 12:01:00 GMT")

    assert clock.now() == NOON.timestamp() + 60


@pytest.mark.parametrize("date", [None, "", "soon", "Fri, 32 Jan 2027 12:00:00 GMT", "Fri, 15 Jan 2027", "1800000000"])
async def test_a_date_that_is_absent_or_cannot_be_read_is_passed_over(date: str | None) -> None:
    clock = UpstreamClock()
    clock.note(date)
    assert clock.now() is None
    clock.note(format_datetime(NOON, usegmt=True))
    clock.note(date)

    assert clock.now() == NOON.timestamp()


@pytest.mark.parametrize(
    "date",
    [
        "Fri, 15 Jan 2027 12:00:00 GMT",
        "Fri, 15 Jan 2027 12:00:00",
        "Fri, 15 Jan 2027 12:00:00 -0000",
        "Fri, 15 Jan 2027 13:00:00 +0100",
    ],
)
async def test_a_date_that_names_no_zone_is_read_as_gmt_as_http_dates_are(date: str) -> None:
    clock = UpstreamClock()
    clock.note(date)

    assert clock.now() == NOON.timestamp()
