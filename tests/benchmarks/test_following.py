from dataclasses import replace

import pytest

from benchmarks.following import PAGE, Results, promises, run, scenes, section, written
from benchmarks.outage import suffer
from benchmarks.scenes import Scene, play
from benchmarks.ways import POLL, loop, ours

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def quick() -> Results:
    return run(1, quick=True)


@pytest.mark.timeout(180)
def test_every_promise_that_virtual_time_can_judge_holds(quick: Results) -> None:
    judged = list(promises(quick))

    assert len(judged) == 6
    assert not [promise for promise in judged if not promise.holds]


def test_the_same_seed_gives_the_same_figures(quick: Results) -> None:
    scene = next(scene for scene in scenes(1, quick=True) if scene.tasks == 10)

    assert play(scene, ours) == quick.ours[scene]
    assert play(scene, loop(5.0)) == quick.loops[10, 5.0]
    assert play(replace(scene, seed=2), ours) != quick.ours[scene]


def test_an_upstream_that_is_dead_for_ten_minutes_loses_no_task_and_is_not_stormed_when_it_recovers() -> None:
    outage = suffer(Scene(1000, 100))

    assert outage.lost == 0
    assert outage.recovered <= 120.0
    assert outage.reads <= 15
    assert outage.closest >= POLL - 1e-6
    assert outage.busiest_after <= outage.busiest_before


def test_the_page_tells_promises_that_all_hold(quick: Results) -> None:
    page = PAGE.read_text(encoding="utf-8")
    told = section(quick, 1)

    ours = page.partition("<!-- following: written")[2].partition("<!-- following: end")[0]
    assert ours.count(" | yes |") == 8
    assert " | NO |" not in ours
    assert written(page, told) != page
    assert written(written(page, told), told) == written(page, told)
