"""Two servers on several machines and one ledger, in one process and in virtual time."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import NamedTuple

import anyio
import httpx

from runway_mcp.runway.client import RunwayClient
from runway_mcp.runway.models import Task
from runway_mcp.simulator.world import World
from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.replicas import LOOK_SECONDS
from runway_mcp.tasks.service import TaskService, open_tasks
from runway_mcp.tasks.store.protocol import LedgerError
from runway_mcp.tasks.store.token_view import Owns, everyone, store_of_token
from runway_mcp.tasks.transitions import Selection
from tests.kit.clock import wall_clock
from tests.kit.upstream import URL, Upstream
from tests.store.memory import MemoryStore
from tests.store.memory_replicas import MemoryReplicas, Rows
from tests.tasks.observing import end_of

POLL = 5.0
PUBLIC = "https://films.example.com/runway/"


class Recording(httpx.AsyncBaseTransport):
    """Carries requests to a world, and notes when each read of tasks arrived and which server sent it."""

    def __init__(self, world: World, name: str, reads: list[tuple[float, str]]) -> None:
        self._upstream = Upstream(world)
        self._name = name
        self._reads = reads

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET" and "/tasks" in request.url.path:
            self._reads.append((anyio.current_time(), self._name))
        return await self._upstream.handle_async_request(request)


class Counting(MemoryStore):
    """A store that counts how often intents are selected by it."""

    selects = 0

    async def select(
        self, selection: Selection, *, caller: str | None = None, limit: int | None = None
    ) -> list[Intent]:
        self.selects += 1
        return await super().select(selection, caller=caller, limit=limit)


class Server(NamedTuple):
    """One server: its service, its store, what it shares with others, and what ends it."""

    service: TaskService
    store: Counting
    replicas: MemoryReplicas
    end: Callable[[], None]


class Ledger:
    """A world, the ledger that its servers share, and what they read of tasks: when, and which of them.

    Its clock is `set_back` by so many seconds.
    """

    def __init__(self, world: World, *, public_url: str | None = None) -> None:
        self.world = world
        self.public_url = public_url
        self.rows = Rows()
        self.set_back = 0.0
        self.reads: list[tuple[float, str]] = []
        self.joined: list[tuple[str, Intent]] = []
        self.changes: list[tuple[str, str, float]] = []
        self.at_end: Callable[[str, Task], Awaitable[None]] | None = None

    @asynccontextmanager
    async def server(self, name: str, *, owns: Owns = everyone, token: str | None = None) -> AsyncGenerator[Server]:
        """A server on this ledger, for the callers that its token `owns`; it may be ended before the context is.

        Without a `token` its token is the world's.
        """
        started, ended = anyio.Event(), anyio.Event()
        opened: list[Server] = []

        async def on_join(film: Intent) -> None:
            self.joined.append((name, film))

        async def on_change(task: Task, intent: Intent | LedgerError | None) -> None:
            assert isinstance(intent, Intent)
            self.changes.append((name, task.status, anyio.current_time()))
            if task.is_terminal and self.at_end is not None:
                await self.at_end(name, task)

        async def run() -> None:
            store = Counting(self.rows, lambda: wall_clock() - self.set_back, is_shared=True)
            assert store.replicas is not None
            transport = Recording(self.world, name, self.reads)
            async with (
                RunwayClient(url=URL, token=token or self.world.token, transport=transport, now=wall_clock) as client,
                open_tasks(
                    client,
                    store=store_of_token(store, owns, token=self.world.token),
                    poll_seconds=POLL,
                    public_url=self.public_url,
                    on_change=on_change,
                    on_join=on_join,
                ) as service,
            ):
                opened.append(Server(service, store, store.replicas, ended.set))
                started.set()
                await ended.wait()

        async with anyio.create_task_group() as group:
            group.start_soon(run)
            await started.wait()
            yield opened[0]
            ended.set()


@asynccontextmanager
async def two(world: World, *, public_url: str | None = None) -> AsyncGenerator[tuple[Ledger, Server, Server]]:
    """Two servers on one ledger; every wait inside is bounded by two hours."""
    ledger = Ledger(world, public_url=public_url)
    with anyio.fail_after(7200):
        async with ledger.server("one") as one, ledger.server("other") as other:
            yield ledger, one, other


async def until(condition: Callable[[], bool], seconds: float) -> None:
    """Waits until something is so, at most for so many seconds."""
    with anyio.fail_after(seconds):
        while not condition():  # noqa: ASYNC110  virtual time
            await anyio.sleep(0.1)


async def followed(server: Server, task_id: str) -> Task:
    """The task as that server follows it, once it does."""
    await until(lambda: server.service.watcher.followed(task_id) is not None, LOOK_SECONDS + 1)
    standing = server.service.watcher.followed(task_id)
    assert standing is not None
    return standing.task


def gaps(ledger: Ledger) -> list[float]:
    """The times between two reads of tasks, whoever made them."""
    return [later - earlier for (earlier, _), (later, _) in pairwise(ledger.reads)]


async def heard_at(server: Server, task: Task, heard: list[float]) -> None:
    """Notes when a caller who waits at a server hears of the end."""
    told = await end_of(server.service.watcher, task, deadline=anyio.current_time() + 300)
    assert told.artifacts[0].url, "an end is told with a link of its own"
    heard.append(anyio.current_time())
