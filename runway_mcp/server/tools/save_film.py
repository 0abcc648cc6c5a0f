"""The tool `save_film`: a film of the account becomes a file on the disk of the machine that runs the server."""

from pathlib import Path
from typing import Annotated

import anyio
from pydantic import Field

from runway_mcp.films.continuing.joining.files import saved_as
from runway_mcp.films.keeper import Keeper
from runway_mcp.films.naming import wanted_asset, why_called
from runway_mcp.films.places import SavedFilm
from runway_mcp.media.errors import KeepingError, MediaError
from runway_mcp.media.files.names import given_name
from runway_mcp.runway.errors import plain_or_quoted
from runway_mcp.runway.ids import kind_of
from runway_mcp.runway.models import Asset
from runway_mcp.server.calls.answers import answer_save, fail_save
from runway_mcp.server.calls.joined import joined_or_step
from runway_mcp.server.calls.running_call import Answer, Call
from runway_mcp.server.calls.saving import failure_of_keeping, under_way, wait_for_film
from runway_mcp.server.continued import film_or_clip
from runway_mcp.server.contract.arguments import Arguments, Reference
from runway_mcp.server.contract.next_steps import KEEPS, link_to
from runway_mcp.server.contract.outputs import SavedOutput, SaveOutput, Video
from runway_mcp.server.contract.results.assets import saved_output, video
from runway_mcp.server.contract.results.film_parts import film_of_intent
from runway_mcp.server.contract.uris import asset_uri
from runway_mcp.server.joined_films import film_restored, told_of_film
from runway_mcp.server.reads import READING_SECONDS, clip_id_of, read_task
from runway_mcp.server.tools.record import ToolRecord
from runway_mcp.settings import Settings
from runway_mcp.tasks.failures import Failure, task_failure
from runway_mcp.tasks.history import owning_intent
from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.naming import film_id_in, is_id

_DESCRIPTION = (
    "Downloads one video of your Runway account, or copies a joined film, to the films folder of this server's "
    "machine and returns the path of the whole file. Use it to keep a clip beyond its link, which dies within two "
    "days, or for a copy by another name; the server saves films of extend_video itself. For a link use "
    "get_task; to look at a film, view_film. Free, and replaces no file: a taken name gets a number. A "
    "long download may give no path yet: the same call again waits on, and later returns the same file. Unfinished "
    "tasks are refused."
)

_NOTHING_IS_KEPT = (
    "This server saves no films to disk: {why}. Whoever runs it can set RUNWAY_MCP_SAVE=own (and RUNWAY_MCP_SAVE_DIR "
    "for the folder) in its environment and restart it. {instead}"
)
_SET_SO, _BY_DEFAULT = "RUNWAY_MCP_SAVE is set to never", "RUNWAY_MCP_SAVE is not set, and over HTTP that means never"
_RUNS_ON = (
    "The task is {status}, so there is no film to save yet. Call get_task with wait_seconds until it has ended, then "
    "save_film again."
)


# A copy of the largest film to a slow disk.
_COPY_SECONDS = 40.0


class SaveFilm(Arguments):
    """The arguments of `save_film`."""

    asset_id: Annotated[
        Reference,
        Field(
            alias="assetId",
            description="Video or film to save: an assetId or film id of list_assets, a taskId, URI, link or name.",
        ),
    ]
    name: Annotated[
        str | None,
        Field(
            max_length=200,
            description="File name you choose, without folders; .mp4 is added if missing. Default: from its prompt.",
        ),
    ] = None


async def save_film(call: Call, arguments: SaveFilm) -> Answer:
    """The film on disk, which needs no network if it is there; begins to keep it, or goes on, and waits for that."""
    keeper, reference = call.context.keeper, arguments.asset_id
    if keeper is None:
        why = _SET_SO if call.context.settings.save == "never" else _BY_DEFAULT
        message = _NOTHING_IS_KEPT.format(why=why, instead=_way_to_link(reference))
        return await fail_save(call, Failure("not_configured", message), link_to(reference, call.asked))
    film, reference = await film_or_clip(call.context, reference)
    if film is not None:
        return await answer_save(call, await _saved_joined(call, film, arguments.name, keeper.folder))
    deadline = call.deadline(None)
    there = await _already_there(call, keeper, arguments)
    if there is not None:
        wanted = _file_name(arguments) or there[1].path.name
        return await answer_save(call, _told(there[1], there[0], wanted, arguments.name, new=False))
    film, intent = await _film(call, reference, deadline)
    if film.media_type not in (None, "video"):
        kind = plain_or_quoted(film.media_type)
        raise Failure("invalid_request", f"This asset is no film, but {kind}; nothing was saved.")
    wish = wanted_asset(film, caller=call.context.caller, name=arguments.name, intent=intent)
    place = await keeper.place(film.asset_id, call.context.caller, name=_file_name(arguments))
    if isinstance(place, SavedFilm):
        return await answer_save(call, _told(place, video(film), wish.name, arguments.name, new=False))
    keeping = await keeper.begin(wish if arguments.name is not None else await keeper.as_before(wish))
    await wait_for_film(call, keeping, deadline)
    match keeping.saved or keeping.outcome:
        case SavedFilm() as saved:
            if saved.warning:
                call.remark(saved.warning)
            return await answer_save(call, _told(saved, video(film), keeping.wanted.name, arguments.name, new=True))
        case MediaError() as error:
            raise failure_of_keeping(error)
        case None:
            raise under_way(keeping)


async def _saved_joined(call: Call, film: Intent, name: str | None, folder: Path) -> SaveOutput:
    """A film of several parts, which lies on disk since it was joined; with a `name` a copy under it."""
    joined, data_dir = joined_or_step(call, film), call.context.settings.data_dir
    try:
        async with told_of_film(film, _COPY_SECONDS):
            film, joined = await film_restored(call.context, film)
            file, wanted, is_new = await saved_as(film, joined, name=name, folder=folder, data_dir=data_dir)
    except KeepingError as error:
        raise failure_of_keeping(error) from None
    why = why_called(file.path.name, wanted=wanted, wish=name)
    return SaveOutput(
        summary=_summary(file.path.name, file.size, why, new=is_new),
        saved=SavedOutput(path=str(file.path), size_bytes=file.size),
        film=film_of_intent(film),
    )


def _way_to_link(reference: str) -> str:
    """Where a link to the film stands, as long as no file can be had."""
    if kind_of(reference) == "task":
        return "get_task gives a link to the film."
    if film_id_in(reference) is not None:
        return "get_task tells where the film can be had."
    where = f" and {asset_uri(reference)}" if kind_of(reference) == "asset" else ""
    return f"list_assets with links true{where} {'have' if where else 'has'} a link to the film."


def _file_name(arguments: SaveFilm) -> str | None:
    return None if arguments.name is None else given_name(arguments.name)


async def _already_there(call: Call, keeper: Keeper, arguments: SaveFilm) -> tuple[Video, SavedFilm] | None:
    """The film of an id, if it is on disk; whether Runway can be reached does not matter then."""
    named = arguments.asset_id
    if not is_id(named):
        return None
    if kind_of(named) == "task":
        intent = await owning_intent(call.context.service, named)
        if intent is None or intent.film is None:
            return None
        named = intent.film.asset_id
    place = await keeper.place(named, call.context.caller, name=_file_name(arguments))
    if not isinstance(place, SavedFilm):
        return None
    return Video(asset_id=place.asset_id, uri=asset_uri(place.asset_id)), place


async def _film(call: Call, reference: str, deadline: float) -> tuple[Asset, Intent | None]:
    """The film that a reference names, and the intent whose task made it; raises `Failure`, `RunwayError`."""
    context = call.context
    seconds = max(deadline - anyio.current_time(), READING_SECONDS)
    named = await clip_id_of(context, reference, seconds=seconds)
    if kind_of(named) == "task":
        task = await read_task(context, named, wait=0)
        if (failure := task_failure(task)) is not None:
            raise failure
        if not task.artifacts:
            raise Failure("invalid_request", _RUNS_ON.format(status=task.status), task=task)
        film = task.artifacts[0]
        if film.url is None:
            film = await context.service.client.asset(film.asset_id, patience=seconds / 2)
        return film, await owning_intent(context.service, named)
    film = await context.service.client.asset(named, patience=seconds / 2)
    intent = await owning_intent(context.service, film.task_id) if film.task_id else None
    return film, intent


def _told(saved: SavedFilm, film: Video, wanted: str, wish: str | None, *, new: bool) -> SaveOutput:
    """The result, which says why a file is called otherwise than by its `wanted` name, or by the `wish` behind it."""
    why = why_called(saved.path.name, wanted=wanted, wish=wish)
    summary = _summary(saved.path.name, saved.size, why, new=new)
    return SaveOutput(summary=summary, saved=saved_output(saved), video=film)


def _summary(name: str, size: int, why: str | None, *, new: bool) -> str:
    before = "The film is saved" if new else "The film was saved before, and its file is there"
    called = f" It is called so because {why}." if why else ""
    return f"{before}: {name}, {size / 1e6:.1f} MB.{called}"


def _is_offered(settings: Settings) -> bool:
    return settings.save == "own"


SAVE_FILM = ToolRecord(
    name="save_film",
    title="Save a Runway film",
    description=_DESCRIPTION,
    arguments=SaveFilm,
    output=SaveOutput,
    behaviour=KEEPS,
    run=save_film,
    fail=fail_save,
    read_only=False,
    offered=_is_offered,
)
"""The tool that keeps any film."""
