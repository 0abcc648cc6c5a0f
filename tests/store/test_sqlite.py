import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from runway_mcp.tasks.store.protocol import LedgerError
from runway_mcp.tasks.store.sqlite.migrations import MIGRATIONS
from runway_mcp.tasks.store.sqlite.store import SqliteStore
from tests.kit.clock import SetClock
from tests.kit.samples import clip, extension
from tests.store.steps import OTHER, claimed

pytestmark = pytest.mark.virtual_time


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "ledger.sqlite3"


@pytest.fixture
def ledger(path: Path, clock: SetClock) -> Iterator[SqliteStore]:
    with SqliteStore(path, clock) as book:
        yield book


async def test_an_intent_outlives_the_process_word_for_word(ledger: SqliteStore, path: Path) -> None:
    written = await claimed(ledger)
    ledger.close()

    with SqliteStore(path) as later:
        assert await later.find("id", written.id) == written


async def test_only_the_owner_can_read_the_file(ledger: SqliteStore, path: Path) -> None:
    await claimed(ledger)

    files = [path, *path.parent.glob("ledger.sqlite3-*")]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_a_ledger_held_for_long_ends_in_a_sentence_and_comes_back(ledger: SqliteStore, path: Path) -> None:
    await claimed(ledger)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")

    with pytest.raises(LedgerError, match="locked by another program"):
        await claimed(ledger, OTHER)

    holder.execute("ROLLBACK")
    holder.close()
    await claimed(ledger, OTHER)


@pytest.mark.parametrize("content", [b"", b"this was a ledger once" * 500])
async def test_a_damaged_ledger_is_named_and_never_replaced(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)

    with SqliteStore(path) as ledger, pytest.raises(LedgerError, match="damaged"):
        await claimed(ledger)

    assert path.read_bytes() == content


async def test_processes_that_make_the_ledger_at_once_share_one(path: Path) -> None:
    with SqliteStore(path) as one, SqliteStore(path) as other:
        made = await claimed(one)

        assert await other.find("id", made.id) == made
        assert [file.name for file in path.parent.iterdir() if "-" not in file.name] == [path.name]


async def test_a_ledger_of_a_later_version_is_left_alone(ledger: SqliteStore, path: Path) -> None:
    await claimed(ledger)
    ledger.close()
    with sqlite3.connect(path) as later:
        later.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    later.close()

    with pytest.raises(LedgerError, match="later version"):
        await claimed(ledger)


async def test_a_full_disk_ends_in_a_sentence(ledger: SqliteStore) -> None:
    await claimed(ledger)
    # A limit on the file's pages is the disk that is full; only the connection itself can set it.
    connection = ledger._connection()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")

    async def fill() -> None:
        for seed in range(1, 999):
            await claimed(ledger, extension(asset_id=clip().asset_id, seed=seed))

    with pytest.raises(LedgerError, match="full"):
        await fill()


async def test_a_folder_that_cannot_be_made_ends_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")

    with (
        SqliteStore(tmp_path / "data" / "ledger.sqlite3") as ledger,
        pytest.raises(LedgerError, match="cannot be written"),
    ):
        await claimed(ledger)


@pytest.mark.parametrize("suffix", ["", "-wal"])
async def test_a_ledger_that_is_removed_under_the_server_takes_no_further_intent(
    ledger: SqliteStore, path: Path, suffix: str
) -> None:
    await claimed(ledger)
    path.with_name(f"{path.name}{suffix}").unlink()

    with pytest.raises(LedgerError, match="removed or replaced"):
        await claimed(ledger, OTHER)


@pytest.mark.parametrize(
    "name", ["ledger.sqlite3", "ledger.sqlite3-wal", "ledger.sqlite3-shm", "ledger.sqlite3-journal"]
)
async def test_a_link_in_the_ledgers_place_makes_nothing_elsewhere(tmp_path: Path, name: str) -> None:
    path, elsewhere = tmp_path / "ledger.sqlite3", tmp_path / "elsewhere"
    with SqliteStore(path, SetClock()) as ledger:
        await claimed(ledger)
    if name == path.name:
        path.unlink()
    (tmp_path / name).symlink_to(elsewhere)

    with SqliteStore(path, SetClock()) as ledger, pytest.raises(LedgerError):
        await claimed(ledger, OTHER)

    assert not elsewhere.exists()
