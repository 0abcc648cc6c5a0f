"""Watcher of non-terminal tasks: one reader per account, however many tasks and callers it has.

Readers run in the lifespan's task group and outlive the call that started them. A callback can
bring a read forward, and while callbacks arrive, reads are fewer; their bodies are never taken as fact.
"""

import logging
import time
from collections.abc import Awaitable, Callable
from weakref import WeakValueDictionary

import anyio
from anyio.abc import TaskGroup

from runway_mcp.runway.client import RunwayClient
from runway_mcp.runway.ids import account_of
from runway_mcp.runway.models import Task
from runway_mcp.tasks.follow.durations import Durations, task_kind
from runway_mcp.tasks.follow.followed import Followed
from runway_mcp.tasks.follow.pages import TaskList
from runway_mcp.tasks.follow.reader import AccountReader

_log = logging.getLogger(__name__)

# After so many ends in a row without a callback, none is expected until one comes.
_MISSED = 2
# A caller who reads a task counts as its waiter for so many poll intervals.
_OBSERVED_INTERVALS = 6.0
# The greatest age that a task's date can give, in seconds.
_OLDEST = 86_400.0


class Watcher:
    """Reads followed tasks until they end, never more often than every `poll_seconds` per account.

    `on_change` is awaited with each changed task before its waiters are woken, `on_gone` with each that upstream has
    not known for ten minutes and that is no longer read. `durations` holds what earlier tasks took; the watcher adds to
    it. `now` gives Unix seconds.
    """

    def __init__(
        self,
        client: RunwayClient,
        readers: TaskGroup,
        *,
        poll_seconds: float,
        on_change: Callable[[Task], Awaitable[None]],
        on_gone: Callable[[Task], Awaitable[None]] | None = None,
        durations: Durations | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._background = readers
        self._poll = poll_seconds
        self._on_change = on_change
        self._on_gone = on_gone
        self._durations = durations or Durations()
        self._now = now
        self._readers: dict[str | None, AccountReader] = {}
        self._task_lists: dict[str | None, TaskList] = {}
        self._missed = 0
        self._global_observers = 0
        self._coalescers: WeakValueDictionary[str, _Coalescer] = WeakValueDictionary()

    def follow(self, task: Task, *, calls_back: bool = False, oldest: float | None = None) -> Followed:
        """Reads a task until it is terminal; following it twice costs nothing and returns the same object.

        `calls_back` says that its submit requested callbacks; `oldest` is its greatest possible age in seconds. A task
        without a date counts as coming from the ledger, not from upstream.
        """
        if task.is_terminal:
            return Followed(task)
        reader = self._readers.get(task.account) or self._begin(task.account)
        entry = reader.followed.get(task.task_id)
        if entry is None:
            age, is_told = self._age(task, oldest), task.created_at is not None
            entry = reader.followed[task.task_id] = Followed(task, age=age, is_told=is_told, on_wait=reader.reconsider)
            reader.reconsider()
        if calls_back and not entry.expects_call:
            entry.expects_call = True
            reader.reconsider()
        return entry

    def observe_all(self, *, begin: bool) -> None:
        """Begins, or ends, a global observer, for which all tasks are read as if waited for; end each begin once."""
        self._global_observers += 1 if begin else -1
        for reader in self._readers.values():
            reader.reconsider()

    def followed(self, task_id: str) -> Followed | None:
        """The followed task of that id; None if it is not followed."""
        reader = self._readers.get(account_of(task_id))
        return reader.followed.get(task_id) if reader else None

    async def read(self, task_id: str, *, patience: float | None = None) -> Task:
        """A task as upstream reports it; a followed one as last reported, while its account may not be read.

        Concurrent callers share one read; a caller who polls counts as a waiter. Raises what the read raises;
        `patience` is the client's.
        """
        reader, entry = self._readers.get(account_of(task_id)), self.followed(task_id)
        if reader is None or entry is None:
            return await self._coalescers.setdefault(task_id, _Coalescer()).read(self._client, task_id, patience)
        entry.observe_for(_OBSERVED_INTERVALS * self._poll)
        return await reader.told_lately(entry, patience=patience)

    def silence(self, task_id: str) -> float | None:
        """Seconds since upstream last knew a followed task; None unless its reader fails."""
        reader, entry = self._readers.get(account_of(task_id)), self.followed(task_id)
        if reader is None or entry is None or not reader.fails:
            return None
        return anyio.current_time() - entry.known_at

    def note_callback(self, task_id: str, *, ended: bool) -> None:
        """Handles a callback about a task; a claimed end causes a read at once, at most one per poll interval.

        Any other callback may bring the next read forward if the task has a waiter. A task that is not followed is
        ignored.
        """
        if ended:
            self._missed = 0
        reader, entry = self._readers.get(account_of(task_id)), self.followed(task_id)
        if reader is None or entry is None:
            return
        if ended:
            entry.claimed = True
            reader.claim(entry)
        elif not entry.nudged:
            entry.nudged = True
            reader.reconsider()

    def _begin(self, account: str | None) -> AccountReader:
        task_list = self._task_lists.setdefault(account, TaskList(self._poll))
        reader = self._readers[account] = AccountReader(
            account,
            self._client,
            task_list,
            poll=self._poll,
            on_change=self._changed,
            on_gone=self._gone,
            durations=self._durations.span,
            callbacks_come=lambda: self._missed < _MISSED,
            has_global_observers=lambda: self._global_observers > 0,
        )
        self._background.start_soon(self._run, account, reader)
        return reader

    async def _run(self, account: str | None, reader: AccountReader) -> None:
        try:
            await reader.run()
        except Exception:  # noqa: BLE001  a crash here would end every other call of the process
            _log.exception(
                "the reader of an account ended with a fault of this server; its tasks are followed again on demand"
            )
        finally:
            del self._readers[account]

    def _age(self, task: Task, oldest: float | None) -> float:
        """The age of a task by its own date, limited, since upstream's clock may differ."""
        if task.created is None:
            return oldest or 0.0
        age = self._now() - task.created.timestamp()
        return min(max(0.0, age), _OLDEST if oldest is None else oldest)

    async def _changed(self, entry: Followed, task: Task) -> None:
        if task.is_terminal:
            if entry.expects_call and not entry.claimed:
                self._missed += 1
            if task.status == "SUCCEEDED":
                self._durations.learn(task_kind(task), (anyio.current_time() - entry.forecast.began,))
        try:
            await self._on_change(task)
        except Exception:  # noqa: BLE001  waiters must get the change all the same
            _log.exception("a change of a task could not be passed on")

    async def _gone(self, task: Task) -> None:
        try:
            if self._on_gone is not None:
                await self._on_gone(task)
        except Exception:  # noqa: BLE001  a crash here would end the reader of the account
            _log.exception("a task that is gone could not be passed on")


class _Coalescer:
    """Coalesces concurrent reads of one task: an answer is shared with every caller who asked before it came."""

    def __init__(self) -> None:
        self._turn = anyio.Lock()
        self._latest: tuple[float, Task] | None = None

    async def read(self, client: RunwayClient, task_id: str, patience: float | None) -> Task:
        asked = anyio.current_time()
        async with self._turn:
            if self._latest is None or self._latest[0] < asked:
                task = await client.task(task_id, patience=patience)
                self._latest = anyio.current_time(), task
            return self._latest[1]
