"""Clips: real H.264 films of a painted evening, made on the fly. Needs the extra `media`, and says so without it.

The view depends on the second of the film alone, so an extension goes on where its parent ended; the parent's packets
are kept, and the added part is encoded behind them.
"""

import io
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from runway_mcp.simulator.media import endings
from runway_mcp.simulator.media.films import FRAME_RATE, Film, Form
from runway_mcp.simulator.media.scenery import Scenery
from runway_mcp.simulator.media.sounds import RATE, sea
from runway_mcp.simulator.media.zoom import Zoom

if TYPE_CHECKING:
    import av

BYTES_PER_SECOND = 250_000
"""The size of a file per second of film at 1280 x 768; files are padded to it, so that it is known in advance."""

SOUND_BYTES_PER_SECOND = 12_000
"""What sound adds to that."""

_X264 = {"preset": "ultrafast", "tune": "fastdecode", "threads": "2"}
_OTHER_X264 = _X264 | {"bf": "2", "refs": "3", "coder": "1"}
# A start picture may be noise, and a fade is not cheap; with these such a film fits into its size all the same.
_FINE, _COARSER = "21", ("30", "40", "51")
_MOVFLAGS = {"front": "faststart", "end": "disable_chpl", "fragments": "frag_keyframe+empty_moov+default_base_moof"}
_TAGGED = "colorprim=bt709:transfer=bt709:colormatrix=bt709"
_NEVER = 1_000_000
_KEPT = 24
_SPARE = 65_536
# The length of a box's header.
_HEAD = 8


class MediaMissing(RuntimeError):  # noqa: N818  named for what is missing
    """The codec or the picture library is not installed; the message says what to install."""


class PaintedFilms:
    """Makes films and keeps the latest 24; safe to call from several threads. Raises `MediaMissing`."""

    instant = False

    def __init__(self, *, find: Callable[[str], object] = find_spec) -> None:
        if find("av") is None or find("PIL") is None:
            raise MediaMissing("Real films need a codec and a picture library: pip install 'useapi-runway-mcp[media]'")
        self._lock = threading.Lock()
        self._films: dict[Film, bytes] = {}
        self._sceneries: dict[tuple[int, int, int, str], Scenery] = {}

    def size(self, film: Film) -> int:
        """The size of the film's file in bytes."""
        sound = SOUND_BYTES_PER_SECOND if film.form.sound else 0
        # Keyframes are what costs bytes, and frames of which all of it moves.
        rate = BYTES_PER_SECOND * max(1.0, Form().group / (film.form.group or _NEVER)) * film.form.rate / FRAME_RATE
        rate *= 2 if film.start else 1
        ending = 2 * endings.SECONDS if film.form.end != "scene" else 0.0
        return _SPARE + round((film.duration + ending) * (rate * film.width * film.height / (1280 * 768) + sound))

    def render(self, film: Film) -> bytes:
        """The film as an MP4 file; takes about a second for ten of film."""
        with self._lock:
            return _filled(self._render(film), self.size(film))

    def preview(self, film: Film) -> bytes:
        """The film's first picture as a JPEG file."""
        with self._lock:
            start = film.seconds + sum(film.added[:-1]) if film.tail else 0.0
            picture = io.BytesIO()
            frame: Any = self._view(film).frame(start, film.seconds, film.added)
            frame.to_image().save(picture, "JPEG", quality=92)
            return picture.getvalue()

    def _render(self, film: Film) -> bytes:
        if film not in self._films:
            # One group of pictures has nothing to join: such a film is encoded anew from its start. So is one with
            # B-frames, whose packets do not come in the order of their pictures.
            one_piece = film.form.group == 0 or film.form.encoder == "other"
            whole = not film.tail and (not film.added or one_piece)
            parent = b"" if whole or film.tail else self._render(replace(film, added=film.added[:-1]))
            first = 0 if whole else round((film.seconds + sum(film.added[:-1])) * film.form.rate)
            made = _joined(parent, self._frames(film, first), film)
            coarser = iter(_COARSER if film.start or film.form.end != "scene" else ())
            while len(made) + _HEAD > self.size(film) and (crf := next(coarser, None)):
                made = _joined(parent, self._frames(film, first), film, crf=crf)
            while len(self._films) >= _KEPT:
                del self._films[next(iter(self._films))]
            self._films[film] = made
        return self._films[film]

    def _frames(self, film: Film, first: int) -> "Iterator[av.VideoFrame]":
        """The film's frames from number `first` on."""
        view, rate = self._view(film), film.form.rate
        last = round((film.seconds + sum(film.added)) * rate)
        for number in range(first, last):
            frame = view.frame(number / rate, film.seconds, film.added)
            part = 1 - (last - 1 - number) / (endings.SECONDS * rate)
            yield endings.ended(frame, film.form.end, part)

    def _view(self, film: Film) -> Scenery | Zoom:
        if film.start is not None:
            return Zoom(film)
        key = (film.scene, film.width, film.height, "ITU709" if film.form.colour == "bt709" else "ITU601")
        if key not in self._sceneries:
            self._sceneries[key] = Scenery(*key)
        return self._sceneries[key]


def _joined(parent: bytes, frames: "Iterator[av.VideoFrame]", film: Film, *, crf: str = _FINE) -> bytes:
    """The parent's packets, then these frames, as one MP4 of the film's form."""
    import av  # noqa: PLC0415  an extra: a plain install imports this module without it

    with TemporaryDirectory(prefix="runway-simulator-") as folder:
        path = Path(folder, "film.mp4")
        # Without a limit the muxer holds pictures back until their sound is there.
        options = {"movflags": _MOVFLAGS[film.form.index], "max_interleave_delta": "0"}
        film_file: Any = av.open(path, "w", options=options)
        with film_file:
            tick = Fraction(1, film.form.rate)
            stream = film_file.add_stream("libx264", rate=film.form.rate, options=_encoder(film.form) | {"crf": crf})
            stream.width, stream.height, stream.pix_fmt, stream.time_base = film.width, film.height, "yuv420p", tick
            voice: Any = film_file.add_stream("aac", rate=RATE, layout="mono") if film.form.sound else None
            film_file.start_encoding()
            count = 0
            for packet in _packets(parent):
                packet.pts = packet.dts = count
                packet.time_base, packet.duration, packet.stream = tick, 1, stream
                film_file.mux(packet)
                count += 1
            for frame in frames:
                frame.pts, frame.time_base = count, tick
                film_file.mux(stream.encode(frame))
                count += 1
            film_file.mux(stream.encode(None))
            for sound in (*sea(film.duration), None) if voice else ():
                film_file.mux(voice.encode(sound))
        return path.read_bytes()


def _encoder(form: Form) -> dict[str, str]:
    options = (_X264 if form.encoder == "usual" else _OTHER_X264) | {"g": str(form.group or _NEVER)}
    return options | {"x264-params": _TAGGED} if form.colour == "bt709" else options


def _packets(film: bytes) -> Iterator[Any]:
    import av  # noqa: PLC0415  an extra: a plain install imports this module without it
    from av.bitstream import BitStreamFilterContext  # noqa: PLC0415  likewise

    if film:
        film_file: Any = av.open(io.BytesIO(film))
        with film_file:
            stream = film_file.streams.video[0]
            unwrap: Any = BitStreamFilterContext("h264_mp4toannexb", stream)
            for packet in film_file.demux(stream):
                if packet.size:
                    yield from unwrap.filter(packet)


def _filled(film: bytes, size: int) -> bytes:
    """The film, padded to this size by a `free` box at its end; raises `ValueError` where none fits."""
    room = size - len(film)
    if room < _HEAD:
        raise ValueError(f"A film of {len(film)} bytes does not fit into {size}.")
    return film + room.to_bytes(4, "big") + b"free" + bytes(room - 8)
