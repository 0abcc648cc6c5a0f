"""Downloads of films into parts: in constant memory, going on after a cut, also over a fresh link to the same film."""

from collections.abc import Awaitable, Callable
from typing import Final

import anyio
from anyio.to_thread import run_sync

from runway_mcp.media.errors import Changed, Cut, DeadLink, NoFilm, TooLarge, Unreachable
from runway_mcp.media.fetch.answers import Range, Version, check_type, length_of, range_of, strong_etag
from runway_mcp.media.fetch.client import Links, Response
from runway_mcp.media.fetch.remote import FreshLink
from runway_mcp.media.files.boxes import begins_as_film
from runway_mcp.media.files.parts import Part

Pause = Callable[[float], Awaitable[None]]
"""Waits for so many seconds."""

Told = Callable[[int, int | None], None]
"""Is told how many bytes of a film have come, of how many if that is known."""

BLOCK_BYTES: Final = 2**20
"""So much is collected before it is written, which makes a worker thread for each write worth its price."""

MOST_ATTEMPTS: Final = 40
MOST_FRESH_LINKS: Final = 3
MOST_IDLE: Final = 3
"""Attempts in a row that bring nothing."""

_OK, _PARTIAL = 200, 206


def tell_nobody(_received: int, _total: int | None) -> None:
    """Nobody is told."""


async def download(
    links: Links,
    link: str,
    part: Part,
    *,
    fresh_link: FreshLink | None = None,
    pause: Pause = anyio.sleep,
    told: Told = tell_nobody,
) -> int:
    """Brings the film behind a link into a part, whole; returns its length in bytes.

    What the part has already is kept where the film has the same strong entity tag and length, else it begins anew.
    Cuts and refusals for now are tried again after a pause, up to `MOST_IDLE` times without progress; for a dead link
    `fresh_link` is asked; `told` is called as bytes come. Raises the errors of `media.errors`; after those in
    `RESUMABLE` the part may go on later.
    """
    deadline = anyio.current_time() + links.limits.whole_seconds
    idle = fresh = 0
    for _ in range(MOST_ATTEMPTS):
        before = part.length
        try:
            await _attempt(links, link, part, deadline, told)
        except DeadLink:
            fresh += 1
            if fresh_link is None or fresh > MOST_FRESH_LINKS:
                raise
            link = await fresh_link()
        except (Cut, Unreachable):
            idle = 0 if part.length > before else idle + 1
            if idle >= MOST_IDLE or anyio.current_time() >= deadline:
                raise
            await pause(0.25 * 2**idle)
        else:
            return part.length
    raise Cut("The transfer broke off too often.")


async def _attempt(links: Links, link: str, part: Part, deadline: float, told: Told) -> None:
    version = part.version if part.resumable else None
    wanted: dict[str, str] = {}
    if version is not None and version.etag is not None:
        if part.length == version.size:
            return
        wanted = {"Range": f"bytes={part.length}-", "If-Range": version.etag}
    async with links.get(link, wanted=wanted, deadline=deadline) as response:
        check_type(response.headers)
        if response.status == _OK:
            version = await _begun(response, part, links.limits.most_bytes)
        elif version is None:
            raise NoFilm("The link's host answers with a part that was not asked for.")
        elif response.status != _PARTIAL or not _fits(response, part.length, version):
            await run_sync(part.begin, None)
            raise Cut("The film cannot be continued from where it was, and begins anew.")
        size = None if version is None else version.size
        await _receive(response, part, size, links.limits.most_bytes, told)


async def _begun(response: Response, part: Part, most_bytes: int) -> Version | None:
    """Empties the part for the film that comes whole; its version, None where no length is announced."""
    size = length_of(response.headers)
    if size == 0:
        raise NoFilm("The link leads to an empty file.")
    if size is not None and size > most_bytes:
        raise TooLarge(f"The film has {size} bytes; at most {most_bytes} are taken.")
    version = None if size is None else Version(size, strong_etag(response.headers))
    await run_sync(part.begin, version)
    return version


def _fits(response: Response, start: int, version: Version) -> bool:
    same = strong_etag(response.headers) == version.etag
    return same and range_of(response.headers) == Range(start, version.size, version.size)


async def _receive(response: Response, part: Part, size: int | None, most_bytes: int, told: Told) -> None:
    """Appends the body; what came before a cut is kept."""
    block = bytearray()
    try:
        async for chunk in response.chunks:
            block += chunk
            if part.length + len(block) > (most_bytes if size is None else size):
                raise _too_much(size, most_bytes)
            if len(block) >= BLOCK_BYTES:
                await _write(part, block)
                told(part.length, size)
                block = bytearray()
    except Cut:
        await _write(part, block)
        raise
    await _write(part, block)
    told(part.length, size)
    if size is not None and part.length < size:
        raise Cut("The connection was lost.")
    if part.length == 0:
        raise NoFilm("The link leads to an empty file.")


async def _write(part: Part, block: bytearray) -> None:
    if not block:
        return
    # Not after a few bytes, of which a cut may leave less than a header.
    if part.length == 0 and len(block) >= 12 and not begins_as_film(bytes(block[:12])):  # noqa: PLR2004  the header's length
        raise NoFilm("What came is no MP4 film.")
    await run_sync(part.write, block)


def _too_much(size: int | None, most_bytes: int) -> Exception:
    if size is None:
        return TooLarge(f"The film has more than {most_bytes} bytes, which is the most that is taken.")
    return Changed("The link's host sent more than it had announced.")
