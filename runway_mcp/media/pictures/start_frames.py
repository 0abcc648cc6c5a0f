"""Start frames: the last frame of a film as a picture from which another film can go on, in exact colours."""

import hashlib
import io
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anyio import CapacityLimiter

from runway_mcp.media.pictures.decoding import opened
from runway_mcp.media.pictures.frames import frame_shown
from runway_mcp.media.pictures.limits import LIMITS, Limits
from runway_mcp.media.pictures.reading import FilmFile, FilmReader, worked_on
from runway_mcp.media.pictures.stills import matrix_of

if TYPE_CHECKING:
    from av import VideoFrame
    from PIL.Image import Image


@dataclass(frozen=True)
class StartFrame:
    """A PNG file of RGB without rotation, its size in pixels, and the second of the film at which it is shown.

    `digest` is the SHA-256 of its size and its pixels, as hexadecimal digits: the same frame has the same one, whatever
    library wrote the file.
    """

    png: bytes
    width: int
    height: int
    second: float
    digest: str


async def start_frame(
    film: Path | FilmReader,
    *,
    size: tuple[int, int] | None = None,
    limiter: CapacityLimiter,
    limits: Limits = LIMITS,
) -> StartFrame:
    """The frame that is shown last, decoded up to the end, upright, in the colours that players show.

    It has its own size in pixels; with `size` it is scaled until it covers that and cropped around its middle. Blocking
    work runs in a worker thread. Raises `UnreadableFilm`, `MediaMissing`.
    """
    return await worked_on(film, partial(_start_frame, size=size), limits=limits, limiter=limiter)


def _start_frame(file: FilmFile, *, size: tuple[int, int] | None) -> StartFrame:
    with opened(file) as film:
        frame = frame_shown(film, None)
        second = round(film.second(frame), 3)
        picture = exact(frame)
    if size is not None and picture.size != size:
        picture = _covering(picture, size)
    png = io.BytesIO()
    picture.save(png, "PNG")
    seen = hashlib.sha256(f"{picture.width} x {picture.height}\n".encode() + picture.tobytes())
    return StartFrame(png.getvalue(), picture.width, picture.height, second, seen.hexdigest())


def exact(frame: "VideoFrame") -> "Image":
    """The frame as an upright picture of RGB in its own size, to the step of 255 that is nearest.

    The converter's usual shortcuts make each frame about one step darker, which adds up where a film goes on from its
    end again and again.
    """
    from av.video.reformatter import Interpolation  # noqa: PLC0415  the extra `media` may be absent

    whole = Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP | Interpolation.BICUBIC
    careful = whole | Interpolation.ACCURATE_RND | Interpolation.BITEXACT
    untyped: Any = frame
    picture: Image = untyped.to_image(src_colorspace=matrix_of(frame), interpolation=int(careful))
    turn = frame.rotation % 360
    return picture.rotate(turn, expand=True) if turn else picture


def _covering(picture: "Image", size: tuple[int, int]) -> "Image":
    from PIL import Image, ImageOps  # noqa: PLC0415  the extra `media` may be absent

    untyped: Any = ImageOps
    return untyped.fit(picture, size, Image.Resampling.LANCZOS)
