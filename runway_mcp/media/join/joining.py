"""Joining: several films made one, by copying where that is right, else encoded once; and proven before it is told."""

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from runway_mcp.media.errors import JoinFailed
from runway_mcp.media.join.copying import copy_parts
from runway_mcp.media.join.doubled_frames import Cut, copy_cut, doubled_ends
from runway_mcp.media.join.encoding import encode_parts
from runway_mcp.media.join.parts import Part, read_part, why_not_copied
from runway_mcp.media.join.seams import Seam
from runway_mcp.media.join.verification import Expected, Proven, checksum, difference, expected_copy, prove, thumbnail

if TYPE_CHECKING:
    from av import VideoFrame

# What one careful encoding may change in a thumbnail, in steps of 255.
_ENCODED = 6.0


@dataclass(frozen=True)
class Joined:
    """A film made of parts: whether their packets were copied, why not, its length, and its seams in order.

    `dropped` are the frames that were left out before each seam; none at all if nothing was looked for.
    """

    how: Literal["copied", "re-encoded"]
    why: tuple[str, ...]
    seconds: float
    frames: int
    seams: tuple[Seam, ...]
    dropped: tuple[int, ...] = ()


async def join_films(
    parts: Sequence[Path], target: Path, *, limiter: CapacityLimiter, undouble: bool = False
) -> Joined:
    """Writes the parts, one behind the other, to `target`, an MP4 that plays while it loads, with each frame once.

    Equal parts are copied, to the bit; others are encoded once, in the size of the last. With `undouble` the last frame
    of a part is left out where the next one shows it again; where packets are copied, with up to three before it. Then
    the whole film is decoded and compared with its parts; nothing stays at `target` unless that holds. Blocking work
    runs in a worker thread, which ends soon after its call is cancelled. Raises `UnreadableFilm` for a part,
    `JoinFailed`, `MediaMissing`, and `OSError`, also if there is a file at `target` already.
    """
    stopped = threading.Event()

    def check() -> None:
        if stopped.is_set():
            raise JoinFailed("joining was stopped")

    try:
        return await run_sync(_join, parts, target, check, undouble, limiter=limiter, abandon_on_cancel=True)
    finally:
        stopped.set()


def _join(parts: Sequence[Path], target: Path, check: Callable[[], None], undouble: bool) -> Joined:  # noqa: FBT001  through a thread
    read = [read_part(path) for path in parts]
    doubled = doubled_ends(parts, check) if undouble else frozenset[int]()
    why = why_not_copied(read)
    cuts = {} if why else {number: copy_cut(parts[number]) for number in doubled}
    if None in cuts.values():
        why = ("too many frames that decode only together before a seam",)
    target.touch(exist_ok=False)
    try:
        if not why:
            with suppress(JoinFailed):
                return _copied(parts, target, check, {number: cut for number, cut in cuts.items() if cut})
            check()
            why = ("a copy that does not show its parts",)
        return _encoded(read, target, check, why, doubled)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _copied(parts: Sequence[Path], target: Path, check: Callable[[], None], cuts: Mapping[int, Cut]) -> Joined:
    begins = copy_parts(parts, target, check, cuts)
    expected = expected_copy(parts, begins, check)
    proven = prove(target, expected, mark=checksum, same=lambda one, other: one == other, check=check)
    return _told("copied", (), begins, proven, {number: cut.dropped for number, cut in cuts.items()})


def _encoded(
    parts: Sequence[Part], target: Path, check: Callable[[], None], why: tuple[str, ...], doubled: frozenset[int]
) -> Joined:
    expected: list[Expected] = []

    def seen(frame: "VideoFrame", second: Fraction, number: int) -> None:
        expected.append(Expected(second, number, thumbnail(frame)))

    begins = encode_parts(parts, target, check, seen, doubled)
    same = partial(_alike, within=_ENCODED)
    proven = prove(target, expected, mark=thumbnail, same=same, check=check)
    return _told("re-encoded", why, begins, proven, dict.fromkeys(doubled, 1))


def _alike(one: bytes, other: bytes, within: float) -> bool:
    return difference(one, other) <= within


def _told(
    how: Literal["copied", "re-encoded"],
    why: tuple[str, ...],
    begins: list[Fraction],
    proven: Proven,
    dropped: Mapping[int, int],
) -> Joined:
    left_out = tuple(dropped.get(number, 0) for number in range(len(proven.seams))) if dropped else ()
    return Joined(how, why, round(float(begins[-1]), 3), proven.frames, proven.seams, left_out)
