"""Watcher of non-terminal tasks: one reader per account, however many tasks and callers it has.

Readers run in the lifespan's task group and outlive the call that started them. A callback can
bring a read forward, and while callbacks arrive, reads are fewer; their bodies are never taken as fact.
"""

import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from weakref import WeakValueDictionary

import anyio
from anyio.abc import TaskGroup

from runway_mcp.runway.client import RunwayClient
from runway_mcp.runway.ids import account_of
from runway_mcp.runway.models import Task
from runway_mcp.tasks.follow.durations import Durations
from runway_mcp.tasks.follow.followed import Common, Entry, Followed
from runway_mcp.tasks.follow.pages import TaskList
from runway_mcp.tasks.follow.reader import AccountReader

_log = logging.getLogger(__name__)

# A caller who reads a task counts as its observer for so many poll intervals.
_OBSERVED_INTERVALS = 6.0
# The greatest age that a task's date can give, in seconds.
_OLDEST = 86_400.0


async def _ignore(_: Task) -> None:
    return


class Watcher:
    """Reads followed tasks until they end, never more often than every `poll_seconds` per account.

    `on_change` is awaited with each changed task before its observers get it, `on_gone` with each that upstream has
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
        on_gone: Callable[[Task], Awaitable[None]] = _ignore,
        durations: Durations | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._common = Common(client, poll_seconds, durations or Durations(), on_change, on_gone)
        self._background = readers
        self._now = now
        self._readers: dict[str | None, AccountReader] = {}
        self._task_lists: dict[str | None, TaskList] = {}
        self._coalescers: WeakValueDictionary[str, _Coalescer] = WeakValueDictionary()

    def follow(self, task: Task, *, calls_back: bool = False, oldest: float | None = None) -> None:
        """Reads a task until it is terminal; following it twice costs nothing.

        `calls_back` says that its submit requested callbacks; `oldest` is its greatest possible age in seconds. A task
        without a date counts as coming from the ledger, not from upstream.
        """
        if not task.is_terminal:
            reader = self._readers.get(task.account) or self._begin(task.account)
            reader.follow(task, calls_back=calls_back, age=self._age(task, oldest))

    def followed(self, task_id: str) -> Followed | None:
        """The followed task of that id as it stands; None if it is not followed."""
        _, entry = self._find(task_id)
        return entry and Followed(entry.task, entry.forecast.began, entry.known_at, entry.is_told)

    async def changes(self, task_id: str, deadline: float) -> AsyncGenerator[Task]:
        """Yields a followed task as it stands, and then at each change, its end included.

        Ends after the task's end, once upstream has not known it for ten minutes, or at the deadline (event loop's
        time). A change during the caller's turn is yielded next, whatever the time. Whoever waits for the next one
        counts as an observer. Yields nothing for a task that is not followed.
        """
        reader, entry = self._find(task_id)
        while reader is not None and entry is not None and not entry.is_given_up:
            task, changed = entry.task, entry.changed
            yield task
            if task.is_terminal:
                return
            with reader.observed(entry), anyio.move_on_after(deadline - anyio.current_time()):
                await changed.wait()
            if not changed.is_set():
                return

    def observe_all(self, *, begin: bool) -> None:
        """Begins, or ends, a global observer, for which all tasks are read as if waited for; end each begin once."""
        self._common.observers += 1 if begin else -1
        for reader in self._readers.values():
            reader.reconsider()

    async def read(self, task_id: str, *, patience: float | None = None) -> Task:
        """A task as upstream reports it; a followed one as last reported, while its account may not be read.

        Concurrent callers share one read; a caller who polls counts as an observer. Raises what the read raises;
        `patience` is the client's.
        """
        reader, entry = self._find(task_id)
        if reader is None or entry is None:
            coalescer = self._coalescers.setdefault(task_id, _Coalescer())
            return await coalescer.read(self._common.client, task_id, patience)
        reader.observe_for(entry, _OBSERVED_INTERVALS * self._common.poll)
        return await reader.told_lately(entry, patience=patience)

    def silence(self, task_id: str) -> float | None:
        """Seconds since upstream last knew a followed task; None unless its reader fails."""
        reader, entry = self._find(task_id)
        if reader is None or entry is None or not reader.fails:
            return None
        return anyio.current_time() - entry.known_at

    def note_callback(self, task_id: str) -> None:
        """Handles a callback that claims a task's end: a read at once if it is followed, at most one per interval."""
        self._common.missed = 0
        reader, entry = self._find(task_id)
        if reader is not None and entry is not None:
            reader.claim(entry)

    def _find(self, task_id: str) -> tuple[AccountReader | None, Entry | None]:
        reader = self._readers.get(account_of(task_id))
        return reader, reader.entries.get(task_id) if reader else None

    def _begin(self, account: str | None) -> AccountReader:
        task_list = self._task_lists.setdefault(account, TaskList(self._common.poll))
        reader = self._readers[account] = AccountReader(account, self._common, task_list)
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
