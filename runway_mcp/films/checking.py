"""Decodes both ends of a film before it gets its name, where that is installed; refuses only what is surely no film."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from runway_mcp.media.errors import MediaMissing, NoFilm, NotDecodedHere, UnreadableFilm, require_media
from runway_mcp.media.pictures.limits import Limits

LIMITS: Final = Limits(pixels=8192 * 4608, samples=2_000_000, packet=8_000_000, held=96_000_000, seconds=5.0)
"""What looking may cost; `seconds` are those of both ends. A film beyond it is kept all the same."""


def check_ends(path: Path, *, require: Callable[[], None] = require_media, limits: Limits = LIMITS) -> str | None:
    """Decodes the first and the last picture of a film; raises `NoFilm` where one surely does not decode. Blocks.

    Where that cannot be told it returns a sentence that says why, and the film is kept by its boxes: it was paid for,
    its link dies in two days, no byte of it would be better at a second try, and who looks at it later finds it. That
    is so for a file that cannot be opened, too little memory or time, a codec that is not decoded here, and a film
    beyond the `limits`. Of frames larger than 2560 x 1600 only the keyframes are decoded. Where no film can be decoded
    (`require` raises `MediaMissing`) nothing is looked at and nothing said. In a worker thread it ends soon after its
    caller was cancelled, and raises that.
    """
    # Loaded here, with the decoder: most servers never keep a film.
    from runway_mcp.media.pictures.decoding import opened  # noqa: PLC0415
    from runway_mcp.media.pictures.frames import frame_shown  # noqa: PLC0415
    from runway_mcp.media.pictures.reading import local_film  # noqa: PLC0415

    try:
        require()
        with local_film(path, limits) as file, opened(file, frugal=True) as film:
            for second in (0.0, None):
                frame_shown(film, second)
    except MediaMissing:
        return None
    except NotDecodedHere as error:
        return f"Whether its first and last picture decode could not be told here: {error}."
    except UnreadableFilm as error:
        raise NoFilm(f"The film came whole, yet its first or last picture does not decode: {error}.") from error
    except (OSError, MemoryError, ImportError) as error:
        return f"Whether its first and last picture decode could not be told here: {_reason(error)}."
    return None


def _reason(error: Exception) -> str:
    return (
        error.strerror or "the system refuses" if isinstance(error, OSError) else "this machine lacks memory or files"
    )
