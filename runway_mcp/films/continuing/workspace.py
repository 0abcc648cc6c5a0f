"""Working folder of a film: its parts, its frame and the joined film, for this user alone; who works in it, and room.

Everything but `held` blocks: call it from a worker thread where an event loop runs.
"""

import os
import secrets
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import anyio
from anyio.to_thread import run_sync

from runway_mcp.media.errors import FolderRefused
from runway_mcp.media.files.download import Pause
from runway_mcp.media.files.folder import Folder, Free, disk_errors
from runway_mcp.media.files.locks import try_lock

FOLDER: Final = "continued"
"""The folder of the working folders in the data folder."""

FRAME_FILE, LOCK_FILE = "frame.png", "lock"

_PRIVATE: Final = 0o700
_LOCK_PAUSE = 0.5


def part_file(number: int) -> str:
    """The name of a part's file, by its number from 1."""
    return f"part-{number}.mp4"


def workspace_of(data_dir: Path, film_id: str) -> Path:
    """Where the working folder of a film lies, whether or not it is there."""
    return data_dir / FOLDER / film_id


def make_root(data_dir: Path) -> Path:
    """The folder of all working folders, made if it is not there; raises `FolderRefused`, `DiskFull`."""
    root = data_dir / FOLDER
    _made(root)
    return root


def make_workspace(data_dir: Path, film_id: str) -> Path:
    """The working folder of a film, made if it is not there; raises `FolderRefused`, `DiskFull`."""
    path = workspace_of(data_dir, film_id)
    _made(path.parent)
    _made(path)
    return path


def check_writable(path: Path, *, needed: int, free: Free) -> None:
    """Returns where so many bytes can be written to a folder, which is made if it is not there.

    Raises `NoRoom` where less than 1 GB would stay free, `FolderRefused` and `DiskFull`.
    """
    with Folder(path, free=free) as folder:
        folder.check_room(needed)
        # Letters first, since a name that begins so is safe on every system.
        name = f"try-{secrets.token_hex(8)}.tmp"
        os.close(folder.create(name))
        folder.remove(name)


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file whole and on the disk, in place of the one before; raises `FolderRefused`, `DiskFull`."""
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
    with disk_errors(str(path)):
        try:
            with part.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def share_file(source: Path, target: Path) -> None:
    """Gives a file a second name, or copies it where it cannot have one; one that is there already stays.

    Raises `FolderRefused`, `DiskFull`, and FileNotFoundError where there is no source.
    """
    with disk_errors(str(target)):
        try:
            os.link(source, target)
        except FileExistsError:
            return
        except FileNotFoundError:
            raise
        except OSError:
            part = target.with_name(f"{target.name}.{secrets.token_hex(4)}.tmp")
            try:
                shutil.copyfile(source, part)
                part.replace(target)
            finally:
                part.unlink(missing_ok=True)


@asynccontextmanager
async def held(lock: Path, *, pause: Pause = anyio.sleep) -> AsyncGenerator[None]:
    """The lock of that file, waited for until no other call or process holds it; ends with the process at the latest.

    Raises `FolderRefused`, `DiskFull`.
    """
    descriptor = await run_sync(_opened, lock)
    try:
        while not try_lock(descriptor):
            await pause(_LOCK_PAUSE)
        yield
    finally:
        os.close(descriptor)


def _opened(lock: Path) -> int:
    _made(lock.parent)
    with disk_errors(str(lock)):
        return os.open(lock, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)


def _made(folder: Path) -> None:
    try:
        with disk_errors(f"The folder {folder}"):
            folder.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
    except (FileExistsError, FileNotFoundError, NotADirectoryError):
        raise FolderRefused(f"The folder {folder} cannot be used: something else lies there.") from None
