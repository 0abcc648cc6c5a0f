"""A second store, in memory: no rules of its own, only rows and the pure functions of `transitions` and `policy`."""

import secrets
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from runway_mcp.tasks.intents import Film, Intent, RequestKey, State, spelling_key, uuid_of
from runway_mcp.tasks.policy import FREE, Quote, Spend, SpendPolicy, new_quote
from runway_mcp.tasks.store.protocol import Key, Store
from runway_mcp.tasks.transitions import (
    Selection,
    adopted,
    answered,
    begun,
    claimed,
    duplicate_of,
    is_of_request,
    is_selected,
    kept_waiting,
    looked_for,
    names_of_source,
    observed,
    orphaned,
    spends_of,
    stepped,
    withdrawn,
)
from tests.store.memory_replicas import MemoryReplicas, Rows


class MemoryStore(Store):
    """A store of one event loop: no verb awaits anything, so each is atomic.

    One that `is_shared` stands for a ledger on which servers of several machines work.
    """

    def __init__(self, rows: Rows, clock: Callable[[], float], *, is_shared: bool = False) -> None:
        self._rows = rows
        self._clock = clock
        self._replicas = MemoryReplicas(rows, clock) if is_shared else None

    @property
    def replicas(self) -> MemoryReplicas | None:
        return self._replicas

    def now(self) -> float:
        return self._clock()

    async def claim(
        self,
        intent: Intent,
        key: RequestKey,
        *,
        policy: SpendPolicy = FREE,
        covers: str = "",
        spellings: Iterable[str] = (),
        rivals: Iterable[RequestKey] = (),
    ) -> tuple[Intent, bool]:
        rows, quote = self._rows, self._rows.quotes.get(policy.quote or "")
        held, is_earlier = claimed(
            intent,
            self._clock(),
            token=secrets.token_hex(8),
            same=[each for each in rows.intents.values() if is_of_request(each, key)],
            last_day=rows.intents.values(),
            policy=policy,
            quote=quote,
            covers=covers,
            rivals=[each for key in rivals for each in rows.intents.values() if is_of_request(each, key)],
        )
        if not is_earlier:
            rows.intents[held.id] = held
            rows.names.update(dict.fromkeys(names_of_source(intent, spellings), intent.source_asset_id))
            if quote is not None:
                rows.quotes[quote.id] = replace(quote, intent_id=held.id)
        return held, is_earlier

    async def earlier(self, spelling: str, key_of: Callable[[str, str], RequestKey]) -> Intent | None:
        assets, intents = {spelling, self._rows.names.get(spelling_key(spelling))}, self._rows.intents.values()
        for source in {(each.source_asset_id, each.task_type) for each in intents if each.source_asset_id in assets}:
            key = key_of(*source)
            found = duplicate_of([each for each in intents if is_of_request(each, key)], self._clock())
            if found is not None:
                return found
        return None

    async def begin_post(self, intent_id: str, claim: str, *, upstream: float | None) -> Intent | None:
        return self._change(intent_id, partial(begun, claim=claim, upstream=upstream))

    async def keep_waiting(self, intent_id: str, claim: str, *, seconds: float) -> bool:
        return self._change(intent_id, partial(kept_waiting, claim=claim, seconds=seconds)) is not None

    async def answered(
        self,
        intent_id: str,
        claim: str,
        state: State,
        *,
        posts: int,
        looked: bool,
        failure: tuple[str, str] | None = None,
    ) -> Intent | None:
        change = partial(answered, claim=claim, posts=posts, state=state, looked=looked, failure=failure)
        return self._change(intent_id, change)

    async def end_step(self, intent_id: str, claim: str, name: str, made: Mapping[str, Any]) -> Intent | None:
        return self._change(intent_id, partial(stepped, claim=claim, name=name, made=made))

    async def withdraw(self, intent_id: str, claim: str, *, failure: tuple[str, str] | None = None) -> None:
        self._change(intent_id, lambda standing, _: withdrawn(standing, claim=claim, failure=failure))

    async def looked(self, intent: Intent, *, complete: bool, alike: bool = False) -> Intent | None:
        return self._change(intent.id, partial(looked_for, before=intent, complete=complete, alike=alike))

    async def accept(self, intent_id: str, task_id: str, status: str) -> Intent | None:
        owner = await self.find("task_id", task_id)
        return self._change(intent_id, lambda own, _: adopted(own, owner=owner, task_id=task_id, status=status))

    async def observe(
        self, task_id: str, status: str, *, ended: bool, film: Film | None, failure: tuple[str, str] | None
    ) -> Intent | None:
        owner = await self.find("task_id", task_id)
        if owner is None:
            return None
        changed = observed(owner, self._clock(), status=status, ended=ended, film=film, failure=failure)
        if changed != owner and film is not None:
            self._rows.names.setdefault(uuid_of(film.asset_id), film.asset_id)
        self._rows.intents[owner.id] = changed
        return changed

    async def orphans(self) -> list[Intent]:
        now, intents = self._clock(), self._rows.intents
        intents.update({each.id: orphaned(each, now) for each in intents.values()})
        return [each for each in intents.values() if each.state is State.UNCLEAR]

    async def spends(self, *, caller: str) -> list[Spend]:
        return spends_of(self._rows.intents.values(), self._clock(), caller=caller)

    async def offer(self, covers: str) -> Quote:
        quote = new_quote(covers, self._clock())
        self._rows.quotes[quote.id] = quote
        return quote

    async def find(self, by: Key, value: str) -> Intent | None:
        return next((each for each in self._rows.intents.values() if getattr(each, by) == value), None)

    async def select(
        self, selection: Selection, *, caller: str | None = None, limit: int | None = None
    ) -> list[Intent]:
        now, own = self._clock(), [each for each in self._rows.intents.values() if caller in (None, each.caller)]
        oldest_first = sorted(own, key=lambda each: each.created)
        return [each for each in reversed(oldest_first) if is_selected(each, now, selection)][:limit]

    async def named(self, uuid: str, *, caller: str, tasks_only: bool = False) -> str | None:
        if not tasks_only and uuid in self._rows.names:
            return self._rows.names[uuid]
        tasks = [each for each in self._rows.intents.values() if each.task_id and each.caller == caller]
        own = [each.task_id for each in tasks if uuid_of(each.task_id or "") == uuid]
        return next(iter([*own, *(each.task_id for each in tasks if each.film and _has(each.film, uuid))]), None)

    async def of_others(self, task_ids: Collection[str], *, caller: str) -> frozenset[str]:
        own = self._rows.intents.values()
        return frozenset(
            each.task_id for each in own if each.task_id and each.task_id in task_ids and each.caller != caller
        )

    def _change(self, intent_id: str, change: Callable[[Intent, float], Intent | None]) -> Intent | None:
        standing = self._rows.intents.get(intent_id)
        changed = change(standing, self._clock()) if standing else None
        if changed is not None:
            self._rows.intents[intent_id] = changed
        return changed


def _has(film: Film, uuid: str) -> bool:
    return uuid_of(film.asset_id) == uuid
