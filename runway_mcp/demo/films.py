"""The films of the demo: fetched over their links, decoded, compared."""

from dataclasses import dataclass
from pathlib import Path

from runway_mcp.demo.failures import DemoError
from runway_mcp.media.frames import Film, UnreadableFilm, read_film, save_strip
from runway_mcp.runway.client import RunwayClient
from runway_mcp.runway.errors import RunwayError

TOLERANCE_SECONDS = 0.5


@dataclass(frozen=True)
class Pair:
    """The clip and the longer film made from it, as they decode."""

    before: Film
    after: Film

    @property
    def grown(self) -> float:
        """The seconds that were added."""
        return self.after.duration_seconds - self.before.duration_seconds


async def fetch(runway: RunwayClient, link: str | None, target: Path) -> int:
    """Save the film behind a link, and return its bytes; a link that leads to none is a `DemoError`."""
    try:
        return await runway.download(link or "", target)
    except (RunwayError, OSError) as error:
        raise DemoError(f"{target.name} cannot be downloaded: {error}") from error


def compare(clip: Path, film: Path, strip: Path, *, seconds: int) -> Pair:
    """Decode both and save the strip of the longer one; a film that did not grow by `seconds` is a `DemoError`."""
    try:
        pair = Pair(read_film(clip), read_film(film))
        save_strip(film, strip, seam_seconds=pair.before.duration_seconds)
    except (UnreadableFilm, OSError) as error:
        raise DemoError(f"the films cannot be compared: {error}") from error
    if abs(pair.grown - seconds) > TOLERANCE_SECONDS:
        raise DemoError(f"the film grew by {pair.grown:.1f} s, not by {seconds} s; see {film}")
    return pair
