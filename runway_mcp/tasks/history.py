"""History of tasks: upstream's task list, merged with the intents of the ledger.

Upstream decides what a task is; the ledger adds those that the list lacks, unclear submits among them.
"""

import logging
from collections.abc import Awaitable, Collection, Iterable
from dataclasses import dataclass

import anyio

from runway_mcp.runway.client import RunwayClient
from runway_mcp.runway.errors import InvalidRequest, RunwayError
from runway_mcp.runway.models import Task
from runway_mcp.tasks.asset_pages import LAST_OFFSET
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.service import TaskService
from runway_mcp.tasks.store.protocol import LedgerError
from runway_mcp.tasks.transitions import Selection

PAGE = 50
"""How many tasks a page holds; the first page adds those that only the ledger knows."""

_log = logging.getLogger(__name__)

_PAGE_READ_SECONDS = 3.0
_SECONDS = 15.0
_ACCOUNTS = 5


@dataclass(frozen=True)
class KnownTask:
    """A task of upstream's list, with the intent that owns it, if any."""

    task: Task
    intent: Intent | None

    @property
    def created(self) -> float:
        """When the task was created, in Unix seconds; 0 if upstream does not say."""
        return self.task.created.timestamp() if self.task.created else 0.0


HistoryEntry = KnownTask | Intent
"""A task of upstream's list, or an intent that the list does not show."""


async def newest_tasks(service: TaskService, email: str | None) -> tuple[list[HistoryEntry], int | None]:
    """The newest tasks and unclear submits, newest first, and the offset of upstream's next page if there may be one.

    If upstream does not answer, returns what the ledger holds.
    """
    intents = await _recent(service)
    with anyio.move_on_after(_SECONDS):
        listed, following = await _listed(service.client, email, intents)
        told = await _told(service, listed)
        return _merged(told, intents if following is None else _due(intents, listed)), following
    return _merged((), intents), None


async def older_tasks(service: TaskService, email: str | None, offset: int) -> tuple[list[HistoryEntry], int | None]:
    """The page of tasks at `offset`, and the offset of the next one if there may be one; raises `RunwayError`."""
    listed = await service.client.tasks(email=email, offset=offset, limit=PAGE, patience=_PAGE_READ_SECONDS)
    return _merged(await _told(service, listed), ()), _following(listed, offset)


async def owning_intent(service: TaskService, task_id: str) -> Intent | None:
    """The intent that owns a task; None if there is none or the ledger cannot be read."""
    try:
        return await service.ledger.find("task_id", task_id)
    except LedgerError as error:
        _log.warning("%s", error)
        return None


async def is_of_another(service: TaskService, task: Task) -> bool:
    """Whether a task exists for another caller alone.

    If the ledger cannot be read, it does not for the caller without a name; for others raises `Failure`.
    """
    return await _is_among(service, task.task_id, service.ledger.of_others([task]))


async def is_owned_by_another(service: TaskService, task_id: str) -> bool:
    """Whether another caller's intent owns a task, which can be told before it is read; as `is_of_another`."""
    return await _is_among(service, task_id, service.ledger.owned_by_others([task_id]))


async def is_likely_of_another(service: TaskService, task: Task) -> bool:
    """Whether another caller's intent may have made a task, by what was read of it; as `is_of_another`."""
    return await _is_among(service, task.task_id, service.ledger.likely_of_others([task]))


async def _is_among(service: TaskService, task_id: str, others: Awaitable[Collection[str]]) -> bool:
    try:
        return task_id in await others
    except LedgerError as error:
        if service.caller:
            raise Failure("unavailable", f"{error} Until then no task can be told.") from error
        _log.warning("%s", error)
        return False


async def _told(service: TaskService, listed: Collection[Task]) -> list[Task]:
    """The listed tasks that exist for the caller, as a read of each would tell them."""
    others = await service.ledger.hidden(listed)
    return [service.client.as_told(task) for task in listed if task.task_id not in others]


async def _recent(service: TaskService) -> list[Intent]:
    try:
        return await service.ledger.select(Selection.SUBMITTED, limit=PAGE)
    except LedgerError as error:
        _log.warning("%s", error)
        return []


async def _listed(
    client: RunwayClient, email: str | None, intents: Iterable[Intent]
) -> tuple[tuple[Task, ...], int | None]:
    """Upstream's first page; if several accounts are linked and none is named, those of the accounts last used."""
    try:
        page = await client.tasks(email=email, limit=PAGE, patience=_PAGE_READ_SECONDS)
    except InvalidRequest:
        used = list(dict.fromkeys(intent.account for intent in intents if intent.account))[:_ACCOUNTS]
        return tuple([task for account in used for task in (await _listed(client, account, ()))[0]]), None
    except RunwayError as error:
        _log.info("the list of tasks could not be read: %s", error)
        return (), None
    return page, _following(page, 0)


def _following(page: tuple[Task, ...], offset: int) -> int | None:
    return offset + PAGE if len(page) == PAGE and offset + PAGE <= LAST_OFFSET else None


def _due(intents: Iterable[Intent], listed: Iterable[Task]) -> list[Intent]:
    """The intents for the first of several pages: unfinished ones, and those no older than the page's oldest task."""
    dates = [task.created.timestamp() for task in listed if task.created]
    oldest = min(dates, default=0.0)
    return [intent for intent in intents if intent.ended is None or intent.created >= oldest]


def _merged(listed: Iterable[Task], intents: Iterable[Intent]) -> list[HistoryEntry]:
    owners = {intent.task_id: intent for intent in intents if intent.task_id}
    known = {task.task_id: KnownTask(task, owners.get(task.task_id)) for task in listed}
    remembered = [intent for intent in intents if intent.task_id not in known]
    return sorted([*known.values(), *remembered], key=lambda each: each.created, reverse=True)
