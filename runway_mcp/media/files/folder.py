"""The folder in which films are kept: everything in it is reached by a plain name, and nothing outside it.

Every function blocks: call it from a worker thread where an event loop runs.
"""

import errno
import os
import shutil
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG
from types import TracebackType
from typing import Final, Self

from runway_mcp.media.errors import DiskFull, FolderRefused, NoRoom

RESERVE_BYTES: Final = 10**9
"""So much of the disk stays free."""

Free = Callable[[Path], int]
"""The bytes that are free on the disk of a folder."""

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NO_LINKS: Final = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS})
# Windows has neither; there a link in the way is found by `lstat`, and the folder is named by its path.
_NO_FOLLOW: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_BINARY: Final = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOINHERIT", 0)
_BY_DESCRIPTOR: Final = {os.open, os.stat, os.unlink, os.link, os.rename} <= os.supports_dir_fd


def disk_free(path: Path) -> int:
    """The bytes that this user may still write on the disk of a folder."""
    return shutil.disk_usage(path).free


@contextmanager
def disk_errors(what: str) -> Generator[None]:
    """Tells what the disk refuses as `DiskFull` or `FolderRefused`; `what` names the file or folder.

    FileExistsError and FileNotFoundError come out as they are: whoever asks knows what they mean.
    """
    try:
        yield
    except (FileExistsError, FileNotFoundError):
        raise
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFull(f"The disk is full: {what} could not be written.") from error
        if error.errno == errno.ELOOP:
            raise FolderRefused(f"{what} is a link to elsewhere, which is not followed.") from error
        raise FolderRefused(f"{what} cannot be used: {error.strerror or 'the system refuses'}.") from error


class Folder:
    """An open folder; used as a context manager.

    A link to a folder is followed once, when it is opened: from then on the folder is held itself, so that no link put
    in its place leads elsewhere. `free` and `link` take the place of the system's in tests. Raises `FolderRefused`
    where it cannot be made or opened.
    """

    path: Path

    def __init__(self, path: Path, *, free: Free = disk_free, link: Callable[..., None] = os.link) -> None:
        self._free = free
        self._link = link
        try:
            path.mkdir(parents=True, exist_ok=True)
            self.path = path.resolve(strict=True)
            self._descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY) if _BY_DESCRIPTOR else None
        except OSError as error:
            if error.errno in _FULL:
                raise DiskFull(f"The disk is full: the folder {path} could not be made.") from error
            raise FolderRefused(f"The folder {path} cannot be used: {_why_not(path, error)}.") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the folder."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def check_room(self, needed: int = 0, *, so: str = "nothing was begun") -> None:
        """Raises `NoRoom`, with `so` in its text, if `needed` more bytes would leave less than `RESERVE_BYTES` free."""
        with disk_errors(f"The folder {self.path}"):
            try:
                free = self._free(self.path)
            except FileNotFoundError:
                # It was moved, and is held all the same.
                if self._descriptor is None:
                    raise
                free = shutil.disk_usage(self._descriptor).free
        if free - needed < RESERVE_BYTES:
            raise NoRoom(
                f"Only {free / 1e9:.1f} GB are free on the disk of {self.path}; at least {RESERVE_BYTES / 1e9:.0f} GB "
                f"stay free, so {so}."
            )

    def names(self) -> list[str]:
        """The names of all that lies in the folder."""
        # pathlib would list the path, where another folder may lie by now.
        return os.listdir(self.path if self._descriptor is None else self._descriptor)  # noqa: PTH208  as said above

    def status(self, name: str) -> os.stat_result | None:
        """What lies under a name, links not followed; None if nothing does."""
        try:
            return os.stat(self._at(name), dir_fd=self._descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def create(self, name: str) -> int:
        """A descriptor of a new file, to read and write; raises FileExistsError if anything has that name."""
        return self._descriptor_of(name, os.O_RDWR | os.O_CREAT | os.O_EXCL)

    def open(self, name: str, *, write: bool) -> int:
        """A descriptor of a file that is there, to read, and to write with `write`; raises FileNotFoundError.

        Never follows a link, and opens nothing but plain files: raises `FolderRefused` for all else.
        """
        return self._descriptor_of(name, os.O_RDWR if write else os.O_RDONLY)

    def _descriptor_of(self, name: str, flags: int) -> int:
        with disk_errors(f"{name} in {self.path}"):
            descriptor = os.open(self._at(name), flags | _NO_FOLLOW | _BINARY, 0o666, dir_fd=self._descriptor)
        status = self.status(name)
        if S_ISREG(os.fstat(descriptor).st_mode) and (status is None or S_ISREG(status.st_mode)):
            return descriptor
        os.close(descriptor)
        raise FolderRefused(f"{name} in {self.path} is in the way: it is no plain file.")

    def remove(self, name: str) -> None:
        """Removes a file, or the link itself, if it is there."""
        with disk_errors(f"{name} in {self.path}"):
            try:
                os.unlink(self._at(name), dir_fd=self._descriptor)
            except FileNotFoundError:
                return

    def rename_new(self, source: str, target: str) -> None:
        """Gives a file another name, which nothing has; raises FileExistsError otherwise, and never overwrites.

        Where the file system has no hard links the name is taken by an empty file first, which a crash at that moment
        leaves behind.
        """
        at = self._descriptor
        with disk_errors(f"{target} in {self.path}"):
            if sys.platform == "win32":  # pragma: no cover  Windows alone, where renaming never overwrites
                Path(self._at(source)).rename(self._at(target))
                return
            try:
                self._link(self._at(source), self._at(target), src_dir_fd=at, dst_dir_fd=at, follow_symlinks=False)
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                self._rename_without_links(source, target)
            else:
                os.unlink(self._at(source), dir_fd=at)

    def _rename_without_links(self, source: str, target: str) -> None:
        os.close(self.create(target))
        at = self._descriptor
        os.rename(self._at(source), self._at(target), src_dir_fd=at, dst_dir_fd=at)

    def sync(self) -> None:
        """Makes names that were given survive a loss of power, where the system can."""
        if self._descriptor is not None:
            with disk_errors(f"The folder {self.path}"):
                os.fsync(self._descriptor)

    def _at(self, name: str) -> str:
        if Path(name).name != name or name in {"", ".", ".."}:
            raise ValueError(f"{name!r} is no plain name.")
        return name if self._descriptor is not None else str(self.path / name)


def _why_not(path: Path, error: OSError) -> str:
    """Why a folder cannot be made or opened, with the path at which it fails."""
    # Not pathlib, of which some versions raise where a folder on the way is closed to this user.
    there = next((each for each in (path, *path.parents) if os.path.lexists(each)), path)
    reason = error.strerror or "the system refuses"
    if os.path.islink(there) and not os.path.exists(there):  # noqa: PTH110, PTH114  as said above
        return f"{there} is a link to nowhere"
    if os.path.lexists(there) and not os.path.isdir(there):  # noqa: PTH112  likewise
        return f"{there} is no folder"
    return f"{reason}" if there == path else f"{reason} in {there}"
