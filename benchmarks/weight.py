"""What following many tasks weighs, in real time: memory for each, and how long the event loop is held up.

The upstream of `benchmarks.upstream` answers in the same process, so its own work counts as ours.
"""

import gc
import time
import tracemalloc
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from statistics import quantiles

import anyio

from benchmarks.scenes import Scene, under_way
from benchmarks.upstream import URL, Desk, Made, wall_clock
from benchmarks.ways import POLL, TOKEN, end_of, silent
from runway_mcp.runway.client import RunwayClient
from runway_mcp.tasks.follow.watcher import Watcher

_TICK = 0.005
_SETTLING = 2 * POLL


@dataclass(frozen=True)
class Weight:
    """Peak memory for each task in bytes; the event loop's lag in seconds: median, 99th percentile, longest."""

    memory: float
    lag: tuple[float, float, float]


def weigh(scene: Scene, *, seconds: float) -> Weight:
    """Follows a scene's tasks twice, for so many seconds each: once for the memory, once for the lag."""
    memory = anyio.run(_memory, scene, seconds)
    gc.collect()
    return Weight(memory, anyio.run(_lag, scene, seconds))


async def _memory(scene: Scene, seconds: float) -> float:
    """The peak of all that is allocated while each account is read a few times; upstream's tasks were made before."""
    desk = Desk(trip=0.0)
    made = [desk.make(f"director-{number % scene.accounts}@example.com", 1e6) for number in range(scene.tasks)]
    async with RunwayClient(url=URL, token=TOKEN, transport=desk, now=wall_clock) as client:
        gc.collect()
        tracemalloc.start()
        try:
            async with _followed(client, made, desk, poll=seconds / 5):
                await anyio.sleep(seconds)
            return tracemalloc.get_traced_memory()[1] / scene.tasks
        finally:
            tracemalloc.stop()


async def _lag(scene: Scene, seconds: float) -> tuple[float, float, float]:
    """How much later than asked for a timer wakes, sampled all the time."""
    desk = Desk(trip=0.0)
    made = [
        desk.make(f"director-{number % scene.accounts}@example.com", length, age=age)
        for number, (age, length) in enumerate(under_way(scene))
    ]
    lags: list[float] = []
    async with (
        RunwayClient(url=URL, token=TOKEN, transport=desk, now=wall_clock) as client,
        _followed(client, made, desk, poll=POLL),
    ):
        await anyio.sleep(_SETTLING)
        end = time.perf_counter() + seconds
        while (asked := time.perf_counter()) < end:
            await anyio.sleep(_TICK)
            lags.append(time.perf_counter() - asked - _TICK)
    percentiles = quantiles(lags, n=100, method="inclusive")
    return percentiles[49], percentiles[-1], max(lags)


@asynccontextmanager
async def _followed(client: RunwayClient, made: list[Made], desk: Desk, *, poll: float) -> AsyncGenerator[None]:
    """All tasks followed, with one caller waiting for each."""
    async with anyio.create_task_group() as background:
        watcher = Watcher(client, background, poll_seconds=poll, on_change=silent, on_gone=silent, now=wall_clock)

        async def wait(each: Made) -> None:
            await end_of(watcher, desk.tell(each))

        for each in made:
            background.start_soon(wait, each)
        yield
        background.cancel_scope.cancel()
