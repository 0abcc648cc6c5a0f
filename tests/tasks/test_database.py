import errno
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from runway_mcp.tasks.store.protocol import LedgerError
from runway_mcp.tasks.store.sqlite.database import LOCK_PATIENCE, BeingMade, connect
from runway_mcp.tasks.store.sqlite.store import SqliteStore
from tests.kit.clock import SetClock
from tests.tasks.claims import claim

pytestmark = pytest.mark.virtual_time

FIRST, SECOND = "INSERT INTO quotes VALUES ('first', '', 0, NULL)", "INSERT INTO quotes VALUES ('second', '', 0, NULL)"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite3"


def no_links(_whole: Path, _path: Path) -> None:
    """Refuses as a file system without hard links does."""
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


def after(action: Callable[[], object], link: Callable[[Path, Path], None]) -> Callable[[Path, Path], None]:
    """Links, or refuses to, after what another process does at that moment."""

    def act(whole: Path, path: Path) -> None:
        action()
        link(whole, path)

    return act


def told(path: Path) -> set[str]:
    """The rows that the file of that name holds."""
    with closing(sqlite3.connect(path)) as ledger:
        return {str(row[0]) for row in ledger.execute("SELECT id FROM quotes")}


@pytest.mark.parametrize("link", [os.link, no_links])
def test_of_two_first_starts_at_once_ones_file_stays_and_both_see_the_same_rows(
    path: Path, link: Callable[[Path, Path], None]
) -> None:
    made: list[sqlite3.Connection] = []

    def other_starts() -> None:
        made.append(connect(path, hard_link=link))
        made[0].execute(FIRST)

    with closing(connect(path, hard_link=after(other_starts, link))) as late, closing(made[0]) as early:
        late.execute(SECOND)

        for ledger in (early, late):
            assert ledger.execute("SELECT count(*) FROM quotes").fetchone()[0] == 2
    assert told(path) == {"first", "second"}
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_without_hard_links_whoever_comes_while_the_file_is_being_made_takes_nothing_from_it(path: Path) -> None:
    def other_begins() -> None:
        path.touch(mode=0o600)

    with pytest.raises(BeingMade):
        connect(path, hard_link=after(other_begins, no_links))

    assert path.read_bytes() == b""
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_without_hard_links_a_first_start_alone_makes_the_file_for_its_owner(path: Path) -> None:
    with closing(connect(path, hard_link=no_links)) as ledger:
        ledger.execute(FIRST)

    assert told(path) == {"first"}
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == [path.name]


async def test_an_empty_file_is_waited_for_while_another_process_may_be_making_it(path: Path, tmp_path: Path) -> None:
    with closing(connect(tmp_path / "made" / path.name)) as whole:
        whole.execute("PRAGMA journal_mode = DELETE")
    path.touch()

    async def make() -> None:
        await anyio.sleep(LOCK_PATIENCE - 1.0)
        path.write_bytes((tmp_path / "made" / path.name).read_bytes())

    with SqliteStore(path, SetClock()) as ledger:
        async with anyio.create_task_group() as beside:
            beside.start_soon(make)
            await claim(ledger)

        assert (await claim(ledger))[1]


async def test_a_file_that_stays_empty_is_told_as_damaged_and_not_filled(path: Path) -> None:
    path.touch()
    began = anyio.current_time()

    with SqliteStore(path, SetClock()) as ledger, pytest.raises(LedgerError, match="damaged"):
        await claim(ledger)

    assert LOCK_PATIENCE <= anyio.current_time() - began < LOCK_PATIENCE + 1.0
    assert path.read_bytes() == b""
