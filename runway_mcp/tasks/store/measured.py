"""The ledger with a meter, where figures are wanted: how long its verbs take, which fail, which leases are held."""

import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from functools import wraps
from typing import Any, Final, NoReturn, cast

import anyio

from runway_mcp.tasks.intents import State
from runway_mcp.tasks.store.protocol import Hint, LedgerError, Replicas, Seen, Store
from runway_mcp.tasks.transitions import Selection
from runway_mcp.telemetry import Meter

_log = logging.getLogger(__name__)

COUNT_SECONDS: Final = 15.0
"""How often the intents of unknown outcome are counted, in seconds."""

# For how long it is known that an ended lease was this server's: it may notice its loss late.
_KNOWN_SECONDS = 600.0

VERBS: Final = frozenset(
    {
        *("claim", "earlier", "begin_post", "keep_waiting", "answered", "end_step", "withdraw", "looked", "accept"),
        *("observe", "orphans", "spends", "offer", "find", "select", "named", "of_others"),
    }
)
"""The verbs of a store that are measured: those that ask the ledger."""


@asynccontextmanager
async def measured_store(store: Store, meter: Meter) -> AsyncGenerator[Store]:
    """The same store, whose verbs a meter is told of while it is open; it also has the intents counted."""
    measured = _Measured(store, meter)
    unsettled = [0]
    counts: dict[str, Callable[[], float]] = {"intents_unsettled": lambda: unsettled[0]}
    if measured.replicas is not None:
        counts["leases_held"] = measured.replicas.held
    meter.watch(counts)

    async def count() -> None:
        while True:
            try:
                left = await store.select(Selection.UNFINISHED)
                unsettled[0] = sum(intent.state in (State.POSTING, State.UNCLEAR) for intent in left)
            except LedgerError:
                pass  # the figures tell of it as of every failure of the ledger
            except Exception:  # noqa: BLE001  a crash here would end every other call of the process
                _log.exception("the intents of unknown outcome could not be counted")
            await anyio.sleep(COUNT_SECONDS)

    async with anyio.create_task_group() as group:
        group.start_soon(count)
        yield cast("Store", measured)
        group.cancel_scope.cancel()


class _Measured:
    """All but the verbs is the store's own."""

    def __init__(self, store: Store, meter: Meter) -> None:
        self._store = store
        self.replicas = None if store.replicas is None else MeasuredReplicas(store.replicas, meter)
        for verb in VERBS:
            setattr(self, verb, _timed(verb, getattr(store, verb), meter))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def _timed(verb: str, call: Callable[..., Awaitable[Any]], meter: Meter) -> Callable[..., Awaitable[Any]]:
    @wraps(call)
    async def timed(*arguments: Any, **named: Any) -> Any:
        began, failed = time.perf_counter(), False
        try:
            return await call(*arguments, **named)
        except LedgerError:
            failed = True
            raise
        finally:
            meter.stored(verb, time.perf_counter() - began, failed=failed)

    return timed


class MeasuredReplicas(Replicas):
    """The same agreements, and which leases of them this server has; `now` gives seconds."""

    def __init__(self, replicas: Replicas, meter: Meter, *, now: Callable[[], float] = time.monotonic) -> None:
        self._replicas = replicas
        self._meter = meter
        self._now = now
        self._until: dict[str, float] = {}

    def held(self) -> int:
        """How many leases this server has; may be asked in any thread."""
        now = self._now()
        return sum(until > now for until in tuple(self._until.values()))

    async def take(self, name: str, *, seconds: float) -> float:
        left = await self._replicas.take(name, seconds=seconds)
        now = self._now()
        if left <= 0:
            known = {each: until for each, until in self._until.items() if until > now - _KNOWN_SECONDS}
            self._until = known | {name: now + seconds}
        elif self._until.pop(name, None) is not None:
            self._meter.lease_lost()
        return left

    async def give_back(self, name: str, *, pause: float = 0.0) -> None:
        self._until.pop(name, None)
        await self._replicas.give_back(name, pause=pause)

    async def tell(
        self, account: str, tasks: Mapping[str, str], *, began: float | None = None, final: Collection[str] = ()
    ) -> None:
        await self._replicas.tell(account, tasks, began=began, final=final)

    async def told(self, account: str, task_ids: Collection[str]) -> Mapping[str, Seen]:
        return await self._replicas.told(account, task_ids)

    async def hint(self, hint: Hint) -> None:
        await self._replicas.hint(hint)

    async def listen(self, hear: Callable[[Hint], Awaitable[None]]) -> NoReturn:
        await self._replicas.listen(hear)
