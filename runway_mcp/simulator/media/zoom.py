"""Zoom: a picture, and the camera's slow way into it. Needs the extra `media`.

The view at second 0 is the picture itself, so that a film which begins with it goes on from it.
"""

import io
from typing import TYPE_CHECKING, Any

from runway_mcp.simulator.media.films import Film

if TYPE_CHECKING:
    import av
    from PIL import Image

NEAREST = 0.88
"""The share of the picture's width and height that is in view at the end."""

LATER_SECONDS = 0.5
"""How far the camera has come at the start of a film that begins later."""

_HD_LINES = 720
_GREY = (96, 96, 96)


class Zoom:
    """The camera's way into the picture that the film starts with, in the film's size."""

    def __init__(self, film: Film) -> None:
        import av  # noqa: PLC0415  an extra: a plain install imports this module without it
        from PIL import Image  # noqa: PLC0415  likewise

        self.film = film
        # Untagged films have the matrix that players take for their size.
        is_hd = film.form.colour == "bt709" or film.height >= _HD_LINES
        untyped: Any = av.VideoFrame
        first = untyped.from_image(_fitted(film)).reformat(
            film.width, film.height, "yuv420p", dst_colorspace="ITU709" if is_hd else "ITU601", interpolation="AREA"
        )
        self.planes = [
            Image.frombytes("L", (plane.width, plane.height), bytes(plane), "raw", "L", plane.line_size)
            for plane in first.planes
        ]

    def frame(self, second: float, seconds: float, added: tuple[int, ...] = ()) -> "av.VideoFrame":
        """The view at this second of a film of `seconds` that was extended by `added`."""
        import av  # noqa: PLC0415  likewise
        from PIL import Image  # noqa: PLC0415  likewise

        later = LATER_SECONDS if self.film.start and self.film.start.later else 0.0
        part = min(1.0, (second + later) / (seconds + sum(added)))
        share = 1 - (1 - NEAREST) * part * part * (3 - 2 * part)
        frame = av.VideoFrame(self.film.width, self.film.height, "yuv420p")
        for plane, source in zip(frame.planes, self.planes, strict=True):
            untyped: Any = source
            wide, high = source.width * share, source.height * share
            left, top = (source.width - wide) / 2, (source.height - high) / 2
            view: Image.Image = untyped.resize(
                source.size, Image.Resampling.BILINEAR, (left, top, left + wide, top + high)
            )
            # A row of the plane may be stored wider than it is shown.
            plane.update(view.crop((0, 0, plane.line_size, plane.height)).tobytes())
        return frame


def _fitted(film: Film) -> "Image.Image":
    """The picture in the film's size, its edges cropped or its shape changed; grey if it cannot be read."""
    from PIL import Image, ImageOps  # noqa: PLC0415  likewise

    size = film.width, film.height
    try:
        with Image.open(io.BytesIO(film.start.picture if film.start else b"")) as picture:
            seen: Any = picture.convert("RGB")
    except (OSError, SyntaxError, ValueError):
        return Image.new("RGB", size, _GREY)
    if seen.size == size:
        return seen
    if film.start and film.start.fit == "stretch":
        return seen.resize(size, Image.Resampling.LANCZOS)
    return ImageOps.fit(seen, size, Image.Resampling.LANCZOS)
