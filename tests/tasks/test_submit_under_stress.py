"""Submits while owners are late, ledgers are held and tasks are half told: paid once, and told."""

import sqlite3
from functools import partial
from pathlib import Path

import anyio
import pytest

from runway_mcp.runway.models import Extension
from runway_mcp.simulator.builders import add_task
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.intents import State
from runway_mcp.tasks.spend.plan import make_plan
from runway_mcp.tasks.spend.submit import Waiting
from runway_mcp.tasks.store.sqlite.store import SqliteStore
from tests.kit.clock import SetClock
from tests.kit.samples import long_id
from tests.kit.upstream import fault
from tests.tasks.claims import claim
from tests.tasks.services import open_service, open_world
from tests.tasks.submits import POST, failure_of_submit, submit, wish

pytestmark = pytest.mark.virtual_time

FIT_ALIKE = (("first", "the camera rises"), ("second", "the camera  rises"))
"""The references and prompts of two requests; a look cannot tell the prompts apart, since Runway may tidy blanks."""


async def hold_ledger(path: Path, seconds: float) -> None:
    """Holds the write lock, as another program might."""
    holder = sqlite3.connect(path / "ledger.sqlite3", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    await anyio.sleep(seconds)
    holder.execute("ROLLBACK")
    holder.close()


async def test_an_owner_that_was_away_for_longer_than_its_lease_does_not_post_any_more(tmp_path: Path) -> None:
    async with open_world(tmp_path, max_jobs=1, pace=30.0) as (world, service), open_service(world, tmp_path) as other:
        await submit(service, wish(world, text_prompt="first"))

        async def host_that_does_not_read(waiting: Waiting) -> None:
            if waiting.reason == "slot":
                await anyio.sleep(60)

        async def late() -> None:
            plan = await make_plan(service.client, wish(world))
            await service.submissions.submit(
                plan, caller="", deadline=anyio.current_time() + 200, say=host_that_does_not_read
            )

        async with anyio.create_task_group() as calls:
            calls.start_soon(late)
            await anyio.sleep(45)
            await submit(other, wish(world))

        assert [made.options["text_prompt"] for made in world.accepted] == ["first", "the camera rises"]


async def test_an_answer_that_the_ledger_cannot_take_is_written_as_soon_as_it_can(tmp_path: Path) -> None:
    async with open_world(tmp_path, pace=300.0) as (world, service):
        fault(world, **POST, kind="delay_after", seconds=3)
        async with anyio.create_task_group() as beside:
            beside.start_soon(hold_before_answer, tmp_path)
            submitted = await submit(service, wish(world), wait=20)
            assert submitted.task.task_id == world.task_id(world.accepted[0])
        await anyio.sleep(10)

        owner = await service.ledger.find("task_id", world.task_id(world.accepted[0]))
        assert owner is not None
        assert owner.state is State.ACCEPTED


async def hold_before_answer(path: Path) -> None:
    await anyio.sleep(1)
    await hold_ledger(path, 12)


async def test_a_ledger_that_is_held_while_a_post_is_looked_for_ends_nothing_else(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (world, service):
        fault(world, **POST, kind="delay_after", seconds=40)
        async with anyio.create_task_group() as beside:
            beside.start_soon(hold_before_answer, tmp_path)
            await failure_of_submit(service, wish(world), wait=5)
        await anyio.sleep(60)

        assert (await submit(service, wish(world))).twin
        assert len(world.accepted) == 1


async def test_a_list_of_busy_slots_whose_task_cannot_be_read_ends_nothing_else(tmp_path: Path) -> None:
    async with open_world(tmp_path, max_jobs=1, pace=100.0) as (world, service):
        world.switch(late_in_lists=30.0, late_in_scheduler=30.0)
        fault(world, **POST, kind="reset_after")
        await failure_of_submit(service, wish(world, text_prompt="first"), wait=0)
        plan = await make_plan(service.client, wish(world, text_prompt="second"))
        fault(world, method="GET", path_prefix="/tasks/", kind="status", status=500, times=None)

        with pytest.raises(Failure, match="busy"):
            await service.submissions.submit(plan, caller="", deadline=anyio.current_time(), say=quiet)

        world.faults.clear()
        assert (await submit(service, wish(world, text_prompt="first"))).twin


async def test_a_film_that_cannot_be_read_is_told_as_it_was_seen_without_a_link(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (world, service):
        first = await submit(service, wish(world))
        await anyio.sleep(60)
        plan = await make_plan(service.client, wish(world))
        fault(world, method="GET", kind="status", status=503, times=None)

        again = await service.submissions.submit(plan, caller="", deadline=anyio.current_time() + 5, say=quiet)

        assert again.twin
        assert again.task.task_id == first.task.task_id
        assert again.task.status == "SUCCEEDED"
        assert [film.asset_id for film in again.task.artifacts] == [world.asset_id(world.accepted[0].artifacts[0])]
        assert again.task.artifacts[0].url is None


async def quiet(_: Waiting) -> None:
    return


async def test_adopting_a_task_twice_forgets_nothing_of_its_end(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "ledger.sqlite3", SetClock()) as ledger:
        made, _ = await claim(ledger)
        await ledger.accept(made.id, long_id("task", 5), "PENDING")
        await ledger.observe(long_id("task", 5), "FAILED", ended=True, film=None, failure=("moderated", "why"))

        await ledger.accept(made.id, long_id("task", 5), "FAILED")

        found = await ledger.find("id", made.id)
        assert found is not None
        assert (found.status, found.failure_kind) == ("FAILED", "moderated")


@pytest.mark.parametrize(("others", "order"), [(150, "shuffled"), (1500, "oldest")])
async def test_a_task_in_a_long_list_is_found_whatever_its_order(tmp_path: Path, others: int, order: str) -> None:
    async with open_world(tmp_path, max_jobs=10) as (world, service):
        for number in range(others):
            add_task(world, seed=number + 1, age=5000.0, duration=1.0, queue=0.0)
        world.switch(task_order=order, late_in_scheduler=10_000.0)
        fault(world, **POST, kind="reset_after", times=4)

        for number in range(4):
            await submit(service, wish(world, text_prompt=f"film {number}"))

        assert len(world.accepted) == 4


async def test_a_moderated_task_that_the_list_shows_without_a_reason_is_adopted_as_moderated(tmp_path: Path) -> None:
    async with open_world(tmp_path, pace=0.1) as (world, service):
        world.switch(moderation="failed", thin_ends=True, late_in_lists=8.0, late_in_scheduler=900.0)
        fault(world, **POST, kind="reset_after")
        forbidden = wish(world, text_prompt="forbidden")

        found = await submit(service, forbidden)
        owner = await service.ledger.find("task_id", found.task.task_id)

        assert found.task.status == "FAILED"
        assert owner is not None
        assert owner.failure_kind == "moderated"


async def test_of_tasks_that_fit_alike_each_intent_adopts_the_one_that_was_made_when_it_was(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (world, service):
        world.switch(late_in_lists=900.0, late_in_scheduler=900.0)
        fault(world, **POST, kind="reset_after", times=2)
        wishes = [wish(world, seed=7, reply_ref=name, text_prompt=prompt) for name, prompt in FIT_ALIKE]
        for asked in wishes:
            await failure_of_submit(service, asked, wait=0)
            await anyio.sleep(300)
        world.switch(late_in_lists=0.0)
        plans = [await make_plan(service.client, asked) for asked in wishes]
        async with anyio.create_task_group() as calls:
            for plan in plans:
                calls.start_soon(
                    partial(service.submissions.submit, plan, caller="", deadline=anyio.current_time() + 5, say=quiet)
                )

        owners = [await service.ledger.find("task_id", world.task_id(made)) for made in world.accepted]
        assert [owner and owner.reply_ref for owner in owners] == ["first", "second"]


async def test_a_task_that_is_listed_is_adopted_though_the_scheduler_fails(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (world, service):
        fault(world, **POST, kind="reset_after")
        fault(world, method="GET", path_prefix="/scheduler", kind="status", status=503, times=None)

        found = await submit(service, wish(world, seed=7))

        assert found.task.task_id == world.task_id(world.accepted[0])


async def test_a_task_that_names_another_reference_when_it_is_read_alone_is_left_to_that(tmp_path: Path) -> None:
    async with open_world(tmp_path, pace=5) as (world, service):
        world.switch(reply_in_get=True)
        source = world.asset_id(world.assets[0])
        await service.client.submit(
            Extension(asset_id=source, text_prompt="the camera rises", seconds=5, seed=7, reply_ref="theirs")
        )
        await anyio.sleep(40)
        fault(world, **POST, kind="reset")

        failure = await failure_of_submit(service, wish(world, seed=7, reply_ref="mine"))

        assert failure.kind == "submission_unknown"


async def test_a_task_that_the_scheduler_gives_to_another_reference_is_left_to_that(tmp_path: Path) -> None:
    async with open_world(tmp_path, pace=300.0) as (world, service):
        fault(world, **POST, kind="reset")
        fault(world, **POST, kind="delay_after", seconds=90)
        for name, prompt in FIT_ALIKE:
            await failure_of_submit(service, wish(world, seed=7, reply_ref=name, text_prompt=prompt), wait=5)
        await anyio.sleep(120)

        owner = await service.ledger.find("task_id", world.task_id(world.accepted[0]))
        assert owner is not None
        assert owner.reply_ref == "second"
