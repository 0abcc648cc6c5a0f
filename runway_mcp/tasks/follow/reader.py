"""Reads the followed tasks of one account, as one page of its list where that serves, never more often than allowed.

A task that the list does not show, or shows thinly, is read by itself. Only a callback that claims an end, and a caller
who asks for a task of which upstream has told nothing yet, are worth a read out of turn.
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

# For so long a fresh task may be unknown to upstream, in seconds; one that stays so for so much longer was deleted.
_FRESH_SECONDS = 60.0
_GONE_SECONDS = 600.0
# The pause after a failed read, in units of the poll interval: at first, and at most.
_FIRST_BACKOFF, _LONGEST_BACKOFF = 2.0, 12.0
# So many tasks that have vanished from the list are read one by one before the next page.
_URGENT_AT_ONCE = 3
# Between so many rows of a page other tasks of the loop get their turn.
_ROWS_AT_ONCE = 5


class AccountReader:
    """The reads of one account for as long as it has unfinished tasks.

    `poll` is the shortest time between two reads in seconds. `on_change` is awaited with each changed task before its
    waiters are woken, `on_gone` with each that upstream has not known for ten minutes. `durations` tells when such a
    task usually ends, `callbacks_come` whether callbacks that were asked for can be expected to tell the end, and
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
        self._is_overlooked = has_global_observers
        self._phase = random.random()  # noqa: S311  keeps readers out of step
        self._earliest = max(anyio.current_time() + self._phase * poll, task_list.last_read + poll)
        self._pause = 0.0
        self._failure: RunwayError | None = None
        self._alone = 0
        self._one_at_a_time = anyio.Lock()
        self._stirred = anyio.Event()
        self._claimed: list[Followed] = []

    def reconsider(self) -> None:
        """Makes the reader think again about when to read, since what it follows or for whom has changed."""
        self._stirred.set()

    def claim(self, entry: Followed) -> None:
        """Looks into a claim that the task has ended: at once, or a poll interval after the last such look."""
        if entry.claim is None:
            now, last = anyio.current_time(), entry.looked_into
            entry.claim = now if last is None else max(now, last + self._poll)
            self._claimed.append(entry)
            self.reconsider()

    async def run(self) -> None:
        """Reads until nothing is left to follow."""
        while self.followed:
            self._stirred = anyio.Event()
            left = self._next() - anyio.current_time()
            if left <= 0:
                async with self._one_at_a_time:
                    # Somebody else may have read while this waited for its turn, and so ended the last task.
                    if self.followed and self._next() <= anyio.current_time():
                        await self._turn()
            else:
                with anyio.move_on_after(left):
                    await self._stirred.wait()

    @property
    def fails(self) -> bool:
        """Whether the last read told nothing."""
        return self._failure is not None

    async def told_lately(self, entry: Followed, *, patience: float | None) -> Task:
        """The task as upstream last told it, after a read if the pace of the account allows one.

        Any number of callers cost one read, of a page where that serves several tasks. Raises what the read raises;
        `patience` is the client's.
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
        """A read for a caller, unless the reader's next one is due, or serves him as well; raises what it raises."""
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
        """Whether the last read of a task out of turn is a poll interval ago."""
        return entry.looked_into is None or anyio.current_time() >= entry.looked_into + self._poll

    def _allowed(self) -> float:
        """When a caller may have a task read."""
        return self._task_list.last_read + max(self._poll, (self._failure.retry_after or 0.0) if self._failure else 0.0)

    def _rest(self, pause: float) -> None:
        """Counts from the answer, so that no delay on the way brings two reads closer together at upstream's door."""
        self._task_list.last_read = anyio.current_time()
        self._earliest = self._task_list.last_read + pause

    def _next(self) -> float:
        """When the next read is due; while none is allowed it is not weighed which one."""
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
        attended = entry.is_attended or self._is_overlooked()
        watch = Watch(attended=attended, net=net, nudged=entry.nudged)
        return need(entry.forecast, watch, poll=self._poll, durations=self._durations(entry.task), phase=self._phase)

    async def _turn(self) -> None:
        """One read, whatever comes of it, and the time before which there is no other in turn."""
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
            _log.exception("the reader of an account stumbled and goes on")
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

    def _better_alone(self, entries: list[Followed]) -> list[Followed]:
        """Those that a page does not help, between two pages: such as just vanished from it, or else never show."""
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
        entry.claim = None
        # Upstream's own reads may lag behind its callback.
        entry.urgent = self._follows(entry)

    async def _check(self, entry: Followed) -> None:
        listed = entry.task
        await self._read_alone(entry)
        self._task_list.doubt(listed, entry.task)

    async def _read_alone(self, entry: Followed, patience: float | None = 0) -> bool:
        """Reads one task by itself; False if upstream does not know it, raises whatever else the read raises."""
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
        """Takes what a row of the list holds; if that is too little, the task is to be read by itself."""
        if row.status == "UNKNOWN":
            entry.listed, entry.swept = False, True
        elif _hides_its_end(row) and not self._is_lost(entry):
            entry.urgent = True
        else:
            await self._note(entry, merged(entry.task, row))

    def _is_lost(self, entry: Followed) -> bool:
        """Whether reads of the task alone have not found it for so long that the list's word has to do."""
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
        """The part of the list that should show what is followed; None if the list refuses."""
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
    """Whether a row of the list tells of an end, but not of its film or its reason."""
    if row.status == "SUCCEEDED":
        return not row.artifacts or any(film.url is None for film in row.artifacts)
    return row.status == "FAILED" and row.error is None
