"""Sound: waves that come and go, the same every time. Needs the extra `media`."""

import math
import random
from array import array
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import av

RATE = 48_000
"""Samples a second."""

_WAVE_SECONDS = 4
_FRAME = 1024


def sea(seconds: float) -> "Iterator[av.AudioFrame]":
    """The sound of the sea for this long, one channel, in frames of 1,024 samples and a shorter last one."""
    import av  # noqa: PLC0415  an extra: a plain install imports this module without it

    wave = _wave()
    count = round(seconds * RATE)
    for start in range(0, count, _FRAME):
        length = min(_FRAME, count - start)
        frame: Any = av.AudioFrame("fltp", "mono", length)
        samples = array("f", (wave[number % len(wave)] for number in range(start, start + length)))
        frame.planes[0].update(samples.tobytes().ljust(frame.planes[0].buffer_size, b"\0"))
        frame.sample_rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
        yield frame


def _wave() -> "array[float]":
    """One wave: muffled noise that swells and dies down."""
    chance = random.Random(1)  # noqa: S311  a sound, not a secret
    samples, level = array("f"), 0.0
    for number in range(_WAVE_SECONDS * RATE):
        level += (chance.random() - 0.5 - level) * 0.08
        samples.append(level * math.sin(math.pi * number / (_WAVE_SECONDS * RATE)))
    return samples
