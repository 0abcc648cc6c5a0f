"""Servers on several machines and one ledger: one pace of reads, and each knows what the others do."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from runway_mcp.runway.models import Task
from runway_mcp.simulator.api.shapes import callback_body
from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.replicas import LOOK_SECONDS, OtherServers
from runway_mcp.tasks.store.protocol import LEASE_SECONDS, Hint
from tests.kit.clock import wall_clock
from tests.kit.upstream import fault, virtual_world
from tests.tasks.observing import end_of, observing
from tests.tasks.replicas import POLL, PUBLIC, Ledger, followed, gaps, two, until
from tests.tasks.submits import POST, submit, wish

pytestmark = pytest.mark.virtual_time


async def test_one_pace_holds_for_all_servers_that_follow_an_account() -> None:
    async with two(virtual_world(pace=120.0)) as (ledger, one, other):
        made = (await submit(one.service, wish(ledger.world), wait=1)).task
        ledger.reads.clear()
        async with observing(one.service.watcher, made), observing(other.service.watcher, made):
            await anyio.sleep(100)
        seconds, readers = 100.0, {name for _, name in ledger.reads}

    assert min(gaps(ledger)) >= POLL
    # As often as one server alone would: the forecast decides, and the two of them do not add to it.
    assert len(ledger.reads) <= seconds / POLL
    assert readers <= {"one", "other"}


async def test_a_waiting_caller_hears_of_what_another_server_has_read() -> None:
    async with two(virtual_world(pace=60.0)) as (ledger, one, other):
        made = (await submit(one.service, wish(ledger.world), wait=1)).task
        last, told = made, list[tuple[str, float | None]]()
        await followed(other, made.task_id)
        async with observing(one.service.watcher, made):
            async for state in other.service.watcher.changes(made.task_id, anyio.current_time() + 120):
                told.append((state.status, state.progress))
                last = state

    assert last.status == "SUCCEEDED"
    assert last.artifacts[0].url, "an end is told with a link of its own"
    assert len(told) > 3
    # The last of them is that of the end, which is read out of turn where the other one has read it first.
    assert min(gaps(ledger)[2:-1]) >= POLL * 0.99


async def test_a_ledger_whose_clock_was_set_back_holds_up_neither_reads_nor_news() -> None:
    async with two(virtual_world(pace=300.0)) as (ledger, one, other):
        made = (await submit(one.service, wish(ledger.world), wait=1)).task
        await followed(other, made.task_id)
        async with observing(one.service.watcher, made), observing(other.service.watcher, made):
            await anyio.sleep(100)
            before = max(gaps(ledger))
            ledger.set_back = 600.0
            ledger.changes.clear()
            await anyio.sleep(100)

    assert max(gaps(ledger)) <= before + POLL
    heard = [sum(each == name for each, _, _ in ledger.changes) for name in ("one", "other")]
    # Whichever of them reads, both hear of it.
    assert heard[0] == heard[1] >= 4


async def test_the_changes_of_a_task_reach_the_subscribers_of_every_server() -> None:
    async with two(virtual_world(pace=60.0)) as (ledger, one, other):
        made = (await submit(one.service, wish(ledger.world), wait=1)).task
        await followed(other, made.task_id)
        async with observing(one.service.watcher, made):
            await until(lambda: ("other", "SUCCEEDED") in [change[:2] for change in ledger.changes], 120)

    heard = [{status: at for name, status, at in reversed(ledger.changes) if name == each} for each in ("one", "other")]
    assert [set(each) for each in heard] == [{"PENDING", "RUNNING", "SUCCEEDED"}] * 2
    # The second one has no observer of its own. An end is read once more there, at the common pace.
    assert abs(heard[0]["RUNNING"] - heard[1]["RUNNING"]) < 1
    assert abs(heard[0]["SUCCEEDED"] - heard[1]["SUCCEEDED"]) <= POLL + 1


async def test_hints_that_come_in_a_burst_cost_one_look_more() -> None:
    looks: list[float] = []

    class Looked:
        """A ledger and a watcher that note each look."""

        async def select(self, _: object) -> list[Intent]:
            looks.append(anyio.current_time())
            return []

        async def catch_up(self) -> None:
            await checkpoint()

        async def listen(self, hear: Callable[[Hint], Awaitable[None]]) -> None:
            await anyio.sleep(1.0)
            for _ in range(50):
                await hear(Hint("look"))
                await anyio.sleep(0.001)

    stub: Any = Looked()
    began = anyio.current_time()
    with anyio.move_on_after(2.0):
        await OtherServers(stub, stub, stub, taken_up=stub.catch_up, on_join=None).run(stub)

    assert [round(each - began, 2) for each in looks] == [0.0, 1.0, 1.25]


async def test_what_one_token_has_read_is_looked_at_by_those_alone_who_follow_its_account() -> None:
    def nobody(_caller: str, _user: str | None = None) -> bool:
        return False

    ledger = Ledger(virtual_world(pace=300.0))
    with anyio.fail_after(600):
        async with (
            ledger.server("one") as one,
            ledger.server("other") as other,
            ledger.server("idle", owns=nobody, token=f"{ledger.world.token}0") as idle,
        ):
            made = (await submit(one.service, wish(ledger.world), wait=1)).task
            await followed(other, made.task_id)
            async with observing(other.service.watcher, made):
                await until(lambda: bool(ledger.rows.seen), 60)
            ((account, task_id),) = ledger.rows.seen
            seen = ledger.rows.seen[account, task_id][1].told
            before = {server: server.store.selects for server in (other, idle)}
            for _ in range(100):
                await one.replicas.tell(account, {task_id: seen})
                await anyio.sleep(0.3)

    seconds, sweeps = 30.0, 2 * 3
    assert other.store.selects - before[other] >= 90
    assert idle.store.selects - before[idle] <= seconds / LOOK_SECONDS + 1 + sweeps


async def test_no_link_is_shared() -> None:
    async with two(virtual_world(pace=20.0)) as (ledger, one, _):
        made = (await submit(one.service, wish(ledger.world), wait=1)).task
        await end_of(one.service.watcher, made, deadline=anyio.current_time() + 60)
        await until(lambda: bool(ledger.rows.seen), 10)

    told = [seen.told for _, seen in ledger.rows.seen.values()]
    assert any("SUCCEEDED" in each for each in told)
    assert not [each for each in told if "http" in each or "artifacts" in each]


@pytest.mark.parametrize("hears", [True, False])
async def test_the_tasks_of_a_server_that_ends_are_followed_by_another_within_a_lease(*, hears: bool) -> None:
    async with two(virtual_world(pace=40.0)) as (ledger, one, other):
        other.replicas.hears = hears
        made = (await submit(one.service, wish(ledger.world), wait=1)).task
        await anyio.sleep(LOOK_SECONDS + 1)
        one.end()
        ended_at = anyio.current_time()
        await until(lambda: any(name == "other" and at > ended_at for at, name in ledger.reads), 2 * LEASE_SECONDS)
        await until(lambda: all(each.ended is not None for each in ledger.rows.intents.values()), 120)

    (intent,) = ledger.rows.intents.values()
    assert (intent.task_id, intent.status) == (made.task_id, "SUCCEEDED")


async def test_a_server_that_stands_still_with_the_permit_holds_nobody_up_for_longer_than_a_lease() -> None:
    world = virtual_world(pace=200.0)
    async with two(world) as (ledger, one, other):
        made = (await submit(one.service, wish(world), wait=1)).task
        await followed(other, made.task_id)
        stopped = anyio.Event()

        async def hold() -> None:
            stopped.set()
            await anyio.sleep(100)

        fault(world, method="GET", path_prefix="/tasks", kind="delay", hold=hold)
        async with observing(one.service.watcher, made), observing(other.service.watcher, made):
            await stopped.wait()
            (_, holder), at = ledger.reads[-1], anyio.current_time()
            await until(lambda: ledger.reads[-1][1] != holder, LEASE_SECONDS + 2 * POLL)
            assert ledger.reads[-1][0] - at >= LEASE_SECONDS - 0.001


async def test_a_call_that_is_cut_off_as_it_gets_the_permit_gives_it_back() -> None:
    async with two(virtual_world(pace=200.0)) as (ledger, one, other):
        made = (await submit(one.service, wish(ledger.world), wait=1)).task
        await followed(other, made.task_id)
        await anyio.sleep(4 * POLL)
        one.replicas.answers_after = 2 * POLL
        with anyio.move_on_after(POLL):
            await one.service.watcher.read(made.task_id)

        until_when = {name: until for name, (_, until) in ledger.rows.leases.items() if name.startswith("read:")}
        assert max(until_when.values()) <= wall_clock() + POLL


async def test_while_the_ledger_cannot_be_asked_each_server_reads_at_its_own_pace() -> None:
    async with two(virtual_world(pace=30.0)) as (ledger, one, other):
        made = (await submit(one.service, wish(ledger.world), wait=1)).task
        await followed(other, made.task_id)
        one.replicas.is_away = other.replicas.is_away = True
        ends = [await end_of(each.service.watcher, made, deadline=anyio.current_time() + 90) for each in (one, other)]

    assert [each.status for each in ends] == ["SUCCEEDED", "SUCCEEDED"]


async def test_a_callback_at_any_server_is_heard_by_the_one_whose_caller_waits() -> None:
    world = virtual_world(pace=70.0)
    ended: list[float] = []
    called = 0.0
    async with two(world, public_url=PUBLIC) as (_, one, other):
        made = (await submit(one.service, wish(world), wait=1)).task
        await followed(other, made.task_id)

        async def wait() -> None:
            task = await end_of(one.service.watcher, made, deadline=anyio.current_time() + 300)
            ended.append(anyio.current_time() if task.is_terminal else float("nan"))

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await until(lambda: world.accepted[-1].moment(world.now()).status == "SUCCEEDED", 100)
            body = json.dumps(callback_body(world, world.accepted[-1], world.accepted[-1].moment(world.now()))).encode()
            token = (world.accepted[-1].reply_url or "").rpartition("/")[2]

            async def read() -> bytes:
                return body

            called = anyio.current_time()
            assert await other.service.callbacks.take(token, read)

    assert ended[0] - called <= 2 * POLL


async def test_a_callback_at_one_server_ends_the_wait_for_an_answer_at_another() -> None:
    world, arrived = virtual_world(pace=70.0), anyio.Event()
    told, called = list[tuple[Task, float]](), 0.0

    async def hold() -> None:
        arrived.set()
        await anyio.sleep(50)

    fault(world, **POST, kind="delay_after", hold=hold)
    async with two(world, public_url=PUBLIC) as (_, one, other):

        async def call() -> None:
            told.append(((await submit(one.service, wish(world), wait=40)).task, anyio.current_time()))

        async with anyio.create_task_group() as group:
            group.start_soon(call)
            await arrived.wait()
            token = (world.accepted[-1].reply_url or "").rpartition("/")[2]

            async def read() -> bytes:
                return b"{}"

            called = anyio.current_time()
            assert await other.service.callbacks.take(token, read)

    ((task, at),) = told
    assert task.task_id == world.task_id(world.accepted[-1])
    assert at - called < 5
