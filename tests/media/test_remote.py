"""A film read by ranges: the right bytes, few requests, and never those of two versions."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from runway_mcp.media.errors import Changed, Cut, DeadLink, MediaError, NoFilm, RangesRefused, TooLarge, Unreachable
from runway_mcp.media.fetch.client import Limits, Links, Response
from runway_mcp.media.fetch.network import Pool
from runway_mcp.media.fetch.remote import SILENCE_SECONDS, FilmBytes, open_film
from runway_mcp.simulator.links.faults import LinkFault
from tests.media.boxes import film
from tests.media.hosts import host_and_links, raw_links

FILM = film(100_000)


async def test_any_part_is_read_by_one_request_and_the_beginning_by_none() -> None:
    async with host_and_links(FILM) as (host, links):
        remote = await open_film(links, host.link(), head_bytes=1000)
        parts = {span: await remote.read(*span) for span in [(0, 1000), (500, 600), (0, 1001), (99_000, 100_000)]}
        nothing = await remote.read(7, 7)

    as_protocol: FilmBytes = remote
    assert as_protocol.size == len(FILM)
    assert all(part == FILM[start:end] for (start, end), part in parts.items())
    assert nothing == b""
    assert "_jwt" not in repr(remote)
    assert (remote.requests, remote.received) == (3, 3001)


@pytest.mark.parametrize("span", [(-1, 5), (5, 4), (0, 100_001)])
async def test_what_does_not_lie_in_the_film_is_not_asked_for(span: tuple[int, int]) -> None:
    async with host_and_links(FILM) as (host, links):
        remote = await open_film(links, host.link(), head_bytes=1000)
        with pytest.raises(ValueError, match="100000 bytes"):
            await remote.read(*span)

    assert remote.requests == 1


@pytest.mark.parametrize("kind", ["cut", "status", "stall"])
async def test_a_read_that_breaks_off_is_tried_again(kind: Any) -> None:
    # Where something is silent on purpose it is so six times; elsewhere a busy machine must not count as silence.
    limits = Limits(silence_seconds=1.0 if kind == "stall" else 20.0, whole_seconds=50.0)
    async with host_and_links(FILM, limits=limits) as (host, links):
        host.spoil(kind, after_bytes=10, status=503)
        remote = await open_film(links, host.link(), head_bytes=1000)
        host.spoil(kind, after_bytes=10, status=503, times=2)

        assert await remote.read(1000, 3000) == FILM[1000:3000]

        host.spoil(kind, after_bytes=10, status=503, times=3)
        with pytest.raises((Cut, Unreachable)):
            await remote.read(1000, 3000)


async def test_a_dead_link_is_replaced_by_a_fresh_one_where_there_is_a_way_to_one() -> None:
    async with host_and_links(FILM) as (host, links):
        lasting = await open_film(links, host.link(), fresh_link=host.fresh_link, head_bytes=1000)
        single = await open_film(links, host.link(), head_bytes=1000)
        host.spoil("dead", status=410)
        read = await lasting.read(2000, 3000)
        host.spoil("dead", times=None)
        with pytest.raises(DeadLink):
            await single.read(2000, 3000)
        with pytest.raises(DeadLink):
            await lasting.read(2000, 3000)

    assert read == FILM[2000:3000]


@pytest.mark.parametrize(
    ("rule", "error"),
    [
        (LinkFault("changed", times=None), Changed),
        (LinkFault("wrong_range", times=None), Changed),
        (LinkFault("no_ranges", times=None), RangesRefused),
        (LinkFault("wrong_type", times=None), NoFilm),
        (LinkFault("wrong_length", length=500, times=None), Changed),
    ],
)
async def test_bytes_of_another_film_or_place_are_never_given(rule: LinkFault, error: type[MediaError]) -> None:
    async with host_and_links(FILM) as (host, links):
        remote = await open_film(links, host.link(), head_bytes=1000)
        host.rules.append(rule)
        with pytest.raises(error):
            await remote.read(50_000, 60_000)


async def test_a_host_without_ranges_is_known_as_such_and_gives_the_whole() -> None:
    async with host_and_links(FILM) as (host, links):
        host.spoil("no_ranges", times=None)
        remote = await open_film(links, host.link())
        with pytest.raises(RangesRefused):
            await remote.read(0, 100)

        assert not remote.ranges
        assert await remote.read(0, remote.size) == FILM
        assert (remote.requests, remote.received) == (2, len(FILM))


async def test_without_a_strong_tag_parts_are_still_read() -> None:
    async with host_and_links(FILM) as (host, links):
        host.spoil("etag", etag='W/"1"', times=None)
        remote = await open_film(links, host.link(), head_bytes=10)

        assert await remote.read(2000, 3000) == FILM[2000:3000]


@pytest.mark.parametrize(
    ("rule", "error"),
    [
        (LinkFault("endless"), NoFilm),
        (LinkFault("wrong_type"), NoFilm),
        (LinkFault("wrong_range"), NoFilm),
        (LinkFault("wrong_length", length=0), NoFilm),
        (LinkFault("wrong_length", length=200_001), TooLarge),
    ],
)
async def test_what_cannot_be_read_by_ranges_is_refused_when_it_is_opened(
    rule: LinkFault, error: type[MediaError]
) -> None:
    async with host_and_links(FILM, limits=Limits(most_bytes=200_000)) as (host, links):
        host.rules.append(rule)
        with pytest.raises(error):
            await open_film(links, host.link())


@pytest.mark.parametrize(
    ("body", "error"), [(b"0123456789", None), (b"012", Cut), (b"0123456789a", Changed), (b"", Cut)]
)
async def test_a_part_that_ends_with_the_connection_is_taken_only_at_its_announced_length(
    body: bytes, error: type[MediaError] | None
) -> None:
    told = b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-9/10\r\n\r\n"
    async with raw_links(told + body) as (link, _, links):
        if error is None:
            assert await (await open_film(links, link)).read(0, 10) == body
            return
        with pytest.raises(error):
            await open_film(links, link)


@pytest.mark.parametrize("told", ["bytes 5-9/10", "bytes 0-9/20", "bytes 0-9/10"])
async def test_a_first_part_that_was_not_asked_for_is_not_taken(told: str) -> None:
    answer = f"HTTP/1.1 206 Partial Content\r\nContent-Range: {told}\r\nContent-Length: 10\r\n\r\n".encode()
    async with raw_links(answer + b"0123456789") as (link, _, links):
        with pytest.raises(NoFilm):
            await open_film(links, link, head_bytes=9)


def never_connects() -> Pool:
    raise AssertionError


class SlowLinks(Links):
    """Links whose answers come after `wait` seconds, and their bytes in two pieces with as much between."""

    def __init__(self, wait: float) -> None:
        super().__init__(never_connects, None, Limits())
        self.wait = wait
        self.asked = 0

    @asynccontextmanager
    async def get(
        self,
        link: str,  # noqa: ARG002  the signature is that of `Links`
        *,
        wanted: Mapping[str, str] | None = None,  # noqa: ARG002  likewise
        deadline: float,  # noqa: ARG002  likewise
    ) -> AsyncGenerator[Response]:
        async def chunks() -> AsyncGenerator[bytes]:
            for piece in (FILM[:500], FILM[500:1000]):
                yield piece
                await anyio.sleep(self.wait)

        self.asked += 1
        await anyio.sleep(self.wait)
        yield Response(206, {"content-range": f"bytes 0-999/{len(FILM)}"}, chunks())


@pytest.mark.virtual_time
async def test_a_link_that_brings_nothing_is_given_up_soon_and_one_that_is_slow_is_not() -> None:
    silent, slow = SlowLinks(1000.0), SlowLinks(SILENCE_SECONDS - 1)
    began = anyio.current_time()
    with pytest.raises(Cut, match="silent"):
        await open_film(silent, "a link", head_bytes=1000)
    given_up = anyio.current_time() - began
    remote = await open_film(slow, "a link", head_bytes=1000)

    assert (given_up, silent.asked) == (pytest.approx(SILENCE_SECONDS), 1)
    assert remote.head == FILM[:1000]
