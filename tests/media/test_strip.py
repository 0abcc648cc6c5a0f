"""The strip: the whole film in one picture, its seams, and in words what it shows."""

import io
from pathlib import Path
from typing import Literal

import pytest
from anyio import CapacityLimiter
from PIL import Image

from runway_mcp.media.pictures.stills import LARGEST_BYTES, Shown
from runway_mcp.media.pictures.strip import BAR, CAPTION, GAP, PARTS, SEAM, WIDEST, film_strip, save_strip
from tests.kit.films import WHITE, film
from tests.kit.numbered import Form, number_in, numbered
from tests.media.ranged import RangedFilm

WIDE, HIGH = 320, 192


def cell(number: int) -> tuple[int, int, int, int]:
    """Where frame `number` of a strip of eight stands."""
    x = GAP + number % 4 * (WIDE + GAP)
    y = GAP + number // 4 * (HIGH + BAR + CAPTION + GAP)
    return x, y, x + WIDE, y + HIGH


def read(jpeg: bytes) -> Image.Image:
    with Image.open(io.BytesIO(jpeg)) as image:
        image.load()
        return image


def near(picture: Image.Image, place: tuple[int, int], colour: tuple[int, int, int]) -> bool:
    pixel = picture.getpixel(place)
    assert isinstance(pixel, tuple)
    return all(abs(one - other) < 40 for one, other in zip(pixel, colour, strict=True))


FORMS = [
    Form(),
    Form(group=1000, kilobits=4000),
    Form(group=24, b_frames=3, open_groups=True),
    Form(index="end", sound=True, b_frames=2),
    Form(index="fragments", kilobits=4000),
]


@pytest.mark.parametrize("form", FORMS)
async def test_a_strip_shows_eight_frames_from_the_first_to_the_last_and_tells_when_they_are_shown(
    tmp_path: Path, limiter: CapacityLimiter, form: Form
) -> None:
    path = numbered(tmp_path / "film.mp4", 169, form)
    for source in (path, RangedFilm(path)):
        strip = await film_strip(source, limiter=limiter)

        picture = read(strip.jpeg)
        assert (
            (strip.width, strip.height)
            == picture.size
            == (4 * (WIDE + GAP) + GAP, 2 * (HIGH + BAR + CAPTION + GAP) + GAP)
        )
        numbers = [number_in(picture.crop(cell(number))) for number in range(8)]
        assert numbers == [0, 24, 48, 72, 96, 120, 144, 168]
        assert strip.shown == tuple(Shown(float(second)) for second in range(8))


async def test_a_film_elsewhere_is_read_once_for_its_strip(tmp_path: Path, limiter: CapacityLimiter) -> None:
    elsewhere = RangedFilm(numbered(tmp_path / "film.mp4", 169, Form(index="end", kilobits=4000)))

    await film_strip(elsewhere, limiter=limiter)

    assert (elsewhere.bytes_asked, len(elsewhere.asked)) == (elsewhere.size, 2)


@pytest.mark.parametrize(
    ("seams", "parts"),
    [
        ((), [1, 1, 1, 1, 1, 1, 1, 1]),
        ((3.0,), [1, 1, 1, 2, 2, 2, 2, 2]),
        ((3.5, 2.0), [1, 1, 2, 2, 3, 3, 3, 3]),
        ((1.001, 4.0, 4.5, 99.0), [1, 2, 2, 2, 3, 4, 4, 4]),
    ],
)
async def test_seams_divide_the_strip_into_parts_in_words_and_in_the_picture(
    tmp_path: Path, limiter: CapacityLimiter, seams: tuple[float, ...], parts: list[int]
) -> None:
    path = numbered(tmp_path / "film.mp4", 169, Form())

    strip = await film_strip(path, seams=seams, limiter=limiter)

    assert [frame.part for frame in strip.shown] == parts
    picture = read(strip.jpeg)
    for number, part in enumerate(parts):
        left, _, right, bottom = cell(number)
        assert near(picture, ((left + right) // 2, bottom + BAR // 2), PARTS[part - 1])
        begins = number > 0 and parts[number - 1] != part
        assert near(picture, (left - GAP // 2, bottom - HIGH // 2), SEAM) == begins


@pytest.mark.parametrize(
    ("frames", "shown", "rows"), [(1, 1, 1), (3, 3, 1), (4, 4, 1), (5, 5, 2), (8, 8, 2), (9, 8, 2)]
)
async def test_a_film_of_few_frames_shows_each_once(
    tmp_path: Path, limiter: CapacityLimiter, frames: int, shown: int, rows: int
) -> None:
    strip = await film_strip(film(tmp_path / "film.mp4", *([WHITE] * frames)), limiter=limiter)

    seconds = [frame.second for frame in strip.shown]
    assert (len(seconds), len(set(seconds)), seconds) == (shown, shown, sorted(seconds))
    assert strip.height == GAP + rows * (36 + BAR + CAPTION + GAP)


@pytest.mark.parametrize(("width", "height"), [(1280, 768), (768, 1280), (1920, 1080), (1080, 1920), (2048, 64)])
async def test_a_strip_of_any_film_fits_what_models_take(
    tmp_path: Path, limiter: CapacityLimiter, width: int, height: int
) -> None:
    path = numbered(tmp_path / "film.mp4", 10, Form(), width=width, height=height)

    strip = await film_strip(path, limiter=limiter)

    assert max(strip.width, strip.height) <= WIDEST == 1568
    assert len(strip.jpeg) <= LARGEST_BYTES


@pytest.mark.parametrize(("ending", "kind"), [("png", "PNG"), ("jpg", "JPEG")])
async def test_a_strip_can_be_saved_in_the_format_of_its_name(
    tmp_path: Path, limiter: CapacityLimiter, ending: Literal["png", "jpg"], kind: str
) -> None:
    path, target = film(tmp_path / "film.mp4", *([WHITE] * 48)), tmp_path / f"strip.{ending}"

    shown = await save_strip(path, target, seams=[1.0], limiter=limiter)

    assert [frame.part for frame in shown] == [1, 1, 1, 1, 2, 2, 2, 2]
    with Image.open(target) as saved:
        assert saved.format == kind


async def test_a_strip_that_cannot_be_written_says_so(tmp_path: Path, limiter: CapacityLimiter) -> None:
    with pytest.raises(OSError, match="No such file"):
        await save_strip(film(tmp_path / "film.mp4", WHITE), tmp_path / "gone" / "strip.png", limiter=limiter)
