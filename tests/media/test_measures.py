from pathlib import Path

import pytest
from anyio import CapacityLimiter

from runway_mcp.media.pictures.measures import Film, read_film
from tests.kit.films import WHITE, film
from tests.kit.numbered import Form, numbered
from tests.media.ranged import RangedFilm


@pytest.mark.parametrize(("frames", "rate", "seconds"), [(24, 24, 1.0), (36, 24, 1.5), (1, 25, 0.04), (30, 30, 1.0)])
async def test_a_films_length_is_counted_from_its_decoded_frames(
    tmp_path: Path, limiter: CapacityLimiter, frames: int, rate: int, seconds: float
) -> None:
    measured = await read_film(film(tmp_path / "film.mp4", *([WHITE] * frames), rate=rate), limiter=limiter)

    assert measured == Film(seconds, frames, 64, 36)
    assert measured.frames_per_second == pytest.approx(rate)


async def test_a_film_whose_clock_starts_late_is_no_longer_for_it(tmp_path: Path, limiter: CapacityLimiter) -> None:
    late = film(tmp_path / "film.mp4", *([WHITE] * 24), first_shown_at=48)

    assert (await read_film(late, limiter=limiter)).duration_seconds == 1.0


async def test_a_film_elsewhere_is_measured_from_one_reading_of_it(tmp_path: Path, limiter: CapacityLimiter) -> None:
    ranged = RangedFilm(numbered(tmp_path / "film.mp4", 96, Form(index="end", sound=True)))

    assert await read_film(ranged, limiter=limiter) == Film(4.0, 96, 320, 192)
    assert ranged.bytes_asked == ranged.size


async def test_a_header_that_claims_a_longer_film_is_not_believed(tmp_path: Path, limiter: CapacityLimiter) -> None:
    path = film(tmp_path / "film.mp4", *([WHITE] * 24))
    content = bytearray(path.read_bytes())
    for box in (b"mvhd", b"mdhd", b"tkhd"):
        at = content.index(box) + (24 if box == b"tkhd" else 20)
        content[at : at + 4] = (10**6).to_bytes(4, "big")
    path.write_bytes(content)

    assert (await read_film(path, limiter=limiter)).duration_seconds == 1.0
