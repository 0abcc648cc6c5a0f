"""Reader of one account's followed tasks, by pages of its task list where possible, at a limited rate.

Tasks that the list omits or shows incompletely are read singly. Only a callback that claims an end, and a caller who
asks for a task that upstream has not reported yet, cause a read out of turn.
"""

import logging
import random
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import anyio
from anyio.lowlevel import checkpoint

from runway_mcp.runway.errors import InvalidRequest, NotFound, RunwayError, UnexpectedResponse
from runway_mcp.runway.models import Task
from runway_mcp.tasks.follow.durations import task_kind
from runway_mcp.tasks.follow.followed import Common, Entry, merged, told
from runway_mcp.tasks.follow.pages import TaskList
from runway_mcp.tasks.follow.schedule import Forecast, Need, need, together

_log = logging.getLogger(__name__)

# Seconds for which a new task may be unknown to upstream, and after which an unknown one counts as deleted.
_FRESH_SECONDS, _GONE_SECONDS = 60.0, 600.0
# The pause after a failed read, in units of the poll interval: first and longest.
_FIRST_BACKOFF, _LONGEST_BACKOFF = 2.0, 12.0
# After so many ends in a row without a callback, none is expected until one comes.
_MISSED = 2
# So many claimed ends are checked singly; more cost one page.
_CLAIMS_ALONE = 2
# After how many rows of a page other tasks of the event loop may run.
_ROWS_AT_ONCE = 5


class AccountReader:
    """Reads one account's followed tasks while there are any, and alone changes them."""

    def __init__(self, account: str | None, common: Common, task_list: TaskList) -> None:
        self.entries: dict[str, Entry] = {}
        self._account = account
        self._common = common
        self._poll = common.poll
        self._task_list = task_list
        # Readers that begin together stay out of step.
        first = anyio.current_time() + random.random() * self._poll  # noqa: S311  no secret
        self._earliest = max(first, task_list.last_read + self._poll)
        self._pause = 0.0
        self._failure: RunwayError | None = None
        self._was_alone = False
        self._one_at_a_time = anyio.Lock()
        self._stirred = anyio.Event()

    @property
    def fails(self) -> bool:
        """Whether the last read failed."""
        return self._failure is not None

    def follow(self, task: Task, *, calls_back: bool, age: float) -> None:
        """Adds a task, unless it is followed already; `calls_back` says that its submit requested callbacks."""
        entry, now = self.entries.get(task.task_id), anyio.current_time()
        if entry is None:
            is_told = task.created_at is not None
            forecast = Forecast(began=now - age, seen=now if is_told else now - age)
            entry = self.entries[task.task_id] = Entry(task, forecast, is_told, known_at=now, turned=now)
            self.reconsider()
        if calls_back and not entry.expects_call:
            entry.expects_call = True
            self.reconsider()

    def reconsider(self) -> None:
        """Makes the reader schedule its next read anew, after a change of its tasks or their observers."""
        self._stirred.set()

    @contextmanager
    def observed(self, entry: Entry) -> Generator[None]:
        """Counts an observer of the task inside the context; reads are then more frequent."""
        self.observe_for(entry, 0.0)
        entry.observers += 1
        try:
            yield
        finally:
            entry.observers -= 1

    def observe_for(self, entry: Entry, seconds: float) -> None:
        """Counts a polling observer for the next `seconds`."""
        if not entry.is_attended:
            self.reconsider()
        entry.observed_until = max(entry.observed_until, anyio.current_time() + seconds)

    def claim(self, entry: Entry) -> None:
        """Checks a claimed end by a read: at once, or a poll interval after the last such check."""
        entry.expects_call = False
        if entry.claim is None:
            now, last = anyio.current_time(), entry.looked_into
            entry.claim = now if last is None else max(now, last + self._poll)
            self.reconsider()

    async def run(self) -> None:
        """Reads until no followed task is left."""
        while self.entries:
            self._stirred = anyio.Event()
            left = self._next() - anyio.current_time()
            if left > 0:
                with anyio.move_on_after(left):
                    await self._stirred.wait()
                continue
            async with self._one_at_a_time:
                # A caller may have read meanwhile, and so ended the last task.
                if self.entries and self._next() <= anyio.current_time():
                    await self._turn(self._read)

    async def told_lately(self, entry: Entry, *, patience: float | None) -> Task:
        """The task as upstream last reported it, after a read if the rate of the account allows one.

        Any number of callers share one read, of a page if that covers several tasks. Raises `NotFound` for a task that
        upstream does not know, else what the read raises; `patience` is the client's.
        """
        async with self._one_at_a_time:
            if entry.task.is_terminal:
                return entry.task
            now, pause = anyio.current_time(), (self._failure and self._failure.retry_after) or 0.0
            if now >= self._task_list.last_read + max(self._poll, pause):
                in_turn = len(self.entries) > 1 and (self._task_list.serves() or self._next() <= now)
                entry.looked_into = entry.looked_into if in_turn else now
                await self._turn(self._read if in_turn else partial(self._read_alone, entry, patience))
                if self._failure is not None:
                    raise self._failure
            now = anyio.current_time()
            if not entry.is_told and (entry.looked_into is None or now >= entry.looked_into + self._poll):
                entry.looked_into = now
                await self._read_alone(entry, patience)
                self._rest(self._poll)
            if entry.unknown:
                raise NotFound("Runway does not know this task.")
            return entry.task

    def _next(self) -> float:
        """When the next read is due; before a read is allowed, needs are not computed."""
        at, claims = self._earliest, [entry.claim for entry in self.entries.values() if entry.claim is not None]
        if anyio.current_time() >= at:
            at = together([self._need(entry) for entry in self.entries.values()], earliest=at, poll=self._poll)
        return min(at, max(min(claims), self._earliest if self._pause else 0.0)) if claims else at

    def _need(self, entry: Entry) -> Need:
        if entry.urgent:
            return Need(entry.forecast.seen, 1.0)
        return need(
            entry.forecast,
            poll=self._poll,
            attended=entry.is_attended or self._common.observers > 0,
            net=entry.expects_call and self._common.missed < _MISSED,
            durations=self._common.durations.span(entry.task),
        )

    def _rest(self, pause: float) -> None:
        """Counts the pause from the answer, so that network delays bring no two reads closer together at upstream."""
        self._task_list.last_read = anyio.current_time()
        self._earliest = self._task_list.last_read + pause

    async def _turn(self, read: Callable[[], Awaitable[None]]) -> None:
        """Makes one read, logs its failure, and sets the earliest time of the next one."""
        try:
            await read()
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
        """Reads what is due: claimed ends, then between two pages one task that the list does not serve."""
        now, entries = anyio.current_time(), list(self.entries.values())
        claimed = [entry for entry in entries if entry.claim is not None and entry.claim <= now]
        serves = (len(entries) > 1 or entries[0].unknown) and self._task_list.serves()
        if claimed and not (serves and len(claimed) > _CLAIMS_ALONE):
            await self._read_alone(claimed[0])
            self._settle(claimed[:1])
        elif not serves:
            await self._read_alone(self._neediest(entries))
        elif not claimed and not self._was_alone and (alone := self._better_alone(entries)):
            self._was_alone = True
            await self._read_alone(alone)
        else:
            self._was_alone = False
            await self._read_page(entries)
            self._settle(claimed)

    def _settle(self, claimed: list[Entry]) -> None:
        """Ends the check of claimed ends; what has not ended is read again soon, since reads may lag behind calls."""
        for entry in claimed:
            entry.looked_into, entry.claim, entry.urgent = anyio.current_time(), None, True

    def _better_alone(self, entries: list[Entry]) -> Entry | None:
        """The task to read singly before the next page: one that the list may hide, or that checks the list."""
        if urgent := [entry for entry in entries if entry.urgent]:
            return self._neediest(urgent)
        now = anyio.current_time()
        swept = [entry for entry in entries if entry.swept and self._need(entry).at <= now]
        return self._task_list.suspect(entries) or (self._neediest(swept) if swept else None)

    def _neediest(self, entries: list[Entry]) -> Entry:
        return min(entries, key=lambda entry: self._need(entry).at)

    async def _read_alone(self, entry: Entry, patience: float | None = 0) -> None:
        """Reads one task singly; one that upstream has not known for ten minutes is given up."""
        try:
            task = await self._common.client.task(entry.task.task_id, patience=patience)
        except NotFound:
            now = anyio.current_time()
            entry.forecast, entry.urgent, entry.unknown = replace(entry.forecast, seen=now), False, True
            if now - entry.known_at > _GONE_SECONDS and self.entries.get(entry.task.task_id) is entry:
                _log.warning("task %s is unknown to Runway and is not followed any more", entry.task.task_id)
                del self.entries[entry.task.task_id]
                entry.is_given_up = True
                entry.wake()
                await self._pass_on(self._common.on_gone, entry.task)
            return
        self._task_list.outdone(task)
        await self._note(entry, task)

    async def _read_page(self, entries: list[Entry]) -> None:
        page = await self._page()
        rows = {task.task_id: task for task in page or ()}
        if page is None or not self._task_list.believes(rows):
            return
        found = {task.task_id: row for row, task in enumerate(page) if task.task_id in self.entries}
        self._task_list.showed(len(page), found, entries)
        for turn, task_id in enumerate(found, start=1):
            await self._take(self.entries[task_id], rows[task_id])
            if turn % _ROWS_AT_ONCE == 0:
                await checkpoint()

    async def _page(self) -> tuple[Task, ...] | None:
        """The current window of the task list; None if upstream refuses it."""
        window = self._task_list.window
        try:
            return await self._common.client.tasks(
                email=self._account, offset=window.offset, limit=window.limit, patience=0
            )
        except RunwayError as error:
            unreadable = isinstance(error, UnexpectedResponse) and error.unreadable
            if isinstance(error, InvalidRequest | NotFound | UnexpectedResponse) and not unreadable:
                self._task_list.distrust(str(error))
                return None
            self._task_list.unanswered()
            raise

    async def _take(self, entry: Entry, row: Task) -> None:
        """Takes a row of the task list; an incomplete one marks the task for a single read."""
        # If single reads have not found the task for long, the list has to do.
        is_lost = entry.unknown and anyio.current_time() - entry.known_at > _FRESH_SECONDS
        if row.status == "UNKNOWN":
            entry.listed, entry.swept = False, True
        elif _hides_its_end(row) and not is_lost:
            entry.urgent = True
        else:
            await self._note(entry, merged(entry.task, row))

    async def _note(self, entry: Entry, task: Task) -> None:
        """Takes what upstream reports of a task, and wakes its observers if that is a change."""
        now, is_change = anyio.current_time(), told(task) != told(entry.task)
        entry.is_told, entry.urgent, entry.unknown, entry.known_at = True, False, False, now
        entry.forecast = entry.forecast.after(now, ratio=task.progress, starts_in=task.estimated_seconds_to_start)
        if is_change:
            entry.turned = now
            self._learn(entry, task)
            await self._pass_on(self._common.on_change, task)
        if task.is_terminal:
            self.entries.pop(task.task_id, None)
        entry.task = task
        if is_change:
            entry.wake()

    def _learn(self, entry: Entry, task: Task) -> None:
        """Learns from an end whether callbacks come, and how long such tasks take."""
        if task.is_terminal and entry.expects_call:
            self._common.missed += 1
        if task.status == "SUCCEEDED":
            self._common.durations.learn(task_kind(task), (anyio.current_time() - entry.forecast.began,))

    async def _pass_on(self, listener: Callable[[Task], Awaitable[None]], task: Task) -> None:
        try:
            await listener(task)
        except Exception:  # noqa: BLE001  observers must get the change all the same
            _log.exception("a change of a task could not be passed on")


def _hides_its_end(row: Task) -> bool:
    """Whether a row shows an end, but not its film or its error."""
    if row.status == "SUCCEEDED":
        return not row.artifacts or any(film.url is None for film in row.artifacts)
    return row.status == "FAILED" and row.error is None
