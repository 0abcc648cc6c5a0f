"""Doubled frames: parts that begin with the picture that the one before ends with, and where that one may be cut.

A model that goes on from a picture shows it once more. Everything here blocks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from runway_mcp.media.join.parts import JOIN_LIMITS
from runway_mcp.media.join.verification import difference
from runway_mcp.media.pictures.decoding import opened
from runway_mcp.media.pictures.frames import frame_shown
from runway_mcp.media.pictures.reading import local_film
from runway_mcp.media.pictures.stills import scaled

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_DROPPED: Final = 4
"""So many frames may go before a seam of a copied join: the doubled one, and what decodes only together with it."""

_SIZE = (160, 160)
# Steps of 255 that encoding changes; more in pictures of fewer pixels than are compared, where nothing evens it out.
_NOISE, _SMALL_NOISE = 1.5, 2.4
# The share of a usual step from frame to frame that still is no step.
_SHARE = 0.35


@dataclass(frozen=True)
class Cut:
    """Where a part ends before its end: the tick of its last frame, and how many frames are left out."""

    last: int
    dropped: int


@dataclass(frozen=True)
class Step:
    """How far the pictures on both sides of a seam are apart, and the earlier part's last two, in steps of 255.

    `noise` is what encoding alone may change in pictures of that size.
    """

    apart: float
    usual: float
    noise: float

    @property
    def limit(self) -> float:
        """Up to how far apart they count as the same picture."""
        return max(self.noise, _SHARE * self.usual)

    @property
    def is_none(self) -> bool:
        """Whether both sides show the same picture."""
        return self.apart <= self.limit


def doubled_ends(parts: Sequence[Path], check: Callable[[], None]) -> frozenset[int]:
    """The numbers (from 0) of the parts whose last frame the next part shows again as its first.

    A part of a single frame keeps it.
    """
    found: set[int] = set()
    for number, (one, other) in enumerate(pairwise(parts)):
        check()
        step = step_over(one, other)
        if step is not None and step.is_none:
            found.add(number)
    return frozenset(found)


def step_over(one: Path, other: Path) -> Step | None:
    """The step from the last frame of a part to the first of the next; None if that part has one frame alone."""
    before, last, is_single = _last_two(one)
    if is_single:
        return None
    first = _first(other)
    noise = _NOISE if min(last.width, first.width) >= _SIZE[0] else _SMALL_NOISE
    return Step(_apart(last, first), 0.0 if before is None else _apart(before, last), noise)


def copy_cut(part: Path) -> Cut | None:
    """The latest clean cut before a part's last frame; None if more than `MOST_DROPPED` frames would go with it.

    After a frame that is shown later than all that decode before it, the packets up to it decode without the rest.
    """
    with local_film(part, JOIN_LIMITS) as file, opened(file) as film:
        shown = [packet.pts for packet in film.container.demux(film.stream) if packet.size]
    ends: list[int] = []
    for tick in shown:
        if not ends or tick > ends[-1]:
            ends.append(tick)
    if len(ends) <= 1:
        return None
    dropped = sum(tick > ends[-2] for tick in shown)
    return Cut(ends[-2], dropped) if dropped <= MOST_DROPPED else None


def _last_two(part: Path) -> "tuple[Image | None, Image, bool]":
    """The last frame, the one before it as far as it decodes with it, and whether it is the part's only one."""
    before: Any = None
    last: Any = None
    with local_film(part, JOIN_LIMITS) as file, opened(file) as film:
        for frame in film.frames(None):
            before, last = last, frame
        if last is None:
            last = frame_shown(film, None)
        is_single = before is None and film.second(last) <= 0
        return (None if before is None else _small(before)), _small(last), is_single


def _first(part: Path) -> "Image":
    with local_film(part, JOIN_LIMITS) as file, opened(file) as film:
        return _small(frame_shown(film, 0.0))


def _small(frame: Any) -> "Image":
    return scaled(frame, width=_SIZE[0] * 2, height=_SIZE[1] * 2)


def _apart(one: "Image", other: "Image") -> float:
    """The mean difference of two pictures, the first cropped as a film of the second's shape crops it."""
    from PIL import Image, ImageOps  # noqa: PLC0415  the extra `media` may be absent

    untyped: Any = ImageOps
    size = (_SIZE[0], max(2, round(_SIZE[0] * other.height / other.width)))
    box = Image.Resampling.BOX
    return difference(untyped.fit(one, size, box).tobytes(), untyped.fit(other, size, box).tobytes())
