"""Films and strips: what a film file holds, counted from frames that decoded, since a header may claim anything.

Needs the extra `media`, imported at the first use, so that the package runs without it. Every function blocks: call it
from a worker thread where an event loop runs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from av import VideoFrame
    from PIL.Image import Image

# Colours of the strip, and the pixels between its parts.
PAPER = (18, 20, 26)
BEFORE = (122, 132, 150)
AFTER = (255, 122, 26)
SEAM = (255, 255, 255)
GAP = 6

# The decoder would follow a playlist that calls itself a film to other files and hosts.
LOCAL_FILMS_ONLY = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi",
}


class UnreadableFilm(Exception):  # noqa: N818  the name says what the file is
    """The file is missing, is no film, or holds no picture that decodes."""


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


def read_film(path: Path) -> Film:
    """The film in `path`, every frame decoded. Raises `UnreadableFilm`."""
    width = height = frames = 0
    end = 0.0
    for frame, until in _decoded(path):
        width, height, frames, end = frame.width, frame.height, frames + 1, max(end, until)
    if end <= 0:
        raise UnreadableFilm(f"{path.name} holds no picture that lasts")
    return Film(round(end, 3), frames, width, height)


def save_strip(path: Path, target: Path, *, seam_seconds: float, each_side: int = 4, height: int = 180) -> int:
    """Writes a row of frames from before and after `seam_seconds` to `target` (.png); returns how many it holds.

    Each frame becomes `height` pixels high. The up to `each_side` frames of a side are evenly spread and include the
    last one before the seam and the first one after it. Grey underlines what was before, orange what came after, a
    white line marks the seam. A seam at or beyond the end leaves the second side empty. Raises `UnreadableFilm`, and
    `OSError` where `target` cannot be written.
    """
    film = read_film(path)
    seam = min(film.frames, max(1, round(seam_seconds * film.frames_per_second)))
    before = _spread(0, seam, each_side)
    after = _spread(seam, film.frames, each_side)
    wanted = {*before, *after}
    thumbnails = {i: _picture(frame, height) for i, (frame, _) in enumerate(_decoded(path)) if i in wanted}
    _side_by_side([thumbnails[i] for i in before], [thumbnails[i] for i in after]).save(target)
    return len(before) + len(after)


def _decoded(path: Path) -> Iterator[tuple["VideoFrame", float]]:
    """Each frame of the first video stream, and the second at which it leaves the screen, counted from the first."""
    import av  # noqa: PLC0415  the extra `media` may be absent
    from av.error import FFmpegError  # noqa: PLC0415  likewise

    try:
        with av.open(str(path), options=LOCAL_FILMS_ONLY) as container:
            if not container.streams.video:
                raise UnreadableFilm(f"{path.name} has no video stream")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            rate = stream.average_rate
            usual = 1 / float(rate) if rate else 0.0
            start: float | None = None
            for frame in container.decode(stream):
                start = frame.time if start is None else start
                lasts = float(frame.duration * frame.time_base) if frame.duration and frame.time_base else usual
                yield frame, frame.time - start + lasts
    except (FFmpegError, OSError) as error:
        raise UnreadableFilm(f"{path.name} cannot be read as a film: {error.strerror}") from error


def _spread(first: int, end: int, count: int) -> list[int]:
    """Up to `count` frame numbers from `first` to `end` - 1, both included, evenly spaced."""
    steps = min(count, end - first) - 1
    return [first + round(i * (end - 1 - first) / max(1, steps)) for i in range(steps + 1)]


def _picture(frame: Any, height: int) -> "Image":
    return frame.to_image(width=max(2, round(frame.width * height / frame.height / 2) * 2), height=height)


def _side_by_side(before: list["Image"], after: list["Image"]) -> "Image":
    """The thumbnails in one row on dark paper, each side underlined in its colour, with the seam between them."""
    from PIL import Image, ImageDraw  # noqa: PLC0415  the extra `media` may be absent

    height = before[0].height
    width = GAP + sum(picture.width + GAP for picture in (*before, *after)) + (2 * GAP if after else 0)
    strip = Image.new("RGB", (width, height + 4 * GAP), PAPER)
    draw = ImageDraw.Draw(strip)
    x = GAP
    for side, colour in ((before, BEFORE), (after, AFTER)):
        if side is after and after:
            draw.rectangle((x, 0, x + GAP - 1, strip.height), SEAM)
            x += 2 * GAP
        for picture in side:
            strip.paste(picture, (x, GAP))
            draw.rectangle((x, height + 2 * GAP, x + picture.width - 1, height + 3 * GAP - 1), colour)
            x += picture.width + GAP
    return strip
