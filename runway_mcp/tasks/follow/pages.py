"""The list of an account's tasks: which part of it to ask for, and whether it can be believed.

Its order is not documented. Newest first is assumed, so that the first rows should do; if they do not, more of them
are asked for at the next turn, and then the part behind the largest page.
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
# In units of the poll interval: for how long a list that does not serve is left alone, and after how long without a
# change a task is read by itself to check the list: soon while the list has not shown an end yet.
_DISTRUST = 120.0
_UNCHECKED, _UNCHECKED_PROVEN = 8.0, 60.0
# So many times older than such tasks get, a task is checked soon all the same.
_OVERDUE = 1.25
# How old, in the same units, a task is before the list should show it.
_FRESH = 3.0
# How often in a row the list may give no answer, or show next to nothing of what is followed.
_FORGIVEN = 2


@dataclass(frozen=True)
class Window:
    """A part of the list."""

    offset: int = 0
    limit: int = _SMALLEST

    def absences(self, rows: int) -> int | None:
        """After how many pages in a row that lack a task the list does not show it; None while a page is too small."""
        if rows < self.limit and not self.offset:
            return 1
        # Of two parts that take turns, a task may slip from one to the other in between.
        return 3 if self.limit >= _LARGEST else None

    def after(self, rows: int, last: int | None, *, missing: bool) -> "Window":
        """The part to ask for after a page of `rows`, on which `last` is the last row (from 0) of a followed task.

        While tasks are `missing` on it the pages grow, and then the two largest ones take turns.
        """
        if missing and rows >= self.limit < _LARGEST:
            return Window(0, min(_LARGEST, _GROWTH * self.limit))
        if missing and self.limit >= _LARGEST:
            return Window(_LARGEST - self.offset, _LARGEST)
        if last is None:
            return Window()
        # Room for the tasks that are made meanwhile; the page shrinks only if that halves it.
        enough = max(_SMALLEST, 2 * last)
        return Window(0, enough) if not self.offset and enough <= self.limit / 2 else self


class TaskList:
    """What an account's list has proved worth so far; outlives the readers of the account.

    `window` is the part to ask for next, `last_read` when any task of the account was last read, in the event loop's
    time; `poll` is the poll interval in seconds.
    """

    def __init__(self, poll: float) -> None:
        self.window = Window()
        self.last_read = -math.inf
        self._poll = poll
        self._again = 0.0
        self._is_said = False
        self._is_proven = False
        self._is_avoided = False
        self._unanswered = 0
        self._poor = 0
        self._checked = 0.0
        self._doubt: tuple[str, tuple[object, ...]] | None = None

    def serves(self) -> bool:
        """Whether the list is worth asking: it has not refused or lied of late, and gave an answer when last asked."""
        return anyio.current_time() >= self._again and not self._is_avoided

    def unanswered(self) -> None:
        """Notes that the list gave no answer; a single read comes next, to tell the list from the connection."""
        self._unanswered += 1
        self._is_avoided = True

    def outdone(self, task: Task) -> None:
        """Notes what a single read told of a task that is followed."""
        self._is_avoided = False
        if task.is_terminal:
            self._poor = 0
        if self._unanswered >= _FORGIVEN:
            self.distrust("it gives no answer while single tasks do")

    def distrust(self, why: str) -> None:
        """Leaves the list alone for a while, and says so once."""
        self._again = anyio.current_time() + _DISTRUST * self._poll
        self._unanswered = self._poor = 0
        if not self._is_said:
            self._is_said = True
            _log.warning("the list of tasks does not serve (%s); tasks are read one by one", why)

    def suspect(self, followed: Iterable[Followed], durations: Callable[[Task], Span | None]) -> Followed | None:
        """The task whose single read should check the list now, because the list has told nothing else of it for long.

        `durations` tells when such a task usually ends. None while no check is due; it replaces a page.
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
        """Notes what a check told; if the list repeats what it told before, although that has changed, it lies."""
        went_on = None not in (listed.progress, read.progress) and read.progress != listed.progress
        self._doubt = (listed.task_id, told(listed)) if read.status != listed.status or went_on else None

    def believes(self, page: Mapping[str, Task]) -> bool:
        """Whether a page may be taken at its word: it must not repeat what a check has refuted."""
        self._unanswered = 0
        doubt, self._doubt = self._doubt, None
        row = page.get(doubt[0]) if doubt else None
        if doubt and row and told(row) == doubt[1]:
            self.distrust("it tells what was true long ago")
            return False
        return True

    def worth_a_page(self, claims: int) -> bool:
        """Whether a page is less to ask for than so many tasks one by one."""
        return claims > 1 + self.window.limit // _SMALLEST

    def showed(self, page: Sequence[Task], found: Mapping[str, int], entries: Sequence[Followed]) -> None:
        """Notes a page and the rows (from 0) on which it showed followed tasks, and which of the others it lacks.

        A task that the list does not show at all is marked, so that no larger page is asked for its sake; one that was
        just submitted is not missed yet.
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
