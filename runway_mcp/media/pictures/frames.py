"""Frames: the first, the last or any other of a film as a picture, decoded exactly.

Blocking work runs in worker threads, as many at once as the caller's limiter has tokens.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from anyio import CapacityLimiter

from runway_mcp.media.errors import UnreadableFilm
from runway_mcp.media.pictures.decoding import OpenFilm, opened
from runway_mcp.media.pictures.limits import LIMITS, Limits
from runway_mcp.media.pictures.reading import FilmFile, FilmReader, worked_on
from runway_mcp.media.pictures.stills import Picture, Shown, encoded, scaled

if TYPE_CHECKING:
    from av import VideoFrame

LONG_SIDE = 768
"""Pixels of a frame's longer side; about 500 tokens."""

_AIM_BYTES = 60_000


async def last_frame(film: Path | FilmReader, *, limiter: CapacityLimiter, limits: Limits = LIMITS) -> Picture:
    """The frame that is shown last, decoded up to the end. Raises `UnreadableFilm`, `MediaMissing`."""
    return await _frame(film, None, limiter, limits)


async def first_frame(film: Path | FilmReader, *, limiter: CapacityLimiter, limits: Limits = LIMITS) -> Picture:
    """The frame that is shown first. Raises `UnreadableFilm`, `MediaMissing`."""
    return await _frame(film, 0.0, limiter, limits)


async def frame_at(
    film: Path | FilmReader, second: float, *, limiter: CapacityLimiter, limits: Limits = LIMITS
) -> Picture:
    """The frame that is on the screen at `second`; past the end the last one, and `shown` has its real second.

    Raises `UnreadableFilm`, `MediaMissing`.
    """
    return await _frame(film, second, limiter, limits)


async def _frame(film: Path | FilmReader, second: float | None, limiter: CapacityLimiter, limits: Limits) -> Picture:
    return await worked_on(film, partial(_picture, second=second), limits=limits, limiter=limiter)


def _picture(file: FilmFile, *, second: float | None) -> Picture:
    with opened(file) as film:
        frame = frame_shown(film, second)
        shown = Shown(round(film.second(frame), 3))
        jpeg, picture = encoded(scaled(frame, width=LONG_SIDE, height=LONG_SIDE), aim=_AIM_BYTES)
    return Picture(jpeg, picture.width, picture.height, (shown,))


def frame_shown(film: OpenFilm, second: float | None) -> "VideoFrame":
    """The frame on the screen at `second`, or the last one (None). Raises `UnreadableFilm` if none decodes."""
    return frames_shown(film, [second])[0]


def frames_shown(film: OpenFilm, seconds: Sequence[float | None]) -> "list[VideoFrame]":
    """The frames on the screen at these seconds, which ascend, from one run of the decoder; None is the last one."""
    ticks = [None if second is None else film.tick(second) for second in seconds]
    found: dict[int, VideoFrame] = {}
    for frame in film.frames(seconds[-1]):
        for number, tick in enumerate(ticks):
            if number not in found or tick is None or frame.pts is None or frame.pts <= tick:
                found[number] = frame
    if not found:
        raise UnreadableFilm("the film holds no picture that decodes")
    return list(found.values())
