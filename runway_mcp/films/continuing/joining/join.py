"""The last step: the new part fetched, all original parts joined and proven, and the film published under its name."""

import json
import logging
from contextlib import suppress
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from anyio.to_thread import run_sync

from runway_mcp.films.continuing.dependencies import Dependencies, end_step
from runway_mcp.films.continuing.joining.files import is_there
from runway_mcp.films.continuing.joining.publishing import film_file_name, published
from runway_mcp.films.continuing.preparing.frame import fetched
from runway_mcp.films.continuing.preparing.uploads import uploaded_film
from runway_mcp.films.continuing.steps import FilmPart, FrameMade, JoinMade, parts_of
from runway_mcp.films.continuing.workspace import (
    LOCK_FILE,
    check_writable,
    held,
    make_workspace,
    part_file,
    workspace_of,
    write_whole,
)
from runway_mcp.media.errors import DeadLink, KeepingError, LinkError, MediaMissing, UnreadableFilm
from runway_mcp.media.errors import JoinFailed as PartsNotJoined
from runway_mcp.media.join.joining import Joined
from runway_mcp.media.join.seams import Seam
from runway_mcp.runway.errors import NotFound, RunwayError
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.intents import JOIN, JOINED_FILE, Intent
from runway_mcp.tasks.spend.preparing import ClaimLost

_log = logging.getLogger(__name__)

_JOINED_NOTE: Final = "film.json"


async def joined(dependencies: Dependencies, intent: Intent) -> Intent:
    """The intent with its join step ended, by this call or by whoever held the film's lock before.

    The task of the intent has succeeded. Each join begins with the original parts; what an earlier try has fetched or
    joined whole is used. A joined film whose file is gone is joined anew. Raises `Failure`: `unavailable`, charged, to
    be tried again; `not_found`, charged, for one of which a part is gone for good; and `LedgerError`.
    """
    workspace = workspace_of(dependencies.data_dir, intent.film_id)
    try:
        workspace = await run_sync(make_workspace, dependencies.data_dir, intent.film_id)
        async with held(workspace / LOCK_FILE, pause=dependencies.pause):
            standing = await dependencies.store.find("id", intent.id) or intent
            before = JoinMade.of(standing)
            if before is not None and await is_there(before):
                return standing
            made = await _made(dependencies, standing, workspace)
            ended = await end_step(dependencies, standing, JOIN, made.made())
            if dependencies.folder is not None:
                await run_sync(_forget, workspace)
            return ended
    except MediaMissing as error:
        raise _failure(intent, str(error)) from error
    except (DeadLink, UnreadableFilm) as error:
        why = f"{str(error).rstrip('.')}."
        is_final = isinstance(error, UnreadableFilm) or isinstance(error.__cause__, NotFound)
        lost = await _lost(intent, workspace) if is_final else None
        raise lost or _failure(intent, why) from error
    except (KeepingError, LinkError, PartsNotJoined) as error:
        raise _failure(intent, f"{str(error).rstrip('.')}.") from error
    except RunwayError as error:
        raise _failure(intent, error.message) from error
    except Failure as failure:
        raise _failure(intent, failure.message) from failure
    except ClaimLost as error:
        raise _failure(intent, "Another process has taken the film up.") from error
    except OSError as error:
        raise _failure(intent, f"The disk refused: {error.strerror or 'for an unknown reason'}.") from error


def _failure(intent: Intent, why: str) -> Failure:
    begin = "The new part was made and paid, but the film could not be joined"
    if JoinMade.of(intent) is not None:
        begin = "The film's file was moved, changed or deleted, and it could not be joined again from its parts"
    message = f"{begin}: {why} Make the same call again: it joins again, free."
    return Failure("unavailable", message, charged="yes" if intent.cost else "no", retry="now", intent=intent)


async def _lost(intent: Intent, workspace: Path) -> Failure | None:
    """The failure of a film with parts that are neither on disk nor at Runway; None if every part is on disk."""
    parts = [part.file for part in parts_of(intent)]
    if JoinMade.of(intent) is None:
        parts.append(part_file(len(parts) + 1))
    gone = [file for file in parts if not await run_sync((workspace / file).is_file)]
    if not gone:
        return None
    message = (
        f"The film cannot be joined: {' and '.join(gone)} in {workspace} {'is' if len(gone) == 1 else 'are'} gone, and "
        "not to be had from Runway any more. What else lies there stays. To make and pay the film once more, give "
        "another `seed`."
    )
    return Failure("not_found", message, charged="yes" if intent.cost else "no", intent=intent)


async def _made(dependencies: Dependencies, intent: Intent, workspace: Path) -> JoinMade:
    dependencies.films.require()
    frame = FrameMade.of(intent)
    if frame is None or intent.film is None:
        raise UnreadableFilm("the earlier parts of the film are not known")
    earlier = await _present(dependencies, workspace, frame.parts)
    number = len(earlier) + 1
    before = JoinMade.of(intent)
    path = workspace / before.part.file if before is not None else None
    if path is None or not await run_sync(path.is_file):
        path = await fetched(dependencies, intent.film.asset_id, workspace, part_file(number))
    paths = [workspace / part.file for part in earlier] + [path]
    size = sum([(await run_sync(each.stat)).st_size for each in paths])
    await run_sync(partial(check_writable, workspace, needed=size, free=dependencies.free))
    told = await _joined(dependencies, paths, workspace)
    name, film_id = film_file_name(intent, parts=number, seconds=told.seconds), intent.film_id
    target = await run_sync(published, workspace / JOINED_FILE, dependencies.folder, name, film_id)
    length = round(told.seconds - (told.seams[-1].at_seconds if told.seams else 0.0), 3)
    part = FilmPart(path.name, length, intent.film.asset_id, intent.task_type, intent.text_prompt)
    size = (await run_sync(target.stat)).st_size
    joined = JoinMade(str(target), size, told.seconds, told.frames, told.how, told.why, told.seams, part, told.dropped)
    if before is not None and before.asset_id is not None:
        return replace(joined, asset_id=before.asset_id)
    if not dependencies.uploads:
        return joined
    try:
        return replace(joined, asset_id=await uploaded_film(dependencies, intent, workspace / JOINED_FILE))
    except Failure as failure:
        if failure.kind != "invalid_request":
            raise
        # Refused for good, as too large for one: the film is whole all the same, and no repeat would help.
        _log.warning("the film %s has no copy at Runway: %s", intent.film_id, failure)
        return joined


async def _present(dependencies: Dependencies, workspace: Path, parts: tuple[FilmPart, ...]) -> list[FilmPart]:
    """The earlier parts; one that is gone from the disk is fetched again."""
    present: list[FilmPart] = []
    for part in parts:
        file = part.file
        if not await run_sync((workspace / file).is_file):
            if part.asset_id is None:
                raise UnreadableFilm(f"{file} in {workspace} is gone")
            file = (await fetched(dependencies, part.asset_id, workspace, file)).name
        present.append(replace(part, file=file))
    return present


async def _joined(dependencies: Dependencies, parts: list[Path], workspace: Path) -> Joined:
    """The parts as one film at `JOINED_FILE`; one that an earlier try has proven is not joined again."""
    target, note = workspace / JOINED_FILE, workspace / _JOINED_NOTE
    if (told := await run_sync(_noted, target, note)) is not None:
        return told
    await run_sync(partial(target.unlink, missing_ok=True))
    told = await dependencies.join(parts, target, limiter=dependencies.films.decoding, undouble=True)
    size = (await run_sync(target.stat)).st_size
    await run_sync(write_whole, note, json.dumps({"size": size, "joined": asdict(told)}).encode())
    return told


def _forget(workspace: Path) -> None:
    """Removes the joined film, which lies under its name elsewhere; its parts stay."""
    with suppress(OSError):
        for name in (_JOINED_NOTE, JOINED_FILE):
            (workspace / name).unlink(missing_ok=True)


def _noted(target: Path, note: Path) -> Joined | None:
    """What was joined and proven before, if its file is there as long as it was."""
    try:
        told: dict[str, Any] = json.loads(note.read_text(encoding="utf-8"))
        film: dict[str, Any] = told["joined"]
        film |= {
            "why": tuple(film["why"]),
            "dropped": tuple(film["dropped"]),
            "seams": tuple(Seam(**seam) for seam in film["seams"]),
        }
        return Joined(**film) if target.stat().st_size == told["size"] else None
    except (OSError, ValueError, TypeError, KeyError):
        return None
