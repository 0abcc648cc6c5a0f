"""Own films: those that this server's tasks end with are kept without being asked for."""

import logging
from typing import Final

from runway_mcp.films.keeper import Keeper
from runway_mcp.films.naming import own_film
from runway_mcp.runway.models import Task
from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.recall import remembered_task
from runway_mcp.tasks.store.protocol import LedgerError, Store
from runway_mcp.tasks.transitions import Selection

RECENT_SECONDS: Final = 86_400.0
"""For how long after its end a film that nobody began to keep is taken up at a start, in seconds."""

_MOST = 50
_log = logging.getLogger(__name__)


async def keep_own(keeper: Keeper, task: Task, intent: Intent | None) -> None:
    """Begins to keep the film of a task that has ended, unless it is known already, moved and deleted ones included."""
    wanted = own_film(task, intent) if intent is not None else None
    if wanted is not None and await keeper.place(wanted.asset_id, wanted.caller) is None:
        await keeper.begin(wanted, again=False)


async def resume_keeping(keeper: Keeper, store: Store) -> None:
    """Goes on with what earlier processes began, and takes up films that ended when nobody could begin; never raises.

    A process may have died between writing down a film and beginning to keep it.
    """
    try:
        await keeper.resume()
        since = store.now() - RECENT_SECONDS
        for intent in await store.select(Selection.SUCCEEDED, limit=_MOST):
            if intent.task_id is not None and intent.film is not None and (intent.ended or 0.0) >= since:
                await keep_own(keeper, remembered_task(intent, intent.task_id), intent)
    except LedgerError as error:
        _log.warning("%s Films that ended meanwhile are not kept.", error)
    except Exception:  # noqa: BLE001  a crash here would end every other call of the process
        _log.exception("films of earlier processes could not all be taken up")
