"""Opens the store that the settings name: a database if there is one, else the file in the data folder."""
# ruff: noqa: PLC0415  the driver of the database is an extra, and is imported where one is named alone

import importlib.util
import logging
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from runway_mcp.tasks.store.protocol import DatabaseHealth, Health, LedgerError, Store
from runway_mcp.tasks.store.sqlite.store import SqliteStore

_log = logging.getLogger(__name__)


def missing_driver() -> bool:
    """Whether the extra `postgres`, which a database needs, is not installed."""
    return any(importlib.util.find_spec(name) is None for name in ("psycopg", "psycopg_pool"))


def is_database_url(url: str) -> bool:
    """Whether the driver can read a URL with all its parameters; needs the extra `postgres`."""
    from runway_mcp.tasks.store.postgres.hosts import conninfo_of

    try:
        conninfo_of(url)
    except ValueError:
        return False
    return True


def examined(path: Path, *, database_url: str | None = None) -> Health | None:
    """The health of the ledger that would be opened, None if there is none yet; makes and changes nothing.

    Blocks for some seconds at most. Raises `LedgerError` if it cannot be used, or the driver of a database is missing.
    """
    if database_url is None:
        from runway_mcp.tasks.store.sqlite.health import examine

        return examine(path) if os.path.lexists(path) else None
    if missing_driver():
        raise _no_driver()
    from runway_mcp.tasks.store.postgres.health import examine_database

    return examine_database(database_url)


def examined_database(url: str) -> DatabaseHealth:
    """The health of a database, whether or not it has a ledger; makes and changes nothing.

    Blocks for some seconds at most. Raises `LedgerError` if it cannot be used, or its driver is missing.
    """
    if missing_driver():
        raise _no_driver()
    from runway_mcp.tasks.store.postgres.health import examine_server

    return examine_server(url)


def _no_driver() -> LedgerError:
    told = "A ledger in a database needs the extra postgres."
    return LedgerError(told, "pip install 'useapi-runway-mcp[postgres]'")


@asynccontextmanager
async def opened_store(
    path: Path, now: Callable[[], float], *, database_url: str | None = None
) -> AsyncGenerator[Store]:
    """The ledger in a database, or without a URL in the file at `path`, where `now` is the clock; closed at the end.

    A database that cannot be reached does not prevent the start: each verb then tries to reach it. A file beside a
    database is not read, which is logged.
    """
    if database_url is None:
        with SqliteStore(path, now) as store:
            yield store
        return
    from runway_mcp.tasks.store.postgres.store import PostgresStore

    if path.exists():  # noqa: ASYNC240  one look, before anything is served
        _log.warning(
            "The ledger %s is not read, since RUNWAY_MCP_DATABASE_URL is set: what it remembers as paid would be "
            "submitted and charged once more. Move it away once nobody will repeat its requests.",
            path,
        )
    shared = PostgresStore(database_url)
    try:
        await shared.open()
        yield shared
    finally:
        await shared.close()
