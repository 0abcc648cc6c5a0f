"""Folders and disks that refuse: told, and nothing outside the folder is touched."""

import os
import re
import resource
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runway_mcp.media.errors import DeadLink, DiskFull, FolderRefused, NoRoom
from runway_mcp.media.files.folder import RESERVE_BYTES, Folder
from runway_mcp.simulator.links.faults import LinkFault
from tests.media.hosts import host_and_links
from tests.media.keeping import FILM, NAME, NOTE, PART, files, kept


def room(free: int) -> Callable[[Path], int]:
    """A disk with so many bytes free."""
    return lambda _: free


async def test_with_less_than_a_gigabyte_free_nothing_is_begun(tmp_path: Path) -> None:
    async with host_and_links(FILM) as (host, links):
        host.spoil("dead")
        with pytest.raises(NoRoom, match="GB are free"):
            await kept(links, host, tmp_path, free=room(RESERVE_BYTES - 1))

        assert files(tmp_path) == []
        assert len(host.rules) == 1


async def test_a_film_that_would_leave_less_than_a_gigabyte_is_not_begun_nor_gone_on_with(tmp_path: Path) -> None:
    ample = RESERVE_BYTES + len(FILM)
    async with host_and_links(FILM) as (host, links):
        with pytest.raises(NoRoom):
            await kept(links, host, tmp_path, free=room(ample - 1))
        none = files(tmp_path)
        host.rules += [LinkFault("cut", after_bytes=2_000_000), LinkFault("dead")]
        with pytest.raises(DeadLink):
            await kept(links, host, tmp_path, free=room(ample))
        with pytest.raises(NoRoom):
            await kept(links, host, tmp_path, free=room(ample - 2_000_001))
        part = files(tmp_path)
        told = await kept(links, host, tmp_path, free=room(ample - 2_000_000))

    assert (none, part) == ([], [PART, NOTE])
    assert told.path.read_bytes() == FILM


@pytest.mark.parametrize("announced", [True, False])
async def test_a_disk_that_fills_up_meanwhile_stops_a_film_before_the_gigabyte_whether_or_not_its_length_is_known(
    tmp_path: Path, announced: bool
) -> None:
    least = RESERVE_BYTES + len(FILM)

    def free(folder: Path) -> int:
        nonlocal least
        written = sum(each.stat().st_size for each in folder.glob("*.part"))
        others = written if announced else 0
        left = RESERVE_BYTES + len(FILM) - written - others
        least = min(least, left)
        return left

    async with host_and_links(FILM) as (host, links):
        if not announced:
            host.spoil("endless")
        with pytest.raises(NoRoom, match="not written on and what had come of it is removed"):
            await kept(links, host, tmp_path, free=free)

    assert RESERVE_BYTES <= least < RESERVE_BYTES + 2**20
    assert files(tmp_path) == []


@contextmanager
def largest_file(size: int) -> Generator[None]:
    """A disk on which no file can be longer: first it takes less than it is given, then it refuses."""
    _, hard = before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [0, 100, 600, 1_500_000, 2_999_999])
async def test_a_disk_that_becomes_full_is_told_and_the_part_is_removed(tmp_path: Path, size: int) -> None:
    async with host_and_links(FILM) as (host, links):
        with largest_file(size), pytest.raises(DiskFull, match="disk is full"):
            await kept(links, host, tmp_path)
        left = files(tmp_path)
        told = await kept(links, host, tmp_path)

    assert left == []
    assert told.path.read_bytes() == FILM


@contextmanager
def as_nobody() -> Generator[None]:
    """Without the rights of root, to whom no folder is closed."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


async def test_a_read_only_folder_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    # What pytest made is closed to others; of several workers each has a folder of its own.
    for each in (parent for parent in tmp_path.parents if parent.name.startswith(("pytest-", "popen-"))):
        each.chmod(0o755)
    async with host_and_links(FILM) as (host, links):
        with as_nobody(), pytest.raises(FolderRefused, match="Permission denied"):
            await kept(links, host, tmp_path)
        with as_nobody(), pytest.raises(FolderRefused, match=rf"Permission denied in {tmp_path}\."):
            await kept(links, host, tmp_path / "below" / "it")

    tmp_path.chmod(0o755)
    assert files(tmp_path) == []


@pytest.mark.parametrize("below", ["", "further/down"])
@pytest.mark.parametrize("kind", ["file", "dangling", "loop"])
async def test_what_lies_in_place_of_the_folder_is_named_and_stays(tmp_path: Path, kind: str, below: str) -> None:
    place = tmp_path / "films"
    if kind == "file":
        place.write_text("mine")
    else:
        place.symlink_to(place if kind == "loop" else tmp_path / "nowhere")
    async with host_and_links(FILM) as (host, links):
        told = f"{place} is no folder" if kind == "file" else f"{place} is a link to nowhere"
        with pytest.raises(FolderRefused, match=re.escape(told)):
            await kept(links, host, place / below)

    assert files(tmp_path) == ["films"]


@pytest.mark.skipif(sys.platform != "linux", reason="a folder in which nobody may make one")
async def test_a_folder_in_which_nothing_can_be_made_is_named(tmp_path: Path) -> None:
    async with host_and_links(FILM) as (host, links):
        with pytest.raises(FolderRefused, match=r"No such file or directory in /proc\."):
            await kept(links, host, Path("/proc/films"))

    assert files(tmp_path) == []


async def test_a_folder_that_is_swapped_for_a_link_while_a_film_comes_leads_nowhere_else(tmp_path: Path) -> None:
    folder, moved, elsewhere = (tmp_path / name for name in ("films", "moved", "elsewhere"))
    elsewhere.mkdir()

    def swap(_: Path) -> None:
        folder.rename(moved)
        folder.symlink_to(elsewhere)

    async with host_and_links(FILM) as (host, links):
        await kept(links, host, folder, check=swap)

    assert (files(elsewhere), files(moved)) == ([], [NAME])


def test_a_folder_takes_plain_names_alone(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        for name in ("", ".", "..", "../x", "a/b", "/x"):
            with pytest.raises(ValueError, match="no plain name"):
                folder.create(name)
