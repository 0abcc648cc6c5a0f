"""What a process leaves to a later one, and a ledger that is away when that one starts."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from runway_mcp.simulator.world import World
from tests.tasks.services import open_service
from tests.tasks.submits import submit, wish


async def left(world: World, folder: Path, *, public_url: str | None = None, count: int = 1) -> list[str]:
    """The tasks that a process began and left running."""
    async with open_service(world, folder, public_url=public_url) as service:
        return [(await submit(service, wish(world, seed=seed), wait=0)).task.task_id for seed in range(1, count + 1)]


@asynccontextmanager
async def ledger_away(folder: Path) -> AsyncGenerator[None]:
    """Meanwhile the data folder is elsewhere, and its place is taken by a file."""
    elsewhere = folder.rename(folder.with_name("elsewhere"))
    folder.touch()
    yield
    folder.unlink()
    elsewhere.rename(folder)
