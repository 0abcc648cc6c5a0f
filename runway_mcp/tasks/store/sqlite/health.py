"""Whether a ledger in SQLite is whole, without making, migrating or changing one."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from runway_mcp.tasks.store.protocol import Health
from runway_mcp.tasks.store.sqlite.database import LOCK_PATIENCE, check_companions, damaged, file_error, newer
from runway_mcp.tasks.store.sqlite.migrations import MIGRATIONS

CHECK_SECONDS: Final = 1.0
"""How long the check of a large ledger may take."""

_STEPS: Final = 10_000


def examine(path: Path, *, monotonic: Callable[[], float] = time.monotonic, patience: float = LOCK_PATIENCE) -> Health:
    """The health of a ledger that is there; raises `LedgerError` if it is damaged, locked, read-only or too new.

    A lock is awaited for `patience` seconds.
    """
    try:
        check_companions(path)
        # `rw` makes no file; a connection that only reads would leave files beside it.
        address = f"{path.absolute().as_uri()}?mode=rw"
        with closing(sqlite3.connect(address, timeout=patience, isolation_level=None, uri=True)) as ledger:
            deadline = monotonic() + CHECK_SECONDS
            ledger.set_progress_handler(lambda: monotonic() > deadline, _STEPS)
            return _examined(ledger, path)
    except (sqlite3.Error, OSError) as error:
        raise file_error(path, error) from error


def _examined(ledger: sqlite3.Connection, path: Path) -> Health:
    version = int(ledger.execute("PRAGMA user_version").fetchone()[0])
    if version == 0:
        raise damaged(path)
    if version > len(MIGRATIONS):
        raise newer(path, version)
    # A lock that could not be taken would refuse the first submit.
    ledger.execute("BEGIN IMMEDIATE")
    ledger.execute("ROLLBACK")
    counted = ledger.execute("SELECT count(*), count(*) FILTER (WHERE state = 'unclear') FROM intents").fetchone()
    try:
        found = ledger.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        return Health(counted[0], counted[1], is_checked=False)
    if found != "ok":
        raise damaged(path)
    return Health(counted[0], counted[1])
