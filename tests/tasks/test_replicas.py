"""Servers on several machines and one ledger: one pace of reads, and each knows what the others do."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any, NamedTuple

import anyio
import httpx
import pytest
from anyio.lowlevel import checkpoint

from runway_mcp.runway.client import RunwayClient
from runway_mcp.runway.models import Task
from runway_mcp.simulator.api.shapes import callback_body
from runway_mcp.simulator.world import World
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.intents import Intent, State
from runway_mcp.tasks.replicas import LOOK_SECONDS, OtherServers
from runway_mcp.tasks.service import TaskService, open_tasks
from runway_mcp.tasks.store.protocol import LEASE_SECONDS, Hint, LedgerError
from runway_mcp.tasks.store.token_view import Owns, everyone, store_of_token
from tests.kit.clock import wall_clock
from tests.kit.samples import intent as some_intent
from tests.kit.upstream import URL, Upstream, fault, virtual_world
from tests.store.memory import MemoryStore
from tests.store.memory_replicas import MemoryReplicas, Rows
from tests.tasks.observing import end_of, observing
from tests.tasks.submits import POST, submit, wish

pytestmark = pytest.mark.virtual_time

POLL = 5.0
PUBLIC = "https://films.example.com/runway/"


class Recording(httpx.AsyncBaseTransport):
    """Carries requests to a world, and notes when each read of tasks arrived and which server sent it."""

    def __init__(self, world: World, name: str, reads: list[tuple[float, str]]) -> None:
        self._upstream = Upstream(world)
        self._name = name
        self._reads = reads

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET" and "/tasks" in request.url.path:
            self._reads.append((anyio.current_time(), self._name))
        return await self._upstream.handle_async_request(request)


class Server(NamedTuple):
    """One server: its service, what it shares with others, and what ends it."""

    service: TaskService
    replicas: MemoryReplicas
    end: Callable[[], None]


class Ledger:
    """A world, the ledger that its servers share, and what they read of tasks: when, and which of them."""

    def __init__(self, world: World, *, public_url: str | None = None) -> None:
        self.world = world
        self.public_url = public_url
        self.rows = Rows()
        self.reads: list[tuple[float, str]] = []
        self.joined: list[tuple[str, Intent]] = []
        self.changes: list[tuple[str, str, float]] = []
        self.at_end: Callable[[str, Task], Awaitable[None]] | None = None

    @asynccontextmanager
    async def server(self, name: str, *, owns: Owns = everyone) -> AsyncGenerator[Server]:
        """A server on this ledger, for the callers that its token `owns`; it may be ended before the context is."""
        started, ended = anyio.Event(), anyio.Event()
        opened: list[Server] = []

        async def on_join(film: Intent) -> None:
            self.joined.append((name, film))

        async def on_change(task: Task, intent: Intent | LedgerError | None) -> None:
            assert isinstance(intent, Intent)
            self.changes.append((name, task.status, anyio.current_time()))
            if task.is_terminal and self.at_end is not None:
                await self.at_end(name, task)

        async def run() -> None:
            store = MemoryStore(self.rows, wall_clock, is_shared=True)
            assert store.replicas is not None
            transport = Recording(self.world, name, self.reads)
            async with (
                RunwayClient(url=URL, token=self.world.token, transport=transport, now=wall_clock) as client,
                open_tasks(
                    client,
                    store=store_of_token(store, owns, token=self.world.token),
                    poll_seconds=POLL,
                    public_url=self.public_url,
                    on_change=on_change,
                    on_join=on_join,
                ) as service,
            ):
                opened.append(Server(service, store.replicas, ended.set))
                started.set()
                await ended.wait()

        async with anyio.create_task_group() as group:
            group.start_soon(run)
            await started.wait()
            yield opened[0]
            ended.set()


@asynccontextmanager
async def two(world: World, *, public_url: str | None = None) -> AsyncGenerator[tuple[Ledger, Server, Server]]:
    """Two servers on one ledger; every wait inside is bounded by two hours."""
    ledger = Ledger(world, public_url=public_url)
    with anyio.fail_after(7200):
        async with ledger.server("one") as one, ledger.server("other") as other:
            yield ledger, one, other


async def until(condition: Callable[[], bool], seconds: float) -> None:
    """Waits until something is so, at most for so many seconds."""
    with anyio.fail_after(seconds):
        while not condition():  # noqa: ASYNC110  virtual time
            await anyio.sleep(0.1)


async def followed(server: Server, task_id: str) -> Task:
    """The task as that server follows it, once it does."""
    await until(lambda: server.service.watcher.followed(task_id) is not None, LOOK_SECONDS + 1)
    standing = server.service.watcher.followed(task_id)
    assert standing is not None
    return standing.task


def gaps(ledger: Ledger) -> list[float]:
    """The times between two reads of tasks, whoever made them."""
    return [later - earlier for (earlier, _), (later, _) in pairwise(ledger.reads)]


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


async def heard_at(server: Server, task: Task, heard: list[float]) -> None:
    """Notes when a caller who waits at a server hears of the end."""
    told = await end_of(server.service.watcher, task, deadline=anyio.current_time() + 300)
    assert told.artifacts[0].url, "an end is told with a link of its own"
    heard.append(anyio.current_time())


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
