"""Small MP4 files that consist of whole boxes and hold no picture: what tests of fetching and keeping move about."""

import random


def box(kind: bytes, body: bytes = b"", *, size: int | None = None) -> bytes:
    """A box; with `size` one that claims another size than it has."""
    return (8 + len(body) if size is None else size).to_bytes(4) + kind + body


FTYP = box(b"ftyp", b"isom\0\0\2\0isomiso2mp41")
MOOV = box(b"moov", bytes(100))


def film(size: int = 100_000, *, seed: int = 0) -> bytes:
    """A film of so many bytes, at least 200; the seed decides what it consists of."""
    head = FTYP + MOOV
    return head + box(b"mdat", random.Random(seed).randbytes(size - len(head) - 8))  # noqa: S311  repeats from run to run
