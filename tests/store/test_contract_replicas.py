"""What servers on one ledger agree on, in each implementation: leases, and what was read of tasks."""

from collections.abc import AsyncGenerator

import anyio
import pytest

from runway_mcp.tasks.intents import LONGEST_LEASE
from runway_mcp.tasks.store.protocol import Replicas
from tests.kit.clock import SetClock
from tests.kit.postgres import new_schema
from tests.store.databases import two_servers
from tests.store.memory_replicas import MemoryReplicas, Rows

ACCOUNT, TASK = "digest", "user:1-task:0"
ENDS = ("SUCCEEDED", "FAILED")

Two = tuple[Replicas, Replicas]


@pytest.fixture(params=["memory", "postgres"])
async def two(request: pytest.FixtureRequest, clock: SetClock) -> AsyncGenerator[Two]:
    """The parts of two servers on one ledger."""
    if request.param == "memory":
        rows = Rows()
        yield MemoryReplicas(rows, clock), MemoryReplicas(rows, clock)
        return
    with new_schema(request.getfixturevalue("database_url")) as url:
        async with two_servers(url, clock) as both:
            yield both


async def told_of(replicas: Replicas) -> list[str]:
    """What the other server told last of the task, if it was the last to tell of it."""
    return [each.told for each in (await replicas.told(ACCOUNT, [TASK])).values()]


async def test_a_lease_is_prolonged_by_its_holder_and_passes_on_once_it_has_ended(two: Two, clock: SetClock) -> None:
    one, other = two
    assert await one.take("join", seconds=15) == 0
    clock.now += 10
    assert await one.take("join", seconds=15) == 0
    assert await other.take("join", seconds=15) == 15
    clock.now += 15.5
    assert await other.take("join", seconds=15) == 0
    # Whoever stood still for so long finds that it is another's, and takes nothing from it by giving back.
    assert await one.take("join", seconds=15) > 0
    await one.give_back("join")
    assert await one.take("join", seconds=15) > 0


async def test_a_lease_that_is_given_back_with_a_pause_is_nobodys_until_then(two: Two, clock: SetClock) -> None:
    one, other = two
    await one.take("read", seconds=15)
    await one.give_back("read", pause=5)
    assert await one.take("read", seconds=15) == 5
    assert await other.take("read", seconds=15) == 5
    clock.now += 5.5
    assert await other.take("read", seconds=15) == 0


async def test_a_lease_from_before_the_clock_was_set_back_is_nobodys(two: Two, clock: SetClock) -> None:
    one, other = two
    await one.take("read", seconds=15)
    clock.now -= 16

    assert await other.take("read", seconds=15) == 0
    assert await one.take("read", seconds=15) > 0


async def test_no_pause_is_longer_than_the_longest_lease(two: Two) -> None:
    one, other = two
    await one.take("read", seconds=15)
    await one.give_back("read", pause=3600)

    assert await other.take("read", seconds=15) == LONGEST_LEASE


@pytest.mark.parametrize("gives_back", [False, True])
async def test_a_lease_or_pause_from_before_the_clock_was_set_back_holds_nobody_up(
    two: Two, clock: SetClock, *, gives_back: bool
) -> None:
    one, other = two
    await one.take("read", seconds=15)
    if gives_back:
        await one.give_back("read", pause=5)
    clock.now -= 600

    assert await other.take("read", seconds=15) == 0
    assert await one.take("read", seconds=15) == 15


async def test_what_a_server_tells_of_tasks_is_told_to_the_others_alone(two: Two, clock: SetClock) -> None:
    one, other = two
    await one.tell(ACCOUNT, {TASK: '{"status": "RUNNING"}', "another": "{}"})
    seen = await other.told(ACCOUNT, [TASK])
    assert {task_id: (each.told, each.at) for task_id, each in seen.items()} == {
        TASK: ('{"status": "RUNNING"}', clock())
    }
    assert await one.told(ACCOUNT, [TASK]) == {}
    assert await other.told("another account", [TASK]) == {}

    clock.now += 1
    await other.tell(ACCOUNT, {TASK: '{"status": "SUCCEEDED"}'})
    assert await told_of(one) == ['{"status": "SUCCEEDED"}']


async def test_an_end_that_was_told_is_not_replaced_by_a_read_that_began_before_it(two: Two) -> None:
    ended, running = '{"status": "SUCCEEDED"}', '{"status": "RUNNING"}'
    one, other = two
    for told in (running, ended, running):
        await other.tell(ACCOUNT, {TASK: told, "wordless": "{}"}, final=ENDS)

    assert await told_of(one) == [ended]
    await other.tell(ACCOUNT, {TASK: '{"status": "FAILED"}'}, final=ENDS)
    assert await told_of(one) == ['{"status": "FAILED"}']


async def test_what_was_read_later_is_not_replaced_by_what_was_read_before_and_told_late(
    two: Two, clock: SetClock
) -> None:
    one, other = two
    began = anyio.current_time()
    await one.tell(ACCOUNT, {TASK: '{"progressRatio": 0.5}'}, began=began - 1)
    clock.now += 1
    await other.tell(ACCOUNT, {TASK: '{"progressRatio": 0.4}'}, began=began - 20)
    assert await told_of(other) == ['{"progressRatio": 0.5}']

    clock.now += 5
    await other.tell(ACCOUNT, {TASK: '{"status": "FAILED"}'}, began=began - 30, final=ENDS)
    assert await told_of(one) == ['{"status": "FAILED"}'], "an end is one whenever it was read"


async def test_what_is_read_after_the_clock_was_set_back_is_told(two: Two, clock: SetClock) -> None:
    one, other = two
    await one.tell(ACCOUNT, {TASK: '{"progressRatio": 0.4}'})
    clock.now -= 600
    await one.tell(ACCOUNT, {TASK: '{"progressRatio": 0.5}'}, began=anyio.current_time())

    assert await told_of(other) == ['{"progressRatio": 0.5}']
