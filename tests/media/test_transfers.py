"""Transfers that break off: they go on where that is safe, and no film is of two versions."""

from pathlib import Path

import anyio
import pytest

from runway_mcp.media.errors import Changed, Cut, DeadLink, MediaError, NoFilm, Unreachable
from runway_mcp.media.fetch.client import Limits
from runway_mcp.media.files.download import MOST_ATTEMPTS
from runway_mcp.media.files.keeping import keep
from runway_mcp.simulator.links.faults import LinkFault
from tests.media.boxes import film
from tests.media.hosts import answer, at_once, host_and_links, raw_links
from tests.media.keeping import FILM, KEY, NAME, NOTE, PART, SMALL, files, kept

CUTS = [
    LinkFault("cut", after_bytes=5),
    LinkFault("cut", after_bytes=1_500_000),
    LinkFault("stall", after_bytes=1_500_000),
    LinkFault("status", status=503),
    LinkFault("status", status=429),
]


@pytest.mark.parametrize("rule", CUTS, ids=lambda rule: f"{rule.kind} {rule.after_bytes or rule.status}")
async def test_a_transfer_that_breaks_off_goes_on(tmp_path: Path, rule: LinkFault) -> None:
    limits = Limits(silence_seconds=1.0, whole_seconds=50.0)
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
