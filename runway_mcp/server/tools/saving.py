"""Films on disk on behalf of a call: where one lies, how far its keeping is, and why it failed."""

import anyio

from runway_mcp.films.keeper import FilmGone, Keeper, Keeping, SavedFilm
from runway_mcp.films.naming import Wanted, own_film
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
from runway_mcp.server.contract.asset_results import saved_output
from runway_mcp.server.contract.outputs import TaskOutput
from runway_mcp.server.progress import TOTAL
from runway_mcp.server.tools.running_call import Call
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.intents import Intent

_UNDER_WAY = "The film is still being saved to disk{progress}; save_film waits for it and tells where it is."
_GONE = "The film was saved to disk and its file was moved or deleted since; save_film saves it again."
_REFUSED = "The film could not be saved to disk before; save_film tries it again."
_FAILED = "The film could not be saved to disk: {reason} save_film tries it again."
_SET_FOLDER = "Make room, or set RUNWAY_MCP_SAVE_DIR to another folder and restart the server."

_KINDS: tuple[tuple[type[MediaError], str, str], ...] = (
    (NoRoom, "not_configured", _SET_FOLDER),
    (DiskFull, "not_configured", _SET_FOLDER),
    (FolderRefused, "not_configured", _SET_FOLDER),
    (TooLarge, "invalid_request", ""),
    (RefusedLink, "unexpected_response", ""),
    (NoFilm, "unexpected_response", ""),
    (FilmGone, "not_found", ""),
    (KeptElsewhere, "unavailable", "Make the same call again in a moment."),
)


async def with_saved(
    call: Call, output: TaskOutput, task: Task, intent: Intent | None, *, deadline: float | None = None
) -> TaskOutput:
    """The output with where its film lies on disk, if it is a film of this server's tasks and films are kept.

    A film that nobody has begun to keep is begun; its end is waited for until `deadline` (None: not at all). Where the
    film is not on disk the call remarks why, in one sentence, and succeeds all the same.
    """
    keeper = call.context.keeper
    wanted = own_film(task, intent) if intent is not None and intent.caller == call.context.caller else None
    if keeper is None or wanted is None:
        return output
    place = await keeper.place(wanted.asset_id, wanted.caller)
    if place in ("gone", "refused"):
        call.remark(_GONE if place == "gone" else _REFUSED)
        return output
    if not isinstance(place, SavedFilm):
        place = await _kept(call, keeper, wanted, deadline)
    return output if place is None else output.model_copy(update={"saved": saved_output(place)})


async def _kept(call: Call, keeper: Keeper, wanted: Wanted, deadline: float | None) -> SavedFilm | None:
    keeping = await keeper.begin(wanted, again=False)
    if deadline is not None and deadline > anyio.current_time():
        await wait_for_film(call, keeping, deadline)
    match keeping.outcome:
        case SavedFilm() as saved:
            return saved
        case MediaError() as error:
            call.remark(_FAILED.format(reason=error))
        case None:
            call.remark(_UNDER_WAY.format(progress=_in_brackets(keeping)))
    return None


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
    for form, kind, advice in _KINDS:
        if isinstance(error, form):
            return Failure(kind, f"{error} {advice}".strip())
    return Failure("unavailable", f"{error} What has come so far is kept, and the same call goes on with it.")


def _in_brackets(keeping: Keeping) -> str:
    if not keeping.received:
        return ""
    of = f" of {keeping.total / 1e6:.1f}" if keeping.total else ""
    return f" ({keeping.received / 1e6:.1f}{of} MB)"
