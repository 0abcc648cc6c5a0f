"""Films of the campaign: three greys of 64 pixels, each a step from the last, that begin with the picture sent."""

import hashlib
import io
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from runway_mcp.simulator.media.films import Film

FRAMES = 3
"""How many frames every film has."""

STEP = 10
"""How far one frame is from the next, in steps of 255 of luma."""

_LOWEST, _MIDDLE, _LEVELS = 30, 120, 18


class GreyFilms:
    """Films of the stand-in: a clip has a grey of its own, a created one begins with the picture's, or a step later."""

    instant = True

    def __init__(self) -> None:
        self._films: dict[Film, bytes] = {}

    def size(self, film: Film) -> int:
        """The size of the film's file in bytes."""
        return len(self.render(film))

    def render(self, film: Film) -> bytes:
        """The film as an MP4 file, which no other film has."""
        if film not in self._films:
            mark = hashlib.sha256(repr(film).encode()).digest()
            self._films[film] = encoded(levels_of(film)) + (8 + len(mark)).to_bytes(4) + b"free" + mark
        return self._films[film]

    def preview(self, film: Film) -> bytes:
        """No picture."""
        return repr(film).encode()


def levels_of(film: Film) -> tuple[int, ...]:
    """The luma of each frame."""
    if film.start is None:
        first = _LOWEST + STEP * (hashlib.sha256(repr(film).encode()).digest()[0] % _LEVELS)
    else:
        first = _level(film.start.picture)
        first += _direction(first) if film.start.later else 0
    return tuple(first + number * _direction(first) for number in range(FRAMES))


def _direction(level: int) -> int:
    return STEP if level < _MIDDLE else -STEP


@cache
def _level(picture: bytes) -> int:
    from PIL import Image  # noqa: PLC0415  the extra `media` may be absent

    with Image.open(io.BytesIO(picture)) as image:
        grey: Any = image.convert("L").getpixel((image.width // 2, image.height // 2))
    return nearest(16 + grey * 219 / 255)


def nearest(luma: float) -> int:
    """The level that films have which is nearest to a luma."""
    return STEP * round(luma / STEP)


@cache
def encoded(levels: tuple[int, ...]) -> bytes:
    """An MP4 of 64x36 pixels with these frames, no B-frames among them."""
    import av  # noqa: PLC0415  the extra `media` may be absent

    untyped: Any = av
    with TemporaryDirectory() as folder:
        path = Path(folder, "film.mp4")
        with untyped.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=24, options={"preset": "ultrafast", "bf": "0"})
            stream.width, stream.height, stream.pix_fmt = 64, 36, "yuv420p"
            for number, level in enumerate(levels):
                frame = untyped.VideoFrame(64, 36, "yuv420p")
                for plane, value in zip(frame.planes, (level, 128, 128), strict=True):
                    plane.update(bytes([value]) * plane.buffer_size)
                frame.pts = number
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path.read_bytes()


def shown(path: Path) -> list[int]:
    """The levels that a file shows, frame by frame."""
    import av  # noqa: PLC0415  as above

    untyped: Any = av
    with untyped.open(str(path)) as container:
        return [nearest(bytes(frame.planes[0])[:64][32]) for frame in container.decode(video=0)]
