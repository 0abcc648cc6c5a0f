"""Task list of an account: which page of it to read, and whether to trust it.

Its order is undocumented; newest first is assumed. If the first page lacks followed tasks, larger pages are read, and
then what follows the largest.
"""

import logging
import math
from collections.abc import Collection, Mapping
from typing import NamedTuple

import anyio

from runway_mcp.runway.models import Task
from runway_mcp.tasks.follow.followed import Entry, told

_log = logging.getLogger(__name__)

_SMALLEST, _LARGEST, _GROWTH = 50, 1000, 4
# In units of the poll interval: how long an unusable list is not read, and after how long without a change a task is
# read singly to check the list.
_DISTRUST, _UNCHECKED = 120.0, 20.0
# How often in a row the list may go unanswered, or show none of the followed tasks.
_FORGIVEN = 2


class Window(NamedTuple):
    """A part of the task list."""

    offset: int = 0
    limit: int = _SMALLEST

    def absences(self, rows: int) -> int | None:
        """How many pages in a row must lack a task to prove its absence; None while the window is too small."""
        if rows < self.limit and not self.offset:
            return 1
        # While two windows alternate, a task may move from one to the other between two reads.
        return 3 if self.limit >= _LARGEST else None

    def after(self, rows: int, last: int | None, *, missing: bool) -> "Window":
        """The next window, after a page of `rows` rows whose last followed task is on row `last` (from 0).

        While followed tasks are `missing`, the window grows; the two largest windows then alternate. Else it shrinks,
        with space for tasks that are made meanwhile.
        """
        if missing and self.limit >= _LARGEST:
            return Window(_LARGEST - self.offset, _LARGEST)
        if missing and rows >= self.limit:
            return Window(0, min(_LARGEST, _GROWTH * self.limit))
        return Window(0, min(self.limit, max(_SMALLEST, 2 * (last or 0))))


class TaskList:
    """What is known of an account's task list; outlives the readers of the account.

    `window` is the part to read next; `last_read` is when any task of the account was last read, in the event loop's
    time; `poll` is the poll interval in seconds.
    """

    def __init__(self, poll: float) -> None:
        self.window = Window()
        self.last_read = -math.inf
        self._poll = poll
        self._again = self._checked = 0.0
        self._is_logged = self._is_avoided = False
        self._strikes = 0
        self._suspect: Task | None = None
        self._refuted: Task | None = None

    def serves(self) -> bool:
        """Whether the list should be read: no distrust is in force, and the last read of it was answered."""
        return anyio.current_time() >= self._again and not self._is_avoided

    def unanswered(self) -> None:
        """Notes that the list gave no answer; a single read comes next, to show whether the connection fails too."""
        self._strikes += 1
        self._is_avoided = True

    def distrust(self, why: str) -> None:
        """Stops reads of the list for a while, and logs the first time."""
        self._again = anyio.current_time() + _DISTRUST * self._poll
        self._strikes = 0
        if not self._is_logged:
            self._is_logged = True
            _log.warning("the list of tasks does not serve (%s); tasks are read one by one", why)

    def suspect(self, entries: Collection[Entry]) -> Entry | None:
        """The task whose single read should check the list now, since the list has not changed it for long."""
        now, listed = anyio.current_time(), [entry for entry in entries if entry.listed]
        entry = min(listed, key=lambda entry: entry.turned, default=None)
        if entry is None or now - max(self._checked, entry.turned) < _UNCHECKED * self._poll:
            return None
        self._checked, self._suspect = now, entry.task
        return entry

    def outdone(self, task: Task) -> None:
        """Takes the result of a single read, which shows what the list is worth."""
        suspect, self._suspect, self._is_avoided = self._suspect, None, False
        if suspect and suspect.task_id == task.task_id:
            went_on = None not in (suspect.progress, task.progress) and task.progress != suspect.progress
            self._refuted = suspect if task.status != suspect.status or went_on else None
        if task.is_terminal:
            self._strikes = 0
        elif self._strikes >= _FORGIVEN:
            self.distrust("it does not tell of the tasks that run")

    def believes(self, page: Mapping[str, Task]) -> bool:
        """Whether a page can be trusted: it does not repeat a state that a single read has refuted."""
        refuted, self._refuted = self._refuted, None
        row = page.get(refuted.task_id) if refuted else None
        if refuted and row and told(row) == told(refuted):
            self.distrust("it tells what was true long ago")
            return False
        return True

    def showed(self, rows: int, found: Mapping[str, int], entries: Collection[Entry]) -> None:
        """Notes a page of so many rows, the rows (from 0) of the followed tasks on it, and which tasks it lacks.

        A task that the list does not show at all is marked, so that it causes no larger page.
        """
        absences, missing = self.window.absences(rows), False
        for entry in entries:
            if entry.task.task_id in found:
                entry.listed, entry.swept, entry.absent = True, False, 0
                continue
            entry.absent += absences is not None
            if absences is not None and entry.absent >= absences:
                entry.urgent, entry.listed, entry.swept = entry.urgent or entry.listed, False, True
            missing = missing or not entry.swept
        self.window = self.window.after(rows, max(found.values(), default=None), missing=missing)
        self._strikes = 0 if found else self._strikes + (absences is not None)
