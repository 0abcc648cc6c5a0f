"""Whether a ledger in PostgreSQL can be reached and read, without making, migrating or changing one."""

import psycopg

from runway_mcp.tasks.store.postgres.database import conninfo_of
from runway_mcp.tasks.store.postgres.failures import FAILURES, SUBJECT, log_line
from runway_mcp.tasks.store.postgres.schema import MIGRATIONS
from runway_mcp.tasks.store.protocol import Health, LedgerError

_HAS_TABLES = "SELECT 1 FROM pg_class WHERE relname = 'ledger_format' AND pg_table_is_visible(oid)"
_COUNTED = "SELECT count(*), count(*) FILTER (WHERE state = 'unclear') FROM intents"


def examine_database(url: str) -> Health | None:
    """The health of the ledger in a database, None if it has none yet; blocks for some seconds at most.

    Raises `LedgerError` if it cannot be reached or read, or was written by a later version.
    """
    try:
        with psycopg.connect(conninfo_of(url), autocommit=True) as connection:
            connection.execute("SET default_transaction_read_only = on; SET statement_timeout = '2s'")
            if connection.execute(_HAS_TABLES).fetchone() is None:
                return None
            (version,) = connection.execute("SELECT version FROM ledger_format").fetchone() or (0,)
            if version > len(MIGRATIONS):
                raise LedgerError(f"{SUBJECT} holds a ledger of a later version. Install that version.")
            requests, unclear = connection.execute(_COUNTED).fetchone() or (0, 0)
            return Health(requests, unclear)
    except ValueError as error:
        raise LedgerError(f"{SUBJECT} is not a PostgreSQL URL. Correct it.") from error
    except FAILURES as error:
        raise LedgerError(f"{SUBJECT} cannot be used: {log_line(error)}. See whether it runs, and its URL.") from error
