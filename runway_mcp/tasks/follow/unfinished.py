"""Unfinished tasks of the ledger, taken up: those of earlier processes, of other servers, of callers who came later."""

import logging
from collections.abc import Awaitable, Callable

from runway_mcp.runway.models import Task
from runway_mcp.tasks.follow.watcher import Watcher
from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.store.protocol import Store
from runway_mcp.tasks.transitions import Selection

_log = logging.getLogger(__name__)


async def follow_unfinished(
    store: Store, watcher: Watcher, taken_up: Callable[[Task], Awaitable[object]], *, followed_too: bool = False
) -> list[Intent]:
    """Has each unfinished task of the ledger taken up that is not followed yet; returns the submits without a task.

    With `followed_too` also the others: a reader may have begun to follow one of which he knows less than the ledger.
    The oldest comes first, and a fault with one leaves the others. Raises `LedgerError` if the ledger cannot be read.
    """
    unfinished = [*reversed(await store.select(Selection.UNFINISHED))]
    for intent in unfinished:
        if intent.task_id is not None and (followed_too or watcher.followed(intent.task_id) is None):
            try:
                await taken_up(Task(task_id=intent.task_id, status=intent.status or "PENDING"))
            except Exception:  # noqa: BLE001  a fault with one must not keep the others from being followed
                _log.exception("an unfinished task could not be taken up through a fault of this server")
    return [intent for intent in unfinished if intent.task_id is None]
