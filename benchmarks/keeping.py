"""Keeping a film, side by side with a bare `httpx` stream to disk: its rate, its memory, and what else it holds up.

    python -m benchmarks.keeping [--megabytes N] [--rounds N] [--write]

Prints the figures and whether the promises hold; exits with 1 if one does not. All of it is real time on this machine,
so run it while nothing else is. `--write` puts the result into docs/performance.md.
"""

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median, quantiles

import anyio
import anyio.to_thread
import httpx

from runway_mcp.media.fetch.client import Limits, Links, open_links
from runway_mcp.media.files.keeping import keep

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
_MARKS = ("<!-- keeping: written by the benchmark -->", "<!-- keeping: end -->")
_LIMITS = Limits(whole_seconds=600.0)
_TICK = 0.005
_IDLE_SECONDS = 1.5
_LEAST_RATE, _MOST_MEMORY, _MOST_LAG = 0.8, 25e6, 0.05


@dataclass(frozen=True)
class Promise:
    """Something that must hold: what, and what was measured."""

    what: str
    measured: str
    holds: bool


@dataclass
class Figures:
    """Bytes per second of each round, both ways; lags of the event loop in seconds; bytes of memory above idle."""

    megabytes: int
    bare: list[float] = field(default_factory=list[float])
    kept: list[float] = field(default_factory=list[float])
    busy: list[float] = field(default_factory=list[float])
    idle: list[float] = field(default_factory=list[float])
    memory: int = 0


def promises(figures: Figures) -> Iterator[Promise]:
    """What must hold of the figures."""
    bare, kept = median(figures.bare), median(figures.kept)
    yield Promise(
        f"Keeping a film of {figures.megabytes} MB: at least {_LEAST_RATE} of a bare `httpx` stream's rate to disk",
        f"{kept / bare:.2f}: {kept / 1e6:.0f} MB/s against {bare / 1e6:.0f} MB/s, medians of {len(figures.kept)}",
        kept >= _LEAST_RATE * bare,
    )
    yield Promise(
        f"Peak memory while keeping: within {_MOST_MEMORY / 1e6:.0f} MB of idle",
        f"{figures.memory / 1e6:.1f} MB above",
        figures.memory <= _MOST_MEMORY,
    )
    busy, idle = p99(figures.busy), p99(figures.idle)
    yield Promise(
        f"Other work of the loop: late by at most {1000 * _MOST_LAG:.0f} ms more than idle, at the 99th percentile",
        f"{1000 * busy:.1f} ms against {1000 * idle:.1f} ms, {1000 * max(figures.busy):.0f} ms at most",
        busy - idle <= _MOST_LAG,
    )


def section(figures: Figures) -> str:
    """The section of the page that tells all this."""
    lines = [
        _MARKS[0],
        "",
        "Written by `uv run python -m benchmarks.keeping --write`.",
        "",
        "| must hold | measured | |",
        "|---|---|---|",
        *(f"| {each.what} | {each.measured} | {'yes' if each.holds else 'NO'} |" for each in promises(figures)),
        "",
        _MARKS[1],
    ]
    return "\n".join(lines)


def written(page: str, text: str) -> str:
    """The page with its section replaced."""
    return written_between(_MARKS, page, text)


def written_between(marks: tuple[str, str], page: str, text: str) -> str:
    """The page with what stands between two marks, and these, replaced."""
    begin, end = map(re.escape, marks)
    return re.sub(f"{begin}.*{end}", lambda _: text, page, flags=re.DOTALL)


@contextmanager
def film_host(size: int) -> Generator[str]:
    """The origin of a host that serves a film of so many bytes, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.film_host", "--bytes", str(size)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  our own program
        told = process.stdout
        try:
            yield f"http://127.0.0.1:{int(told.readline()) if told else 0}"
        finally:
            process.kill()


async def measure(megabytes: int, rounds: int, origin: str, folder: Path) -> Figures:
    """Both ways in turns, and after each keeping a while of nothing."""
    figures, size = Figures(megabytes), megabytes * 10**6
    async with (
        open_links(allowed_origin=origin, limits=_LIMITS) as links,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        for number in range(rounds + 1):
            _say(f"round {number} of {rounds}" if number else "a round that does not count")
            bare = await _timed(partial(_stream, client, origin, folder / "bare.mp4"))
            async with ticking() as busy:
                kept = await _timed(partial(_keep, links, origin, folder, f"kept-{number}"))
            async with ticking() as idle:
                await anyio.sleep(_IDLE_SECONDS)
            if number:
                figures.bare.append(size / bare)
                figures.kept.append(size / kept)
                figures.busy += busy.lags
                figures.idle += idle.lags
    return figures


async def weigh(origin: str, folder: Path) -> int:
    """How many bytes this process grows at most while it keeps a film; run it in a process of its own.

    A small film is kept before, so that all that an idle server has loaded is loaded.
    """
    with film_host(10**6) as small:
        async with open_links(allowed_origin=small, limits=_LIMITS) as links:
            await _keep(links, small, folder, "small")
    before = memory("VmRSS")
    async with open_links(allowed_origin=origin, limits=_LIMITS) as links:
        await _keep(links, origin, folder, "large")
    return memory("VmHWM") - before


def main() -> int:
    """Runs it all from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.keeping", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--megabytes", type=int, default=200, help="the film's size (default: 200)")
    parser.add_argument("--rounds", type=int, default=7, help="how often, in turns (default: 7)")
    parser.add_argument("--write", action="store_true", help="write the result into docs/performance.md")
    parser.add_argument("--weigh", metavar="ORIGIN", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if arguments.weigh:
            sys.stdout.write(f"{anyio.run(partial(weigh, arguments.weigh, Path(folder)))}\n")
            return 0
        with film_host(arguments.megabytes * 10**6) as origin:
            figures = anyio.run(partial(measure, arguments.megabytes, arguments.rounds, origin, Path(folder)))
            figures.memory = _weighed(origin)
    text = section(figures)
    sys.stdout.write(f"{text}\n")
    if arguments.write:
        PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), text), encoding="utf-8")
    return 0 if all(promise.holds for promise in promises(figures)) else 1


@dataclass
class Ticker:
    """How much later than asked for a timer woke, each time, in seconds."""

    lags: list[float] = field(default_factory=list[float])

    async def tick(self) -> None:
        """Goes on until it is cancelled."""
        while True:
            asked = time.perf_counter()
            await anyio.sleep(_TICK)
            self.lags.append(time.perf_counter() - asked - _TICK)


@asynccontextmanager
async def ticking() -> AsyncGenerator[Ticker]:
    """How late the loop's other work is while the body runs."""
    ticker = Ticker()
    async with anyio.create_task_group() as group:
        group.start_soon(ticker.tick)
        yield ticker
        group.cancel_scope.cancel()


async def _timed(step: Callable[[], Awaitable[None]]) -> float:
    """How many seconds a step takes, on a disk that owes nothing to an earlier one."""
    await anyio.to_thread.run_sync(os.sync)
    began = time.perf_counter()
    await step()
    return time.perf_counter() - began


async def _stream(client: httpx.AsyncClient, origin: str, target: Path) -> None:
    """The bare way: each chunk is written where it arrives."""
    async with client.stream("GET", f"{origin}/film.mp4") as response:
        with target.open("wb") as file:
            async for chunk in response.aiter_raw():
                file.write(chunk)


async def _keep(links: Links, origin: str, folder: Path, key: str) -> None:
    kept = await keep(links, f"{origin}/film.mp4", folder, key=key, name=f"{key}.mp4")
    kept.path.unlink()


def _weighed(origin: str) -> int:
    command = [sys.executable, "-m", "benchmarks.keeping", "--weigh", origin]
    return int(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)  # noqa: S603  our own program


def memory(field_name: str) -> int:
    """The process's memory in bytes: now (`VmRSS`) or at its peak (`VmHWM`); always the peak where Linux is not."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    line = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith(field_name))
    return 1024 * int(line.split()[1])


def p99(lags: list[float]) -> float:
    """The 99th percentile."""
    return quantiles(lags, n=100, method="inclusive")[-1]


def _say(what: str) -> None:
    sys.stderr.write(f"{what}\n")


if __name__ == "__main__":
    sys.exit(main())
