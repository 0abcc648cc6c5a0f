"""Reading: in worker threads, as many as the limiter allows, over when its caller is."""

import threading
from pathlib import Path

import anyio
import anyio.from_thread
import pytest
from anyio import CapacityLimiter, wait_all_tasks_blocked
from anyio.to_thread import run_sync

from runway_mcp.media.errors import RangesRefused, UnreadableFilm
from runway_mcp.media.fetch.remote import open_film
from runway_mcp.media.pictures.frames import last_frame
from runway_mcp.media.pictures.limits import LIMITS, Limits
from runway_mcp.media.pictures.reading import FIRST_BYTES, FilmFile, worked_on
from tests.kit.films import WHITE, film
from tests.kit.numbered import Form, numbered
from tests.media.hosts import host_and_links
from tests.media.ranged import RangedFilm

LIMIT = 60.0


async def test_decoding_waits_for_a_free_thread_while_the_loop_goes_on(tmp_path: Path) -> None:
    path = film(tmp_path / "film.mp4", WHITE)
    limiter = CapacityLimiter(1)
    limiter.acquire_on_behalf_of_nowait("another")
    shown: list[float] = []

    async def look() -> None:
        shown.append((await last_frame(path, limiter=limiter)).shown[0].second)

    with anyio.fail_after(LIMIT):
        async with anyio.create_task_group() as group:
            group.start_soon(look)
            await wait_all_tasks_blocked()
            assert (limiter.statistics().tasks_waiting, shown) == (1, [])
            limiter.release_on_behalf_of("another")
    assert shown == [0.0]


async def test_the_thread_of_a_cancelled_call_ends_soon(limiter: CapacityLimiter) -> None:
    begun, ended = anyio.Event(), threading.Event()

    def work(file: FilmFile) -> None:
        anyio.from_thread.run_sync(begun.set)
        try:
            while True:
                file.check()
        finally:
            ended.set()

    with anyio.fail_after(LIMIT):
        async with anyio.create_task_group() as group:

            async def decode() -> None:
                await worked_on(RangedFilm(b"film"), work, limits=LIMITS, limiter=limiter)

            group.start_soon(decode)
            await begun.wait()
            group.cancel_scope.cancel()
    assert await run_sync(ended.wait, LIMIT)


async def test_a_call_that_waits_for_bytes_can_be_cancelled(limiter: CapacityLimiter) -> None:
    class Silent(RangedFilm):
        async def read(self, start: int, end: int) -> bytes:
            await anyio.sleep_forever()
            return self.content[start:end]

    with anyio.fail_after(LIMIT), anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: last_frame(Silent(b"film"), limiter=limiter))
            await wait_all_tasks_blocked()
            scope.cancel()
    assert scope.cancelled_caught


async def test_missing_bytes_are_fetched_and_the_work_begins_again(limiter: CapacityLimiter) -> None:
    content = bytes(range(256)) * 4096
    elsewhere = RangedFilm(content)
    tries: list[int] = []

    def work(file: FilmFile) -> bytes:
        tries.append(file.tell())
        front = file.read(10)
        file.require(500_000, 500_010)
        file.seek(500_000)
        middle = file.read(10)
        file.seek(-10, 2)
        return front + middle + file.read(99)

    made = await worked_on(elsewhere, work, limits=LIMITS, limiter=limiter)

    assert made == content[:10] + content[500_000:500_010] + content[-10:]
    assert elsewhere.asked == [(0, FIRST_BYTES), (500_000, 500_010), (len(content) - 10, len(content))]
    assert tries == [0, 0, 0]


async def test_a_film_in_which_the_decoder_looks_around_is_read_whole(limiter: CapacityLimiter) -> None:
    elsewhere = RangedFilm(bytes(4_000_000))

    def work(file: FilmFile) -> int:
        for place in range(0, file.size, 500_000):
            file.seek(place)
            if not file.read(1):
                break
        return file.tell()

    assert await worked_on(elsewhere, work, limits=LIMITS, limiter=limiter) == 3_500_001
    assert elsewhere.asked == [
        (0, FIRST_BYTES), (500_000, 500_000 + FIRST_BYTES), (FIRST_BYTES, 500_000), (500_000 + FIRST_BYTES, 4_000_000)
    ]  # fmt: skip


async def test_a_plan_that_needs_most_of_the_rest_takes_all_of_it(limiter: CapacityLimiter) -> None:
    elsewhere = RangedFilm(bytes(1_000_000))

    await worked_on(elsewhere, lambda file: file.require(400_000, 990_000), limits=LIMITS, limiter=limiter)

    assert elsewhere.asked == [(0, FIRST_BYTES), (FIRST_BYTES, 1_000_000)]


@pytest.mark.parametrize("refused_after", [0, 1])
async def test_a_film_that_is_served_only_whole_is_read_whole(limiter: CapacityLimiter, refused_after: int) -> None:
    class Whole(RangedFilm):
        async def read(self, start: int, end: int) -> bytes:
            if len(self.asked) >= refused_after and (start, end) != (0, self.size):
                raise RangesRefused("only whole")
            return await super().read(start, end)

    elsewhere = Whole(bytes(range(200)) * 5000)

    def work(file: FilmFile) -> bytes:
        file.seek(-3, 2)
        return file.read(3)

    assert await worked_on(elsewhere, work, limits=LIMITS, limiter=limiter) == b"\xc5\xc6\xc7"
    assert elsewhere.asked == [*[(0, FIRST_BYTES)][:refused_after], (0, 1_000_000)]
    small = Limits(whole_bytes=999_999)
    with pytest.raises(UnreadableFilm, match="served only whole, and is too large"):
        await worked_on(elsewhere, work, limits=small, limiter=limiter)


async def test_a_film_behind_a_link_is_looked_at_with_few_requests(tmp_path: Path, limiter: CapacityLimiter) -> None:
    content = numbered(tmp_path / "film.mp4", 960, Form(group=250, index="end", kilobits=800)).read_bytes()
    async with host_and_links(content) as (host, links):
        remote = await open_film(links, host.link())
        picture = await last_frame(remote, limiter=limiter)
        host.spoil("no_ranges", times=None)
        whole = await open_film(links, host.link())
        same = await last_frame(whole, limiter=limiter)

    assert (picture.shown[0].second, same) == (39.958, picture)
    assert remote.requests <= 4
    assert remote.received <= 0.4 * len(content)
    assert (whole.requests, whole.received) == (2, len(content))


def test_a_closed_film_reads_as_ended_and_tells_why(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(b"film")

    with FilmFile(path.open("rb"), 4, LIMITS, held=True) as file:
        assert file.read(99) == b"film"
        file.close()
        assert file.seek(0) == 0
        assert file.read(99) == b""
        with pytest.raises(UnreadableFilm, match="no longer read"):
            file.check()
