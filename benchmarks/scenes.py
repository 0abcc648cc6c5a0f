"""A scene of the benchmark: so many tasks kept running, each finished one replaced, followed in one way."""

import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from math import pi, sqrt
from statistics import median, quantiles, stdev
from typing import Literal

import anyio

from benchmarks.upstream import Desk, Made
from tests.kit.virtual_time import VirtualTimeLoop

TRIP = 0.05
"""How long a request, an answer or a callback is on its way, in seconds."""

SHORTEST, LONGEST = 30.0, 300.0
"""How long tasks take, evenly spread, in seconds."""

Callbacks = Literal["none", "once", "changes", "a tenth lost", "all lost"]
"""Whether upstream calls back: at the end, at each change, or at the end with some or all of the calls lost."""

Notice = Callable[[Made], Awaitable[None]]
"""Returns when the end of a task has been noticed."""


@dataclass(frozen=True)
class Scene:
    """`tasks` run at any time, on so many accounts; `seconds` are counted after `warm` seconds that are not."""

    tasks: int
    accounts: int = 1
    ratios: str = "even"
    callbacks: Callbacks = "none"
    seconds: float = 600.0
    warm: float = 300.0
    seed: int = 1


@dataclass(frozen=True)
class Measures:
    """What a scene took: reads that arrived, and the delays from end to notice, in seconds, of all tasks noticed."""

    reads: int
    delays: tuple[float, ...]

    @property
    def reads_per_task(self) -> float:
        """Reads per finished task."""
        return self.reads / len(self.delays)

    @property
    def median(self) -> float:
        """The median delay."""
        return median(self.delays)

    @property
    def error(self) -> float:
        """The standard error of the median: how far it lies by chance from that of many more tasks."""
        return sqrt(pi / 2 / len(self.delays)) * stdev(self.delays)

    @property
    def p99(self) -> float:
        """The 99th percentile of the delays."""
        return quantiles(self.delays, n=100, method="inclusive")[-1]


Way = Callable[[Desk, Scene], AbstractAsyncContextManager[Notice]]
"""A way to follow tasks."""


def play(scene: Scene, way: Way) -> Measures:
    """Plays a scene on virtual time: the same scene always takes the same reads."""
    random.seed(scene.seed)
    return anyio.run(_play, scene, way, backend_options={"loop_factory": VirtualTimeLoop})


def under_way(scene: Scene) -> Iterator[tuple[float, float]]:
    """Ages and lengths of a scene's first tasks, oldest first, as if it had gone on for ever.

    Who looks in at some moment meets a long task more often than a short one.
    """
    chance = random.Random(scene.seed)  # noqa: S311  a benchmark repeats itself
    met: list[tuple[float, float]] = []
    while len(met) < scene.tasks:
        seconds = chance.uniform(SHORTEST, LONGEST)
        if chance.random() < seconds / LONGEST:
            met.append((chance.uniform(0.0, seconds), seconds))
    yield from sorted(met, reverse=True)


async def _play(scene: Scene, way: Way) -> Measures:
    desk, delays, reads = Desk(trip=TRIP), list[float](), 0
    begin, end = scene.warm, scene.warm + scene.seconds

    async def keep_one_running(number: int, made: Made) -> None:
        chance = random.Random(f"{scene.seed}/{number}")  # noqa: S311  a benchmark repeats itself
        while True:
            await notice(made)
            if begin <= (now := anyio.current_time()) < end:
                delays.append(now - made.record.ends)
            made = desk.make(made.record.email, chance.uniform(SHORTEST, LONGEST), ratios=scene.ratios)

    async with way(desk, scene) as notice, anyio.create_task_group() as running:
        for number, (age, seconds) in enumerate(under_way(scene)):
            account = f"director-{number % scene.accounts}@example.com"
            running.start_soon(keep_one_running, number, desk.make(account, seconds, age=age, ratios=scene.ratios))
        await anyio.sleep(begin)
        before = desk.reads
        await anyio.sleep(scene.seconds)
        reads = desk.reads - before
        running.cancel_scope.cancel()
    return Measures(reads, tuple(delays))
