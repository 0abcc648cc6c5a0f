"""What upstream shows of a submit whose answer was lost: reads and compares, changes nothing.

What upstream may show: the replyRef in the list of running tasks, the seed and the parent task in the list of all.
A task is adopted only if it is not older than the intent and no other intent owns it. A replyRef of our own is
unguessable and tells enough; a caller's may be used many times and counts only together with seed and parent.
"""

from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import suppress

import anyio

from runway_mcp.runway.client import RunwayClient
from runway_mcp.runway.errors import NotFound, RunwayError
from runway_mcp.runway.ids import account_of
from runway_mcp.runway.models import RunningTask, Task
from runway_mcp.tasks.intents import LOOKING_SECONDS, Intent
from runway_mcp.tasks.ledger import Ledger

# How far upstream's clock may lag behind ours, in seconds.
CLOCK_SKEW = 60.0
# Offset and length of the pages that are looked through: together all that upstream lists, the newest soonest.
_PAGES = ((0, 100), (100, 900), (1000, 1000))
_PATIENCE = 3.0


async def look(client: RunwayClient, ledger: Ledger, intent: Intent) -> Task | None:
    """The task that the intent's POST made, if upstream shows it and no other intent owns it.

    Raises what a failed read raises, unless the other list has the task.
    """
    failed: RunwayError | None = None
    try:
        running = await client.scheduler(patience=_PATIENCE)
    except RunwayError as error:
        failed, running = error, ()
    task = await among(client, ledger, intent, running)
    if task is None:
        task = await _listed(client, ledger, intent, _others(running, intent))
        if task is not None and await _is_anothers(client, task, intent):
            task = None
    if task is None and failed is not None:
        raise failed
    return task


def _others(running: Iterable[RunningTask], intent: Intent) -> set[str]:
    """The running tasks that have another replyRef than the intent."""
    return {entry.task_id for entry in running if entry.reply_ref not in (None, intent.reply_ref)}


async def _is_anothers(client: RunwayClient, task: Task, intent: Intent) -> bool:
    """Whether a task that tells no reference runs under another one, having begun after the first look at what runs."""
    if intent.own_seed or task.reply_ref is not None or task.is_terminal:
        return False
    with suppress(RunwayError):
        return task.task_id in _others(await client.scheduler(patience=_PATIENCE), intent)
    return False


async def among(client: RunwayClient, ledger: Ledger, intent: Intent, running: Iterable[RunningTask]) -> Task | None:
    """The intent's task among running ones, as the scheduler or the body of a 429 names them."""
    for entry in running:
        if entry.reply_ref != intent.reply_ref or await _owned(ledger, entry.task_id, intent):
            continue
        try:
            task = await client.task(entry.task_id, patience=_PATIENCE)
        except NotFound:
            task = Task(task_id=entry.task_id, status="PENDING", reply_ref=entry.reply_ref)
        if is_ours(task, intent) or (intent.own_ref and not _is_older(task, intent)):
            return task
    return None


def is_ours(task: Task, intent: Intent) -> bool:
    """Whether a task says of itself what proves that the intent's POST made it, and is not older than that.

    A reference or a seed of our own proves it; a caller's seed may stand behind several films, so that all must fit.
    """
    options = task.options
    if _is_older(task, intent) or (task.reply_ref is not None and task.reply_ref != intent.reply_ref):
        return False
    if intent.own_ref and task.reply_ref == intent.reply_ref:
        return True
    if options.seed != intent.seed:
        return False
    if intent.own_seed:
        return options.extended_from_task_id in (None, intent.parent_task_id)
    return (
        options.extended_from_task_id == intent.parent_task_id
        and task.created is not None
        and options.seconds in (None, intent.seconds)
        and options.explore_mode in (None, intent.explore_mode)
        and _words(options.text_prompt) == _words(intent.text_prompt)
    )


def _words(prompt: str | None) -> list[str]:
    """A prompt as upstream may have tidied it."""
    return (prompt or "").split()


async def candidates(client: RunwayClient, ledger: Ledger, intent: Intent) -> tuple[Task, ...]:
    """The same account's tasks of the minutes after the intent that no intent owns; none if the read fails."""
    latest, page = intent.created + LOOKING_SECONDS, ()
    with anyio.move_on_after(_PATIENCE), suppress(RunwayError):
        page = await client.tasks(email=intent.account, limit=_PAGES[0][1], patience=_PATIENCE)
    near = [task for task in page if task.created and not _is_older(task, intent)]
    near = [task for task in near if intent.account is None or account_of(task.task_id) in (None, intent.account)]
    return tuple(
        [
            task
            for task in near
            if task.created and task.created.timestamp() <= latest and not await _owned(ledger, task.task_id, intent)
        ][:5]
    )


async def _listed(client: RunwayClient, ledger: Ledger, intent: Intent, others: Collection[str]) -> Task | None:
    """The intent's task in the list of all; `others` are known to have another replyRef."""
    async for page in _pages(client, intent):
        fitting = [task for task in page if task.task_id not in others and is_ours(task, intent)]
        for task in sorted(fitting, key=lambda task: _distance(task, intent)):
            if await _owned(ledger, task.task_id, intent) or await _fits_better(ledger, task, intent):
                continue
            # The list may hide whose a task is, why it failed, or its film; who adopts it must not be misled.
            whole = await client.task(task.task_id, patience=_PATIENCE) if task.is_terminal else task
            if is_ours(whole, intent):
                return whole
    return None


def _distance(task: Task, intent: Intent) -> float:
    """How far apart task and intent were made, in seconds by two clocks."""
    return abs(task.created.timestamp() - intent.created) if task.created else 0.0


async def _fits_better(ledger: Ledger, task: Task, intent: Intent) -> bool:
    """Whether a task that names no reference is nearer to another wish with the same seed of the caller's."""
    if intent.own_seed or task.reply_ref is not None:
        return False
    mine = _distance(task, intent)
    rivals = [other for other in await ledger.unfinished() if other.task_id is None and other.id != intent.id]
    return any(is_ours(task, rival) and _distance(task, rival) < mine for rival in rivals)


async def _pages(client: RunwayClient, intent: Intent) -> AsyncIterator[tuple[Task, ...]]:
    """Pages of the task list until one is short, or reaches behind the intent in a list that is newest first."""
    for offset, limit in _PAGES:
        page = await client.tasks(email=intent.account, offset=offset, limit=limit, patience=_PATIENCE)
        yield page
        if len(page) < limit:
            return
        dates = [task.created_at or "" for task in page]
        newest_first = dates[0] > dates[-1] and dates == sorted(dates, reverse=True)
        if newest_first and _is_older(page[-1], intent):
            return


def _is_older(task: Task, intent: Intent) -> bool:
    return task.created is not None and task.created.timestamp() < intent.created - CLOCK_SKEW


async def _owned(ledger: Ledger, task_id: str, intent: Intent) -> bool:
    owner = await ledger.of_task(task_id)
    return owner is not None and owner.id != intent.id
