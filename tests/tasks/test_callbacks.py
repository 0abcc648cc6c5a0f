import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import pytest

from runway_mcp.runway.models import Extension
from runway_mcp.simulator.api.callbacks import deliver_due, next_due
from runway_mcp.simulator.api.shapes import callback_body
from runway_mcp.simulator.world import World
from runway_mcp.tasks.callbacks import NO_TOKEN, Callbacks, take_callback
from runway_mcp.tasks.intents import Intent, State
from runway_mcp.tasks.service import TaskService
from runway_mcp.tasks.spend.plan import make_plan
from runway_mcp.tasks.store.token_view import store_of_token
from tests.kit.samples import intent, long_id, plan
from tests.kit.upstream import fault, virtual_world
from tests.tasks.observing import end_of
from tests.tasks.services import open_service, open_world
from tests.tasks.submits import POST, quiet, submit, wish

pytestmark = pytest.mark.virtual_time

POLL = 5.0
PUBLIC = "https://films.example.com/runway/"


@asynccontextmanager
async def reachable(
    folder: Path, *, world: World | None = None, **fields: Any
) -> AsyncGenerator[tuple[World, TaskService]]:
    """A world and a room that upstream can call; every wait inside is bounded by two hours."""
    world = world or virtual_world(**fields)
    with anyio.fail_after(7200):
        async with open_service(world, folder, poll_seconds=POLL, public_url=PUBLIC) as service:
            yield world, service


def token_of(world: World, number: int = -1) -> str:
    address = world.accepted[number].reply_url or ""
    assert address.startswith("https://films.example.com/runway/callbacks/")
    return address.rpartition("/")[2]


def body_of(world: World, **changes: Any) -> bytes:
    """What upstream posts of the last accepted task, as it stands or changed."""
    task = world.accepted[-1]
    return json.dumps({**callback_body(world, task, task.moment(world.now())), **changes}).encode()


async def post(service: TaskService, token: str, body: bytes) -> bool:
    async def read() -> bytes:
        return body

    return await service.callbacks.take(token, read)


async def deliver(world: World, service: TaskService) -> None:
    """Delivers what upstream posts, as long as it posts anything."""

    async def send(url: str, body: dict[str, Any]) -> None:
        await post(service, url.rpartition("/")[2], json.dumps(body).encode())

    while True:
        await anyio.sleep(min(max(0.01, next_due(world) - world.now()), 1.0))
        await deliver_due(world, send)


def reads(world: World) -> int:
    return world.requests["GET /tasks/{id}"] + world.requests["GET /tasks"]


async def test_a_submit_asks_to_be_called_at_an_address_that_nobody_can_guess(tmp_path: Path) -> None:
    async with reachable(tmp_path, slots=10) as (world, service):
        for seed in range(1, 4):
            await submit(service, wish(world, seed=seed))

        tokens = {token_of(world, number) for number in range(3)}
        assert len(tokens) == 3
        assert min(map(len, tokens)) >= 32
        for token in tokens:
            standing = await service.ledger.find("callback_token", token)
            assert standing is not None
            assert standing.callback_token == token


async def test_a_callers_own_address_is_passed_on_untouched_and_his_task_is_polled(tmp_path: Path) -> None:
    own = "https://ana.example.com/hook?x=1"
    async with reachable(tmp_path, pace=60.0) as (world, service):
        submitted = await submit(service, wish(world, reply_url=own))
        before = reads(world)
        await end_of(service.watcher, submitted.task, deadline=anyio.current_time() + 90)

        assert world.accepted[0].reply_url == own
        assert reads(world) - before > 5


async def test_without_a_public_url_nobody_is_asked_to_call(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (world, service):
        await submit(service, wish(world))

        assert world.accepted[0].reply_url is None


@pytest.mark.parametrize("ratios", ["even", "stall", "null"])
@pytest.mark.parametrize(
    "switches",
    [{}, {"callback": "changes"}, {"delivery": "duplicated"}, {"callback": "changes", "delivery": "swapped"}],
    ids=lambda switches: " ".join(map(str, switches.values())) or "once",
)
async def test_a_called_task_is_noticed_at_once_and_read_three_times_at_most(
    tmp_path: Path, switches: dict[str, Any], ratios: str
) -> None:
    async with reachable(tmp_path, pace=170.0) as (world, service):
        world.switch(**switches)
        world.script_next(ratios=ratios)
        submitted = await submit(service, wish(world))
        before = reads(world)
        async with anyio.create_task_group() as upstream:
            upstream.start_soon(deliver, world, service)
            ended = await end_of(service.watcher, submitted.task, deadline=anyio.current_time() + 300)
            assert ended.status == "SUCCEEDED"
            assert ended.artifacts
            assert anyio.current_time() - world.accepted[0].ends < 0.2
            await anyio.sleep(60)
            upstream.cancel_scope.cancel()

        assert reads(world) - before <= 3


async def test_a_lost_call_costs_time_but_no_task_and_after_two_tasks_are_polled_again(tmp_path: Path) -> None:
    delays: list[float] = []
    async with reachable(tmp_path, pace=100.0) as (world, service):
        world.switch(delivery="lost")
        for seed in range(1, 5):
            submitted = await submit(service, wish(world, seed=seed))
            await end_of(service.watcher, submitted.task, deadline=anyio.current_time() + 400)
            delays.append(anyio.current_time() - world.accepted[-1].ends)

    assert max(delays) <= 160.0
    assert max(delays[2:]) <= 2 * POLL


async def test_a_call_that_claims_an_end_is_a_reason_to_look_and_nothing_more(tmp_path: Path) -> None:
    async with reachable(tmp_path, pace=600.0) as (world, service):
        submitted = await submit(service, wish(world))
        before = reads(world)
        for _ in range(40):
            assert await post(
                service, token_of(world), body_of(world, status="SUCCEEDED", artifacts=[{"assetId": "x"}])
            )
            await anyio.sleep(0.25)

        assert service.watcher.followed(submitted.task.task_id) is not None
        assert 1 <= reads(world) - before <= 3


async def test_calls_cost_at_most_one_read_out_of_turn_for_each_task_and_interval(tmp_path: Path) -> None:
    async with reachable(tmp_path, pace=600.0) as (world, service):
        await submit(service, wish(world))
        seen: list[float] = []
        for _ in range(600):
            before = reads(world)
            await post(service, token_of(world), body_of(world, status="FAILED"))
            await anyio.sleep(0.1)
            seen += [anyio.current_time()] * (reads(world) - before)

    assert min(later - earlier for earlier, later in pairwise(seen)) >= POLL - 0.11


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[]",
        b"[" * 50_000,
        b'"SUCCEEDED"',
        b'{"status": 7}',
        b'{"status": "RUNNING"}',
        json.dumps({"status": "SUCCEEDED", "taskId": long_id("task", 1)}).encode(),
        b'{"task": {"status": "RUNNING"}, "status": "SUCCEEDED"}',
    ],
)
async def test_a_call_that_claims_no_end_of_this_task_costs_nothing_at_once(tmp_path: Path, body: bytes) -> None:
    async with reachable(tmp_path, pace=600.0) as (world, service):
        await submit(service, wish(world))
        before = reads(world)
        for _ in range(10):
            assert await post(service, token_of(world), body)
            await anyio.sleep(0.5)

        assert reads(world) == before


@pytest.mark.parametrize("body", [b'{"status": "SUCCEEDED"}', b'{"task": {"status": "FAILED"}, "code": 200}'])
async def test_a_claim_is_understood_flat_or_wrapped(tmp_path: Path, body: bytes) -> None:
    async with reachable(tmp_path, pace=600.0) as (world, service):
        await submit(service, wish(world))
        before = reads(world)
        await post(service, token_of(world), body)
        await anyio.sleep(0.1)

        assert reads(world) == before + 1


async def test_an_end_that_upstream_shows_only_a_moment_after_its_call_is_not_missed(tmp_path: Path) -> None:
    async with reachable(tmp_path, pace=40.0) as (world, service):
        submitted = await submit(service, wish(world))
        ends = world.accepted[0].ends
        await anyio.sleep(ends - 1.0 - world.now())
        await post(service, token_of(world), body_of(world, status="SUCCEEDED"))

        await end_of(service.watcher, submitted.task, deadline=anyio.current_time() + 300)

        assert anyio.current_time() - ends <= 2 * POLL


@pytest.mark.parametrize("token", ["", "x", "x" * 32, "../../etc/passwd", "é" * 32, "x" * 5000])
async def test_an_address_that_was_never_given_out_is_unknown_and_its_body_stays_unread(
    tmp_path: Path, token: str
) -> None:
    async def read() -> bytes:
        raise AssertionError

    async with reachable(tmp_path) as (world, service):
        await submit(service, wish(world))

        assert not await service.callbacks.take(token, read)


async def test_a_late_call_costs_nothing(tmp_path: Path) -> None:
    async with reachable(tmp_path, pace=20.0) as (world, service):
        submitted = await submit(service, wish(world))
        async with anyio.create_task_group() as upstream:
            upstream.start_soon(deliver, world, service)
            await end_of(service.watcher, submitted.task, deadline=anyio.current_time() + 90)
            upstream.cancel_scope.cancel()
        before = reads(world)
        for _ in range(5):
            assert await post(service, token_of(world), body_of(world))
            await anyio.sleep(10)

        assert reads(world) == before


async def test_a_call_about_an_unanswered_submit_finds_its_task_at_once(tmp_path: Path) -> None:
    async with reachable(tmp_path, pace=600.0) as (world, service):
        fault(world, **POST, kind="delay_after", seconds=50.0)
        async with anyio.create_task_group() as caller:
            caller.start_soon(submit, service, wish(world))
            await anyio.sleep(2.0)
            assert await post(service, token_of(world), body_of(world))
            await anyio.sleep(0.5)
            standing = await service.ledger.find("callback_token", token_of(world))

            assert standing is not None
            assert standing.task_id == world.task_id(world.accepted[0])
        assert len(world.accepted) == 1


async def test_calls_about_an_unclear_submit_are_a_reason_to_look_once_an_interval(tmp_path: Path) -> None:
    async with reachable(tmp_path, pace=600.0) as (world, service):
        world.switch(late_in_lists=100.0, late_in_scheduler=100.0)
        fault(world, **POST, kind="reset_after")
        async with anyio.create_task_group() as caller:
            caller.start_soon(_fails, service, wish(world, reply_ref="film-1"))
            await anyio.sleep(101.0)
            before = world.requests["GET /scheduler"]
            for _ in range(20):
                assert await post(service, token_of(world), body_of(world))
                await anyio.sleep(0.02)
            standing = await service.ledger.find("callback_token", token_of(world))

            assert standing is not None
            assert standing.state is State.ACCEPTED
            assert world.requests["GET /scheduler"] - before <= 2
        assert len(world.accepted) == 1


async def _fails(service: TaskService, asked: Extension) -> None:
    with pytest.raises(Exception, match="did not arrive"):
        await submit(service, asked, wait=20.0)


@pytest.mark.parametrize("state", [State.REFUSED, State.WAITING])
async def test_a_call_about_a_submit_that_started_nothing_leads_to_nothing(tmp_path: Path, state: State) -> None:
    token = "a" * 32
    async with reachable(tmp_path) as (world, service):
        await service.ledger.store.claim(replace(intent(), state=state, callback_token=token), plan().key(""))
        before = world.requests.total()

        assert await post(service, token, b'{"status": "SUCCEEDED"}')
        await anyio.sleep(30)
        assert world.requests.total() == before


async def test_a_later_process_takes_the_calls_that_an_earlier_one_asked_for(tmp_path: Path) -> None:
    world = virtual_world(pace=300.0)
    async with reachable(tmp_path, world=world) as (_, service):
        submitted = await submit(service, wish(world))
    async with reachable(tmp_path, world=world) as (_, service), anyio.create_task_group() as upstream:
        upstream.start_soon(deliver, world, service)
        before = reads(world)

        await end_of(service.watcher, submitted.task, deadline=anyio.current_time() + 600)

        assert anyio.current_time() - world.accepted[0].ends < 0.2
        assert reads(world) - before <= 4
        upstream.cancel_scope.cancel()


async def test_the_same_request_again_and_again_costs_no_more_reads_than_one_waiter(tmp_path: Path) -> None:
    async with reachable(tmp_path, pace=600.0) as (world, service):
        asked = await make_plan(service.client, wish(world))
        before = reads(world)
        for _ in range(100):
            again = await service.submissions.submit(asked, caller="", deadline=anyio.current_time(), say=quiet)
            assert again.task.task_id == world.task_id(world.accepted[0])
            await anyio.sleep(0.5)

        assert len(world.accepted) == 1
        assert reads(world) - before <= 50.0 / POLL


async def test_many_calls_at_once_are_looked_into_with_few_reads(tmp_path: Path) -> None:
    async with reachable(tmp_path, slots=10, max_jobs=10, pace=60.0) as (world, service):
        submitted = [await submit(service, wish(world, seed=seed)) for seed in range(1, 11)]
        before = reads(world)
        async with anyio.create_task_group() as waiters:
            for each in submitted:
                waiters.start_soon(_wait, service, each.task)
            await anyio.sleep(world.accepted[-1].ends - world.now())
            for number in range(10):
                await post(service, token_of(world, number), b'{"status": "SUCCEEDED"}')

        assert reads(world) - before <= 10


async def test_many_claims_that_are_not_true_cost_reads_at_the_pace_of_the_account(tmp_path: Path) -> None:
    async with reachable(tmp_path, slots=10, max_jobs=10, pace=600.0) as (world, service):
        for seed in range(1, 6):
            await submit(service, wish(world, seed=seed))
        await anyio.sleep(POLL)
        before = reads(world)
        for number in range(5):
            await post(service, token_of(world, number), b'{"status": "SUCCEEDED"}')
        await anyio.sleep(10 * POLL)

        assert 1 <= reads(world) - before <= 11


async def _wait(service: TaskService, task: Any) -> None:
    assert (await end_of(service.watcher, task, deadline=anyio.current_time() + 90)).is_terminal


class Asked:
    """A store of one intent that counts how often it is asked."""

    def __init__(self, kept: Intent) -> None:
        self.kept = kept
        self.count = 0

    async def find(self, by: str, value: str) -> Intent | None:
        self.count += 1
        return self.kept if getattr(self.kept, by) == value else None


@pytest.mark.parametrize(("token", "is_taken"), [("a" * 43, True), ("b" * 43, False)])
async def test_however_many_accounts_a_server_has_a_callback_costs_one_look_at_the_ledger(
    token: str, *, is_taken: bool
) -> None:
    kept: Any = Asked(replace(intent(), caller="bob", state=State.REFUSED, callback_token="a" * 43))
    bodies: list[bytes] = []

    def account(name: str) -> Callbacks:
        nothing: Any = None
        view = store_of_token(kept, lambda caller, _=None: caller == name, token="of no user")
        return Callbacks(view, nothing, nothing, nothing, pause=POLL)

    async def read() -> bytes:
        bodies.append(b"{}")
        return bodies[-1]

    accounts = [account(name) for name in ("ana", "bob", "eve")]
    assert await take_callback(accounts, token, read) is is_taken
    assert kept.count == 1
    assert len(bodies) == is_taken
    assert not await take_callback([accounts[0], accounts[2]], token, read), "it is no other account's"
    assert not await take_callback(accounts, "no token of ours", read)
    assert not await take_callback(accounts, NO_TOKEN, read)
    assert kept.count == 2
