"""The ledger: one SQLite file that remembers every wish to spend, from before the POST to the task's told end.

Statements run on the event loop, without threads: each is a few microseconds, and a transaction that another process
holds is waited for with `anyio.sleep`, so that nothing blocks. Whatever keeps the file from being written ends in
`LedgerError` before anything is spent; a damaged or unknown file is never replaced.
"""

import os
import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, Self, TypeVar

import anyio

from runway_mcp.tasks.intents import Intent, State, is_twin

_T = TypeVar("_T")

# How long another process may hold the file before it counts as locked, in seconds.
LOCK_PATIENCE = 5.0

_COLUMNS = tuple(field.name for field in fields(Intent))

MIGRATIONS = (
    """
    CREATE TABLE intents (
        id TEXT PRIMARY KEY, twin_key TEXT NOT NULL, state TEXT NOT NULL, created REAL NOT NULL, account TEXT,
        task_type TEXT NOT NULL, source_asset_id TEXT NOT NULL, parent_task_id TEXT NOT NULL, text_prompt TEXT,
        seconds INTEGER NOT NULL, explore_mode INTEGER NOT NULL, seed INTEGER NOT NULL, own_seed INTEGER NOT NULL,
        reply_ref TEXT NOT NULL, own_ref INTEGER NOT NULL, cost INTEGER NOT NULL, lease REAL NOT NULL,
        task_id TEXT UNIQUE, status TEXT, ended REAL, told REAL, failure_kind TEXT, failure_message TEXT
    );
    CREATE INDEX intents_by_twin ON intents (twin_key, created);
    CREATE INDEX intents_by_time ON intents (created);
    CREATE INDEX intents_by_state ON intents (state, ended);
    """,
)
"""One script for each version of the file; `PRAGMA user_version` counts those that have run."""


class LedgerError(Exception):
    """The ledger cannot be read or written; the message says why and what to do."""


class Ledger:
    """Intents on disk, safe with several processes at once: every change is one immediate transaction.

    The file is opened at the first use. Every method raises `LedgerError`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open: sqlite3.Connection | None = None

    def close(self) -> None:
        """Closes the file; a later use opens it again."""
        if self._open is not None:
            self._open.close()
            self._open = None

    async def claim(self, intent: Intent, *, now: float) -> tuple[Intent, bool]:
        """Writes the intent unless a twin of it stands already; returns the one that counts, and whether it is a twin.

        Of two calls at the same moment, in one process or two, one writes and the other gets its twin.
        """

        def work(ledger: sqlite3.Connection) -> tuple[Intent, bool]:
            query = "SELECT * FROM intents WHERE twin_key = ? ORDER BY created DESC"
            for row in ledger.execute(query, (intent.twin_key,)):
                standing = _intent(row)
                if is_twin(standing, now=now):
                    return standing, True
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
            known = replace(mine, state=State.ACCEPTED, task_id=task_id, failure_kind=None, failure_message=None)
            _update(ledger, known if mine.task_id == task_id else replace(known, status=status))
            return True

        return await self._transaction(work)

    async def observe(self, task_id: str, status: str, *, ended: float | None, failure: tuple[str, str] | None) -> None:
        """Writes what upstream tells of a task, if an intent owns it; `ended` is kept from its first time."""
        kind, message = failure or (None, None)

        def work(ledger: sqlite3.Connection) -> None:
            ledger.execute(
                "UPDATE intents SET status = ?, ended = coalesce(ended, ?), failure_kind = ?, failure_message = ?"
                " WHERE task_id = ?",
                (status, ended, kind, message, task_id),
            )

        await self._transaction(work)

    async def tell(self, task_id: str, *, now: float) -> None:
        """Writes that a call has returned the task's end; the first time counts."""

        def work(ledger: sqlite3.Connection) -> None:
            ledger.execute("UPDATE intents SET told = coalesce(told, ?) WHERE task_id = ?", (now, task_id))

        await self._transaction(work)

    async def get(self, intent_id: str) -> Intent | None:
        """The intent of that id."""
        return await self._one("SELECT * FROM intents WHERE id = ?", intent_id)

    async def of_task(self, task_id: str) -> Intent | None:
        """The intent that owns a task."""
        return await self._one("SELECT * FROM intents WHERE task_id = ?", task_id)

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
                with _immediate(self._connection()) as ledger:
                    return work(ledger)
            except (sqlite3.Error, OSError) as error:
                if not _is_busy(error) or anyio.current_time() >= give_up:
                    raise LedgerError(_sentence(self._path, error)) from error
            await anyio.sleep(random.uniform(0.01, 0.05))  # noqa: S311  spreads processes that wait for one file

    def _connection(self) -> sqlite3.Connection:
        if self._open is None:
            self._open = _connect(self._path)
        return self._open

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _connect(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    connection = sqlite3.connect(path, timeout=0, isolation_level=None)
    try:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        _migrate(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    if _version(connection) == len(MIGRATIONS):
        return
    with _immediate(connection):
        version = _version(connection)
        if version > len(MIGRATIONS):
            found = f"The ledger {path} was written by a later version of useapi-runway-mcp (format {version})."
            raise LedgerError(f"{found} Install that version, or set RUNWAY_MCP_DATA_DIR to another folder.")
        for script in MIGRATIONS[version:]:
            for statement in script.split(";"):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


@contextmanager
def _immediate(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


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


def _is_busy(error: Exception) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _sentence(path: Path, error: Exception) -> str:
    """What is wrong with the file, for one who has never heard of SQLite."""
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    if _is_busy(error):
        return f"The ledger {path} has been locked by another program for {LOCK_PATIENCE:.0f} s."
    if code == sqlite3.SQLITE_FULL:
        return f"The disk that holds the ledger {path} is full. Free some space, then make the same call again."
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return (
            f"The ledger {path} is damaged, and it is not replaced, since it may remember tasks that were paid for. "
            "Move it away to begin with an empty one, or restore a copy."
        )
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN) or isinstance(error, OSError):
        return f"The ledger {path} cannot be written ({error}). Make it writable, or set RUNWAY_MCP_DATA_DIR."
    return f"The ledger {path} cannot be used ({error})."
