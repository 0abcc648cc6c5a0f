"""Kept films: whole under their name or not there at all, one file each, and none in place of another."""

from pathlib import Path

import anyio
import pytest

from runway_mcp.media.errors import KeptElsewhere
from runway_mcp.media.fetch.client import Links
from runway_mcp.media.files.keeping import Kept
from tests.media.hosts import FilmHost, host_and_links
from tests.media.keeping import FILM, NAME, NOTE, PART, files, kept


async def test_a_film_is_kept_under_its_name_and_alone(tmp_path: Path) -> None:
    async with host_and_links(FILM) as (host, links):
        told = await kept(links, host, tmp_path / "new" / "films")

    assert told == Kept(tmp_path / "new" / "films" / NAME, len(FILM), new=True)
    assert told.path.read_bytes() == FILM
    assert files(told.path.parent) == [NAME]


async def test_a_film_that_is_there_is_told_and_not_written_again(tmp_path: Path) -> None:
    async with host_and_links(FILM) as (host, links):
        first = await kept(links, host, tmp_path)
        before = first.path.stat()
        host.spoil("cut", after_bytes=70_000, times=None)
        second = await kept(links, host, tmp_path)
        host.rules.clear()
        copy = await kept(links, host, tmp_path, name="copy.mp4")

    assert (second, copy) == (Kept(first.path, len(FILM), new=False), Kept(tmp_path / "copy.mp4", len(FILM), new=True))
    assert first.path.stat().st_mtime_ns == before.st_mtime_ns
    assert files(tmp_path) == [NAME, "copy.mp4"]


@pytest.mark.parametrize("at", [500, len(FILM) // 2, len(FILM) - 1])
@pytest.mark.parametrize("ranges", [True, False])
async def test_another_film_of_that_name_and_length_is_known_by_its_ends_or_by_all_of_it_where_parts_are_refused(
    tmp_path: Path, at: int, ranges: bool
) -> None:
    other = bytearray(FILM)
    other[at] ^= 0xFF
    (tmp_path / NAME).write_bytes(other)
    async with host_and_links(FILM) as (host, links):
        if not ranges:
            host.spoil("no_ranges", times=None)
        told = await kept(links, host, tmp_path)

    middle = ranges and at == len(FILM) // 2
    assert told == Kept(tmp_path / (NAME if middle else "beach_1f3a-2.mp4"), len(FILM), new=not middle)
    assert (tmp_path / NAME).read_bytes() == other


async def test_a_film_that_was_moved_is_kept_again(tmp_path: Path) -> None:
    async with host_and_links(FILM) as (host, links):
        first = await kept(links, host, tmp_path)
        first.path.rename(tmp_path / "moved.mp4")
        second = await kept(links, host, tmp_path)

    assert second.new
    assert files(tmp_path) == [NAME, "moved.mp4"]


@pytest.mark.parametrize("there", [NAME, NAME.upper().replace("MP4", "mp4")])
async def test_another_file_of_that_name_in_any_case_stays_and_the_film_gets_a_number(
    tmp_path: Path, there: str
) -> None:
    (tmp_path / there).write_bytes(b"mine")
    async with host_and_links(FILM) as (host, links):
        told = await kept(links, host, tmp_path)

    assert told.path.name == "beach_1f3a-2.mp4"
    assert (tmp_path / there).read_bytes() == b"mine"


@pytest.mark.parametrize("dangling", [False, True])
async def test_a_link_under_the_film_s_name_stays_and_the_film_gets_a_number(tmp_path: Path, dangling: bool) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "films"
    folder.mkdir()
    if not dangling:
        outside.write_bytes(FILM)
    (folder / NAME).symlink_to(outside)
    async with host_and_links(FILM) as (host, links):
        told = await kept(links, host, folder)

    assert (told.path.name, told.new) == ("beach_1f3a-2.mp4", True)
    assert outside.exists() != dangling


async def test_one_film_kept_twice_at_once_is_written_once_and_the_other_call_is_told(tmp_path: Path) -> None:
    told: list[Kept | KeptElsewhere] = []

    async def call(links: Links, host: FilmHost) -> None:
        try:
            told.append(await kept(links, host, tmp_path))
        except KeptElsewhere as error:
            told.append(error)

    async with host_and_links(FILM) as (host, links), anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(call, links, host)

    assert sum(isinstance(each, Kept) and each.new for each in told) == 1
    assert any(isinstance(each, KeptElsewhere) for each in told)
    assert files(tmp_path) == [NAME]
    assert (tmp_path / NAME).read_bytes() == FILM


async def test_a_film_that_another_process_named_meanwhile_is_told_and_not_doubled(tmp_path: Path) -> None:
    def name_it(_: Path) -> None:
        (tmp_path / NAME).write_bytes(FILM)

    async with host_and_links(FILM) as (host, links):
        told = await kept(links, host, tmp_path, check=name_it)

    assert told == Kept(tmp_path / NAME, len(FILM), new=False)
    assert files(tmp_path) == [NAME]


async def test_a_crash_between_the_film_s_name_and_the_loss_of_its_part_s_is_tidied_up(tmp_path: Path) -> None:
    (tmp_path / PART).write_bytes(FILM)
    (tmp_path / NAME).hardlink_to(tmp_path / PART)
    (tmp_path / NOTE).write_text("")
    async with host_and_links(FILM) as (host, links):
        told = await kept(links, host, tmp_path)
        other = await kept(links, host, tmp_path, name="other.mp4")

    assert (told.new, other.new) == (False, True)
    assert files(tmp_path) == [NAME, "other.mp4"]


@pytest.mark.parametrize("name", ["../x.mp4", "a/b.mp4", "x", "con.mp4", ".mp4"])
async def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    async with host_and_links(FILM) as (host, links):
        with pytest.raises(ValueError, match="no safe name"):
            await kept(links, host, tmp_path / "films", name=name)

    assert files(tmp_path) == []
