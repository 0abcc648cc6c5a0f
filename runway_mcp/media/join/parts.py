"""Parts of a film to be: what must be equal in all of them for their packets to be copied one behind the other."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from fractions import Fraction
from pathlib import Path
from typing import Any

from runway_mcp.media.errors import JoinFailed
from runway_mcp.media.pictures.decoding import OpenFilm, opened
from runway_mcp.media.pictures.frames import frame_shown
from runway_mcp.media.pictures.limits import Limits
from runway_mcp.media.pictures.reading import local_film

JOIN_LIMITS = Limits(seconds=900.0)

# The index in front, so that a film plays while it loads; and pictures wait for their sound, however late it comes.
_MP4 = {"movflags": "+faststart", "max_interleave_delta": "0"}


@dataclass(frozen=True)
class Part:
    """One file, and all that a decoder would have to be told anew where another part has it otherwise.

    `parameters` are the codec's own (for H.264 the sets of sequence and picture); `turned` is the display's rotation.
    """

    path: Path
    codec: str
    width: int
    height: int
    pixel_format: str
    pixel_aspect: Fraction
    colours: tuple[int, int, int, int]
    turned: int
    time_base: Fraction
    parameters: bytes
    sound: tuple[object, ...] | None


_WORDS = {
    "codec": "codec",
    "width": "size",
    "height": "size",
    "pixel_format": "pixel format",
    "pixel_aspect": "shape of pixels",
    "colours": "colour tags",
    "time_base": "time base",
    "parameters": "encoder's parameters",
    "sound": "sound",
}


def read_part(path: Path, limits: Limits = JOIN_LIMITS) -> Part:
    """The part in this file; blocks. Raises `UnreadableFilm`, `MediaMissing`."""
    with local_film(path, limits) as file, opened(file, sound=True) as film:
        codec: Any = film.stream.codec_context
        colours = int(codec.color_primaries), int(codec.color_trc), int(codec.colorspace), int(codec.color_range)
        return Part(
            path,
            codec.name,
            codec.width,
            codec.height,
            codec.pix_fmt or "",
            codec.sample_aspect_ratio or Fraction(1),
            colours,
            frame_shown(film, 0.0).rotation,
            film.stream.time_base,
            codec.extradata or b"",
            _sound(film),
        )


def why_not_copied(parts: Sequence[Part]) -> tuple[str, ...]:
    """What keeps these parts from being joined by copying, in words; nothing if they can be. Pure."""
    first = parts[0]
    names = [field.name for field in fields(Part) if field.name in _WORDS]
    differ = [_WORDS[name] for name in names if any(getattr(part, name) != getattr(first, name) for part in parts)]
    turned = ["rotation"] if any(part.turned for part in parts) else []
    return tuple(dict.fromkeys([*differ, *turned]))


@contextmanager
def new_film(target: Path) -> Generator[Any]:
    """An MP4 at `target`, to be written. The encoder's errors in the body become `JoinFailed`."""
    import av  # noqa: PLC0415  the extra `media` may be absent
    from av.error import FFmpegError  # noqa: PLC0415  likewise

    try:
        with av.open(f"file:{target}", "w", format="mp4", options=_MP4) as film:
            yield film
    except FFmpegError as error:
        raise JoinFailed(f"the parts cannot be joined: {error.strerror}") from error


def _sound(film: OpenFilm) -> tuple[object, ...] | None:
    if film.sound is None:
        return None
    codec: Any = film.sound.codec_context
    return codec.name, codec.sample_rate, codec.layout.name, film.sound.time_base, bytes(codec.extradata or b"")
