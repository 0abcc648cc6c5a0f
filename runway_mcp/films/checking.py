"""Whether a film that is about to get its name can be shown, as far as this installation can tell."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from runway_mcp.media.errors import MediaMissing, NoFilm, UnreadableFilm, require_media
from runway_mcp.media.pictures.decoding import opened
from runway_mcp.media.pictures.frames import frame_shown
from runway_mcp.media.pictures.limits import Limits
from runway_mcp.media.pictures.reading import local_film

# Wider than for pictures: a film that was paid for is not left on Runway's side because it is large.
_LIMITS: Final = Limits(pixels=8192 * 4608, samples=2_000_000)


def check_ends(path: Path, *, require: Callable[[], None] = require_media) -> None:
    """Decodes the first and the last picture of a film; raises `NoFilm` where one does not decode. Blocks.

    Where films cannot be decoded (`require` raises `MediaMissing`) nothing is looked at here, and the boxes of the file
    alone decide.
    """
    try:
        require()
        with local_film(path, _LIMITS) as file:
            for second in (0.0, None):
                file.begin()
                with opened(file) as film:
                    frame_shown(film, second)
    except MediaMissing:
        return
    except UnreadableFilm as error:
        raise NoFilm(f"The film came whole, yet its first or last picture does not decode: {error}.") from error
