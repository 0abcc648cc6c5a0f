"""Observers outside calls: subscriptions, `subscriptions/listen` and hosts that poll, counted for each task and film.

An observed task or film is followed once, at the pace of a waiting call, until it ends or its last observer is gone.
"""

import logging
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import assert_never

import anyio
from anyio.abc import TaskGroup

from runway_mcp.runway.errors import InvalidRequest, NotFound, RunwayError
from runway_mcp.runway.models import Task
from runway_mcp.server.boundary import log_crash
from runway_mcp.server.contract.uris import Address
from runway_mcp.server.updates.films import FilmObservers
from runway_mcp.tasks.service import TaskService
from runway_mcp.tasks.store.token_view import may_follow

MOST_POLLED = 256
"""How many tasks are observed for a caller's polling hosts; above it, the one polled longest ago is dropped."""

MOST_POLLING = 1000
"""Of how many callers it is remembered what their hosts poll and dismissed; above it, who polled longest ago goes."""

KEPT_SECONDS = 300.0
"""For how long the last state of a task is used, in seconds; later it may be gone, or its links expired."""

_log = logging.getLogger(__name__)

_TASK_READ_SECONDS = 5.0
_AGAIN = 30.0
_READS_AT_ONCE = 5


@dataclass
class _Observed:
    """One task: how many observers it has, and its last state."""

    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    count: int = 0
    is_followed: bool = False
    task: Task | None = None
    seen: float = -math.inf

    def note(self, task: Task) -> None:
        self.task, self.seen = task, anyio.current_time()


@dataclass
class _Polls:
    """The tasks that a caller's polling hosts read, each until it is expected again, and those that they dismissed."""

    scopes: dict[str, anyio.CancelScope] = field(default_factory=dict[str, anyio.CancelScope])
    dismissed: dict[str, None] = field(default_factory=dict[str, None])


def _drop(polled: dict[str, anyio.CancelScope], task_id: str) -> None:
    stay = polled.pop(task_id, None)
    if stay is not None:
        stay.cancel()


class Observers:
    """How many observers each task has. Without a task service they are counted, and nothing is followed.

    `unfinished` gives a task that is followed already, and so need not be read first; `films` are the observers of
    films, None where there are none.
    """

    def __init__(
        self,
        service: TaskService | None,
        background: TaskGroup,
        *,
        unfinished: Callable[[str], Task | None],
        films: FilmObservers | None = None,
    ) -> None:
        self._service = service
        self._films = films
        self._background = background
        self._unfinished = unfinished
        self._reads = anyio.Semaphore(_READS_AT_ONCE)
        self._observed: dict[str, _Observed] = {}
        self._polls: dict[str, _Polls] = {}

    def add_task(self, task_id: str, task: Task | None = None) -> None:
        """Adds an observer, until one `remove_task`; `task`, if the caller has read it, saves a read."""
        observed = self._observed.setdefault(task_id, _Observed())
        observed.count += 1
        if task is not None:
            observed.note(task)
        ended = observed.task is not None and observed.task.is_terminal
        if self._service is not None and not observed.is_followed and not ended:
            observed.is_followed = True
            self._background.start_soon(self._follow, self._service, task_id, observed)

    def remove_task(self, task_id: str) -> None:
        """Removes an observer of the task; with the last one the following ends."""
        observed = self._observed[task_id]
        observed.count -= 1
        if not observed.count:
            observed.scope.cancel()
            del self._observed[task_id]

    def add(self, addresses: Iterable[Address]) -> None:
        """Adds an observer of each resource, the list of tasks included, until one `remove`."""
        for address in addresses:
            self._turn(address, begin=True)

    def remove(self, addresses: Iterable[Address]) -> None:
        """Removes an observer of each resource."""
        for address in addresses:
            self._turn(address, begin=False)

    def _turn(self, address: Address, *, begin: bool) -> None:
        match address.kind:
            case "task" if address.id is not None:
                (self.add_task if begin else self.remove_task)(address.id)
            case "film" if address.id is not None and self._films is not None:
                (self._films.add if begin else self._films.remove)(address.id)
            case "tasks" if self._service is not None:
                self._service.watcher.observe_all(begin=begin)
            case "tasks" | "task" | "asset" | "preview" | "last_frame" | "strip" | "video" | "film" | "film_video":
                pass
            case "player":
                pass
            case _:
                assert_never(address.kind)

    def latest(self, task_id: str) -> Task | None:
        """The last state of an observed task; None if it has to be read."""
        observed = self._observed.get(task_id)
        if observed is None or self._service is None:
            return None
        followed = self._service.watcher.followed(task_id)
        task, seen = (followed.task, followed.known_at) if followed else (observed.task, observed.seen)
        return task if anyio.current_time() - seen <= KEPT_SECONDS else None

    def expire_after(self, task: Task, seconds: float, *, caller: str) -> None:
        """Observes the task for a caller's polling host, for `seconds` from now; a later call renews that."""
        task_id, until, polled = task.task_id, anyio.current_time() + seconds, self._polls_of(caller).scopes
        stay = polled.pop(task_id, None)
        if stay is not None and not stay.cancel_called:
            stay.deadline = until
        else:
            stay = anyio.CancelScope(deadline=until)
            self.add_task(task_id, task)
            self._background.start_soon(self._stay, polled, task_id, stay)
        polled[task_id] = stay
        if len(polled) > MOST_POLLED:
            _drop(polled, next(iter(polled)))

    def dismiss(self, task_id: str, *, caller: str) -> None:
        """Ends the observation of the task for a caller's polling hosts."""
        polls = self._polls_of(caller)
        _drop(polls.scopes, task_id)
        polls.dismissed[task_id] = None
        if len(polls.dismissed) > MOST_POLLED:
            del polls.dismissed[next(iter(polls.dismissed))]

    def was_dismissed(self, task_id: str, *, caller: str) -> bool:
        """Whether a caller's polling host dismissed the task; the newest `MOST_POLLED` are remembered."""
        polls = self._polls.get(caller)
        return polls is not None and task_id in polls.dismissed

    def _polls_of(self, caller: str) -> _Polls:
        """The tasks that a caller's hosts poll, which are the last to be forgotten from now on."""
        polls = self._polls[caller] = self._polls.pop(caller, None) or _Polls()
        if len(self._polls) > MOST_POLLING:
            del self._polls[next(iter(self._polls))]
        return polls

    async def _stay(self, polled: dict[str, anyio.CancelScope], task_id: str, stay: anyio.CancelScope) -> None:
        try:
            with stay:
                await anyio.sleep_forever()
        finally:
            if polled.get(task_id) is stay:
                del polled[task_id]
            self.remove_task(task_id)

    async def _follow(self, service: TaskService, task_id: str, observed: _Observed) -> None:
        with observed.scope:
            try:
                # What is asked of the ledger for ids of a client's own is bounded as the reads of upstream are.
                async with self._reads:
                    is_seen = await may_follow(service.ledger.store, task_id)
                if is_seen:
                    await self._followed(service, task_id, observed)
            except Exception as error:  # noqa: BLE001  a crash here would end all background work
                log_crash("the following of a task", error)
        observed.is_followed = False

    async def _followed(self, service: TaskService, task_id: str, observed: _Observed) -> None:
        """Reads the task as often as it takes, and notes its states until it ends."""
        task = observed.task or self._unfinished(task_id) or await self._read(service, task_id)
        if task is not None:
            observed.note(task)
            service.watcher.follow(task)
        async for state in service.watcher.changes(task_id, math.inf):
            observed.note(state)

    async def _read(self, service: TaskService, task_id: str) -> Task | None:
        """The task, read again until upstream gives it; None if upstream knows of none."""
        while True:
            try:
                async with self._reads:
                    return await service.watcher.read(task_id, patience=_TASK_READ_SECONDS)
            except (NotFound, InvalidRequest):
                return None
            except RunwayError as error:
                _log.info("a task that somebody looks at could not be read: %s", error)
            await anyio.sleep(_AGAIN)
