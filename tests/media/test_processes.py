"""Keeping in processes of their own: killed at any moment, and two at once."""

import json
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import anyio
import pytest
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from runway_mcp.media.files.parts import part_name
from runway_mcp.simulator.links.faults import LinkFault
from tests.kit.processes import environment
from tests.media.boxes import film
from tests.media.hosts import FilmHost, film_host

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

LIMIT = 200.0
LARGE = film(24_000_000)
FILMS = 8
KILLS = 16


class Keeper:
    """A process that keeps films, ready to begin."""

    def __init__(self, process: Process) -> None:
        assert process.stdout
        self.process = process
        self._lines = BufferedByteReceiveStream(process.stdout)

    async def line(self) -> str:
        """What it says next."""
        return (await self._lines.receive_until(b"\n", 1000)).decode().strip()

    async def begin(self, host: FilmHost, folder: Path, keys: list[str]) -> None:
        """Tells it what to keep."""
        assert self.process.stdin
        told = {"origin": host.origin, "folder": str(folder), "films": [(key, host.link()) for key in keys]}
        await self.process.stdin.send(json.dumps(told).encode() + b"\n")


@asynccontextmanager
async def keeper() -> AsyncGenerator[Keeper]:
    """A keeper that is ready; killed at the end."""
    command = [sys.executable, "-m", "tests.media.keeper"]
    async with await anyio.open_process(command, env=environment(), stderr=sys.stderr) as process:
        try:
            ready = Keeper(process)
            assert await ready.line() == "ready"
            yield ready
        finally:
            if process.returncode is None:
                process.kill()


def name_of(key: str) -> str:
    return f"film_{key}.mp4"


def check(folder: Path, keys: list[str], content: bytes) -> None:
    """Each film that has its name is whole, and besides there are only parts and their notes."""
    parts = {part_name(key) for key in keys}
    for each in folder.iterdir():
        if each.name in map(name_of, keys):
            assert each.read_bytes() == content, f"{each.name} has its name and is not whole"
        else:
            assert each.name.removesuffix(".json") in parts


async def test_a_process_killed_at_any_moment_of_keeping_leaves_whole_films_and_parts_that_go_on(
    tmp_path: Path,
) -> None:
    rng = Random(5)  # noqa: S311  moments that repeat as far as processes do
    keys = [str(number) for number in range(FILMS)]
    kills = gone_on = 0
    with anyio.fail_after(LIMIT):
        async with film_host(LARGE) as host:
            host.rules.append(LinkFault("slow", after_bytes=2**20, seconds=0.03, times=None))
            for _ in range(KILLS):
                async with keeper() as process:
                    await process.begin(host, tmp_path, keys)
                    # No event tells of the moments that matter most, between two system calls.
                    with anyio.move_on_after(rng.uniform(0.05, 1.0)):
                        await process.process.wait()
                    kills += process.process.returncode is None
                check(tmp_path, keys, LARGE)
                notes = [
                    json.loads(each.read_text() or "{}") for each in tmp_path.glob("*.json") if each.stat().st_size
                ]
                gone_on += any(note.get("synced", 0) > 0 for note in notes)
            async with keeper() as process:
                await process.begin(host, tmp_path, keys)
                told = [await process.line() for _ in keys]

    assert set(told) <= {"kept", "there"}
    assert kills >= KILLS // 2
    assert gone_on > 0
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted(map(name_of, keys))
    check(tmp_path, keys, LARGE)


async def test_two_processes_that_keep_the_same_films_write_each_once_and_lose_none(tmp_path: Path) -> None:
    content = film(3_000_000)
    keys = [str(number) for number in range(10)]
    with anyio.fail_after(LIMIT):
        async with film_host(content) as host, keeper() as one, keeper() as other:
            await one.begin(host, tmp_path, keys)
            await other.begin(host, tmp_path, keys)
            told = [(await one.line(), await other.line()) for _ in keys]

    assert all(pair.count("kept") == 1 for pair in map(list, told)), told
    assert {word for pair in told for word in pair} <= {"kept", "there", "KeptElsewhere"}
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted(map(name_of, keys))
    check(tmp_path, keys, content)
