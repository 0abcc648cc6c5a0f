"""Publishing: a joined film gets its name in the folder of films, whole, and never in place of another. Blocks."""

import os
import shutil
from filecmp import cmp
from pathlib import Path

from runway_mcp.films.naming import label_of
from runway_mcp.media.errors import FolderRefused
from runway_mcp.media.files.folder import Folder, disk_errors
from runway_mcp.media.files.names import film_name, folded, numbered
from runway_mcp.tasks.intents import Intent


def film_file_name(film: Intent, *, parts: int, seconds: float) -> str:
    """The name of a joined film's file, by its last prompt, else by its source, with its parts and its length."""
    label = film.text_prompt or label_of(film.source_name)
    return film_name(label, film.film_id, extensions=parts - 1, seconds=seconds)


def published(film: Path, folder: Path | None, name: str, film_id: str) -> Path:
    """Where the film lies under its name, or with a number; the same film that is there already is found.

    Without a `folder` it stays where it is. Whoever calls holds the lock of the film of that id. Raises `FolderRefused`
    and `DiskFull`.
    """
    if folder is None:
        return film
    part = f"{film_id}.part"
    with Folder(folder) as target:
        there = {folded(each): each for each in target.names()}
        # A process that was killed may have left one.
        target.remove(part)
        try:
            for candidate in numbered(name):
                other = there.get(folded(candidate))
                if other is None and _is_given(film, target, part, candidate):
                    return target.path / candidate
                if other is not None and _is_same(film, target, other):
                    return target.path / other
        finally:
            target.remove(part)
    raise FolderRefused(f"No name is left for {name} in {folder}.")


def _is_given(film: Path, folder: Folder, part: str, name: str) -> bool:
    """Gives a copy of the film that name; False if something has it by now."""
    if folder.status(part) is None:
        with (
            disk_errors(f"{part} in {folder.path}"),
            film.open("rb") as source,
            os.fdopen(folder.create(part), "wb") as copy,
        ):
            shutil.copyfileobj(source, copy, 2**20)
            copy.flush()
            os.fsync(copy.fileno())
    try:
        folder.rename_new(part, name)
    except FileExistsError:
        return False
    folder.sync()
    return True


def _is_same(film: Path, folder: Folder, name: str) -> bool:
    status = folder.status(name)
    if status is None or status.st_size != film.stat().st_size or not (folder.path / name).is_file():
        return False
    return cmp(film, folder.path / name, shallow=False)
