from pathlib import Path

import pytest

from benchmarks.hosting import cpu, replicas, soak, streams
from benchmarks.hosting.listening import Delay
from benchmarks.hosting.replicas import COUNTS, KINDS, Spent
from benchmarks.pairs import PAGE, section, table, written
from tests.kit.postgres import programs

needs_postgres = pytest.mark.skipif(programs() is None, reason="there is no PostgreSQL")

PARTS = ("cpu", "replicas", "streams", "soak")


def spent(one: float, two: float) -> replicas.Figures:
    """CPU per call of one server and of two, for each kind."""
    return {(kind, count): Spent([one if count == 1 else two], [0.1]) for kind in KINDS for count in COUNTS}


@pytest.mark.parametrize(("two", "holds"), [(1.0, True), (1.17, True), (1.19, False)])
def test_two_servers_are_judged_by_what_one_read_costs_both(two: float, *, holds: bool) -> None:
    assert [promise.holds for promise in replicas.promises(spent(1.0, two))] == [holds]


def test_the_delay_of_an_update_is_told_as_the_median_of_its_samples() -> None:
    figures = streams.Figures(1000, [60.0], [50.0], {"ours": [Delay(0.0, 0.1, 0.2), Delay(0.0, 0.3, 0.6)]})

    assert streams.lines(figures)[-1] == "| ours | 0 ms | 200 ms | 400 ms |"
    assert [row.holds for row in streams.rows(figures)] == [True]


@pytest.mark.parametrize(
    ("changed", "broken"),
    [
        ({}, []),
        ({"failed": ["a call"]}, [0]),
        ({"charged": 150.0}, [1]),
        ({"accepted": 3}, [1]),
        ({"unfinished": 1}, [2]),
        ({"memory": [[70.0, 70.0], [70.0, 80.1]]}, [3]),
        ({"descriptors": [[60, 60], [60, 61]]}, [4]),
    ],
)
def test_a_soak_breaks_the_promise_that_its_figures_break_and_no_other(
    changed: dict[str, object], broken: list[int]
) -> None:
    good: dict[str, object] = {"memory": [[70.0, 70.0], [72.0, 71.0]], "descriptors": [[60, 60], [12, 12]]}
    good |= {"submitted": 2, "accepted": 2, "told_cost": 100.0, "charged": 100.0, "seconds": 600.0}
    figures = soak.Figures()
    for name, value in (good | changed).items():
        setattr(figures, name, value)

    assert [number for number, promise in enumerate(soak.promises(figures)) if not promise.holds] == broken


@pytest.mark.parametrize("name", PARTS)
def test_the_page_has_one_place_for_each_part(name: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    told = section(f"hosting {name}", f"hosting --only {name} --write", table([]))

    assert page.count(f"<!-- hosting {name}: ") == 2
    assert told in written(page, f"hosting {name}", told)


@pytest.mark.slow
@pytest.mark.timeout(300)
@needs_postgres
def test_calls_of_both_servers_are_measured_for_each_ledger_token_and_era(tmp_path: Path) -> None:
    figures = cpu.measure(tmp_path, pairs=1, calls=4, loads=[], callers=2)

    assert len(figures) == 6
    assert all(pairs.ours[0] > 0 and pairs.bare[0] > 0 for pairs in figures.values())


@pytest.mark.slow
@pytest.mark.timeout(300)
@needs_postgres
def test_a_short_soak_breaks_no_promise_on_what_was_spent_and_leaves_nothing(tmp_path: Path) -> None:
    figures = soak.measure(tmp_path, minutes=0.1)

    assert not figures.failed
    assert figures.submitted == figures.accepted
    assert figures.told_cost == figures.charged
    assert not figures.unfinished


@pytest.mark.slow
@pytest.mark.timeout(300)
@needs_postgres
def test_updates_reach_every_stream_at_a_server_that_reads_and_at_one_that_is_told(tmp_path: Path) -> None:
    figures = streams.measure(tmp_path, rounds=1, streams=40, loads=[], updates=1, poll=2)

    assert len(figures.delays) == 3
    assert all(delay.first <= delay.median <= delay.last for each in figures.delays.values() for delay in each)
    assert figures.ours[0] > 0


@pytest.mark.slow
@pytest.mark.timeout(300)
@needs_postgres
def test_several_servers_are_measured_with_their_database(tmp_path: Path) -> None:
    figures = replicas.measure(tmp_path, rounds=1, calls=4, extensions=2, loads=[])

    assert set(figures) == {(kind, count) for kind in KINDS for count in COUNTS}
    assert all(each.servers[0] > 0 for each in figures.values())
    assert all(figures[KINDS[2], count].database[0] > 0 for count in COUNTS)
