"""The file under the ledger: opened, brought to the latest format, and its troubles put into words.

A damaged or unknown file is never replaced, since it may remember tasks that were paid for.
"""

import os
import sqlite3
import uuid
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

# How long another process may hold the file before it counts as locked, in seconds.
LOCK_PATIENCE = 5.0

MIGRATIONS = (
    """
    CREATE TABLE intents (
        id TEXT PRIMARY KEY, twin_key TEXT NOT NULL, state TEXT NOT NULL, created REAL NOT NULL, account TEXT,
        task_type TEXT NOT NULL, source_asset_id TEXT NOT NULL, parent_task_id TEXT NOT NULL, text_prompt TEXT,
        seconds INTEGER NOT NULL, explore_mode INTEGER NOT NULL, seed INTEGER NOT NULL, own_seed INTEGER NOT NULL,
        reply_ref TEXT NOT NULL, own_ref INTEGER NOT NULL, cost INTEGER NOT NULL, lease REAL NOT NULL,
        task_id TEXT UNIQUE, status TEXT, ended REAL, told REAL, failure_kind TEXT, failure_message TEXT,
        callback_token TEXT UNIQUE
    );
    CREATE INDEX intents_by_twin ON intents (twin_key, created);
    CREATE INDEX intents_by_time ON intents (created);
    CREATE INDEX intents_by_state ON intents (state, ended);
    CREATE TABLE quotes (id TEXT PRIMARY KEY, covers TEXT NOT NULL, expires REAL NOT NULL, intent_id TEXT);
    """,
)
"""One script for each version of the file; `PRAGMA user_version` counts those that have run."""


_DAMAGED = (
    "The ledger {path} is damaged, and it is not replaced, since it may remember tasks that were paid for. Move it "
    "away to begin with an empty one, or restore a copy."
)


class LedgerError(Exception):
    """The ledger cannot be read or written; the message says why and what to do."""


def connect(path: Path) -> sqlite3.Connection:
    """A connection to the file, which is made for its owner alone if it is missing.

    Raises `LedgerError` for a later format and for an empty file, else what sqlite3 and the file system raise, which
    `sentence` words.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        _create(path)
    elif not path.stat().st_size:
        raise LedgerError(_DAMAGED.format(path=path))
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


def identity(path: Path) -> tuple[int, int] | None:
    """What tells a file from another that has taken its name; None if there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _create(path: Path) -> None:
    """Makes the file whole before it has its name, so that an empty one is always a damaged one.

    Of two processes that make it at once, one's file stays.
    """
    whole = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
    os.close(os.open(whole, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        connection = sqlite3.connect(whole, isolation_level=None)
        try:
            _migrate(connection, path)
        finally:
            connection.close()
        _name(whole, path)
    finally:
        whole.unlink(missing_ok=True)


def _name(whole: Path, path: Path) -> None:
    try:
        os.link(whole, path)
    except FileExistsError:
        return
    except OSError:  # a file system without hard links
        if not path.exists():
            whole.rename(path)


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    if _version(connection) == len(MIGRATIONS):
        return
    with immediate(connection):
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
def immediate(connection: sqlite3.Connection) -> Generator[sqlite3.Connection]:
    """One transaction that takes the write lock at once and leaves nothing behind if it fails."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def is_busy(error: Exception) -> bool:
    """Whether another process holds the file, so that trying again may help."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def sentence(path: Path, error: Exception) -> str:
    """What is wrong with the file, for one who has never heard of SQLite."""
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    if is_busy(error):
        return f"The ledger {path} has been locked by another program for {LOCK_PATIENCE:.0f} s."
    if code == sqlite3.SQLITE_FULL:
        return f"The disk that holds the ledger {path} is full. Free some space, then make the same call again."
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return _DAMAGED.format(path=path)
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN) or isinstance(error, OSError):
        return f"The ledger {path} cannot be written ({error}). Make it writable, or set RUNWAY_MCP_DATA_DIR."
    return f"The ledger {path} cannot be used ({error})."
