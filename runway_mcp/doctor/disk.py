"""Checks of the disk: the data folder, the ledger in it, the folder of films. Nothing is left behind."""

import os
import tempfile
from pathlib import Path
from stat import S_IMODE
from typing import Final

from runway_mcp.data_folder import LEDGER, OTHERS
from runway_mcp.doctor.finding import Finding, failure, ok, warning
from runway_mcp.media.files.folder import RESERVE_BYTES, Free, disk_free
from runway_mcp.settings import Settings, films_folder
from runway_mcp.tasks.store.opening import examined
from runway_mcp.tasks.store.protocol import LedgerError

_GIGABYTE: Final = 10**9
# Of twice the reserve on, some hundred films fit.
_AMPLE_BYTES: Final = 2 * RESERVE_BYTES
_REMEDY: Final = "close the other program, or set RUNWAY_MCP_DATA_DIR"


def check_data_folder(folder: Path) -> Finding:
    """Whether the data folder can be written, and closed to the other users of the machine."""
    name = "data folder"
    if (why := _why_not_writable(folder)) is not None:
        return failure(name, f"{folder} cannot be written: {why}", "make it writable, or set RUNWAY_MCP_DATA_DIR")
    if not folder.exists():
        return ok(name, f"{folder} is made at the first start, for you alone")
    mode = S_IMODE(folder.stat().st_mode)
    if os.name != "nt" and mode & OTHERS:
        return warning(name, f"other users of this machine can reach into {folder}", f"chmod 700 {folder}")
    return ok(name, f"{folder} is writable, and yours alone")


def check_ledger(folder: Path, *, database_url: str | None = None) -> Finding:
    """Whether the ledger in a data folder, or in a database, is whole; never makes or changes one."""
    try:
        health = examined(folder / LEDGER, database_url=database_url)
    except LedgerError as error:
        return failure("ledger", error.trouble.rstrip("."), error.remedy.rstrip(".") or _REMEDY)
    place = " in the database" if database_url else ""
    if health is None:
        return ok("ledger", f"there is none{place} yet; the first start makes it")
    if not health.is_checked:
        return warning("ledger", "it is too large to be checked in a second")
    able = "readable" if database_url else "writable"
    told = f"whole and {able}{place}, with {health.requests} request{'' if health.requests == 1 else 's'}"
    return ok("ledger", told + (f", {health.unclear} of them unclear" if health.unclear else ""))


def check_films_folder(settings: Settings, *, free: Free = disk_free) -> Finding:
    """Whether films can be kept, as a server on stdio does; `free` tells the bytes that a disk has left."""
    if settings.save == "never":
        return ok("films", "none are kept on disk (RUNWAY_MCP_SAVE=never)")
    folder = films_folder(settings)
    if (why := _why_not_writable(folder)) is not None:
        return failure("films", f"{folder} cannot be written: {why}", "make it writable, or set RUNWAY_MCP_SAVE_DIR")
    left = free(_nearest(folder))
    told = f"{left / _GIGABYTE:.1f} GB are free for {folder}"
    if left < RESERVE_BYTES:
        return failure("films", f"{told}, and 1 GB always stays free", "free some space, or set RUNWAY_MCP_SAVE_DIR")
    if left < _AMPLE_BYTES:
        return warning("films", f"{told}, of which 1 GB stays free", "free some space")
    return ok("films", told)


def _nearest(folder: Path) -> Path:
    """The folder, or the nearest above it that exists."""
    return next(each for each in (folder, *folder.parents) if each.exists())


def _why_not_writable(folder: Path) -> str | None:
    """Why nothing can be written into the folder, or where it would be made; None if something can."""
    nearest = _nearest(folder)
    try:
        with tempfile.TemporaryFile(dir=nearest):
            return None
    except OSError as error:
        return error.strerror or "the system refuses"
