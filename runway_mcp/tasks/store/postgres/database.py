"""Database behind the ledger: a few connections, transactions of bounded time, and COMMITs that are confirmed or not.

Nothing here is cancelled with its caller: a verb that has begun ends by itself, as it would on a local file. Every wait
is bounded in this process as well, since no setting of the server bounds a COMMIT that waits for a standby.
"""

import logging
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, LiteralString, TypeVar

import anyio
import psycopg
from psycopg.abc import Params
from psycopg.sql import SQL, Composed, Literal
from psycopg_pool import AsyncConnectionPool

from runway_mcp.tasks.store.postgres.commits import commit
from runway_mcp.tasks.store.postgres.durability import DURABLE, Durability, durability_of
from runway_mcp.tasks.store.postgres.failures import (
    FAILURES,
    SUBJECT,
    UnclearCommitError,
    is_away,
    is_held,
    ledger_error,
    log_line,
)
from runway_mcp.tasks.store.postgres.hosts import beginning_with, conninfo_of
from runway_mcp.tasks.store.postgres.schema import migrate
from runway_mcp.tasks.store.postgres.turns import Turns
from runway_mcp.tasks.store.protocol import Availability, LedgerError

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

Query = LiteralString | SQL | Composed
"""A statement of this program's own words."""

# How many connections the verbs of a process use at most at a time, and how many of them for transactions.
_CONNECTIONS, _TRANSACTIONS = 10, 7
# How long a verb waits until one of them is made, in seconds.
_CONNECTING_SECONDS = 3.0
# How long the first connection and the migrations may take, in seconds.
_OPENING_SECONDS = 30.0

_CLOCK = "SELECT extract(epoch FROM clock_timestamp())::double precision"

# Settings for one transaction, so that they hold behind a pooler of transactions as well; all in one round trip. A
# program that is stopped inside a transaction must not hold its caller's row for long.
_BEGIN: LiteralString = """
    BEGIN ISOLATION LEVEL READ COMMITTED;
    SET LOCAL lock_timeout = {lock};
    SET LOCAL statement_timeout = {attempt};
    SET LOCAL idle_in_transaction_session_timeout = {attempt};
"""


@dataclass(frozen=True)
class Patience:
    """How long things may take, in seconds.

    A verb with its repetitions; a turn, and again a lock; one attempt up to its COMMIT; a COMMIT. An attempt that is
    under way is not cut off when the verb's time is over.
    """

    verb: float = 5.0
    lock: float = 4.0
    attempt: float = 6.0
    commit: float = 5.0


class Statements:
    """Statements on one connection, mostly inside a transaction.

    `now` is read from the database at the call, so whoever holds a lock by then has a time after it. Unless one of them
    `has_written` or locked a row, a COMMIT waits for nothing and confirms nothing.
    """

    def __init__(self, connection: psycopg.AsyncConnection, now: Callable[[], Awaitable[float]]) -> None:
        self._connection = connection
        self.now = now
        self.has_written = False

    async def rows(self, query: Query, values: Params | None = None) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return await (await self._executed(query, values)).fetchall()

    async def execute(self, query: Query, values: Params | None = None) -> None:
        """Runs a statement."""
        await self._executed(query, values)

    async def _executed(self, query: Query, values: Params | None) -> psycopg.AsyncCursor:
        cursor = await self._connection.execute(query, values)
        self.has_written |= cursor.rowcount > 0 and not (cursor.statusmessage or "").startswith(("SELECT", "SHOW"))
        return cursor


class Database:
    """A database that is reached at the first use, and anew whenever it was lost; `clock` replaces its time in tests.

    A verb begins no attempt after `patience.verb` seconds, and only one while the database is known to be away; when
    the last has failed it raises `LedgerError`. An attempt waits up to 30 seconds for a database that has to be opened;
    else for its turn, a connection, and what `patience` allows.
    """

    def __init__(self, url: str, *, clock: Callable[[], float] | None = None, patience: Patience | None = None) -> None:
        self._conninfo = conninfo_of(url)
        self._clock = clock
        self._patience = patience = patience or Patience()
        times = {"lock": Literal(f"{patience.lock:.3f}s"), "attempt": Literal(f"{patience.attempt:.3f}s")}
        self._begin = SQL(_BEGIN + DURABLE).format(**times)
        self._opening = anyio.Lock()
        self._turns = Turns(connections=_CONNECTIONS, transactions=_TRANSACTIONS, seconds=patience.lock)
        self._pool: AsyncConnectionPool | None = None
        self._is_away = self._has_failed = self._is_unconfirmed = False
        self._ahead = 0.0
        self._told: Durability | None = None
        self._failure: Exception | None = None
        self._next = 0.0

    def now(self) -> float:
        """The database's clock in Unix seconds, by the last time that was read from it."""
        return self._clock() if self._clock else time.time() + self._ahead

    def reach(self) -> Availability:
        """Whether the database can be used, its tables included, as far as that is known."""
        if self._told is None:
            return Availability.NEVER
        if self._is_away:
            return Availability.AWAY
        return Availability.UNCONFIRMED if self._is_unconfirmed else Availability.REACHED

    async def open(self) -> bool:
        """Reaches the database once and brings its tables to the newest format; False if that failed, which is logged.

        Later verbs try again by themselves.
        """
        self._is_away = True
        try:
            await self._repeated(self._opened)
        except LedgerError as error:
            _log.warning("%s Nothing can be submitted until then.", error)
            return False
        return True

    async def close(self) -> None:
        """Closes the connections; a later use opens new ones."""
        pool, self._pool = self._pool, None
        if pool is not None:
            with anyio.CancelScope(shield=True):
                await pool.close(timeout=1.0)

    async def connect(self) -> psycopg.AsyncConnection:
        """A connection of the caller's own, outside the pool; raises what `FAILURES` names."""
        await self._opened()
        with anyio.fail_after(_OPENING_SECONDS):
            return await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True)

    async def read(self, work: Callable[[Statements], Awaitable[_T]]) -> _T:
        """What `work` returns, which reads outside a transaction: each of its queries has a view of its own."""

        async def attempt() -> _T:
            async with self._connection(self._turns.read()) as connection:
                with anyio.fail_after(self._patience.attempt):
                    return await work(Statements(connection, lambda: self._read_clock(connection)))

        return await self._repeated(attempt)

    async def transaction(
        self, work: Callable[[Statements], Awaitable[_T]], *, caller: str | None = None, is_repeatable: bool = True
    ) -> _T:
        """What `work` returns, once its transaction is confirmed; `caller` is the one whose row it locks.

        It runs again after a failure, and after a COMMIT that was not confirmed, of which it must find what was
        written. If it is not repeatable, such a COMMIT raises `UnclearCommitError`.
        """

        async def attempt() -> _T:
            async with self._connection(self._turns.transaction(caller)) as connection:
                with anyio.fail_after(self._patience.attempt):
                    await connection.execute(self._begin)
                    statements = Statements(connection, lambda: self._read_clock(connection))
                    result = await work(statements)
                await commit(connection, self._conninfo, seconds=self._patience.commit)
            if caller is not None or statements.has_written:
                self._is_unconfirmed = False
            return result

        return await self._repeated(attempt, passes_unclear=not is_repeatable)

    async def _repeated(self, attempt: Callable[[], Awaitable[_T]], *, passes_unclear: bool = False) -> _T:
        give_up = anyio.current_time() + (0.0 if self._is_away else self._patience.verb)
        while True:
            with anyio.CancelScope(shield=True):
                try:
                    result = await attempt()
                except UnclearCommitError as error:
                    self._is_unconfirmed = True
                    if passes_unclear:
                        raise
                    failure: Exception = error
                except FAILURES as error:
                    failure = error
                else:
                    self._note_reached()
                    return result
                is_passing = isinstance(failure, UnclearCommitError) or is_away(failure) or is_held(failure)
                if not is_passing or anyio.current_time() >= give_up:
                    _log.warning("%s failed: %s", SUBJECT, log_line(failure.__cause__ or failure))
                    self._is_away = self._has_failed = is_away(failure)
                    raise ledger_error(failure) from failure
                await anyio.sleep(random.uniform(0.02, 0.1))  # noqa: S311  jitter

    @asynccontextmanager
    async def _connection(self, turn: AbstractAsyncContextManager[None]) -> AsyncGenerator[psycopg.AsyncConnection]:
        """A connection without an open transaction, before and after; one that failed is closed."""
        # If the database is away all learn it at once, and none in its turn.
        await self._opened()
        async with turn:
            pool = await self._opened()
            try:
                # No more verbs have a turn than there are connections, so one that is not had could not be made.
                connection = await pool.getconn(timeout=_CONNECTING_SECONDS)
                try:
                    yield connection
                except BaseException:
                    await self._rolled_back(connection)
                    raise
                finally:
                    await pool.putconn(connection)
            except UnclearCommitError:
                await self._forget(pool)
                raise
            except FAILURES as error:
                if is_away(error):
                    await self._forget(pool)
                raise

    async def _rolled_back(self, connection: psycopg.AsyncConnection) -> None:
        try:
            with anyio.fail_after(1.0):
                await connection.rollback()
        except FAILURES:
            await connection.close()

    async def _opened(self) -> AsyncConnectionPool:
        """The pool; of several verbs that need it at once, one opens it, and its failure is that of all.

        An attempt that took long to fail is not repeated for as long, so that a call with several verbs waits once.
        """
        before = self._failure
        if self._pool is None:
            async with self._opening:
                if self._pool is None:
                    began = anyio.current_time()
                    if self._failure is not None and (self._failure is not before or began < self._next):
                        raise self._failure
                    try:
                        self._pool = await self._open()
                    except FAILURES as error:
                        self._failure, self._next = error, 2 * anyio.current_time() - began
                        raise
                    self._note_reached()
        return self._pool

    async def _open(self) -> AsyncConnectionPool:
        """Reaches the server by a connection of its own, whose error says why it fails, and opens the pool."""
        with anyio.fail_after(_OPENING_SECONDS):
            connection = await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True)
            try:
                await migrate(connection)
                self._tell(await durability_of(connection))
                await self._read_clock(connection)
                # The next ones begin where this one arrived: the pool waits no longer than a dead host takes.
                host, port = connection.info.host, connection.info.port
                self._conninfo = beginning_with(self._conninfo, host=host, port=port)
            finally:
                await connection.close()
        pool: AsyncConnectionPool = AsyncConnectionPool(
            self._conninfo,
            # Prepared statements do not survive a pooler that gives each transaction another connection.
            kwargs={"autocommit": True, "prepare_threshold": None},
            min_size=0,
            max_size=_CONNECTIONS,
            open=False,
            reconnect_timeout=self._patience.verb,
        )
        await pool.open()
        return pool

    async def _forget(self, pool: AsyncConnectionPool) -> None:
        """Leaves the connections of a pool, of which one has failed; the next use makes new ones."""
        if self._pool is pool:
            self._pool = None
            await pool.close(timeout=1.0)

    async def _read_clock(self, connection: psycopg.AsyncConnection) -> float:
        row = await (await connection.execute(_CLOCK)).fetchone()
        if row is None:
            raise psycopg.DataError("no time")
        self._ahead = row[0] - time.time()
        return self._clock() if self._clock else row[0]

    def _note_reached(self) -> None:
        """Notes that the database can be used, and logs that it is back."""
        if self._has_failed:
            _log.warning("%s can be used again.", SUBJECT)
        self._is_away = self._has_failed = False

    def _tell(self, durability: Durability) -> None:
        """Logs what the server promises, once for each change of it."""
        if durability == self._told:
            return
        self._told = durability
        if durability.risks:
            _log.warning("%s: %s. %s", SUBJECT, durability.settings, " ".join(durability.risks))
        else:
            _log.info("%s: %s", SUBJECT, durability.settings)
