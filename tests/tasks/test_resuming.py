"""What earlier processes left is taken up by a later one: also once its ledger comes back, and beside a fault."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from anyio.abc import TaskStatus

from runway_mcp.runway.client import RunwayClient
from runway_mcp.runway.models import Task
from runway_mcp.simulator.world import World
from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.service import OnChange, TaskService, open_tasks, take_up
from runway_mcp.tasks.store.protocol import LedgerError
from runway_mcp.tasks.store.sqlite.store import SqliteStore
from runway_mcp.tasks.transitions import Selection
from tests.kit.clock import wall_clock
from tests.kit.upstream import URL, Upstream, fault, virtual_world
from tests.tasks.leaving import ledger_away, left
from tests.tasks.services import open_service
from tests.tasks.submits import POST, failure_of_submit, wish

pytestmark = pytest.mark.virtual_time

PUBLIC = "https://films.example.com/runway/"


@asynccontextmanager
async def telling(world: World, folder: Path, on_change: OnChange) -> AsyncGenerator[TaskService]:
    """A task service that tells of each change."""
    with SqliteStore(folder / "ledger.sqlite3", wall_clock) as store:
        async with (
            RunwayClient(url=URL, token=world.token, transport=Upstream(world), now=wall_clock) as client,
            open_tasks(client, store=store, poll_seconds=5, on_change=on_change) as service,
        ):
            yield service


async def test_a_task_of_an_earlier_process_is_followed_to_its_end_though_the_ledger_came_late(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world, folder = virtual_world(pace=600), tmp_path / "data"
    [task_id] = await left(world, folder)
    async with anyio.create_task_group() as group:
        async with ledger_away(folder):
            service = await group.start(_served, world, folder)
            await anyio.sleep(60)
            assert service.watcher.followed(task_id) is None
        await anyio.sleep(6)
        assert service.watcher.followed(task_id) is not None
        await anyio.sleep(1200)
        [ended] = await service.ledger.store.select(Selection.SUCCEEDED, limit=1)
        assert (ended.task_id, ended.film is not None) == (task_id, True)
        group.cancel_scope.cancel()

    assert caplog.text.count("Nothing can be submitted until that is mended.") == 1


async def test_a_submit_that_was_closed_lately_is_looked_for_though_the_ledger_came_late(tmp_path: Path) -> None:
    world, folder = virtual_world(pace=600), tmp_path / "data"
    async with open_service(world, folder) as service:
        fault(world, **POST, kind="reset")
        await failure_of_submit(service, wish(world))
        await anyio.sleep(1200)
    async with anyio.create_task_group() as group:
        async with ledger_away(folder):
            await group.start(_served, world, folder)
            await anyio.sleep(60)
            before = world.requests["GET /scheduler"]
        await anyio.sleep(8)
        assert world.requests["GET /scheduler"] > before
        group.cancel_scope.cancel()


async def _served(
    world: World, folder: Path, *, task_status: TaskStatus[TaskService] = anyio.TASK_STATUS_IGNORED
) -> None:
    async with open_service(world, folder) as service:
        task_status.started(service)
        await anyio.sleep_forever()


async def test_a_fault_with_one_task_of_an_earlier_process_leaves_the_others(tmp_path: Path) -> None:
    world = virtual_world(pace=600)
    first, second = await left(world, tmp_path, count=2)

    async def fail(task: Task, _: Intent | LedgerError | None) -> None:
        if task.task_id == first:
            raise RuntimeError("a fault")

    async with telling(world, tmp_path, fail) as service:
        await anyio.sleep(1)
        assert service.watcher.followed(second) is not None


async def test_a_server_without_a_public_url_waits_for_no_callback_of_a_task_that_is_its_own_later(
    tmp_path: Path,
) -> None:
    reads: list[int] = []
    for public_url in (None, PUBLIC):
        world, folder = virtual_world(pace=600), tmp_path / str(public_url is None)
        async with open_service(world, folder) as later:
            await anyio.sleep(1)
            [task_id] = await left(world, folder, public_url=public_url)
            before = sum(world.requests.values())
            await take_up(later)
            assert later.watcher.followed(task_id) is not None
            await anyio.sleep(500)
            reads.append(sum(world.requests.values()) - before)

    assert reads[0] == reads[1]
