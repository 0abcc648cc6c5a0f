"""Measures: how long a film really is, counted from frames that decoded, since a header may claim anything."""

from dataclasses import dataclass
from pathlib import Path

from anyio import CapacityLimiter

from runway_mcp.media.errors import UnreadableFilm
from runway_mcp.media.pictures.decoding import opened
from runway_mcp.media.pictures.limits import LIMITS, Limits
from runway_mcp.media.pictures.reading import FilmFile, FilmReader, worked_on


@dataclass(frozen=True)
class Film:
    """A film by its decoded frames; `duration_seconds` includes the time for which the last frame is shown."""

    duration_seconds: float
    frames: int
    width: int
    height: int

    @property
    def frames_per_second(self) -> float:
        """The mean rate over the whole film."""
        return self.frames / self.duration_seconds


async def read_film(film: Path | FilmReader, *, limiter: CapacityLimiter, limits: Limits = LIMITS) -> Film:
    """The film's measures, every frame decoded. Raises `UnreadableFilm`, `MediaMissing`."""
    return await worked_on(film, _measured, limits=limits, limiter=limiter)


def _measured(file: FilmFile) -> Film:
    width = height = frames = 0
    end = 0.0
    with opened(file) as film:
        rate = film.stream.average_rate
        usual = 1 / float(rate) if rate else 0.0
        for frame in film.frames(None, from_start=True):
            lasts = float(frame.duration * film.stream.time_base) if frame.duration else usual
            width, height, frames, end = frame.width, frame.height, frames + 1, max(end, film.second(frame) + lasts)
    if end <= 0:
        raise UnreadableFilm("the film holds no picture that lasts")
    return Film(round(end, 3), frames, width, height)
