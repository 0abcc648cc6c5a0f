"""The size of a picture in pixels, from the head of its file: PNG, JPEG or GIF."""

import struct

_PNG = b"\x89PNG\r\n\x1a\n"
_GIFS = (b"GIF87a", b"GIF89a")
_JPEG = b"\xff\xd8"
_MARK = 0xFF
# Marks of a JPEG that begin a frame; DHT, JPG and DAC lie among them.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def dimensions(picture: bytes) -> tuple[int, int] | None:
    """Width and height of the picture in this file; None if it is none of the three, cut short, or empty."""
    try:
        size = _read(picture)
    except (struct.error, IndexError):
        return None
    return size if size and all(size) else None


def _read(picture: bytes) -> tuple[int, int] | None:
    if picture.startswith(_PNG):
        return struct.unpack(">II", picture[16:24])
    if picture.startswith(_GIFS):
        return struct.unpack("<HH", picture[6:10])
    if picture.startswith(_JPEG):
        return _in_jpeg(picture)
    return None


def _in_jpeg(picture: bytes) -> tuple[int, int] | None:
    at = len(_JPEG)
    while picture[at] == _MARK:
        kind, length = picture[at + 1], struct.unpack(">H", picture[at + 2 : at + 4])[0]
        if kind in _FRAMES:
            height, width = struct.unpack(">HH", picture[at + 5 : at + 9])
            return width, height
        at += 2 + length
    return None
