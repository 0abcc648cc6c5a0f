"""SQLite implementation of the store: one file on a local disk.

Statements run on the event loop: each takes milliseconds, and a lock of another process is awaited. A slow disk
holds up other calls. An unwritable file raises `LedgerError` before anything is spent.
"""

import json
import random
import secrets
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

import anyio

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
from runway_mcp.tasks.store.protocol import Availability, Key, LedgerError, Store
from runway_mcp.tasks.store.sqlite.database import LOCK_PATIENCE, connect, file_error, identity, immediate, is_busy
from runway_mcp.tasks.store.sqlite.rows import found_by_request, insert, intent_of, read, update
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

_BY: dict[Key, str] = {
    "id": "SELECT * FROM intents WHERE id = ?",
    # The first characters of an intent's id; "~" comes after each letter and digit.
    "film_id": (
        "SELECT * FROM intents WHERE id >= substr(?1, 6) AND id < substr(?1, 6) || '~'"
        " AND ?1 = 'film_' || substr(id, 1, 16)"
    ),
    "task_id": "SELECT * FROM intents WHERE task_id = ?",
    "callback_token": "SELECT * FROM intents WHERE callback_token = ?",
}

_JOINED = "EXISTS (SELECT 1 FROM json_each(steps) WHERE json_extract(value, '$.name') = 'join')"
# The selections as the file's indices serve them; `is_selected` is the rule that each states.
_SELECTIONS = {
    Selection.UNFINISHED: "state IN ('posting', 'unclear') OR (state = 'accepted' AND ended IS NULL)",
    Selection.CLOSED_LATELY: f"state = 'unknown' AND closed > :now - {BLIND_SECONDS}",
    Selection.SUBMITTED: "state NOT IN ('refused', 'waiting')",
    Selection.SUCCEEDED: "status = 'SUCCEEDED' AND ended IS NOT NULL",
    Selection.WITHOUT_FILM: "status = 'SUCCEEDED' AND failure_kind IS NOT NULL",
    Selection.UNJOINED: f"status = 'SUCCEEDED' AND ended IS NOT NULL AND steps IS NOT NULL AND NOT {_JOINED}",
    Selection.JOINED: f"status = 'SUCCEEDED' AND ended IS NOT NULL AND steps IS NOT NULL AND {_JOINED}",
    Selection.ABANDONED: f"state = 'waiting' AND NOT lease BETWEEN :now AND :now + {LONGEST_LEASE}",
    Selection.WAITING: "state = 'waiting'",
}


class SqliteStore(Store):
    """A store in one SQLite file, safe with several processes at once: every change is one immediate transaction.

    The file is opened at the first use. `clock` gives Unix seconds and is read inside the transaction that uses it.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._open: sqlite3.Connection | None = None
        self._reach = Availability.NEVER
        self._files: list[tuple[int, int] | None] = []

    def close(self) -> None:
        """Closes the file; a later use opens it again."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def reach(self) -> Availability:
        return self._reach

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
        def work(ledger: sqlite3.Connection) -> tuple[Intent, bool]:
            now, same = self._clock(), found_by_request(ledger, key)
            held, is_earlier = claimed(
                intent,
                now,
                token=secrets.token_hex(8),
                same=same,
                last_day=_last_day(ledger, now, intent.caller),
                policy=policy,
                quote=_quote(ledger, policy.quote),
                covers=covers,
                rivals=[each for rival in rivals for each in found_by_request(ledger, rival)],
            )
            if is_earlier:
                return held, True
            (update if read(ledger, held.id) else insert)(ledger, held)
            ledger.execute("UPDATE quotes SET intent_id = ? WHERE id = ?", (held.id, policy.quote))
            rows = [(name, intent.source_asset_id) for name in names_of_source(intent, spellings)]
            ledger.executemany("INSERT OR REPLACE INTO spellings (spelling, asset_id) VALUES (?, ?)", rows)
            return held, False

        return await self._transaction(work)

    async def earlier(self, spelling: str, key_of: Callable[[str, str], RequestKey]) -> Intent | None:
        def work(ledger: sqlite3.Connection) -> Intent | None:
            now = self._clock()
            query = (
                "SELECT DISTINCT source_asset_id, task_type FROM intents"
                " WHERE source_asset_id = ? OR source_asset_id IN (SELECT asset_id FROM spellings WHERE spelling = ?)"
            )
            for source in ledger.execute(query, (spelling, spelling_key(spelling))).fetchall():
                same = found_by_request(ledger, key_of(source["source_asset_id"], source["task_type"]))
                if (found := duplicate_of(same, now)) is not None:
                    return found
            return None

        return await self._transaction(work)

    async def begin_post(self, intent_id: str, claim: str, *, upstream: float | None) -> Intent | None:
        return await self._change(intent_id, partial(begun, claim=claim, upstream=upstream))

    async def keep_waiting(self, intent_id: str, claim: str, *, seconds: float) -> bool:
        return await self._change(intent_id, partial(kept_waiting, claim=claim, seconds=seconds)) is not None

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
        return await self._change(intent_id, change)

    async def end_step(self, intent_id: str, claim: str, name: str, made: Mapping[str, Any]) -> Intent | None:
        return await self._change(intent_id, partial(stepped, claim=claim, name=name, made=made))

    async def withdraw(self, intent_id: str, claim: str, *, failure: tuple[str, str] | None = None) -> None:
        await self._change(intent_id, lambda standing, _: withdrawn(standing, claim=claim, failure=failure))

    async def looked(self, intent: Intent, *, complete: bool, alike: bool = False) -> Intent | None:
        return await self._change(intent.id, partial(looked_for, before=intent, complete=complete, alike=alike))

    async def accept(self, intent_id: str, task_id: str, status: str) -> Intent | None:
        def work(ledger: sqlite3.Connection) -> Intent | None:
            owner = _found(ledger, "task_id", task_id)
            standing = read(ledger, intent_id)
            changed = standing and adopted(standing, owner=owner, task_id=task_id, status=status)
            _write(ledger, standing, changed)
            return changed

        return await self._transaction(work)

    async def observe(
        self, task_id: str, status: str, *, ended: bool, film: Film | None, failure: tuple[str, str] | None
    ) -> Intent | None:
        def work(ledger: sqlite3.Connection) -> Intent | None:
            standing = _found(ledger, "task_id", task_id)
            if standing is None:
                return None
            changed = observed(standing, self._clock(), status=status, ended=ended, film=film, failure=failure)
            if _write(ledger, standing, changed) and film is not None:
                name = (uuid_of(film.asset_id), film.asset_id)
                ledger.execute("INSERT OR IGNORE INTO spellings (spelling, asset_id) VALUES (?, ?)", name)
            return changed

        return await self._transaction(work)

    async def orphans(self) -> list[Intent]:
        def work(ledger: sqlite3.Connection) -> list[Intent]:
            now, found = self._clock(), list[Intent]()
            query = "SELECT * FROM intents WHERE state IN ('posting', 'waiting', 'unclear') ORDER BY created"
            for standing in [intent_of(row) for row in ledger.execute(query)]:
                changed = orphaned(standing, now)
                _write(ledger, standing, changed)
                if changed.state is State.UNCLEAR:
                    found.append(changed)
            return found

        return await self._transaction(work)

    async def spends(self, *, caller: str) -> list[Spend]:
        def work(ledger: sqlite3.Connection) -> list[Spend]:
            now = self._clock()
            return spends_of(_last_day(ledger, now, caller), now, caller=caller)

        return await self._transaction(work)

    async def offer(self, covers: str) -> Quote:
        def work(ledger: sqlite3.Connection) -> Quote:
            now = self._clock()
            quote = new_quote(covers, now)
            ledger.execute("DELETE FROM quotes WHERE expires < ?", (now - QUOTE_SECONDS,))
            ledger.execute(
                "INSERT INTO quotes (id, covers, expires) VALUES (?, ?, ?)", (quote.id, quote.covers, quote.expires)
            )
            return quote

        return await self._transaction(work)

    async def find(self, by: Key, value: str) -> Intent | None:
        return await self._transaction(lambda ledger: _found(ledger, by, value))

    async def select(
        self, selection: Selection, *, caller: str | None = None, limit: int | None = None
    ) -> list[Intent]:
        where = _SELECTIONS[selection] if caller is None else f"caller = :caller AND ({_SELECTIONS[selection]})"
        query = f"SELECT * FROM intents WHERE {where} ORDER BY created DESC, rowid DESC LIMIT :limit"  # noqa: S608  own words

        def work(ledger: sqlite3.Connection) -> list[Intent]:
            values = {"now": self._clock(), "caller": caller, "limit": -1 if limit is None else limit}
            return [intent_of(row) for row in ledger.execute(query, values)]

        return await self._transaction(work)

    async def named(self, uuid: str, *, caller: str, tasks_only: bool = False) -> str | None:
        asset = "SELECT asset_id FROM spellings WHERE spelling = :uuid"
        task = "SELECT task_id FROM intents WHERE task_id LIKE '%-task:' || :uuid AND caller = :caller"
        maker = "SELECT task_id FROM intents WHERE film LIKE '%-asset:' || :uuid || '\"%' AND caller = :caller"

        def work(ledger: sqlite3.Connection) -> str | None:
            for query in (task, maker) if tasks_only else (asset, task, maker):
                if (row := ledger.execute(query, {"uuid": uuid, "caller": caller}).fetchone()) is not None:
                    return row[0]
            return None

        return await self._transaction(work)

    async def of_others(self, task_ids: Collection[str], *, caller: str) -> frozenset[str]:
        query = "SELECT task_id FROM intents WHERE caller != ? AND task_id IN (SELECT value FROM json_each(?))"
        asked = (caller, json.dumps(list(task_ids)))
        return await self._transaction(lambda ledger: frozenset(row[0] for row in ledger.execute(query, asked)))

    async def _change(self, intent_id: str, change: Callable[[Intent, float], Intent | None]) -> Intent | None:
        """Applies a transition to an intent; None if it was refused or there is no such intent."""

        def work(ledger: sqlite3.Connection) -> Intent | None:
            standing = read(ledger, intent_id)
            changed = standing and change(standing, self._clock())
            _write(ledger, standing, changed)
            return changed

        return await self._transaction(work)

    async def _transaction(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        try:
            done = await self._attempted(work)
        except LedgerError:
            self._reach = Availability.NEVER if self._reach is Availability.NEVER else Availability.AWAY
            raise
        self._reach = Availability.REACHED
        return done

    async def _attempted(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        give_up = anyio.current_time() + LOCK_PATIENCE
        while True:
            try:
                with immediate(self._connection()) as ledger:
                    return work(ledger)
            except (sqlite3.Error, OSError) as error:
                if not is_busy(error) or anyio.current_time() >= give_up:
                    raise file_error(self._path, error) from error
            await anyio.sleep(random.uniform(0.01, 0.05))  # noqa: S311  jitter

    def _identities(self) -> list[tuple[int, int] | None]:
        """The identities of the ledger's file and its write-ahead log, which change if they are replaced."""
        return [identity(self._path), identity(self._path.with_name(f"{self._path.name}-wal"))]

    def _connection(self) -> sqlite3.Connection:
        if self._open is None:
            self._open = connect(self._path)
            self._files = self._identities()
        elif self._identities() != self._files:
            raise LedgerError(
                f"The ledger {self._path} was removed or replaced while this server runs, so what is written now would "
                "be lost.",
                "Put it back: a server that is restarted without it has forgotten what was paid, and would "
                "submit and charge the same request once more.",
            )
        return self._open

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _found(ledger: sqlite3.Connection, by: Key, value: str) -> Intent | None:
    row = ledger.execute(_BY[by], (value,)).fetchone()
    return intent_of(row) if row else None


def _last_day(ledger: sqlite3.Connection, now: float, caller: str) -> list[Intent]:
    """A caller's intents of the last 24 hours that cost anything."""
    query = "SELECT * FROM intents WHERE caller = ? AND created > ? AND cost > 0 ORDER BY created"
    return [intent_of(row) for row in ledger.execute(query, (caller, now - DAY_SECONDS))]


def _quote(ledger: sqlite3.Connection, quote_id: str | None) -> Quote | None:
    row = ledger.execute("SELECT * FROM quotes WHERE id = ?", (quote_id,)).fetchone()
    return Quote(row["id"], row["covers"], row["expires"], row["intent_id"]) if row else None


def _write(ledger: sqlite3.Connection, standing: Intent | None, changed: Intent | None) -> bool:
    """Writes an intent if a transition changed it; False if it did not."""
    if changed is None or changed == standing:
        return False
    update(ledger, changed)
    return True
