"""Strips: a whole film in one picture, its frames in two rows, with the seams between its parts."""

from bisect import bisect_right
from collections.abc import Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from anyio import CapacityLimiter

from runway_mcp.media.pictures.decoding import OpenFilm, opened
from runway_mcp.media.pictures.frames import frame_shown, frames_shown
from runway_mcp.media.pictures.limits import LIMITS, Limits
from runway_mcp.media.pictures.reading import FilmFile, FilmReader, worked_on
from runway_mcp.media.pictures.stills import Picture, Shown, encoded, scaled

if TYPE_CHECKING:
    from av import VideoFrame
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

FRAMES = 8
WIDEST = 1568
"""Pixels beyond which models scale a picture down."""

PAPER = (18, 20, 26)
SEAM = (255, 255, 255)
PARTS = ((122, 132, 150), (255, 122, 26), (64, 186, 174), (172, 130, 255))
"""What underlines the frames of each part; a fifth part has the first colour again."""

GAP = 8
BAR = 6
CAPTION = 26
COLUMNS = 4
"""How many frames stand in a row at most."""
_CELL_WIDTH = (WIDEST - (COLUMNS + 1) * GAP) // COLUMNS
_CELL_HEIGHT = WIDEST // 2 - 2 * GAP - BAR - CAPTION
_AIM_BYTES = 90_000
# A seam is where a frame begins, and both are told in rounded seconds.
_ROUNDING = 0.005


async def film_strip(
    film: Path | FilmReader, *, seams: Sequence[float] = (), limiter: CapacityLimiter, limits: Limits = LIMITS
) -> Picture:
    """Eight frames of the film, evenly spread from the first to the last, at most 1,568 pixels wide and high.

    `seams` are the seconds at which an extension begins: white lines, and another colour under the frames of each part.
    `shown` tells second and part of each frame, row by row. A film elsewhere is read whole. Raises `UnreadableFilm`,
    `MediaMissing`.
    """
    return await worked_on(film, partial(_strip, seams=sorted(seams)), limits=limits, limiter=limiter)


async def save_strip(
    film: Path, target: Path, *, seams: Sequence[float] = (), limiter: CapacityLimiter, limits: Limits = LIMITS
) -> tuple[Shown, ...]:
    """Writes the strip to `target` in the format of its ending, whatever the size; returns the frames that it shows.

    Raises `UnreadableFilm`, `MediaMissing`, and `OSError` where `target` cannot be written.
    """

    def work(file: FilmFile) -> tuple[Shown, ...]:
        picture, shown = _composed(file, sorted(seams))
        picture.save(target)
        return shown

    return await worked_on(film, work, limits=limits, limiter=limiter)


def _strip(file: FilmFile, *, seams: Sequence[float]) -> Picture:
    picture, shown = _composed(file, seams)
    jpeg, final = encoded(picture, aim=_AIM_BYTES)
    return Picture(jpeg, final.width, final.height, shown)


def _composed(file: FilmFile, seams: Sequence[float]) -> "tuple[Image, tuple[Shown, ...]]":
    file.require(0, file.size)
    with opened(file) as film:
        frames = _spread(film)
        shown = tuple(_shown(film.second(frame), seams) for frame in frames)
        pictures = [scaled(frame, width=_CELL_WIDTH, height=_CELL_HEIGHT) for frame in frames]
    return _in_rows(pictures, shown), shown


def _shown(second: float, seams: Sequence[float]) -> Shown:
    return Shown(round(second, 3), bisect_right(seams, second + _ROUNDING) + 1)


def _spread(film: OpenFilm) -> "list[VideoFrame]":
    """Up to eight different frames, the last one among them; those of one group of pictures in one decoding run."""
    last = frame_shown(film, None)
    end = film.second(last)
    seconds = [end * number / (FRAMES - 1) for number in range(FRAMES - 1)]
    found = [frame for _, group in groupby(seconds, key=film.key_before) for frame in frames_shown(film, list(group))]
    return list({film.second(frame): frame for frame in (*found, last)}.values())


def _in_rows(pictures: "list[Image]", shown: Sequence[Shown]) -> "Image":
    """The pictures on dark paper, four in a row, each with a bar in its part's colour and its second below."""
    from PIL import Image, ImageDraw  # noqa: PLC0415  the extra `media` may be absent

    columns = min(len(pictures), COLUMNS)
    rows = -(-len(pictures) // columns)
    wide, high = max(picture.width for picture in pictures), max(picture.height for picture in pictures)
    across, down = wide + GAP, high + BAR + CAPTION + GAP
    strip = Image.new("RGB", (GAP + columns * across, GAP + rows * down), PAPER)
    draw = ImageDraw.Draw(strip)
    before = shown[0].part
    for number, (picture, what) in enumerate(zip(pictures, shown, strict=True)):
        x, y = GAP + number % columns * across, GAP + number // columns * down
        strip.paste(picture, (x, y))
        _caption(draw, (x, y + high), wide, what)
        if what.part != before:
            draw.rectangle((x - GAP + 2, y - GAP // 2, x - 3, y + high + BAR + CAPTION), SEAM)
        before = what.part
    return strip


def _caption(draw: "ImageDraw", place: tuple[int, int], wide: int, what: Shown) -> None:
    from PIL import ImageFont  # noqa: PLC0415  likewise

    x, y = place
    colour = PARTS[(what.part - 1) % len(PARTS)]
    draw.rectangle((x, y, x + wide - 1, y + BAR - 1), colour)
    draw.text((x + 2, y + BAR + 3), f"{what.second:.1f} s", colour, ImageFont.load_default(17))
