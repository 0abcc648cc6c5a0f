"""Records of kept films: what is on disk under which name, and what was begun, for every process to read.

One small JSON file for each film, caller and name, in the data folder; it holds no link. Whoever changes a film's
records holds the lock of their folder, so that no process writes over what another wrote since it looked. Every
function blocks: call it from a worker thread where an event loop runs.
"""

import hashlib
import json
import os
import re
import secrets
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from stat import S_ISREG
from typing import Any, Final, Literal

from runway_mcp.media.files.locks import try_lock
from runway_mcp.runway.ids import account_of
from runway_mcp.tasks.intents import uuid_of

FOLDER: Final = "kept"
"""The folder of the records in the data folder."""

State = Literal["begun", "kept", "refused"]
"""Where the keeping of a film stands; `refused` is over, unless it is wished for again."""

MOST_UNWRITTEN: Final = 1000
"""So many records that the data folder refused are remembered by the process; above it, the oldest go first."""

_SUFFIX, _LOCK = ".json", "lock"
# A lock is held for a few milliseconds; a process that stands still with it must not hold up every other one.
_LOCK_SECONDS, _LOCK_PAUSE = 2.0, 0.01
_PLAIN: Final = re.compile(r"[0-9a-z-]{1,64}")


@dataclass(frozen=True)
class Record:
    """One film under one name: whose wish it was, and where it lies once it is kept.

    `name` is the file's name as it was wished for; `path` may have a number, where another file had that name. `size`
    is in bytes. Both are of the last file, also while a new one is begun. `own` tells a film of this server's tasks.
    """

    asset_id: str
    caller: str
    name: str
    state: State
    path: Path | None = None
    size: int | None = None
    own: bool = True

    @property
    def is_there(self) -> bool:
        """Whether the kept file still lies where it was put, as long as it was."""
        if self.state != "kept" or self.path is None:
            return False
        try:
            status = self.path.lstat()
        except OSError:
            return False
        return S_ISREG(status.st_mode) and status.st_size == self.size


class Records:
    """The records of a data folder for as long as the server lives; what the folder refuses is remembered here."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._unwritten: dict[tuple[str, str, str], tuple[Record, str]] = {}
        self._remarks: dict[Path, str] = {}

    def of(self, asset_id: str, caller: str) -> list[Record]:
        """The caller's records of a film, as `records_of` gives them, those that are only here first."""
        here = [each for each, _ in list(self._unwritten.values()) if each.caller == caller]
        newer = [each for each in reversed(here) if same_film(each.asset_id, asset_id)]
        replaced = {_key(each) for each in newer}
        return [*newer, *(each for each in records_of(self._data_dir, asset_id, caller) if _key(each) not in replaced)]

    def begun(self) -> list[Record]:
        """Every film that was begun and is not kept, of all callers, oldest first."""
        replaced = dict(self._unwritten)
        return [each for each in begun_records(self._data_dir) if _key(each) not in replaced]

    def remark_on(self, record: Record) -> str | None:
        """What this process has to remark on a file that it kept, as long as it lives, whoever asks when."""
        _, why = self._unwritten.get(_key(record), (record, ""))
        remarks = [self._remarks.get(record.path) if record.path else None, not_written(why) if why else None]
        return " ".join(filter(None, remarks)) or None

    def note(self, record: Record, *, if_begun: bool = False, remark: str | None = None) -> str | None:
        """Writes that a film's keeping stands so; the reason where the folder refuses and it is known here alone.

        What the record before told of the last file, and that it is an own film, stays. `if_begun` writes only where
        nothing but a beginning is known at that moment. The `remark` on its file is known from then on.
        """
        if record.path is not None:
            self._remark(record.path, remark)
        try:
            with _locked(_folder_of(self._data_dir, record.asset_id)):
                if (whole := self._after(record, if_begun=if_begun)) is None:
                    return None
                write_record(self._data_dir, whole)
        except (OSError, ValueError) as error:
            whole = self._after(record, if_begun=if_begun)
            return None if whole is None else self._remember(whole, error)
        self._unwritten.pop(_key(record), None)
        return None

    def _after(self, record: Record, *, if_begun: bool) -> Record | None:
        """The record with what stays of the one before; None where it is not to be written."""
        known = {_key(each): each for each in self.of(record.asset_id, record.caller)}
        before = known.get(_key(record))
        if if_begun and (before is None or before.state != "begun"):
            return None
        if before is None:
            return record
        path, size = (before.path, before.size) if record.path is None else (record.path, record.size)
        return replace(record, path=path, size=size, own=before.own or record.own)

    def _remember(self, record: Record, error: OSError | ValueError) -> str:
        why = error.strerror if isinstance(error, OSError) else None
        told = f"{why or 'the system refuses'}: {self._data_dir / FOLDER}"
        self._unwritten[_key(record)] = record, told
        while len(self._unwritten) > MOST_UNWRITTEN:
            del self._unwritten[next(iter(self._unwritten))]
        return told

    def _remark(self, path: Path, remark: str | None) -> None:
        self._remarks.pop(path, None)
        if remark is not None:
            self._remarks[path] = remark
        while len(self._remarks) > MOST_UNWRITTEN:
            del self._remarks[next(iter(self._remarks))]


def not_written(reason: str) -> str:
    """The remark on a film of which nothing could be written down."""
    return f"Where it lies could not be written down ({reason}), so that after a restart this server does not know it."


def _key(record: Record) -> tuple[str, str, str]:
    return record.asset_id.lower(), record.caller, record.name


@contextmanager
def _locked(folder: Path) -> Generator[None]:
    """Holds the lock of a film's records; goes on without it where there are no locks, or one is kept too long."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        until = time.monotonic() + _LOCK_SECONDS
        with suppress(OSError):
            while not try_lock(descriptor) and time.monotonic() < until:
                time.sleep(_LOCK_PAUSE)
        yield
    finally:
        os.close(descriptor)


def write_record(data_dir: Path, record: Record) -> None:
    """Writes a record, whole, in place of the one before; raises OSError where the data folder refuses."""
    target = _file_of(data_dir, record)
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    told = {
        "assetId": record.asset_id,
        "caller": record.caller,
        "name": record.name,
        "state": record.state,
        "path": None if record.path is None else str(record.path),
        "size_bytes": record.size,
        "own": record.own,
    }
    part = target.with_name(f"{target.stem}.{secrets.token_hex(4)}.tmp")
    try:
        with part.open("x", encoding="utf-8") as file:
            json.dump(told, file, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def records_of(data_dir: Path, asset_id: str, caller: str) -> list[Record]:
    """The caller's records of a film, named by its assetId or the uuid in it; the one that changed last comes first.

    A uuid means the film of any account, an assetId that of its own alone.
    """
    found = sorted(_read_all(_folder_of(data_dir, asset_id)), key=lambda each: -each[0])
    return [record for _, record in found if record.caller == caller and same_film(record.asset_id, asset_id)]


def same_film(one: str, other: str) -> bool:
    """Whether two ids mean one film: the whole ids where both name their account, else the uuids."""
    whole = account_of(one) is not None and account_of(other) is not None
    return one.lower() == other.lower() if whole else uuid_of(one) == uuid_of(other)


def begun_records(data_dir: Path) -> list[Record]:
    """Every record of a film that was begun and is not kept, of all callers, oldest first."""
    folders: list[Path] = []
    with suppress(OSError):
        folders = sorted((data_dir / FOLDER).iterdir())
    found = [each for folder in folders for each in _read_all(folder)]
    return [record for _, record in sorted(found, key=lambda each: each[0]) if record.state == "begun"]


def _folder_of(data_dir: Path, asset_id: str) -> Path:
    uuid = uuid_of(asset_id)
    name = uuid if _PLAIN.fullmatch(uuid) else hashlib.sha256(uuid.encode()).hexdigest()
    return data_dir / FOLDER / name


def _file_of(data_dir: Path, record: Record) -> Path:
    """The file of a record; one more where the film of that uuid, caller and name belongs to another account."""
    folder = _folder_of(data_dir, record.asset_id)
    file = folder / f"{_digest(record.caller, record.name)}{_SUFFIX}"
    there = _read(file)
    if there is None or same_film(there[1].asset_id, record.asset_id):
        return file
    return folder / f"{_digest(record.caller, record.name, record.asset_id.lower())}{_SUFFIX}"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _read_all(folder: Path) -> Iterator[tuple[float, Record]]:
    """The records in a folder, each with the time of its last change; what cannot be read is passed over.

    So a folder that cannot be read fails no call; its films then count as not kept.
    """
    files: list[Path] = []
    with suppress(OSError):
        files = [file for file in folder.iterdir() if file.suffix == _SUFFIX]
    for file in files:
        if (found := _read(file)) is not None:
            yield found


def _read(file: Path) -> tuple[float, Record] | None:
    with suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
        return file.stat().st_mtime, _record(json.loads(file.read_text(encoding="utf-8")))
    return None


def _record(told: dict[str, Any]) -> Record:
    """The record in a file; raises ValueError, TypeError or KeyError for anything else."""
    state: State = told["state"]
    if state not in ("begun", "kept", "refused"):
        raise ValueError
    path, size = told["path"], told["size_bytes"]
    where = None if path is None else Path(path)
    own = told.get("own", True) is not False
    return Record(str(told["assetId"]), str(told["caller"]), str(told["name"]), state, where, size, own)
