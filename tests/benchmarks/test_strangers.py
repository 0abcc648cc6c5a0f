"""The command that measures what a hostile upstream costs others sees both what is slow and what fails."""

import time
from pathlib import Path

import anyio
import pytest

from benchmarks.harm import beside, in_turn
from benchmarks.hostile import FAIR
from benchmarks.turns import TimedSelector, turns

pytestmark = pytest.mark.slow


def test_a_turn_is_what_runs_between_two_waits() -> None:
    took: list[float] = []
    with TimedSelector(took.append) as selector:
        selector.select(0)
        until = time.thread_time() + 0.05
        while time.thread_time() < until:
            pass
        selector.select(0.2)
        selector.select(0)

    assert 0.05 <= took[1] < 0.15
    assert took[2] < 0.05


@pytest.mark.timeout(180)
def test_both_upstreams_are_read_and_the_turns_of_both_are_noted(tmp_path: Path) -> None:
    with beside("as many tasks as the bound takes") as hostile, beside(FAIR) as fair:
        anyio.run(in_turn, hostile, fair)

    for each in (hostile, fair):
        assert not each.calls.failed
        assert not each.pings.failed
        assert each.pings.waits
    assert 0.005 < hostile.longest_turn < 0.15
    noted = tmp_path / "turns.txt"
    noted.write_text("1.0 0.5\n2.0 0.25\n3.0 0.125\n", encoding="ascii")
    assert turns(noted, 1.5, 2.5) == [0.25]
