"""The task service over a ledger in PostgreSQL: whatever is cut, one request makes one POST."""

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager

import anyio
import pytest

from runway_mcp.runway.models import Task
from runway_mcp.simulator.builders import small_world
from runway_mcp.simulator.world import World
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.intents import State
from runway_mcp.tasks.service import TaskService
from runway_mcp.tasks.spend.submit import Submitted
from runway_mcp.tasks.store.postgres.store import PostgresStore
from tests.kit.clock import LeapingClock, wall_clock
from tests.kit.postgres import PostgresServer, new_schema
from tests.kit.upstream import fault, virtual_world
from tests.store.cut import Cut, open_way
from tests.store.databases import BOUND, PATIENT, ask
from tests.tasks.observing import end_of
from tests.tasks.services import open_service_over
from tests.tasks.submits import POST, failure_of_submit, submit, wish

CLAIM, BEGIN, ACCEPT = 0, 1, 2
"""The COMMITs of a submit, in order; those of what follows the task come after them."""


@pytest.fixture
def url(database_url: str) -> Generator[str]:
    """The URL of an empty ledger."""
    with new_schema(database_url) as url:
        yield url


@asynccontextmanager
async def service_at(
    world: World, url: str, *, poll: float = 0.05
) -> AsyncGenerator[tuple[TaskService, PostgresStore]]:
    """A task service as a process has it, over the ledger of that URL."""
    store = PostgresStore(url, patience=PATIENT)
    try:
        with anyio.fail_after(BOUND):
            async with open_service_over(world, store, poll_seconds=poll) as service:
                yield service, store
    finally:
        await store.close()


async def submitted_or_not(service: TaskService, world: World) -> Submitted | Failure:
    try:
        return await submit(service, wish(world), wait=30)
    except Failure as failure:
        return failure


@pytest.mark.parametrize("cut", ["before", "after"])
@pytest.mark.parametrize("number", [CLAIM, BEGIN, ACCEPT, 3, 4])
async def test_a_request_whose_connection_is_cut_at_any_commit_is_posted_once(url: str, number: int, cut: Cut) -> None:
    world = virtual_world(pace=0.2)
    async with open_way(url) as way, service_at(world, way.conninfo) as (service, store):
        assert await store.open()
        way.cut_next(cut, spared=number)
        first = await submitted_or_not(service, world)
        sent = len(world.accepted)
        again = await submit(service, wish(world), wait=30)

    if number == BEGIN:
        assert isinstance(first, Failure)
        assert (first.kind, first.charged, sent) == ("unavailable", "no", 0)
        assert "submitted nothing" in first.message
    else:
        assert isinstance(first, Submitted)
        assert (first.task.task_id, first.twin, again.twin) == (again.task.task_id, False, True)
    assert len(world.accepted) == 1
    assert again.task.task_id == world.task_id(world.accepted[0])
    assert ask(url, "SELECT count(*) FROM intents") == [(1,)]


async def test_the_same_request_at_two_machines_at_once_is_posted_once(url: str) -> None:
    world = virtual_world(pace=5.0)
    fault(world, **POST, kind="delay_after", seconds=0.3)
    told: list[Submitted] = []

    async def call(service: TaskService) -> None:
        told.append(await submit(service, wish(world), wait=40))

    async with (
        service_at(world, url) as (one, _),
        service_at(world, url) as (other, _),
        anyio.create_task_group() as calls,
    ):
        for service in (one, other) * 2:
            calls.start_soon(call, service)

    assert len(world.accepted) == 1
    assert {each.task.task_id for each in told} == {world.task_id(world.accepted[0])}
    assert sorted(each.twin for each in told) == [False, True, True, True]


@pytest.mark.slow
async def test_while_the_database_is_away_from_the_start_on_nothing_is_posted(server: PostgresServer) -> None:
    world = virtual_world(pace=0.2)
    server.stop()
    async with service_at(world, server.url()) as (service, store):
        assert not await store.open()
        failure = await failure_of_submit(service, wish(world), wait=1)
        assert (failure.kind, failure.charged) == ("unavailable", "no")
        assert not [request for request in world.requests if request.startswith("POST")]

        server.start()
        assert (await submit(service, wish(world), wait=30)).task.task_id == world.task_id(world.accepted[0])


@pytest.mark.slow
async def test_an_answer_that_comes_while_the_server_restarts_is_written_afterwards(server: PostgresServer) -> None:
    world = virtual_world(pace=60.0)
    arrived, answers = anyio.Event(), anyio.Event()

    async def hold() -> None:
        arrived.set()
        await answers.wait()

    fault(world, **POST, kind="delay_after", hold=hold)
    async with service_at(world, server.url()) as (service, store), anyio.create_task_group() as calls:
        calls.start_soon(submitted_or_not, service, world)
        await arrived.wait()
        server.stop("immediate")
        answers.set()
        server.start()
        task_id = world.task_id(world.accepted[0])
        while (owner := await store.find("task_id", task_id)) is None:
            await anyio.lowlevel.checkpoint()
        assert owner.state is State.ACCEPTED
        assert (await submit(service, wish(world), wait=1)).twin

    assert len(world.accepted) == 1


async def test_two_machines_that_follow_a_task_read_as_often_as_one_and_both_see_its_end(url: str) -> None:
    world, poll, told = virtual_world(pace=3.0), 0.25, list[Task]()

    async def wait(service: TaskService, task: Task) -> None:
        told.append(await end_of(service.watcher, task, deadline=anyio.current_time() + 60))

    async with service_at(world, url, poll=poll) as (one, _), service_at(world, url, poll=poll) as (other, _):
        made = (await submit(one, wish(world), wait=0)).task
        before, began = reads_of(world), anyio.current_time()
        async with anyio.create_task_group() as calls:
            for service in (one, other):
                calls.start_soon(wait, service, made)
        reads, seconds = reads_of(world) - before, anyio.current_time() - began

    assert [each.status for each in told] == ["SUCCEEDED"] * 2
    assert all(each.artifacts[0].url for each in told)
    assert reads <= seconds / poll + 3, "two that know nothing of each other would read twice as often"
    assert ask(url, "SELECT count(*) FROM seen WHERE told::text LIKE '%http%'") == [(0,)]


async def test_a_machine_that_ends_leaves_no_task_unfollowed(url: str) -> None:
    clock = LeapingClock()
    world = small_world(clock=clock, wall=wall_clock, pace=600.0)
    async with service_at(world, url) as (other, store):
        async with service_at(world, url) as (one, _):
            made = (await submit(one, wish(world), wait=0)).task
        while other.watcher.followed(made.task_id) is None:
            await anyio.lowlevel.checkpoint()
        clock.leap(600.0)
        while (intent := await store.find("task_id", made.task_id)) is None or intent.ended is None:
            await anyio.lowlevel.checkpoint()

    assert intent.status == "SUCCEEDED"


def reads_of(world: World) -> int:
    """How often tasks were read."""
    return world.requests["GET /tasks/{id}"] + world.requests["GET /tasks"]
