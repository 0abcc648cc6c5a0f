"""Copies: a film that is kept already is brought into a part from its file, so that no byte of it is fetched again."""

import os
from typing import IO, Final

from anyio.to_thread import run_sync

from runway_mcp.media.errors import FolderRefused, NoFilm
from runway_mcp.media.fetch.answers import Version
from runway_mcp.media.files.boxes import check_boxes
from runway_mcp.media.files.download import Told, tell_nobody
from runway_mcp.media.files.folder import Folder, disk_errors
from runway_mcp.media.files.parts import Part

BLOCK_BYTES: Final = 4 * 2**20
"""So much is copied in one step, between which the call can be cancelled."""


async def copy_film(file: IO[bytes], size: int, part: Part, *, told: Told = tell_nobody) -> None:
    """Brings a film of `size` bytes from `open_film_file` into a part, which is emptied for it; `told` as it goes on.

    Raises `NoFilm` if the file ends early after all, `NoRoom`, `DiskFull`.
    """
    await run_sync(part.begin, Version(size, None))
    while part.length < size:
        await run_sync(_step, file, part)
        told(part.length, size)


def open_film_file(folder: Folder, name: str, size: int) -> IO[bytes]:
    """The film in a file of the folder, to be read from its start. Blocks.

    Raises `NoFilm` unless it is a plain file of `size` bytes that consists of whole boxes.
    """
    try:
        file = os.fdopen(folder.open(name, write=False), "rb", buffering=0)
    except (FileNotFoundError, FolderRefused) as error:
        raise NoFilm("The file of the film is not there any more.") from error
    try:
        _check(file, size)
    except BaseException:
        file.close()
        raise
    return file


def _check(file: IO[bytes], size: int) -> None:
    def read(start: int, end: int) -> bytes:
        file.seek(start)
        return file.read(end - start)

    if file.seek(0, os.SEEK_END) != size:
        raise NoFilm("The file of the film has another length than it had.")
    with disk_errors("The file of the film"):
        check_boxes(read, size)
    file.seek(0)


def _step(file: IO[bytes], part: Part) -> None:
    try:
        block = file.read(BLOCK_BYTES)
    except OSError as error:
        raise NoFilm("The file of the film cannot be read.") from error
    if not block:
        raise NoFilm("The file of the film ends early.")
    part.write(block)
