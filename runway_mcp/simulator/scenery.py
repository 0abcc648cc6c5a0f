"""The scenery: the painted evening at full size, and the camera's view of it at any second. Needs `av` to scale it.

The camera glides from one place to the next, standing still at the joints between a film and its extensions, while the
sea ripples, grass stands on the dunes and gulls cross the sky.
"""

import math
import random
from collections.abc import Iterator
from typing import TYPE_CHECKING

from runway_mcp.simulator.painting import HORIZON, SHORE, SIZE, Waves, paint

if TYPE_CHECKING:
    import av
    from av.video.plane import VideoPlane

ACROSS, DOWN = 1.5, 2.5
"""How many views wide and high the panorama is."""

PLACES = ((0.04, 0.516), (0.34, 0.492), (0.62, 0.240), (0.34, 0.030), (0.74, 0.400))
"""Where the view stands after each part of a film: its left edge as a part of the way, its top as one of the height."""

_MARGIN = 8
_STARS = 220
_BLADES = 420


class Scenery:
    """One scene at one size; frames of the same second are the same."""

    def __init__(self, scene: int, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.wide, self.high = _even(width * ACROSS), _even(height * DOWN)
        self.waves = Waves(scene)
        luma, blue, red = _enlarged(paint(scene), self.wide, self.high)
        _sprinkle(luma, self.wide, self.high, scene)
        _plant((luma, blue, red), self.wide, self.high, scene, self.waves)
        self.planes = (bytes(luma), bytes(blue), bytes(red))

    def frame(self, second: float, seconds: float = 10.0, added: tuple[int, ...] = ()) -> "av.VideoFrame":
        """Return the view at this second of a film of `seconds` that was extended by `added`."""
        import av  # noqa: PLC0415 - an extra: a plain install imports this module without it

        left, top = self._place(second, seconds, added)
        rows = list(self._ripples(second, top))
        full = [(top + row, left + shift) for row, shift in rows]
        luma = bytearray(_cut(self.planes[0], self.wide, full, self.width))
        self._fly(luma, second, top)
        half = [((top + row) // 2, (left + shift) // 2) for row, shift in rows[::2]]
        view = av.VideoFrame(self.width, self.height, "yuv420p")
        _fill(view.planes[0], bytes(luma), self.width)
        for plane, source in zip(view.planes[1:], self.planes[1:], strict=True):
            _fill(plane, _cut(source, self.wide // 2, half, self.width // 2), self.width // 2)
        return view

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

    def _ripples(self, second: float, top: int) -> Iterator[tuple[int, int]]:
        """Give each row of the view and how far it is shifted: the sea's rows sway, more so near the shore."""
        first, last = HORIZON * self.high, SHORE * self.high * 0.985
        for row in range(self.height):
            y = top + row
            if first < y < last:
                depth = (y - first) / (last - first)
                sway = math.sin(second * 1.7 + 150 * math.sqrt(depth)) + math.sin(second * 1.1 - 61 * depth)
                yield row, round((1 + 2.4 * depth) * sway)
            else:
                yield row, 0

    def _fly(self, luma: bytearray, second: float, top: int) -> None:
        """Draw three gulls, dark against the sky."""
        scale = self.width / 1280
        for number in range(3):
            x = ((0.18 + 0.11 * number + second * (0.018 + 0.002 * number)) % 1.2 - 0.1) * self.width
            y = (0.475 + 0.022 * number + 0.004 * self.waves(second * 0.8, number)) * self.high - top
            beat = 0.25 + 0.75 * math.sin(second * (5.0 + number) + number)
            span = round((26 - 5 * number) * scale)
            for step in range(-span, span + 1):
                bend = abs(step) / max(1, span)
                rise = (math.sin(bend * math.pi * 0.62) * beat - 0.25 * bend) * span * 0.55
                thick = max(1, round((3.2 - 2.4 * bend) * scale))
                self._dab(luma, round(x + step), round(y - rise), thick)

    def _dab(self, luma: bytearray, x: int, y: int, thick: int) -> None:
        if 0 <= x < self.width:
            for row in range(max(0, y), min(self.height, y + thick)):
                luma[row * self.width + x] = 46


def _enlarged(small: bytes, wide: int, high: int) -> tuple[bytearray, bytearray, bytearray]:
    import av  # noqa: PLC0415 - an extra: a plain install imports this module without it

    picture = av.VideoFrame(SIZE, SIZE, "rgb24")
    _fill(picture.planes[0], small, SIZE * 3)
    large = picture.reformat(wide, high, "yuv420p", interpolation="BICUBIC")
    widths = (wide, wide // 2, wide // 2)
    planes: list[bytearray] = []
    for plane, width in zip(large.planes, widths, strict=True):
        raw, stride = bytes(plane), plane.line_size
        planes.append(bytearray(b"".join(raw[at : at + width] for at in range(0, stride * plane.height, stride))))
    return planes[0], planes[1], planes[2]


def _sprinkle(luma: bytearray, wide: int, high: int, scene: int) -> None:
    """Put stars into the upper sky, fewer and fainter towards the sunset."""
    chance = random.Random(scene + 5)  # noqa: S311 - a picture, not a secret
    for _ in range(_STARS):
        height: float = chance.random() ** 1.6
        x, y = chance.randrange(2, wide - 2), round(height * 0.34 * high) + 2
        light = (1 - height) * chance.uniform(40, 170)
        for dx, dy, part in ((0, 0, 1.0), (1, 0, 0.55), (0, 1, 0.55), (1, 1, 0.4), (-1, 0, 0.25), (0, -1, 0.25)):
            at = (y + dy) * wide + x + dx
            luma[at] = min(235, luma[at] + round(light * part))


def _plant(planes: tuple[bytearray, bytearray, bytearray], wide: int, high: int, scene: int, waves: Waves) -> None:
    """Let grass grow on the nearest dune, in tufts."""
    chance = random.Random(scene + 9)  # noqa: S311 - a picture, not a secret
    luma, blue, red = planes
    for _ in range(_BLADES):
        root = chance.random()
        tuft = 0.5 + 0.5 * waves(17.0 * root, 8)
        length = (0.012 + 0.034 * tuft * chance.random()) * high
        lean = chance.uniform(-0.5, 0.8) * length
        x0, y0 = root * wide, (waves.crest(2, root) + 0.004) * high
        for step in range(round(length)):
            part = step / length
            x, y = round(x0 + lean * part * part), round(y0 - step)
            for column in range(x, min(wide, x + max(1, round(3.4 * (1 - part) * wide / 1920)))):
                if column >= 0 and 0 <= y < high:
                    luma[y * wide + column] = 30
                    at = y // 2 * (wide // 2) + column // 2
                    blue[at], red[at] = 128, 130


def _cut(plane: bytes, stride: int, rows: list[tuple[int, int]], width: int) -> bytes:
    view = memoryview(plane)
    return b"".join([view[row * stride + left : row * stride + left + width] for row, left in rows])


def _fill(plane: "VideoPlane", rows: bytes, width: int) -> None:
    """Copy tight rows into a plane, whose rows may be padded."""
    if plane.line_size != width:
        gap = bytes(plane.line_size - width)
        rows = b"".join(rows[at : at + width] + gap for at in range(0, len(rows), width))
    plane.update(rows)


def _even(number: float) -> int:
    return int(number) // 2 * 2
