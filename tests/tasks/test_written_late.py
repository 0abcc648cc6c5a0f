"""What the ledger could not be told at once: it is told later, and then says nothing of what has happened since."""

from typing import Any

import anyio
import pytest

from runway_mcp.runway.models import Task
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.intents import Intent, State
from runway_mcp.tasks.service import open_tasks
from runway_mcp.tasks.store.protocol import LedgerError
from runway_mcp.tasks.transitions import Selection
from tests.kit.clock import wall_clock
from tests.kit.upstream import fault, virtual_world
from tests.store.memory import MemoryStore
from tests.store.memory_replicas import Rows
from tests.tasks.services import open_client, open_service_over
from tests.tasks.submits import POST, failure_of_submit, submit, wish

pytestmark = pytest.mark.virtual_time


class Doubtful(MemoryStore):
    """A ledger that writes down that a submit waits for a slot, and once does not confirm it for `seconds`."""

    seconds = 5.0

    async def answered(self, intent_id: str, claim: str, state: State, **fields: Any) -> Intent | None:
        written = await super().answered(intent_id, claim, state, **fields)
        if state is State.WAITING and self.seconds:
            seconds, self.seconds = self.seconds, 0.0
            await anyio.sleep(seconds)
            raise LedgerError("The database did not confirm it.")
        return written


async def test_that_a_slot_was_missing_once_is_not_written_over_the_post_that_followed() -> None:
    world = virtual_world(pace=60)
    world.switch(late_in_scheduler=60.0, late_in_lists=60.0)
    fault(world, **POST, kind="status", status=429, retry_after=3.0)
    fault(world, **POST, kind="delay", seconds=12.0)
    fault(world, **POST, kind="reset_after")
    store = Doubtful(Rows(), wall_clock)
    async with open_service_over(world, store) as service:
        told = await submit(service, wish(world), wait=200)
        await anyio.sleep(600)

    assert world.requests["POST /gen3/extend"] == 2
    assert len(world.accepted) == 1
    assert [each.task_id for each in await store.select(Selection.SUBMITTED)] == [told.task.task_id]


class Unconfirmed(MemoryStore):
    """A ledger that cannot be told that a submit goes on waiting for a slot, while it `is_away`."""

    is_away = True

    async def keep_waiting(self, intent_id: str, claim: str, *, seconds: float) -> bool:
        if self.is_away:
            raise LedgerError("The database did not confirm it.")
        return await super().keep_waiting(intent_id, claim, seconds=seconds)


async def test_a_call_whose_ledger_fails_while_it_waits_for_a_slot_has_surely_submitted_nothing() -> None:
    world, store = virtual_world(pace=60), Unconfirmed(Rows(), wall_clock)
    fault(world, **POST, kind="status", status=429, retry_after=3.0)
    async with open_service_over(world, store) as service:
        failure = await failure_of_submit(service, wish(world))
        assert (failure.kind, failure.charged, failure.repeat) == ("unavailable", "no", "later")
        assert "This call submitted nothing." in failure.message
        store.is_away = False
        told = await submit(service, wish(world))

    assert (len(world.accepted), told.twin) == (1, False)


class Locked(MemoryStore):
    """A ledger that cannot be told of a task's end while it `is_locked`."""

    is_locked = True
    refused = 0

    async def observe(self, task_id: str, status: str, *, ended: bool, **fields: Any) -> Intent | None:
        if ended and self.is_locked:
            self.refused += 1
            raise LedgerError("The ledger is locked.")
        return await super().observe(task_id, status, ended=ended, **fields)


async def test_an_end_that_the_ledger_refused_is_told_to_it_and_to_whoever_keeps_films_once_it_can_be_used() -> None:
    world, store, heard = virtual_world(pace=5), Locked(Rows(), wall_clock), list[tuple[str, object]]()

    async def hear(task: Task, owner: Intent | LedgerError | None) -> None:
        heard.append((task.status, owner))

    async with open_client(world) as client, open_tasks(client, store=store, on_change=hear, poll_seconds=5) as service:
        told = await submit(service, wish(world))
        await anyio.sleep(100)
        assert (heard[-1][0], type(heard[-1][1])) == ("SUCCEEDED", LedgerError)
        assert service.watcher.followed(told.task.task_id) is None
        store.is_locked = False
        await anyio.sleep(10)

    status, owner = heard[-1]
    assert isinstance(owner, Intent)
    assert (status, owner.status) == ("SUCCEEDED", "SUCCEEDED")
    assert owner.ended is not None
    assert owner.film is not None


async def test_an_end_that_is_read_again_while_the_ledger_cannot_be_told_is_told_to_it_by_one_at_a_time() -> None:
    world, store = virtual_world(pace=5), Locked(Rows(), wall_clock)
    async with open_service_over(world, store) as service:
        told = await submit(service, wish(world))
        await anyio.sleep(100)
        store.refused = 0
        await anyio.sleep(100)
        by_one = store.refused
        for _ in range(9):
            # As by whoever looks for what the ledger knows no end of.
            service.watcher.follow(Task(task_id=told.task.task_id, status="PENDING"))
            await anyio.sleep(100)
        store.refused = 0
        await anyio.sleep(100)

    assert 0 < store.refused <= by_one + 1


@pytest.mark.parametrize("is_locked", [False, True])
async def test_an_accepted_task_is_followed_and_its_end_written_down_though_telling_of_it_fails(
    *, is_locked: bool
) -> None:
    world, store = virtual_world(pace=5), Locked(Rows(), wall_clock)
    store.is_locked = is_locked

    async def fail(*_: object) -> None:
        raise LookupError

    async with open_client(world) as client, open_tasks(client, store=store, on_change=fail, poll_seconds=5) as service:
        with anyio.move_on_after(60):
            await submit(service, wish(world))
        await anyio.sleep(200)
        store.is_locked = False
        await anyio.sleep(10)

    assert [each.status for each in await store.select(Selection.SUBMITTED)] == ["SUCCEEDED"]


class Unadopting(MemoryStore):
    """A ledger that cannot be told whose a task is while it `is_away`, nor at first that its submit is given up."""

    is_away, withdrawals = False, 0

    async def accept(self, intent_id: str, task_id: str, status: str) -> Intent | None:
        if self.is_away:
            raise LedgerError("The database did not confirm it.")
        return await super().accept(intent_id, task_id, status)

    async def withdraw(self, intent_id: str, claim: str, **fields: Any) -> None:
        if self.is_away and self.withdrawals:
            self.withdrawals -= 1
            raise LedgerError("The database did not confirm it.")
        await super().withdraw(intent_id, claim, **fields)


@pytest.mark.parametrize("withdrawals", [0, 1, 99])
async def test_a_task_that_a_look_has_seen_is_not_told_as_never_submitted_where_the_ledger_fails_to_adopt_it(
    withdrawals: int,
) -> None:
    world, store = virtual_world(pace=300), Unadopting(Rows(), wall_clock)
    world.switch(late_in_scheduler=30.0, late_in_lists=30.0)
    fault(world, **POST, kind="status", status=400, body={"error": "The request is not valid."}, handled=True)
    async with open_service_over(world, store) as service:
        refused = await failure_of_submit(service, wish(world))
        assert (refused.kind, refused.charged) == ("invalid_request", "no")
        await anyio.sleep(60)
        store.is_away, store.withdrawals = True, withdrawals
        failure = await failure_of_submit(service, wish(world))
        assert len(world.accepted) == 1
        assert (failure.kind, failure.charged) == ("submission_unknown", "unknown")
        store.is_away = False
        await anyio.sleep(60)

    assert [each.task_id for each in await store.select(Selection.SUBMITTED)] == [world.task_id(world.accepted[0])]


async def test_a_task_that_was_seen_once_is_not_taken_for_none_where_the_next_look_does_not_show_it() -> None:
    world, store, found = virtual_world(pace=300), Unadopting(Rows(), wall_clock), list[Intent | None]()
    world.switch(late_in_scheduler=30.0, late_in_lists=30.0)
    fault(world, **POST, kind="status", status=400, body={"error": "The request is not valid."}, handled=True)
    async with open_service_over(world, store) as service, anyio.create_task_group() as group:
        refused = await failure_of_submit(service, wish(world))
        assert refused.refused is not None
        await anyio.sleep(60)
        store.is_away = True

        async def look() -> None:
            found.append(await service.submissions.accepted_after_all(str(refused.refused), since=anyio.current_time()))

        group.start_soon(look)
        await anyio.sleep(5)
        world.switch(late_in_scheduler=6000.0, late_in_lists=6000.0)
        await anyio.sleep(30)
        store.is_away = False

    assert [each and each.task_id for each in found] == [world.task_id(world.accepted[0])]


class Forgetful(MemoryStore):
    """A ledger on a server that a fail-over has led to, and that lacks what the one before had written down."""

    def __init__(self) -> None:
        self.rows = Rows()
        super().__init__(self.rows, wall_clock)

    async def answered(self, intent_id: str, claim: str, state: State, **fields: Any) -> Intent | None:
        self.rows.intents.clear()
        return await super().answered(intent_id, claim, state, **fields)


async def test_a_call_whose_submit_the_ledger_has_forgotten_does_not_post_it_once_more() -> None:
    world, store = virtual_world(pace=60), Forgetful()
    fault(world, **POST, kind="reset_after")
    async with open_service_over(world, store) as service:
        failure = await failure_of_submit(service, wish(world))

    assert world.requests["POST /gen3/extend"] == 1
    assert (failure.kind, failure.charged, failure.repeat) == ("submission_unknown", "unknown", "after_change")


class ForgetfulWhileWaiting(Forgetful):
    """One that a fail-over has led to while a submit waits for a slot, before the ledger `is_asked` for it or after."""

    is_asked = False

    async def answered(self, intent_id: str, claim: str, state: State, **fields: Any) -> Intent | None:
        return await MemoryStore.answered(self, intent_id, claim, state, **fields)

    async def keep_waiting(self, intent_id: str, claim: str, *, seconds: float) -> bool:
        if not self.is_asked:
            self.rows.intents.clear()
        return await super().keep_waiting(intent_id, claim, seconds=seconds)

    async def find(self, by: Any, value: str) -> Intent | None:
        self.rows.intents.clear()
        return await super().find(by, value)


@pytest.mark.parametrize("is_asked", [False, True])
async def test_a_call_that_waits_for_a_slot_posts_nothing_once_the_ledger_has_forgotten_its_unconfirmed_refusal(
    *, is_asked: bool
) -> None:
    world, store = virtual_world(pace=60), ForgetfulWhileWaiting()
    store.is_asked = is_asked
    world.switch(late_in_scheduler=30.0, late_in_lists=30.0)
    fault(world, **POST, kind="status", status=429, retry_after=10.0, handled=True)
    for path in ("/tasks", "/scheduler"):
        fault(world, method="GET", path_prefix=path, kind="status", status=503, body={"error": "."}, times=6)
    async with open_service_over(world, store) as service:
        failure = await failure_of_submit(service, wish(world), wait=200)

    assert world.requests["POST /gen3/extend"] == len(world.accepted) == 1
    assert (failure.kind, failure.charged, failure.repeat) == ("submission_unknown", "unknown", "after_change")
    assert f"a task of seed {world.accepted[0].options['seed']}" in failure.message


class Counting(MemoryStore):
    """A ledger that counts how often it is asked for an intent."""

    asked = 0

    async def find(self, by: Any, value: str) -> Intent | None:
        self.asked += 1
        return await super().find(by, value)


async def test_a_submit_that_the_ledger_has_forgotten_is_looked_for_no_longer() -> None:
    world, rows = virtual_world(pace=6000), Rows()
    store = Counting(rows, wall_clock)
    world.switch(late_in_scheduler=6000.0, late_in_lists=6000.0)
    fault(world, **POST, kind="reset_after")
    async with open_service_over(world, store) as service:
        await failure_of_submit(service, wish(world))
        store.asked = 0
        await anyio.sleep(60)
        assert store.asked > 1
        rows.intents.clear()
        await anyio.sleep(200)
        store.asked = 0
        await anyio.sleep(6000)

    assert store.asked == 0


async def test_a_refused_extension_that_the_ledger_has_forgotten_is_not_known_to_have_made_no_task() -> None:
    world = virtual_world()
    async with open_service_over(world, MemoryStore(Rows(), wall_clock)) as service:
        with pytest.raises(Failure, match="do not show for certain") as raised:
            await service.submissions.accepted_after_all("forgotten", since=0.0)

    assert (raised.value.kind, raised.value.charged) == ("unavailable", "no")
    assert not world.requests.total()


async def test_a_task_that_a_look_finds_at_its_end_is_told_to_whoever_keeps_films_once_the_ledger_can_be_used() -> None:
    world, store, heard = virtual_world(pace=5), Locked(Rows(), wall_clock), list[tuple[str, object]]()
    world.switch(late_in_scheduler=60.0, late_in_lists=60.0)
    fault(world, **POST, kind="reset_after")

    async def hear(task: Task, owner: Intent | LedgerError | None) -> None:
        heard.append((task.status, owner))

    async with open_client(world) as client, open_tasks(client, store=store, on_change=hear, poll_seconds=5) as service:
        await failure_of_submit(service, wish(world), wait=20)
        await anyio.sleep(200)
        assert (heard[-1][0], type(heard[-1][1])) == ("SUCCEEDED", LedgerError)
        store.is_locked = False
        await anyio.sleep(200)

    status, owner = heard[-1]
    assert isinstance(owner, Intent)
    assert (status, owner.status, owner.film is not None) == ("SUCCEEDED", "SUCCEEDED", True)


async def test_that_a_task_is_gone_is_told_to_the_ledger_once_that_can_be_used() -> None:
    world, store = virtual_world(pace=9000), Locked(Rows(), wall_clock)
    async with open_service_over(world, store) as service:
        told = await submit(service, wish(world))
        fault(world, method="GET", path_prefix="/tasks", kind="status", status=404, body={"error": "."}, times=None)
        await anyio.sleep(1500)
        assert service.watcher.followed(told.task.task_id) is None
        store.is_locked = False
        await anyio.sleep(60)

    left = await store.find("id", told.intent.id)
    assert left is not None
    assert (left.failure_kind, left.ended is not None) == ("not_found", True)
