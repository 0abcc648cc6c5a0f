"""Configurations on disk: read as they are, replaced whole, with a copy of what was there."""

import os
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from errno import ELOOP
from hashlib import sha256
from pathlib import Path
from stat import S_IMODE, S_ISDIR, S_ISREG, S_IWUSR
from typing import Final

from runway_mcp.data_folder import OTHERS
from runway_mcp.install.formats.edits import ConfigurationError

BACKUP: Final = ".before-useapi-runway-mcp"
"""What the name of a configuration's copy ends with."""

_BOM: Final = "\ufeff"
_LARGEST: Final = 64 * 1024 * 1024


@dataclass(frozen=True)
class Content:
    """A configuration as text; `raw` has its bytes, None if there is no file. A byte order mark is no part of it.

    `mode` says who may read and write it, None without a file and on Windows.
    """

    file: Path
    text: str
    raw: bytes | None
    mode: int | None = None

    @property
    def digest(self) -> str:
        """The SHA-256 of the bytes, in hexadecimal; empty without a file."""
        return "" if self.raw is None else digest(self.raw)

    @property
    def is_open(self) -> bool:
        """Whether other users of the machine may read it or write to it."""
        return self.mode is not None and bool(self.mode & OTHERS)

    def encoded(self, text: str) -> bytes:
        """Another text in the encoding of this one."""
        marked = self.raw is not None and self.raw.startswith(_BOM.encode())
        return ((_BOM if marked else "") + text).encode()


def digest(data: bytes) -> str:
    """The SHA-256 of some bytes, in hexadecimal."""
    return sha256(data).hexdigest()


def read(file: Path) -> Content:
    """What a file holds, behind links; raises `ConfigurationError` for what is no readable text in UTF-8.

    What is no ordinary file is not opened: a pipe would be waited for.
    """
    try:
        file = file.resolve()
        status = file.stat()
        if not S_ISREG(status.st_mode):
            raise ConfigurationError(f"it is {'a folder' if S_ISDIR(status.st_mode) else 'no ordinary file'}")
        if status.st_size > _LARGEST:
            raise ConfigurationError("it is too large for a configuration")
        raw = file.read_bytes()
    except FileNotFoundError:
        return Content(file, "", None)
    except OSError as error:
        raise ConfigurationError(f"it cannot be read: {error.strerror}") from None
    except RuntimeError:  # what Python before 3.13 raises for a link that leads to itself
        raise ConfigurationError(f"it cannot be read: {os.strerror(ELOOP)}") from None
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise ConfigurationError("it is not text in UTF-8; save it as UTF-8 and try again") from None
    mode = S_IMODE(status.st_mode) if os.name == "posix" else None
    return Content(file, text.removeprefix(_BOM), raw, mode)


def write(content: Content, text: str, mode: int | None = None, *, copied: bool = True) -> Path | None:
    """Replaces a configuration by another text in one step, and returns the copy of what was there, if one was made.

    Both keep the file's mode, or get `mode`. Raises `ConfigurationError`, with nothing changed, if the file is locked,
    cannot be written, or was changed since it was read.
    """
    file, folder = content.file, content.file.parent
    locked = lock_of(file)
    if locked:
        raise ConfigurationError(locked)
    part = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part = _written(file, content.encoded(text), mode)
        if read(file).raw != content.raw:
            raise ConfigurationError("it was changed by another program at this moment; try again")
        backup = None
        if copied and content.raw is not None:
            backup = _written(file, content.raw, mode).replace(_copy_of(file))
        part.replace(file)
    except OSError as error:
        raise ConfigurationError(f"it cannot be written: {error.strerror}") from None
    finally:
        if part:
            part.unlink(missing_ok=True)
    return backup


def taken_back(content: Content, text: str | None, mode: int | None = None) -> None:
    """Gives a configuration its earlier text, and `mode` if it had another one, or removes it if there was none.

    Raises `ConfigurationError`, with nothing changed, as `write` does.
    """
    if text is not None:
        write(content, text, mode, copied=False)
        return
    locked = lock_of(content.file)
    if locked:
        raise ConfigurationError(locked)
    try:
        content.file.unlink()
    except OSError as error:
        raise ConfigurationError(f"it cannot be removed: {error.strerror}") from None


def without_copy(file: Path, ours: Collection[str]) -> Path | None:
    """Removes the copy that `write` left beside a configuration if its digest is among `ours`; else returns it.

    None if there is none any more.
    """
    copy = _copy_of(file)
    try:
        if digest(copy.read_bytes()) in ours:
            copy.unlink()
            return None
    except FileNotFoundError:
        return None
    except OSError:  # it may not be read or removed: it stays, and is told
        return copy
    return copy


def remove_empty(folders: list[Path]) -> None:
    """Removes folders, the deepest first, up to the first that holds something."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:  # something else lies in it by now
            break


def _copy_of(file: Path) -> Path:
    return file.with_name(file.name + BACKUP)


def missing_folders(file: Path) -> list[Path]:
    """The folders above a file that do not exist yet, the deepest first."""
    return [folder for folder in file.parents if not os.path.exists(folder)]  # noqa: PTH110  False where it may not look


def _written(file: Path, data: bytes, mode: int | None) -> Path:
    """The bytes in a new file beside another, on the disk.

    It has `mode`, else the mode of the other one if that exists, else it is the owner's alone.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    part = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        if file.exists():
            status = file.stat()
            part.chmod(S_IMODE(status.st_mode) if mode is None else mode)
            if os.name == "posix" and (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
                os.chown(part, status.st_uid, status.st_gid)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return part


def lock_of(file: Path) -> str | None:
    """Why a file must not be replaced: it is read-only, or another program holds a lock on it; None if it may be."""
    try:
        if not file.stat().st_mode & S_IWUSR:
            return "it is locked: the file is read-only"
        if os.name == "posix":
            _try_locks(file)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        return "it is locked by another program; close that and try again"
    except OSError as error:
        # EINVAL and the like: a file system without locks.
        return "it is locked: you may not write to it" if isinstance(error, PermissionError) else None
    return None


def _try_locks(file: Path) -> None:
    """Raises BlockingIOError if another program holds a lock on a file; keeps none. POSIX alone."""
    import fcntl  # noqa: PLC0415  there is none on Windows, where replacing an open file fails by itself

    with file.open("rb+") as held:
        for lock in (fcntl.flock, fcntl.lockf):
            lock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
