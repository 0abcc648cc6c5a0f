"""Watcher of non-terminal tasks: one reader per account, however many tasks and callers it has.

Readers run in the lifespan's task group and outlive the call that started them. A callback can
bring a read forward, and while callbacks arrive, reads are fewer; their bodies are never taken as fact.
"""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import datetime
from typing import Final, NoReturn

import anyio
from anyio.abc import TaskGroup

from runway_mcp.runway.client import PATIENCE_SECONDS, RunwayClient
from runway_mcp.runway.errors import NotFound
from runway_mcp.runway.ids import account_of
from runway_mcp.runway.models import Task
from runway_mcp.runway.shared_reads import KEPT_SECONDS
from runway_mcp.tasks.follow.durations import Durations
from runway_mcp.tasks.follow.followed import Common, Entry, Followed
from runway_mcp.tasks.follow.reader import AccountReader
from runway_mcp.tasks.follow.sharing import ReadPermits

ENDED_SECONDS: Final = 60.0
"""For how long a task whose end is known is told without a read, in seconds."""

_DAY = 86_400.0
_FRESH_SECONDS = 600.0


class Watcher:
    """Reads followed tasks until they end, never more often than every `poll_seconds` per account.

    `on_change` is awaited with each changed task before its observers get it, `on_gone` with each that upstream has
    not known for ten minutes and that is no longer read. `durations` holds what earlier tasks took; the watcher adds to
    it. `now` gives Unix seconds. With `sharing` the pace is that of all servers on one ledger.
    """

    def __init__(
        self,
        client: RunwayClient,
        readers: TaskGroup,
        *,
        poll_seconds: float,
        on_change: Callable[[Task], Awaitable[None]],
        on_gone: Callable[[Task], Awaitable[None]],
        durations: Durations | None = None,
        now: Callable[[], float] = time.time,
        sharing: ReadPermits | None = None,
    ) -> None:
        self._common = Common(
            client, readers, poll_seconds, durations or Durations(), on_change, on_gone, sharing=sharing
        )
        self._now = now
        self._readers: dict[str | None, AccountReader] = {}

    def follow(self, task: Task, *, calls_back: bool = False, oldest: float | None = None) -> None:
        """Reads a task until it is terminal; following it twice costs nothing.

        `calls_back` says that its submit requested callbacks; `oldest` is its greatest possible age in seconds. A task
        without a date counts as coming from the ledger, not from upstream.
        """
        if task.is_terminal:
            return
        age = oldest or 0.0
        if task.created is not None:
            # Upstream's clock may differ from ours.
            age = min(max(0.0, self._now() - task.created.timestamp()), _DAY if oldest is None else oldest)
        reader = self._readers.setdefault(task.account, AccountReader(task.account, self._common))
        reader.follow(task, calls_back=calls_back, age=age)

    def followed(self, task_id: str) -> Followed | None:
        """The followed task of that id as it stands; None if it is not followed."""
        reader, entry = self._find(task_id)
        if reader is None or entry is None:
            return None
        silence = None if reader.failure is None else anyio.current_time() - entry.known_at
        return Followed(entry.task, entry.forecast.began, entry.known_at, entry.is_told, silence)

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
            await reader.observe(entry, changed, deadline)
            if not changed.is_set():
                return

    def count(self) -> int:
        """How many tasks are followed now; may be asked in any thread."""
        return sum(len(reader.entries) for reader in tuple(self._readers.values()))

    def follows(self, key: str) -> bool:
        """Whether a task is followed of the account of which servers on one ledger share reads under that key."""
        sharing = self._common.sharing
        return sharing is not None and any(
            reader.entries and sharing.key(account) == key for account, reader in self._readers.items()
        )

    def observe_all(self, *, begin: bool) -> None:
        """Begins, or ends, a global observer, for which all tasks are read as if waited for; end each begin once."""
        self._common.observers += 1 if begin else -1
        for reader in self._readers.values():
            reader.reconsider()

    async def read(self, task_id: str, *, patience: float | None = None, often: bool = False) -> Task:
        """A task as upstream reports it; a followed one as last reported, while its account may not be read.

        Concurrent callers share one read, and an id that upstream does not know is read once a second at most; a task
        that has ended is read once a minute for callers who may ask `often`, while others get a fresh link. A caller
        who polls counts as an observer. Raises what the read raises; `patience` is the client's.
        """
        reader, entry = self._find(task_id)
        if reader is not None and entry is not None:
            return await reader.told_lately(entry, patience=patience)
        client = self._common.client

        async def once() -> Task:
            return await client.task(task_id, patience=patience)

        def seconds(task: Task) -> float:
            return _told_for(task, self._now()) if often else 0.0

        patient = PATIENCE_SECONDS if patience is None else patience
        return await client.shared.read(("task", task_id, often), once, seconds=seconds, patience=patient)

    async def read_in_vain(self, task_id: str, *, patience: float | None = None, often: bool = False) -> NoReturn:
        """Raises `NotFound` whatever upstream says, and costs it what `read` costs of an id that it does not know.

        For a task of another caller, of which what others have read must not show: neither by words nor by time.
        """

        async def once() -> NoReturn:
            await self._common.client.task(task_id, patience=patience)
            raise NotFound(task_id, status=404)

        patient = PATIENCE_SECONDS if patience is None else patience
        await self._common.client.shared.read(("in vain", task_id, often), once, patience=patient)
        raise AssertionError

    async def catch_up(self) -> None:
        """Takes over what other servers have read of the followed tasks."""
        for reader in list(self._readers.values()):
            await reader.catch_up()

    def note_callback(self, task_id: str) -> None:
        """Handles a callback that claims a task's end: a read at once if it is followed, at most one per interval."""
        self._common.missed = 0
        reader, entry = self._find(task_id)
        if reader is not None and entry is not None:
            reader.claim(entry)

    def _find(self, task_id: str) -> tuple[AccountReader | None, Entry | None]:
        reader = self._readers.get(account_of(task_id))
        return reader, reader.entries.get(task_id) if reader else None


def _told_for(task: Task, now: float) -> float:
    """How long an answer about a task serves others: a minute at its end, but a second where the film may come yet."""
    if not task.is_terminal:
        return 0.0
    ends = [datetime.fromisoformat(each.url_expires_at).timestamp() for each in task.artifacts if each.url_expires_at]
    is_fresh = min(ends, default=float("inf")) - now > _FRESH_SECONDS
    return ENDED_SECONDS if is_fresh and (task.artifacts or task.status != "SUCCEEDED") else KEPT_SECONDS
