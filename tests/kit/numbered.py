# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# The stubs of av leave the element type of what an encoder gives unknown.
"""Films whose frames carry their number as ten fields in a row, the lowest bit first, bright where it is set."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
from PIL import Image

BITS = 10
_DARK, _BRIGHT = 40, 210
_MOVFLAGS = {"front": "faststart", "end": "+disable_chpl", "fragments": "frag_keyframe+empty_moov+default_base_moof"}


@dataclass(frozen=True)
class Form:
    """How a film is stored: a keyframe every `group` frames, where its index is, and what else it consists of."""

    group: int = 24
    index: Literal["front", "end", "fragments"] = "front"
    b_frames: int = 0
    open_groups: bool = False
    sound: bool = False
    """A loud tone as long as the picture, or from and to the frames of `heard`."""
    heard: tuple[int, int] | None = None
    uneven: bool = False
    """Each second frame is shown twice as long as the others."""
    kilobits: int = 0
    """A constant rate, so that each second has the same bytes; 0 for as few as it needs."""


def numbered(
    path: Path,
    frames: int,
    form: Form,
    *,
    width: int = 320,
    height: int = 192,
    rate: int = 24,
    first: int = 0,
    step: int = 1,
) -> Path:
    """A film of `frames` frames, each of which carries its number, from `first` on by `step`."""
    options = {"movflags": _MOVFLAGS[form.index]} if path.suffix == ".mp4" else {}
    options["max_interleave_delta"] = "0"
    with av.open(str(path), "w", options=options) as container:
        stream: Any = container.add_stream("libx264", rate=rate, options=_x264(form))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.gop_size = form.group
        voice: Any = container.add_stream("aac", rate=48_000, layout="mono") if form.sound else None
        container.start_encoding()
        for number in range(frames):
            frame = _painted(first + step * number, width, height)
            frame.pts, frame.time_base = number + number // 2 * form.uneven, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        for sound in (*_tone(*(form.heard or (0, frames)), rate), None) if voice else ():
            container.mux(voice.encode(sound))
    return path


def number_in(picture: Image.Image) -> int:
    """The number that the picture carries, whatever its size."""
    grey = picture.convert("L")
    fields = [grey.getpixel((round((bit + 0.5) * grey.width / BITS), grey.height // 2)) for bit in range(BITS)]
    return sum(1 << bit for bit, light in enumerate(fields) if isinstance(light, int | float) and light > 128)


def _x264(form: Form) -> dict[str, str]:
    options = {"preset": "ultrafast", "bf": str(form.b_frames), "g": str(form.group), "sc_threshold": "0"}
    params = ["scenecut=0", f"keyint={form.group}", f"min-keyint={form.group}"]
    if form.open_groups:
        params.append("open-gop=1")
    if form.kilobits:
        rate = form.kilobits
        params += [f"bitrate={rate}", f"vbv-maxrate={rate}", f"vbv-bufsize={rate // 4}", "nal-hrd=cbr"]
    return options | {"x264-params": ":".join(params)}


def _painted(number: int, width: int, height: int) -> av.VideoFrame:
    row = bytearray()
    for x in range(width):
        row.append(_BRIGHT if number >> (x * BITS // width) & 1 else _DARK)
    frame = av.VideoFrame(width, height, "yuv420p")
    luma, *chroma = frame.planes
    luma.update(bytes(row.ljust(luma.line_size, b"\0")) * height)
    for plane in chroma:
        plane.update(b"\x80" * plane.buffer_size)
    return frame


def _tone(first: int, end: int, rate: int) -> Iterator[av.AudioFrame]:
    """A buzz of 480 Hz from frame `first` to `end` - 1."""
    samples = 48_000 // rate
    buzz = array("f", (0.5 if number // 50 % 2 else -0.5 for number in range(samples)))
    for number in range(first, end):
        sound = av.AudioFrame("fltp", "mono", samples)
        sound.sample_rate, sound.pts, sound.time_base = 48_000, number * samples, Fraction(1, 48_000)
        sound.planes[0].update(buzz.tobytes().ljust(sound.planes[0].buffer_size, b"\0"))
        yield sound
