"""Own films: those that this server's tasks end with are kept without being asked for, from their end on.

A film whose task ended while none were kept (`RUNWAY_MCP_SAVE=never`) is never begun unasked.
"""

import logging
from pathlib import Path
from typing import Final

from runway_mcp.films.keeper import Keeper
from runway_mcp.films.naming import own_films
from runway_mcp.runway.models import Task
from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.recall import remembered_task
from runway_mcp.tasks.store.protocol import Store
from runway_mcp.tasks.store.retries import done_once
from runway_mcp.tasks.transitions import Selection

RECENT_SECONDS: Final = 86_400.0
"""For how long after its end a film that nobody began to keep is taken up at a start, in seconds."""

SINCE: Final = "films-kept-since"
"""The file in the data folder that tells since when own films are kept, in Unix seconds."""

_MOST = 50
_log = logging.getLogger(__name__)


def may_begin(intent: Intent) -> bool:
    """Whether a read that finds a task at its end may begin to keep its film unasked: only the first one to see it.

    `intent` is as it stood before that read. A film that it names already was begun when it was first seen, unless none
    were kept then.
    """
    return intent.film is None


async def keep_own(keeper: Keeper, task: Task, intent: Intent | None) -> None:
    """Begins to keep the films of a task that has ended, but those known already, moved and deleted ones included."""
    for wanted in own_films(task, intent) if intent is not None else ():
        if await keeper.place(wanted.asset_id, wanted.caller) is None:
            await keeper.begin(wanted, again=False)


def kept_since(data_dir: Path, now: float) -> float:
    """Since when own films are kept, in Unix seconds: `now` at a first start that keeps them. Blocks.

    A file that cannot be read or written counts as one that is not there.
    """
    file = data_dir / SINCE
    try:
        return min(float(file.read_text(encoding="ascii")), now)
    except (OSError, ValueError):
        try:
            data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            file.write_text(f"{now}\n", encoding="ascii")
        except OSError as error:
            _log.warning("since when films are kept could not be written down: %s", error.strerror)
    return now


def forget_kept_since(data_dir: Path) -> None:
    """Forgets since when own films are kept: films that end from now on are not begun by a later start. Blocks."""
    try:
        (data_dir / SINCE).unlink(missing_ok=True)
    except OSError as error:
        _log.warning("since when films are kept could not be forgotten: %s", error.strerror)


async def resume_keeping(keeper: Keeper, store: Store, *, since: float) -> None:
    """Goes on with what earlier processes began, and takes up films that ended when nobody could begin; never raises.

    A process may have died between writing down a film and beginning to keep it. Films that ended before `since` (Unix
    seconds), when none were kept, are left alone, and so are all but the newest 50.
    """
    since = max(since, store.now() - RECENT_SECONDS)

    async def resume() -> None:
        await keeper.resume()
        for intent in await store.select(Selection.SUCCEEDED, limit=_MOST):
            if intent.task_id is not None and intent.film is not None and (intent.ended or 0.0) >= since:
                await _keep_safely(keeper, remembered_task(intent, intent.task_id), intent)

    await done_once(
        resume,
        meanwhile="Films that ended meanwhile are not kept until that is mended.",
        fault="films of earlier processes could not all be taken up",
    )


async def _keep_safely(keeper: Keeper, task: Task, intent: Intent) -> None:
    try:
        await keep_own(keeper, task, intent)
    except Exception:  # noqa: BLE001  a fault with one must not keep the others from being kept
        _log.exception("a film of an earlier process could not be taken up")
