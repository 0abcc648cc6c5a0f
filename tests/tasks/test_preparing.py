"""Preparations between a claim and its POST: the lease that is kept, what ends them, and who goes on."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import anyio
import pytest

from runway_mcp.runway.models import Submission
from runway_mcp.simulator.world import World
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.intents import WAITING_LEASE, Intent, State
from runway_mcp.tasks.service import TaskService
from runway_mcp.tasks.spend.plan import Plan, make_plan
from runway_mcp.tasks.spend.preparing import ClaimLost
from runway_mcp.tasks.spend.submit import Submitted
from tests.kit.upstream import fault
from tests.tasks.services import open_service, open_world
from tests.tasks.submits import quiet, wish

pytestmark = pytest.mark.virtual_time

Made = Callable[[Intent], Awaitable[Submission]]


async def planned(world: World, service: TaskService) -> tuple[Plan, Intent]:
    """A plan, and its intent as a claim left it."""
    plan = await make_plan(service.client, wish(world))
    intent, is_earlier = await service.submissions.claim(plan, caller="")
    assert not is_earlier
    return plan, intent


async def spent(
    service: TaskService, plan: Plan, intent: Intent, prepare: Made, *, wait: float = 900.0
) -> Submitted | None:
    """What a claimed intent is told as after its preparation."""
    deadline = anyio.current_time() + wait
    return await service.submissions.spend(plan, intent, prepare=prepare, deadline=deadline, say=quiet)


async def state_of(service: TaskService, intent: Intent) -> Intent:
    """The intent as it stands."""
    standing = await service.ledger.find("id", intent.id)
    assert standing is not None
    return standing


async def test_a_preparation_of_minutes_keeps_its_lease_and_posts_once(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (world, service):
        plan, intent = await planned(world, service)
        leases: list[float] = []

        async def prepare(prepared: Intent) -> Submission:
            for _ in range(20):
                await anyio.sleep(WAITING_LEASE)
                leases.append((await state_of(service, prepared)).lease - service.ledger.now())
            return plan.submission

        told = await spent(service, plan, intent, prepare)

        assert told is not None
        assert min(leases) > 0
        assert (told.intent.id, told.twin) == (intent.id, False)
        assert world.requests["POST /gen3/extend"] == 1
        task = world.tasks[-1]
        assert (task.options["seed"], task.reply_ref) == (intent.seed, intent.reply_ref)


async def test_a_preparation_that_fails_withdraws_the_intent_with_its_reason(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (world, service):
        plan, intent = await planned(world, service)

        async def prepare(_: Intent) -> Submission:
            raise Failure("not_configured", "The disk is full.")

        with pytest.raises(Failure) as told:
            await spent(service, plan, intent, prepare)
        standing = await state_of(service, intent)

        assert (told.value.kind, told.value.charged) == ("not_configured", "no")
        assert (standing.state, standing.failure_kind) == (State.REFUSED, "not_configured")
        assert standing.failure_message == "The disk is full."
        assert world.requests["POST /gen3/extend"] == 0


async def test_an_intent_that_is_claimed_again_keeps_its_steps_for_its_preparation(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (world, service):
        plan, intent = await planned(world, service)
        seen: list[list[str]] = []

        async def prepare(prepared: Intent) -> Submission:
            seen.append([step.name for step in prepared.steps])
            await service.ledger.store.end_step(prepared.id, prepared.claim, "frame", {"sha256": "5f"})
            if len(seen) == 1:
                raise Failure("unavailable", "The upload failed.")
            return plan.submission

        with suppress(Failure):
            await spent(service, plan, intent, prepare)
        again, is_earlier = await service.submissions.claim(plan, caller="")
        told = await spent(service, plan, again, prepare)

        assert (again.id, is_earlier) == (intent.id, False)
        assert seen == [[], ["frame"]]
        assert told is not None
        assert world.requests["POST /gen3/extend"] == 1


async def test_a_preparation_whose_claim_was_lost_is_cancelled_and_posts_nothing(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (world, service):
        plan, intent = await planned(world, service)
        begun = anyio.Event()

        async def stalled(_: Intent) -> Submission:
            begun.set()
            await anyio.sleep_forever()
            raise AssertionError

        async def takes_over() -> None:
            await begun.wait()
            await service.ledger.store.withdraw(intent.id, intent.claim)
            await service.submissions.claim(plan, caller="")

        async with anyio.create_task_group() as both:
            both.start_soon(takes_over)
            assert await spent(service, plan, intent, stalled) is None

        standing = await state_of(service, intent)
        assert standing.state is State.WAITING
        assert standing.claim != intent.claim
        assert world.requests["POST /gen3/extend"] == 0


async def test_a_preparation_that_finds_its_claim_lost_posts_nothing(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (world, service):
        plan, intent = await planned(world, service)

        async def prepare(_: Intent) -> Submission:
            raise ClaimLost

        assert await spent(service, plan, intent, prepare) is None
        assert world.requests["POST /gen3/extend"] == 0


async def test_a_preparation_that_is_cancelled_leaves_its_intent_to_the_next_process(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (world, service):
        plan, intent = await planned(world, service)

        async def stalled(_: Intent) -> Submission:
            await anyio.sleep_forever()
            raise AssertionError

        with anyio.move_on_after(60):
            await spent(service, plan, intent, stalled)
        standing = await state_of(service, intent)
        _, held = await service.submissions.claim(plan, caller="")
        await anyio.sleep(60)
        again, is_earlier = await service.submissions.claim(plan, caller="")

        assert standing.state is State.WAITING
        assert held
        assert (again.id, is_earlier) == (intent.id, False)
        assert world.requests["POST /gen3/extend"] == 0


async def test_a_create_that_waits_for_a_slot_as_its_process_ends_is_left_to_the_next_one(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (world, service):
        plan, intent = await planned(world, service)
        world.faults.clear()

        async def prepare(_: Intent) -> Submission:
            return plan.submission

        busy = {"status": 429, "body": {"error": "busy"}, "retry_after": 25}
        fault(world, method="POST", path_prefix="/gen3/extend", times=None, **busy)
        # Between two POSTs and the looks after each.
        with anyio.move_on_after(40):
            await spent(service, plan, intent, prepare)
        left, left_at = await state_of(service, intent), service.ledger.store.now()
        world.faults.clear()
        async with open_service(world, tmp_path) as other:
            await anyio.sleep(60)
            again, is_earlier = await other.submissions.claim(plan, caller="")
            told = await spent(other, plan, again, prepare)

        assert left.state is State.WAITING
        # It posted before, so that nobody posts again before upstream's lists can show what it made.
        assert left.lease > left_at
        assert (again.id, is_earlier) == (intent.id, False)
        assert told is not None
        assert len([task for task in world.tasks if task.options.get("seed") == intent.seed]) == 1
