"""Scenery: the painted evening at full size, and the camera's view of it at any second. Needs the extra `media`.

The camera moves from place to place and stands still at the joints between a film and its extensions; the sea ripples,
and gulls cross the sky.
"""

import math
from typing import TYPE_CHECKING, Any

from runway_mcp.simulator.media.painting import HORIZON, SHORE, SIZE, paint

if TYPE_CHECKING:
    import av
    from PIL import Image

ACROSS, DOWN = 1.5, 2.5
"""The width and height of the panorama, in views."""

PLACES = ((0.04, 0.516), (0.34, 0.492), (0.62, 0.240), (0.34, 0.030), (0.74, 0.400))
"""Where each part of a film begins: the left edge as a share of the way, the top as a share of the height."""

_MARGIN = 8
_DARK = 46
# Rows that sway as one: thinner bands look the same and take longer.
_BAND = 3


class Scenery:
    """One scene at one size in pixels and in one matrix of colours; frames of the same second are the same."""

    def __init__(self, scene: int, width: int, height: int, matrix: str = "ITU601") -> None:
        import av  # noqa: PLC0415  an extra: a plain install imports this module without it
        from PIL import Image  # noqa: PLC0415  likewise

        self.width, self.height = width, height
        self.wide, self.high = _even(width * ACROSS), _even(height * DOWN)
        untyped: Any = av.VideoFrame
        panorama = untyped.from_image(paint(scene)).reformat(
            self.wide, self.high, "yuv420p", dst_colorspace=matrix, interpolation="BICUBIC"
        )
        # Brightness and colour are split here, once: to convert every frame would take longer than to encode it.
        self.planes = [
            Image.frombytes("L", (plane.width, plane.height), bytes(plane), "raw", "L", plane.line_size)
            for plane in panorama.planes
        ]

    def frame(self, second: float, seconds: float = 10.0, added: tuple[int, ...] = ()) -> "av.VideoFrame":
        """The view at this second of a film of `seconds` that was extended by `added`."""
        import av  # noqa: PLC0415  likewise

        left, top = self._place(second, seconds, added)
        frame = av.VideoFrame(self.width, self.height, "yuv420p")
        for plane, source, scale in zip(frame.planes, self.planes, (1, 2, 2), strict=True):
            x, y = left // scale, top // scale
            # A row of the plane may be stored wider than it is shown.
            view = source.crop((x, y, x + plane.line_size, y + plane.height))
            if scale == 1:
                self._ripple(view, second, left, top)
                self._fly(view, second, top)
            plane.update(view.tobytes())
        return frame

    def _place(self, second: float, seconds: float, added: tuple[int, ...]) -> tuple[int, int]:
        leg, start, length = 0, 0.0, seconds
        for addition in added:
            if second < start + length:
                break
            leg, start, length = leg + 1, start + length, float(addition)
        (x0, y0), (x1, y1) = PLACES[leg % len(PLACES)], PLACES[(leg + 1) % len(PLACES)]
        part = min(1.0, (second - start) / length)
        eased = part * part * (3 - 2 * part)
        x, y = x0 + (x1 - x0) * eased, y0 + (y1 - y0) * eased
        left = _MARGIN + x * (self.wide - self.width - 2 * _MARGIN)
        return _even(left), _even(min(y * self.high, self.high - self.height))

    def _ripple(self, view: "Image.Image", second: float, left: int, top: int) -> None:
        """Shifts the rows of the sea, more so near the shore."""
        first, last = HORIZON * self.high // SIZE, SHORE * self.high // SIZE
        for y in range(max(first, top), min(last, top + self.height), _BAND):
            depth = (y - first) / (last - first)
            sway = math.sin(second * 1.7 + 150 * math.sqrt(depth)) + math.sin(second * 1.1 - 61 * depth)
            x = left + round((1 + 2.4 * depth) * sway)
            view.paste(self.planes[0].crop((x, y, x + self.width, y + _BAND)), (0, y - top))

    def _fly(self, view: "Image.Image", second: float, top: int) -> None:
        """Draws three gulls, dark against the sky."""
        from PIL import ImageDraw  # noqa: PLC0415  likewise

        draw = ImageDraw.Draw(view)
        for number in range(3):
            x = ((0.18 + 0.11 * number + second * (0.018 + 0.002 * number)) % 1.2 - 0.1) * self.width
            y = (0.475 + 0.022 * number + 0.004 * math.sin(second * 0.8 + number)) * self.high - top
            span = (0.020 - 0.004 * number) * self.width
            beat = 0.25 + 0.75 * math.sin(second * (5.0 + number) + number)
            bends = [step / 5 for step in range(-5, 6)]
            rises = [(math.sin(1.95 * abs(bend)) * beat - 0.25 * abs(bend)) * 0.55 for bend in bends]
            wings = [(x + span * bend, y - span * rise) for bend, rise in zip(bends, rises, strict=True)]
            draw.line(wings, _DARK, round(self.width / 500))


def _even(number: float) -> int:
    return int(number) // 2 * 2
