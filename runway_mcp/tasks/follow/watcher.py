"""Follows unfinished tasks: one reader per account, however many tasks it runs and however many callers wait.

Readers live in the lifespan's task group, so they outlive the call that began them. A callback can
bring a read forward, and while callbacks come the reads are only a net for those that get lost. Its body is never
believed.
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

# After so many ends in a row that no callback told of, none is expected until one comes.
_MISSED = 2
# Who asks again within so many poll intervals counts as one who waits.
_OBSERVED_INTERVALS = 6.0
# No task is taken to be older, whatever its date, in seconds.
_OLDEST = 86_400.0


class Watcher:
    """Reads followed tasks until they end, never more often than `poll_seconds` per account.

    `on_change` is awaited with each changed task before its waiters are woken, `on_gone` with each that upstream has
    not known for ten minutes, which nobody reads any more. `durations` is what earlier tasks taught of how long they
    take; the watcher goes on learning. `now` gives Unix seconds.
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
        """Keeps reading a task until it is terminal; following it twice costs nothing and gives the same handle.

        `calls_back` tells that its submit asked upstream to call us; `oldest` is how many seconds ago that was at most.
        A task without a date is taken for what we remember of it, not for upstream's word.
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
        """Begins, or ends, to keep all reads at the pace of somebody who waits; each begin is to be ended once."""
        self._global_observers += 1 if begin else -1
        for reader in self._readers.values():
            reader.reconsider()

    def followed(self, task_id: str) -> Followed | None:
        """The handle of a task while it is followed."""
        reader = self._readers.get(account_of(task_id))
        return reader.followed.get(task_id) if reader else None

    async def read(self, task_id: str, *, patience: float | None = None) -> Task:
        """A task as upstream tells it; of one that is followed, what it last told while its account may not be read.

        Callers who ask at the same time cost one read, and whoever asks again and again counts as one who waits. Raises
        what the read raises; `patience` is the client's.
        """
        reader, entry = self._readers.get(account_of(task_id)), self.followed(task_id)
        if reader is None or entry is None:
            return await self._coalescers.setdefault(task_id, _Coalescer()).read(self._client, task_id, patience)
        entry.observe_for(_OBSERVED_INTERVALS * self._poll)
        return await reader.told_lately(entry, patience=patience)

    def silence(self, task_id: str) -> float | None:
        """For how many seconds upstream has not told of a followed task; None unless its reads fail."""
        reader, entry = self._readers.get(account_of(task_id)), self.followed(task_id)
        if reader is None or entry is None or not reader.fails:
            return None
        return anyio.current_time() - entry.known_at

    def note_callback(self, task_id: str, *, ended: bool) -> None:
        """Takes a callback about a task; one that claims its end earns a read at once, at most one per poll interval.

        Any other may bring the next read forward if somebody waits. A task that is not followed is left alone.
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
            _log.exception("the reader of an account broke down; its tasks are followed again when they are asked for")
        finally:
            del self._readers[account]

    def _age(self, task: Task, oldest: float | None) -> float:
        """How old a task is by its own date, as far as that may be true: upstream's clock is not ours."""
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
        except Exception:  # noqa: BLE001  whoever waits must hear of the change all the same
            _log.exception("a change of a task could not be passed on")

    async def _gone(self, task: Task) -> None:
        try:
            if self._on_gone is not None:
                await self._on_gone(task)
        except Exception:  # noqa: BLE001  a crash here would end the reader of the account
            _log.exception("a task that is gone could not be passed on")


class _Coalescer:
    """Where callers ask for one task at the same time: an answer that came after somebody asked serves him too."""

    def __init__(self) -> None:
        self._turn = anyio.Lock()
        self._told: tuple[float, Task] | None = None

    async def read(self, client: RunwayClient, task_id: str, patience: float | None) -> Task:
        asked = anyio.current_time()
        async with self._turn:
            if self._told is None or self._told[0] < asked:
                task = await client.task(task_id, patience=patience)
                self._told = anyio.current_time(), task
            return self._told[1]
