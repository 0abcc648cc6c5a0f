"""Tables of the ledger in PostgreSQL, one migration per format, run under an advisory lock.

Times are Unix seconds as `double precision`, since the rules compare them outside SQL and read back what they wrote.
JSON is stored as text (`json`), since `jsonb` refuses NUL and lone surrogates, which what a step has made may hold.
"""

import re
from typing import Final, LiteralString

import psycopg

from runway_mcp.tasks.store.protocol import LedgerError

_LOCK = 0x72756E776179
"""The key of the advisory lock: `runway` in ASCII."""

MIGRATIONS: tuple[LiteralString, ...] = (
    """
    CREATE TABLE callers (id text PRIMARY KEY);
    CREATE TABLE intents (
        id text PRIMARY KEY, caller text NOT NULL REFERENCES callers, idempotency_key text NOT NULL UNIQUE,
        state text NOT NULL, created double precision NOT NULL, account text, task_type text NOT NULL,
        source_asset_id text NOT NULL, parent_task_id text, request json NOT NULL, seed bigint NOT NULL,
        seed_generated boolean NOT NULL, reply_ref text NOT NULL, reply_ref_generated boolean NOT NULL,
        cost bigint NOT NULL, extended_count bigint, source_name text, lease double precision NOT NULL,
        claim text NOT NULL, posts bigint NOT NULL, posted double precision, looked boolean NOT NULL, steps json,
        task_id text UNIQUE, status text, ended double precision, film json, closed double precision,
        failure_kind text, failure_message text, callback_token text UNIQUE,
        film_id text NOT NULL, task_uuid text, film_uuid text, is_unjoined boolean NOT NULL,
        position bigint GENERATED ALWAYS AS IDENTITY
    );
    CREATE INDEX intents_by_source ON intents (source_asset_id);
    CREATE INDEX intents_by_time ON intents (caller, created);
    CREATE INDEX intents_by_age ON intents (created);
    CREATE INDEX intents_by_state ON intents (state, ended);
    CREATE INDEX intents_by_film ON intents (film_id);
    CREATE INDEX intents_by_task_uuid ON intents (task_uuid);
    CREATE INDEX intents_by_film_uuid ON intents (film_uuid);
    CREATE TABLE quotes (
        id text PRIMARY KEY, covers text NOT NULL, expires double precision NOT NULL, intent_id text
    );
    CREATE INDEX quotes_by_expiry ON quotes (expires);
    CREATE TABLE spellings (spelling text PRIMARY KEY, asset_id text NOT NULL);
    """,
    """
    CREATE TABLE leases (name text PRIMARY KEY, owner text NOT NULL, until double precision NOT NULL);
    CREATE INDEX leases_by_end ON leases (until);
    CREATE TABLE seen (
        account text NOT NULL, task_id text NOT NULL, teller text NOT NULL, told json NOT NULL,
        at double precision NOT NULL, PRIMARY KEY (account, task_id)
    );
    CREATE INDEX seen_by_time ON seen (at);
    """,
)
"""One script per format of the tables; the row of `ledger_format` counts those that have run."""

TABLES: Final = tuple(re.findall(r"CREATE TABLE (\w+)", "".join(MIGRATIONS)))
"""The tables that a server reads and writes; of `ledger_format` it reads the row, which migrations alone write."""

# Not `to_regclass`: it reads a cache, which does not learn by an advisory lock what another session has committed.
HAS_TABLES: LiteralString = "SELECT 1 FROM pg_class WHERE relname = 'ledger_format' AND pg_table_is_visible(oid)"
"""Finds a row if a ledger is there."""

FORMAT: LiteralString = "SELECT version FROM ledger_format"
"""Reads the format of a ledger that is there."""


def later_version(version: int) -> LedgerError:
    """The error for a ledger of a later format than this version knows."""
    return LedgerError(
        f"The ledger in the database was written by a later version of useapi-runway-mcp (format {version}).",
        "Install that version, or set RUNWAY_MCP_DATABASE_URL to another database.",
    )


async def migrate(connection: psycopg.AsyncConnection) -> None:
    """Brings the tables to the newest format; of several programs that start at once, one does it.

    Raises `LedgerError` for a later format, and what psycopg raises.
    """
    if await _version(connection) == len(MIGRATIONS):
        return
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        version = await _version(connection)
        if version > len(MIGRATIONS):
            raise later_version(version)
        for script in MIGRATIONS[version:]:
            await connection.execute(script)
        if not version:
            await connection.execute("CREATE TABLE ledger_format (version integer NOT NULL)")
            await connection.execute("INSERT INTO ledger_format VALUES (0)")
        await connection.execute("UPDATE ledger_format SET version = %s", (len(MIGRATIONS),))


async def _version(connection: psycopg.AsyncConnection) -> int:
    """The format of the tables; 0 if there are none."""
    if await (await connection.execute(HAS_TABLES)).fetchone() is None:
        return 0
    row = await (await connection.execute(FORMAT)).fetchone()
    return int(row[0]) if row else 0
