"""The end of a film: fit to go on from, or black, white or blurred, with the last good second."""

from pathlib import Path

import pytest
from anyio import CapacityLimiter

from runway_mcp.media.errors import UnreadableFilm
from runway_mcp.media.pictures.endings import Flaw, Look, judge_end, judged
from runway_mcp.simulator.media.clips import PaintedFilms
from runway_mcp.simulator.media.films import End, Film, Form
from tests.kit.films import BLACK, WHITE, film, sound
from tests.media.ranged import RangedFilm

FLAWS: dict[End, Flaw | None] = {"scene": None, "black": "black", "white": "white", "blur": "blurred"}


@pytest.fixture(scope="module")
def films() -> PaintedFilms:
    return PaintedFilms()


@pytest.mark.slow
@pytest.mark.parametrize("size", [(640, 360), (360, 640), (64, 36)])
@pytest.mark.parametrize("end", FLAWS)
@pytest.mark.parametrize("index", ["front", "fragments"])
async def test_an_end_is_told_for_what_it_is_with_the_moment_before_it_begins(
    tmp_path: Path, limiter: CapacityLimiter, films: PaintedFilms, size: tuple[int, int], end: End, index: str
) -> None:
    form = Form(end=end, index="front" if index == "front" else "fragments")
    path = tmp_path / "film.mp4"
    path.write_bytes(films.render(Film(scene=1, seconds=5, width=size[0], height=size[1], form=form)))
    for source in (path, RangedFilm(path)):
        ending = await judge_end(source, limiter=limiter)

        assert ending.flaw == FLAWS[end]
        assert ending.last_good_second is not None
        if end == "scene":
            assert ending.last_good_second == pytest.approx(4.958, abs=0.001)
        else:
            assert 3.7 <= ending.last_good_second <= 4.3


@pytest.mark.slow
@pytest.mark.parametrize("added", [(), (5,), (5, 5), (5, 5, 5)])
@pytest.mark.parametrize("scene", [0, 1, 2])
async def test_a_camera_that_comes_to_rest_on_sea_sky_or_sand_ends_well(
    tmp_path: Path, limiter: CapacityLimiter, films: PaintedFilms, scene: int, added: tuple[int, ...]
) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(films.render(Film(scene, 5, added, width=320, height=192)))

    assert (await judge_end(path, limiter=limiter)).flaw is None


@pytest.mark.parametrize(
    ("luma", "flaw", "good"),
    [
        ([BLACK] * 48, "black", None),
        ([WHITE] * 48, "white", None),
        ([120] * 40 + [BLACK] * 8, "black", 39 / 24),
        ([120] * 40 + [WHITE] * 8, "white", 39 / 24),
        ([120] * 48, None, 47 / 24),
        ([120], None, 0.0),
        ([BLACK], "black", None),
        ([120, BLACK], "black", 0.0),
    ],
)
async def test_films_of_one_colour_are_told_by_their_light(
    tmp_path: Path, limiter: CapacityLimiter, luma: list[int], flaw: Flaw | None, good: float | None
) -> None:
    ending = await judge_end(film(tmp_path / "film.mp4", *luma), limiter=limiter)

    assert (ending.flaw, ending.last_good_second) == (flaw, good if good is None else pytest.approx(good, abs=0.001))


Described = tuple[float, float, float]
"""The light, the spread and the sharpness of a frame."""


def looks(*described: Described, every: float = 0.25) -> list[Look]:
    """Looks at even distances."""
    return [Look(number * every, *each) for number, each in enumerate(described)]


def mixed(first: Described, last: Described, steps: int) -> list[Described]:
    """Looks from one to another."""

    def between(number: int, step: int) -> float:
        return first[number] + (last[number] - first[number]) * step / steps

    return [(between(0, step), between(1, step), between(2, step)) for step in range(1, steps + 1)]


DAY, NIGHT, FOG = (120.0, 40.0, 80.0), (14.0, 10.0, 60.0), (240.0, 6.0, 20.0)


@pytest.mark.parametrize(
    ("seen", "flaw", "good"),
    [
        ([NIGHT] * 20, None, 4.75),
        ([FOG] * 20, None, 4.75),
        ([*[DAY] * 16, *mixed(DAY, (2.0, 0.5, 1.0), 8)], "black", 4.0),
        ([*[DAY] * 16, *mixed(DAY, (252.0, 0.5, 1.0), 8)], "white", 4.0),
        ([*[DAY] * 20, (120.0, 30.0, 20.0), (120.0, 30.0, 10.0)], "blurred", 4.75),
        ([*[DAY] * 10, *mixed(DAY, (140.0, 20.0, 30.0), 12)], None, 5.25),
        ([*[DAY] * 10, *mixed(DAY, (60.0, 20.0, 80.0), 12)], None, 5.25),
        ([*[NIGHT] * 18, (1.0, 0.2, 0.0)], "black", 4.25),
    ],
)
def test_a_frame_is_judged_against_the_film_s_own(seen: list[Described], flaw: Flaw | None, good: float) -> None:
    ending = judged(looks(*seen))

    assert (ending.flaw, ending.last_good_second) == (flaw, good)


def test_a_film_that_is_black_but_for_its_middle_has_its_last_good_second_there() -> None:
    ending = judged(looks(*[(0.0, 0.0, 0.0)] * 2, *[DAY] * 20, *[(0.0, 0.0, 0.0)] * 6))

    assert (ending.flaw, ending.last_good_second) == ("black", 5.25)


async def test_what_has_no_picture_has_no_end(tmp_path: Path, limiter: CapacityLimiter) -> None:
    with pytest.raises(UnreadableFilm):
        await judge_end(sound(tmp_path / "sound.mp4"), limiter=limiter)
