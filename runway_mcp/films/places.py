"""Where the files of a film are, as the records tell and the disk shows. Every function blocks."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from runway_mcp.films.naming import Wanted
from runway_mcp.films.records import Records
from runway_mcp.media.files.keeping import Kept
from runway_mcp.media.files.names import is_safe


@dataclass(frozen=True)
class SavedFilm:
    """A film on disk: its id, where it lies, its length in bytes, and what its keeper has to remark on it."""

    asset_id: str
    path: Path
    size: int
    warning: str | None = field(default=None, compare=False)


Place = SavedFilm | Literal["gone", "begun", "refused"] | None
"""Where a film is: on disk; moved or deleted since it was kept; begun; refused for good; None if nothing is known."""


def place_of(records: Records, asset_id: str, caller: str, name: str | None) -> Place:
    """Where a caller's film is, by its assetId or uuid; with `name` the file that was wished for under that name."""
    known = [each for each in records.of(asset_id, caller) if name in (None, each.name)]
    for record in known:
        if record.is_there and record.path is not None and record.size is not None:
            return SavedFilm(record.asset_id, record.path, record.size, records.remark_on(record))
    states = {record.state for record in known}
    if "begun" in states:
        return "begun"
    return "gone" if "kept" in states else "refused" if states else None


def files_of(records: Records, wanted: Wanted, folder: Path) -> tuple[str, list[Kept]]:
    """The name for a film's file, and its files that lie in the folder already.

    The name is that of the file before, if nothing has it now: what was deleted comes again where it was.
    """
    name, sources = wanted.name, list[Kept]()
    here = Path(os.path.realpath(folder))
    for record in records.of(wanted.asset_id, wanted.caller):
        if record.path is None or record.size is None or record.path.parent != here:
            continue
        if record.is_there:
            sources.append(Kept(record.path, record.size, new=False))
        elif record.name == wanted.name and is_safe(record.path.name) and not os.path.lexists(record.path):
            name = record.path.name
    return name, sources
