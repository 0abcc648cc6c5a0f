"""Follows unfinished tasks: one reader per account, however many tasks it runs and however many callers wait.

The reader lives in the lifespan's task group, so it outlives the call that began it. One task is read by itself; of
several, one page of the list tells all, and those that the page does not show are read by themselves.
"""

import logging
from collections.abc import Awaitable, Callable

import anyio
from anyio.abc import TaskGroup

from runway_mcp.runway.client import RunwayClient
from runway_mcp.runway.errors import NotFound, RunwayError
from runway_mcp.runway.models import Task

_log = logging.getLogger(__name__)

# A fresh task may be unknown to upstream for a moment; one that stays unknown for so long was deleted.
_GONE_SECONDS = 600.0
_LONGEST_BACKOFF = 60.0
_PAGE = 100


class Followed:
    """A task under watch: `task` is what upstream last said of it, `changed` is set when that is replaced.

    A waiter takes `changed` before it looks at `task`, so that no change is lost between the two.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        self.changed = anyio.Event()
        self.seen = anyio.current_time()

    def become(self, task: Task) -> None:
        """Takes the newer state and wakes all waiters."""
        self.task = task
        changed, self.changed = self.changed, anyio.Event()
        changed.set()


class Watcher:
    """Reads followed tasks until they end, never more often than `poll_seconds` per account.

    `on_change` is awaited with each changed task before its waiters are woken.
    """

    def __init__(
        self,
        client: RunwayClient,
        readers: TaskGroup,
        *,
        poll_seconds: float,
        on_change: Callable[[Task], Awaitable[None]],
    ) -> None:
        self._client = client
        self._readers = readers
        self._poll_seconds = poll_seconds
        self._on_change = on_change
        self._accounts: dict[str | None, dict[str, Followed]] = {}

    def follow(self, task: Task) -> Followed:
        """Keeps reading a task until it is terminal; following it twice costs nothing and gives the same handle."""
        if task.is_terminal:
            return Followed(task)
        account = task.account
        if account not in self._accounts:
            self._accounts[account] = {}
            self._readers.start_soon(self._read_account, account, self._accounts[account])
        return self._accounts[account].setdefault(task.task_id, Followed(task))

    async def _read_account(self, account: str | None, followed: dict[str, Followed]) -> None:
        pause = self._poll_seconds
        while followed:
            await anyio.sleep(pause)
            try:
                await self._read(account, followed)
                pause = self._poll_seconds
            except RunwayError as error:
                pause = min(_LONGEST_BACKOFF, max(pause * 2, error.retry_after or 0))
                _log.info("reading the tasks of an account failed (%s); next try in %.0f s", error, pause)
            except Exception:  # noqa: BLE001  a crash here would end every other call of the process
                _log.exception("the reader of an account stumbled and goes on")
        del self._accounts[account]

    async def _read(self, account: str | None, followed: dict[str, Followed]) -> None:
        unseen = list(followed)
        if len(unseen) > 1:
            for task in await self._client.tasks(email=account, limit=_PAGE, patience=0):
                if task.task_id in unseen:
                    unseen.remove(task.task_id)
                    await self._note(followed, task)
        for task_id in unseen:
            try:
                await self._note(followed, await self._client.task(task_id, patience=0))
            except NotFound:
                self._forget_if_gone(followed, task_id)

    async def _note(self, followed: dict[str, Followed], task: Task) -> None:
        entry = followed[task.task_id]
        entry.seen = anyio.current_time()
        if task == entry.task:
            return
        await self._on_change(task)
        if task.is_terminal:
            del followed[task.task_id]
        entry.become(task)

    def _forget_if_gone(self, followed: dict[str, Followed], task_id: str) -> None:
        if anyio.current_time() - followed[task_id].seen > _GONE_SECONDS:
            _log.warning("task %s is unknown to Runway and is not followed any more", task_id)
            del followed[task_id]
