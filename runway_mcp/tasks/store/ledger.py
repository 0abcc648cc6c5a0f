"""Ledger: one SQLite file that records every request to spend, from before its POST to its task's end.

Statements run on the event loop: each takes milliseconds, and a lock of another process is awaited, so nothing blocks.
An unwritable file raises `LedgerError` before anything is spent.
"""

import random
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Self, TypeVar

import anyio

from runway_mcp.tasks.intents import (
    BLIND_SECONDS,
    LOOKING_SECONDS,
    OPEN,
    POSTING_LEASE,
    WAITING_LEASE,
    Film,
    Intent,
    RequestKey,
    State,
    answers_duplicates,
    spelling_key,
    uuid_of,
)
from runway_mcp.tasks.policy import QUOTE_SECONDS, Day, Quote, SpendPolicy
from runway_mcp.tasks.store.caps import check_caps, check_quote, day
from runway_mcp.tasks.store.database import LOCK_PATIENCE, LedgerError, connect, identity, immediate, is_busy, sentence
from runway_mcp.tasks.store.rows import claimed, film_json, found_by_request, insert, intent_of, read, update

_T = TypeVar("_T")

FREE = SpendPolicy()
"""No caps, no confirmation."""


class Ledger:
    """Intents on disk, safe with several processes at once: every change is one immediate transaction.

    The file is opened at the first use. `clock` gives Unix seconds and is read inside the transaction that uses it.
    Every method raises `LedgerError`.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._open: sqlite3.Connection | None = None
        self._files: list[tuple[int, int] | None] = []

    def close(self) -> None:
        """Closes the file; a later use opens it again."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def now(self) -> float:
        """The ledger's clock in Unix seconds, to compare with times that it returned."""
        return self._clock()

    async def claim(
        self,
        intent: Intent,
        key: RequestKey,
        *,
        policy: SpendPolicy = FREE,
        covers: str = "",
        spellings: Iterable[str] = (),
    ) -> tuple[Intent, bool]:
        """Writes the intent unless its request is a duplicate; returns it or the earlier one, and True for the latter.

        Of two calls at the same moment, in one process or two, one writes and the other gets that intent. A refused
        intent, or one left waiting past its lease, is claimed again with its own seed and replyRef; its former holder
        can no longer post for it. A duplicate costs nothing, whatever the policy; else raises `PolicyRefused` if the
        policy does not allow the intent. `covers` is the key of the arguments that the policy's quote must be for; the
        quote is spent here. `spellings` are further names of the source.
        """

        def work(ledger: sqlite3.Connection) -> tuple[Intent, bool]:
            now = self._clock()
            found = found_by_request(ledger, key, now=now)
            if found is not None and answers_duplicates(found, now=now):
                return found, True
            check_caps(ledger, intent.cost, policy, now, apart_from=found)
            held = claimed(intent, found, now=now)
            check_quote(ledger, held, policy, covers, now)
            (insert if found is None else update)(ledger, held)
            names = {spelling_key(name) for name in (intent.source_asset_id, *spellings)}
            rows = [(name, intent.source_asset_id) for name in names]
            ledger.executemany("INSERT OR REPLACE INTO spellings (spelling, asset_id) VALUES (?, ?)", rows)
            return held, False

        return await self._transaction(work)

    async def earlier(self, spelling: str, key_of: Callable[[str, str], RequestKey]) -> Intent | None:
        """The intent of which a request is a duplicate, its source named by any known spelling; None if there is none.

        `key_of` gives the keys of the request for a source's assetId and its model.
        """

        def work(ledger: sqlite3.Connection) -> Intent | None:
            now = self._clock()
            query = (
                "SELECT DISTINCT source_asset_id, task_type FROM intents"
                " WHERE source_asset_id = ? OR source_asset_id IN (SELECT asset_id FROM spellings WHERE spelling = ?)"
            )
            for source in ledger.execute(query, (spelling, spelling_key(spelling))).fetchall():
                found = found_by_request(ledger, key_of(source["source_asset_id"], source["task_type"]), now=now)
                if found is not None and answers_duplicates(found, now=now):
                    return found
            return None

        return await self._transaction(work)

    async def named(self, uuid: str) -> str | None:
        """The asset that a uuid names, as a source or a film of an intent, else the task; None if neither is known."""
        asset = await self._value("SELECT asset_id FROM spellings WHERE spelling = ?", uuid)
        return asset or await self.task_named(uuid)

    async def task_named(self, uuid: str) -> str | None:
        """An intent's task of that uuid, else the task that made the film of that uuid; None if neither is known."""
        task = await self._value("SELECT task_id FROM intents WHERE task_id LIKE '%-task:' || ?", uuid)
        if task is not None:
            return task
        return await self._value("SELECT task_id FROM intents WHERE film LIKE '%-asset:' || ? || '\"%'", uuid)

    async def begin_post(self, intent_id: str, claim: str, *, upstream: float | None) -> Intent | None:
        """Marks a waiting intent as posting; None if lease or claim was lost, in which case nothing may be posted.

        Sets `created` to now, since its task cannot be older, however long it waited for a slot. `upstream` is the time
        on upstream's clock, if known.
        """

        def work(ledger: sqlite3.Connection) -> Intent | None:
            now = self._clock()
            begin = (
                "UPDATE intents SET state = 'posting', created = ?, lease = ?, posts = posts + 1, looked = 0,"
                " posted = CASE posts WHEN 0 THEN ? ELSE posted END, failure_kind = NULL, failure_message = NULL"
                " WHERE id = ? AND claim = ? AND state = 'waiting' AND lease >= ?"
            )
            values = (now, now + POSTING_LEASE, upstream, intent_id, claim, now)
            return read(ledger, intent_id) if ledger.execute(begin, values).rowcount == 1 else None

        return await self._transaction(work)

    async def keep_waiting(self, intent_id: str, claim: str, *, seconds: float) -> bool:
        """Prolongs the lease of a waiting intent by `seconds`; False if lease or claim was lost."""

        def work(ledger: sqlite3.Connection) -> bool:
            now = self._clock()
            keep = "UPDATE intents SET lease = ? WHERE id = ? AND claim = ? AND state = 'waiting' AND lease >= ?"
            return ledger.execute(keep, (now + seconds + WAITING_LEASE, intent_id, claim, now)).rowcount == 1

        return await self._transaction(work)

    async def answered(
        self, intent_id: str, claim: str, state: State, *, looked: bool, failure: tuple[str, str] | None = None
    ) -> Intent | None:
        """Records an answer to an intent's POST that is no task; returns the intent as it then stands.

        Changes nothing unless `claim` holds the intent and no task has been found. `looked` says that a complete look
        after the POST found none. The state `WAITING` starts a new lease.
        """

        def work(ledger: sqlite3.Connection) -> Intent | None:
            standing = read(ledger, intent_id)
            if standing is None or standing.claim != claim or standing.state not in OPEN:
                return standing
            kind, message = failure or (None, None)
            changed = replace(
                standing,
                state=state,
                looked=looked,
                lease=self._clock() + WAITING_LEASE if state is State.WAITING else standing.lease,
                closed=None,
                failure_kind=kind,
                failure_message=message,
            )
            update(ledger, changed)
            return changed

        return await self._transaction(work)

    async def withdraw(self, intent_id: str, claim: str) -> None:
        """Releases a waiting intent: refused if it certainly has no task, else unclear."""

        def work(ledger: sqlite3.Connection) -> None:
            ledger.execute(
                "UPDATE intents SET state = CASE WHEN posts = 0 OR looked THEN 'refused' ELSE 'unclear' END,"
                " failure_kind = coalesce(failure_kind, 'busy') WHERE id = ? AND claim = ? AND state = 'waiting'",
                (intent_id, claim),
            )

        await self._transaction(work)

    async def looked(self, intent: Intent, *, complete: bool) -> Intent | None:
        """Records a look that found no task, closes the intent if its time is over; returns it as it then stands.

        `intent` is as it stood when the look began: the look proves nothing about what was posted or answered since.
        `complete` says that the look could read the scheduler and the task list. Such a look confirms a refusal; else
        the first one after ten minutes closes the intent as unknown, and so does a day without any.
        """

        def work(ledger: sqlite3.Connection) -> Intent | None:
            standing, now = read(ledger, intent.id), self._clock()
            if standing is None or standing.state not in OPEN or standing.posts != intent.posts:
                return standing
            changed, age = standing, now - standing.created
            if complete and State.POSTING not in (intent.state, standing.state):
                changed = replace(changed, looked=True)
            if changed.looked and intent.failure_kind is not None:
                changed = replace(changed, state=State.REFUSED, closed=None)
            elif standing.state is not State.UNKNOWN and age >= (LOOKING_SECONDS if complete else BLIND_SECONDS):
                changed = replace(changed, state=State.UNKNOWN, looked=complete, closed=now)
            if changed != standing:
                update(ledger, changed)
            return changed

        return await self._transaction(work)

    async def accept(self, intent_id: str, task_id: str, status: str) -> Intent | None:
        """Records the task of an intent and returns the intent; None if another one owns the task.

        An intent that has a task already keeps it.
        """

        def work(ledger: sqlite3.Connection) -> Intent | None:
            taken = ledger.execute("SELECT 1 FROM intents WHERE task_id = ? AND id != ?", (task_id, intent_id))
            mine = read(ledger, intent_id)
            if mine is None or taken.fetchone() is not None:
                return None
            if mine.task_id is not None:
                return mine
            changed = replace(
                mine, state=State.ACCEPTED, task_id=task_id, status=status, failure_kind=None, failure_message=None
            )
            update(ledger, changed)
            return changed

        return await self._transaction(work)

    async def observe(
        self, task_id: str, status: str, *, ended: bool, film: Film | None, failure: tuple[str, str] | None
    ) -> None:
        """Records a task's state, if an intent owns it.

        An end is final, whatever an older read reports later; only a film that appears replaces a success without one,
        or a task that was gone.
        """
        kind, message = failure or (None, None)

        def work(ledger: sqlite3.Connection) -> None:
            now = self._clock() if ended else None
            written = ledger.execute(
                "UPDATE intents SET status = ?, ended = coalesce(ended, ?), film = ?, failure_kind = ?,"
                " failure_message = ? WHERE task_id = ? AND (ended IS NULL AND (status IS NOT ? OR ? IS NOT NULL)"
                " OR ? IS NOT NULL AND film IS NULL AND (status = 'SUCCEEDED' OR failure_kind = 'not_found'))",
                (status, now, film_json(film), kind, message, task_id, status, now, film_json(film)),
            )
            if film is not None and written.rowcount:
                name = (uuid_of(film.asset_id), film.asset_id)
                ledger.execute("INSERT OR IGNORE INTO spellings (spelling, asset_id) VALUES (?, ?)", name)

        await self._transaction(work)

    async def check(self, cost: int, *, policy: SpendPolicy) -> None:
        """Raises `PolicyRefused` if the caps would refuse a spend of `cost` credits now; writes nothing."""
        await self._transaction(lambda ledger: check_caps(ledger, cost, policy, self._clock()))

    async def day(self, limit: int) -> Day:
        """The state of a daily cap of `limit` credits."""
        return await self._transaction(lambda ledger: day(ledger, limit, self._clock()))

    async def offer(self, covers: str) -> Quote:
        """Writes and returns a quote for the arguments of the key `covers`, which a later claim may spend."""

        def work(ledger: sqlite3.Connection) -> Quote:
            now = self._clock()
            quote = Quote(id=secrets.token_urlsafe(9), covers=covers, expires=now + QUOTE_SECONDS)
            ledger.execute("DELETE FROM quotes WHERE expires < ?", (now - QUOTE_SECONDS,))
            ledger.execute(
                "INSERT INTO quotes (id, covers, expires) VALUES (?, ?, ?)", (quote.id, covers, quote.expires)
            )
            return quote

        return await self._transaction(work)

    async def get(self, intent_id: str) -> Intent | None:
        """The intent of that id."""
        return await self._transaction(lambda ledger: read(ledger, intent_id))

    async def of_task(self, task_id: str) -> Intent | None:
        """The intent that owns a task."""
        return await self._one("SELECT * FROM intents WHERE task_id = ?", task_id)

    async def of_callback(self, token: str) -> Intent | None:
        """The intent whose callback address ends in a token."""
        return await self._one("SELECT * FROM intents WHERE callback_token = ?", token)

    async def durations(self) -> dict[tuple[str, bool], list[float]]:
        """The seconds from submit to end of the last 200 successes, oldest first, by task type and explore mode."""
        took: dict[tuple[str, bool], list[float]] = {}
        query = "SELECT * FROM intents WHERE status = 'SUCCEEDED' AND ended IS NOT NULL ORDER BY created DESC LIMIT 200"
        for intent in reversed(await self._many(query)):
            seconds = (intent.ended or intent.created) - intent.created
            took.setdefault((intent.task_type, intent.explore_mode), []).append(seconds)
        return took

    async def unfinished(self) -> list[Intent]:
        """Intents of unknown outcome or with a non-terminal task, oldest first."""
        return await self._many(
            "SELECT * FROM intents WHERE state IN ('posting', 'unclear') OR (state = 'accepted' AND ended IS NULL)"
            " ORDER BY created"
        )

    async def without_film(self) -> list[str]:
        """The newest tasks, 100 at most, that were recorded as a success without a film."""
        query = "SELECT * FROM intents WHERE status = 'SUCCEEDED' AND failure_kind IS NOT NULL ORDER BY created DESC"
        return [intent.task_id or "" for intent in await self._many(f"{query} LIMIT 100")]

    async def orphans(self) -> list[Intent]:
        """Unclear intents, and abandoned ones with a POST of unknown outcome, which become unclear.

        Nothing is posted for them again; a late answer to their holder may still be recorded.
        """

        def work(ledger: sqlite3.Connection) -> list[Intent]:
            now = self._clock()
            ledger.execute("UPDATE intents SET state = 'unclear' WHERE state = 'posting' AND lease < ?", (now,))
            ledger.execute(
                "UPDATE intents SET state = 'unclear', failure_kind = 'busy'"
                " WHERE state = 'waiting' AND lease < ? AND posts > 0 AND NOT looked",
                (now,),
            )
            return [intent_of(row) for row in ledger.execute("SELECT * FROM intents WHERE state = 'unclear'")]

        return await self._transaction(work)

    async def closed_lately(self) -> list[Intent]:
        """Intents that were closed as unknown in the last 24 hours."""

        def work(ledger: sqlite3.Connection) -> list[Intent]:
            query = "SELECT * FROM intents WHERE state = 'unknown' AND closed > ?"
            return [intent_of(row) for row in ledger.execute(query, (self._clock() - BLIND_SECONDS,))]

        return await self._transaction(work)

    async def recent(self, limit: int) -> list[Intent]:
        """The newest intents that have, or may have, a task: refused and waiting ones are left out."""
        query = "SELECT * FROM intents WHERE state NOT IN ('refused', 'waiting') ORDER BY created DESC LIMIT ?"
        return await self._many(query, limit)

    async def _value(self, query: str, *values: object) -> str | None:
        row = await self._transaction(lambda ledger: ledger.execute(query, values).fetchone())
        return row[0] if row else None

    async def _one(self, query: str, *values: object) -> Intent | None:
        found = await self._many(query, *values)
        return found[0] if found else None

    async def _many(self, query: str, *values: object) -> list[Intent]:
        return await self._transaction(lambda ledger: [intent_of(row) for row in ledger.execute(query, values)])

    async def _transaction(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        give_up = anyio.current_time() + LOCK_PATIENCE
        while True:
            try:
                with immediate(self._connection()) as ledger:
                    return work(ledger)
            except (sqlite3.Error, OSError) as error:
                if not is_busy(error) or anyio.current_time() >= give_up:
                    raise LedgerError(sentence(self._path, error)) from error
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
                "be lost. Put it back: a server that is restarted without it has forgotten what was paid, and would "
                "submit and charge the same request once more."
            )
        return self._open

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
