"""Tasks that somebody looks at from outside a call: subscribers, listeners, and hosts that poll a task.

Each such task is followed at the pace of somebody who waits, once however many look at it, until it ends or the last of
them is gone.
"""

import logging
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup

from runway_mcp.runway.errors import InvalidRequest, NotFound, RunwayError
from runway_mcp.runway.models import Task
from runway_mcp.server.boundary import log_crash
from runway_mcp.server.contract.uris import Address
from runway_mcp.tasks.follow.waiting import wait_for
from runway_mcp.tasks.service import TasksRoom

MOST_LINGERING = 256
"""How many tasks are looked at by hosts that poll; the one that was polled longest ago makes room for the next."""

KEPT_SECONDS = 300.0
"""For so long what was last seen of a task answers for it; after that it may be forgotten there, or its links old."""

_log = logging.getLogger(__name__)

_PATIENCE = 5.0
_AGAIN = 30.0
_READS_AT_ONCE = 5


@dataclass
class _Attended:
    """One task: who looks at it, and what upstream last said of it."""

    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    visitors: int = 0
    is_followed: bool = False
    task: Task | None = None
    seen: float = -math.inf

    def see(self, task: Task) -> None:
        if task is not self.task:
            self.task, self.seen = task, anyio.current_time()


class Attendance:
    """Who looks at which task. Without a room of tasks it counts, and follows nothing.

    `unfinished` gives a task that is followed already, and so need not be read first.
    """

    def __init__(
        self, room: TasksRoom | None, background: TaskGroup, *, unfinished: Callable[[str], Task | None]
    ) -> None:
        self._room = room
        self._background = background
        self._unfinished = unfinished
        self._reads = anyio.Semaphore(_READS_AT_ONCE)
        self._attended: dict[str, _Attended] = {}
        self._lingering: dict[str, anyio.CancelScope] = {}
        self._left: dict[str, None] = {}

    def begin(self, task_id: str, task: Task | None = None) -> None:
        """One more looks at the task; `task`, where the caller has read it, saves a read. To be ended once."""
        attended = self._attended.setdefault(task_id, _Attended())
        attended.visitors += 1
        if task is not None:
            attended.see(task)
        ended = attended.task is not None and attended.task.is_terminal
        if self._room is not None and not attended.is_followed and not ended:
            attended.is_followed = True
            self._background.start_soon(self._attend, self._room, task_id, attended)

    def end(self, task_id: str) -> None:
        """One less looks at the task."""
        attended = self._attended[task_id]
        attended.visitors -= 1
        if not attended.visitors:
            attended.scope.cancel()
            del self._attended[task_id]

    def come(self, addresses: Iterable[Address]) -> None:
        """One more looks at each of these resources, the list of all tasks among them; to be taken back by `go`."""
        for address in addresses:
            self._turn(address, begin=True)

    def go(self, addresses: Iterable[Address]) -> None:
        """One less looks at each of these resources."""
        for address in addresses:
            self._turn(address, begin=False)

    def _turn(self, address: Address, *, begin: bool) -> None:
        if address.kind == "task" and address.id is not None:
            (self.begin if begin else self.end)(address.id)
        elif address.kind == "tasks" and self._room is not None:
            self._room.watcher.overlook(begin=begin)

    def latest(self, task_id: str) -> Task | None:
        """The task as it was last seen, while somebody looks at it; None if it has to be read."""
        attended = self._attended.get(task_id)
        if attended is None or anyio.current_time() - attended.seen > KEPT_SECONDS:
            return None
        return attended.task

    def linger(self, task: Task, seconds: float) -> None:
        """Somebody who polls looks at the task for so long from now, unless he comes again or leaves."""
        task_id, until = task.task_id, anyio.current_time() + seconds
        stay = self._lingering.pop(task_id, None)
        if stay is not None and not stay.cancel_called:
            stay.deadline = until
            self._attended[task_id].see(task)
        else:
            stay = anyio.CancelScope(deadline=until)
            self.begin(task_id, task)
            self._background.start_soon(self._stay, task_id, stay)
        self._lingering[task_id] = stay
        if len(self._lingering) > MOST_LINGERING:
            self._dismiss(next(iter(self._lingering)))

    def leave(self, task_id: str) -> None:
        """Whoever polls the task says that he does not look at it any more."""
        self._dismiss(task_id)
        self._left[task_id] = None
        if len(self._left) > MOST_LINGERING:
            del self._left[next(iter(self._left))]

    def has_left(self, task_id: str) -> bool:
        """Whether somebody who polled the task said that he would not look at it any more, the newest such only."""
        return task_id in self._left

    def _dismiss(self, task_id: str) -> None:
        stay = self._lingering.pop(task_id, None)
        if stay is not None:
            stay.cancel()

    async def _stay(self, task_id: str, stay: anyio.CancelScope) -> None:
        try:
            with stay:
                await anyio.sleep_forever()
        finally:
            if self._lingering.get(task_id) is stay:
                del self._lingering[task_id]
            self.end(task_id)

    async def _attend(self, room: TasksRoom, task_id: str, attended: _Attended) -> None:
        async def see(task: Task) -> None:
            attended.see(task)

        with attended.scope:
            try:
                task = attended.task or self._unfinished(task_id) or await self._read(room, task_id)
                if task is not None:
                    attended.see(await wait_for(room.watcher, task, deadline=math.inf, tell=see))
            except Exception as error:  # noqa: BLE001  a crash here would end every other task of the process
                log_crash("the following of a task", error)
        attended.is_followed = False

    async def _read(self, room: TasksRoom, task_id: str) -> Task | None:
        """The task, however long upstream takes to tell of it; None if it knows of none."""
        while True:
            try:
                async with self._reads:
                    return await room.watcher.read(task_id, patience=_PATIENCE)
            except (NotFound, InvalidRequest):
                return None
            except RunwayError as error:
                _log.info("a task that somebody looks at could not be read: %s", error)
            await anyio.sleep(_AGAIN)
