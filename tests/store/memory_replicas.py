"""What stores in memory share on one ledger, and what the servers on it agree on."""

import json
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import NoReturn

import anyio

from runway_mcp.tasks.intents import LONGEST_LEASE, Intent
from runway_mcp.tasks.policy import Quote
from runway_mcp.tasks.store.protocol import Hint, LedgerError, Replicas, Seen


@dataclass(frozen=True)
class Rows:
    """What stores on the same ledger share: intents by id, quotes by id, and assets by the names they are known by."""

    intents: dict[str, Intent] = field(default_factory=dict[str, Intent])
    quotes: dict[str, Quote] = field(default_factory=dict[str, Quote])
    names: dict[str, str] = field(default_factory=dict[str, str])
    leases: dict[str, tuple["MemoryReplicas | None", float]] = field(
        default_factory=dict[str, "tuple[MemoryReplicas | None, float]"]
    )
    seen: dict[tuple[str, str], tuple["MemoryReplicas", Seen]] = field(
        default_factory=dict[tuple[str, str], "tuple[MemoryReplicas, Seen]"]
    )
    listeners: dict["MemoryReplicas", Callable[[Hint], Awaitable[None]]] = field(
        default_factory=dict["MemoryReplicas", Callable[[Hint], Awaitable[None]]]
    )


def _status(told: str) -> str | None:
    return json.loads(told).get("status")


class MemoryReplicas(Replicas):
    """What stores in one event loop agree on; nothing of it works while it `is_away`, and hints only if it `hears`.

    Whoever asks for a lease is answered `answers_after` so many seconds.
    """

    def __init__(self, rows: Rows, clock: Callable[[], float]) -> None:
        self._rows = rows
        self._clock = clock
        self.is_away = False
        self.hears = True
        self.answers_after = 0.0

    async def take(self, name: str, *, seconds: float) -> float:
        self._check()
        now, (owner, until) = self._clock(), self._rows.leases.get(name, (None, 0.0))
        if owner is not self and now < until <= now + (LONGEST_LEASE if owner is None else 2 * seconds):
            return until - now
        self._rows.leases[name] = self, now + seconds
        await anyio.sleep(self.answers_after)
        return 0.0

    async def give_back(self, name: str, *, pause: float = 0.0) -> None:
        self._check()
        if self._rows.leases.get(name, (None, 0.0))[0] is self:
            self._rows.leases[name] = None, self._clock() + min(pause, LONGEST_LEASE)

    async def tell(
        self, account: str, tasks: Mapping[str, str], *, began: float | None = None, final: Collection[str] = ()
    ) -> None:
        self._check()
        now = self._clock()
        at = now if began is None else now - (anyio.current_time() - began)
        for task_id, told in tasks.items():
            _, before = self._rows.seen.get((account, task_id), (self, None))
            is_newer = before is None or not (_status(before.told) in final or at < before.at <= now)
            if not is_newer and _status(told) not in final:
                continue
            self._rows.seen[account, task_id] = self, Seen(told, at)
        await self.hint(Hint("look", account=account))

    async def told(self, account: str, task_ids: Collection[str]) -> Mapping[str, Seen]:
        self._check()
        rows = {each: self._rows.seen[account, each] for each in task_ids if (account, each) in self._rows.seen}
        return {task_id: seen for task_id, (teller, seen) in rows.items() if teller is not self}

    async def hint(self, hint: Hint) -> None:
        self._check()
        for listener, hear in list(self._rows.listeners.items()):
            if listener is not self and listener.hears:
                await hear(hint)

    async def listen(self, hear: Callable[[Hint], Awaitable[None]]) -> NoReturn:
        self._rows.listeners[self] = hear
        try:
            await anyio.sleep_forever()
        finally:
            del self._rows.listeners[self]
        raise AssertionError

    def _check(self) -> None:
        if self.is_away:
            raise LedgerError("The ledger is away.")
