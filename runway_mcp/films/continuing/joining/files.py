"""Files of joined films: where one lies, its pictures, its bytes, and copies of it under other names."""

import stat
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from anyio.to_thread import run_sync

from runway_mcp.films.continuing.dependencies import Dependencies
from runway_mcp.films.continuing.joining.publishing import film_file_name, published
from runway_mcp.films.continuing.steps import JoinMade, parts_of
from runway_mcp.films.continuing.workspace import LOCK_FILE, held, make_workspace
from runway_mcp.films.opening import Films
from runway_mcp.films.viewing import LARGEST_FILM, View, picture_of_file
from runway_mcp.media.errors import NoFilm, TooLarge
from runway_mcp.media.files.names import given_name
from runway_mcp.media.pictures.stills import Picture
from runway_mcp.tasks.intents import JOINED_FILE, Intent


class FilmFileGone(NoFilm):
    """The file of a joined film was moved or deleted, or is another one by now."""


@dataclass(frozen=True)
class FilmFile:
    """The file of a joined film: where it lies, and its length in bytes."""

    path: Path
    size: int


async def is_there(joined: JoinMade) -> bool:
    """Whether the file of a joined film lies where it was published, as long as it was."""
    return await run_sync(_size, Path(joined.path)) == joined.size_bytes


async def file_of(film: Intent, joined: JoinMade) -> FilmFile:
    """The file of a joined film; raises `FilmFileGone`."""
    file = FilmFile(Path(joined.path), joined.size_bytes)
    if not await is_there(joined):
        raise FilmFileGone(f"The file of the film {film.film_id} was moved, changed or deleted.")
    return file


async def brought(dependencies: Dependencies, film: Intent, joined: JoinMade) -> JoinMade:
    """The join with its film on this machine: one whose file is not here is fetched from its upload.

    Without an upload it stays as it was told. Raises the errors of `media.errors`, and
    `RunwayError`.
    """
    if joined.asset_id is None or await is_there(joined):
        return joined
    from runway_mcp.films.continuing.preparing.frame import fetched  # noqa: PLC0415  only for films that lie elsewhere

    workspace = await run_sync(make_workspace, dependencies.data_dir, film.film_id)
    async with held(workspace / LOCK_FILE, pause=dependencies.pause):
        path = workspace / JOINED_FILE
        size = await run_sync(_size, path)
        if size is None:
            path = await fetched(dependencies, joined.asset_id, workspace, JOINED_FILE)
            size = (await run_sync(path.stat)).st_size
    return replace(joined, path=str(path), size_bytes=size)


async def picture_of_film(films: Films, film: Intent, joined: JoinMade, view: View) -> Picture:
    """The picture of a joined film; one that is kept is given though the file is gone.

    Raises `MediaMissing`, `FilmFileGone` and `UnreadableFilm`.
    """
    return await picture_of_file(
        films, film.film_id, view, version=f"joined {joined.size_bytes}", find=partial(_path_of, film, joined)
    )


async def bytes_of_film(film: Intent, joined: JoinMade) -> bytes:
    """The joined film itself; raises `TooLarge` above `LARGEST_FILM`, and `FilmFileGone`."""
    if joined.size_bytes > LARGEST_FILM:
        raise TooLarge(f"The film has {joined.size_bytes / 1_000_000:.1f} MB.")
    file = await file_of(film, joined)
    content = await run_sync(file.path.read_bytes)
    if len(content) != file.size:
        raise FilmFileGone(f"The file of the film {film.film_id} was changed meanwhile.")
    return content


async def saved_as(
    film: Intent, joined: JoinMade, *, name: str | None, folder: Path, data_dir: Path
) -> tuple[FilmFile, str, bool]:
    """A film's file in the folder, the safe name that it was to have, and whether the file is new.

    Without a name it is the film itself, where it lies there, else a copy under the name that joined films get. With a
    name it is a copy, with a number if another file has the name; one that is there already is found. Raises
    `FilmFileGone` and `KeepingError`.
    """
    file = await file_of(film, joined)
    if name is None and file.path.parent == await run_sync(folder.resolve):
        return file, file.path.name, False
    own = film_file_name(film, parts=len(parts_of(film)), seconds=joined.seconds)
    wanted = own if name is None else given_name(name)
    workspace = await run_sync(make_workspace, data_dir, film.film_id)
    async with held(workspace / LOCK_FILE):
        before = await run_sync(_names, folder)
        path = await run_sync(published, file.path, folder, wanted, film.film_id)
    return FilmFile(path, file.size), wanted, path.name not in before


async def _path_of(film: Intent, joined: JoinMade) -> Path:
    return (await file_of(film, joined)).path


def _size(path: Path) -> int | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _names(folder: Path) -> frozenset[str]:
    try:
        return frozenset(each.name for each in folder.iterdir())
    except OSError:
        return frozenset()
