"""The films of the demo: downloaded, decoded and compared."""

from dataclasses import dataclass
from pathlib import Path

from anyio import CapacityLimiter

from runway_mcp.demo.failures import DemoError
from runway_mcp.media.errors import MediaError, MediaMissing, UnreadableFilm
from runway_mcp.media.fetch.client import Links
from runway_mcp.media.files.keeping import keep
from runway_mcp.media.pictures.measures import Film, read_film
from runway_mcp.media.pictures.strip import save_strip

TOLERANCE_SECONDS = 0.5


@dataclass(frozen=True)
class Pair:
    """The clip and the longer film made from it, as decoded."""

    before: Film
    after: Film

    @property
    def grown(self) -> float:
        """The seconds that were added."""
        return self.after.duration_seconds - self.before.duration_seconds


async def fetch(links: Links, link: str | None, target: Path) -> Path:
    """Saves the film behind a link and returns its path; raises `DemoError` if it cannot be downloaded."""
    try:
        return (await keep(links, link or "", target.parent, key=target.stem, name=target.name)).path
    except MediaError as error:
        raise DemoError(f"{target.name} cannot be downloaded: {error}") from error


async def compare(clip: Path, film: Path, strip: Path, *, seconds: int) -> Pair:
    """Decodes both and saves the strip of the longer one; raises `DemoError` unless it grew by `seconds` (+-0.5)."""
    limiter = CapacityLimiter(1)
    pair = Pair(await _decoded(clip, limiter), await _decoded(film, limiter))
    if abs(pair.grown - seconds) > TOLERANCE_SECONDS:
        raise DemoError(f"the film grew by {pair.grown:.1f} s, not by {seconds} s; see {film}")
    try:
        await save_strip(film, strip, seams=[pair.before.duration_seconds], limiter=limiter)
    except (UnreadableFilm, OSError) as error:
        raise DemoError(f"{strip.name} cannot be saved: {error}") from error
    return pair


async def _decoded(path: Path, limiter: CapacityLimiter) -> Film:
    try:
        return await read_film(path, limiter=limiter)
    except (UnreadableFilm, MediaMissing) as error:
        raise DemoError(f"{path.name} cannot be compared: {error}") from error
