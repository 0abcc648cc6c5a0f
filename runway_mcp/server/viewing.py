"""Views of films on behalf of a request: the clip that is named, its picture, its file, each in a bounded time."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import anyio

from runway_mcp.films.chains import Clip, Seams, seams_of
from runway_mcp.films.viewing import LARGEST_FILM, OtherPicture, View, film_bytes, picture_of, preview_bytes
from runway_mcp.media.errors import LinkError, MediaMissing, NoFilm, RefusedLink, TooLarge, UnreadableFilm
from runway_mcp.media.pictures.stills import Picture
from runway_mcp.runway.errors import NotFound, RunwayError, plain_or_quoted
from runway_mcp.runway.ids import kind_of
from runway_mcp.runway.models import Asset, Task
from runway_mcp.server.context import ServerContext
from runway_mcp.server.contract.results.text import LONGEST_NAME, in_quotes
from runway_mcp.server.contract.uris import asset_uri
from runway_mcp.server.reads import READING_SECONDS, clip_id_of, read_named, task_of
from runway_mcp.tasks.failures import Failure, failure_of, task_failure
from runway_mcp.tasks.naming import is_id, nearest_clips

CLIP_SECONDS = 12.0
"""How long the reads of a clip and of its task may take, in seconds."""

_SEAMS_SECONDS, _SEAMS_PATIENCE = 8.0, 2.0
_IN_TIME = "The film could not be fetched and decoded in time."
_RUNS_ON = (
    "The task is {status}, so there is no film to see yet. Call get_task with wait_seconds until it has ended, then "
    "view_film again."
)
_OTHER_PICTURE = (
    "Runway's preview of this asset is a {form} picture, and only JPEG is given here. A link to it stands in {uri}."
)
_NO_LINK = "Runway gives no link to this {what} at the moment."


def require_pictures(context: ServerContext) -> None:
    """Returns where pictures of films can be made; raises the `not_configured` failure elsewhere."""
    try:
        context.films.require()
    except MediaMissing as error:
        raise _failure_of_film(error) from None


async def clip_named(context: ServerContext, reference: str) -> Clip:
    """The clip that a reference names, a task by its film; one that was named by the same id lately is not read again.

    Raises `Failure`, also for what is no video and after `CLIP_SECONDS`, and `RunwayError`; `NotFound` for the id of an
    asset that Runway does not know.
    """
    key = context.caller, reference
    known = context.films.clips.get(key)
    if known is None:
        with anyio.move_on_after(CLIP_SECONDS):
            known, whole = await _clip_read(context, reference)
            if whole and is_id(reference):
                context.films.clips.note(key, known)
    if known is None:
        raise Failure("unavailable", "Runway did not tell of the clip in time.")
    kind = known.asset.media_type
    if kind not in (None, "video"):
        name = in_quotes(known.asset.name, LONGEST_NAME) if known.asset.name else "This asset"
        told = f"{name} is no video ({plain_or_quoted(kind)}), and only videos can be shown here."
        raise Failure("invalid_request", told)
    return known


async def clip_asked_for(context: ServerContext, reference: str) -> Clip:
    """The clip, as `clip_named`; the `Failure` of an unknown id names the clips with the nearest ids or names."""
    try:
        return await clip_named(context, reference)
    except NotFound as error:
        failure, near, service = failure_of(error), "", context.service
        with anyio.move_on_after(READING_SECONDS):
            near = await nearest_clips(service.client, service.ledger, reference, email=context.settings.email)
        raise replace(failure, message=f"{failure.message} {near}".strip()) from error


async def _clip_read(context: ServerContext, reference: str) -> tuple[Clip, bool]:
    """The clip, and whether the task that made it could be read."""
    named = await clip_id_of(context, reference, seconds=READING_SECONDS)
    if kind_of(named) == "task":
        return await _film_of_task(context, named), True
    asset = await context.service.client.asset(named, patience=READING_SECONDS)
    if asset.task_id is None:
        return Clip(asset, None), True
    try:
        return Clip(asset, await task_of(context, asset.task_id)), True
    except NotFound:
        return await _clip_of_no_task(context, asset, asset.task_id)
    except (RunwayError, Failure):
        return Clip(asset, None), False


async def _clip_of_no_task(context: ServerContext, asset: Asset, task_id: str) -> tuple[Clip, bool]:
    """A clip whose task the caller cannot ask for: it is gone, or another caller's, of which its words are hidden.

    The clip is the account's, and so is what can be done with it.
    """
    try:
        task = await context.service.client.task(task_id, patience=READING_SECONDS)
    except NotFound:
        return Clip(asset, None, is_maker_gone=True), True
    except RunwayError:
        return Clip(asset, None), False
    hidden = task.options.model_copy(update={"text_prompt": None, "seed": None})
    return Clip(asset, task.model_copy(update={"options": hidden})), True


async def _film_of_task(context: ServerContext, task_id: str) -> Clip:
    task = await read_named(context, task_id, wait=0)
    if not task.is_terminal:
        raise Failure("invalid_request", _RUNS_ON.format(status=task.status), task=task)
    if task_failure(task) is not None:
        raise Failure("invalid_request", f"The task ended as {task.status} without a film, so there is nothing to see.")
    film = task.artifacts[0]
    try:
        asset = await context.service.client.asset(film.asset_id, patience=READING_SECONDS)
    except NotFound:
        asset = film
    return Clip(asset.model_copy(update={"task_id": task.task_id}), task)


async def seams_for(context: ServerContext, clip: Clip) -> Seams:
    """Where the extensions of a clip begin; a chain that was read lately is not read again."""
    key = context.caller, clip.asset.asset_id
    known = context.films.seams.get(key)
    if known is None:
        with anyio.move_on_after(_SEAMS_SECONDS):
            known = await seams_of(context.service.client, clip, patience=_SEAMS_PATIENCE)
            if known.whole:
                context.films.seams.note(key, known)
    return known or Seams(whole=False)


async def picture_for(context: ServerContext, clip: Clip, view: View, *, seconds: float) -> Picture:
    """The picture of a clip; raises `Failure`, also after `seconds`, and `RunwayError`."""
    asset = clip.asset
    async with _told(seconds):
        return await picture_of(
            context.films,
            asset.asset_id,
            view,
            size=asset.size_bytes,
            link=asset.url,
            fresh_link=_fresh(context, asset, lambda read: read.url, "film"),
        )
    raise AssertionError  # pragma: no cover  the context above returns or raises


async def bytes_of(context: ServerContext, asset: Asset, *, seconds: float) -> bytes:
    """The file of an asset, of at most `LARGEST_FILM` bytes; raises as `picture_for`."""
    if (asset.size_bytes or 0) > LARGEST_FILM:
        raise _too_large(asset)
    async with _told(seconds):
        try:
            fresh = _fresh(context, asset, lambda read: read.url, "film")
            return await film_bytes(context.films, link=asset.url, fresh_link=fresh)
        except TooLarge:
            raise _too_large(asset) from None
    raise AssertionError  # pragma: no cover  likewise


async def preview_of(context: ServerContext, asset: Asset, *, seconds: float) -> bytes:
    """The last of an asset's preview pictures, if it is a JPEG; raises as `picture_for`."""
    fresh = _fresh(context, asset, lambda read: read.preview_urls[-1] if read.preview_urls else None, "asset's preview")
    async with _told(seconds):
        link = asset.preview_urls[-1] if asset.preview_urls else await fresh()
        try:
            return await preview_bytes(context.films, link=link, fresh_link=fresh)
        except OtherPicture as error:
            message = _OTHER_PICTURE.format(form=error.form, uri=asset_uri(asset.asset_id))
            raise Failure("invalid_request", message) from None
    raise AssertionError  # pragma: no cover  likewise


def _too_large(asset: Asset) -> Failure:
    message = (
        f"The film has more than {LARGEST_FILM // 1_000_000} MB, too much to be given as bytes. A link to it stands in "
        f"{asset_uri(asset.asset_id)}."
    )
    return Failure("invalid_request", message)


def _fresh(
    context: ServerContext, asset: Asset, link_of: Callable[[Asset], str | None], what: str
) -> Callable[[], Awaitable[str]]:
    """What reads an asset again for a fresh link; of one that was deleted, the task that made it."""
    client = context.service.client

    async def fresh() -> str:
        try:
            read: Asset | None = await client.asset(asset.asset_id, patience=READING_SECONDS)
        except NotFound:
            if asset.task_id is None:
                raise
            task: Task = await task_of(context, asset.task_id)
            read = next((each for each in task.artifacts if each.asset_id == asset.asset_id), None)
        link = link_of(read) if read is not None else None
        if not link:
            raise Failure("unavailable", _NO_LINK.format(what=what))
        return link

    return fresh


@asynccontextmanager
async def _told(seconds: float) -> AsyncGenerator[None]:
    """Raises what went wrong with a film, or took longer than `seconds`, as a `Failure`."""
    try:
        with anyio.fail_after(seconds):
            yield
    except TimeoutError:
        raise Failure("unavailable", _IN_TIME) from None
    except (MediaMissing, UnreadableFilm, LinkError) as error:
        raise _failure_of_film(error) from None


def _failure_of_film(error: Exception) -> Failure:
    """What a repeat is good for: nothing, where the same film would end the same way."""
    match error:
        case MediaMissing():
            return Failure("not_configured", str(error))
        case UnreadableFilm():
            return Failure("unexpected_response", f"No picture could be made: {error}.", retry="after_change")
        case RefusedLink() | NoFilm() | TooLarge():
            message = f"Runway's link to the file was not used. {error}"
            return Failure("unexpected_response", message, retry="after_change")
        case _:
            return Failure("unavailable", f"The file could not be fetched from its link. {error}")
