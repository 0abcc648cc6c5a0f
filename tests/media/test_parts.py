"""Parts of films: what lies in their way, and what a crash leaves of them."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from runway_mcp.media.errors import FolderRefused
from runway_mcp.media.fetch.answers import Version
from runway_mcp.media.files.folder import Folder
from runway_mcp.media.files.parts import MOST_BEHIND, open_part
from tests.media.hosts import host_and_links
from tests.media.keeping import FILM, KEY, NAME, NOTE, PART, SMALL, files, kept


async def test_a_part_that_is_shorter_than_its_note_says_begins_anew(tmp_path: Path) -> None:
    async with host_and_links(FILM) as (host, links):
        tag = f'"{host.asset.uuid}-{len(FILM)}"'
        (tmp_path / PART).write_bytes(FILM[:1000])
        (tmp_path / NOTE).write_text(json.dumps({"etag": tag, "size": len(FILM), "synced": 1001}))
        told = await kept(links, host, tmp_path)

    assert told.path.read_bytes() == FILM


@pytest.mark.parametrize("note", ["", "{", "[]", '{"etag": "\\"a\\"", "size": 5, "synced": 9}', "\0" * 600])
async def test_a_note_that_tells_nothing_of_use_begins_anew(tmp_path: Path, note: str) -> None:
    (tmp_path / PART).write_bytes(b"x" * 1_000_000)
    (tmp_path / NOTE).write_text(note)
    async with host_and_links(FILM) as (host, links):
        told = await kept(links, host, tmp_path)

    assert told.path.read_bytes() == FILM
    assert files(tmp_path) == [NAME]


@pytest.mark.parametrize("name", [PART, NOTE])
@pytest.mark.parametrize("kind", ["link", "dangling", "hard link", "folder", "pipe"])
async def test_what_lies_in_the_way_of_a_part_is_not_followed_nor_changed(tmp_path: Path, name: str, kind: str) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "films"
    folder.mkdir()
    if kind != "dangling":
        outside.write_text("mine")
    if kind in {"link", "dangling"}:
        (folder / name).symlink_to(outside)
    elif kind == "hard link":
        (folder / name).hardlink_to(outside)
    elif kind == "folder":
        (folder / name).mkdir()
    else:
        os.mkfifo(folder / name)
    async with host_and_links(FILM) as (host, links):
        with pytest.raises(FolderRefused):
            await kept(links, host, folder)

    assert files(folder) == [name]
    assert outside.exists() == (kind != "dangling")
    assert kind == "dangling" or outside.read_text() == "mine"


def test_where_there_are_no_hard_links_a_film_gets_its_name_all_the_same_and_overwrites_nothing(tmp_path: Path) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EPERM, "no links here")

    (tmp_path / "theirs.mp4").write_bytes(b"theirs")
    with Folder(tmp_path, link=refuse) as folder:
        part = open_part(folder, KEY)
        part.begin(Version(300, '"a"'))
        part.write(SMALL)
        with pytest.raises(FileExistsError):
            part.publish("theirs.mp4")
        part.publish(NAME)
        part.close()

    assert files(tmp_path) == [NAME, "theirs.mp4"]
    assert (tmp_path / NAME).read_bytes() == SMALL
    assert (tmp_path / "theirs.mp4").read_bytes() == b"theirs"


@pytest.mark.parametrize("name", [PART, NOTE])
async def test_a_part_that_others_replaced_meanwhile_is_not_published_and_theirs_stays(
    tmp_path: Path, name: str
) -> None:
    def replace_it(_: Path) -> None:
        (tmp_path / name).unlink()
        (tmp_path / name).write_bytes(b"theirs")

    async with host_and_links(FILM) as (host, links):
        if name == NOTE:
            assert (await kept(links, host, tmp_path, check=replace_it)).new
            return
        with pytest.raises(FolderRefused, match="replaced"):
            await kept(links, host, tmp_path, check=replace_it)

    assert (tmp_path / PART).read_bytes() == b"theirs"


def test_a_part_survives_a_crash_up_to_what_the_disk_was_asked_to_take(tmp_path: Path) -> None:
    block = bytes(2**20)
    with Folder(tmp_path) as folder:
        part = open_part(folder, KEY)
        part.begin(Version(64 * 2**20, '"a"'))
        for _ in range(32):
            part.write(block)
        # A crash: nothing is settled, the descriptors go.
        copy = tmp_path / "copy"
        copy.mkdir()
        for name in (PART, NOTE):
            (copy / name).write_bytes((tmp_path / name).read_bytes())
        part.close()
    with Folder(copy) as folder:
        after = open_part(folder, KEY)
        after.close()

    assert after.version == Version(64 * 2**20, '"a"')
    assert 32 * 2**20 - 2 * MOST_BEHIND < after.length <= 32 * 2**20
    assert after.length % 2**20 == 0
