"""Errors of PostgreSQL and of the way to it: which are worth another attempt, and the sentence for each."""

import psycopg
from psycopg import errors

from runway_mcp.tasks.store.protocol import LedgerError

SUBJECT = "The database of RUNWAY_MCP_DATABASE_URL"
"""How messages name it: its address is no matter of callers."""

_AGAIN = "Make the same call again in a minute."

FAILURES = (psycopg.Error, OSError)
"""What an attempt raises if the database fails it; time-outs are a kind of `OSError`."""

_HELD = (
    errors.LockNotAvailable,
    errors.QueryCanceled,
    errors.SerializationFailure,
    errors.DeadlockDetected,
    errors.UniqueViolation,
)
_CONNECTION = "08"
_AWAY = (
    errors.AdminShutdown,
    errors.CrashShutdown,
    errors.CannotConnectNow,
    errors.TooManyConnections,
    # A server that was demoted, and a session that the server ended, are left for a new connection.
    errors.ReadOnlySqlTransaction,
    errors.IdleInTransactionSessionTimeout,
    psycopg.InterfaceError,
)


class UnclearCommitError(Exception):
    """A COMMIT was not confirmed: its transaction may or may not last."""


def is_away(error: BaseException) -> bool:
    """Whether the database, or the way to it, is gone for the moment, so that only a new connection may help."""
    if isinstance(error, psycopg.Error):
        is_broken = isinstance(error, psycopg.OperationalError) and error.sqlstate is None
        return is_broken or isinstance(error, _AWAY) or (error.sqlstate or "").startswith(_CONNECTION)
    return isinstance(error, OSError)


def is_held(error: BaseException) -> bool:
    """Whether another transaction was in the way, so that the same statements may succeed now."""
    return isinstance(error, _HELD)


def log_line(error: BaseException) -> str:
    """The first line of what the driver says, for the log; it holds no password and no stored row."""
    told = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    return (told or str(error) or type(error).__name__).splitlines()[0]


def ledger_error(error: BaseException) -> LedgerError:
    """The error that callers get: a sentence on what is wrong and what to do."""
    if isinstance(error, UnclearCommitError):
        return LedgerError(f"{SUBJECT} did not confirm what was written.", _AGAIN)
    if is_away(error):
        return LedgerError(f"{SUBJECT} cannot be reached now.", _AGAIN)
    if is_held(error):
        return LedgerError(f"{SUBJECT} is held by another program.", _AGAIN)
    if isinstance(error, errors.DiskFull):
        return LedgerError(
            f"The disk of the database is full ({SUBJECT}).", "Free some space, then make the call again."
        )
    return LedgerError(f"{SUBJECT} cannot be used ({log_line(error)}).")
