import pytest

from runway_mcp.tasks.lineage import Lineage, Reach, cost_of, judge, lineage_of
from tests.kit.samples import clip, long_id, task

PARENT = long_id("task", 9)


@pytest.mark.parametrize(
    ("asset", "maker", "extendable", "reason"),
    [
        (clip(), task(), "yes", ""),
        (clip(), task(options={"extended_count": 2}), "yes", ""),
        (clip(), task(taskType="gen3a_turbo"), "yes", ""),
        (clip(mediaType=None), task(), "yes", ""),
        (clip(), task(options={"extended_count": 3}), "no", "extended 3 times"),
        (clip(), task(taskType="gen3a_turbo", options={"extended_count": 3}), "no", "Turbo allows 3"),
        (clip(), task(taskType="gen4"), "no", "made by gen4"),
        (clip(), task(taskType=None), "no", "unnamed model"),
        (clip(mediaType="image"), task(), "no", "an image"),
        (clip(mediaType="sound"), task(), "no", "a sound"),
        (clip(isUserUpload=True), task(), "no", "uploaded"),
        (clip(taskId=None), None, "no", "uploaded"),
        (clip(), None, "no", "gone"),
    ],
)
def test_the_making_task_decides_whether_a_clip_can_be_extended(
    asset: object, maker: object, extendable: str, reason: str
) -> None:
    verdict = judge(asset, maker)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  the table mixes shapes

    assert verdict.extendable == extendable
    assert reason in (verdict.reason or "")


def test_only_a_failed_read_leaves_the_verdict_open() -> None:
    assert judge(clip(), None, read_failed=True).extendable == "unknown"


@pytest.mark.parametrize(
    ("options", "count", "left", "added"),
    [
        ({}, 0, 3, 0),
        ({"extended_from_task_id": PARENT, "extended_count": 1, "seconds": 5}, 1, 2, 5),
        ({"extended_from_task_id": PARENT, "seconds": 10}, 1, 2, 10),
        ({"extended_from_task_id": PARENT, "extended_count": 3, "seconds": 10}, 3, 0, 10),
    ],
)
def test_a_film_knows_its_place_in_the_chain(options: dict[str, object], count: int, left: int, added: int) -> None:
    assert lineage_of(task(options=options), "source") == Lineage("source", count, left, added)


def test_films_of_other_models_have_no_lineage_and_no_known_price() -> None:
    other = task(taskType="gen4_turbo", options={"seconds": 10})

    assert lineage_of(other) is None
    assert cost_of(other) is None


@pytest.mark.parametrize(
    ("task_type", "options", "cost"),
    [
        ("gen3a", {"seconds": 5}, 50),
        ("gen3a", {"seconds": 10}, 100),
        ("gen3a", {"seconds": 10, "exploreMode": True}, 0),
        ("gen3a_turbo", {"extended_from_task_id": PARENT}, 40),
        ("gen3a_turbo", {"seconds": 10}, 50),
    ],
)
def test_the_price_is_the_published_rate_per_second_and_nothing_in_explore_mode(
    task_type: str, options: dict[str, object], cost: int
) -> None:
    assert cost_of(task(taskType=task_type, options=options)) == cost


@pytest.mark.parametrize("told", [-1000, -(10**30), 10**30])
def test_a_count_that_cannot_be_true_is_bounded(told: int) -> None:
    made = task(options={"extended_count": told})

    lineage = lineage_of(made, length=10.0)

    assert lineage is not None
    assert 0 <= lineage.extensions_left <= 3


@pytest.mark.parametrize("told", [1e308, -5.0, 0.0])
def test_seconds_that_cannot_be_true_are_those_of_the_model(told: float) -> None:
    assert cost_of(task(options={"extended_from_task_id": PARENT, "seconds": told})) == 100


@pytest.mark.parametrize(("explore", "cost"), [(False, 300), (True, 0)])
def test_what_the_longest_film_costs_is_told_for_the_mode_that_the_task_was_made_in(explore: bool, cost: int) -> None:
    lineage = lineage_of(task(taskType="gen3a", options={"seconds": 10, "exploreMode": explore}), length=10.0)

    assert lineage is not None
    assert lineage.longest == Reach(40, cost)
