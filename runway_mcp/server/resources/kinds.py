"""What each kind of resource is called, and how it is read. Reads ask upstream, so links are fresh."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, assert_never

from runway_mcp.films.chains import Clip
from runway_mcp.films.viewing import View
from runway_mcp.runway.errors import NotFound
from runway_mcp.runway.models import Asset, Task
from runway_mcp.server.context import ServerContext
from runway_mcp.server.continued import film_named
from runway_mcp.server.contract.outputs import TaskOutput
from runway_mcp.server.contract.results.assets import asset_output
from runway_mcp.server.contract.results.pictures import MIME_TYPE as PICTURE
from runway_mcp.server.contract.results.tasks import intent_output, task_output
from runway_mcp.server.contract.uris import Kind
from runway_mcp.server.joined_films import film_bytes_for, film_document
from runway_mcp.server.player.page import MIME_TYPE, page, page_meta
from runway_mcp.server.reads import task_of
from runway_mcp.server.viewing import bytes_of, clip_named, picture_for, preview_of, require_pictures, seams_for
from runway_mcp.settings import Settings
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.history import HistoryEntry, newest_tasks, owning_intent
from runway_mcp.tasks.intents import Intent

KEPT_MS = 3_600_000
"""For how long a host may cache a finished task or what a film shows, in milliseconds; links live longer."""

_ASSET_READ_SECONDS = 5.0
_FILE_SECONDS = 45.0


@dataclass(frozen=True)
class Content:
    """What a read gives: text or bytes, and for how many milliseconds a host may cache it."""

    body: str | bytes
    ttl_ms: int = 0


def _no_meta(_settings: Settings) -> None:
    """Most resources are told of by their names alone."""


@dataclass(frozen=True)
class ResourceKind:
    """One kind of resources; its URI template is that of its kind in `contract.uris`.

    `read` takes the id in the URI, which is empty where the kind has one resource only. It raises `NotFound` and
    `InvalidRequest` for an id that names nothing, and `Failure` and `RunwayError`. `meta` is what hosts are told of the
    resource and of its content, under the settings.
    """

    name: str
    title: str
    description: str
    read: Callable[[ServerContext, str], Awaitable[Content]]
    mime_type: str = "application/json"
    meta: Callable[[Settings], dict[str, Any] | None] = _no_meta


def resource_kind(kind: Kind) -> ResourceKind:  # noqa: C901, PLR0911  one return for each kind
    """The names, the MIME type and the reader of a kind."""
    match kind:
        case "tasks":
            return _TASKS
        case "task":
            return _TASK
        case "asset":
            return _ASSET
        case "preview":
            return _PREVIEW
        case "last_frame":
            return _LAST_FRAME
        case "strip":
            return _STRIP
        case "video":
            return _VIDEO
        case "film":
            return _FILM
        case "film_video":
            return _FILM_VIDEO
        case "player":
            return _PLAYER
        case _:
            assert_never(kind)


async def _read_tasks(context: ServerContext, _id: str) -> Content:
    known, _ = await newest_tasks(context.service, context.settings.email)
    return _json({"tasks": [_output(context, each).wire() for each in known]})


async def _read_task(context: ServerContext, task_id: str) -> Content:
    service = context.service
    # An agent that reads a finished task in a loop gets the same link for a second.
    task = await task_of(context, task_id, often=True)
    output = task_output(task, context.reading(task_id), intent=await owning_intent(service, task_id))
    return _json(output.wire(), ttl_ms=KEPT_MS if _is_final(task) else 0)


async def _read_asset(context: ServerContext, asset_id: str) -> Content:
    service = context.service
    asset = await _asset(context, asset_id)
    if asset.task_id and await service.ledger.hidden([Task(task_id=asset.task_id)]):
        asset = asset.model_copy(update={"task_id": None})
    return _json(asset_output(asset).wire())


async def _asset(context: ServerContext, asset_id: str) -> Asset:
    """The asset, with a link that is fresh for every caller, who may be one of several at the same moment."""
    client = context.service.client

    async def once() -> Asset:
        return await client.asset(asset_id, patience=_ASSET_READ_SECONDS)

    return await client.shared.read(("asset", asset_id), once, keeps=lambda _: False)


async def _read_preview(context: ServerContext, asset_id: str) -> Content:
    asset = await _asset(context, asset_id)
    return Content(await preview_of(context, asset, seconds=_FILE_SECONDS))


async def _read_last_frame(context: ServerContext, asset_id: str) -> Content:
    require_pictures(context)
    return await _picture(context, await _clip(context, asset_id), View())


async def _read_strip(context: ServerContext, asset_id: str) -> Content:
    require_pictures(context)
    clip = await _clip(context, asset_id)
    return await _picture(context, clip, View("strip", seams=(await seams_for(context, clip)).seconds))


async def _read_video(context: ServerContext, asset_id: str) -> Content:
    clip = await _clip(context, asset_id)
    return Content(await bytes_of(context, clip.asset, seconds=_FILE_SECONDS), KEPT_MS)


async def _read_film(context: ServerContext, film_id: str) -> Content:
    film = await _film(context, film_id)
    return _json((await film_document(context, film)).wire())


async def _read_film_video(context: ServerContext, film_id: str) -> Content:
    film = await _film(context, film_id)
    return Content(await film_bytes_for(context, film, seconds=_FILE_SECONDS), KEPT_MS)


async def _film(context: ServerContext, film_id: str) -> Intent:
    """The caller's film of that id; raises `NotFound`, and `Failure` while the ledger cannot be read."""
    try:
        film = await film_named(context, film_id)
    except Failure as failure:
        if failure.kind != "not_found":
            raise
        raise NotFound(failure.message) from None
    if film is None:
        raise NotFound("There is no film of this id.", status=404)
    return film


async def _clip(context: ServerContext, asset_id: str) -> Clip:
    """The clip; one that is not found raises `NotFound`, as every resource of an asset does."""
    try:
        return await clip_named(context, asset_id)
    except Failure as failure:
        if failure.kind != "not_found":
            raise
        raise NotFound(failure.message) from None


async def _picture(context: ServerContext, clip: Clip, view: View) -> Content:
    return Content((await picture_for(context, clip, view, seconds=_FILE_SECONDS)).jpeg, KEPT_MS)


async def _read_player(_context: ServerContext, _id: str) -> Content:
    return Content(page(), KEPT_MS)


def _json(document: dict[str, Any], *, ttl_ms: int = 0) -> Content:
    return Content(json.dumps(document, ensure_ascii=False), ttl_ms)


def _is_final(task: Task) -> bool:
    """Whether nothing of the task will change; a success without its film may still get it."""
    return task.is_terminal and (task.status != "SUCCEEDED" or bool(task.artifacts))


def _output(context: ServerContext, known: HistoryEntry) -> TaskOutput:
    if isinstance(known, Intent):
        return intent_output(known, context.settings.wait_seconds)
    return task_output(known.task, context.reading(known.task.task_id), intent=known.intent)


_TASKS = ResourceKind(
    name="tasks",
    title="Runway tasks",
    description="The newest tasks and unclear submits, newest first.",
    read=_read_tasks,
)
_TASK = ResourceKind(
    name="task",
    title="Runway task",
    description="A task as it stands: status, progress, and its film with a fresh link.",
    read=_read_task,
)
_ASSET = ResourceKind(
    name="asset",
    title="Runway asset",
    description="A video, image or audio file, with a fresh link.",
    read=_read_asset,
)
_PREVIEW = ResourceKind(
    name="preview",
    title="Preview",
    description="The last of Runway's preview pictures of an asset.",
    read=_read_preview,
    mime_type=PICTURE,
)
_LAST_FRAME = ResourceKind(
    name="last-frame",
    title="Last frame",
    description="The last frame of a video, from which an extension goes on.",
    read=_read_last_frame,
    mime_type=PICTURE,
)
_STRIP = ResourceKind(
    name="strip",
    title="Film strip",
    description="Eight frames of a video in two rows, from the first to the last, with the seams of its extensions.",
    read=_read_strip,
    mime_type=PICTURE,
)
_VIDEO = ResourceKind(
    name="video",
    title="Video",
    description="The file of a video, up to 20 MB; the asset has a link to a larger one.",
    read=_read_video,
    mime_type="video/mp4",
)
_FILM = ResourceKind(
    name="film",
    title="Continued film",
    description="A film of several parts as it stands: its parts with prompts, models, seeds and costs, and its seams.",
    read=_read_film,
)
_FILM_VIDEO = ResourceKind(
    name="film-video",
    title="File of a continued film",
    description="The joined film, up to 20 MB; where its file lies stands in the film.",
    read=_read_film_video,
    mime_type="video/mp4",
)
_PLAYER = ResourceKind(
    name="player",
    title="Player",
    description="The page on which hosts of MCP Apps show an extension: its progress, then its film.",
    read=_read_player,
    mime_type=MIME_TYPE,
    meta=page_meta,
)
