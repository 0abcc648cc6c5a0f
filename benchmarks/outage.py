"""An upstream that answers nothing for ten minutes while many tasks are followed, and then recovers."""

import random
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

import anyio

from benchmarks.scenes import TRIP, Scene, under_way
from benchmarks.upstream import URL, Desk, Made, wall_clock
from benchmarks.ways import POLL, TOKEN, end_of, silent
from runway_mcp.runway.client import RunwayClient
from runway_mcp.tasks.follow.watcher import Watcher
from tests.kit.virtual_time import VirtualTimeLoop

DOWN_FROM, DOWN_UNTIL, PLAYED = 20.0, 620.0, 900.0
"""When the outage begins and ends, and when the scene does, in seconds."""


@dataclass(frozen=True)
class Outage:
    """What came of it: tasks whose end was never noticed, when the last was, in seconds after the recovery.

    Reads that arrived while upstream was down, of the account with the most; the closest two reads of one account, in
    seconds; and the most reads in any second, of all accounts together, before the outage and after it.
    """

    lost: int
    recovered: float
    reads: int
    closest: float
    busiest_before: int
    busiest_after: int


def suffer(scene: Scene) -> Outage:
    """Plays the outage on virtual time; each of the scene's first tasks is followed, and none replaced."""
    random.seed(scene.seed)
    return anyio.run(_suffer, scene, backend_options={"loop_factory": VirtualTimeLoop})


async def _suffer(scene: Scene) -> Outage:
    desk = Desk(trip=TRIP)
    noticed: list[float] = []
    async with (
        RunwayClient(url=URL, token=TOKEN, transport=desk, now=wall_clock) as client,
        anyio.create_task_group() as background,
    ):
        watcher = Watcher(client, background, poll_seconds=POLL, on_change=silent, on_gone=silent, now=wall_clock)

        async def wait(made: Made) -> None:
            await end_of(watcher, desk.tell(made))
            noticed.append(anyio.current_time())

        for number, (age, seconds) in enumerate(under_way(scene)):
            made = desk.make(f"director-{number % scene.accounts}@example.com", seconds, age=age, ratios=scene.ratios)
            background.start_soon(wait, made)
        await anyio.sleep(DOWN_FROM)
        desk.is_down = True
        await anyio.sleep(DOWN_UNTIL - DOWN_FROM)
        desk.is_down = False
        await anyio.sleep(PLAYED - DOWN_UNTIL)
        background.cancel_scope.cancel()
    arrivals = list(desk.arrivals.values())
    return Outage(
        lost=scene.tasks - len(noticed),
        recovered=max(noticed) - DOWN_UNTIL,
        reads=max(sum(DOWN_FROM <= at < DOWN_UNTIL for at in times) for times in arrivals),
        closest=min(later - earlier for times in arrivals for earlier, later in pairwise(times)),
        busiest_before=_busiest(arrivals, 0.0, DOWN_FROM),
        busiest_after=_busiest(arrivals, DOWN_UNTIL, PLAYED),
    )


def _busiest(arrivals: list[list[float]], begin: float, end: float) -> int:
    return max(Counter(int(at) for times in arrivals for at in times if begin <= at < end).values(), default=0)
