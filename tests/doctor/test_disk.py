import os
from contextlib import closing
from pathlib import Path

import pytest

from runway_mcp.doctor.disk import check_data_folder, check_films_folder, check_ledger
from runway_mcp.settings import Settings
from runway_mcp.tasks.store.protocol import LedgerError
from runway_mcp.tasks.store.sqlite.database import connect, immediate
from runway_mcp.tasks.store.sqlite.health import examine
from runway_mcp.tasks.store.sqlite.migrations import MIGRATIONS
from runway_mcp.tasks.store.sqlite.store import SqliteStore
from tests.kit.clock import SetClock
from tests.tasks.claims import claim

posix = pytest.mark.skipif(os.name == "nt", reason="folders have no modes on Windows")
GIGABYTE = 10**9


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    made.mkdir(mode=0o700)
    return made


def test_a_folder_that_does_not_exist_yet_is_fine_where_it_can_be_made(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"

    assert (check_data_folder(folder).status, check_ledger(folder).status) == ("ok", "ok")
    assert not folder.parent.exists()


@posix
def test_a_folder_into_which_others_can_reach_is_warned_of_with_the_command_that_closes_it(folder: Path) -> None:
    folder.chmod(0o755)

    found = check_data_folder(folder)

    assert (found.status, found.remedy) == ("warning", f"chmod 700 {folder}")


def test_a_file_in_the_way_of_a_folder_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "data"

    assert check_data_folder(path).status == "failure"
    assert check_films_folder(Settings(data_dir=tmp_path, save_dir=path)).status == "failure"


async def test_a_whole_ledger_is_told_with_the_number_of_its_requests_and_left_as_it_is(folder: Path) -> None:
    with SqliteStore(folder / "ledger.sqlite3", SetClock()) as ledger:
        await claim(ledger)
    before = (folder / "ledger.sqlite3").read_bytes()

    found = check_ledger(folder)

    assert (found.status, found.message) == ("ok", "whole and writable, with 1 request")
    assert (folder / "ledger.sqlite3").read_bytes() == before
    assert [each.name for each in folder.iterdir()] == ["ledger.sqlite3"]


@pytest.mark.parametrize("content", [b"", b"no ledger at all, but long enough to have a header" * 9])
def test_a_file_that_is_no_ledger_is_a_failure_and_is_not_touched(content: bytes, folder: Path) -> None:
    (folder / "ledger.sqlite3").write_bytes(content)

    found = check_ledger(folder)

    assert found.status == "failure"
    assert "is damaged" in found.message
    assert (found.remedy or "").startswith("Move it away")
    assert (folder / "ledger.sqlite3").read_bytes() == content


def test_a_ledger_with_a_broken_page_is_a_failure(folder: Path) -> None:
    path = folder / "ledger.sqlite3"
    with closing(connect(path)) as ledger:
        ledger.execute("PRAGMA journal_mode = DELETE")
        (page,) = ledger.execute("SELECT rootpage FROM sqlite_master WHERE name = 'quotes'").fetchone()
        (size,) = ledger.execute("PRAGMA page_size").fetchone()
    content = bytearray(path.read_bytes())
    content[(page - 1) * size : (page - 1) * size + 64] = b"\xff" * 64
    path.write_bytes(content)

    with pytest.raises(LedgerError, match="is damaged"):
        examine(path)


def test_a_ledger_of_a_later_version_is_a_failure_that_says_what_to_install(folder: Path) -> None:
    with closing(connect(folder / "ledger.sqlite3")) as ledger:
        ledger.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")

    found = check_ledger(folder)

    assert (found.status, "later version" in found.message) == ("failure", True)
    assert "RUNWAY_MCP_DATA_DIR" in (found.remedy or "")


def test_a_folder_with_a_full_stop_in_its_name_is_told_whole(tmp_path: Path) -> None:
    folder = tmp_path / "my. data"
    folder.mkdir(mode=0o700)
    (folder / "ledger.sqlite3").touch()

    found = check_ledger(folder)

    assert f"{folder / 'ledger.sqlite3'} is damaged, and it is not replaced" in found.message
    assert found.remedy == "Move it away to begin with an empty one, or restore a copy"


@posix
def test_a_link_beside_the_ledger_is_never_followed(folder: Path, tmp_path: Path) -> None:
    with closing(connect(folder / "ledger.sqlite3")):
        pass
    (folder / "ledger.sqlite3-wal").symlink_to(tmp_path / "elsewhere")

    assert check_ledger(folder).status == "failure"
    assert not (tmp_path / "elsewhere").exists()


def test_a_check_that_takes_too_long_is_told_as_none(folder: Path) -> None:
    path = folder / "ledger.sqlite3"
    with closing(connect(path)) as ledger, immediate(ledger):
        ledger.executemany("INSERT INTO quotes VALUES (?, '', 0, NULL)", ((str(each),) for each in range(20_000)))
    clock = iter([0.0])

    assert not examine(path, monotonic=lambda: next(clock, 9.0)).is_checked
    assert examine(path).is_checked


def test_a_lock_that_another_program_keeps_is_a_failure(folder: Path) -> None:
    path = folder / "ledger.sqlite3"
    with closing(connect(path)) as ledger:
        ledger.execute("BEGIN IMMEDIATE")

        with pytest.raises(LedgerError, match="locked by another program"):
            examine(path, patience=0.0)
        ledger.execute("ROLLBACK")


@pytest.mark.parametrize(
    ("free", "status"), [(5 * GIGABYTE, "ok"), (GIGABYTE + 1, "warning"), (GIGABYTE - 1, "failure")]
)
def test_the_room_for_films_is_told(free: int, status: str, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, save_dir=tmp_path / "films")

    assert check_films_folder(settings, free=lambda _: free).status == status
    assert check_films_folder(settings.model_copy(update={"save": "never"}), free=lambda _: 0).status == "ok"
