"""Films that are broken or meant to do harm: one error, in bounded time and memory."""

import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from anyio import CapacityLimiter

from runway_mcp.media.errors import UnreadableFilm
from runway_mcp.media.pictures.frames import first_frame, frame_at, last_frame
from runway_mcp.media.pictures.limits import Limits
from runway_mcp.media.pictures.measures import read_film
from runway_mcp.media.pictures.strip import film_strip
from tests.kit.films import WHITE, film, growing, sound
from tests.kit.numbered import Form, numbered
from tests.media.ranged import RangedFilm

Look = Callable[..., Awaitable[object]]

VIEWS = (last_frame, first_frame, read_film, film_strip)


def small(folder: Path, form: Form | None = None) -> bytes:
    return numbered(folder / "whole.mp4", 48, form or Form()).read_bytes()


def patched(content: bytes, box: bytes, at: int, value: bytes) -> bytes:
    """The content with this value `at` bytes behind the name of the box."""
    start = content.index(box) + len(box) + at
    return content[:start] + value + content[start + len(value) :]


BROKEN: dict[str, Callable[[Path], bytes]] = {
    "nothing": lambda _: b"",
    "a page": lambda _: b"<html>Access denied</html>",
    "noise": lambda _: random.Random(1).randbytes(400_000),  # noqa: S311  bytes that mean nothing
    "a playlist": lambda _: b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
    "a concat list": lambda _: b"ffconcat version 1.0\nfile /etc/passwd\n",
    "index missing at the end": lambda folder: small(folder, Form(index="end"))[:-2000],
    "index cut in front": lambda folder: small(folder)[:900],
    "index of noise": lambda folder: patched(small(folder), b"stbl", 0, random.Random(2).randbytes(700)),  # noqa: S311
    "sound alone": lambda folder: sound(folder / "sound.mp4").read_bytes(),
    "no frame": lambda folder: film(folder / "empty.avi").read_bytes(),
    "a table of four thousand million": lambda folder: patched(
        small(folder), b"stsz", 4, (1).to_bytes(4, "big") + (2**32 - 1).to_bytes(4, "big")
    ),
}


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("look", VIEWS)
async def test_a_broken_film_is_unreadable_here_and_elsewhere(
    tmp_path: Path, limiter: CapacityLimiter, broken: str, look: Look
) -> None:
    content = BROKEN[broken](tmp_path)
    path = tmp_path / "broken.mp4"
    path.write_bytes(content)
    for source in (path, RangedFilm(content)):
        with pytest.raises(UnreadableFilm):
            await look(source, limiter=limiter)


@pytest.mark.parametrize("look", [last_frame, film_strip, read_film])
async def test_a_film_whose_end_is_missing_has_no_last_frame(
    tmp_path: Path, limiter: CapacityLimiter, look: Look
) -> None:
    cut = RangedFilm(small(tmp_path)[:-300])

    assert (await first_frame(cut, limiter=limiter)).shown[0].second == 0
    with pytest.raises(UnreadableFilm, match="cut short"):
        await look(cut, limiter=limiter)


async def test_a_frame_that_is_larger_than_those_before_it_is_bounded_too(
    tmp_path: Path, limiter: CapacityLimiter
) -> None:
    film = growing(tmp_path / "film.mkv", (64, 36), (64, 36), (640, 360))
    limits = Limits(pixels=64 * 36)

    assert (await first_frame(film, limiter=limiter, limits=limits)).width == 64
    with pytest.raises(UnreadableFilm, match="cannot be decoded"):
        await last_frame(film, limiter=limiter, limits=limits)
    assert (await last_frame(film, limiter=limiter)).width == 640


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        (Limits(pixels=320 * 192 - 1), "too big: 320 x 192 pixels"),
        (Limits(samples=47), "more than 47 frames"),
        (Limits(seconds=-1), "more than -1 s to decode"),
        (Limits(bytes=1000), "more than 0 MB"),
    ],
)
@pytest.mark.parametrize("look", VIEWS)
async def test_what_is_beyond_a_limit_is_unreadable(
    tmp_path: Path, limiter: CapacityLimiter, limits: Limits, told: str, look: Look
) -> None:
    whole = RangedFilm(small(tmp_path))

    with pytest.raises(UnreadableFilm, match=told):
        await look(whole, limiter=limiter, limits=limits)


async def test_a_film_in_a_codec_that_is_not_meant_to_be_decoded_is_refused(
    tmp_path: Path, limiter: CapacityLimiter
) -> None:
    odd = film(tmp_path / "film.avi", WHITE, codec="ffv1")

    with pytest.raises(UnreadableFilm, match="in a format that is not decoded here"):
        await last_frame(odd, limiter=limiter)


async def test_frames_that_no_table_announced_are_counted(tmp_path: Path, limiter: CapacityLimiter) -> None:
    many = film(tmp_path / "film.mkv", *([WHITE] * 48))

    with pytest.raises(UnreadableFilm, match="more than 40 frames"):
        await last_frame(many, limiter=limiter, limits=Limits(samples=40))


async def test_a_film_just_within_the_limits_is_shown(tmp_path: Path, limiter: CapacityLimiter) -> None:
    content = small(tmp_path)
    limits = Limits(pixels=320 * 192, samples=48, seconds=20, bytes=len(content))

    assert (await last_frame(RangedFilm(content), limiter=limiter, limits=limits)).width == 320


async def test_a_missing_file_is_unreadable(tmp_path: Path, limiter: CapacityLimiter) -> None:
    with pytest.raises(UnreadableFilm, match="cannot be opened: No such file"):
        await last_frame(tmp_path / "gone.mp4", limiter=limiter)


async def test_a_reader_that_gives_less_than_it_promised_is_not_believed(
    tmp_path: Path, limiter: CapacityLimiter
) -> None:
    class Short(RangedFilm):
        async def read(self, start: int, end: int) -> bytes:
            return (await super().read(start, end))[:-1]

    with pytest.raises(UnreadableFilm, match=r"has \d+ bytes where it promised \d+"):
        await last_frame(Short(small(tmp_path)), limiter=limiter)


async def test_a_readers_own_error_comes_out_as_it_is(limiter: CapacityLimiter) -> None:
    class Dead(RangedFilm):
        async def read(self, start: int, end: int) -> bytes:
            raise ConnectionResetError(start, end)

    with pytest.raises(ConnectionResetError):
        await frame_at(Dead(b"film" * 100), 1.0, limiter=limiter)


@pytest.mark.parametrize("cut", range(0, 100, 7))
async def test_a_film_cut_anywhere_is_shown_right_or_unreadable(
    tmp_path: Path, limiter: CapacityLimiter, cut: int
) -> None:
    content = film(tmp_path / "film.mp4", *([WHITE] * 12)).read_bytes()
    part = RangedFilm(content[: len(content) * cut // 100])
    for look, second in ((last_frame, 0.458), (first_frame, 0.0)):
        try:
            picture = await look(part, limiter=limiter)
        except UnreadableFilm:
            continue
        assert picture.shown[0].second == second
