"""Copying: the packets of several parts, one part behind the other, as one MP4; nothing is decoded. Blocks."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any

from runway_mcp.media.join.doubled_frames import Cut
from runway_mcp.media.join.parts import JOIN_LIMITS, new_film
from runway_mcp.media.pictures.decoding import OpenFilm, opened
from runway_mcp.media.pictures.reading import local_film

NO_CUTS: Mapping[int, Cut] = MappingProxyType({})


def copy_parts(
    parts: Sequence[Path], target: Path, check: Callable[[], None], cuts: Mapping[int, Cut] = NO_CUTS
) -> list[Fraction]:
    """Writes the parts' packets to `target`; returns the seconds at which each part begins, and that of the end.

    The picture is the clock: what is heard before a part's first frame (a codec's priming) or after its last is left
    out, but for the priming of the first part. `cuts` end parts, by their numbers from 0, before their end. `check` is
    called for every packet and may raise. Raises `JoinFailed`.
    """
    begins = [Fraction(0)]
    with new_film(target) as joined:
        streams: list[Any] = []
        for number, path in enumerate(parts):
            with local_film(path, JOIN_LIMITS) as file, opened(file, sound=True) as film:
                sources = [film.stream, *([film.sound] if film.sound else [])]
                streams = streams or [joined.add_stream_from_template(source) for source in sources]
                targets = {source.index: stream for source, stream in zip(sources, streams, strict=True)}
                last = cuts[number].last if number in cuts else None
                begins.append(begins[-1] + _length(film, last))
                for packet in _placed(film, begins[-2], begins[-1], last):
                    check()
                    packet.stream = targets[packet.stream.index]
                    joined.mux(packet)
    return begins


def _length(film: OpenFilm, last: int | None) -> Fraction:
    """How long the part's pictures are shown, up to the one at tick `last`, in seconds."""
    rate = film.stream.average_rate
    end = 0
    for packet in film.container.demux(film.stream):
        if packet.size and (last is None or packet.pts <= last):
            lasts = packet.duration or round(1 / (rate * packet.time_base))
            end = max(end, packet.pts + lasts - film.first_tick)
    film.container.seek(film.stream.index_entries[0].timestamp, stream=film.stream)
    return end * film.stream.time_base


def _placed(film: OpenFilm, begin: Fraction, end: Fraction, last: int | None) -> Iterator[Any]:
    """The part's packets at their places in the film, which has it from `begin` to `end`."""
    shift = begin - film.first_tick * film.stream.time_base
    for packet in film.container.demux([film.stream, *([film.sound] if film.sound else [])]):
        if not packet.size:
            continue
        if packet.stream is film.stream and last is not None and packet.pts > last:
            continue
        shown = packet.pts * packet.time_base + shift
        if packet.stream is film.sound and (shown >= end or (begin and shown < begin)):
            continue
        ticks = round(shift / packet.time_base)
        packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks
        yield packet
