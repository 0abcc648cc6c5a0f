"""What upstream shows of a submit whose outcome is not known: reads and compares, changes nothing.

Upstream may show the replyRef in the list of running tasks, and seed, source and time in the list of all. A reference
or a seed that we made is unguessable and tells enough. A caller's may stand behind many films, some of them made by
hand: it counts only with all the rest, and an unfinished task only if the list of running ones shows it, since that
lists what was started through the API.
"""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import anyio

from runway_mcp.runway.client import RunwayClient
from runway_mcp.runway.errors import RunwayError, UnexpectedResponse
from runway_mcp.runway.ids import account_of, kind_of
from runway_mcp.runway.models import Entries, RunningTask, Task
from runway_mcp.tasks.intents import LOOKING_SECONDS, Intent, normalized, uuid_of
from runway_mcp.tasks.store.ledger import Ledger

# How much earlier than the POST a task may be dated: on upstream's own clock, and where only ours is known.
_BLUR, _CLOCK_SKEW = 2.0, 60.0
# The length of the first page that is looked through, and of each further one; the last offset that upstream takes.
_FIRST_PAGE, _PAGE, _LAST_OFFSET = 100, 1000, 1000
_LOOK_READ_SECONDS = 3.0


@dataclass(frozen=True)
class LookResult:
    """What a look saw: the intent's task, or none; `complete` if both lists could be read, so that none means none."""

    task: Task | None
    complete: bool


async def look(client: RunwayClient, ledger: Ledger, intent: Intent, named: Iterable[RunningTask] = ()) -> LookResult:
    """Looks for the task that the intent's POSTs made; one that another intent owns is not seen.

    `named` are running tasks that an answer told of, beside those that the scheduler lists.
    """
    running = await _running(client)
    complete = running is not None and not running.skipped
    try:
        task = await among(client, ledger, intent, (*named, *(running or ())))
    except RunwayError:
        task, complete = None, False
    if task is not None:
        return LookResult(task, complete=True)
    try:
        task = await _listed(client, ledger, intent, running)
    except RunwayError:
        return LookResult(None, complete=False)
    return LookResult(task, complete=complete)


async def _running(client: RunwayClient) -> Entries[RunningTask] | None:
    """The tasks that run; None if they cannot be read."""
    try:
        return await client.scheduler(patience=_LOOK_READ_SECONDS)
    except RunwayError:
        return None


async def among(client: RunwayClient, ledger: Ledger, intent: Intent, running: Iterable[RunningTask]) -> Task | None:
    """The intent's task among running ones, as the scheduler or the body of a 429 names them.

    Our own reference proves it whether the task can be read or not; with a caller's, a read that fails raises.
    """
    for entry in running:
        if entry.reply_ref != intent.reply_ref or await _owned(ledger, entry.task_id, intent):
            continue
        try:
            task = await client.task(entry.task_id, patience=_LOOK_READ_SECONDS)
        except RunwayError:
            if not intent.reply_ref_generated:
                raise
            task = Task(task_id=entry.task_id, status="PENDING", reply_ref=entry.reply_ref)
        if intent.reply_ref_generated or is_ours(task, intent, {entry.task_id: entry.reply_ref}):
            return task
    return None


def contradicts(task: Task, intent: Intent) -> bool:
    """Whether an answer to the intent's POST tells of another task; what it leaves out contradicts nothing.

    Our own reference in it outweighs the rest. A task that has ended already is believed only if it says what it is.
    """
    if kind_of(task.task_id) != "task":
        return True
    if task.reply_ref is not None:
        if task.reply_ref != intent.reply_ref:
            return True
        if intent.reply_ref_generated:
            return False
    if uuid_of(task.task_id) == uuid_of(intent.parent_task_id):
        return True
    told = (task.reply_ref, task.options.seed, task.options.extended_from_task_id)
    if task.is_terminal and not any(told):
        return True
    return task.options.seed not in (None, intent.seed) or _is_from_another(task, intent)


def is_ours(task: Task, intent: Intent, running: Mapping[str, str | None]) -> bool:
    """Whether what a task says of itself proves that the intent's POST made it.

    `running` has the replyRef of each task that the scheduler lists, by taskId.
    """
    options, reference = task.options, task.reply_ref or running.get(task.task_id)
    if reference is not None and reference != intent.reply_ref:
        return False
    if intent.reply_ref_generated and reference == intent.reply_ref:
        return True
    if options.seed != intent.seed or _is_from_another(task, intent):
        return False
    if intent.seed_generated:
        return True
    return _fits(task, intent) and (task.is_terminal or task.task_id in running)


def _fits(task: Task, intent: Intent) -> bool:
    """Whether a task is alike in all that upstream tells, and was made after the POST left."""
    options = task.options
    return (
        options.seed == intent.seed
        and options.extended_from_task_id is not None
        and not _is_from_another(task, intent)
        and options.seconds in (None, intent.seconds)
        and options.explore_mode in (None, intent.explore_mode)
        and _reads_as(options.text_prompt, intent.text_prompt)
        and task.created is not None
        and not _is_older(task, intent)
    )


def _is_from_another(task: Task, intent: Intent) -> bool:
    """Whether a task names another source than the intent's."""
    source = task.options.extended_from_task_id
    return source is not None and uuid_of(source) != uuid_of(intent.parent_task_id)


def _reads_as(told: str | None, asked: str | None) -> bool:
    """Whether a task's prompt is the one that was asked for, as it was or with its blanks tidied by upstream."""
    told, asked = normalized(told) or "", normalized(asked) or ""
    return told in (asked, " ".join(asked.split()))


async def candidates(client: RunwayClient, ledger: Ledger, intent: Intent) -> tuple[Task, ...]:
    """The same account's tasks of the minutes after the POST that no intent owns; none if the read fails."""
    page: tuple[Task, ...] = ()
    with anyio.move_on_after(_LOOK_READ_SECONDS), suppress(RunwayError):
        page = await client.tasks(email=intent.account, limit=_FIRST_PAGE, patience=_LOOK_READ_SECONDS)
    latest = (intent.created if intent.posted is None else intent.posted) + LOOKING_SECONDS
    near = [task for task in page if task.created and not _is_older(task, intent)]
    near = [task for task in near if intent.account is None or account_of(task.task_id) in (None, intent.account)]
    return tuple(
        [
            task
            for task in near
            if task.created and task.created.timestamp() <= latest and not await _owned(ledger, task.task_id, intent)
        ][:5]
    )


async def _listed(
    client: RunwayClient, ledger: Ledger, intent: Intent, running: Collection[RunningTask] | None
) -> Task | None:
    """The intent's task in the list of all."""
    references = {entry.task_id: entry.reply_ref for entry in running or ()}
    async for page in _pages(client, intent):
        fitting = [task for task in page if is_ours(task, intent, references)]
        for task in sorted(fitting, key=lambda task: _distance(task, intent)):
            if await _owned(ledger, task.task_id, intent):
                continue
            # The list may hide whose a task is, why it failed, or its film; who adopts it must not be misled.
            whole = await client.task(task.task_id, patience=_LOOK_READ_SECONDS) if task.is_terminal else task
            if is_ours(whole, intent, {task.task_id: None} | references):
                return whole
    return None


def _distance(task: Task, intent: Intent) -> float:
    """How far apart task and POST were made, in seconds."""
    made = intent.created if intent.posted is None else intent.posted
    return abs(task.created.timestamp() - made) if task.created else 0.0


async def _pages(client: RunwayClient, intent: Intent) -> AsyncIterator[tuple[Task, ...]]:
    """Pages of the task list until one brings nothing new, or reaches behind the POST in a list that is newest first.

    Raises `UnexpectedResponse` at its end if an entry could not be read: that may have been the task. A page may be
    shorter than was asked for without being the last one.
    """
    offset, limit, skipped = 0, _FIRST_PAGE, 0
    seen: set[str] = set()
    while offset <= _LAST_OFFSET:
        page = await client.tasks(email=intent.account, offset=offset, limit=limit, patience=_LOOK_READ_SECONDS)
        skipped += page.skipped
        new = {task.task_id for task in page} - seen
        if not new:
            break
        yield page
        dates = [task.created_at or "" for task in page]
        newest_first = dates[0] > dates[-1] and dates == sorted(dates, reverse=True)
        if newest_first and intent.posted is not None and _is_older(page[-1], intent):
            break
        seen |= new
        offset += len(page) + page.skipped
        limit = min(_PAGE, _LAST_OFFSET - offset) or _PAGE
    if skipped:
        raise UnexpectedResponse("An entry in the list of tasks could not be read.")


def _is_older(task: Task, intent: Intent) -> bool:
    """Whether a task is dated before the intent's first POST, on upstream's clock as far as that is known."""
    if task.created is None:
        return False
    made = task.created.timestamp()
    return made < (intent.created - _CLOCK_SKEW if intent.posted is None else intent.posted - _BLUR)


async def _owned(ledger: Ledger, task_id: str, intent: Intent) -> bool:
    owner = await ledger.of_task(task_id)
    return owner is not None and owner.id != intent.id
