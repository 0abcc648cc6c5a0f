"""Keeping: a film behind a link becomes a file under its name, whole and checked, and never in place of another."""

import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import anyio
from anyio import from_thread
from anyio.to_thread import run_sync

from runway_mcp.media.errors import RESUMABLE, FolderRefused, KeptElsewhere, MediaError, NoFilm
from runway_mcp.media.fetch.client import Links
from runway_mcp.media.fetch.remote import FreshLink, open_film
from runway_mcp.media.files.boxes import check_boxes
from runway_mcp.media.files.copying import copy_film, open_film_file
from runway_mcp.media.files.download import Pause, Told, download, tell_nobody
from runway_mcp.media.files.folder import Folder, Free, disk_errors, disk_free
from runway_mcp.media.files.names import folded, is_safe, numbered
from runway_mcp.media.files.parts import Part, open_part, part_name

Check = Callable[[Path], str | None]
"""A further look at a film before it gets its name; blocks, reads no other file.

Raises `MediaError` to refuse it; else gives None, or a sentence that says what could not be told of it.
"""

_COMPARED: Final = 2**20
_ENDS: Final = 64 * 1024


@dataclass(frozen=True)
class Kept:
    """A film on disk: where, its length in bytes, whether this call wrote it, and what its check could not tell."""

    path: Path
    size: int
    new: bool
    warning: str | None = None


async def keep(
    links: Links,
    link: str,
    folder: Path,
    *,
    key: str,
    name: str,
    fresh_link: FreshLink | None = None,
    check: Check | None = None,
    free: Free = disk_free,
    pause: Pause = anyio.sleep,
    told: Told = tell_nobody,
    tells_film: bool = True,
) -> Kept:
    """Keeps the film behind a link in a folder, which is made if it is not there.

    `key` names the film in every process (its asset's id): with it a part that was begun goes on. `name` comes from
    `film_name` or `given_name`; where another film has it, it gets a number. The same film under that name is told and
    not written again; `tells_film` says that the name has the film's id in it, so that a file of that name and length
    is believed to be it, without which every byte is compared. The file is on the disk when this returns; `told` is
    called as its bytes come. Raises the errors of `media.errors`; a part that can
    go on stays, every other is removed.
    """
    if not is_safe(name):
        raise ValueError(f"{name!r} is no safe name.")
    async with _opened(folder, free) as opened:
        there = await _already_there(links, link, opened, name, fresh_link) if tells_film else None
        if there is not None:
            await run_sync(_cleared, opened, key)
            return there
        async with _begun(opened, key) as part:
            await download(links, link, part, fresh_link=fresh_link, pause=pause, told=told)
            return await run_sync(_published, opened, part, name, check)


async def keep_copy(
    source: Kept,
    folder: Path,
    *,
    key: str,
    name: str,
    check: Check | None = None,
    free: Free = disk_free,
    told: Told = tell_nobody,
) -> Kept | None:
    """Keeps a film under another name from its kept file in the same folder; None if that is not what was kept.

    The file must be a plain one, as long as it was, of whole boxes, and pass the `check`. All else is as in `keep`; a
    part that a download had left is given up once the copy begins.
    """
    async with _opened(folder, free) as opened:
        if source.path.parent != opened.path:
            return None
        try:
            with await run_sync(open_film_file, opened, source.path.name, source.size) as file:
                async with _begun(opened, key) as part:
                    await copy_film(file, source.size, part, told=told)
                    return await run_sync(_published, opened, part, name, check)
        except NoFilm:
            return None


@asynccontextmanager
async def _opened(path: Path, free: Free) -> AsyncGenerator[Folder]:
    folder = await run_sync(partial(Folder, path, free=free))
    try:
        yield folder
    finally:
        await _shielded(folder.close)


@asynccontextmanager
async def _begun(folder: Folder, key: str) -> AsyncGenerator[Part]:
    """The film's part, if there is room for what it lacks; an error that it cannot go on after removes it."""
    part = await run_sync(_part_with_room, folder, key)
    try:
        yield part
    except BaseException as error:
        # A cancelled call leaves its part to the next one, as a cut does.
        goes_on = part.resumable and (not isinstance(error, MediaError) or isinstance(error, RESUMABLE))
        await _shielded(part.leave if goes_on else part.remove)
        raise
    finally:
        await _shielded(part.close)


def _part_with_room(folder: Folder, key: str) -> Part:
    folder.check_room()
    part = open_part(folder, key)
    try:
        if part.version is not None:
            folder.check_room(part.version.size - part.length, so="the film does not go on; what has come of it stays")
    except BaseException:
        if not part.length:
            part.remove()
        part.close()
        raise
    return part


def _cleared(folder: Folder, key: str) -> None:
    """Removes the part of a film that is there whole, which a crash may have left."""
    if folder.status(part_name(key)) is None:
        return
    with suppress(KeptElsewhere):
        part = open_part(folder, key)
        part.remove()
        part.close()


async def _shielded(step: Callable[[], None]) -> None:
    with anyio.CancelScope(shield=True):
        await run_sync(step)


async def _already_there(
    links: Links, link: str, folder: Folder, name: str, fresh_link: FreshLink | None
) -> Kept | None:
    """The whole file of this name, if it is as long as the film and has its beginning and its end."""
    there = await run_sync(folder.status, name)
    if there is None:
        return None
    film = await open_film(links, link, fresh_link=fresh_link, head_bytes=_ENDS)
    if film.size != there.st_size or not film.ranges:
        return None
    head = await film.read(0, min(_ENDS, film.size))
    tail = await film.read(max(0, film.size - _ENDS), film.size)
    same = await run_sync(_is_whole, folder, name, head, tail)
    return Kept(folder.path / name, film.size, new=False) if same else None


def _published(folder: Folder, part: Part, name: str, check: Check | None) -> Kept:
    """Checks the film, and gives it the first free name, or finds it there."""
    part.settle()
    check_boxes(part.read, part.length)
    warning = None if check is None else check(folder.path / part.name)
    there = {folded(each): each for each in folder.names()}
    for candidate in numbered(name):
        other = there.get(folded(candidate))
        if other is None:
            try:
                part.publish(candidate)
            except FileExistsError:
                other = candidate
            else:
                return Kept(folder.path / candidate, part.length, new=True, warning=warning)
        if _is_same(folder, other, part):
            part.remove()
            return Kept(folder.path / other, part.length, new=False)
    raise FolderRefused(f"No name is left for {name} in {folder.path}.")


def _is_whole(folder: Folder, name: str, head: bytes, tail: bytes) -> bool:
    """Whether the file of this name is a whole film that begins and ends so."""
    try:
        with os.fdopen(folder.open(name, write=False), "rb") as file:

            def read(start: int, end: int) -> bytes:
                file.seek(start)
                return file.read(end - start)

            size = file.seek(0, os.SEEK_END)
            check_boxes(read, size)
            return read(0, len(head)) == head and read(size - len(tail), size) == tail
    except (NoFilm, FolderRefused, FileNotFoundError):
        return False


def _is_same(folder: Folder, name: str, part: Part) -> bool:
    """Whether the file of this name has the part's bytes, every one."""
    there = folder.status(name)
    if there is None or there.st_size != part.length:
        return False
    try:
        with os.fdopen(folder.open(name, write=False), "rb") as file, disk_errors(f"{name} in {folder.path}"):
            for at in range(0, part.length, _COMPARED):
                from_thread.check_cancelled()
                if file.read(_COMPARED) != part.read(at, at + _COMPARED):
                    return False
            return True
    except (FolderRefused, FileNotFoundError):
        return False
