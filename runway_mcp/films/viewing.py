"""Views of films: the picture that was asked for, from the pictures that are kept or from the film by its link.

Also the files themselves, in bounded size: a preview picture, and the film as bytes.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import anyio

from runway_mcp.films.opening import Films
from runway_mcp.media.errors import Cut, DeadLink, NoFilm, TooLarge
from runway_mcp.media.fetch.client import Response
from runway_mcp.media.fetch.remote import FreshLink, open_film
from runway_mcp.media.pictures.cache import cached, keep, picture_key
from runway_mcp.media.pictures.stills import Picture
from runway_mcp.tasks.intents import uuid_of

if TYPE_CHECKING:
    from runway_mcp.media.pictures.reading import FilmReader

Show = Literal["last_frame", "first_frame", "strip"]
"""What can be seen of a film."""

LARGEST_PREVIEW: Final = 2_000_000
"""The most bytes of a preview picture that are taken."""

LARGEST_FILM: Final = 20_000_000
"""The most bytes of a film that are given as such."""

_OK = 200
_JPEG = b"\xff\xd8\xff"
_OTHER_FORMS = (
    (re.compile(rb"GIF8"), "GIF"),
    (re.compile(rb"\x89PNG"), "PNG"),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), "WebP"),
)


class OtherPicture(NoFilm):
    """The link leads to a picture, in a form other than JPEG."""

    def __init__(self, form: str) -> None:
        super().__init__(f"The link leads to a {form} picture, and only JPEG is taken.")
        self.form = form


@dataclass(frozen=True)
class View:
    """What to see of a film: a frame (with `second`, the one that is shown then), or a strip with its `seams`."""

    show: Show = "last_frame"
    second: float | None = None
    seams: tuple[float, ...] = ()

    @property
    def shows_end(self) -> bool:
        """Whether the last frame that it shows is the film's."""
        return self.second is None and self.show in ("last_frame", "strip")

    @property
    def what(self) -> str:
        """What it shows, for the name of a picture that is kept."""
        if self.second is not None:
            return f"at {self.second:.3f}"
        return f"strip {self.seams}" if self.show == "strip" else self.show


async def picture_of(
    films: Films, asset_id: str, view: View, *, size: int | None, link: str | None, fresh_link: FreshLink
) -> Picture:
    """The picture of an asset: one that is kept costs no request, all others come from the film and are kept then.

    A caller that is cancelled leaves it being made, so that the next one finds it.

    `size` is the film's in bytes, as far as upstream tells it. `link` is the signed link that was read last, None if
    there is none; `fresh_link` gives another one where it has died. Raises `MediaMissing`, `LinkError`,
    `UnreadableFilm`, and what `fresh_link` raises.
    """
    films.require()
    key = picture_key(asset_id, view.what, "" if size is None else str(size))
    picture = await cached(films.pictures, key)

    async def make() -> Picture:
        film = await open_film(films.links, link or await fresh_link(), fresh_link=fresh_link)
        made = await _made(films, film, view)
        await keep(films.pictures, key, made)
        return made

    if picture is None:
        picture = await films.making.of(key, make, clip=asset_id)
    if view.shows_end:
        films.lengths.note(uuid_of(asset_id), picture.shown[-1].second)
    return picture


async def picture_of_file(
    films: Films, film_id: str, view: View, *, version: str, find: Callable[[], Awaitable[Path]]
) -> Picture:
    """The picture of a film on this machine, whose file `find` gives; as `picture_of`, and raises what `find` raises.

    `version` tells films of one id apart.
    """
    films.require()
    key = picture_key(film_id, view.what, version)
    if (picture := await cached(films.pictures, key)) is not None:
        return picture

    async def make() -> Picture:
        made = await _made(films, await find(), view)
        await keep(films.pictures, key, made)
        return made

    return await films.making.of(key, make, clip=film_id)


async def _made(films: Films, film: "Path | FilmReader", view: View) -> Picture:
    # Loaded here, with the decoder: most servers never make a picture.
    from runway_mcp.media.pictures.frames import first_frame, frame_at, last_frame  # noqa: PLC0415
    from runway_mcp.media.pictures.strip import film_strip  # noqa: PLC0415

    if view.second is not None:
        return await frame_at(film, view.second, limiter=films.decoding)
    match view.show:
        case "last_frame":
            return await last_frame(film, limiter=films.decoding)
        case "first_frame":
            return await first_frame(film, limiter=films.decoding)
        case "strip":
            return await film_strip(film, seams=view.seams, limiter=films.decoding)


async def film_bytes(films: Films, *, link: str | None, fresh_link: FreshLink) -> bytes:
    """The film itself. Raises `TooLarge` above `LARGEST_FILM` before it is read, `LinkError`, and as `fresh_link`."""
    film = await open_film(films.links, link or await fresh_link(), fresh_link=fresh_link)
    if film.size > LARGEST_FILM:
        raise TooLarge(f"The film has {film.size / 1_000_000:.1f} MB.")
    return await film.read(0, film.size)


async def preview_bytes(films: Films, *, link: str, fresh_link: FreshLink) -> bytes:
    """A preview picture, a JPEG of at most `LARGEST_PREVIEW` bytes; raises `OtherPicture`, and as `film_bytes`."""
    deadline = anyio.current_time() + films.links.limits.whole_seconds
    try:
        return await _preview(films, link, deadline)
    except DeadLink:
        return await _preview(films, await fresh_link(), deadline)


async def _preview(films: Films, link: str, deadline: float) -> bytes:
    async with films.links.get(link, deadline=deadline) as response:
        picture = await _bounded(response, LARGEST_PREVIEW)
    for begins, form in _OTHER_FORMS:
        if begins.match(picture):
            raise OtherPicture(form)
    if not picture.startswith(_JPEG):
        raise NoFilm("The link leads to something other than a JPEG picture.")
    return picture


async def _bounded(response: Response, most: int) -> bytes:
    """The whole body; raises `TooLarge` once it has more than `most` bytes, `Cut` if it has fewer than announced."""
    body = bytearray()
    async for chunk in response.chunks:
        body += chunk
        if len(body) > most:
            raise TooLarge(f"The file has more than {most / 1_000_000:.0f} MB.")
    if response.status != _OK or len(body) < int(response.headers.get("content-length", "0") or 0):
        raise Cut("The connection was lost.")
    return bytes(body)
