"""Whether a database can be used and a ledger in it read, without making, migrating or changing anything."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Final, LiteralString

import psycopg

from runway_mcp.tasks.store.postgres.durability import SETTINGS, Durability
from runway_mcp.tasks.store.postgres.failures import FAILURES, SUBJECT, log_line
from runway_mcp.tasks.store.postgres.hosts import conninfo_of
from runway_mcp.tasks.store.postgres.schema import MIGRATIONS
from runway_mcp.tasks.store.protocol import DatabaseHealth, Health, LedgerError

OLDEST: Final = 15
"""The oldest PostgreSQL that a ledger is kept in."""

_HAS_TABLES: LiteralString = "SELECT 1 FROM pg_class WHERE relname = 'ledger_format' AND pg_table_is_visible(oid)"
_COUNTED: LiteralString = "SELECT count(*), count(*) FILTER (WHERE state = 'unclear') FROM intents"
_VERSION: LiteralString = "SELECT current_setting('server_version'), current_setting('server_version_num')::int / 10000"
_MAY_MAKE: LiteralString = "SELECT coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)"
_MAY_WRITE: LiteralString = (
    "SELECT bool_and(has_table_privilege(name, 'SELECT') AND has_table_privilege(name, 'INSERT')"
    " AND has_table_privilege(name, 'UPDATE') AND has_table_privilege(name, 'DELETE'))"
    " FROM unnest(ARRAY['callers', 'intents', 'quotes', 'spellings']) AS name"
)


def examine_server(url: str) -> DatabaseHealth:
    """The health of a database; blocks for some seconds at most.

    Raises `LedgerError` if it cannot be reached, is too old, is a standby or read-only, or if its user may not write.
    """
    with _connected(url) as connection:
        version, number = connection.execute(_VERSION).fetchone() or ("unknown", 0)
        if number < OLDEST:
            raise LedgerError(f"{SUBJECT} is PostgreSQL {version}.", f"Use version {OLDEST} or later.")
        has_tables = connection.execute(_HAS_TABLES).fetchone() is not None
        (may_write,) = connection.execute(_MAY_WRITE if has_tables else _MAY_MAKE).fetchone() or (False,)
        if not may_write:
            lacks = "write the ledger's tables" if has_tables else "make tables in its schema"
            raise LedgerError(
                f"The user of the database of RUNWAY_MCP_DATABASE_URL may not {lacks}.",
                "Grant it that, or name another user.",
            )
        fsync, commit, standbys, copies = connection.execute(SETTINGS).fetchone() or ("", "", "", 0)
    durability = Durability(fsync, commit, standbys, copies)
    return DatabaseHealth(version, durability.settings, tuple(durability.faults))


def examine_database(url: str) -> Health | None:
    """The health of the ledger in a database, None if it has none yet; blocks for some seconds at most.

    Raises `LedgerError` if it cannot be reached or read, or was written by a later version.
    """
    with _connected(url) as connection:
        if connection.execute(_HAS_TABLES).fetchone() is None:
            return None
        (version,) = connection.execute("SELECT version FROM ledger_format").fetchone() or (0,)
        if version > len(MIGRATIONS):
            raise LedgerError(f"{SUBJECT} holds a ledger of a later version.", "Install that version.")
        requests, unclear = connection.execute(_COUNTED).fetchone() or (0, 0)
        return Health(requests, unclear)


@contextmanager
def _connected(url: str) -> Generator[psycopg.Connection]:
    """A connection that can change nothing, to a server that takes writes; raises `LedgerError` for what goes wrong."""
    try:
        with psycopg.connect(conninfo_of(url), autocommit=True) as connection:
            connection.execute("SET default_transaction_read_only = on; SET statement_timeout = '2s'")
            yield connection
    except ValueError as error:
        raise LedgerError(f"{SUBJECT} is not a PostgreSQL URL.", "Correct it.") from error
    except FAILURES as error:
        told = f"{SUBJECT} cannot be used: {log_line(error)}."
        raise LedgerError(told, "See whether it runs, and its URL.") from error
