"""COMMITs: confirmed by the server, refused by it, or of unclear outcome."""

from contextlib import suppress
from typing import LiteralString

import anyio
import psycopg

from runway_mcp.tasks.store.postgres.failures import FAILURES, UnclearCommitError

# How long it may take to end the wait of a COMMIT that was given up, in seconds.
_ENDING_SECONDS = 1.0
_END_WAIT: LiteralString = """
    SELECT pg_cancel_backend(pid) FROM pg_stat_activity
    WHERE pid = %s AND application_name = current_setting('application_name') AND wait_event = 'SyncRep'
"""


async def commit(connection: psycopg.AsyncConnection, conninfo: str, *, seconds: float) -> None:
    """Commits; raises `UnclearCommitError` unless the server confirms it in so many seconds, without a notice.

    A wait for a standby that was cancelled on the server ends as a success with a warning. A connection whose COMMIT
    was given up is closed; `conninfo` leads to the same server, to end the wait there.
    """
    notices: list[psycopg.errors.Diagnostic] = []
    connection.add_notice_handler(notices.append)
    pid = connection.info.backend_pid
    try:
        with anyio.fail_after(seconds):
            cursor = await connection.execute("COMMIT")
    except FAILURES as error:
        await connection.close()
        await _end_wait(conninfo, pid)
        raise UnclearCommitError from error
    finally:
        connection.remove_notice_handler(notices.append)
    if notices:
        raise UnclearCommitError(notices[0].message_primary)
    if cursor.statusmessage != "COMMIT":
        # The server answers COMMIT in a transaction that has failed with ROLLBACK and no error.
        raise psycopg.errors.SerializationFailure("the transaction was rolled back")


async def _end_wait(conninfo: str, pid: int) -> None:
    """Ends a backend's wait for a standby, if it waits for one.

    It would not notice that its connection was closed, and would keep it, and its locks, until the standby is back.
    """
    with suppress(*FAILURES), anyio.fail_after(_ENDING_SECONDS):
        async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as connection:
            await connection.execute(_END_WAIT, (pid,))
