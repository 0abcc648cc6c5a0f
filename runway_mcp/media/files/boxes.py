"""Whether a file is whole, by the boxes of which an MP4 consists. Pure; reads a few bytes of each box."""

import re
from collections.abc import Callable, Iterator
from typing import Final

from runway_mcp.media.errors import NoFilm

ReadAt = Callable[[int, int], bytes]
"""Gives the bytes of a file from a start to an end, fewer where it ends before."""

MOST_BOXES: Final = 50_000
"""More boxes than this at the top are no film; a fragmented one of a minute has a few thousand."""

_HEADER, _LONG_HEADER, _SMALLEST_FTYP = 8, 16, 16
_TO_THE_END, _LONG = 0, 1
_KIND: Final = re.compile(rb"[\x20-\x7e\xa9]{4}")


def begins_as_film(head: bytes) -> bool:
    """Whether a file with these first bytes (at least 12) begins with an `ftyp` box of a plausible size."""
    size = int.from_bytes(head[:4])
    return head[4:8] == b"ftyp" and _SMALLEST_FTYP <= size <= 4096 and size % 4 == 0  # noqa: PLR2004  ample for brands


def check_boxes(read: ReadAt, size: int) -> None:
    """Checks that a file of `size` bytes is `ftyp` first, whole boxes to its end, and among them `moov` and a body.

    Raises `NoFilm`. Reads at most 16 bytes for each of at most `MOST_BOXES` boxes, whatever sizes they claim.
    """
    if not begins_as_film(read(0, 12)):
        raise NoFilm("What came is no MP4 film.")
    kinds = set(_boxes(read, size))
    if b"moov" not in kinds:
        raise NoFilm("The film has no index, so that nothing could play it.")
    if not kinds & {b"mdat", b"moof"}:
        raise NoFilm("The film has an index and no pictures.")


def _boxes(read: ReadAt, size: int) -> Iterator[bytes]:
    """The kind of each box at the top; raises `NoFilm` where one is malformed or goes beyond the end."""
    at = 0
    for _ in range(MOST_BOXES):
        if at == size:
            return
        head = read(at, min(size, at + _LONG_HEADER))
        kind, length = head[4:8], int.from_bytes(head[:4])
        if len(head) < _HEADER or not _KIND.fullmatch(kind):
            raise NoFilm("The film is damaged, or ends early.")
        least = _HEADER
        if length == _LONG:
            least, length = _LONG_HEADER, int.from_bytes(head[8:16])
        elif length == _TO_THE_END:
            length = size - at
        if length < least or at + length > size:
            raise NoFilm("The film is damaged, or ends early.")
        yield kind
        at += length
    raise NoFilm("The film is damaged: it consists of too many pieces.")
