"""Pictures: frames as JPEG stills, in the colours that players show, and small enough for a model to be given.

Needs the extra `media`. What encodes blocks: it runs in worker threads.
"""

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from av import VideoFrame
    from PIL.Image import Image

LARGEST_BYTES = 100_000
"""No picture is larger; models and hosts refuse large ones, some for the rest of a conversation."""

_QUALITIES = (85, 78, 70, 62, 54, 46, 38, 30, 22)
_LOWEST_QUALITY = 15
_UNSPECIFIED = 2
_HD_LINES = 720


@dataclass(frozen=True)
class Shown:
    """A frame that a picture shows: its second in the film, and the part of it, from 1, that it belongs to."""

    second: float
    part: int = 1


@dataclass(frozen=True)
class Picture:
    """A JPEG file of at most `LARGEST_BYTES`, its size in pixels, and what it shows: one frame, or those of a strip."""

    jpeg: bytes
    width: int
    height: int
    shown: tuple[Shown, ...]


def scaled(frame: "VideoFrame", *, width: int, height: int) -> "Image":
    """The frame as an upright picture of RGB that fits into `width` by `height` pixels; never enlarged.

    Its colours are those that players show: see `matrix_of`.
    """
    turn = frame.rotation % 360
    if turn in {90, 270}:
        width, height = height, width
    scale = min(1.0, width / frame.width, height / frame.height)
    size = {"width": max(2, round(frame.width * scale)), "height": max(2, round(frame.height * scale))}
    untyped: Any = frame
    picture: Image = untyped.to_image(**size, src_colorspace=matrix_of(frame), interpolation="AREA")
    return picture.rotate(turn, expand=True) if turn else picture


def matrix_of(frame: "VideoFrame") -> Literal["ITU709"] | None:
    """BT.709 for an untagged frame of 720 lines or more, as players take it; None leaves it to the frame's tag."""
    return "ITU709" if frame.colorspace == _UNSPECIFIED and frame.height >= _HD_LINES else None


def encoded(picture: "Image", *, aim: int, largest: int = LARGEST_BYTES) -> tuple[bytes, "Image"]:
    """The picture as a JPEG of about `aim` bytes at most, never more than `largest`; and the picture as it is there.

    The quality is lowered first; a picture that is still too large is made smaller.
    """
    for quality in _QUALITIES:
        jpeg = _jpeg(picture, quality)
        if len(jpeg) <= aim:
            return jpeg, picture
    while len(jpeg := _jpeg(picture, _LOWEST_QUALITY)) > largest:
        picture = picture.reduce(2)
    return jpeg, picture


def _jpeg(picture: "Image", quality: int) -> bytes:
    """A JPEG, whose planes are BT.601 in full range by definition."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality, optimize=True)
    return file.getvalue()
