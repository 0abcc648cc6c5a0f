from pathlib import Path

import anyio
import pytest

from benchmarks.keeping import PAGE, Figures, film_host, measure, promises, section, weigh, written

pytestmark = pytest.mark.slow


async def test_a_small_film_is_measured_both_ways_and_leaves_nothing_but_the_bare_one(tmp_path: Path) -> None:
    with film_host(3 * 10**6) as origin, anyio.fail_after(60):
        figures = await measure(3, 2, origin, tmp_path)
        figures.memory = await weigh(origin, tmp_path)

    assert len(figures.bare) == len(figures.kept) == 2
    assert min(*figures.bare, *figures.kept) > 0
    assert len(figures.idle) > 50
    assert figures.busy
    assert [each.name for each in tmp_path.iterdir()] == ["bare.mp4"]


@pytest.mark.parametrize(
    ("figures", "hold"),
    [
        (Figures(200, [100.0] * 7, [80.0] * 7, [0.060] * 200, [0.011] * 200, 25_000_000), [True, True, True]),
        (Figures(200, [100.0] * 7, [79.0] * 7, [0.062] * 200, [0.011] * 200, 25_000_001), [False, False, False]),
    ],
)
def test_each_promise_is_judged_by_its_figure(figures: Figures, hold: list[bool]) -> None:
    assert [promise.holds for promise in promises(figures)] == hold


def test_the_page_tells_promises_that_all_hold() -> None:
    page = PAGE.read_text(encoding="utf-8")
    ours = page.partition("<!-- keeping: written")[2].partition("<!-- keeping: end")[0]
    told = section(Figures(200, [1.0], [1.0], [0.0] * 9, [0.0] * 9))

    assert ours.count(" | yes |") == 3
    assert " | NO |" not in ours
    assert written(written(page, told), told) == written(page, told) != page
