"""The ends of watched tasks as callers hear them, and answers that tell less than all."""

import anyio
import httpx

from runway_mcp.runway.models import Task
from runway_mcp.tasks.follow.watcher import Watcher
from tests.tasks.observing import end_of
from tests.tasks.scripted_upstream import Course, Row, ScriptedUpstream

POLL = 5.0


# Differences of the clock's readings are not exact.
ALLOWED = POLL - 1e-6


async def ends(
    watcher: Watcher, upstream: ScriptedUpstream, *courses: Course, patience: float = 900.0
) -> dict[str, Task]:
    """The ends of tasks, each waited for by a caller of its own; checks that each comes within its patience."""
    ended: dict[str, Task] = {}

    async def wait(course: Course) -> None:
        deadline = course.ends + patience
        ended[course.task_id] = await end_of(watcher, upstream.tell(course), deadline=deadline)

    async with anyio.create_task_group() as waiters:
        for course in courses:
            waiters.start_soon(wait, course)
    assert all(task.is_terminal for task in ended.values())
    return ended


def thin(rows: list[Row]) -> list[Row]:
    """Rows that tell ids and statuses alone."""
    return [{name: row[name] for name in ("taskId", "status")} for row in rows]


def without_reasons(rows: list[Row]) -> list[Row]:
    """Rows of failures that do not tell why."""
    return [{**row, "error": None} for row in rows]


def refuse(_: list[Row]) -> httpx.Response:
    """The refusal of a list that does not know its parameters."""
    return httpx.Response(400, json={"error": "Parameter email is unknown.", "code": 400})


def fail(_: list[Row]) -> httpx.Response:
    """The answer of a gateway whose upstream is down."""
    return httpx.Response(502, text="<html>Bad gateway</html>")
