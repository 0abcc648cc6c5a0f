"""The painting: a tall dusk panorama, sky over sea over dunes, made of plain bytes. Knows no codec.

It is painted small, row by row, and meant to be scaled up smoothly: RGB, three bytes a pixel. Stars, grass and grain
are too fine for that, so they are given as marks for the large picture. The same scene is always the same picture.
"""

import math
import random
from dataclasses import dataclass
from itertools import pairwise

SIZE = 400
"""Width and height of the small painting, in pixels."""

HORIZON = 0.60
SHORE = 0.745
"""Where the sky meets the sea, and the sea the sand, as parts of the height."""

GLOW_FROM = 0.12
SHADOW = (12.0, 10.0, 22.0)

Colour = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of one evening, from the zenith down to the dunes."""

    sky: tuple[tuple[float, Colour], ...]
    sun: Colour
    sea: tuple[Colour, Colour]
    sand: tuple[Colour, Colour]
    dunes: tuple[Colour, Colour, Colour]
    cloud: Colour
    sun_x: float = 0.43


PALETTES = (
    Palette(
        sky=(
            (0.00, (15, 18, 48)),
            (0.18, (38, 34, 84)),
            (0.34, (104, 62, 122)),
            (0.46, (206, 96, 112)),
            (0.54, (246, 154, 96)),
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
            (0.00, (20, 36, 74)),
            (0.22, (52, 84, 132)),
            (0.42, (136, 150, 172)),
            (0.53, (236, 190, 142)),
            (HORIZON, (255, 224, 160)),
        ),
        sun=(255, 248, 224),
        sea=((224, 186, 140), (38, 82, 112)),
        sand=((140, 116, 100), (196, 160, 122)),
        dunes=((146, 112, 88), (96, 78, 66), (42, 40, 42)),
        cloud=(170, 138, 138),
        sun_x=0.60,
    ),
    Palette(
        sky=(
            (0.00, (10, 14, 34)),
            (0.24, (26, 36, 82)),
            (0.44, (72, 78, 138)),
            (0.54, (164, 120, 160)),
            (HORIZON, (236, 164, 160)),
        ),
        sun=(255, 226, 214),
        sea=((190, 134, 156), (24, 36, 84)),
        sand=((82, 70, 98), (130, 104, 118)),
        dunes=((88, 68, 94), (54, 42, 70), (22, 20, 40)),
        cloud=(96, 72, 124),
        sun_x=0.30,
    ),
)


def paint(scene: int) -> bytes:
    """Return the panorama of this scene, SIZE by SIZE pixels of RGB."""
    palette = PALETTES[scene % len(PALETTES)]
    waves = Waves(scene)
    dunes = _Dunes(palette, waves)
    rows: list[bytes] = []
    for line in range(SIZE):
        y = line / SIZE
        if y < HORIZON:
            rows.append(_sky(palette, waves, y))
        elif y < SHORE:
            rows.append(_sea(palette, waves, y))
        else:
            rows.append(dunes.over(_sand(palette, y), y))
    return b"".join(rows)


class Waves:
    """Sums of sines that stand in for chance: the same for the same scene."""

    def __init__(self, scene: int) -> None:
        chance = random.Random(scene * 7919 + 11)  # noqa: S311 - a picture, not a secret
        self.phases = [chance.uniform(0, math.tau) for _ in range(12)]

    def __call__(self, x: float, which: int) -> float:
        """Return a value in -1..1 that wanders smoothly along x."""
        p = self.phases
        return (math.sin(x + p[which]) + 0.6 * math.sin(2.3 * x + p[which - 4])) / 1.6

    def crest(self, layer: int, x: float) -> float:
        """Return where the dunes of a layer (0 far, 2 near) end at this part of the width, as a part of the height."""
        level, swing, length = ((0.800, 0.014, 5.0), (0.838, 0.022, 6.5), (0.890, 0.030, 4.2))[layer]
        return level + swing * self(length * x + layer * 2.0, layer + 3)


def _sky(palette: Palette, waves: Waves, y: float) -> bytes:
    base = _between(palette.sky, y)
    if y < GLOW_FROM:
        return _bytes(base) * SIZE
    sun_y = HORIZON - 0.055
    low = max(0.0, y - 0.30) * 8
    thin = min(1.0, low) * min(1.0, (HORIZON - y) * 14)
    height = 0.9 * waves(13.0 * y, 0)
    row: list[bytes] = []
    for column in range(SIZE):
        x = column / SIZE
        far = math.hypot((x - palette.sun_x) * 1.15, (y - sun_y) * 1.5)
        glow = math.exp(-far * 7.5) * 0.75
        colour = mixed(base, palette.sun, glow)
        veil = thin and thin * (waves(7.0 * x + 26.0 * y, 3) + 0.8 * waves(60.0 * y + 1.5 * x, 7) + height - 0.55)
        if veil > 0:
            lit = mixed(palette.cloud, palette.sun, min(1.0, glow * 1.3))
            colour = mixed(colour, lit, min(0.7, veil))
        disc = (0.034 - math.hypot(x - palette.sun_x, y - sun_y)) * 260
        row.append(_bytes(mixed(colour, palette.sun, min(1.0, disc)) if disc > 0 else colour))
    return b"".join(row)


def _sea(palette: Palette, waves: Waves, y: float) -> bytes:
    depth = (y - HORIZON) / (SHORE - HORIZON)
    base = mixed(*palette.sea, math.sqrt(depth))
    width = 0.020 + 0.075 * depth
    glitter = 0.10 * waves(420.0 * y, 2)
    row: list[bytes] = []
    for column in range(SIZE):
        x = column / SIZE
        path = math.exp(-(((x - palette.sun_x) / width) ** 2))
        light = path * (0.62 + 0.38 * waves(520.0 * y + 22.0 * x, 1))
        light += glitter * waves(34.0 * x * (1.6 - depth) + 190.0 * y, 5)
        foam = max(0.0, 1 - abs(depth - 0.965 - 0.02 * waves(9 * x, 9)) * 42) * 0.55
        foam += max(0.0, 1 - abs(depth - 0.84 - 0.03 * waves(6 * x, 6)) * 60) * 0.22
        colour = mixed(base, palette.sun, max(-0.1, min(0.95, light)))
        row.append(_bytes(mixed(colour, (255, 240, 228), min(0.8, foam)) if foam else colour))
    return b"".join(row)


def _sand(palette: Palette, y: float) -> list[Colour]:
    near = (y - SHORE) / (1 - SHORE)
    base = mixed(*palette.sand, min(1.0, near * 2.2))
    wet = 0.55 * max(0.0, 1 - near * 7)
    if not wet:
        return [base] * SIZE
    return [
        mixed(base, palette.sun, wet * math.exp(-(((column / SIZE - palette.sun_x) / 0.10) ** 2)))
        for column in range(SIZE)
    ]


class _Dunes:
    """Three ridges, each hiding what is behind it."""

    def __init__(self, palette: Palette, waves: Waves) -> None:
        self.palette = palette
        self.tops = [[waves.crest(layer, column / SIZE) for layer in range(3)] for column in range(SIZE)]
        self.lit = [0.35 * math.exp(-abs(column / SIZE - palette.sun_x) * 2.4) for column in range(SIZE)]

    def over(self, row: list[Colour], y: float) -> bytes:
        """Return the row with the ridges that reach up to it."""
        for column, tops in enumerate(self.tops):
            for layer, top in enumerate(tops):
                cover = (y - top) * SIZE
                if cover > 0 and (layer == len(tops) - 1 or y - tops[layer + 1] < 1 / SIZE):
                    shade = self._shade(layer, y - top, self.lit[column])
                    row[column] = shade if cover >= 1 else mixed(row[column], shade, cover)
        return b"".join(map(_bytes, row))

    def _shade(self, layer: int, depth: float, lit: float) -> Colour:
        colour = self.palette.dunes[layer]
        rim = 1 - depth * 45
        if rim > 0:
            colour = mixed(colour, self.palette.sun, rim * lit)
        return mixed(colour, SHADOW, min(0.6, depth * 3.2))


def _between(stops: tuple[tuple[float, Colour], ...], y: float) -> Colour:
    (low, first), (high, second) = next(pair for pair in pairwise(stops) if y < pair[1][0])
    return mixed(first, second, (y - low) / (high - low))


def mixed(first: Colour, second: Colour, part: float) -> Colour:
    """Return the first colour with this part of it replaced by the second."""
    rest = 1 - part
    return (
        first[0] * rest + second[0] * part,
        first[1] * rest + second[1] * part,
        first[2] * rest + second[2] * part,
    )


def _bytes(colour: Colour) -> bytes:
    red, green, blue = colour
    return bytes((min(255, int(red + 0.5)), min(255, int(green + 0.5)), min(255, int(blue + 0.5))))
