"""One frame of a film as a picture: the right one, in few bytes, in the right colours, or one error."""

import io
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import av
import pytest
from anyio import CapacityLimiter
from PIL import Image

from runway_mcp.media.pictures.frames import first_frame, frame_at, last_frame
from runway_mcp.media.pictures.reading import FIRST_BYTES
from runway_mcp.media.pictures.stills import Picture
from runway_mcp.media.pictures.strip import film_strip
from tests.kit.numbered import Form, number_in, numbered
from tests.media.ranged import RangedFilm

FRAMES = 96
FORMS = {
    "one keyframe": Form(group=1000),
    "every 24": Form(group=24),
    "every 250, with B-frames": Form(group=250, b_frames=3),
    "B-frames in short groups": Form(group=12, b_frames=3),
    "open groups": Form(group=24, b_frames=3, open_groups=True),
    "every frame a keyframe": Form(group=1),
    "index at the end": Form(index="end", b_frames=2),
    "fragments": Form(index="fragments", b_frames=2),
    "with sound": Form(sound=True, b_frames=2),
    "with sound, index at the end": Form(sound=True, index="end"),
    "with sound, in fragments": Form(sound=True, index="fragments"),
    "larger than the first request": Form(kilobits=4000),
    "larger, one keyframe": Form(group=1000, kilobits=4000),
    "larger, in fragments, with sound": Form(index="fragments", kilobits=4000, sound=True),
    "larger, index at the end, with sound": Form(index="end", kilobits=4000, sound=True, b_frames=2),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A film of each form."""
    folder = tmp_path_factory.mktemp("films")
    return {name: numbered(folder / f"{name}.mp4", FRAMES, form) for name, form in FORMS.items()}


def numbers_by_full_decode(path: Path) -> list[tuple[float, int]]:
    """The second of each frame, from the first one, and the number that it carries."""
    container: Any = av.open(str(path))
    with container:
        frames = [(frame.time, number_in(frame.to_image())) for frame in container.decode(video=0)]
    return [(second - frames[0][0], number) for second, number in frames]


def number(picture: Picture) -> int:
    with Image.open(io.BytesIO(picture.jpeg)) as image:
        return number_in(image)


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
async def test_every_frame_is_the_one_that_a_full_decode_shows_then(
    made: dict[str, Path], limiter: CapacityLimiter, form: str
) -> None:
    expected = numbers_by_full_decode(made[form])
    assert len(expected) == FRAMES
    for second, shown in (*expected[:4], *expected[22:27], *expected[46:51], *expected[-4:]):
        for film in (made[form], RangedFilm(made[form])):
            for asked in (second, round(second, 3), second + 0.03):
                picture = await frame_at(film, asked, limiter=limiter)
                assert (number(picture), picture.shown[0].second) == (shown, pytest.approx(second, abs=0.001))


@pytest.mark.parametrize("form", FORMS)
async def test_the_first_and_the_last_frame_are_those_of_a_full_decode(
    made: dict[str, Path], limiter: CapacityLimiter, form: str
) -> None:
    second, shown = numbers_by_full_decode(made[form])[-1]
    assert shown == FRAMES - 1
    for film in (made[form], RangedFilm(made[form])):
        assert number(await first_frame(film, limiter=limiter)) == 0
        last = await last_frame(film, limiter=limiter)
        assert (number(last), last.shown[0].second) == (shown, pytest.approx(second, abs=0.001))


@pytest.mark.parametrize("name", ["film.mkv", "film.mov"])
@pytest.mark.parametrize("b_frames", [0, 2])
async def test_films_in_other_containers_are_shown_exactly(
    tmp_path: Path, limiter: CapacityLimiter, name: str, b_frames: int
) -> None:
    path = numbered(tmp_path / name, FRAMES, Form(b_frames=b_frames))
    expected = numbers_by_full_decode(path)
    assert [shown for _, shown in expected] == [*range(FRAMES)]
    for film in (path, RangedFilm(path)):
        assert number(await last_frame(film, limiter=limiter)) == FRAMES - 1
        for second, shown in (expected[0], expected[1], expected[50]):
            assert number(await frame_at(film, second, limiter=limiter)) == shown
        strip = await film_strip(film, limiter=limiter)
        assert strip.shown[-1].second == pytest.approx(expected[-1][0], abs=0.002)


async def test_a_film_without_times_of_its_own_still_ends_with_its_last_frame(
    tmp_path: Path, limiter: CapacityLimiter
) -> None:
    path = numbered(tmp_path / "film.avi", FRAMES, Form(b_frames=2))

    assert number(await last_frame(RangedFilm(path), limiter=limiter)) == FRAMES - 1


@pytest.mark.parametrize("second", [FRAMES / 24, 99.0, 1e300, float("inf")])
async def test_past_the_end_the_last_frame_is_given_with_its_real_second(
    made: dict[str, Path], limiter: CapacityLimiter, second: float
) -> None:
    picture = await frame_at(RangedFilm(made["every 24"]), second, limiter=limiter)

    assert (number(picture), picture.shown[0].second) == (FRAMES - 1, 3.958)


@pytest.mark.parametrize("second", [-5.0, float("nan")])
async def test_before_the_start_the_first_frame_is_given(
    made: dict[str, Path], limiter: CapacityLimiter, second: float
) -> None:
    picture = await frame_at(made["every 24"], second, limiter=limiter)

    assert (number(picture), picture.shown[0].second) == (0, 0.0)


@pytest.mark.parametrize("form", FORMS)
async def test_no_byte_is_asked_for_twice_and_no_film_in_more_than_four_requests(
    made: dict[str, Path], limiter: CapacityLimiter, form: str
) -> None:
    for second in (0.0, 1.0, 2.5, 99.0):
        film = RangedFilm(made[form])
        await frame_at(film, second, limiter=limiter)
        spans = sorted(film.asked)
        assert all(end <= start for (_, end), (start, _) in pairwise(spans))
        assert len(film.asked) <= 4


@pytest.mark.parametrize("index", ["front", "end"])
async def test_the_last_frame_of_forty_seconds_costs_four_requests_and_a_third_of_the_bytes_at_most(
    tmp_path: Path, limiter: CapacityLimiter, index: Literal["front", "end"]
) -> None:
    film = RangedFilm(numbered(tmp_path / "film.mp4", 960, Form(group=250, index=index, kilobits=2000, sound=True)))

    assert number(await last_frame(film, limiter=limiter)) == 959

    assert film.size > 10_000_000
    assert len(film.asked) <= 4
    assert film.bytes_asked <= 0.3 * film.size


@pytest.mark.parametrize("form", [Form(group=1000, kilobits=4000), Form(group=1000, kilobits=4000, index="end")])
async def test_a_film_whose_last_group_is_most_of_it_is_read_once(
    tmp_path: Path, limiter: CapacityLimiter, form: Form
) -> None:
    film = RangedFilm(numbered(tmp_path / "film.mp4", 240, form))

    assert number(await last_frame(film, limiter=limiter)) == 239

    assert film.bytes_asked == film.size
    assert len(film.asked) <= 4


async def test_the_first_frame_costs_one_request(made: dict[str, Path], limiter: CapacityLimiter) -> None:
    film = RangedFilm(made["larger than the first request"])

    await first_frame(film, limiter=limiter)

    assert film.asked == [(0, FIRST_BYTES)]
