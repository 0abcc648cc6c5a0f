"""The ledger: one SQLite file that remembers every wish to spend, from before the POST to the task's told end.

Statements run on the event loop, without threads: each is a few microseconds, and a transaction that another process
holds is waited for with `anyio.sleep`, so that nothing blocks. Whatever keeps the file from being written ends in
`LedgerError` before anything is spent.
"""

import random
import sqlite3
from collections.abc import Callable
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, Self, TypeVar

import anyio

from runway_mcp.tasks.database import LOCK_PATIENCE, LedgerError, connect, identity, immediate, is_busy, sentence
from runway_mcp.tasks.intents import Intent, State, is_twin
from runway_mcp.tasks.terms import DAY_SECONDS, QUOTE_SECONDS, Quote, Terms, TermsRefused

_T = TypeVar("_T")

FREE = Terms()
"""No caps, no confirmation."""

_COLUMNS = tuple(field.name for field in fields(Intent))


class Ledger:
    """Intents on disk, safe with several processes at once: every change is one immediate transaction.

    The file is opened at the first use. Every method raises `LedgerError`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None

    def close(self) -> None:
        """Closes the file; a later use opens it again."""
        if self._open is not None:
            self._open.close()
            self._open = None

    async def claim(self, intent: Intent, *, now: float, terms: Terms = FREE, covers: str = "") -> tuple[Intent, bool]:
        """Writes the intent unless a twin of it stands already; returns the one that counts, and whether it is a twin.

        Of two calls at the same moment, in one process or two, one writes and the other gets its twin. A twin costs
        nothing and is returned whatever the terms; else `TermsRefused` is raised if they do not allow the intent.
        `covers` is the key of the arguments, which the terms' quote must be for; the quote is spent here.
        """

        def work(ledger: sqlite3.Connection) -> tuple[Intent, bool]:
            query = "SELECT * FROM intents WHERE twin_key = ? ORDER BY created DESC"
            for row in ledger.execute(query, (intent.twin_key,)):
                standing = _intent(row)
                if is_twin(standing, now=now):
                    return standing, True
            _check_caps(ledger, intent.cost, terms, now)
            _check_quote(ledger, intent, terms, covers, now)
            _insert(ledger, intent)
            return intent, False

        return await self._transaction(work)

    async def change(self, intent_id: str, change: Callable[[Intent], Intent]) -> Intent:
        """Replaces an intent by what `change` makes of it as it stands in the file, and returns that."""

        def work(ledger: sqlite3.Connection) -> Intent:
            changed = change(_intent(ledger.execute("SELECT * FROM intents WHERE id = ?", (intent_id,)).fetchone()))
            _update(ledger, changed)
            return changed

        return await self._transaction(work)

    async def withdraw(self, intent_id: str) -> None:
        """Refuses an intent that has posted nothing; any other stays as it is."""

        def work(ledger: sqlite3.Connection) -> None:
            refuse = "UPDATE intents SET state = 'refused', failure_kind = 'busy' WHERE id = ? AND state = 'waiting'"
            ledger.execute(refuse, (intent_id,))

        await self._transaction(work)

    async def begin_post(self, intent_id: str, *, now: float, lease: float) -> bool:
        """Marks a waiting intent as posting until `lease`; refuses (False) one whose own lease is over.

        Whoever was away for longer than that may have been replaced by a second intent, and must not post any more. The
        intent counts as made now: what it may have started is no older, however long it waited for a slot.
        """

        def work(ledger: sqlite3.Connection) -> bool:
            begin = (
                "UPDATE intents SET state = 'posting', created = ?, lease = ?"
                " WHERE id = ? AND state = 'waiting' AND lease >= ?"
            )
            return ledger.execute(begin, (now, lease, intent_id, now)).rowcount == 1

        return await self._transaction(work)

    async def keep_waiting(self, intent_id: str, *, now: float, lease: float) -> bool:
        """Prolongs the lease of a waiting intent; refuses (False) one whose lease is over, as `begin_post` does."""

        def work(ledger: sqlite3.Connection) -> bool:
            keep = "UPDATE intents SET lease = ? WHERE id = ? AND state = 'waiting' AND lease >= ?"
            return ledger.execute(keep, (lease, intent_id, now)).rowcount == 1

        return await self._transaction(work)

    async def accept(self, intent_id: str, task_id: str, status: str, *, adopted: bool) -> bool:
        """Writes the task of an intent; refuses (False) to adopt one that another intent owns.

        An answer to the intent's own POST (`adopted` false) outweighs an adoption: the other intent is unclear again.
        """

        def work(ledger: sqlite3.Connection) -> bool:
            row = ledger.execute("SELECT * FROM intents WHERE task_id = ? AND id != ?", (task_id, intent_id)).fetchone()
            if row is not None:
                if adopted:
                    return False
                _update(ledger, replace(_intent(row), state=State.UNCLEAR, task_id=None, status=None, ended=None))
            mine = _intent(ledger.execute("SELECT * FROM intents WHERE id = ?", (intent_id,)).fetchone())
            if mine.task_id != task_id or mine.state is not State.ACCEPTED:
                _update(ledger, replace(mine, state=State.ACCEPTED, task_id=task_id, status=status, failure_kind=None))
            return True

        return await self._transaction(work)

    async def observe(self, task_id: str, status: str, *, ended: float | None, failure: tuple[str, str] | None) -> None:
        """Writes what upstream tells of a task, if an intent owns it.

        An end is final: what an older read says after it changes nothing.
        """
        kind, message = failure or (None, None)

        def work(ledger: sqlite3.Connection) -> None:
            ledger.execute(
                "UPDATE intents SET status = ?, ended = ?, failure_kind = ?, failure_message = ?"
                " WHERE task_id = ? AND ended IS NULL AND (status IS NOT ? OR ? IS NOT NULL)",
                (status, ended, kind, message, task_id, status, ended),
            )

        await self._transaction(work)

    async def tell(self, task_id: str, status: str, *, now: float, failure: tuple[str, str] | None) -> None:
        """Writes that a call has returned the task's end, and the end if it is not known yet; the first time counts."""
        kind, message = failure or (None, None)

        def work(ledger: sqlite3.Connection) -> None:
            ledger.execute(
                "UPDATE intents SET status = ?, ended = ?, failure_kind = ?, failure_message = ?"
                " WHERE task_id = ? AND ended IS NULL",
                (status, now, kind, message, task_id),
            )
            ledger.execute("UPDATE intents SET told = coalesce(told, ?) WHERE task_id = ?", (now, task_id))

        await self._transaction(work)

    async def check(self, cost: int, *, now: float, terms: Terms) -> None:
        """Raises `TermsRefused` if the caps would refuse a spend now; writes nothing."""
        await self._transaction(lambda ledger: _check_caps(ledger, cost, terms, now))

    async def offer(self, quote: Quote) -> None:
        """Writes a quote that a later claim may spend."""

        def work(ledger: sqlite3.Connection) -> None:
            ledger.execute("DELETE FROM quotes WHERE expires < ?", (quote.expires - 2 * QUOTE_SECONDS,))
            ledger.execute(
                "INSERT INTO quotes (id, covers, expires) VALUES (?, ?, ?)", (quote.id, quote.covers, quote.expires)
            )

        await self._transaction(work)

    async def get(self, intent_id: str) -> Intent | None:
        """The intent of that id."""
        return await self._one("SELECT * FROM intents WHERE id = ?", intent_id)

    async def of_task(self, task_id: str) -> Intent | None:
        """The intent that owns a task."""
        return await self._one("SELECT * FROM intents WHERE task_id = ?", task_id)

    async def of_callback(self, token: str) -> Intent | None:
        """The intent whose callback address ends in a token."""
        return await self._one("SELECT * FROM intents WHERE callback_token = ?", token)

    async def durations(self) -> dict[tuple[str, bool], list[float]]:
        """How many seconds the last successful tasks took from their submit, oldest first, by type and explore mode."""
        took: dict[tuple[str, bool], list[float]] = {}
        query = "SELECT * FROM intents WHERE status = 'SUCCEEDED' AND ended IS NOT NULL ORDER BY created DESC LIMIT 200"
        for intent in reversed(await self._many(query)):
            seconds = (intent.ended or intent.created) - intent.created
            took.setdefault((intent.task_type, intent.explore_mode), []).append(seconds)
        return took

    async def unfinished(self) -> list[Intent]:
        """Intents whose outcome or whose task's end is not known, oldest first."""
        return await self._many(
            "SELECT * FROM intents WHERE state IN ('posting', 'unclear') OR (state = 'accepted' AND ended IS NULL)"
            " ORDER BY created"
        )

    async def recent(self, limit: int) -> list[Intent]:
        """The newest intents that are, or may be, tasks: refused and waiting ones are left out."""
        query = "SELECT * FROM intents WHERE state NOT IN ('refused', 'waiting') ORDER BY created DESC LIMIT ?"
        return await self._many(query, limit)

    async def _one(self, query: str, *values: object) -> Intent | None:
        found = await self._many(query, *values)
        return found[0] if found else None

    async def _many(self, query: str, *values: object) -> list[Intent]:
        return await self._transaction(lambda ledger: [_intent(row) for row in ledger.execute(query, values)])

    async def _transaction(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        give_up = anyio.current_time() + LOCK_PATIENCE
        while True:
            try:
                with immediate(self._connection()) as ledger:
                    return work(ledger)
            except (sqlite3.Error, OSError) as error:
                if not is_busy(error) or anyio.current_time() >= give_up:
                    raise LedgerError(sentence(self._path, error)) from error
            await anyio.sleep(random.uniform(0.01, 0.05))  # noqa: S311  spreads processes that wait for one file

    def _connection(self) -> sqlite3.Connection:
        if self._open is None:
            self._open = connect(self._path)
            self._file = identity(self._path)
        elif identity(self._path) != self._file:
            raise LedgerError(
                f"The ledger {self._path} was removed or replaced while this server runs, so what is written now would "
                "be lost. Put it back, or restart the server."
            )
        return self._open

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _check_caps(ledger: sqlite3.Connection, cost: int, terms: Terms, now: float) -> None:
    """Raises `TermsRefused` above a cap; what is unclear, unfinished or failed counts as spent, what is free passes."""
    if not cost:
        return
    if terms.per_call is not None and cost > terms.per_call:
        raise TermsRefused("per_call")
    if terms.per_day is None:
        return
    spends = ledger.execute(
        "SELECT created, cost FROM intents WHERE created > ? AND cost > 0 AND"
        " (state IN ('posting', 'unclear', 'unknown', 'accepted') OR (state = 'waiting' AND lease >= ?))"
        " ORDER BY created",
        (now - DAY_SECONDS, now),
    ).fetchall()
    spent = sum(spend["cost"] for spend in spends)
    excess, frees_at = spent + cost - terms.per_day, None
    if excess <= 0:
        return
    for spend in spends if cost <= terms.per_day else ():
        excess -= spend["cost"]
        if excess <= 0:
            frees_at = spend["created"] + DAY_SECONDS
            break
    raise TermsRefused("per_day", spent=spent, frees_at=frees_at)


def _check_quote(ledger: sqlite3.Connection, intent: Intent, terms: Terms, covers: str, now: float) -> None:
    """Spends the quote that was given; raises `TermsRefused` if it does not hold, or if one is needed and missing."""
    if terms.quote is None:
        if intent.cost and terms.confirm_above is not None and intent.cost > terms.confirm_above:
            raise TermsRefused("unconfirmed")
        return
    spent = ledger.execute(
        "UPDATE quotes SET intent_id = ? WHERE id = ? AND covers = ? AND expires >= ?"
        " AND (intent_id IS NULL OR intent_id IN (SELECT id FROM intents WHERE state = 'refused'))",
        (intent.id, terms.quote, covers, now),
    )
    if spent.rowcount != 1:
        raise TermsRefused("quote")


def _insert(connection: sqlite3.Connection, intent: Intent) -> None:
    marks = ", ".join("?" for _ in _COLUMNS)
    connection.execute(f"INSERT INTO intents ({', '.join(_COLUMNS)}) VALUES ({marks})", _values(intent))  # noqa: S608  own column names


def _update(connection: sqlite3.Connection, intent: Intent) -> None:
    marks = ", ".join(f"{column} = ?" for column in _COLUMNS)
    connection.execute(f"UPDATE intents SET {marks} WHERE id = ?", (*_values(intent), intent.id))  # noqa: S608  own column names


def _values(intent: Intent) -> tuple[Any, ...]:
    return tuple(asdict(intent).values())


def _intent(row: sqlite3.Row) -> Intent:
    stored = {column: row[column] for column in _COLUMNS}
    stored["state"] = State(stored["state"])
    for flag in ("explore_mode", "own_seed", "own_ref"):
        stored[flag] = bool(stored[flag])
    return Intent(**stored)
