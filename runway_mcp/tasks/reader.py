"""Reads the followed tasks of one account, as one page of its list where that serves, never more often than allowed.

A task that the list does not show, or shows thinly, is read by itself; a list that refuses, or shows nothing of what
is followed, is left alone for a while.
"""

import logging
import random
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager

import anyio

from runway_mcp.runway.client import RunwayClient
from runway_mcp.runway.errors import InvalidRequest, NotFound, RunwayError, UnexpectedResponse
from runway_mcp.runway.models import Task
from runway_mcp.tasks.pace import Outlook, together, wanted

_log = logging.getLogger(__name__)

# A fresh task may be unknown to upstream for a moment; one that stays unknown for so long was deleted.
_GONE_SECONDS = 600.0
_DISTRUST_SECONDS = 600.0
_LONGEST_BACKOFF = 60.0
_PAGE, _LARGEST_PAGE = 50, 1000
# Between so many rows of a page other tasks of the loop get their turn.
_ROWS_AT_ONCE = 20


class Followed:
    """A task under watch: `task` is what upstream last said of it, `changed` is set when it says something else.

    A waiter takes `changed` before it looks at `task`, so that no change is lost between the two. `calls_back` tells
    that upstream was asked to call us, `called` that it did; `hurried` is when a callback last earned a read.
    """

    def __init__(self, task: Task, *, calls_back: bool = False) -> None:
        self.task = task
        self.changed = anyio.Event()
        self.outlook = Outlook(began=anyio.current_time())
        self.waiters = 0
        self.calls_back = calls_back
        self.called = False
        self.hurried: float | None = None
        self.known_at = anyio.current_time()

    @contextmanager
    def attended(self) -> Generator[None]:
        """Keeps the reads at the pace of somebody who waits."""
        self.waiters += 1
        try:
            yield
        finally:
            self.waiters -= 1

    def become(self, task: Task) -> bool:
        """Takes what upstream says; wakes all waiters and returns True if it is something else than before."""
        news = _told(task) != _told(self.task)
        self.task = task
        if news:
            changed, self.changed = self.changed, anyio.Event()
            changed.set()
        return news


class Reader:
    """The reads of one account for as long as it has unfinished tasks.

    `on_change` is awaited with each changed task before its waiters are woken; `usual` tells how many seconds a type
    of task takes; `net` whether callbacks are expected to tell the end.
    """

    def __init__(
        self,
        account: str | None,
        client: RunwayClient,
        *,
        poll: float,
        on_change: Callable[[Task], Awaitable[None]],
        usual: Callable[[str | None], float | None],
        net: Callable[[Followed], bool],
    ) -> None:
        self.followed: dict[str, Followed] = {}
        self._account = account
        self._client = client
        self._poll = poll
        self._on_change = on_change
        self._usual = usual
        self._net = net
        self._stirred = anyio.Event()
        self._earliest = 0.0
        self._pause = 0.0
        self._limit = _PAGE
        self._unlisted: list[str] = []
        self._list_again = 0.0

    def stir(self) -> None:
        """Makes the reader think again about when to read, since what it follows or for whom has changed."""
        self._stirred.set()

    async def run(self) -> None:
        """Reads until nothing is left to follow."""
        while self.followed:
            self._stirred = anyio.Event()
            left = self._due() - anyio.current_time()
            if left <= 0:
                await self._turn()
                continue
            with anyio.move_on_after(left):
                await self._stirred.wait()

    async def read_alone(self, entry: Followed) -> None:
        """Reads one task by itself; raises what the read raises, but not that the task is unknown."""
        try:
            task = await self._client.task(entry.task.task_id, patience=0)
        except NotFound:
            if anyio.current_time() - entry.known_at > _GONE_SECONDS:
                _log.warning("task %s is unknown to Runway and is not followed any more", entry.task.task_id)
                self.followed.pop(entry.task.task_id, None)
            return
        await self._note(task)

    def _due(self) -> float:
        return together(
            [self._wanted(entry) for entry in self.followed.values()], earliest=self._earliest, poll=self._poll
        )

    def _wanted(self, entry: Followed) -> float:
        now = anyio.current_time()
        return wanted(
            entry.outlook, now, poll=self._poll, attended=bool(entry.waiters), net=entry.calls_back and self._net(entry)
        )

    async def _turn(self) -> None:
        """One read, whatever comes of it, and the time before which there is no other."""
        began = anyio.current_time()
        try:
            await self._read()
            self._pause = 0.0
        except RunwayError as error:
            self._pause = min(_LONGEST_BACKOFF, max(2 * self._pause, 2 * self._poll, error.retry_after or 0.0))
            _log.info("an account's tasks could not be read: %s", error)
        except Exception:  # noqa: BLE001  a crash here would end every other call of the process
            self._pause = _LONGEST_BACKOFF
            _log.exception("the reader of an account stumbled and goes on")
        pause = max(self._poll, self._pause)
        self._earliest = began + pause * random.uniform(1.0, 1.05)  # noqa: S311  keeps readers out of step

    async def _read(self) -> None:
        unlisted = [self.followed[task_id] for task_id in self._unlisted if task_id in self.followed]
        self._unlisted = []
        if unlisted:
            await self._read_soonest(unlisted)
        elif len(self.followed) == 1 or anyio.current_time() < self._list_again:
            await self._read_soonest(list(self.followed.values()))
        else:
            await self._read_list()

    async def _read_soonest(self, entries: list[Followed]) -> None:
        entry = min(entries, key=self._wanted)
        entry.outlook = entry.outlook.after(anyio.current_time(), ratio=None, starts_in=None, usual=None)
        await self.read_alone(entry)

    async def _read_list(self) -> None:
        try:
            page = await self._client.tasks(email=self._account, limit=self._limit, patience=0)
        except (InvalidRequest, NotFound, UnexpectedResponse) as error:
            if isinstance(error, UnexpectedResponse) and error.unreadable:
                raise
            self._distrust(str(error))
            return
        rows = {task.task_id: task for task in page if task.task_id in self.followed}
        for number, task in enumerate(rows.values(), start=1):
            if _is_whole(task):
                await self._note(task)
            elif task.is_terminal:
                await self.read_alone(self.followed[task.task_id])
            if number % _ROWS_AT_ONCE == 0:
                await anyio.lowlevel.checkpoint()
        self._unlisted = [each for each in self.followed if each not in rows or not _is_whole(rows[each])]
        if self._unlisted and len(page) >= self._limit < _LARGEST_PAGE:
            self._limit = min(_LARGEST_PAGE, 4 * self._limit)
        elif self._unlisted and not rows:
            self._distrust("it shows none of the tasks that run")

    def _distrust(self, why: str) -> None:
        if self._list_again == 0.0:
            _log.warning("the list of tasks does not serve (%s); tasks are read one by one", why)
        self._list_again = anyio.current_time() + _DISTRUST_SECONDS

    async def _note(self, task: Task) -> None:
        entry = self.followed.get(task.task_id)
        if entry is None:
            return
        entry.known_at = anyio.current_time()
        entry.outlook = entry.outlook.after(
            entry.known_at,
            ratio=task.progress,
            starts_in=task.estimated_seconds_to_start,
            usual=self._usual(task.task_type),
        )
        if _told(task) != _told(entry.task):
            await self._on_change(task)
        if task.is_terminal:
            self.followed.pop(task.task_id, None)
        entry.become(task)


def _told(task: Task) -> tuple[object, ...]:
    """What of a task is news to those who wait; its links are fresh at every read and are not."""
    return task.status, task.progress, task.progress_text, task.estimated_seconds_to_start


def _is_whole(task: Task) -> bool:
    """Whether a row of the list tells what the task itself would: a status, and the film of a success."""
    return task.status != "UNKNOWN" and (task.status != "SUCCEEDED" or bool(task.artifacts))
