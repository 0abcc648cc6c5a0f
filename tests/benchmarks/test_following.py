from dataclasses import replace

import pytest

from benchmarks.following import PAGE, Results, promises, run, scenes, section, written
from benchmarks.outage import suffer
from benchmarks.scenes import Scene, play
from benchmarks.ways import POLL, loop, ours

SLACK = 0.4
"""Few tasks are played here, so medians differ by more."""


@pytest.fixture(scope="module")
def quick() -> Results:
    return run(1, quick=True)


@pytest.mark.timeout(180)
def test_every_promise_that_virtual_time_can_judge_holds(quick: Results) -> None:
    broken = [promise for promise in promises(quick, slack=SLACK) if not promise.holds]

    assert not broken
    assert len(list(promises(quick))) == 6


def test_the_same_seed_gives_the_same_figures(quick: Results) -> None:
    scene = next(scene for scene in scenes(1, quick=True) if scene.tasks == 10)

    assert play(scene, ours) == quick.ours[scene]
    assert play(scene, loop(5.0)) == quick.loops[10, 5.0]
    assert play(replace(scene, seed=2), ours) != quick.ours[scene]


@pytest.mark.parametrize("accounts", [100, 1])
def test_an_upstream_that_is_dead_for_ten_minutes_loses_no_task_and_is_not_stormed_when_it_recovers(
    accounts: int,
) -> None:
    outage = suffer(Scene(1000, accounts))

    assert outage.lost == 0
    assert outage.recovered <= 120.0
    assert outage.reads <= 15
    assert outage.closest >= POLL - 1e-6
    assert outage.busiest_after <= outage.busiest_before


def test_the_page_tells_promises_that_all_hold(quick: Results) -> None:
    page = PAGE.read_text(encoding="utf-8")
    asked = [promise.what for promise in promises(quick)]

    assert " | NO |" not in page
    assert all(f"| {what.replace('10 accounts', '10 accounts')} |" in page for what in asked)
    assert written(page, section(quick, 1)) != page
    assert written(written(page, section(quick, 1)), section(quick, 1)) == written(page, section(quick, 1))
