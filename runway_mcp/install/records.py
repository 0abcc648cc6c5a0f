"""What was changed in a host's configuration, so that exactly that can be taken back."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from runway_mcp.install.formats.edits import Edit

_FOLDER: Final = "installed"


@dataclass(frozen=True)
class Record:
    """The changes of a configuration that are still in it.

    `digest` is that of the file after them, and `undo` takes them back from such a file, one list of edits a step; it
    is None once the file was changed in between. `made` are the paths of keys that held nothing before, `is_new` says
    that there was no file, and `folders` are those made for it. `name` and `words` are those of the entry and of its
    command, and `was` has the keys of the command as a person wrote them, None if there was no entry. `mode` is the one
    that the file had, None if it kept it, and `copy` the digest of the copy beside it. Of a token that is put in it
    holds only the length.
    """

    file: str
    digest: str
    undo: list[list[Edit]] | None
    made: list[list[str]]
    is_new: bool
    folders: list[str]
    name: str = ""
    words: list[str] = field(default_factory=list[str])
    was: dict[str, Any] | None = None
    mode: int | None = None
    copy: str = ""


def load(data_dir: Path, host: str) -> Record | None:
    """The record of a host, None if there is none that can be read."""
    try:
        told: Any = json.loads(_file(data_dir, host).read_text(encoding="utf-8"))
        undo = told.pop("undo")
        return Record(undo=undo and [[Edit(**edit) for edit in step] for step in undo], **told)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def save(data_dir: Path, host: str, record: Record) -> None:
    """Keeps the record of a host, readable by its owner alone; raises OSError."""
    file = _file(data_dir, host)
    for folder in (data_dir, file.parent):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        json.dump(asdict(record), out)
    part.replace(file)


def forget(data_dir: Path, host: str) -> None:
    """Removes the record of a host, and the folder of records if it was the last."""
    file = _file(data_dir, host)
    file.unlink(missing_ok=True)
    try:
        file.parent.rmdir()
    except OSError:  # other records, or no folder
        return


def _file(data_dir: Path, host: str) -> Path:
    return data_dir / _FOLDER / f"{host}.json"
