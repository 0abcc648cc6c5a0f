"""Films on disk on behalf of a call: where one lies, how far its keeping is, and why it failed or would fail."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import anyio
from anyio.to_thread import run_sync

from runway_mcp.films.keeper import Keeper
from runway_mcp.films.keeping import FilmGone, Keeping
from runway_mcp.films.naming import Wanted, own_films
from runway_mcp.films.own_films import may_begin
from runway_mcp.films.places import SavedFilm
from runway_mcp.media.errors import (
    DiskFull,
    FolderRefused,
    KeptElsewhere,
    MediaError,
    NoFilm,
    NoRoom,
    RefusedLink,
    TooLarge,
)
from runway_mcp.runway.models import Task
from runway_mcp.server.calls.running_call import Call
from runway_mcp.server.contract import next_steps
from runway_mcp.server.contract.outputs import TaskOutput
from runway_mcp.server.contract.results.assets import saved_output
from runway_mcp.server.progress import TOTAL
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.intents import Intent

_UNDER_WAY = "The film is still being saved to disk{progress}; save_film waits for it and tells where it is."
_GONE = "The film was saved to disk and its file was moved or deleted since; save_film saves it again."
_REFUSED = "The film could not be saved to disk before; save_film tries it again."
_NOT_BEGUN = "This server knows of no file of the film; save_film saves it."
_TRIED_AGAIN = (
    "It is tried again by itself after a while and at each start, unless it is no film; at once by save_film."
)
_FAILED = "The film could not be saved to disk when it was tried: {reason} {way}"
_OTHERS_SAVED = "The task's other films lie in the same folder: {names}."
_OTHERS_MISSING = "{count} more of the task's films could not be saved yet; save_film saves each by its assetId."
_WOULD_FAIL = (
    "The film could not be saved to disk: the folder {folder} cannot be written. RUNWAY_MCP_SAVE_DIR names another one."
)
_MAKE_ROOM = "Make room, or set RUNWAY_MCP_SAVE_DIR to another folder and restart the server"
_SET_FOLDER = "Mend that, or set RUNWAY_MCP_SAVE_DIR to a folder that can be written and restart the server"

_KINDS: tuple[tuple[type[MediaError], str, str], ...] = (
    (NoRoom, "not_configured", _MAKE_ROOM),
    (DiskFull, "not_configured", _MAKE_ROOM),
    (FolderRefused, "not_configured", _SET_FOLDER),
    (TooLarge, "invalid_request", ""),
    (RefusedLink, "unexpected_response", ""),
    (NoFilm, "unexpected_response", ""),
    (FilmGone, "not_found", ""),
    (KeptElsewhere, "unavailable", "Make the same call again in a moment"),
)

_Standing = SavedFilm | Keeping | Literal["gone", "refused"] | None
_Outcome = _Standing | MediaError


async def with_saved(
    call: Call, output: TaskOutput, task: Task, intent: Intent | None, *, deadline: float | None = None
) -> TaskOutput:
    """The output with where its film lies on disk, whoever made the film; unchanged where no films are kept.

    Of the films of this server's tasks those are begun whose end this call is the first to see (`may_begin`); a film
    that ended while none were kept is begun on wish alone. What is under way is waited for until `deadline` (None: not
    at all). Where an own film is not on disk the call remarks why, in one sentence, and succeeds all the same. `intent`
    is as it stood before the task was read.
    """
    keeper, caller = call.context.keeper, call.context.caller
    if keeper is None or task.status != "SUCCEEDED" or not task.artifacts:
        return output
    own = own_films(task, intent) if intent is not None and intent.caller == caller else ()
    if intent is None or not own:
        return _with_place(output, await keeper.place(task.artifacts[0].asset_id, caller))
    standing: list[_Standing] = [await _standing(keeper, each, new=may_begin(intent)) for each in own]
    for each in standing:
        if isinstance(each, Keeping) and deadline is not None and deadline > anyio.current_time():
            await wait_for_film(call, each, deadline)
    outcomes: list[_Outcome] = [_outcome(each) for each in standing]
    first, *others = outcomes
    if not isinstance(first, SavedFilm):
        call.remark(_why_missing(first))
    elif first.warning:
        call.remark(first.warning)
    _remark_others(call, others)
    if isinstance(first, Keeping) and output.next_step is None:
        return output.model_copy(update={"next_step": next_steps.save(own[0].asset_id)})
    return _with_place(output, first)


def _with_place(output: TaskOutput, place: object) -> TaskOutput:
    return output.model_copy(update={"saved": saved_output(place)}) if isinstance(place, SavedFilm) else output


async def _standing(keeper: Keeper, wanted: Wanted, *, new: bool) -> _Standing:
    """Where an own film is; one that was begun goes on, and a `new` one is begun."""
    place = await keeper.place(wanted.asset_id, wanted.caller)
    if place == "begun" or (place is None and new):
        return await keeper.begin(wanted, again=False)
    return place


def _outcome(standing: _Standing) -> _Outcome:
    return standing.saved or standing.outcome or standing if isinstance(standing, Keeping) else standing


def _why_missing(standing: Keeping | MediaError | Literal["gone", "refused"] | None) -> str:
    """Why a film is not on disk, in one sentence or two."""
    match standing:
        case Keeping() as keeping:
            return _UNDER_WAY.format(progress=_in_brackets(keeping))
        case MediaError() as error:
            kind, advice = _kind_of(error)
            way = f"{advice}; save_film then saves it." if kind == "not_configured" else _TRIED_AGAIN
            return _FAILED.format(reason=error, way=way)
        case "gone":
            return _GONE
        case "refused":
            return _REFUSED
        case None:
            return _NOT_BEGUN


def _remark_others(call: Call, others: Sequence[_Outcome]) -> None:
    """Tells of the further films of a task, which were paid for as well."""
    names = [each.path.name for each in others if isinstance(each, SavedFilm)]
    if names:
        call.remark(_OTHERS_SAVED.format(names=", ".join(names)))
    if len(names) < len(others):
        call.remark(_OTHERS_MISSING.format(count=len(others) - len(names)))


async def warn_of_folder(call: Call) -> None:
    """Remarks that a film could not be saved, where a look at the folder shows it; looks at no free space."""
    keeper = call.context.keeper
    if keeper is not None and not await run_sync(_can_be_written, keeper.folder):
        call.remark(_WOULD_FAIL.format(folder=keeper.folder))


def _can_be_written(folder: Path) -> bool:
    """Whether a folder is there, or could be made, and lets this process write into it."""
    there = next((each for each in (folder, *folder.absolute().parents) if _is_there(each)), None)
    return there is not None and there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def _is_there(path: Path) -> bool:
    try:
        path.lstat()
    except OSError:
        return False
    return True


async def wait_for_film(call: Call, keeping: Keeping, deadline: float) -> None:
    """Waits until the film is on disk, at most until `deadline`; the host is notified of the bytes that come."""

    async def tell(keeping: Keeping) -> None:
        share = keeping.received / keeping.total * TOTAL if keeping.total else 0.0
        await call.progress.say(f"saving the film to disk{_in_brackets(keeping)}", percent=share)

    await keeping.wait(deadline=deadline, tell=tell)


def under_way(keeping: Keeping) -> Failure:
    """The failure of a call whose time is over while its film is still coming; the same call goes on with it."""
    message = (
        f"The film is not whole on disk yet{_in_brackets(keeping)}. It goes on coming; the same call waits for it."
    )
    return Failure("unavailable", message, retry="now")


def failure_of_keeping(error: MediaError) -> Failure:
    """The failure of a call whose film could not be kept; nothing is ever charged for that."""
    kind, advice = _kind_of(error)
    return Failure(kind, f"{error} {advice}." if advice else str(error))


def _kind_of(error: MediaError) -> tuple[str, str]:
    """The kind of a failed keeping, and what to do, as a sentence without its end."""
    for form, kind, advice in _KINDS:
        if isinstance(error, form):
            return kind, advice
    return "unavailable", "What has come so far is kept, and the same call goes on with it"


def _in_brackets(keeping: Keeping) -> str:
    if not keeping.received:
        return " (it waits for its turn)" if keeping.waiting else ""
    of = f" of {keeping.total / 1e6:.1f}" if keeping.total else ""
    return f" ({keeping.received / 1e6:.1f}{of} MB)"
