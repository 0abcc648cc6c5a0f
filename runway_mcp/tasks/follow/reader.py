"""Reader of one account's followed tasks, by pages of its task list where possible, at a limited rate.

Tasks that the list omits or shows incompletely are read singly. Only a callback that claims an end, and a caller who
asks for a task that upstream has not reported yet, cause a read out of turn.
"""

import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace

import anyio
from anyio.lowlevel import checkpoint

from runway_mcp.runway.client import RunwayClient
from runway_mcp.runway.errors import InvalidRequest, NotFound, RunwayError, UnexpectedResponse
from runway_mcp.runway.models import Task
from runway_mcp.tasks.follow.followed import Followed, merged, told
from runway_mcp.tasks.follow.pages import TaskList
from runway_mcp.tasks.follow.schedule import Need, Span, Watch, need, together

_log = logging.getLogger(__name__)

# Seconds for which a new task may be unknown to upstream, and after which an unknown one counts as deleted.
_FRESH_SECONDS = 60.0
_GONE_SECONDS = 600.0
# The pause after a failed read, in units of the poll interval: first and longest.
_FIRST_BACKOFF, _LONGEST_BACKOFF = 2.0, 12.0
# How many tasks that vanished from the list are read singly before the next page.
_URGENT_AT_ONCE = 3
# After how many rows of a page other tasks of the event loop may run.
_ROWS_AT_ONCE = 5


class AccountReader:
    """Reads one account's followed tasks while there are any.

    `poll` is the shortest time between two reads, in seconds. `on_change` is awaited with each changed task before its
    waiters are woken, `on_gone` with each that upstream has not known for ten minutes. `durations` gives the ages at
    which such a task usually ends; `callbacks_come` says whether requested callbacks can be expected to report the end,
    `has_global_observers` whether all tasks are observed at once.
    """

    def __init__(
        self,
        account: str | None,
        client: RunwayClient,
        task_list: TaskList,
        *,
        poll: float,
        on_change: Callable[[Followed, Task], Awaitable[None]],
        on_gone: Callable[[Task], Awaitable[None]],
        durations: Callable[[Task], Span | None],
        callbacks_come: Callable[[], bool],
        has_global_observers: Callable[[], bool],
    ) -> None:
        self.followed: dict[str, Followed] = {}
        self._account = account
        self._client = client
        self._task_list = task_list
        self._poll = poll
        self._on_change = on_change
        self._on_gone = on_gone
        self._durations = durations
        self._callbacks_come = callbacks_come
        self._has_global_observers = has_global_observers
        self._phase = random.random()  # noqa: S311  keeps readers out of step
        self._earliest = max(anyio.current_time() + self._phase * poll, task_list.last_read + poll)
        self._pause = 0.0
        self._failure: RunwayError | None = None
        self._alone = 0
        self._one_at_a_time = anyio.Lock()
        self._stirred = anyio.Event()
        self._claimed: list[Followed] = []

    def reconsider(self) -> None:
        """Makes the reader schedule its next read anew, after a change of its tasks or their observers."""
        self._stirred.set()

    def claim(self, entry: Followed) -> None:
        """Checks a claimed end by a read: at once, or a poll interval after the last such check."""
        if entry.claim is None:
            now, last = anyio.current_time(), entry.looked_into
            entry.claim = now if last is None else max(now, last + self._poll)
            self._claimed.append(entry)
            self.reconsider()

    async def run(self) -> None:
        """Reads until no followed task is left."""
        while self.followed:
            self._stirred = anyio.Event()
            left = self._next() - anyio.current_time()
            if left <= 0:
                async with self._one_at_a_time:
                    # A caller may have read meanwhile, and so ended the last task.
                    if self.followed and self._next() <= anyio.current_time():
                        await self._turn()
            else:
                with anyio.move_on_after(left):
                    await self._stirred.wait()

    @property
    def fails(self) -> bool:
        """Whether the last read failed."""
        return self._failure is not None

    async def told_lately(self, entry: Followed, *, patience: float | None) -> Task:
        """The task as upstream last reported it, after a read if the rate of the account allows one.

        Any number of callers share one read, of a page if that covers several tasks. Raises `NotFound` for a task that
        upstream does not know, else what the read raises; `patience` is the client's.
        """
        async with self._one_at_a_time:
            if entry.task.is_terminal:
                return entry.task
            if anyio.current_time() >= self._allowed():
                await self._ask_in_turn(entry, patience)
            if not entry.is_told and self._may_look_into(entry):
                entry.looked_into = anyio.current_time()
                if await self._read_alone(entry, patience):
                    self._rest(self._poll)
            if entry.unknown:
                raise NotFound("Runway does not know this task.")
            return entry.task

    async def _ask_in_turn(self, entry: Followed, patience: float | None) -> None:
        """Reads for a caller: the reader's next read if that is due or covers the task, else a single one."""
        if len(self.followed) > 1 and (self._task_list.serves() or self._next() <= anyio.current_time()):
            await self._turn()
            if self._failure is not None:
                raise self._failure
            return
        entry.looked_into = anyio.current_time()
        try:
            await self._read_alone(entry, patience)
        finally:
            self._task_list.last_read = anyio.current_time()
            self._earliest = max(self._earliest, self._task_list.last_read + self._poll)
        self._pause, self._failure = 0.0, None
        self._rest(self._poll)

    def _may_look_into(self, entry: Followed) -> bool:
        """Whether the last read of the task out of turn is at least a poll interval ago."""
        return entry.looked_into is None or anyio.current_time() >= entry.looked_into + self._poll

    def _allowed(self) -> float:
        """When a caller may next cause a read."""
        return self._task_list.last_read + max(self._poll, (self._failure.retry_after or 0.0) if self._failure else 0.0)

    def _rest(self, pause: float) -> None:
        """Counts the pause from the answer, so that network delays bring no two reads closer together at upstream."""
        self._task_list.last_read = anyio.current_time()
        self._earliest = self._task_list.last_read + pause

    def _next(self) -> float:
        """When the next read is due; before a read is allowed, needs are not computed."""
        in_turn = self._earliest
        if anyio.current_time() >= in_turn:
            in_turn = together(
                [self._need(entry) for entry in self.followed.values()], earliest=self._earliest, poll=self._poll
            )
        claims = [entry.claim or 0.0 for entry in self._claims()]
        return min(in_turn, max(min(claims), self._earliest if self._pause else 0.0)) if claims else in_turn

    def _claims(self) -> list[Followed]:
        self._claimed = [entry for entry in self._claimed if entry.claim is not None and self._follows(entry)]
        return self._claimed

    def _follows(self, entry: Followed) -> bool:
        return self.followed.get(entry.task.task_id) is entry

    def _need(self, entry: Followed) -> Need:
        if entry.urgent:
            return Need(entry.forecast.seen, 1.0)
        net = entry.expects_call and self._callbacks_come()
        attended = entry.is_attended or self._has_global_observers()
        watch = Watch(attended=attended, net=net, nudged=entry.nudged)
        return need(entry.forecast, watch, poll=self._poll, durations=self._durations(entry.task), phase=self._phase)

    async def _turn(self) -> None:
        """Makes one read, logs its failure, and sets the earliest time of the next one."""
        try:
            await self._read()
            self._pause, self._failure = 0.0, None
        except RunwayError as error:
            self._failure = error
            pause = min(_LONGEST_BACKOFF * self._poll, max(2 * self._pause, _FIRST_BACKOFF * self._poll))
            self._pause = max(pause, error.retry_after or 0.0)
            _log.info("an account's tasks could not be read: %s", error)
        except Exception:  # noqa: BLE001  a crash here would end every other call of the process
            self._pause = _LONGEST_BACKOFF * self._poll
            _log.exception("reading an account failed with a fault of this server; it goes on")
        finally:
            self._rest(max(self._poll, self._pause * random.uniform(1.0, 1.25)))  # noqa: S311  jitter

    async def _read(self) -> None:
        now, entries = anyio.current_time(), list(self.followed.values())
        claimed = [entry for entry in self._claims() if (entry.claim or 0.0) <= now]
        serves = (len(entries) > 1 or entries[0].unknown) and self._task_list.serves()
        if claimed and not (serves and self._task_list.worth_a_page(len(claimed))):
            await self._look_into(claimed[0])
        elif not serves:
            await self._read_alone(self._neediest(entries))
        elif not claimed and (suspect := self._task_list.suspect(entries, self._durations)):
            await self._check(suspect)
        elif alone := self._better_alone(entries):
            await self._read_alone(self._neediest(alone))
            self._alone += 1
        else:
            await self._read_page(entries)
            self._alone = 0
            for entry in claimed:
                self._answer_claim(entry)

    def _better_alone(self, entries: list[Followed]) -> list[Followed]:
        """The tasks to read singly between two pages: those that vanished from the list, or that it never shows."""
        urgent = [entry for entry in entries if entry.urgent]
        if urgent or self._alone:
            return urgent if self._alone < _URGENT_AT_ONCE else []
        now = anyio.current_time()
        return [entry for entry in entries if entry.swept and self._need(entry).at <= now]

    def _neediest(self, entries: list[Followed]) -> Followed:
        return min(entries, key=lambda entry: self._need(entry).at)

    async def _look_into(self, entry: Followed) -> None:
        entry.looked_into = anyio.current_time()
        await self._read_alone(entry)
        self._answer_claim(entry)

    def _answer_claim(self, entry: Followed) -> None:
        """Ends a claim that a read has checked; the next claim about the task is checked a poll interval later."""
        entry.looked_into, entry.claim = anyio.current_time(), None
        # Upstream's reads may lag behind its callback.
        entry.urgent = self._follows(entry)

    async def _check(self, entry: Followed) -> None:
        listed = entry.task
        await self._read_alone(entry)
        self._task_list.doubt(listed, entry.task)

    async def _read_alone(self, entry: Followed, patience: float | None = 0) -> bool:
        """Reads one task singly; False if upstream does not know it, raises whatever else the read raises."""
        try:
            task = await self._client.task(entry.task.task_id, patience=patience)
        except NotFound:
            now = anyio.current_time()
            entry.forecast, entry.urgent, entry.unknown = replace(entry.forecast, seen=now), False, True
            if now - entry.known_at > _GONE_SECONDS and self._follows(entry):
                _log.warning("task %s is unknown to Runway and is not followed any more", entry.task.task_id)
                del self.followed[entry.task.task_id]
                entry.give_up()
                await self._on_gone(entry.task)
            return False
        self._task_list.outdone(task)
        await self._note(entry, task)
        return True

    async def _read_page(self, entries: list[Followed]) -> None:
        page = await self._page()
        if page is None or not self._task_list.believes({task.task_id: task for task in page}):
            return
        rows = {task.task_id: row for row, task in enumerate(page)}
        found = {each: rows[each] for each in self.followed if each in rows}
        self._task_list.showed(page, found, entries)
        for turn, (task_id, row) in enumerate(found.items(), start=1):
            await self._take(self.followed[task_id], page[row])
            if turn % _ROWS_AT_ONCE == 0:
                await checkpoint()

    async def _take(self, entry: Followed, row: Task) -> None:
        """Takes a row of the task list; an incomplete one marks the task for a single read."""
        if row.status == "UNKNOWN":
            entry.listed, entry.swept = False, True
        elif _hides_its_end(row) and not self._is_lost(entry):
            entry.urgent = True
        else:
            await self._note(entry, merged(entry.task, row))

    def _is_lost(self, entry: Followed) -> bool:
        """Whether single reads have not found the task for so long that the list has to do."""
        return entry.unknown and anyio.current_time() - entry.known_at > _FRESH_SECONDS

    async def _note(self, entry: Followed, task: Task) -> None:
        now = anyio.current_time()
        entry.is_told, entry.urgent, entry.nudged, entry.unknown, entry.known_at = True, False, False, False, now
        entry.forecast = entry.forecast.after(now, ratio=task.progress, starts_in=task.estimated_seconds_to_start)
        if told(task) != told(entry.task):
            entry.turned = now
            await self._on_change(entry, task)
        if task.is_terminal:
            self.followed.pop(task.task_id, None)
        entry.take(task)

    async def _page(self) -> tuple[Task, ...] | None:
        """The current window of the task list; None if upstream refuses it."""
        window = self._task_list.window
        try:
            return await self._client.tasks(email=self._account, offset=window.offset, limit=window.limit, patience=0)
        except (InvalidRequest, NotFound, UnexpectedResponse) as error:
            if not (isinstance(error, UnexpectedResponse) and error.unreadable):
                self._task_list.distrust(str(error))
                return None
            self._task_list.unanswered()
            raise
        except RunwayError:
            self._task_list.unanswered()
            raise


def _hides_its_end(row: Task) -> bool:
    """Whether a row shows an end, but not its film or its error."""
    if row.status == "SUCCEEDED":
        return not row.artifacts or any(film.url is None for film in row.artifacts)
    return row.status == "FAILED" and row.error is None
