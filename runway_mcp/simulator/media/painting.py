"""Painting: a tall dusk panorama, sky over sea over dunes, painted from the back to the front. Needs Pillow (`media`).

It is to be scaled to the size needed. Places and lengths are in pixels, from the top left. The same scene is always the
same picture.
"""

import math
import random
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

SIZE = 1000
"""Width and height of the painting."""

HORIZON = 600
SHORE = 745
"""The rows where the sky meets the sea, and the sea the sand."""

Colour = tuple[int, int, int]

_WHITE = (255, 246, 236)
_GRASS = (30, 26, 30)
_SHADOW = (12, 10, 22)
_SUN_Y = 545
_RIDGES = ((800, 14, 5.0), (838, 22, 6.5), (880, 28, 4.2))
"""Row and swing of each line of dunes, far to near, and the radians of its waves over the whole width."""


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of one evening, from the zenith to the dunes; each of the sky's with its row."""

    sky: tuple[tuple[int, Colour], ...]
    sun: Colour
    sea: tuple[Colour, Colour]
    sand: tuple[Colour, Colour]
    dunes: tuple[Colour, Colour, Colour]
    cloud: Colour
    sun_x: int = 430


PALETTES = (
    Palette(
        sky=(
            (0, (15, 18, 48)),
            (180, (38, 34, 84)),
            (340, (104, 62, 122)),
            (460, (206, 96, 112)),
            (540, (246, 154, 96)),
            (HORIZON, (255, 208, 132)),
        ),
        sun=(255, 244, 206),
        sea=((238, 158, 112), (44, 58, 104)),
        sand=((118, 84, 96), (176, 122, 98)),
        dunes=((122, 78, 82), (78, 50, 66), (34, 25, 44)),
        cloud=(150, 70, 112),
    ),
    Palette(
        sky=(
            (0, (20, 36, 74)),
            (220, (52, 84, 132)),
            (420, (136, 150, 172)),
            (530, (236, 190, 142)),
            (HORIZON, (255, 224, 160)),
        ),
        sun=(255, 248, 224),
        sea=((224, 186, 140), (38, 82, 112)),
        sand=((140, 116, 100), (196, 160, 122)),
        dunes=((146, 112, 88), (96, 78, 66), (42, 40, 42)),
        cloud=(170, 138, 138),
        sun_x=600,
    ),
    Palette(
        sky=(
            (0, (10, 14, 34)),
            (240, (26, 36, 82)),
            (440, (72, 78, 138)),
            (540, (164, 120, 160)),
            (HORIZON, (236, 164, 160)),
        ),
        sun=(255, 226, 214),
        sea=((190, 134, 156), (24, 36, 84)),
        sand=((82, 70, 98), (130, 104, 118)),
        dunes=((88, 68, 94), (54, 42, 70), (22, 20, 40)),
        cloud=(96, 72, 124),
        sun_x=300,
    ),
)


def paint(scene: int) -> "Image.Image":
    """The panorama of this scene, SIZE by SIZE pixels of RGB."""
    painting = _Painting(PALETTES[scene % len(PALETTES)])
    chance = random.Random(scene)  # noqa: S311  a picture, not a secret
    painting.sky(chance)
    painting.sand()
    painting.sea(chance)
    painting.dunes(chance)
    return painting.picture


class _Painting:
    """A picture in progress."""

    def __init__(self, palette: Palette) -> None:
        from PIL import Image, ImageDraw  # noqa: PLC0415  an extra: a plain install imports this module without it

        self.palette = palette
        self.picture = Image.new("RGB", (SIZE, SIZE))
        self.draw = ImageDraw.Draw(self.picture)

    def sky(self, chance: random.Random) -> None:
        """Paints the sky: stars that fade towards the sunset, streaks of cloud, and the sun with its glow."""
        self._shade(*self.palette.sky)
        with self._glaze(_WHITE, blur=(0.4, 0.4)) as draw:
            for _ in range(220):
                low: float = chance.random() ** 1.6
                draw.point((chance.randrange(SIZE), round(340 * low)), round((1 - low) * chance.randint(120, 255)))
        with self._glaze(self.palette.cloud, blur=(24, 3)) as draw:
            for _ in range(10):
                x, y = chance.uniform(0, SIZE), chance.uniform(340, 550)
                for _ in range(6):
                    left, top = x + chance.uniform(-200, 100), y + chance.uniform(-10, 10)
                    right, bottom = left + chance.uniform(60, 240), top + chance.uniform(2, 9)
                    draw.ellipse((left, top, right, bottom), chance.randint(90, 220))
        self._shine(_SUN_Y, 700, 530, lambda far: 0.75 * math.exp(-6 * far))
        self._shine(_SUN_Y, 38, 38, lambda far: 9 - 10 * far)

    def sand(self) -> None:
        """Paints the sand, which shines where it is wet."""
        wet, dry = self.palette.sand
        self._shade((SHORE, wet), (860, dry), (SIZE, dry))
        self._shine(SHORE, 200, 40, lambda far: 0.6 * (1 - far) ** 2)

    def sea(self, chance: random.Random) -> None:
        """Paints the sea: its ripples, the sun's path on them, and two lines of foam."""
        far, near = self.palette.sea
        self._shade((HORIZON, far), (HORIZON + 36, _mixed(far, near, 0.5)), (SHORE, near))
        with self._glaze(self.palette.sun, blur=(6, 1.1)) as draw:
            for number in range(1200):
                depth = chance.uniform(0, 0.97)
                on_path = number % 3 > 0
                x = chance.gauss(self.palette.sun_x, 9 + 31 * depth) if on_path else chance.uniform(0, SIZE)
                y, half = HORIZON + depth * (SHORE - HORIZON), chance.uniform(0.2, 1) * (8 + 24 * depth)
                light = chance.randint(110, 255) if on_path else chance.randint(10, 50)
                draw.ellipse((x - half, y, x + half, y + 0.5 + 1.5 * depth), light)
        with self._glaze(_WHITE, blur=(10, 1.2)) as draw:
            for y, waves, light in ((740, 9, 200), (722, 6, 70)):
                draw.line([(x, y + 3 * _wave(waves * x / SIZE)) for x in range(0, SIZE + 1, 20)], light, width=3)

    def dunes(self, chance: random.Random) -> None:
        """Paints three lines of dunes, each before the one behind it, and grass on the nearest."""
        crest: list[tuple[int, float]] = []
        for (y, swing, waves), colour in zip(_RIDGES, self.palette.dunes, strict=True):
            start = chance.uniform(0, 99)
            crest = [(x, y + swing * _wave(start + waves * x / SIZE)) for x in range(SIZE + 1)]
            slope = _Painting(self.palette)
            slope._shade((0, colour), (y, colour), (y + 190, _mixed(colour, _SHADOW, 0.6)))
            with slope._glaze(self.palette.sun, blur=(8, 8)) as draw:
                for x, top in crest:
                    draw.line((x, top, x, top + 12), round(120 * math.exp(-abs(x - self.palette.sun_x) / 400)))
            with self._glaze(slope.picture, blur=(4, 0.8)) as draw:
                draw.polygon([*crest, (SIZE, SIZE), (0, SIZE)], 255)
        with self._glaze(_GRASS, blur=(0.4, 0.4)) as draw:
            for _ in range(420):
                x, y = chance.choice(crest)
                length = 12 + (17 + 17 * _wave(17 * x / SIZE)) * chance.random()
                lean = chance.uniform(-0.5, 0.8) * length
                bend = (x + lean / 4, y + 4 - length / 2)
                draw.line([(x, y + 4), bend, (x + lean, y + 4 - length)], 255)

    def _shade(self, *stops: tuple[int, Colour]) -> None:
        """Fills the rows from the first stop to the last with colours between theirs."""
        for (start, first), (end, second) in pairwise(stops):
            for row in range(start, end):
                self.draw.line((0, row, SIZE, row), _mixed(first, second, (row - start) / (end - start)))

    def _shine(self, y: int, across: int, down: int, light: Callable[[float], float]) -> None:
        """Lays the sun's colour around row `y` of its column, as dense as `light` of 0 (there) to 1 (the edge)."""
        from PIL import Image  # noqa: PLC0415  likewise

        # Pillow's radial gradient is 181 at the middle of each side, and 255 in the corners.
        dense = [min(255, max(0, round(255 * light(min(1.0, far / 181))))) for far in range(256)]
        gradient: Any = Image.radial_gradient("L")
        mask = gradient.point(dense).resize((2 * across, 2 * down), Image.Resampling.BICUBIC)
        self.picture.paste(self.palette.sun, (self.palette.sun_x - across, y - down), mask)

    @contextmanager
    def _glaze(self, paint: "Colour | Image.Image", *, blur: tuple[float, float]) -> "Generator[ImageDraw.ImageDraw]":
        """Yields a mask to draw on, then blurs it across and down, and lays a colour or a picture through it."""
        from PIL import Image, ImageDraw, ImageFilter  # noqa: PLC0415  likewise

        mask = Image.new("L", self.picture.size)
        yield ImageDraw.Draw(mask)
        self.picture.paste(paint, mask=mask.filter(ImageFilter.GaussianBlur(blur)))


def _wave(x: float) -> float:
    """A value in -1..1 that varies smoothly along x, in radians."""
    return (math.sin(x) + 0.6 * math.sin(2.3 * x + 1)) / 1.6


def _mixed(first: Colour, second: Colour, part: float) -> Colour:
    """The first colour with this share of it replaced by the second."""
    red, green, blue = (round(one + (other - one) * part) for one, other in zip(first, second, strict=True))
    return red, green, blue
