"""Verification: a joined film shows what its parts show, picture by picture and at their times; and how its seams look.

Everything here blocks.
"""

import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runway_mcp.media.errors import JoinFailed, UnreadableFilm
from runway_mcp.media.join.parts import JOIN_LIMITS
from runway_mcp.media.join.seams import Seam
from runway_mcp.media.pictures.decoding import opened
from runway_mcp.media.pictures.reading import local_film

if TYPE_CHECKING:
    from av import VideoFrame

_MARK = (32, 20)
_BITS = 8
_NEIGHBOURS = 2


@dataclass(frozen=True)
class Expected:
    """A frame that the film must show: its second, the number of its part, and its mark."""

    second: Fraction
    part: int
    mark: bytes


@dataclass(frozen=True)
class Proven:
    """What the film was seen to be: its frames, and its seams."""

    frames: int
    seams: tuple[Seam, ...]


def checksum(frame: "VideoFrame") -> bytes:
    """A mark that only equal frames share: of every visible byte of its planes."""
    total = 0
    for plane in frame.planes:
        raw = memoryview(plane)
        wide = plane.width * -(-frame.format.components[0].bits // _BITS)
        if wide >= plane.line_size:
            total = zlib.crc32(raw, total)
        else:
            for start in range(0, plane.line_size * plane.height, plane.line_size):
                total = zlib.crc32(raw[start : start + wide], total)
    return total.to_bytes(4, "big")


def thumbnail(frame: "VideoFrame") -> bytes:
    """A mark that resembles: a tiny picture of RGB."""
    untyped: Any = frame
    return untyped.to_image(width=_MARK[0], height=_MARK[1], interpolation="AREA").tobytes()


def difference(one: bytes, other: bytes) -> float:
    """The mean difference of two thumbnails, in steps of 255."""
    return sum(abs(first - second) for first, second in zip(one, other, strict=True)) / len(one)


def frames_of(path: Path, check: Callable[[], None]) -> Iterator[tuple[Fraction, "VideoFrame"]]:
    """Every frame of the film and its second, counted from the first one."""
    with local_film(path, JOIN_LIMITS) as file, opened(file) as film:
        for frame in film.frames(None, from_start=True):
            check()
            yield ((frame.pts or 0) - film.first_tick) * film.stream.time_base, frame


def expected_copy(parts: Sequence[Path], begins: Sequence[Fraction], check: Callable[[], None]) -> Iterator[Expected]:
    """What a film of copied parts must show: their own frames, to the bit, up to where the next part begins."""
    for number, (path, begin) in enumerate(zip(parts, begins, strict=False)):
        for second, frame in frames_of(path, check):
            if begin + second < begins[number + 1]:
                yield Expected(begin + second, number, checksum(frame))


def prove(
    film: Path,
    expected: Iterable[Expected],
    *,
    mark: Callable[["VideoFrame"], bytes],
    same: Callable[[bytes, bytes], bool],
    check: Callable[[], None],
) -> Proven:
    """Decodes the whole film and compares each frame's mark and second with what is expected. Raises `JoinFailed`."""
    frames = _joined_frames(film, check)
    seams: list[_OpenSeam] = []
    recent: deque[bytes] = deque(maxlen=_NEIGHBOURS)
    count, part, last = 0, 0, Fraction(-1)
    for each in expected:
        second, frame = next(frames, (None, None))
        if second is None or frame is None:
            raise JoinFailed(f"the joined film ends after {count} frames")
        if not same(mark(frame), each.mark):
            raise JoinFailed(f"frame {count} of the joined film is not that of part {each.part + 1}")
        # Half a frame at 240 a second; time bases differ, and some round.
        if second <= last or abs(second - each.second) > Fraction(1, 480):
            raise JoinFailed(
                f"frame {count} of the joined film is shown at {float(second):.3f} s, not when it should be"
            )
        small = thumbnail(frame)
        if seams and len(seams[-1].after) < _NEIGHBOURS:
            seams[-1].after.append(small)
        if each.part != part:
            seams.append(_OpenSeam(second, [*recent], [small]))
        recent.append(small)
        count, part, last = count + 1, each.part, second
    if next(frames, None) is not None:
        raise JoinFailed(f"the joined film goes on after {count} frames")
    return Proven(count, tuple(seam.closed() for seam in seams))


def _joined_frames(film: Path, check: Callable[[], None]) -> "Iterator[tuple[Fraction, VideoFrame]]":
    try:
        yield from frames_of(film, check)
    except UnreadableFilm as error:
        raise JoinFailed(f"the joined film does not decode: {error}") from error


@dataclass(frozen=True)
class _OpenSeam:
    second: Fraction
    before: list[bytes]
    after: list[bytes]

    def closed(self) -> Seam:
        pairs = [pair for pair in (self.before, self.after) if len(pair) > 1]
        motion = max((difference(*pair) for pair in pairs), default=0.0)
        step = difference(self.before[-1], self.after[0])
        colours = zip(_means(self.before[-1]), _means(self.after[0]), strict=True)
        colour = max(abs(one - other) for one, other in colours)
        return Seam(round(float(self.second), 3), round(step, 2), round(motion, 2), round(colour, 2))


def _means(picture: bytes) -> list[float]:
    """The mean of each colour of a thumbnail."""
    return [sum(picture[band::3]) * 3 / len(picture) for band in range(3)]
