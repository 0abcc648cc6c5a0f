"""Endings: a film's last second fades to black or white, or becomes blurred. Needs the extra `media`."""

from typing import TYPE_CHECKING

from runway_mcp.simulator.media.films import End

if TYPE_CHECKING:
    import av

SECONDS = 1.0
"""How long an ending takes."""

_BLACK, _WHITE, _NEUTRAL = 16, 235, 128
_BLURRED = 40
"""The width of a picture in radii of its blur at the end."""


def ended(frame: "av.VideoFrame", end: End, part: float) -> "av.VideoFrame":
    """The frame as it looks this part (0 to 1) of the way into the ending; the frame itself is changed."""
    from PIL import Image, ImageFilter  # noqa: PLC0415  an extra: a plain install imports this module without it

    if end == "scene" or part <= 0:
        return frame
    for number, plane in enumerate(frame.planes):
        picture = Image.frombytes("L", (plane.width, plane.height), bytes(plane), "raw", "L", plane.line_size)
        if end == "blur":
            picture = picture.filter(ImageFilter.BoxBlur(part * plane.width / _BLURRED))
        else:
            goal = _NEUTRAL if number else (_BLACK if end == "black" else _WHITE)
            picture = Image.blend(picture, Image.new("L", picture.size, goal), part)
        plane.update(picture.crop((0, 0, plane.line_size, plane.height)).tobytes())
    return frame
