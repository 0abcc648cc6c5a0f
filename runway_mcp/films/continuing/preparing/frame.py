"""The first step: every earlier part whole and decodable on disk, and the last frame as a picture."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from anyio.to_thread import run_sync

from runway_mcp.films.continuing.dependencies import Dependencies, end_step
from runway_mcp.films.continuing.steps import FRAME, FilmPart, FrameMade, parts_of
from runway_mcp.films.continuing.workspace import (
    FRAME_FILE,
    check_writable,
    make_root,
    make_workspace,
    part_file,
    share_file,
    workspace_of,
    write_whole,
)
from runway_mcp.media.errors import DeadLink, UnreadableFilm
from runway_mcp.media.files.keeping import keep
from runway_mcp.media.join.parts import JOIN_LIMITS
from runway_mcp.media.pictures.measures import read_film
from runway_mcp.media.pictures.start_frames import StartFrame, start_frame
from runway_mcp.runway.errors import NotFound, RunwayError
from runway_mcp.runway.models import Task
from runway_mcp.tasks.catalogue import CreateModel
from runway_mcp.tasks.creating import canvas_for
from runway_mcp.tasks.intents import Intent, uuid_of
from runway_mcp.tasks.spend.continuation import Continuation

LEAST_PART_BYTES: Final = 20_000_000
"""So much is reckoned for a part that is not there yet, or twice the bytes a second of what is, if that is more."""

_LINK_SECONDS = 10.0


@dataclass(frozen=True)
class Frame:
    """The frame from which a film goes on: a PNG file's bytes, its size in pixels, and the digest of its pixels."""

    png: bytes
    width: int
    height: int
    digest: str


async def check_possible(dependencies: Dependencies, plan: Continuation) -> None:
    """Returns where the extra is there, and both folders can be written and have room for parts and film.

    Raises `MediaMissing`, `KeepingError` and `OSError`.
    """
    dependencies.films.require()
    root = await run_sync(make_root, dependencies.data_dir)
    await _check_room(dependencies, plan, root, parts=())


async def framed(dependencies: Dependencies, plan: Continuation, intent: Intent) -> tuple[Intent, Frame]:
    """The intent with its frame step ended, and the frame; what is on disk already is used.

    Checks first that the extra is there, and that both folders can be written and have room for parts and film. Raises
    the errors of `media.errors`, `RunwayError`, `ClaimLost`, `OSError` and `LedgerError`.
    """
    dependencies.films.require()
    workspace = await run_sync(make_workspace, dependencies.data_dir, intent.film_id)
    await _check_room(dependencies, plan, workspace, parts=())
    ended = FrameMade.of(intent)
    if ended is not None and (frame := await run_sync(_kept, workspace, ended)) is not None:
        return intent, frame
    parts = await _parts(dependencies, plan, intent, workspace)
    await _check_room(dependencies, plan, workspace, parts=parts)
    seen = await _last_frame(dependencies, workspace / parts[-1].file, plan.model)
    frame = Frame(seen.png, seen.width, seen.height, seen.digest)
    await run_sync(write_whole, workspace / FRAME_FILE, frame.png)
    made = FrameMade(tuple(parts), FRAME_FILE, _sha256(frame.png), frame.digest, frame.width, frame.height)
    return await end_step(dependencies, intent, FRAME, made.made()), frame


async def _last_frame(dependencies: Dependencies, film: Path, model: CreateModel) -> StartFrame:
    """The frame in the size of the model's canvas; what upstream would do to another shape is unknown."""
    seen = await start_frame(film, limiter=dependencies.films.decoding, limits=JOIN_LIMITS)
    canvas = canvas_for(seen.width, seen.height, model)
    if (seen.width, seen.height) == (canvas.width, canvas.height):
        return seen
    size = (canvas.width, canvas.height)
    return await start_frame(film, size=size, limiter=dependencies.films.decoding, limits=JOIN_LIMITS)


async def _parts(dependencies: Dependencies, plan: Continuation, intent: Intent, workspace: Path) -> list[FilmPart]:
    """Every earlier part, on disk and decoded once from its first frame to its last."""
    if plan.film is not None:
        return await _parts_of_film(dependencies, plan.film, workspace)
    source, name = plan.source.asset_id, part_file(1)
    path = await fetched(dependencies, source, workspace, name)
    film = await read_film(path, limiter=dependencies.films.decoding, limits=JOIN_LIMITS)
    maker = plan.parent or await _maker(dependencies, intent.parent_task_id)
    told = FilmPart(path.name, film.duration_seconds, source)
    if maker is not None:
        told = replace(told, model=maker.task_type, text_prompt=maker.options.text_prompt)
    return [told]


async def _parts_of_film(dependencies: Dependencies, film: Intent, workspace: Path) -> list[FilmPart]:
    """The original parts of a film, as files of this one too; one that is gone from the disk is fetched again."""
    earlier, parts = workspace_of(dependencies.data_dir, film.film_id), list(parts_of(film))
    for number, part in enumerate(parts, start=1):
        name = part_file(number)
        try:
            await run_sync(share_file, earlier / part.file, workspace / name)
        except FileNotFoundError:
            if part.asset_id is None:
                raise UnreadableFilm(f"part {number} of the film is no longer on disk") from None
            name = (await fetched(dependencies, part.asset_id, workspace, name)).name
        parts[number - 1] = replace(part, file=name)
    await read_film(workspace / parts[-1].file, limiter=dependencies.films.decoding, limits=JOIN_LIMITS)
    return parts


async def _maker(dependencies: Dependencies, task_id: str | None) -> Task | None:
    """The task that made the source, for what the film tells of its parts; None if it cannot be read now."""
    try:
        return await dependencies.client.task(task_id, patience=0) if task_id else None
    except RunwayError:
        return None


async def fetched(dependencies: Dependencies, asset_id: str, workspace: Path, name: str) -> Path:
    """The film of an asset in the working folder, whole; one that is there is not fetched again.

    Raises the errors of `media.errors`, and `RunwayError`.
    """

    async def fresh_link() -> str:
        try:
            asset = await dependencies.client.asset(asset_id, patience=_LINK_SECONDS)
        except NotFound as error:
            raise DeadLink("Runway does not know this clip any more, so there is no link to it.") from error
        if not asset.url:
            raise DeadLink("Runway names no link to this clip.")
        return asset.url

    kept = await keep(
        dependencies.films.links,
        await fresh_link(),
        workspace,
        key=uuid_of(asset_id),
        name=name,
        fresh_link=fresh_link,
        free=dependencies.free,
        pause=dependencies.pause,
    )
    return kept.path


async def _check_room(
    dependencies: Dependencies, plan: Continuation, workspace: Path, *, parts: Sequence[FilmPart]
) -> None:
    """Raises `KeepingError` unless both folders can be written and hold what is to come.

    That is the parts which are not there yet, and the joined film twice, as it is made and as it is published.
    """
    there = sum([(await run_sync((workspace / part.file).stat)).st_size for part in parts])
    known = there or plan.source.size_bytes or 0
    length = max(1.0, sum(part.seconds for part in parts) or (plan.length or 0.0) - plan.seconds)
    coming = max(LEAST_PART_BYTES, int(2 * known / length * plan.seconds))
    film = known + coming
    await run_sync(partial(check_writable, workspace, needed=(known - there) + coming + film, free=dependencies.free))
    if dependencies.folder is not None:
        await run_sync(partial(check_writable, dependencies.folder, needed=film, free=dependencies.free))


def _kept(workspace: Path, made: FrameMade) -> Frame | None:
    """The frame as it was made before, if it and every part still lie there."""
    if not all((workspace / part.file).is_file() for part in made.parts):
        return None
    try:
        png = (workspace / made.file).read_bytes()
    except FileNotFoundError:
        return None
    return Frame(png, made.width, made.height, made.digest) if _sha256(png) == made.sha256 else None


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
