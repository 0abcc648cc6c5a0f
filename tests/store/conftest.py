"""Every store that the contract suite runs through; a further one is one more entry of `LEDGERS`."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from runway_mcp.tasks.store.protocol import Store
from runway_mcp.tasks.store.sqlite import SqliteStore
from tests.kit.clock import SetClock
from tests.store.memory import MemoryStore, Rows

Opener = Callable[[], Store]
"""Opens one more store on the same ledger, as another process would."""


def _sqlite(folder: Path, clock: Callable[[], float], opened: ExitStack) -> Opener:
    return lambda: opened.enter_context(SqliteStore(folder / "ledger.sqlite3", clock))


def _memory(_folder: Path, clock: Callable[[], float], _opened: ExitStack) -> Opener:
    rows = Rows()
    return lambda: MemoryStore(rows, clock)


LEDGERS: dict[str, Callable[[Path, Callable[[], float], ExitStack], Opener]] = {"sqlite": _sqlite, "memory": _memory}
"""By name, what makes an empty ledger and opens stores on it; `opened` closes them after the test."""


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture(params=LEDGERS)
def opener(request: pytest.FixtureRequest, tmp_path: Path, clock: SetClock) -> Iterator[Opener]:
    """Opens stores on one ledger."""
    with ExitStack() as opened:
        yield LEDGERS[request.param](tmp_path, clock, opened)


@pytest.fixture
def store(opener: Opener) -> Store:
    """A store on an empty ledger."""
    return opener()
