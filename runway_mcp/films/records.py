"""Records of kept films: what is on disk under which name, and what was begun, for every process to read.

One small JSON file for each film, caller and name, in the data folder; it holds no link. Every function blocks: call it
from a worker thread where an event loop runs.
"""

import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import Any, Final, Literal

from runway_mcp.tasks.intents import uuid_of

FOLDER: Final = "kept"
"""The folder of the records in the data folder."""

State = Literal["begun", "kept", "refused"]
"""Where the keeping of a film stands; `refused` is for good, unless it is wished for again."""

_SUFFIX = ".json"
_PLAIN: Final = re.compile(r"[0-9a-z-]{1,64}")


@dataclass(frozen=True)
class Record:
    """One film under one name: whose wish it was, and where it lies once it is kept.

    `name` is the file's name as it was wished for; `path` may have a number, where another file had that name. `size`
    is in bytes.
    """

    asset_id: str
    caller: str
    name: str
    state: State
    path: Path | None = None
    size: int | None = None

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
    """The caller's records of a film, named by its assetId or the uuid in it; the one that changed last comes first."""
    found = _read_all(_folder_of(data_dir, asset_id))
    return [record for _, record in sorted(found, key=lambda each: -each[0]) if record.caller == caller]


def begun_records(data_dir: Path) -> list[Record]:
    """Every record of a film that was begun and is not kept, of all callers, oldest first."""
    folders: list[Path] = []
    with suppress(FileNotFoundError):
        folders = sorted((data_dir / FOLDER).iterdir())
    found = [each for folder in folders if folder.is_dir() for each in _read_all(folder)]
    return [record for _, record in sorted(found, key=lambda each: each[0]) if record.state == "begun"]


def _folder_of(data_dir: Path, asset_id: str) -> Path:
    uuid = uuid_of(asset_id)
    name = uuid if _PLAIN.fullmatch(uuid) else hashlib.sha256(uuid.encode()).hexdigest()
    return data_dir / FOLDER / name


def _file_of(data_dir: Path, record: Record) -> Path:
    digest = hashlib.sha256(f"{record.caller}\n{record.name}".encode()).hexdigest()[:16]
    return _folder_of(data_dir, record.asset_id) / f"{digest}{_SUFFIX}"


def _read_all(folder: Path) -> Iterator[tuple[float, Record]]:
    """The records in a folder, each with the time of its last change; what cannot be read is passed over."""
    files: list[Path] = []
    with suppress(FileNotFoundError, NotADirectoryError):
        files = [file for file in folder.iterdir() if file.suffix == _SUFFIX]
    for file in files:
        with suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
            yield file.stat().st_mtime, _record(json.loads(file.read_text(encoding="utf-8")))


def _record(told: dict[str, Any]) -> Record:
    """The record in a file; raises ValueError, TypeError or KeyError for anything else."""
    state: State = told["state"]
    if state not in ("begun", "kept", "refused"):
        raise ValueError
    path, size = told["path"], told["size_bytes"]
    where = None if path is None else Path(path)
    return Record(str(told["assetId"]), str(told["caller"]), str(told["name"]), state, where, size)
