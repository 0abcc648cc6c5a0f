"""The task service over any store: one process loses an answer and ends, the next one answers from the ledger."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
import pytest

from runway_mcp.runway.models import Extension
from runway_mcp.tasks.service import TaskService
from runway_mcp.tasks.spend.plan import make_plan
from runway_mcp.tasks.spend.submit import Submitted, Waiting
from tests.kit.clock import wall_clock
from tests.kit.samples import extension
from tests.kit.upstream import fault, virtual_world
from tests.store.conftest import IN_PROCESS, LEDGERS, Opener
from tests.tasks.services import open_service_over

pytestmark = pytest.mark.virtual_time


@pytest.fixture(params=IN_PROCESS)
async def opener(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Opener]:
    """Opens stores on one ledger whose time passes as the event loop's does."""
    async with AsyncExitStack() as opened:
        yield LEDGERS[request.param](tmp_path, "", wall_clock, opened)


async def submit(service: TaskService, wish: Extension) -> Submitted:
    async def say(_: Waiting) -> None:
        return

    plan = await make_plan(service.client, wish)
    return await service.submissions.submit(plan, caller="", deadline=anyio.current_time() + 45, say=say)


async def test_a_lost_answer_is_posted_once_over_any_store(opener: Opener) -> None:
    world = virtual_world()
    wish = extension(asset_id=world.asset_id(world.assets[0]), text_prompt="the camera rises")
    fault(world, method="POST", path_prefix="/gen3/extend", kind="reset_after")
    with anyio.fail_after(7200):
        async with open_service_over(world, opener()) as service:
            first = await submit(service, wish)
        await anyio.sleep(120)
        async with open_service_over(world, opener()) as later:
            await anyio.sleep(30)
            again = await submit(later, wish)
            ended = await later.ledger.find("task_id", first.task.task_id)

    assert len(world.accepted) == 1
    assert (again.task.task_id, first.twin, again.twin) == (first.task.task_id, False, True)
    assert ended is not None
    assert ended.film is not None
