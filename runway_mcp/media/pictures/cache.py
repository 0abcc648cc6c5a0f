"""The cache of pictures: a folder of bounded size, from which the pictures that were longest unused go first.

Several processes may share the folder: a file appears whole under its name or not at all, and one that is gone, cut or
changed is a miss. Nothing here raises for what the disk does.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from tempfile import NamedTemporaryFile

from anyio.to_thread import run_sync

from runway_mcp.media.pictures.stills import Picture, Shown

CACHE_BYTES = 200_000_000

_ENDING = ".picture"
_UNFINISHED = ".part"
_FORMAT = 1
# A file that is still unfinished after this many seconds was left by a process that ended.
_ABANDONED = 3600.0


def picture_key(asset_id: str, what: str, version: str) -> str:
    """The name under which a picture is kept: of an asset, what it shows, and the film's version (its ETag or size)."""
    told = json.dumps([_FORMAT, asset_id, what, version])
    return hashlib.sha256(told.encode()).hexdigest()


async def cached(folder: Path, key: str) -> Picture | None:
    """The picture kept under this key, which counts as used now; None if there is none that is whole."""
    return await run_sync(_read, folder / f"{key}{_ENDING}")


async def keep(folder: Path, key: str, picture: Picture, *, most: int = CACHE_BYTES) -> bool:
    """Keeps the picture, and at most `most` bytes in all; returns whether it is kept."""
    return await run_sync(_keep, folder, key, picture, most)


def _read(path: Path) -> Picture | None:
    try:
        digest, _, rest = path.read_bytes().partition(b"\n")
        if hashlib.sha256(rest).hexdigest().encode() != digest:
            return None
        head, _, jpeg = rest.partition(b"\n")
        told = json.loads(head)
        os.utime(path)
    except (OSError, ValueError):
        return None
    shown = tuple(Shown(**each) for each in told["shown"])
    return Picture(jpeg, told["width"], told["height"], shown)


def _keep(folder: Path, key: str, picture: Picture, most: int) -> bool:
    told = {"width": picture.width, "height": picture.height, "shown": [asdict(each) for each in picture.shown]}
    rest = json.dumps(told).encode() + b"\n" + picture.jpeg
    unfinished: Path | None = None
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with NamedTemporaryFile(dir=folder, suffix=_UNFINISHED, delete=False) as file:
            unfinished = Path(file.name)
            file.write(hashlib.sha256(rest).hexdigest().encode() + b"\n" + rest)
        unfinished.replace(folder / f"{key}{_ENDING}")
    except OSError:
        if unfinished is not None:
            _remove(unfinished)
        return False
    _shrink(folder, most)
    return True


def _shrink(folder: Path, most: int) -> None:
    """Removes what was unused for longest until `most` bytes are left, and what other processes left unfinished."""
    held = 0
    for used, size, path in sorted(_entries(folder), reverse=True):
        if path.suffix == _UNFINISHED:
            if used < time.time() - _ABANDONED:
                _remove(path)
            continue
        held += size
        if held > most:
            _remove(path)


def _entries(folder: Path) -> Iterator[tuple[float, int, Path]]:
    """When each file of ours was last used, its size and its path."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith((_ENDING, _UNFINISHED)):
                with suppress(OSError):
                    status = entry.stat()
                    yield status.st_mtime, status.st_size, Path(entry.path)


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
