"""The data folder, closed to the other users of the machine."""

import os
from pathlib import Path
from stat import S_IMODE, S_ISLNK
from typing import Final

OWNER_ONLY: Final = 0o077
"""The umask under which this program writes: its folders and files are its owner's alone."""

OTHERS: Final = 0o077
"""The bits of a mode that let other users in."""

LEDGER: Final = "ledger.sqlite3"
"""The file name of the ledger in the data folder."""

_OWN: Final = frozenset(
    {
        *(f"{LEDGER}{end}" for end in ("", "-wal", "-shm", "-journal")),
        "continued",
        "frames",
        "kept",
        "films",
        "films-kept-since",
        "installed",
        "uploads",
    }
)


def close_to_others(folder: Path) -> str | None:
    """Takes other users' access to what this program wrote in its data folder, and to the folder if it holds no more.

    Returns a line that names the folder if others can still reach into it. Never follows a link in the folder. Does
    nothing on Windows, where folders have no modes.
    """
    if os.name == "nt":  # pragma: no cover  Windows alone
        return None
    entries = list(folder.iterdir())
    for entry in entries:
        if entry.name in _OWN:
            _close(entry)
    if all(entry.name in _OWN for entry in entries):
        _close(folder.resolve())
    mode = S_IMODE(folder.stat().st_mode)
    if not mode & OTHERS:
        return None
    return f"other users of this machine can reach into {folder} (mode {mode:o}); `chmod 700` closes it"


def _close(path: Path) -> None:
    """Leaves the access of a file or folder to its owner; what belongs to another user stays as it is."""
    try:
        status = path.lstat()
        if not S_ISLNK(status.st_mode) and status.st_uid == os.geteuid() and status.st_mode & OTHERS:
            path.chmod(S_IMODE(status.st_mode) & ~OTHERS)
    except OSError:
        return
