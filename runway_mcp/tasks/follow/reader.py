"""Reader of one account's followed tasks, by pages of its task list where possible, at a limited rate.

Tasks that the list omits or shows incompletely are read singly. Out of turn are reads for an
end that a callback claims or another server told, and for a caller who asks for a task that was not reported yet.
"""

import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from math import inf

import anyio
from anyio.lowlevel import checkpoint

from runway_mcp.logs import said_of_nothing
from runway_mcp.runway.errors import InvalidRequest, NotFound, RunwayError, UnexpectedResponse
from runway_mcp.runway.models import Task
from runway_mcp.tasks.follow.followed import Common, Entry, told
from runway_mcp.tasks.follow.pages import ABSENT, UNANSWERED, TaskList, may_hide_its_end
from runway_mcp.tasks.follow.schedule import Forecast, Need, need, together
from runway_mcp.tasks.store.leases import GIVING_BACK_SECONDS

_log = logging.getLogger(__name__)

# After so many seconds a task that upstream does not know counts as deleted.
_GONE_SECONDS = 600.0
# The pause after a failed read, in units of the poll interval: first and longest.
_FIRST_BACKOFF, _LONGEST_BACKOFF = 2.0, 12.0
# For so many poll intervals a caller who reads a task counts as its observer.
_OBSERVED = 6.0
# After so many ends in a row without a callback, none is expected until one comes.
_MISSED = 2


class AccountReader:
    """Reads one account's followed tasks while there are any, and alone changes them."""

    def __init__(self, account: str | None, common: Common) -> None:
        self.entries: dict[str, Entry] = {}
        self.failure: RunwayError | None = None
        self._account, self._common, self._poll = account, common, common.poll
        self._task_list = TaskList(common.poll)
        self._last_read = self._earliest = -inf
        self._pause = 0.0
        self._runs = self._was_alone = False
        self._one_at_a_time = anyio.Lock()
        self._stirred = anyio.Event()
        self._noted: dict[str, Task] = {}

    def follow(self, task: Task, *, calls_back: bool, age: float) -> None:
        """Adds a task, unless it is followed already; `calls_back` says that its submit requested callbacks."""
        entry, now = self.entries.get(task.task_id), anyio.current_time()
        if entry is None:
            is_told = task.created_at is not None
            forecast = Forecast(began=now - age, seen=now if is_told else now - age)
            entry = self.entries[task.task_id] = Entry(task, forecast, is_told, known_at=now)
            self._task_list.changed = now
        entry.expects_call = entry.expects_call or calls_back
        self.reconsider()
        if not self._runs:
            self._runs = True
            # Around the start, since a task keeps what it began with: it is of no call, which may end long before.
            with said_of_nothing(), self._common.client.telemetry.untraced():
                self._common.background.start_soon(self._run)

    def reconsider(self) -> None:
        """Makes the reader schedule its next read anew, after a change of its tasks or their observers."""
        self._stirred.set()

    async def observe(self, entry: Entry, changed: anyio.Event, deadline: float) -> None:
        """Waits for a change as an observer of the task, at most until the deadline; reads are then more frequent."""
        entry.observers += 1
        self.reconsider()
        try:
            with anyio.move_on_after(deadline - anyio.current_time()):
                await changed.wait()
        finally:
            entry.observers -= 1

    def claim(self, entry: Entry) -> None:
        """Checks a claimed end by a read: at once, or a poll interval after the last such check."""
        entry.expects_call = False
        entry.claim = min(entry.claim, max(anyio.current_time(), entry.looked_into + self._poll))
        self.reconsider()

    async def told_lately(self, entry: Entry, *, patience: float | None) -> Task:
        """The task as upstream last reported it, after a read if the rate of the account allows one.

        Any number of callers share one read, of a page if that covers several tasks; each counts as an observer for a
        while. Raises `NotFound` for a task that upstream does not know, else what the read raises; `patience` is the
        client's.
        """
        entry.observed_until = anyio.current_time() + _OBSERVED * self._poll
        self.reconsider()
        async with self._one_at_a_time:
            await self._take_over()
            if entry.is_over and not entry.task.is_terminal and self._over_at(entry) <= anyio.current_time():
                # Who has heard of the end from another server must not be told otherwise here, whosever turn it is.
                await self._read_in_time(entry, patience)
            now = anyio.current_time()
            if now >= self._last_read + max(self._poll, self._asked_pause()) and not entry.task.is_terminal:
                in_turn = len(self.entries) > 1 and (self._task_list.serves() or self._next() <= now)
                await self._turn(None if in_turn else entry, patience)
            if not entry.is_told and anyio.current_time() >= entry.looked_into + self._poll:
                await self._turn(entry, patience)
            if entry.unknown:
                raise NotFound("Runway does not know this task.")
            return entry.task

    async def _run(self) -> None:
        """Reads until no followed task is left. Readers that begin together stay out of step."""
        self._earliest = max(self._earliest, anyio.current_time() + random.random() * self._poll)  # noqa: S311  no secret
        while self.entries:
            self._stirred = anyio.Event()
            try:
                if (left := self._next() - anyio.current_time()) > 0:
                    with anyio.move_on_after(left):
                        await self._stirred.wait()
                    continue
                async with self._one_at_a_time:
                    await self._take_over()
                    # A caller or another server may have read meanwhile, a caller even have ended the last task.
                    if self.entries and self._next() <= anyio.current_time():
                        entry, at = self._told_end()
                        if entry is not None and at <= anyio.current_time():
                            await self._read_in_time(entry, 0)
                        else:
                            await self._turn()
            except RunwayError as error:
                _log.info("an account's tasks could not be read: %s", error)
            except Exception:  # noqa: BLE001  a crash here would end every other call of the process
                _log.exception("reading an account failed with a fault of this server; it goes on")
                await anyio.sleep(_LONGEST_BACKOFF * self._poll)
        self._runs = False

    def _next(self) -> float:
        """When the next read is due; before a read is allowed, needs are not computed."""
        at = self._earliest
        if anyio.current_time() >= at:
            at = together([self._need(entry) for entry in self.entries.values()], earliest=at, poll=self._poll)
        claimed, (_, over) = min(entry.claim for entry in self.entries.values()), self._told_end()
        return min(at, over, max(claimed, self._earliest) if self._pause else claimed)

    def _told_end(self) -> tuple[Entry | None, float]:
        """Of the observed tasks whose end another server told, the one to read next, whosever turn it is; and when."""
        over = [entry for entry in self.entries.values() if entry.is_over and self._is_attended(entry)]
        entry = min(over, key=lambda each: each.looked_into, default=None)
        if entry is None:
            return None, inf
        at = self._over_at(entry)
        return entry, at if self.failure is None or entry.looked_into == -inf else max(at, self._last_read + self._poll)

    def _over_at(self, entry: Entry) -> float:
        """When an end that another server told may be read out of turn: at once, then once a poll interval."""
        return max(entry.looked_into + self._poll, self._last_read + self._asked_pause())

    def _asked_pause(self) -> float:
        """For how many seconds after the last read upstream asked for none."""
        return (self.failure and self.failure.retry_after) or 0.0

    def _is_attended(self, entry: Entry) -> bool:
        return entry.observers + self._common.observers > 0 or anyio.current_time() < entry.observed_until

    def _need(self, entry: Entry) -> Need:
        if entry.urgent:
            return Need(entry.forecast.seen)
        net, durations = entry.expects_call and self._common.missed < _MISSED, self._common.durations.span(entry.task)
        return need(entry.forecast, poll=self._poll, attended=self._is_attended(entry), net=net, durations=durations)

    async def _turn(self, entry: Entry | None = None, patience: float | None = 0) -> None:
        """Makes one read, of the entry alone if one is given, and sets the earliest time of the next one.

        Where other servers follow the same account, nothing is read while it is another's turn. Raises what the read
        raises.
        """
        sharing, account = self._common.sharing, self._account
        if sharing is None:
            await self._read_in_time(entry, patience)
            return
        out_of_turn = any(each.claim <= anyio.current_time() for each in self.entries.values())
        self._noted.clear()
        failure: RunwayError | None = None
        try:
            if (left := await sharing.permit(account, out_of_turn=out_of_turn)) > 0:
                # It may be given back before its time.
                self._put_off(anyio.current_time() + min(left, self._poll))
                return
            try:
                await self._read_in_time(entry, patience)
            except RunwayError as error:
                failure = error
            pause = max(0.0, self._earliest - self._last_read)
            await sharing.end(account, self._noted.values(), pause=pause, out_of_turn=out_of_turn)
        except anyio.get_cancelled_exc_class():
            # By the end of this server or of the call that read: others need not wait for the end of the permit, which
            # may have been given as the call was cut off.
            with anyio.move_on_after(GIVING_BACK_SECONDS, shield=True):
                await sharing.end(account, self._noted.values(), pause=self._poll, out_of_turn=out_of_turn)
            raise
        if failure is not None:
            raise failure

    async def _read_in_time(self, entry: Entry | None, patience: float | None) -> None:
        """Makes one read. Pauses count from the answer, so that network delays bring no two closer at upstream."""
        pause = self._pause
        try:
            if entry is None:
                await self._read()
            else:
                entry.looked_into = anyio.current_time()
                await self._read_alone(entry, patience)
            pause, self.failure = 0.0, None
        except RunwayError as error:
            pause = min(_LONGEST_BACKOFF * self._poll, max(2 * pause, _FIRST_BACKOFF * self._poll))
            pause, self.failure = max(pause, error.retry_after or 0.0), error
            raise
        finally:
            self._pause, self._last_read = pause, anyio.current_time()
            self._earliest = self._last_read + max(self._poll, pause * random.uniform(1.0, 1.25))  # noqa: S311  jitter

    def _put_off(self, at: float) -> None:
        """Reads nothing before a time; claims of ends wait as well."""
        self._earliest = max(self._earliest, at)
        for entry in self.entries.values():
            entry.claim = max(entry.claim, at)

    async def catch_up(self) -> None:
        """Takes over what other servers have read; does nothing where there are none."""
        if self._common.sharing is not None:
            async with self._one_at_a_time:
                await self._take_over()

    async def _take_over(self) -> None:
        """Takes over what other servers have read; an end is read here as well, since its links are not shared."""
        if self._common.sharing is None:
            return
        for task_id, (task, at) in (await self._common.sharing.news(self._account, list(self.entries))).items():
            entry = self.entries.get(task_id)
            if entry is None or at == entry.shared_at:
                continue
            entry.shared_at = at
            if task.is_terminal:
                entry.urgent = entry.is_over = True
                # What was read before that end forbids no read of it.
                entry.looked_into = -inf
            else:
                kept = entry.task.model_fields_set - task.model_fields_set
                await self._note(entry, task.model_copy(update={name: getattr(entry.task, name) for name in kept}))
            self.reconsider()

    async def _read(self) -> None:
        """Reads what is due: claimed ends, then between two pages one task that the list does not serve."""
        now, entries = anyio.current_time(), list(self.entries.values())
        claimed = [entry for entry in entries if entry.claim <= now]
        serves = (len(entries) > 1 or entries[0].unknown) and self._task_list.serves()
        if claimed and not (serves and len(claimed) > 1):
            await self._read_alone(claimed[0])
            claimed = claimed[:1]
        elif not serves:
            await self._read_alone(min(entries, key=self._need))
        elif not claimed and not self._was_alone and (alone := self._better_alone(entries)):
            self._was_alone = True
            await self._read_alone(alone)
        else:
            self._was_alone = False
            await self._read_page(entries)
        for entry in claimed:
            # What has not ended is read again soon, since upstream's reads may lag behind its callbacks.
            entry.looked_into, entry.claim, entry.urgent = anyio.current_time(), inf, True

    def _better_alone(self, entries: list[Entry]) -> Entry | None:
        """The task to read singly before the next page: one that the list may hide, or that checks the list."""
        hidden = [entry for entry in entries if entry.urgent or entry.absent >= ABSENT]
        entry = min(hidden, key=self._need, default=None)
        if entry is not None and self._need(entry).at <= anyio.current_time():
            return entry
        return self._task_list.suspect(entries)

    async def _read_alone(self, entry: Entry, patience: float | None = 0) -> None:
        """Reads one task singly; one that upstream has not known for ten minutes is given up."""
        try:
            task = await self._common.client.task(entry.task.task_id, patience=patience)
        except NotFound:
            now = anyio.current_time()
            entry.forecast, entry.urgent, entry.unknown = replace(entry.forecast, seen=now), False, True
            if now - entry.known_at > _GONE_SECONDS and not entry.is_given_up:
                _log.warning("task %s is unknown to Runway and is not followed any more", entry.task.task_id)
                # First to the ledger: a call that is cut off here leaves the task to the next read.
                await self._pass_on(self._common.on_gone, entry.task)
                self.entries.pop(entry.task.task_id, None)
                entry.is_given_up = True
                entry.changed.set()
            return
        await self._note(entry, task)

    async def _read_page(self, entries: list[Entry]) -> None:
        """Reads a page of the task list and takes its rows, unless upstream refuses it or it cannot be trusted.

        Rows may omit fields; one that may hide the end marks the task for a single read.
        """
        tasks, client = self._task_list, self._common.client
        try:
            page = await client.tasks(email=self._account, offset=tasks.offset, limit=tasks.limit, patience=0)
        except RunwayError as error:
            unreadable = isinstance(error, UnexpectedResponse) and error.unreadable
            if isinstance(error, InvalidRequest | NotFound | UnexpectedResponse) and not unreadable:
                tasks.distrust(error)
                return
            tasks.distrust(error, intervals=UNANSWERED)
            raise
        for row in page if tasks.showed(page, entries) else ():
            entry = self.entries.get(row.task_id)
            if entry is not None and may_hide_its_end(row):
                entry.urgent = True
            elif entry is not None:
                kept = entry.task.model_fields_set - row.model_fields_set
                await self._note(entry, row.model_copy(update={name: getattr(entry.task, name) for name in kept}))
                await checkpoint()

    async def _note(self, entry: Entry, task: Task) -> None:
        """Takes what upstream reports of a task, and wakes its observers if that is a change."""
        now, is_change = anyio.current_time(), told(task) != told(entry.task)
        sharing = self._common.sharing
        if sharing is not None and task.is_terminal and not entry.is_over:
            # Before anybody hears of the end, since he may ask another server about it.
            await sharing.tell(self._account, [task])
        entry.is_told, entry.urgent, entry.unknown, entry.known_at = True, False, False, now
        entry.forecast = entry.forecast.after(now, ratio=task.progress, starts_in=task.estimated_seconds_to_start)
        if is_change:
            self._task_list.changed = now
            await self._pass_on(self._common.on_change, task)
        if task.is_terminal:
            self._common.missed += entry.expects_call
            if self.entries.get(task.task_id) is entry:
                del self.entries[task.task_id]
        if task.status == "SUCCEEDED":
            self._common.durations.learn((task.task_type, bool(task.options.explore_mode)), now - entry.forecast.began)
        entry.task = task
        if sharing is not None and not task.is_terminal:
            self._noted[task.task_id] = task
        if is_change:
            entry.changed.set()
            entry.changed = anyio.Event()

    async def _pass_on(self, listener: Callable[[Task], Awaitable[None]], task: Task) -> None:
        try:
            await listener(task)
        except Exception:  # noqa: BLE001  observers must get the change all the same
            _log.exception("a change of a task could not be passed on")
