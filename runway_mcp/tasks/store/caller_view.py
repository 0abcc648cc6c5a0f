"""The ledger as one caller sees it: what other callers have asked for does not exist in it."""

import logging
from collections.abc import Collection
from dataclasses import dataclass

from runway_mcp.runway.ids import task_beside
from runway_mcp.runway.models import RunningTask, Task
from runway_mcp.tasks.intents import Intent, uuid_of
from runway_mcp.tasks.policy import Quote, Spend
from runway_mcp.tasks.store.protocol import Key, LedgerError, Store
from runway_mcp.tasks.transitions import Selection

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CallerLedger:
    """The part of a store that exists for `caller`, to be read and quoted from; each verb raises `LedgerError`.

    Its verbs are those of `Store`.
    """

    store: Store
    caller: str

    def now(self) -> float:
        """The store's clock in Unix seconds."""
        return self.store.now()

    async def find(self, by: Key, value: str) -> Intent | None:
        """The caller's intent whose field `by` has that value; None if there is none."""
        found = await self.store.find(by, value)
        return found if found is not None and found.caller == self.caller else None

    async def select(self, selection: Selection, *, limit: int | None = None) -> list[Intent]:
        """The caller's intents of a selection, newest first; with `limit` that many of the newest."""
        return await self.store.select(selection, caller=self.caller, limit=limit)

    async def named(self, uuid: str, *, tasks_only: bool = False) -> str | None:
        """What a uuid in lower case names: an asset of the account, or a task of the caller; None if it is unknown.

        The uuid of another caller's task may be kept as a name of its film, and is unknown all the same.
        """
        found = await self.store.named(uuid, caller=self.caller, tasks_only=tasks_only)
        is_hidden = found is not None and await self.hides(uuid, near=found)
        return None if is_hidden else found

    async def hides(self, reference: str, *, near: str) -> bool:
        """Whether an id names another caller's task; a bare uuid one of the account that the long id `near` is of."""
        named = task_beside(near, reference)
        return named is not None and named in await self.store.of_others([named], caller=self.caller)

    async def of_others(self, tasks: Collection[Task]) -> frozenset[str]:
        """The ids of those of some tasks that exist for other callers alone.

        Intents of theirs own them or, while the outcome of their POST is unknown, may have made them.
        """
        if not tasks:
            return frozenset()
        # In this order: an intent whose POST is answered in between owns the task by the second look.
        likely = await self.likely_of_others(tasks)
        return likely | await self.owned_by_others([task.task_id for task in tasks])

    async def owned_by_others(self, task_ids: Collection[str]) -> frozenset[str]:
        """Those of some tasks that intents of other callers own."""
        return await self.store.of_others(task_ids, caller=self.caller)

    async def likely_of_others(self, tasks: Collection[Task]) -> frozenset[str]:
        """The ids of those of some tasks that intents of other callers may have made, and none of the caller's owns."""
        unfinished = await self.store.select(Selection.UNFINISHED)
        unclear = [each for each in unfinished if each.task_id is None and each.caller != self.caller]
        likely = {task.task_id for task in tasks if any(_may_have_made(intent, task) for intent in unclear)}
        own = {task_id for task_id in likely if await self.find("task_id", task_id) is not None}
        return frozenset(likely - own)

    async def hidden(self, tasks: Collection[Task]) -> frozenset[str]:
        """As `of_others`; never raises: if the ledger fails, none for the caller without a name, and all for others."""
        try:
            return await self.of_others(tasks)
        except LedgerError as error:
            _log.warning("%s", error)
            return frozenset(task.task_id for task in tasks) if self.caller else frozenset()

    async def shown(self, running: Collection[RunningTask]) -> tuple[RunningTask, ...]:
        """Those of some running tasks that are not `hidden`."""
        hidden = await self.hidden([Task(task_id=each.task_id, reply_ref=each.reply_ref) for each in running])
        return tuple(each for each in running if each.task_id not in hidden)

    async def spends(self) -> list[Spend]:
        """What counts under the caller's daily cap now, oldest first."""
        return await self.store.spends(caller=self.caller)

    async def offer(self, covers: str) -> Quote:
        """Writes and returns a quote for the arguments of the key `covers`, which holds the caller."""
        return await self.store.offer(covers)


def _may_have_made(intent: Intent, task: Task) -> bool:
    """Whether a task has the reference of an intent, or its seed and no other source."""
    if task.reply_ref == intent.reply_ref:
        return True
    source = task.options.extended_from_task_id
    return task.options.seed == intent.seed and (
        source is None or uuid_of(source) == uuid_of(intent.parent_task_id or "")
    )
