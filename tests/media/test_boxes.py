import pytest

from runway_mcp.media.errors import NoFilm
from runway_mcp.media.files.boxes import MOST_BOXES, begins_as_film, check_boxes
from tests.media.boxes import FTYP, MOOV, box, film

MDAT = box(b"mdat", b"pictures")
LONG = (1).to_bytes(4) + b"mdat"


def check(raw: bytes) -> int:
    """Checks a file; returns how many reads that took, each of at most 16 bytes."""
    reads: list[int] = []

    def read(start: int, end: int) -> bytes:
        assert end - start <= 16
        reads.append(start)
        return raw[start:end]

    check_boxes(read, len(raw))
    return len(reads)


@pytest.mark.parametrize(
    "raw",
    [
        FTYP + MOOV + MDAT,
        FTYP + MDAT + MOOV,
        FTYP + box(b"free") + MDAT + MOOV + box(b"\xa9xyz"),
        FTYP + MOOV + box(b"moof") + MDAT,
        FTYP + MOOV + LONG + (24).to_bytes(8) + b"pictures",
        FTYP + MOOV + box(b"mdat", b"to the end", size=0),
        film(300),
    ],
)
def test_whole_boxes_with_an_index_are_a_film(raw: bytes) -> None:
    assert begins_as_film(raw[:12])
    assert check(raw) <= 7


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\0\0\0\x14ftyp",
        b"<html><title>Sign in</title></html>",
        MOOV + FTYP + MDAT,
        box(b"ftyp", b"isom") + MOOV + MDAT,
        box(b"ftyp", b"isom\0\0\2\0isom", size=8000) + bytes(8000),
        FTYP,
        FTYP + MDAT,
        FTYP + MOOV,
        (FTYP + MOOV + MDAT)[:-1],
        FTYP + MOOV + MDAT + b"\0\0\0",
        FTYP + MOOV + MDAT + bytes(16),
        FTYP + MOOV + box(b"mdat", b"pictures", size=7),
        FTYP + MOOV + box(b"mdat", b"pictures", size=2**32 - 1),
        FTYP + MOOV + LONG + (2**63).to_bytes(8),
        FTYP + MOOV + LONG + (15).to_bytes(8) + b"pictures",
        FTYP + MOOV + LONG,
        FTYP + MOOV + box(b"md\0t", b"pictures"),
    ],
)
def test_anything_else_is_no_whole_film(raw: bytes) -> None:
    with pytest.raises(NoFilm):
        check(raw)


def test_a_file_of_countless_tiny_boxes_costs_a_bounded_number_of_reads() -> None:
    raw = FTYP + box(b"free") * (2 * MOST_BOXES)
    reads = 0

    def read(start: int, end: int) -> bytes:
        nonlocal reads
        reads += 1
        return raw[start:end]

    with pytest.raises(NoFilm, match="too many pieces"):
        check_boxes(read, len(raw))
    assert reads <= MOST_BOXES + 1
