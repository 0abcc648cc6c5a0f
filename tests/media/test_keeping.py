"""Kept films: whole under their name or not there at all, whatever the link, the disk and the folder do."""

import errno
import json
import os
import resource
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from runway_mcp.media.errors import (
    Changed,
    Cut,
    DeadLink,
    DiskFull,
    FolderRefused,
    KeptElsewhere,
    MediaError,
    NoFilm,
    NoRoom,
    TooLarge,
    Unreachable,
)
from runway_mcp.media.fetch.answers import Version
from runway_mcp.media.fetch.client import Limits, Links
from runway_mcp.media.files.download import MOST_ATTEMPTS
from runway_mcp.media.files.folder import RESERVE_BYTES, Folder
from runway_mcp.media.files.keeping import Kept, keep
from runway_mcp.media.files.parts import MOST_BEHIND, open_part, part_name
from runway_mcp.simulator.links.faults import LinkFault
from tests.media.boxes import FTYP, MOOV, box, film
from tests.media.hosts import FilmHost, answer, at_once, host_and_links, raw_links

NAME = "beach_1f3a.mp4"
KEY = "an asset"
FILM = film(3_000_000)
PART, NOTE = part_name(KEY), f"{part_name(KEY)}.json"


def room(free: int) -> Callable[[Path], int]:
    """A disk with so many bytes free."""
    return lambda _: free


async def kept(links: Links, host: FilmHost, folder: Path, **more: Any) -> Kept:
    chosen: dict[str, Any] = {"key": KEY, "name": NAME, "pause": at_once} | more
    return await keep(links, host.link(), folder, **chosen)


def files(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


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


CUTS = [
    LinkFault("cut", after_bytes=5),
    LinkFault("cut", after_bytes=1_500_000),
    LinkFault("stall", after_bytes=1_500_000),
    LinkFault("status", status=503),
    LinkFault("status", status=429),
]


@pytest.mark.parametrize("rule", CUTS, ids=lambda rule: f"{rule.kind} {rule.after_bytes or rule.status}")
async def test_a_transfer_that_breaks_off_goes_on(tmp_path: Path, rule: LinkFault) -> None:
    limits = Limits(silence_seconds=0.2, whole_seconds=20.0)
    async with host_and_links(FILM, limits=limits) as (host, links):
        host.rules.append(rule)
        told = await kept(links, host, tmp_path)

    assert told.path.read_bytes() == FILM
    assert files(tmp_path) == [NAME]


async def test_what_came_before_a_cut_is_not_fetched_twice(tmp_path: Path) -> None:
    async with host_and_links(FILM) as (host, links):
        host.rules += [LinkFault("cut", after_bytes=1_000_000, times=3), LinkFault("dead")]
        told = await kept(links, host, tmp_path)

        assert [rule.kind for rule in host.rules] == ["dead"]
    assert told.path.read_bytes() == FILM


async def test_a_transfer_goes_on_over_a_fresh_link_to_the_same_film(tmp_path: Path) -> None:
    async with host_and_links(FILM) as (host, links):
        host.rules += [LinkFault("cut", after_bytes=1_000_000), LinkFault("dead")]
        told = await kept(links, host, tmp_path, fresh_link=host.fresh_link)

    assert told.path.read_bytes() == FILM


@pytest.mark.parametrize(
    "later",
    [
        LinkFault("changed", times=None),
        LinkFault("no_ranges", times=None),
        LinkFault("wrong_range", times=1),
        LinkFault("etag", etag='W/"1"', times=None),
        LinkFault("etag", etag="", times=None),
    ],
    ids=lambda rule: f"{rule.kind} {rule.etag}",
)
async def test_a_film_that_cannot_be_continued_begins_anew_and_is_never_of_two_versions(
    tmp_path: Path, later: LinkFault
) -> None:
    async with host_and_links(FILM) as (host, links):
        host.rules += [LinkFault("cut", after_bytes=1_500_000), later]
        told = await kept(links, host, tmp_path)

    changed = FILM[:-1] + bytes([FILM[-1] ^ 0xFF])
    assert told.path.read_bytes() == (changed if later.kind == "changed" else FILM)
    assert files(tmp_path) == [NAME]


async def test_a_part_goes_on_in_a_later_call(tmp_path: Path) -> None:
    async with host_and_links(FILM) as (host, links):
        host.rules += [LinkFault("cut", after_bytes=2_000_000), LinkFault("status", status=503, times=3)]
        with pytest.raises(Unreachable):
            await kept(links, host, tmp_path)
        left, size = files(tmp_path), (tmp_path / PART).stat().st_size
        host.spoil("cut", after_bytes=1_000_000)
        told = await kept(links, host, tmp_path)

    assert (left, size) == ([PART, NOTE], 2_000_000)
    assert told.path.read_bytes() == FILM
    assert files(tmp_path) == [NAME]


async def test_a_part_whose_film_changed_meanwhile_begins_anew(tmp_path: Path) -> None:
    async with host_and_links(FILM) as (host, links):
        host.rules += [LinkFault("cut", after_bytes=2_000_000), LinkFault("dead")]
        with pytest.raises(DeadLink):
            await kept(links, host, tmp_path)
        host.spoil("changed", times=None)
        told = await kept(links, host, tmp_path)

    assert told.path.read_bytes() == FILM[:-1] + bytes([FILM[-1] ^ 0xFF])


async def test_a_whole_part_that_only_lacks_its_name_is_not_fetched_again(tmp_path: Path) -> None:
    def crash(_: Path) -> None:
        raise RuntimeError("the decoder fell over")

    async with host_and_links(FILM) as (host, links):
        with pytest.raises(RuntimeError):
            await kept(links, host, tmp_path, check=crash)
        host.spoil("dead")
        told = await kept(links, host, tmp_path)

        assert len(host.rules) == 1
    assert told.path.read_bytes() == FILM


async def test_a_host_that_cuts_after_every_few_bytes_ends_the_call_and_not_the_part(tmp_path: Path) -> None:
    async with host_and_links(FILM) as (host, links):
        host.spoil("cut", after_bytes=10_000, times=None)
        with pytest.raises(Cut, match="too often"):
            await kept(links, host, tmp_path)
        host.rules.clear()
        size = (tmp_path / PART).stat().st_size
        told = await kept(links, host, tmp_path)

    assert size == 10_000 * MOST_ATTEMPTS
    assert told.path.read_bytes() == FILM


SMALL = film(300)
BEGUN = answer(body=SMALL, ETag='"a"')[:-200]


def rest(body: bytes, told: str = "bytes 100-299/300", tag: str = "a") -> bytes:
    """The rest of a film, without its length: it ends where the connection does."""
    return f'HTTP/1.1 206 Partial Content\r\nETag: "{tag}"\r\nContent-Range: {told}\r\n\r\n'.encode() + body


WHOLE = answer(body=SMALL)
OTHER = film(300, seed=1)


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ([BEGUN, rest(SMALL[100:])], None),
        ([BEGUN, rest(SMALL[100:200]), rest(SMALL[200:], "bytes 200-299/300")], None),
        ([BEGUN, rest(OTHER[100:], tag="b"), WHOLE], None),
        ([BEGUN, rest(OTHER[100:], "bytes 100-299/301"), WHOLE], None),
        ([BEGUN, rest(SMALL[120:], "bytes 120-299/300"), WHOLE], None),
        ([BEGUN, rest(SMALL[100:200], "bytes 100-199/300"), WHOLE], None),
        ([BEGUN, answer("416 No"), WHOLE], None),
        ([b"HTTP/1.1 200 OK\r\n\r\n" + SMALL], None),
        ([BEGUN, rest(SMALL[100:] + b"x")], Changed),
        ([b"HTTP/1.1 200 OK\r\n\r\n" + SMALL[:-1]], NoFilm),
        ([b"HTTP/1.1 200 OK\r\n\r\n"], NoFilm),
        ([rest(SMALL)], NoFilm),
        ([answer("416 No")], NoFilm),
        ([answer(body=SMALL, Content_Encoding="gzip")], NoFilm),
    ],
)
async def test_an_end_without_an_announced_length_is_told_by_the_range_and_the_boxes(
    tmp_path: Path, answers: list[bytes], error: type[MediaError] | None
) -> None:
    async with raw_links(*answers) as (link, host, links):
        if error is None:
            told = await keep(links, link, tmp_path, key=KEY, name=NAME, pause=at_once)
            assert told.path.read_bytes() == SMALL
            assert len(host.heads) == len(answers)
            return
        with pytest.raises(error):
            await keep(links, link, tmp_path, key=KEY, name=NAME, pause=at_once)

    assert files(tmp_path) == []


async def test_a_rest_is_asked_for_only_of_the_version_that_was_begun(tmp_path: Path) -> None:
    async with raw_links(BEGUN, rest(SMALL[100:])) as (link, host, links):
        await keep(links, link, tmp_path, key=KEY, name=NAME, pause=at_once)

    assert b"\r\nRange:" not in host.heads[0]
    assert b'\r\nRange: bytes=100-\r\nIf-Range: "a"\r\n' in host.heads[1]


async def test_what_does_not_begin_as_a_film_is_given_up_at_once(tmp_path: Path) -> None:
    async with host_and_links(bytes(2_000_000)) as (host, links):
        host.spoil("endless")
        with pytest.raises(NoFilm):
            await kept(links, host, tmp_path)


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


async def test_a_call_that_is_cancelled_leaves_its_part_to_the_next(tmp_path: Path) -> None:
    async with host_and_links(FILM, limits=Limits()) as (host, links):
        host.spoil("stall", after_bytes=2_500_000)
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: kept(links, host, tmp_path))
            while not (tmp_path / PART).exists() or (tmp_path / PART).stat().st_size < 2**20:  # noqa: ASYNC110  a disk tells no event
                await anyio.sleep(0.01)
            group.cancel_scope.cancel()
        left = files(tmp_path)
        told = await kept(links, host, tmp_path)

    assert left == [PART, NOTE]
    assert told.path.read_bytes() == FILM


NO_FILMS = [
    (LinkFault("wrong_type"), NoFilm),
    (LinkFault("wrong_type", content_type="video/mp4", body="<html>" + "x" * 100), NoFilm),
    (LinkFault("wrong_length", length=2_999_999), NoFilm),
    (LinkFault("wrong_length", length=3_000_008), NoFilm),
    (LinkFault("wrong_length", length=0), NoFilm),
    (LinkFault("wrong_length", length=5_000_001), TooLarge),
    (LinkFault("endless"), TooLarge),
    (LinkFault("status", status=204), NoFilm),
    (LinkFault("dead"), DeadLink),
    (LinkFault("status", status=500, times=None), Unreachable),
    (LinkFault("redirect", times=None), MediaError),
    (LinkFault("redirect", location="https://10.0.0.5/"), MediaError),
    (LinkFault("redirect", location="http://127.0.0.1:1/"), MediaError),
    (LinkFault("cut", after_bytes=0, times=None), Cut),
]


@pytest.mark.parametrize(("rule", "error"), NO_FILMS, ids=lambda each: getattr(each, "kind", ""))
async def test_what_is_no_whole_film_leaves_nothing_behind(
    tmp_path: Path, rule: LinkFault, error: type[MediaError]
) -> None:
    async with host_and_links(FILM, limits=Limits(most_bytes=5_000_000)) as (host, links):
        host.rules.append(rule)
        with pytest.raises(error) as caught:
            await kept(links, host, tmp_path)

    assert files(tmp_path) == []
    assert "_jwt" not in str(caught.value)


@pytest.mark.parametrize(
    "content", [FTYP + MOOV, FTYP + box(b"mdat", bytes(1000)), b"\x1aE\xdf\xa3" + bytes(1000), bytes(11), b"x"]
)
async def test_a_file_that_is_no_mp4_with_an_index_gets_no_name(tmp_path: Path, content: bytes) -> None:
    async with host_and_links(content) as (host, links):
        with pytest.raises(NoFilm):
            await kept(links, host, tmp_path)

    assert files(tmp_path) == []


async def test_a_further_check_may_refuse_a_film_before_it_has_its_name(tmp_path: Path) -> None:
    seen: list[tuple[Path, bytes]] = []

    def refuse(path: Path) -> None:
        seen.append((path, path.read_bytes()))
        raise NoFilm("Its last frame does not decode.")

    async with host_and_links(FILM) as (host, links):
        with pytest.raises(NoFilm, match="last frame"):
            await kept(links, host, tmp_path, check=refuse)

    assert seen == [(tmp_path / PART, FILM)]
    assert files(tmp_path) == []


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
    for each in tmp_path.parents[:2]:
        each.chmod(0o755)
    async with host_and_links(FILM) as (host, links):
        with as_nobody(), pytest.raises(FolderRefused, match="Permission denied"):
            await kept(links, host, tmp_path)
        with as_nobody(), pytest.raises(FolderRefused, match="Permission denied"):
            await kept(links, host, tmp_path / "below")

    tmp_path.chmod(0o755)
    assert files(tmp_path) == []


async def test_a_file_in_place_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "films").write_text("mine")
    async with host_and_links(FILM) as (host, links):
        with pytest.raises(FolderRefused):
            await kept(links, host, tmp_path / "films")

    assert (tmp_path / "films").read_text() == "mine"


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

    assert NAME not in files(folder)
    assert outside.exists() == (kind != "dangling")
    assert kind == "dangling" or outside.read_text() == "mine"


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


async def test_a_folder_that_is_swapped_for_a_link_while_a_film_comes_leads_nowhere_else(tmp_path: Path) -> None:
    folder, moved, elsewhere = (tmp_path / name for name in ("films", "moved", "elsewhere"))
    elsewhere.mkdir()

    def swap(_: Path) -> None:
        folder.rename(moved)
        folder.symlink_to(elsewhere)

    async with host_and_links(FILM) as (host, links):
        await kept(links, host, folder, check=swap)

    assert (files(elsewhere), files(moved)) == ([], [NAME])


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


def test_a_folder_takes_plain_names_alone(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        for name in ("", ".", "..", "../x", "a/b", "/x"):
            with pytest.raises(ValueError, match="no plain name"):
                folder.create(name)


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
