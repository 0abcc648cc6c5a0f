"""Servers on several machines and one ledger: an end that one has told is told by all."""

from itertools import pairwise

import anyio
import pytest
from anyio.lowlevel import checkpoint

from runway_mcp.runway.models import Task
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.intents import State
from runway_mcp.tasks.store.protocol import Hint
from tests.kit.samples import intent as some_intent
from tests.kit.upstream import fault, virtual_world
from tests.tasks.observing import observing
from tests.tasks.replicas import POLL, Ledger, followed, gaps, heard_at, two, until
from tests.tasks.submits import POST, submit, wish

pytestmark = pytest.mark.virtual_time


async def test_whoever_hears_of_an_end_from_one_server_is_told_of_it_by_the_other_at_once() -> None:
    told: list[Task] = []
    async with two(virtual_world(pace=60.0)) as (ledger, one, other):
        made = (await submit(one.service, wish(ledger.world), wait=1)).task
        await followed(other, made.task_id)

        async def ask(name: str, task: Task) -> None:
            if name == "one":
                told.append(await other.service.watcher.read(task.task_id))

        ledger.at_end = ask
        async with observing(one.service.watcher, made):
            await until(lambda: bool(told), 120)

    assert told[0].status == "SUCCEEDED"
    assert told[0].artifacts[0].url


async def test_an_unclear_submit_is_looked_for_by_one_server_and_by_another_once_that_one_is_gone() -> None:
    world = virtual_world(pace=20.0)
    fault(world, **POST, kind="reset", times=1)
    fault(world, method="GET", path_prefix="/scheduler", kind="status", status=503, times=10_000)
    async with two(world) as (ledger, one, other):
        with pytest.raises(Failure):
            await submit(one.service, wish(world), wait=1)
        (intent,) = ledger.rows.intents.values()
        assert intent.state is State.UNCLEAR
        name = f"look:{intent.id}"
        await anyio.sleep(60)
        assert ledger.rows.leases[name][0] is one.replicas
        one.end()
        await until(lambda: ledger.rows.leases[name][0] is other.replicas, 90)


async def test_a_film_that_another_server_has_joined_is_told_here() -> None:
    async with two(virtual_world()) as (ledger, one, _):
        film = some_intent()
        ledger.rows.intents[film.id] = film
        await until(lambda: len(ledger.rows.listeners) == 2, 1)
        await one.replicas.hint(Hint("joined", film.id))
        await one.replicas.hint(Hint("joined", "nothing"))
        await checkpoint()

    assert ledger.joined == [("other", film)]


async def test_a_film_that_another_server_has_joined_is_told_by_the_account_of_its_caller_alone() -> None:
    def nobody(_caller: str, _user: str | None = None) -> bool:
        return False

    ledger = Ledger(virtual_world())
    with anyio.fail_after(60):
        async with ledger.server("one") as one, ledger.server("own"), ledger.server("foreign", owns=nobody):
            film = some_intent()
            ledger.rows.intents[film.id] = film
            await until(lambda: len(ledger.rows.listeners) == 3, 1)
            await one.replicas.hint(Hint("joined", film.id))
            await checkpoint()

    assert ledger.joined == [("own", film)]


async def test_who_waits_at_another_server_hears_of_an_end_as_soon_as_one_has_told_it() -> None:
    async with two(virtual_world(pace=60.0)) as (ledger, one, other):
        made = (await submit(one.service, wish(ledger.world), wait=1)).task
        await followed(other, made.task_id)
        one_heard, other_heard = list[float](), list[float]()
        async with anyio.create_task_group() as group:
            group.start_soon(heard_at, one, made, one_heard)
            group.start_soon(heard_at, other, made, other_heard)

    assert abs(one_heard[0] - other_heard[0]) < 0.5


async def test_an_end_for_which_nobody_waits_is_read_at_the_common_pace() -> None:
    async with two(virtual_world(pace=60.0)) as (ledger, one, other):
        made = (await submit(one.service, wish(ledger.world), wait=1)).task
        await followed(other, made.task_id)
        async with observing(one.service.watcher, made):
            await until(lambda: ("other", "SUCCEEDED") in [change[:2] for change in ledger.changes], 120)

    assert ledger.reads[-1][1] == "other"
    assert min(gaps(ledger)[2:]) >= POLL


async def test_while_an_end_that_another_server_told_cannot_be_read_it_is_tried_once_a_poll_interval() -> None:
    async with two(virtual_world(pace=60.0)) as (ledger, one, other):
        made = (await submit(one.service, wish(ledger.world), wait=1)).task
        await followed(other, made.task_id)
        first, heard = list[tuple[str, float]](), list[float]()

        async def fail_from_then_on(name: str, _: Task) -> None:
            if not first:
                first.append((name, anyio.current_time()))
                fault(ledger.world, method="GET", path_prefix="/tasks", kind="status", status=503, times=6)

        ledger.at_end = fail_from_then_on
        async with anyio.create_task_group() as group:
            group.start_soon(heard_at, one, made, heard)
            group.start_soon(heard_at, other, made, heard)

    ((reader, ended),) = first
    tries = [at for at, name in ledger.reads if name != reader and at >= ended]
    assert tries[0] - ended < 0.5
    assert min(later - earlier for earlier, later in pairwise(tries)) >= POLL
    assert len(tries) == 7
    assert max(heard) - ended <= 7 * POLL
