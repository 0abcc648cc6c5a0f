"""SQLite file of the ledger: opens and migrates it, and words its errors.

A damaged or unknown file is never replaced, since it may record tasks that were paid for.
"""

import errno
import os
import sqlite3
import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from runway_mcp.tasks.store.protocol import LedgerError
from runway_mcp.tasks.store.sqlite.migrations import MIGRATIONS

# How long another process may hold the file before it is reported as locked, in seconds.
LOCK_PATIENCE = 5.0

_COMPANIONS = ("-wal", "-shm", "-journal")


class BeingMade(OSError):  # noqa: N818  a temporary state of the file
    """The file is empty: another process is creating it, or it is damaged."""


def connect(path: Path, *, hard_link: Callable[[Path, Path], None] = os.link) -> sqlite3.Connection:
    """A connection to the file; a missing file is created with access for its owner alone.

    `hard_link` gives a file a second name and raises `OSError` on a file system without hard links. Raises
    `LedgerError` for a later format, `BeingMade` for an empty file, else what sqlite3 and the file system raise;
    `file_error` words them all.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_companions(path)
    if not path.exists():
        _create(path, hard_link)
    if not path.stat().st_size:
        raise BeingMade
    connection = sqlite3.connect(path, timeout=0, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        _migrate(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def check_companions(path: Path) -> None:
    """Raises `OSError` if a link stands beside the file: SQLite would follow it, and write what it leads to."""
    for companion in _COMPANIONS:
        if (beside := path.with_name(f"{path.name}{companion}")).is_symlink():
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(beside))


def newer(path: Path, version: int) -> LedgerError:
    """The error of a ledger in a later format than is known here."""
    found = f"The ledger {path} was written by a later version of useapi-runway-mcp (format {version})."
    return LedgerError(found, "Install that version, or set RUNWAY_MCP_DATA_DIR to another folder.")


def damaged(path: Path) -> LedgerError:
    """The error of a ledger that cannot be read."""
    told = f"The ledger {path} is damaged, and it is not replaced, since it may remember tasks that were paid for."
    return LedgerError(told, "Move it away to begin with an empty one, or restore a copy.")


def identity(path: Path) -> tuple[int, int] | None:
    """Device and inode of a file, which differ for a replacement of the same name; None if there is no file."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _create(path: Path, hard_link: Callable[[Path, Path], None]) -> None:
    """Completes the file before it gets its name, so that an empty file is always a damaged one.

    If two processes create it at once, one file stays.
    """
    whole = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
    os.close(os.open(whole, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        connection = sqlite3.connect(whole, isolation_level=None)
        try:
            _migrate(connection, path)
        finally:
            connection.close()
        _publish(whole, path, hard_link)
    finally:
        whole.unlink(missing_ok=True)


def _publish(whole: Path, path: Path, hard_link: Callable[[Path, Path], None]) -> None:
    """Gives the file its name without ever replacing another file."""
    try:
        hard_link(whole, path)
    except FileExistsError:
        return
    except OSError:
        _create_in_place(path)


def _create_in_place(path: Path) -> None:
    """Creates the file under its name, on a file system without hard links, where a rename could replace another's.

    Other processes find it empty and wait. A crash at this moment leaves an empty file, which is reported as damaged
    and holds nothing.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        _migrate(connection, path)
    finally:
        connection.close()


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    connection.row_factory = sqlite3.Row
    if _version(connection) == len(MIGRATIONS):
        return
    with immediate(connection):
        version = _version(connection)
        if version > len(MIGRATIONS):
            raise newer(path, version)
        for migrate in MIGRATIONS[version:]:
            migrate(connection)
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


@contextmanager
def immediate(connection: sqlite3.Connection) -> Generator[sqlite3.Connection]:
    """A transaction that takes the write lock at once and is rolled back on any exception."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def is_busy(error: Exception) -> bool:
    """Whether another process holds or creates the file, so that a retry may help."""
    if isinstance(error, BeingMade):
        return True
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def file_error(path: Path, error: Exception) -> LedgerError:
    """The error that callers get: what is wrong with the file, and what to do."""
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    if isinstance(error, BeingMade) or code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return damaged(path)
    if is_busy(error):
        return LedgerError(f"The ledger {path} has been locked by another program for {LOCK_PATIENCE:.0f} s.")
    if code == sqlite3.SQLITE_FULL:
        told = f"The disk that holds the ledger {path} is full."
        return LedgerError(told, "Free some space, then make the same call again.")
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN) or isinstance(error, OSError):
        told = f"The ledger {path} cannot be written ({error})."
        return LedgerError(told, "Make it writable, or set RUNWAY_MCP_DATA_DIR.")
    return LedgerError(f"The ledger {path} cannot be used ({error}).")
