"""A server process of a run: rooms of tasks on the shared ledger, one life after the other, and the calls made in them.

A call does what `extend_video` does, without MCP around it: plan, submit, wait, tell.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

import anyio

from runway_mcp.runway.client import RunwayClient
from runway_mcp.runway.models import Task
from runway_mcp.tasks.database import LedgerError
from runway_mcp.tasks.failures import Failure, failure_words, task_failure
from runway_mcp.tasks.plan import Wish, make_plan
from runway_mcp.tasks.room import TasksRoom, open_tasks
from runway_mcp.tasks.submit import Waiting
from runway_mcp.tasks.waiting import wait_for
from tests.campaign.processes import CALL, CALL_FUSE, PROCESS, CampaignLoop, Fuse, Process
from tests.campaign.scenario import Request
from tests.campaign.wire import Traffic, Wire
from tests.upstream import URL, wall_clock

POLL_SECONDS = 5.0

OpenRoom = Callable[[RunwayClient, Path], AbstractAsyncContextManager[TasksRoom]]
"""Opens the room that is put to the test."""


def open_ours(client: RunwayClient, ledger: Path) -> AbstractAsyncContextManager[TasksRoom]:
    """The room as the server opens it."""
    return open_tasks(client, ledger=ledger, poll_seconds=POLL_SECONDS, now=wall_clock)


@dataclass(eq=False)
class Called:
    """One call: what it asked, when it began and ended (seconds of the run), and how.

    `submitting` tells that it came past its plan, `returned` is the task that it returned, `failure` the error that it
    returned with or without a task.
    """

    number: int
    request: Request
    wish: Wish
    wait: float
    began: float
    fuse: int | None = None
    ended: float | None = None
    end: Literal["open", "answered", "cancelled", "died"] = "open"
    submitting: bool = False
    twin: bool = False
    returned: Task | None = None
    failure: Failure | None = None
    crash: Exception | None = None
    done: anyio.Event = field(default_factory=anyio.Event)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    def finish(self, end: Literal["answered", "cancelled", "died"]) -> None:
        """Notes the end of the call, once."""
        if self.end == "open":
            self.end, self.ended = end, anyio.current_time()
            self.done.set()


@dataclass
class Truth:
    """What the run saw of its calls: all of them, when each task's end was first told, and what broke in a room.

    `held_up` tells that a process stood still, the ledger was locked or a host was slow to listen: then no call can
    keep to its wait.
    """

    calls: list[Called] = field(default_factory=list[Called])
    told: dict[str, float] = field(default_factory=dict[str, float])
    broken: list[str] = field(default_factory=list[str])
    held_up: bool = False


class Life:
    """One life of a server process, from its start until it is closed or dies."""

    def __init__(
        self, name: str, traffic: Traffic, ledger: Path, *, open_room: OpenRoom, truth: Truth, slow: float
    ) -> None:
        self.process = Process(name)
        self.ready = anyio.Event()
        self.gone = anyio.Event()
        self.context: Context = copy_context()
        self.context.run(PROCESS.set, self.process)
        self._traffic, self._ledger, self._open_room, self._truth, self._slow = traffic, ledger, open_room, truth, slow
        self._asked: asyncio.Queue[Called | None] = asyncio.Queue()
        self._open: list[Called] = []
        self._scope = anyio.CancelScope()
        self._root = asyncio.get_running_loop().create_task(self._live(), context=self.context)

    def ask(self, called: Called) -> None:
        """Makes a call; one that comes too late is lost with the process."""
        self._open.append(called)
        self._asked.put_nowait(called)
        if self.gone.is_set():
            called.finish("died")

    def close(self) -> None:
        """Asks for a shutdown in order."""
        self._asked.put_nowait(None)

    def abandon(self) -> None:
        """Stops the process for good: nothing of it acts until the run is judged."""
        self.process.freeze()
        self._leave("died")

    def give_up(self, called: Called, seconds: float) -> None:
        """Cancels a call after so many seconds, as its host would."""
        asyncio.get_running_loop().call_later(seconds, called.scope.cancel, context=self.context)

    async def bury(self, loop: CampaignLoop) -> None:
        """Ends whatever is left, once the run is judged."""
        if not self._root.done():
            self.process.fuse = None
            self.process.thaw(loop)
            loop.call_soon(self._scope.cancel, context=self.context)
            await asyncio.wait({self._root})

    def _leave(self, how: Literal["cancelled", "died"]) -> None:
        for called in self._open:
            called.finish(how)
        self.ready.set()
        self.gone.set()

    async def _live(self) -> None:
        client = RunwayClient(
            url=URL, token=self._traffic.world.token, transport=Wire(self._traffic, self.process), now=wall_clock
        )
        try:
            with self._scope:
                async with client, self._open_room(client, self._ledger) as room, anyio.create_task_group() as calls:
                    self.ready.set()
                    while called := await self._asked.get():
                        calls.start_soon(self._serve, room, called)
                    calls.cancel_scope.cancel()
        except Exception as error:  # noqa: BLE001  a room that dies of itself is a finding
            if not self.gone.is_set():
                self._truth.broken.append(f"the room of {self.process.name} died: {describe(error)}")
        finally:
            self._leave("cancelled")

    async def _serve(self, room: TasksRoom, called: Called) -> None:
        CALL.set(called.number)
        if called.fuse is not None:
            CALL_FUSE.set(Fuse(called.fuse, called.scope.cancel))
        try:
            with called.scope:
                await self._extend(room, called)
                called.finish("answered")
        except Failure as failure:
            called.failure = failure
            called.finish("answered")
        except Exception as error:  # noqa: BLE001  a call that crashes is a finding
            called.crash = error
            self._truth.broken.append(f"call {called.number} crashed: {describe(error)}")
            called.finish("died")
        finally:
            called.finish("cancelled")

    async def _extend(self, room: TasksRoom, called: Called) -> None:
        deadline = called.began + called.wait
        limit = max(called.wait - 5.0, 10.0)
        plan = None
        with anyio.move_on_after(called.began + limit - anyio.current_time()):
            plan = await make_plan(room.client, called.wish, patience=limit / 3)
        if plan is None:
            raise Failure("unavailable", "the plan took too long; nothing was submitted")
        called.submitting = True
        submitted = await room.submissions.submit(plan, deadline=deadline, say=self._say)
        called.twin = submitted.twin
        task = await wait_for(room.watcher, submitted.task, deadline=deadline, tell=self._tell)
        if task.is_terminal:
            try:
                told = failure_words(task)
                await room.ledger.tell(task.task_id, task.status, now=wall_clock(), failure=told)
            except LedgerError:
                pass
            else:
                self._truth.told.setdefault(task.task_id, anyio.current_time())
        called.returned, called.failure = task, task_failure(task)

    async def _say(self, _: Waiting) -> None:
        await self._listen()

    async def _tell(self, _: Task) -> None:
        await self._listen()

    async def _listen(self) -> None:
        """A host that takes its time over a word of progress."""
        if self._slow and self._traffic.rng.random() < self._slow:
            await anyio.sleep(self._traffic.rng.uniform(0, 40))


class Server:
    """A server process that is started again whenever it has gone."""

    def __init__(self, name: str, begin: Callable[[str], Life]) -> None:
        self.name = name
        self.lives: list[Life] = []
        self.down = 0.0
        self._begin = begin
        self._up = anyio.Event()
        self._hurry = anyio.Event()

    @property
    def life(self) -> Life | None:
        """The life that is up and not frozen."""
        return self.lives[-1] if self._up.is_set() and not self.lives[-1].process.frozen else None

    async def keep_up(self) -> None:
        """Starts life after life, `down` seconds after the last one has gone."""
        while True:
            life = self._begin(f"{self.name}.{len(self.lives)}")
            self.lives.append(life)
            await life.ready.wait()
            self._up.set()
            await life.gone.wait()
            self._up = anyio.Event()
            with anyio.move_on_after(self.down):
                await self._hurry.wait()
            self.down = 0.0

    async def reached(self) -> Life:
        """The life that is up, as soon as there is one."""
        await self._up.wait()
        return self.lives[-1]

    def hasten(self) -> None:
        """Ends the time between two lives, now and from now on."""
        self._hurry.set()


def describe(error: BaseException) -> str:
    """An exception in a line, with those of a group."""
    name, inner = type(error).__name__, cast("tuple[BaseException, ...]", getattr(error, "exceptions", ()))
    return f"{name}({', '.join(map(describe, inner))})" if inner else f"{name}: {error}"[:300]
