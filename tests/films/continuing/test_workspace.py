"""Working folders: shared files, whole files, and one holder of a lock."""

import os
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from runway_mcp.films.continuing.preparing.failures import told_as_free
from runway_mcp.films.continuing.workspace import check_writable, held, make_workspace, share_file, write_whole
from runway_mcp.media.errors import FolderRefused, NoRoom
from runway_mcp.tasks.failures import Failure


def test_a_file_that_is_shared_has_two_names_and_stays_when_one_goes(tmp_path: Path) -> None:
    source, target = tmp_path / "a.mp4", tmp_path / "b.mp4"
    source.write_bytes(b"a film")

    share_file(source, target)
    share_file(source, target)
    source.unlink()

    assert target.read_bytes() == b"a film"


def test_a_file_that_is_gone_cannot_be_shared(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        share_file(tmp_path / "none", tmp_path / "b.mp4")


def test_a_file_is_written_whole_in_place_of_the_one_before(tmp_path: Path) -> None:
    for content in (b"one", b"another"):
        write_whole(tmp_path / "frame.png", content)

        assert (tmp_path / "frame.png").read_bytes() == content
        assert os.listdir(tmp_path) == ["frame.png"]  # noqa: PTH208  the names alone


def test_room_counts_what_is_to_come(tmp_path: Path) -> None:
    check_writable(tmp_path / "films", needed=1000, free=lambda _: 10**9 + 1000)
    with pytest.raises(NoRoom):
        check_writable(tmp_path / "films", needed=1001, free=lambda _: 10**9 + 1000)

    assert list((tmp_path / "films").iterdir()) == []


@pytest.mark.parametrize("error", [NoRoom("only 0.0 GB are free"), OSError(28, "only 0.0 GB are free")], ids=repr)
def test_a_disk_that_has_no_room_is_a_free_failure_and_a_line_for_whoever_runs_the_server(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(Failure) as failed, told_as_free():
        raise error

    assert (failed.value.kind, "Nothing was submitted" in str(failed.value)) == ("not_configured", True)
    assert [record.getMessage().endswith("only 0.0 GB are free") for record in caplog.records] == [True]


def test_a_file_in_the_way_of_a_working_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "continued").write_bytes(b"")
    with pytest.raises(FolderRefused, match="continued"):
        make_workspace(tmp_path, "film_0")


async def test_a_lock_has_one_holder_at_a_time(tmp_path: Path) -> None:
    inside: list[int] = []
    most = 0

    async def hold(number: int) -> None:
        nonlocal most
        async with held(tmp_path / "lock", pause=lambda _: anyio.lowlevel.checkpoint()):
            inside.append(number)
            most = max(most, len(inside))
            await anyio.sleep(0.001)
            inside.remove(number)

    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            for number in range(5):
                group.start_soon(hold, number)

    assert most == 1
