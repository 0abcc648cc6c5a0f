"""Follows unfinished tasks: one reader per account, however many tasks it runs and however many callers wait.

Readers live in the lifespan's task group, so they outlive the call that began them. A callback is a cue: it can hurry
a read, and while callbacks come the reads are only a net for those that get lost. Its body is never believed.
"""

from collections.abc import Awaitable, Callable

import anyio
from anyio.abc import TaskGroup

from runway_mcp.runway.client import RunwayClient
from runway_mcp.runway.errors import RunwayError
from runway_mcp.runway.models import Task
from runway_mcp.tasks.reader import Followed, Reader


def _no_idea(_: str | None) -> float | None:
    return None


class Watcher:
    """Reads followed tasks until they end, never more often than `poll_seconds` per account.

    `on_change` is awaited with each changed task before its waiters are woken; `usual` tells how many seconds a type
    of task takes from its submit, None if that is not known.
    """

    def __init__(
        self,
        client: RunwayClient,
        readers: TaskGroup,
        *,
        poll_seconds: float,
        on_change: Callable[[Task], Awaitable[None]],
        usual: Callable[[str | None], float | None] = _no_idea,
    ) -> None:
        self._client = client
        self._background = readers
        self._poll = poll_seconds
        self._on_change = on_change
        self._usual = usual
        self._readers: dict[str | None, Reader] = {}
        self._callbacks_come = True

    def follow(self, task: Task, *, calls_back: bool = False) -> Followed:
        """Keeps reading a task until it is terminal; following it twice costs nothing and gives the same handle.

        `calls_back` tells that its submit asked upstream to call us.
        """
        if task.is_terminal:
            return Followed(task)
        reader = self._readers.get(task.account)
        if reader is None:
            reader = self._readers[task.account] = self._reader(task.account)
            self._background.start_soon(self._run, task.account, reader)
        entry = reader.followed.setdefault(task.task_id, Followed(task))
        entry.calls_back = entry.calls_back or calls_back
        reader.stir()
        return entry

    def cue(self, task_id: str, *, ended: bool) -> None:
        """Takes a callback about a task; one that claims its end earns a read at once, at most one per poll interval.

        Any other shows that callbacks come, and costs nothing. Unknown tasks are ignored.
        """
        for reader in self._readers.values():
            entry = reader.followed.get(task_id)
            if entry is not None:
                entry.called = self._callbacks_come = True
                now = anyio.current_time()
                if ended and (entry.hurried is None or now - entry.hurried >= self._poll):
                    entry.hurried = now
                    self._background.start_soon(self._hurry, reader, entry)
                return

    async def _hurry(self, reader: Reader, entry: Followed) -> None:
        try:
            await reader.read_alone(entry)
        except RunwayError:
            entry.calls_back = False
        reader.stir()

    def _reader(self, account: str | None) -> Reader:
        return Reader(
            account,
            self._client,
            poll=self._poll,
            on_change=self._changed,
            usual=self._usual,
            net=lambda _: self._callbacks_come,
        )

    async def _run(self, account: str | None, reader: Reader) -> None:
        await reader.run()
        del self._readers[account]

    async def _changed(self, task: Task) -> None:
        reader = self._readers.get(task.account)
        entry = reader.followed.get(task.task_id) if reader else None
        if task.is_terminal and entry is not None and entry.calls_back and not entry.called:
            self._callbacks_come = False
        await self._on_change(task)
