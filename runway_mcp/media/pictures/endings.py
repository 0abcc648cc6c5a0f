"""Endings: whether a film can go on from its last frame, or ends in black, in white or in a blur.

A frame is judged against the film's own earlier ones, since some films are dark or soft from their start.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Literal

from anyio import CapacityLimiter

from runway_mcp.media.errors import UnreadableFilm
from runway_mcp.media.pictures.decoding import OpenFilm, opened
from runway_mcp.media.pictures.limits import LIMITS, Limits
from runway_mcp.media.pictures.reading import FilmFile, FilmReader, worked_on
from runway_mcp.media.pictures.stills import scaled

if TYPE_CHECKING:
    from av import VideoFrame

Flaw = Literal["black", "white", "blurred"]

# Pixels of the longer side at which a frame is measured, so that noise and the codec's blocks count little.
_SIDE = 320
# The last seconds, of which every frame is measured; before them one in so many seconds is enough.
_TAIL_SECONDS, _STEP_SECONDS = 4.0, 0.25
# What is earlier than this before the end shows the film's usual light.
_EARLIER_SECONDS = 1.5
# Sharpness is compared with that of a moment before: a camera that comes to rest on a soft sky is no blur.
_BEFORE_SECONDS = (2.0, 1.0)
# The share of a frame's sharpest pixels that tells its sharpness, however plain the rest is.
_SHARPEST = 0.005
_DARK, _BRIGHT = 20.0, 235.0
# Steps of 255 by which such a frame differs from the usual one, unless it is of one colour.
_DEPARTURE, _FLAT = 12.0, 2.0
_BLURRED = 0.45
# How far towards the usual light and sharpness a frame has to be to count as good.
_GOOD = 0.85


@dataclass(frozen=True)
class Look:
    """How a frame looks: its second, its mean light from 0 to 255, the spread of that, and how sharp its edges are."""

    second: float
    light: float
    spread: float
    sharpness: float


@dataclass(frozen=True)
class Ending:
    """What is wrong with a film's last frame, if anything, and the second of the last frame that is still good.

    `last_good_second` is that of the last frame without a flaw; None where the film has no good frame. `last` and
    `usual` are how the last frame looks, and how earlier ones do: in the median, their sharpness shortly before.
    """

    flaw: Flaw | None
    last_good_second: float | None
    last: Look
    usual: Look


async def judge_end(film: Path | FilmReader, *, limiter: CapacityLimiter, limits: Limits = LIMITS) -> Ending:
    """How the film ends, every frame of it decoded. Raises `UnreadableFilm`, `MediaMissing`."""
    return await worked_on(film, _judged, limits=limits, limiter=limiter)


def judged(looks: Sequence[Look]) -> Ending:
    """The ending of a film whose frames look so, in order; there is at least one."""
    last = looks[-1]
    earlier = [look for look in looks if look.second <= last.second - _EARLIER_SECONDS] or looks[: len(looks) // 2 + 1]
    first, end = (last.second - seconds for seconds in _BEFORE_SECONDS)
    before = [look for look in looks if first <= look.second <= end] or earlier
    usual = Look(
        earlier[-1].second,
        median(look.light for look in earlier),
        median(look.spread for look in earlier),
        median(look.sharpness for look in before),
    )
    flaw = _flaw(last, usual)
    if flaw is None:
        return Ending(None, last.second, last, usual)
    good = (look.second for look in reversed(looks) if _flaw(look, usual) is None and _is_good(look, last, usual, flaw))
    return Ending(flaw, next(good, None), last, usual)


def _flaw(look: Look, usual: Look) -> Flaw | None:
    is_flat = look.spread < _FLAT
    if look.light < _DARK and (is_flat or usual.light > look.light + _DEPARTURE):
        return "black"
    if look.light > _BRIGHT and (is_flat or usual.light < look.light - _DEPARTURE):
        return "white"
    return "blurred" if look.sharpness < _BLURRED * usual.sharpness else None


def _is_good(look: Look, last: Look, usual: Look, flaw: Flaw) -> bool:
    """Whether the frame lies before the film begins to end as it does."""
    if flaw == "blurred":
        return look.sharpness >= last.sharpness + _GOOD * (usual.sharpness - last.sharpness)
    return abs(look.light - last.light) >= _GOOD * abs(usual.light - last.light)


def _judged(file: FilmFile) -> Ending:
    file.require(0, file.size)
    with opened(file) as film:
        looks = _looks(film)
    if not looks:
        raise UnreadableFilm("the film holds no picture that decodes")
    return judged(looks)


def _looks(film: OpenFilm) -> list[Look]:
    samples = film.stream.index_entries if film.indexed else ()
    last = max((float((each.timestamp - film.first_tick) * film.stream.time_base) for each in samples), default=0.0)
    looks: list[Look] = []
    for frame in film.frames(None, from_start=True):
        second = film.second(frame)
        if not looks or second >= min(last - _TAIL_SECONDS, looks[-1].second + _STEP_SECONDS):
            looks.append(_look(frame, second))
    return looks


def _look(frame: "VideoFrame", second: float) -> Look:
    from PIL import ImageFilter, ImageStat  # noqa: PLC0415  the extra `media` may be absent

    grey = scaled(frame, width=_SIDE, height=_SIDE).convert("L")
    light = ImageStat.Stat(grey)
    # The Laplacian, around the middle of its range; it leaves the outermost pixels as they are.
    edges = grey.filter(ImageFilter.Kernel((3, 3), (0, 1, 0, 1, -4, 1, 0, 1, 0), scale=1, offset=128))
    inner = edges.crop((1, 1, edges.width - 1, edges.height - 1)).histogram()
    strengths = [inner[128 + step] + inner[128 - step] for step in range(127, 0, -1)]
    enough = _SHARPEST * sum(inner)
    weaker = sum(total < enough for total in accumulate(strengths))
    return Look(round(second, 3), light.mean[0], light.stddev[0], 127.0 - weaker)
