"""Parts: films that are not whole yet, on disk, so that another process can go on with them after a crash.

A part has a note beside it, which says of which version it is and how much of it surely lies on the disk. Every
function blocks: call it from a worker thread where an event loop runs.
"""

import errno
import hashlib
import json
import os
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Final

from runway_mcp.media.errors import FolderRefused, KeptElsewhere, MediaError
from runway_mcp.media.fetch.answers import Version
from runway_mcp.media.files.folder import Folder, disk_errors
from runway_mcp.media.files.locks import try_lock

SYNC_BYTES: Final = 4 * 2**20
"""After so many bytes the disk is asked to take them, beside the transfer."""

MOST_BEHIND: Final = 4 * SYNC_BYTES
"""A disk that is further behind is waited for, so that a crash costs at most twice as much."""

_NOTE_BYTES = 512
_TRIES = 8


def part_name(key: str) -> str:
    """The name of the part of the film with this key: the same in every process."""
    return f"runway-{hashlib.sha256(key.encode()).hexdigest()[:16]}.part"


class Part:
    """A film that is not whole yet, locked against every other process and call; made by `open_part`.

    `length` is how many bytes it has, `version` what they are of, None if that is unknown.
    """

    name: str
    length: int
    version: Version | None

    def __init__(self, folder: Folder, name: str, descriptor: int, note: int) -> None:
        self.name = name
        self._folder = folder
        self._descriptor = descriptor
        self._note = note
        self._syncing: Future[None] | None = None
        self._syncing_to = 0
        self._syncer: ThreadPoolExecutor | None = None
        self._synced = 0
        self.length = 0
        self.version = None
        self._recall()

    @property
    def resumable(self) -> bool:
        """Whether a later download can go on with it."""
        return self.length > 0 and self.version is not None and self.version.etag is not None

    def begin(self, version: Version | None) -> None:
        """Empties it for a film of this version, if there is room for it; raises `NoRoom`, `DiskFull`."""
        self._wait()
        with self._errors():
            # The note first: a crash in between must not leave the old version's bytes under the new one's name.
            self._write_note("")
            os.ftruncate(self._descriptor, 0)
        self.length = self._synced = self._syncing_to = 0
        self.version = version
        if version is not None:
            self._folder.check_room(version.size)
            self._remember()

    def write(self, block: bytes | bytearray) -> None:
        """Appends the block, whole; raises `NoRoom` where that would touch what stays free, and `DiskFull`."""
        # Again for each block: no length may be announced, and others write to the disk meanwhile.
        self._folder.check_room(len(block), so="the film was not written on and what had come of it is removed")
        with self._errors(), memoryview(block) as view:
            at = 0
            os.lseek(self._descriptor, self.length, os.SEEK_SET)
            while at < len(view):
                # A full disk first writes less than it was given, and refuses at the next call only.
                written = os.write(self._descriptor, view[at:])
                if written == 0:  # pragma: no cover  no system does that, yet it would never end
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                at += written
        self.length += len(block)
        behind = self.length - self._syncing_to
        idle = self._syncing is None or self._syncing.done()
        if behind >= (SYNC_BYTES if idle else MOST_BEHIND):
            self._wait()
            self._sync_beside()

    def read(self, start: int, end: int) -> bytes:
        """The bytes from `start` to `end` (excluded), fewer where it ends before."""
        with self._errors():
            os.lseek(self._descriptor, start, os.SEEK_SET)
            return os.read(self._descriptor, end - start)

    def settle(self) -> None:
        """Brings all of it to the disk, and notes that."""
        self._wait()
        with self._errors():
            os.fsync(self._descriptor)
        self._synced = self.length
        self._remember()

    def leave(self) -> None:
        """Leaves it to a later call as far as it goes; removes it if the disk does not take that."""
        try:
            self.settle()
        except MediaError:
            self.remove()

    def publish(self, name: str) -> None:
        """Gives the whole film its name and drops the note; raises FileExistsError if something has that name."""
        if self._folder.status(self.name) is None or not self._is_ours(self.name):
            raise FolderRefused(f"{self.name} in {self._folder.path} was moved or replaced meanwhile.")
        if os.name == "nt":  # pragma: no cover  Windows renames no open file
            self.close()
            self._folder.rename_new(self.name, name)
        else:
            self._folder.rename_new(self.name, name)
        self._folder.remove(_note_name(self.name))
        self._folder.sync()

    def remove(self) -> None:
        """Removes it and its note, unless another file lies under its name by now."""
        ours = self._is_ours(self.name)
        with suppress(MediaError):
            self._wait()
        if os.name == "nt":  # pragma: no cover  Windows removes no open file
            self.close()
        if ours:
            self._folder.remove(_note_name(self.name))
            self._folder.remove(self.name)

    def close(self) -> None:
        """Lets go of it, and of its lock."""
        with suppress(MediaError):
            self._wait()
        if self._syncer is not None:
            self._syncer.shutdown()
            self._syncer = None
        for descriptor in (self._note, self._descriptor):
            if descriptor >= 0:
                os.close(descriptor)
        self._note = self._descriptor = -1

    def _is_ours(self, name: str) -> bool:
        there = self._folder.status(name)
        return there is not None and self._descriptor >= 0 and os.path.samestat(there, os.fstat(self._descriptor))

    def _errors(self) -> Any:
        return disk_errors(f"{self.name} in {self._folder.path}")

    def _recall(self) -> None:
        """Goes on from what surely lies on the disk, of a version that can be told again; else from nothing."""
        with self._errors():
            os.lseek(self._note, 0, os.SEEK_SET)
            noted = _noted(os.read(self._note, _NOTE_BYTES))
            if noted is not None and noted[1] <= os.fstat(self._descriptor).st_size:
                self.version, self._synced = noted
                self.length = self._syncing_to = self._synced
            os.ftruncate(self._descriptor, self.length)

    def _remember(self) -> None:
        version = self.version
        if version is None or version.etag is None:
            return
        with self._errors():
            self._write_note(json.dumps({"etag": version.etag, "size": version.size, "synced": self._synced}))

    def _write_note(self, text: str) -> None:
        """Replaces the note by one write of a fixed length, so that no crash leaves half of it."""
        os.lseek(self._note, 0, os.SEEK_SET)
        if os.write(self._note, text.encode().ljust(_NOTE_BYTES)) < _NOTE_BYTES:
            # The disk has become full; a note that is cut is read as none.
            os.ftruncate(self._note, 0)

    def _sync_beside(self) -> None:
        if self._syncer is None:
            self._syncer = ThreadPoolExecutor(1, "runway-film-sync")
        self._syncing_to = self.length
        self._syncing = self._syncer.submit(os.fsync, self._descriptor)

    def _wait(self) -> None:
        """Waits for the disk, where it was asked to take bytes, and notes how far it is."""
        if self._syncing is None:
            return
        with self._errors():
            self._syncing.result()
        self._syncing = None
        self._synced = self._syncing_to
        self._remember()


def open_part(folder: Folder, key: str) -> Part:
    """The part of the film with this key, as far as it goes, or an empty one, locked.

    Raises `KeptElsewhere` while another process or call holds it, `DiskFull`, and `FolderRefused` where a link, or what
    is no plain file, lies in its place.
    """
    name = part_name(key)
    for _ in range(_TRIES):
        descriptor = _opened(folder, name)
        opened = False
        try:
            if not try_lock(descriptor):
                raise KeptElsewhere("Another process or call is keeping this film at the moment.")
            if not _is_there(folder, name, descriptor) or _was_published(folder, name, descriptor):
                continue
            opened = True
            return _locked(folder, name, descriptor)
        finally:
            if not opened:
                os.close(descriptor)
    raise KeptElsewhere("Other processes or calls are keeping this film again and again.")


def _locked(folder: Folder, name: str, descriptor: int) -> Part:
    note = -1
    try:
        note = _opened(folder, _note_name(name))
        _check_sole(folder, _note_name(name), note)
        return Part(folder, name, descriptor, note)
    except BaseException:
        _drop_empty(folder, name, descriptor)
        if note >= 0:
            os.close(note)
        os.close(descriptor)
        raise


def _drop_empty(folder: Folder, name: str, descriptor: int) -> None:
    """Removes a part in which nothing is: whatever failed, it is worth nothing to the next call."""
    if not os.fstat(descriptor).st_size:
        with suppress(MediaError):
            folder.remove(name)


def _opened(folder: Folder, name: str) -> int:
    """A descriptor of the file of this name, which is made if it is not there."""
    for _ in range(_TRIES):
        with suppress(FileExistsError):
            return folder.create(name)
        with suppress(FileNotFoundError):
            return folder.open(name, write=True)
    raise KeptElsewhere("Other processes or calls are keeping this film again and again.")


def _is_there(folder: Folder, name: str, descriptor: int) -> bool:
    """Whether the name still means this file; the process that held the lock before may have published it."""
    there = folder.status(name)
    return there is not None and os.path.samestat(there, os.fstat(descriptor))


def _was_published(folder: Folder, name: str, descriptor: int) -> bool:
    """Whether the file has its final name already, because a crash came before the part's name was taken away.

    The part's name is then taken away here. A second name elsewhere means that writing would change a strange file:
    raises `FolderRefused`.
    """
    ours = os.fstat(descriptor)
    if ours.st_nlink <= 1:
        return False
    for other in folder.names():
        there = folder.status(other)
        if other != name and there is not None and os.path.samestat(there, ours):
            folder.remove(_note_name(name))
            folder.remove(name)
            return True
    _check_sole(folder, name, descriptor)
    return False


def _check_sole(folder: Folder, name: str, descriptor: int) -> None:
    if os.fstat(descriptor).st_nlink > 1:
        raise FolderRefused(f"{name} in {folder.path} is in the way: it is also a file elsewhere.")


def _note_name(name: str) -> str:
    return f"{name}.json"


def _noted(raw: bytes) -> tuple[Version, int] | None:
    try:
        told = json.loads(raw)
        version, synced = Version(int(told["size"]), str(told["etag"])), int(told["synced"])
    except (ValueError, TypeError, KeyError):
        return None
    return (version, synced) if 0 <= synced <= version.size else None
