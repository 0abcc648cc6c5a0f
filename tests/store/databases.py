"""Stores in PostgreSQL as tests open, hold and ask them."""

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager

import anyio
import psycopg

from runway_mcp.tasks.store.postgres.database import Patience
from runway_mcp.tasks.store.postgres.replicas import PostgresReplicas
from runway_mcp.tasks.store.postgres.store import PostgresStore
from tests.kit.clock import SetClock

BOUND = 90.0
"""How long a test may wait for anything, in seconds."""

HASTY = Patience(verb=1.0, lock=0.5, attempt=5.0, commit=2.5)
"""For tests in which one waits in vain; what succeeds has to do so within it, on a busy machine as well."""

PATIENT = Patience(verb=40.0, lock=30.0, attempt=40.0, commit=30.0)
"""For tests in which what is waited for comes about, and what does not wait is told from what does."""


@asynccontextmanager
async def opened(url: str, patience: Patience | None = None) -> AsyncGenerator[PostgresStore]:
    """A store that has reached its database, and whose clock stands still."""
    store = PostgresStore(url, clock=SetClock(), patience=patience)
    try:
        with anyio.fail_after(BOUND):
            assert await store.open()
            yield store
    finally:
        await store.close()


@asynccontextmanager
async def two_servers(url: str, clock: SetClock) -> AsyncGenerator[tuple[PostgresReplicas, PostgresReplicas]]:
    """The parts of two servers on one ledger."""
    one, other = PostgresStore(url, clock=clock), PostgresStore(url, clock=clock)
    try:
        with anyio.fail_after(BOUND):
            yield one.replicas, other.replicas
    finally:
        await one.close()
        await other.close()


@contextmanager
def caller_held(url: str, *callers: str) -> Generator[None]:
    """The rows of some callers, else of the one without a name, held by another program until the context ends."""
    held = list(callers or [""])
    with psycopg.connect(url) as holder:
        holder.execute("INSERT INTO callers SELECT unnest(%s::text[]) ON CONFLICT DO NOTHING", (held,))
        holder.commit()
        holder.execute("SELECT 1 FROM callers WHERE id = ANY(%s) FOR UPDATE", (held,))
        yield


async def waiting_backend(url: str, event: str) -> int:
    """The process of the server in which a verb waits for this kind of event."""
    query = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = %s AND application_name = 'useapi-runway-mcp'"
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as looking:
        while True:
            if row := await (await looking.execute(query, (event,))).fetchone():
                return row[0]


def ask(url: str, query: str) -> list[tuple[object, ...]]:
    """The rows of a query of the test's own."""
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(query.encode()).fetchall()


def ask_nothing(url: str, statement: str) -> None:
    """Runs a statement of the test's own that has no rows."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())
