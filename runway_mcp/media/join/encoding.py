"""Encoding: several parts made one MP4 anew, where their packets cannot stand in one stream. Blocks."""

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runway_mcp.media.join.parts import JOIN_LIMITS, Part, new_film
from runway_mcp.media.pictures.decoding import OpenFilm, opened
from runway_mcp.media.pictures.reading import local_film
from runway_mcp.media.pictures.stills import matrix_of

if TYPE_CHECKING:
    from av import VideoFrame

_Shown = tuple[Any, Fraction, Fraction]

RATE = 48_000
"""Samples of sound a second."""

# Holds 24, 25, 30, 50 and 60 frames a second without rounding.
_TICK = Fraction(1, 90_000)
_X264 = {
    "preset": "veryfast",
    "crf": "15",
    # An MP4 tells how long a frame lasts by when the next one decodes: with B-frames browsers that seek skip frames.
    "bf": "0",
    "x264-params": "colorprim=bt709:transfer=bt709:colormatrix=bt709",
}
_SAMPLES = 1024


def encode_parts(
    parts: Sequence[Part],
    target: Path,
    check: Callable[[], None],
    seen: Callable[["VideoFrame", Fraction, int], None],
    doubled: frozenset[int] = frozenset(),
) -> list[Fraction]:
    """Writes the parts to `target`, encoded once; returns the seconds at which each begins, and that of the end.

    The film has the size of the last part: others are scaled until they cover it, and cropped around their middle. Each
    frame keeps its time; the last one of a part in `doubled` (numbers from 0) is left out. If one part has sound, the
    mute ones are given silence. `seen` is told each frame as it is encoded, its second and the number of its part;
    `check` is called as often and may raise. Raises `JoinFailed`.
    """
    width, height = parts[-1].width, parts[-1].height
    if parts[-1].turned % 180:
        width, height = height, width
    begins = [Fraction(0)]
    with new_film(target) as joined:
        stream = joined.add_stream("libx264", rate=24, options=_X264)
        stream.width, stream.height, stream.pix_fmt = width // 2 * 2, height // 2 * 2, "yuv420p"
        stream.codec_context.time_base = _TICK
        voice = joined.add_stream("aac", rate=RATE, layout="stereo") if any(part.sound for part in parts) else None
        for number, part in enumerate(parts):
            begin = end = begins[-1]
            pictures = _pictures(part, stream.width, stream.height)
            for frame, second, lasts in _but_the_last(pictures) if number in doubled else pictures:
                check()
                frame.pts, frame.time_base, frame.pict_type = round((begin + second) / _TICK), _TICK, 0
                seen(frame, begin + second, number)
                joined.mux(stream.encode(frame))
                end = max(end, begin + second + lasts)
            begins.append(end)
            for sound in _sounds(part, round(begin * RATE), round(end * RATE)) if voice else ():
                check()
                joined.mux(voice.encode(sound))
        for each in (stream, voice):
            if each:
                joined.mux(each.encode(None))
    return begins


def _but_the_last(pictures: Iterator[_Shown]) -> Iterator[_Shown]:
    """All but the last of several pictures; a single one stays."""
    held = next(pictures, None)
    following = next(pictures, None)
    if held is not None and following is None:
        yield held
    while held is not None and following is not None:
        yield held
        held, following = following, next(pictures, None)


def _pictures(part: Part, width: int, height: int) -> "Iterator[tuple[VideoFrame, Fraction, Fraction]]":
    """Each frame of the part in the film's size, its second in the part, and how long it is shown."""
    with local_film(part.path, JOIN_LIMITS) as file, opened(file) as film:
        usual = 1 / film.stream.average_rate if film.stream.average_rate else Fraction(1, 24)
        base = film.stream.time_base
        graph: Any = None
        for frame in film.frames(None, from_start=True):
            graph = graph or _graph(film, frame, part.turned, width, height)
            second = ((frame.pts or 0) - film.first_tick) * base
            lasts = frame.duration * base if frame.duration else usual
            graph.push(frame)
            yield graph.vpull(), second, lasts


def _graph(film: OpenFilm, frame: "VideoFrame", turned: int, width: int, height: int) -> Any:
    """What makes the part's frames upright, covers the film's size with them, and brings them into BT.709."""
    from av.filter import Graph  # noqa: PLC0415  the extra `media` may be absent

    graph: Any = Graph()
    turns = {90: ["transpose=cclock"], 180: ["hflip", "vflip"], 270: ["transpose=clock"]}.get(turned % 360, [])
    matrix = {"ITU709": "bt709", None: "auto"}[matrix_of(frame)]
    colours = f"in_color_matrix={matrix}:out_color_matrix=bt709:out_range=tv"
    steps = [
        *turns,
        f"scale={width}:{height}:force_original_aspect_ratio=increase:flags=lanczos:{colours}",
        f"crop={width}:{height}",
        "setsar=1",
        "format=yuv420p",
    ]
    nodes = [graph.add_buffer(template=film.stream)]
    nodes += [graph.add(*step.split("=", 1)) for step in steps]
    graph.link_nodes(*nodes, graph.add("buffersink")).configure()
    return graph


def _sounds(part: Part, begin: int, end: int) -> Iterator[Any]:
    """The sound of the part from sample `begin` to `end` - 1 of the film, with silence where it has none."""
    from av import AudioFifo  # noqa: PLC0415  the extra `media` may be absent

    fifo: Any = AudioFifo()
    done = begin
    for frame in _resampled(part):
        frame.pts = None
        fifo.write(frame)
        while done < end and fifo.samples >= min(_SAMPLES, end - done):
            yield _placed(fifo.read(min(_SAMPLES, end - done)), done)
            done += min(_SAMPLES, end - done)
    if fifo.samples and done < end:
        rest = fifo.read(min(fifo.samples, end - done))
        yield _placed(rest, done)
        done += rest.samples
    while done < end:
        count = min(_SAMPLES, end - done)
        yield _placed(_silence(count), done)
        done += count


def _resampled(part: Part) -> Iterator[Any]:
    """What is heard from the part's first frame on; nothing if it is mute."""
    from av import AudioResampler  # noqa: PLC0415  the extra `media` may be absent

    with local_film(part.path, JOIN_LIMITS) as file, opened(file, sound=True) as film:
        if film.sound is None:
            return
        resampler = AudioResampler("fltp", "stereo", RATE)
        begin = film.first_tick * film.stream.time_base
        first = True
        for frame in film.container.decode(film.sound):
            late = (frame.pts or 0) * frame.time_base - begin
            if late + Fraction(frame.samples, frame.sample_rate) <= 0:
                continue
            if first and late > 0:
                yield _silence(round(late * RATE))
            first = False
            yield from resampler.resample(frame)
        yield from resampler.resample(None)


def _silence(count: int) -> Any:
    from av import AudioFrame  # noqa: PLC0415  the extra `media` may be absent

    frame: Any = AudioFrame("fltp", "stereo", count)
    frame.sample_rate = RATE
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    return frame


def _placed(frame: Any, at: int) -> Any:
    frame.pts, frame.time_base, frame.sample_rate = at, Fraction(1, RATE), RATE
    return frame
