"""The ledger as one caller sees it: what other callers have asked for does not exist in it."""

from collections.abc import Collection
from dataclasses import dataclass

from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.policy import Quote, Spend
from runway_mcp.tasks.store.protocol import Key, Store
from runway_mcp.tasks.transitions import Selection


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
        """What a uuid in lower case names: an asset of the account, or a task of the caller; None if it is unknown."""
        return await self.store.named(uuid, caller=self.caller, tasks_only=tasks_only)

    async def of_others(self, task_ids: Collection[str]) -> frozenset[str]:
        """Those of some tasks that exist for other callers alone."""
        return await self.store.of_others(task_ids, caller=self.caller) if task_ids else frozenset()

    async def spends(self) -> list[Spend]:
        """What counts under the caller's daily cap now, oldest first."""
        return await self.store.spends(caller=self.caller)

    async def offer(self, covers: str) -> Quote:
        """Writes and returns a quote for the arguments of the key `covers`, which holds the caller."""
        return await self.store.offer(covers)
