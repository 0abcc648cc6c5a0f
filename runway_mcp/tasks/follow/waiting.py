"""Wait for a task's end, at most until a deadline, with progress reports on the way."""

from collections.abc import Awaitable, Callable

import anyio

from runway_mcp.runway.models import Task
from runway_mcp.tasks.follow.followed import Followed
from runway_mcp.tasks.follow.watcher import Watcher

# The longest and the shortest time between two reports, in seconds.
HEARTBEAT = 10.0
QUIET = 1.0


async def wait_for(watcher: Watcher, task: Task, *, deadline: float, tell: Callable[[Task], Awaitable[None]]) -> Task:
    """The task as soon as it is terminal, or as it stands at the deadline (event loop's time).

    A task that upstream has not known for ten minutes is returned as last known, since it is no longer read. `tell` is
    awaited at once, then for changes at most once a second and at least every ten seconds, never after the end; the
    deadline cancels it. Cancelling the wait leaves the task followed.
    """
    watched = watcher.follow(task)
    with watched.attended():
        while not _is_over(watched) and anyio.current_time() < deadline:
            changed, began = watched.changed, anyio.current_time()
            with anyio.move_on_after(deadline - began):
                await tell(watched.task)
            with anyio.move_on_after(min(deadline, began + HEARTBEAT) - anyio.current_time()):
                await changed.wait()
            await _end(watched, until=min(deadline, began + QUIET))
    return watched.task


async def _end(watched: Followed, *, until: float) -> None:
    """Waits until the task is over or the time has come."""
    with anyio.move_on_after(max(0.0, until - anyio.current_time())):
        while (changed := watched.changed) and not _is_over(watched):
            await changed.wait()


def _is_over(watched: Followed) -> bool:
    return watched.task.is_terminal or watched.is_given_up
