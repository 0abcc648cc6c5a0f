"""An upstream made to measure: tasks whose course a test writes, and a list that shows what the test lets it show."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, cast

import anyio
import httpx

from runway_mcp.runway.client import RunwayClient
from runway_mcp.runway.models import Task
from runway_mcp.runway.wire import parse_task
from runway_mcp.tasks.follow.durations import Durations
from runway_mcp.tasks.follow.watcher import Watcher
from runway_mcp.telemetry import NO_TELEMETRY, Telemetry
from tests.kit.clock import wall_clock
from tests.kit.samples import ACCOUNT, long_id
from tests.kit.upstream import URL

Row = dict[str, Any]


def nothing(_: float) -> None:
    """A rise that no ratio tells of."""


@dataclass
class Course:
    """A task from its submit to its end, in seconds of the event loop; its ratio rises from `starts` to `ends`.

    `end` is its last status; `shows` turns the rise, from 0 to 1, into what progressRatio tells.
    """

    task_id: str
    created: float
    starts: float
    ends: float
    end: str = "SUCCEEDED"
    shows: Callable[[float], Any] = lambda rise: f"{rise:.2f}"

    def row(self) -> Row:
        """What upstream tells of it now."""
        now = anyio.current_time()
        is_over = now >= self.ends
        runs = not is_over and now >= self.starts
        rise = (now - self.starts) / (self.ends - self.starts)
        film = {
            "assetId": self.task_id.replace("-task:", "-asset:"),
            "url": "https://films.test/1.mp4",
            "filename": "1",
        }
        return {
            "taskId": self.task_id,
            "taskType": "gen3a",
            "createdAt": datetime.fromtimestamp(wall_clock() - now + self.created, UTC).isoformat(),
            "options": {"text_prompt": "the camera rises", "seconds": 5},
            "status": self.end if is_over else "RUNNING" if runs else "PENDING",
            "progressRatio": self.shows(rise) if runs else "1" if is_over else None,
            "estimatedTimeToStartSeconds": None if runs or is_over else self.starts - now,
            "artifacts": [film] if is_over and self.end == "SUCCEEDED" else [],
            "error": {"reason": "INTERNAL", "errorMessage": "It broke."} if self.end == "FAILED" and is_over else None,
        }


class ScriptedUpstream(httpx.AsyncBaseTransport):
    """Answers GET /tasks/ and GET /tasks/{id}; `arrivals` has the time and the path of each.

    `listing` makes of all rows, newest first, what the list answers: JSON, or a response as it stands. `single` does so
    for a task's own row. Each answer takes `seconds`.
    """

    def __init__(self) -> None:
        self.courses: dict[str, Course] = {}
        self.arrivals: list[tuple[float, str]] = []
        self.listing: Callable[[list[Row]], Any] = list
        self.single: Callable[[Row], Any] = dict
        self.limits: list[int] = []
        self.seconds = 0.0

    def make(self, seconds: float, *, account: str = ACCOUNT, queue: float = 0.0, **fields: Any) -> Course:
        """A task submitted now."""
        now, task_id = anyio.current_time(), long_id("task", len(self.courses), account)
        course = Course(task_id, created=now, starts=now + queue, ends=now + seconds, **fields)
        self.courses[task_id] = course
        return course

    def tell(self, course: Course) -> Task:
        """The task as upstream tells it now, without a read."""
        return parse_task(course.row())

    @property
    def pages(self) -> int:
        """How often the list was read."""
        return sum(path.endswith("/tasks/") for _, path in self.arrivals)

    @property
    def singles(self) -> int:
        """How often a task was read by itself."""
        return len(self.arrivals) - self.pages

    @property
    def closest(self) -> float:
        """The shortest time between two reads."""
        return min(later - earlier for (earlier, _), (later, _) in pairwise(self.arrivals))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answers."""
        path, query = request.url.path, request.url.params
        self.arrivals.append((anyio.current_time(), path))
        await anyio.sleep(self.seconds)
        if path.endswith("/tasks/"):
            first, limit = int(query["offset"]), int(query["limit"])
            self.limits.append(limit)
            rows = [course.row() for course in self.courses.values() if f":{query['email']}-" in course.task_id]
            told = self.listing(rows[::-1])
            told = cast("list[Row]", told)[first : first + limit] if isinstance(told, list) else told
        else:
            course = self.courses.get(path.rpartition("/")[2])
            told = self.single(course.row()) if course else httpx.Response(404, json={"error": "Not found."})
        return told if isinstance(told, httpx.Response) else httpx.Response(200, content=json.dumps(told))


@asynccontextmanager
async def watching(
    upstream: ScriptedUpstream,
    *,
    poll: float = 5.0,
    durations: Durations | None = None,
    on_change: Callable[[Task], Awaitable[None]] | None = None,
    telemetry: Telemetry = NO_TELEMETRY,
) -> AsyncGenerator[Watcher]:
    """A watcher of the upstream's tasks; what happens inside is bounded by two hours."""
    with anyio.fail_after(7200):
        async with (
            RunwayClient(url=URL, token="user:1-x", transport=upstream, now=wall_clock, telemetry=telemetry) as client,
            anyio.create_task_group() as background,
        ):
            yield Watcher(
                client,
                background,
                poll_seconds=poll,
                on_change=on_change or silent,
                on_gone=silent,
                durations=durations,
                now=wall_clock,
            )
            background.cancel_scope.cancel()


async def silent(_: Task) -> None:
    """Hears and does nothing."""
