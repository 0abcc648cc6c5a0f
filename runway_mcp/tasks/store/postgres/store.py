"""PostgreSQL implementation of the store, for several machines on one ledger.

Every verb that changes an intent first locks its caller's row, so all changes for one caller follow one another. Such a
verb is told only after a confirmed COMMIT; reads, and an `observe` that would change nothing, wait for none.
"""

import secrets
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from functools import partial
from typing import Any, LiteralString, TypeVar

from runway_mcp.runway.fields import is_storable
from runway_mcp.tasks.intents import (
    BLIND_SECONDS,
    LONGEST_LEASE,
    Film,
    Intent,
    RequestKey,
    State,
    spelling_key,
    uuid_of,
)
from runway_mcp.tasks.policy import DAY_SECONDS, FREE, QUOTE_SECONDS, Quote, Spend, SpendPolicy, new_quote
from runway_mcp.tasks.store.postgres.database import Database, Patience, Statements
from runway_mcp.tasks.store.postgres.failures import UnclearCommitError, ledger_error
from runway_mcp.tasks.store.postgres.replicas import PostgresReplicas
from runway_mcp.tasks.store.postgres.rows import INSERT, UPDATE, values_of
from runway_mcp.tasks.store.postgres.statements import (
    change_intent,
    found,
    intents,
    lock_caller,
    lock_owner,
    stored_quote,
    write,
)
from runway_mcp.tasks.store.postgres.unposted import Unposted
from runway_mcp.tasks.store.protocol import Availability, Hint, Key, Store
from runway_mcp.tasks.transitions import (
    Selection,
    adopted,
    answered,
    begun,
    claimed,
    duplicate_of,
    kept_waiting,
    looked_for,
    names_of_source,
    observed,
    orphaned,
    spends_of,
    stepped,
    withdrawn,
)

_T = TypeVar("_T")

# The selections as the indices serve them; `is_selected` is the rule that each states.
_SELECTIONS: dict[Selection, LiteralString] = {
    Selection.UNFINISHED: "state IN ('posting', 'unclear') OR (state = 'accepted' AND ended IS NULL)",
    Selection.CLOSED_LATELY: "state = 'unknown' AND closed > %(now)s - %(blind)s",
    Selection.SUBMITTED: "state NOT IN ('refused', 'waiting')",
    Selection.SUCCEEDED: "status = 'SUCCEEDED' AND ended IS NOT NULL",
    Selection.WITHOUT_FILM: "status = 'SUCCEEDED' AND failure_kind IS NOT NULL",
    Selection.UNJOINED: "status = 'SUCCEEDED' AND ended IS NOT NULL AND is_unjoined",
    Selection.JOINED: "status = 'SUCCEEDED' AND ended IS NOT NULL AND steps IS NOT NULL AND NOT is_unjoined",
    Selection.ABANDONED: "state = 'waiting' AND NOT lease BETWEEN %(now)s AND %(now)s + %(longest)s",
    Selection.WAITING: "state = 'waiting'",
}

_REQUEST: LiteralString = (
    "WHERE idempotency_key = %s OR (idempotency_key = %s AND seed = %s) ORDER BY created DESC, position DESC"
)
_UNSETTLED: LiteralString = "WHERE state IN ('posting', 'waiting', 'unclear') ORDER BY created, position"
_LAST_DAY: LiteralString = "WHERE caller = %s AND created > %s AND cost > 0 ORDER BY created"

# No pipeline of statements: the Flush that ends one disarms the server's time-out for idle transactions.
_SPELL: LiteralString = (
    "INSERT INTO spellings SELECT name, %s FROM unnest(%s::text[]) AS name"
    " ON CONFLICT (spelling) DO UPDATE SET asset_id = excluded.asset_id"
)
_NAMED: LiteralString = """
    SELECT known FROM (
        SELECT asset_id AS known, 1 AS rank FROM spellings WHERE NOT %(tasks_only)s AND spelling = %(uuid)s
        UNION ALL SELECT task_id, 2 FROM intents WHERE task_uuid = %(uuid)s AND caller = %(caller)s
        UNION ALL SELECT task_id, 3 FROM intents WHERE film_uuid = %(uuid)s AND caller = %(caller)s
    ) AS names WHERE known IS NOT NULL ORDER BY rank LIMIT 1
"""


class PostgresStore(Store):
    """A store in a PostgreSQL database, 15 or later, safe with several processes on several machines.

    The database is reached at the first use and must be closed in the same event loop. Times are the database's;
    `clock` replaces them in tests. A POST that was begun by a COMMIT without a confirmation is not sent: the intent is
    taken back, at once or as soon as the database can be reached.
    """

    def __init__(self, url: str, *, clock: Callable[[], float] | None = None, patience: Patience | None = None) -> None:
        self._database = Database(url, clock=clock, patience=patience)
        self._unposted = Unposted(self._database)
        self._replicas = PostgresReplicas(self._database)

    @property
    def replicas(self) -> PostgresReplicas:
        return self._replicas

    async def open(self) -> bool:
        """Reaches the database and brings its tables to the newest format; False if that failed, which is logged."""
        return await self._database.open()

    async def close(self) -> None:
        """Closes the connections; a later use opens new ones."""
        await self._database.close()

    def reach(self) -> Availability:
        return self._database.reach()

    def now(self) -> float:
        return self._database.now()

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
        token, others = secrets.token_hex(8), tuple(rivals)
        names = sorted(names_of_source(intent, spellings))

        async def work(ledger: Statements) -> tuple[Intent, bool]:
            await lock_caller(ledger, intent.caller)
            now, same = await ledger.now(), await intents(ledger, _REQUEST, (key.given, key.unseeded, key.seed))
            rows = [await intents(ledger, _REQUEST, (each.given, each.unseeded, each.seed)) for each in others]
            held, is_earlier = claimed(
                intent,
                now,
                token=token,
                same=same,
                last_day=await intents(ledger, _LAST_DAY, (intent.caller, now - DAY_SECONDS)),
                policy=policy,
                quote=await stored_quote(ledger, policy.quote),
                covers=covers,
                rivals=[each for found in rows for each in found],
            )
            if is_earlier:
                # With this token it was written by an attempt of this verb whose COMMIT was not confirmed.
                return held, held.claim != token
            is_known = any(each.id == held.id for each in same)
            await ledger.execute(UPDATE if is_known else INSERT, values_of(held))
            await ledger.execute("UPDATE quotes SET intent_id = %s WHERE id = %s", (held.id, policy.quote))
            await ledger.execute(_SPELL, (intent.source_asset_id, names))
            return held, False

        return await self._transaction(work, caller=intent.caller)

    async def earlier(self, spelling: str, key_of: Callable[[str, str], RequestKey]) -> Intent | None:
        query = (
            "SELECT DISTINCT source_asset_id, task_type FROM intents"
            " WHERE source_asset_id = %s OR source_asset_id IN (SELECT asset_id FROM spellings WHERE spelling = %s)"
        )
        if not is_storable(spelling):
            return None

        async def work(ledger: Statements) -> Intent | None:
            now = await ledger.now()
            for source, model in await ledger.rows(query, (spelling, spelling_key(spelling))):
                key = key_of(source, model)
                same = await intents(ledger, _REQUEST, (key.given, key.unseeded, key.seed))
                if (earlier := duplicate_of(same, now)) is not None:
                    return earlier
            return None

        return await self._database.read(work)

    async def begin_post(self, intent_id: str, claim: str, *, upstream: float | None) -> Intent | None:
        written: tuple[Intent, Intent] | None = None

        def change(standing: Intent, now: float) -> Intent | None:
            nonlocal written
            changed = begun(standing, now, claim=claim, upstream=upstream)
            written = (standing, changed) if changed is not None else None
            return changed

        await self._unposted.take_back()
        if self._unposted.holds(claim):
            raise ledger_error(UnclearCommitError())
        work, caller = partial(change_intent, intent_id, change), await self._owner(intent_id)
        try:
            return await self._database.transaction(work, caller=caller, is_repeatable=False)
        except UnclearCommitError as error:
            if written is not None:
                self._unposted.add(*written)
            await self._unposted.take_back()
            raise ledger_error(error) from error

    async def keep_waiting(self, intent_id: str, claim: str, *, seconds: float) -> bool:
        return await self._changed(intent_id, partial(kept_waiting, claim=claim, seconds=seconds)) is not None

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
        return await self._changed(intent_id, change)

    async def end_step(self, intent_id: str, claim: str, name: str, made: Mapping[str, Any]) -> Intent | None:
        return await self._changed(intent_id, partial(stepped, claim=claim, name=name, made=made))

    async def withdraw(self, intent_id: str, claim: str, *, failure: tuple[str, str] | None = None) -> None:
        await self._changed(intent_id, lambda standing, _: withdrawn(standing, claim=claim, failure=failure))

    async def looked(self, intent: Intent, *, complete: bool, alike: bool = False) -> Intent | None:
        return await self._changed(intent.id, partial(looked_for, before=intent, complete=complete, alike=alike))

    async def accept(self, intent_id: str, task_id: str, status: str) -> Intent | None:
        async def work(ledger: Statements) -> Intent | None:
            if not await lock_owner(ledger, "id", intent_id):
                return None
            found = await intents(ledger, "WHERE id = %s OR task_id = %s", (intent_id, task_id))
            standing = next((each for each in found if each.id == intent_id), None)
            owner = next((each for each in found if each.task_id == task_id), None)
            changed = standing and adopted(standing, owner=owner, task_id=task_id, status=status)
            if await write(ledger, standing, changed):
                await self._replicas.note(ledger, Hint("look"))
            return changed

        return await self._transaction(work, caller=await self._owner(intent_id))

    async def observe(
        self, task_id: str, status: str, *, ended: bool, film: Film | None, failure: tuple[str, str] | None
    ) -> Intent | None:
        # Each server tells of each change, and most of what it tells another one has written.
        known = await self._database.read(lambda ledger: found(ledger, "task_id", task_id))
        if known is None or observed(known, 0.0, status=status, ended=ended, film=film, failure=failure) == known:
            return known

        async def work(ledger: Statements) -> Intent | None:
            if not await lock_owner(ledger, "task_id", task_id):
                return None
            standing = await found(ledger, "task_id", task_id)
            if standing is None:
                return None
            changed = observed(standing, await ledger.now(), status=status, ended=ended, film=film, failure=failure)
            if await write(ledger, standing, changed) and film is not None:
                name = (uuid_of(film.asset_id), film.asset_id)
                await ledger.execute("INSERT INTO spellings VALUES (%s, %s) ON CONFLICT DO NOTHING", name)
            return changed

        return await self._transaction(work, caller=known.caller)

    async def orphans(self) -> list[Intent]:
        async def work(ledger: Statements) -> list[Intent]:
            # In one order, so that two sweeps never wait for each other.
            query = (
                "SELECT id FROM callers WHERE id IN (SELECT caller FROM intents WHERE state IN ('posting', 'waiting')"
                " AND NOT lease BETWEEN %s AND %s) ORDER BY id FOR UPDATE"
            )
            before = await ledger.now()
            locked = {row[0] for row in await ledger.rows(query, (before, before + LONGEST_LEASE))}
            now, unclear = await ledger.now(), list[Intent]()
            for standing in await intents(ledger, _UNSETTLED):
                changed = orphaned(standing, now) if standing.caller in locked else standing
                await write(ledger, standing, changed)
                if changed.state is State.UNCLEAR:
                    unclear.append(changed)
            return unclear

        return await self._transaction(work)

    async def spends(self, *, caller: str) -> list[Spend]:
        async def work(ledger: Statements) -> list[Spend]:
            now = await ledger.now()
            last_day = await intents(ledger, _LAST_DAY, (caller, now - DAY_SECONDS))
            return spends_of(last_day, now, caller=caller)

        return await self._database.read(work)

    async def offer(self, covers: str) -> Quote:
        async def work(ledger: Statements) -> Quote:
            now = await ledger.now()
            quote = new_quote(covers, now)
            await ledger.execute("DELETE FROM quotes WHERE expires < %s", (now - QUOTE_SECONDS,))
            written = (quote.id, quote.covers, quote.expires)
            await ledger.execute("INSERT INTO quotes (id, covers, expires) VALUES (%s, %s, %s)", written)
            return quote

        return await self._transaction(work)

    async def find(self, by: Key, value: str) -> Intent | None:
        if not is_storable(value):
            return None
        return await self._database.read(lambda ledger: found(ledger, by, value))

    async def select(
        self, selection: Selection, *, caller: str | None = None, limit: int | None = None
    ) -> list[Intent]:
        own: LiteralString = "WHERE (%(caller)s::text IS NULL OR caller = %(caller)s) AND ("
        where = own + _SELECTIONS[selection] + ") ORDER BY created DESC, position DESC LIMIT %(limit)s"

        async def work(ledger: Statements) -> list[Intent]:
            values = {"now": await ledger.now(), "blind": BLIND_SECONDS, "longest": LONGEST_LEASE}
            values |= {"caller": caller, "limit": limit}
            return await intents(ledger, where, values)

        return await self._database.read(work)

    async def named(self, uuid: str, *, caller: str, tasks_only: bool = False) -> str | None:
        if not is_storable(uuid):
            return None
        values = {"uuid": uuid, "caller": caller, "tasks_only": tasks_only}
        rows = await self._database.read(lambda ledger: ledger.rows(_NAMED, values))
        return rows[0][0] if rows else None

    async def of_others(self, task_ids: Collection[str], *, caller: str) -> frozenset[str]:
        query = "SELECT task_id FROM intents WHERE caller <> %s AND task_id = ANY(%s)"
        asked = [task_id for task_id in task_ids if is_storable(task_id)]
        rows = await self._database.read(lambda ledger: ledger.rows(query, (caller, asked)))
        return frozenset(row[0] for row in rows)

    async def _changed(self, intent_id: str, change: Callable[[Intent, float], Intent | None]) -> Intent | None:
        return await self._transaction(partial(change_intent, intent_id, change), caller=await self._owner(intent_id))

    async def _owner(self, intent_id: str) -> str | None:
        """The caller of an intent, which never changes; None if there is no such intent."""
        rows = await self._database.read(
            lambda ledger: ledger.rows("SELECT caller FROM intents WHERE id = %s", (intent_id,))
        )
        return rows[0][0] if rows else None

    async def _transaction(self, work: Callable[[Statements], Awaitable[_T]], *, caller: str | None = None) -> _T:
        """A transaction that may run twice: of each verb a second run finds what the first has written."""
        await self._unposted.take_back()
        return await self._database.transaction(work, caller=caller)
