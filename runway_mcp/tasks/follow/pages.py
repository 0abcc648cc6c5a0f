"""Task list of an account: which page of it to read, and whether to trust it.

Its order is undocumented; newest first is assumed. If the first page lacks followed tasks, larger pages are read, and
then what follows the largest.
"""

import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import anyio

from runway_mcp.runway.models import Task
from runway_mcp.tasks.follow.followed import Followed, told
from runway_mcp.tasks.follow.schedule import Span

_log = logging.getLogger(__name__)

_SMALLEST, _LARGEST, _GROWTH = 50, 1000, 4
# In units of the poll interval: how long an unusable list is not read, and after how long without a change a task is
# read singly to check the list; sooner while the list has not shown an end yet.
_DISTRUST = 120.0
_UNCHECKED, _UNCHECKED_PROVEN = 8.0, 60.0
# A task that exceeds the usual latest age by this factor is checked sooner all the same.
_OVERDUE = 1.25
# The age, in the same units, from which the list should show a task.
_FRESH = 3.0
# How often in a row the list may go unanswered, or show next to none of the followed tasks.
_FORGIVEN = 2


@dataclass(frozen=True)
class Window:
    """A part of the task list: offset and limit."""

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

        While followed tasks are `missing`, the window grows; the two largest windows then alternate.
        """
        if missing and rows >= self.limit < _LARGEST:
            return Window(0, min(_LARGEST, _GROWTH * self.limit))
        if missing and self.limit >= _LARGEST:
            return Window(_LARGEST - self.offset, _LARGEST)
        if last is None:
            return Window()
        # Leaves space for tasks that are made meanwhile; the window shrinks only if that halves it.
        enough = max(_SMALLEST, 2 * last)
        return Window(0, enough) if not self.offset and enough <= self.limit / 2 else self


class TaskList:
    """What is known of an account's task list; outlives the readers of the account.

    `window` is the part to read next; `last_read` is when any task of the account was last read, in the event loop's
    time; `poll` is the poll interval in seconds.
    """

    def __init__(self, poll: float) -> None:
        self.window = Window()
        self.last_read = -math.inf
        self._poll = poll
        self._again = 0.0
        self._is_logged = False
        self._is_proven = False
        self._is_avoided = False
        self._unanswered = 0
        self._poor = 0
        self._checked = 0.0
        self._doubt: tuple[str, tuple[object, ...]] | None = None

    def serves(self) -> bool:
        """Whether the list should be read: no distrust is in force, and the last read of it was answered."""
        return anyio.current_time() >= self._again and not self._is_avoided

    def unanswered(self) -> None:
        """Notes that the list gave no answer; a single read comes next, to show whether the connection fails too."""
        self._unanswered += 1
        self._is_avoided = True

    def outdone(self, task: Task) -> None:
        """Notes the result of a single read of a followed task."""
        self._is_avoided = False
        if task.is_terminal:
            self._poor = 0
        if self._unanswered >= _FORGIVEN:
            self.distrust("it gives no answer while single tasks do")

    def distrust(self, why: str) -> None:
        """Stops reads of the list for a while, and logs the first time."""
        self._again = anyio.current_time() + _DISTRUST * self._poll
        self._unanswered = self._poor = 0
        if not self._is_logged:
            self._is_logged = True
            _log.warning("the list of tasks does not serve (%s); tasks are read one by one", why)

    def suspect(self, followed: Iterable[Followed], durations: Callable[[Task], Span | None]) -> Followed | None:
        """The task whose single read should check the list now, since the list has not changed it for long; else None.

        `durations` gives the ages at which such a task usually ends. The check replaces a page.
        """
        entry = min((entry for entry in followed if entry.listed), key=lambda entry: entry.turned, default=None)
        if entry is None:
            return None
        now, span = anyio.current_time(), durations(entry.task)
        is_overdue = span is not None and now - entry.forecast.began > _OVERDUE * span.late
        unchecked = (_UNCHECKED_PROVEN if self._is_proven and not is_overdue else _UNCHECKED) * self._poll
        if now - max(self._checked, entry.turned) < unchecked:
            return None
        self._checked = now
        return entry

    def doubt(self, listed: Task, read: Task) -> None:
        """Compares a check with the list; the list is stale if it repeats a state that the check refuted."""
        went_on = None not in (listed.progress, read.progress) and read.progress != listed.progress
        self._doubt = (listed.task_id, told(listed)) if read.status != listed.status or went_on else None

    def believes(self, page: Mapping[str, Task]) -> bool:
        """Whether a page can be trusted: it does not repeat a state that a check has refuted."""
        self._unanswered = 0
        doubt, self._doubt = self._doubt, None
        row = page.get(doubt[0]) if doubt else None
        if doubt and row and told(row) == doubt[1]:
            self.distrust("it tells what was true long ago")
            return False
        return True

    def worth_a_page(self, claims: int) -> bool:
        """Whether one page costs less than single reads for so many claimed ends."""
        return claims > 1 + self.window.limit // _SMALLEST

    def showed(self, page: Sequence[Task], found: Mapping[str, int], entries: Sequence[Followed]) -> None:
        """Notes a page, the rows (from 0) of the followed tasks on it, and the followed tasks that it lacks.

        A task that the list does not show at all is marked, so that it causes no larger page; a new task does not count
        as missing yet.
        """
        self._is_proven = self._is_proven or any(page[row].is_terminal for row in found.values())
        absences, fresh = self.window.absences(len(page)), anyio.current_time() - _FRESH * self._poll
        missing = False
        for entry in entries:
            if entry.task.task_id in found:
                entry.listed, entry.swept, entry.absent = True, False, 0
                continue
            entry.absent += absences is not None
            is_expected = entry.listed or entry.forecast.began < fresh
            if absences is not None and entry.absent >= absences and is_expected:
                entry.urgent, entry.listed, entry.swept = entry.urgent or entry.listed, False, True
            elif is_expected and not entry.swept:
                missing = True
        last = max(found.values(), default=None)
        self.window = self.window.after(len(page), last, missing=missing)
        if absences is not None:
            self._poor = 0 if last or not any(entry.swept for entry in entries) else self._poor + 1
        if self._poor >= _FORGIVEN:
            self.distrust("it does not show the tasks that run")
