"""Whether a database can be used and a ledger in it read, without making, migrating or changing anything."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Final, LiteralString

import psycopg

from runway_mcp.tasks.store.postgres.durability import SETTINGS, Durability
from runway_mcp.tasks.store.postgres.failures import FAILURES, SUBJECT, log_line
from runway_mcp.tasks.store.postgres.hosts import conninfo_of
from runway_mcp.tasks.store.postgres.schema import FORMAT, HAS_TABLES, MIGRATIONS, TABLES, later_version
from runway_mcp.tasks.store.protocol import DatabaseHealth, Health, LedgerError

OLDEST: Final = 15
"""The oldest PostgreSQL that a ledger is kept in."""

_COUNTED: LiteralString = "SELECT count(*), count(*) FILTER (WHERE state = 'unclear') FROM intents"
_VERSION: LiteralString = "SELECT current_setting('server_version'), current_setting('server_version_num')::int / 10000"
_MAY_MAKE: LiteralString = "SELECT coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)"
_MAY_WRITE: LiteralString = (
    "SELECT bool_and(has_table_privilege(oid, 'SELECT') AND has_table_privilege(oid, 'INSERT')"
    " AND has_table_privilege(oid, 'UPDATE') AND has_table_privilege(oid, 'DELETE'))"
    " FROM pg_class WHERE relname = ANY(%s) AND pg_table_is_visible(oid)"
)


def examine_server(url: str) -> DatabaseHealth:
    """The health of a database; blocks for some seconds at most.

    Raises `LedgerError` if it cannot be reached, is too old, is a standby or read-only, or if its user may not write.
    """
    with _connected(url) as connection:
        version, number = connection.execute(_VERSION).fetchone() or ("unknown", 0)
        if number < OLDEST:
            raise LedgerError(f"{SUBJECT} is PostgreSQL {version}.", f"Use version {OLDEST} or later.")
        if (lacking := _lacking(connection)) is not None:
            raise LedgerError(
                f"The user of the database of RUNWAY_MCP_DATABASE_URL may not {lacking}.",
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
        if (version := _version(connection)) is None:
            return None
        if version > len(MIGRATIONS):
            raise later_version(version)
        requests, unclear = connection.execute(_COUNTED).fetchone() or (0, 0)
        return Health(requests, unclear)


def _version(connection: psycopg.Connection) -> int | None:
    """The format of the ledger; None if there is none."""
    if connection.execute(HAS_TABLES).fetchone() is None:
        return None
    (version,) = connection.execute(FORMAT).fetchone() or (0,)
    return version


def _lacking(connection: psycopg.Connection) -> str | None:
    """What a server has to do that the user may not, in words; None if it may do everything."""
    version = _version(connection)
    if version is None or version < len(MIGRATIONS):
        (may_make,) = connection.execute(_MAY_MAKE).fetchone() or (False,)
        if not may_make:
            return "make tables in its schema"
    if version is not None:
        written = [*TABLES, *(["ledger_format"] if version < len(MIGRATIONS) else [])]
        (may_write,) = connection.execute(_MAY_WRITE, (written,)).fetchone() or (False,)
        if not may_write:
            return "write the ledger's tables"
    return None


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
