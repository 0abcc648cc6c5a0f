"""The film of a task that had succeeded without one is looked for by the server itself, for a day."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import pytest

from runway_mcp.runway.models import Task
from runway_mcp.simulator.world import World
from runway_mcp.tasks.follow.missing_films import LOOKED_FOR_SECONDS, PAUSES
from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.service import TaskService, open_tasks
from runway_mcp.tasks.store.protocol import LedgerError
from tests.kit.clock import wall_clock
from tests.kit.upstream import virtual_world
from tests.store.memory import MemoryStore
from tests.store.memory_replicas import Rows
from tests.tasks.services import open_client
from tests.tasks.submits import submit, wish

pytestmark = pytest.mark.virtual_time

GRACE = 60.0


@dataclass
class Keeper:
    """Whoever keeps films: what he has heard of, and that a task had no film at its end."""

    heard: list[tuple[Task, Intent | LedgerError | None]] = field(
        default_factory=list[tuple[Task, Intent | LedgerError | None]]
    )
    missed: anyio.Event = field(default_factory=anyio.Event)

    async def hear(self, task: Task, owner: Intent | LedgerError | None) -> None:
        """Notes a change."""
        self.heard.append((task, owner))
        if task.is_terminal and not task.artifacts:
            self.missed.set()


@asynccontextmanager
async def opened(world: World, rows: Rows, keeper: Keeper) -> AsyncGenerator[TaskService]:
    """A task service on this ledger."""
    store = MemoryStore(rows, wall_clock)
    async with (
        open_client(world) as client,
        open_tasks(client, store=store, on_change=keeper.hear, poll_seconds=5) as service,
    ):
        yield service


async def test_a_film_that_turns_up_after_its_task_was_told_without_one_is_told_though_nobody_asks() -> None:
    world, keeper = virtual_world(pace=5), Keeper()
    world.switch(late_films=GRACE + 200)
    async with opened(world, Rows(), keeper) as service:
        await submit(service, wish(world))
        await keeper.missed.wait()
        await anyio.sleep(500)

    task, owner = keeper.heard[-1]
    assert task.artifacts
    assert isinstance(owner, Intent)
    assert owner.film is not None


async def test_a_film_that_never_comes_is_asked_for_ever_more_seldom_and_then_no_more() -> None:
    world, keeper = virtual_world(pace=5), Keeper()
    world.switch(late_films=1e9)
    async with opened(world, Rows(), keeper) as service:
        await submit(service, wish(world))
        await keeper.missed.wait()
        asked = world.requests.total()
        await anyio.sleep(2 * sum(PAUSES))

    assert world.requests.total() - asked == len(PAUSES)


@pytest.mark.parametrize(("age", "is_asked_for"), [(100.0, True), (LOOKED_FOR_SECONDS + 100, False)])
async def test_after_a_restart_the_films_of_a_day_are_asked_for(age: float, *, is_asked_for: bool) -> None:
    world, rows, first, second = virtual_world(pace=5), Rows(), Keeper(), Keeper()
    world.switch(late_films=GRACE + age)
    async with opened(world, rows, first) as service:
        await submit(service, wish(world))
        await first.missed.wait()
    await anyio.sleep(age)
    async with opened(world, rows, second):
        await anyio.sleep(PAUSES[0] + 60)

    assert [bool(each.artifacts) for each, _ in second.heard] == ([True] if is_asked_for else [])
