"""Observers of a followed task, as the server has them."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
from anyio.lowlevel import checkpoint

from runway_mcp.runway.models import Task
from runway_mcp.tasks.follow.watcher import Watcher


async def end_of(watcher: Watcher, task: Task, *, deadline: float) -> Task:
    """The task at its end, or as it stands once nothing more is told of it or the deadline has come."""
    watcher.follow(task)
    async for state in watcher.changes(task.task_id, deadline):
        task = state
    return task


@asynccontextmanager
async def observing(watcher: Watcher, *tasks: Task) -> AsyncGenerator[None]:
    """An observer of each task, for as long as the context is open."""
    async with anyio.create_task_group() as observers:
        for task in tasks:
            observers.start_soon(_observe, watcher, task)
        await checkpoint()
        yield
        observers.cancel_scope.cancel()


async def _observe(watcher: Watcher, task: Task) -> None:
    await end_of(watcher, task, deadline=float("inf"))
