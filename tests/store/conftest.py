"""Every store that the contract suite runs through; a further one is one more entry of `LEDGERS`."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from runway_mcp.tasks.store.postgres.store import PostgresStore
from runway_mcp.tasks.store.protocol import Store
from runway_mcp.tasks.store.sqlite.store import SqliteStore
from tests.kit.clock import SetClock
from tests.kit.postgres import PostgresServer, need_postgres, new_schema, running_postgres
from tests.store.memory import MemoryStore
from tests.store.memory_replicas import Rows

Opener = Callable[[], Store]
"""Opens one more store on the same ledger, as another process would."""

Ledger = Callable[[Path, str, Callable[[], float], AsyncExitStack], Opener]
"""Makes an empty ledger and opens stores on it, from a folder, the URL of a database and a clock.

The stack closes them after the test.
"""


def _sqlite(folder: Path, _url: str, clock: Callable[[], float], opened: AsyncExitStack) -> Opener:
    return lambda: opened.enter_context(SqliteStore(folder / "ledger.sqlite3", clock))


def _memory(_folder: Path, _url: str, clock: Callable[[], float], _opened: AsyncExitStack) -> Opener:
    rows = Rows()
    return lambda: MemoryStore(rows, clock)


def _postgres(_folder: Path, url: str, clock: Callable[[], float], opened: AsyncExitStack) -> Opener:
    shared = opened.enter_context(new_schema(url))

    def opener() -> Store:
        store = PostgresStore(shared, clock=clock)
        opened.push_async_callback(store.close)
        return store

    return opener


LEDGERS: dict[str, Ledger] = {"sqlite": _sqlite, "memory": _memory, "postgres": _postgres}
"""By name, what makes an empty ledger."""

IN_PROCESS = ("sqlite", "memory")
"""The ledgers that answer without a socket, so that virtual time does not run away from them."""


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A PostgreSQL server of the test's own, which it may stop."""
    need_postgres()
    with running_postgres() as server:
        yield server


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture(params=LEDGERS)
async def opener(request: pytest.FixtureRequest, tmp_path: Path, clock: SetClock) -> AsyncIterator[Opener]:
    """Opens stores on one ledger."""
    url = request.getfixturevalue("database_url") if request.param == "postgres" else ""
    async with AsyncExitStack() as opened:
        yield LEDGERS[request.param](tmp_path, url, clock, opened)


@pytest.fixture
def store(opener: Opener) -> Store:
    """A store on an empty ledger."""
    return opener()
