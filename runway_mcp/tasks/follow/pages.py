"""Task list of an account: which page of it to read, and whether to trust it.

Its order is undocumented; newest first is assumed. If the first page lacks followed tasks, larger pages are read, and
then what follows the largest.
"""

import logging
from collections.abc import Collection, Sequence

import anyio

from runway_mcp.runway.client import LARGEST_PAGE
from runway_mcp.runway.models import Task
from runway_mcp.tasks.follow.followed import Entry

_log = logging.getLogger(__name__)

ABSENT = 3
"""A task that so many pages in a row lacked, while no larger page could show it, is not on the list."""

REFUSED, UNANSWERED = 120.0, 12.0
"""For how long a list is not read that does not serve, or that gave no answer; in units of the poll interval."""

_SMALLEST, _LARGEST, _GROWTH = 50, LARGEST_PAGE, 4
# After how many poll intervals without any change a task is read singly to check the list.
_UNCHECKED = 20.0


class TaskList:
    """What is known of an account's task list: `offset` and `limit` of the page to read next, and its worth.

    `poll` is the poll interval in seconds; `changed` is when any task last changed, in the event loop's time.
    """

    def __init__(self, poll: float) -> None:
        self.offset, self.limit = 0, _SMALLEST
        self.changed = self._again = 0.0
        self._poll = poll
        self._is_logged = False
        self._suspect: tuple[Entry, str] | None = None

    def serves(self) -> bool:
        """Whether the list may be read."""
        return anyio.current_time() >= self._again

    def distrust(self, why: object, *, intervals: float = REFUSED) -> None:
        """Stops reads of the list for so many poll intervals, and logs the first time."""
        self._again = anyio.current_time() + intervals * self._poll
        if not self._is_logged:
            self._is_logged = True
            _log.warning("the list of tasks does not serve (%s); tasks are read one by one", why)

    def suspect(self, entries: Collection[Entry]) -> Entry | None:
        """The task whose single read should check the list now, since the list has changed none for long."""
        listed = [entry for entry in entries if not entry.absent]
        if not listed or anyio.current_time() - self.changed < _UNCHECKED * self._poll:
            return None
        entry = min(listed, key=lambda entry: entry.forecast.began)
        self.changed, self._suspect = anyio.current_time(), (entry, entry.task.status)
        return entry

    def showed(self, page: Sequence[Task], entries: Collection[Entry]) -> bool:
        """Notes which followed tasks a page has; False if it repeats a state that a single read has refuted.

        While it lacks tasks, the page grows, and the two largest alternate; else it shrinks to what it needs, with
        space for tasks that are made meanwhile. A task that the list does not show causes no larger page.
        """
        rows, last, missing = {task.task_id: row for row, task in enumerate(page)}, -1, False
        if self._suspect is not None:
            (entry, status), self._suspect = self._suspect, None
            row = rows.get(entry.task.task_id)
            if row is not None and page[row].status == status != entry.task.status:
                self.distrust("it tells what was true long ago")
                return False
        can_grow = len(page) >= self.limit < _LARGEST
        for entry in entries:
            row = rows.get(entry.task.task_id)
            if row is not None:
                entry.absent, last = 0, max(last, row)
                continue
            entry.absent += not can_grow
            entry.urgent = entry.urgent or entry.absent == ABSENT
            missing = missing or entry.absent < ABSENT
        if not missing and last < 0:
            self.distrust("it shows none of the tasks that run")
        if missing and can_grow:
            self.limit = min(_LARGEST, _GROWTH * self.limit)
        elif missing and self.limit >= _LARGEST:
            self.offset = _LARGEST - self.offset
        elif not self.offset or last < 0:
            self.offset, self.limit = 0, min(self.limit, max(_SMALLEST, 2 * last))
        return True


def may_hide_its_end(row: Task) -> bool:
    """Whether a row shows no status, or an end, but not its film or its error."""
    if row.status == "SUCCEEDED":
        return not row.artifacts or any(film.url is None for film in row.artifacts)
    return row.status == "UNKNOWN" or (row.status == "FAILED" and row.error is None)
