# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# The stubs of av leave the element type of what an encoder gives unknown.
"""Small real films, made on the spot."""

import zlib
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av

from runway_mcp.simulator.media.films import Film

BLACK, WHITE = 16, 235


def film(path: Path, *luma: int, rate: int = 24, first_shown_at: int = 0, codec: str = "libx264") -> Path:
    """A grey film of 64x36 pixels: one frame per value of `luma`; the first is shown at frame time `first_shown_at`."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 36, "yuv420p"
        container.start_encoding()
        for number, value in enumerate(luma):
            frame = av.VideoFrame(64, 36, "yuv420p")
            for plane, level in zip(frame.planes, (value, 128, 128), strict=True):
                plane.update(bytes([level]) * plane.buffer_size)
            frame.pts, frame.time_base = number + first_shown_at, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


grey_film = film


class SmallFilms:
    """Films of the stand-in that decode, each of a grey of its own; with `filler` so many bytes longer."""

    instant = True

    def __init__(self, *, filler: int = 0) -> None:
        self._filler = filler
        self._films: dict[Film, bytes] = {}

    def size(self, film: Film) -> int:
        """The size of the film's file in bytes."""
        return len(self.render(film))

    def render(self, film: Film) -> bytes:
        """The film as an MP4 file: three frames, and the filler in a box of its own."""
        if film not in self._films:
            shade = 20 + zlib.crc32(repr(film).encode()) % 200
            with TemporaryDirectory() as folder:
                content = grey_film(Path(folder, "f.mp4"), shade, shade + 1, shade + 2).read_bytes()
            padding = (8 + self._filler).to_bytes(4) + b"free" + bytes(self._filler) if self._filler else b""
            self._films[film] = content + padding
        return self._films[film]

    def preview(self, film: Film) -> bytes:
        """No picture."""
        return repr(film).encode()


def sound(path: Path) -> Path:
    """A moment of silence, without a picture."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame("fltp", "mono", 1024)
        frame.sample_rate, frame.pts = 44100, 0
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def coloured(path: Path, planes: tuple[int, int, int], *, width: int, height: int, tags: str = "") -> Path:
    """Two frames of one colour, given as the values of its planes; `tags` are x264's, such as `colormatrix=bt709`."""
    with av.open(str(path), "w") as container:
        options = {"preset": "ultrafast", "qp": "1", "x264-params": tags}
        stream = container.add_stream("libx264", rate=24, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        container.start_encoding()
        for number in range(2):
            frame = av.VideoFrame(width, height, "yuv420p")
            for plane, level in zip(frame.planes, planes, strict=True):
                plane.update(bytes([level]) * plane.buffer_size)
            frame.pts, frame.time_base = number, Fraction(1, 24)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def growing(path: Path, *sizes: tuple[int, int]) -> Path:
    """One frame of each size in pixels, stored as JPEGs; the film's header has the first size."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("mjpeg", rate=24)
        (stream.width, stream.height), stream.pix_fmt = sizes[0], "yuvj420p"
        container.start_encoding()
        for number, (width, height) in enumerate(sizes):
            encoder: Any = av.CodecContext.create("mjpeg", "w")
            encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuvj420p"
            encoder.time_base = Fraction(1, 24)
            frame = av.VideoFrame(width, height, "yuvj420p")
            frame.pts = number
            for packet in (*encoder.encode(frame), *encoder.encode(None)):
                packet.stream, packet.time_base, packet.pts, packet.dts = stream, Fraction(1, 24), number, number
                container.mux(packet)
    return path
