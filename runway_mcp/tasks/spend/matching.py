"""Matching of an intent to upstream's tasks, for submits of unknown outcome; only reads and compares.

A generated replyRef or seed is unguessable and proves a match. One chosen by the caller may occur
twice, and a film from a start frame may be shown without its seed: then source, options and time must match, and a
running task must be in the scheduler's list of API tasks.
"""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import anyio

from runway_mcp.runway.client import LARGEST_LAST_PAGE, LARGEST_PAGE, LAST_OFFSET, RunwayClient
from runway_mcp.runway.errors import RunwayError, UnexpectedResponse
from runway_mcp.runway.ids import account_of, kind_of
from runway_mcp.runway.links import file_of
from runway_mcp.runway.models import Entries, RunningTask, Task
from runway_mcp.tasks.catalogue import CREATE_MODELS, MODELS
from runway_mcp.tasks.intents import LOOKING_SECONDS, Intent, normalized, uuid_of
from runway_mcp.tasks.store.caller_view import CallerLedger
from runway_mcp.tasks.store.protocol import Store
from runway_mcp.tasks.transitions import Selection

# Seconds by which a task may be dated before the POST: on upstream's clock, and if only the ledger's is known.
_BLUR, _CLOCK_SKEW = 2.0, 60.0
_FIRST_PAGE = 100
_LOOK_READ_SECONDS = 3.0


@dataclass(frozen=True)
class LookResult:
    """What a look found: the intent's task or None.

    `complete` says that the scheduler and the task list could both be read. `alike` says that a task is there which
    nobody owns and which may be the intent's, though upstream does not show whose it is.
    """

    task: Task | None
    complete: bool
    alike: bool = False

    @property
    def proves_none(self) -> bool:
        """Whether upstream shows that the intent has no task."""
        return self.task is None and self.complete and not self.alike


async def look(client: RunwayClient, ledger: Store, intent: Intent, named: Iterable[RunningTask] = ()) -> LookResult:
    """Looks for the task that the intent's POSTs made; a task that another intent owns does not count.

    `named` are running tasks that an answer listed, beside those of the scheduler.
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
        task, alike = await _listed(client, ledger, intent, running)
    except RunwayError:
        return LookResult(None, complete=False)
    return LookResult(task, complete=complete, alike=alike)


async def _running(client: RunwayClient) -> Entries[RunningTask] | None:
    """The scheduler's running tasks; None if they cannot be read."""
    try:
        return await client.scheduler(patience=_LOOK_READ_SECONDS)
    except RunwayError:
        return None


async def among(client: RunwayClient, ledger: Store, intent: Intent, running: Iterable[RunningTask]) -> Task | None:
    """The intent's task among running ones, as the scheduler or a 429 lists them; None if there is none.

    A generated replyRef proves the match even if the task cannot be read; with a caller's, a failed read raises
    `RunwayError`.
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
    """Whether the task in the answer to the intent's POST is another one; absent fields contradict nothing.

    A generated replyRef outweighs all other fields. A terminal task without replyRef, seed and source counts as another
    one.
    """
    if kind_of(task.task_id) != "task":
        return True
    if task.reply_ref is not None:
        if task.reply_ref != intent.reply_ref:
            return True
        if intent.reply_ref_generated:
            return False
    if uuid_of(task.task_id) == uuid_of(intent.parent_task_id or ""):
        return True
    seed = _told_seed(task, intent)
    if task.is_terminal and not any((task.reply_ref, seed, task.options.extended_from_task_id)):
        return True
    return seed not in (None, intent.seed) or _is_from_another(task, intent)


def is_ours(task: Task, intent: Intent, running: Mapping[str, str | None]) -> bool:
    """Whether a task's own fields prove that the intent's POST made it.

    `running` has the replyRef of each task that the scheduler lists, by taskId.
    """
    reference = task.reply_ref or running.get(task.task_id)
    if reference is not None and reference != intent.reply_ref:
        return False
    if intent.reply_ref_generated and reference == intent.reply_ref:
        return True
    seed = _told_seed(task, intent)
    if seed not in (None, intent.seed) or _is_from_another(task, intent):
        return False
    if seed is None and intent.start_frame is None:
        return False
    if seed is not None and intent.seed_generated:
        return True
    return _fits(task, intent) and (task.is_terminal or task.task_id in running)


def _fits(task: Task, intent: Intent) -> bool:
    """Whether all that upstream reports of a task matches, and it was made after the POST left."""
    return (
        _tells_source(task, intent)
        and _has_options(task, intent)
        and task.created is not None
        and not _is_older(task, intent)
    )


def _may_be_ours(task: Task, intent: Intent, running: Mapping[str, str | None]) -> bool:
    """Whether nothing that upstream tells of a task says that another request made it.

    Its start frame may be another upload of the same picture, or the same one under another name.
    """
    reference = task.reply_ref or running.get(task.task_id)
    if reference not in (None, intent.reply_ref) or _told_seed(task, intent) not in (None, intent.seed):
        return False
    if _is_from_another(task, intent) or not _is_of_model(task, intent) or not _has_options(task, intent):
        return False
    return not _is_older(task, intent) or (intent.posts == 0 and intent.posted is None)


def _is_of_model(task: Task, intent: Intent) -> bool:
    """Whether a task may be of the intent's model: of one that extends it names the task that it extends."""
    if intent.task_type in MODELS:
        return task.task_type in (None, intent.task_type) and task.options.extended_from_task_id is not None
    others = {kind for model in CREATE_MODELS.values() if model.name != intent.task_type for kind in model.task_types}
    own = CREATE_MODELS[intent.task_type].task_types if intent.task_type in CREATE_MODELS else ()
    # Without a prompt to compare, something has to say that the task makes a film from a picture.
    is_like = task.task_type in own or task.options.init_image is not None or task.options.seconds is not None
    return task.task_type not in {*MODELS, *others} and (is_like or intent.text_prompt is not None)


def _has_options(task: Task, intent: Intent) -> bool:
    """Whether all options that upstream tells of a task are those of the request."""
    return all(_agrees(getattr(task.options, name, None), asked) for name, asked in _options(intent).items())


def _options(intent: Intent) -> dict[str, Any]:
    """The options of a request as its task tells them, those that are off included."""
    return {"text_prompt": None, "explore_mode": False, **intent.request}


def _agrees(told: object, asked: object) -> bool:
    """Whether a task's option is the requested one; one that upstream does not tell contradicts nothing, but a prompt.

    A prompt is absent exactly if none was requested.
    """
    if isinstance(asked, str) or asked is None:
        return (told is None or isinstance(told, str)) and _reads_as(told, asked)
    return told in (None, asked)


def _told_seed(task: Task, intent: Intent) -> int | None:
    """The seed that a task tells; None also for a model that takes none, since it chooses its own."""
    model = CREATE_MODELS.get(intent.task_type)
    return task.options.seed if model is None or model.takes_seed else None


def _tells_source(task: Task, intent: Intent) -> bool:
    """Whether a task names the intent's source: its uploaded start frame, or the task that it extends."""
    if intent.start_frame is not None:
        return file_of(task.options.init_image) == intent.start_frame
    return task.options.extended_from_task_id is not None


def _is_from_another(task: Task, intent: Intent) -> bool:
    """Whether a task names another source than the intent's; upstream may keep a start frame under another name."""
    source = task.options.extended_from_task_id
    if intent.start_frame is not None:
        return source is not None
    return source is not None and uuid_of(source) != uuid_of(intent.parent_task_id or "")


def _reads_as(told: str | None, asked: str | None) -> bool:
    """Whether a task's prompt is the requested one, verbatim or with its blanks collapsed by upstream."""
    told, asked = normalized(told) or "", normalized(asked) or ""
    return told in (asked, " ".join(asked.split()))


async def candidates(client: RunwayClient, ledger: Store, intent: Intent) -> tuple[Task, ...]:
    """The account's unowned tasks from the ten minutes after the POST, five at most; none if the read fails."""
    page: tuple[Task, ...] = ()
    with anyio.move_on_after(_LOOK_READ_SECONDS), suppress(RunwayError):
        page = await client.tasks(email=intent.account, limit=_FIRST_PAGE, patience=_LOOK_READ_SECONDS)
    latest = (intent.created if intent.posted is None else intent.posted) + LOOKING_SECONDS
    near = [task for task in page if task.created and not _is_older(task, intent)]
    near = [task for task in near if intent.account is None or account_of(task.task_id) in (None, intent.account)]
    near = [task for task in near if task.created and task.created.timestamp() <= latest]
    hidden = await CallerLedger(ledger, intent.caller).hidden(near)
    near = [task for task in near if task.task_id not in hidden]
    return tuple([task for task in near if not await _owned(ledger, task.task_id, intent)][:5])


async def _listed(
    client: RunwayClient, ledger: Store, intent: Intent, running: Collection[RunningTask] | None
) -> tuple[Task | None, bool]:
    """The intent's task in upstream's task list; and whether, without it, a task of nobody may be the intent's."""
    references = {entry.task_id: entry.reply_ref for entry in running or ()}
    alike = False
    async for page in _pages(client, intent):
        fitting = [task for task in page if is_ours(task, intent, references)]
        for task in sorted(fitting, key=lambda task: _distance(task, intent)):
            if await _owned(ledger, task.task_id, intent):
                continue
            # The list may omit a terminal task's account, error or film, so it is read again before it is adopted.
            whole = await client.task(task.task_id, patience=_LOOK_READ_SECONDS) if task.is_terminal else task
            if not is_ours(whole, intent, {task.task_id: None} | references):
                continue
            if await _may_be_of_others(ledger, whole, intent, references):
                alike = True
                continue
            return whole, False
        doubtful = [task for task in page if _may_be_ours(task, intent, references)]
        alike = alike or not all([await _owned(ledger, task.task_id, intent) for task in doubtful])
    return None, alike


async def _may_be_of_others(ledger: Store, task: Task, intent: Intent, running: Mapping[str, str | None]) -> bool:
    """Whether a task that nothing proves to be the intent's may as well be that of another caller's open request."""
    if _proves(task, intent, running):
        return False
    unfinished = await ledger.select(Selection.UNFINISHED)
    others = [each for each in unfinished if each.caller != intent.caller and each.task_id is None]
    return any(_may_be_ours(task, each, running) for each in others)


def _proves(task: Task, intent: Intent, running: Mapping[str, str | None]) -> bool:
    """Whether a task carries what this server made up for the intent alone: its replyRef, or its seed."""
    reference = task.reply_ref or running.get(task.task_id)
    has_reference = intent.reply_ref_generated and reference == intent.reply_ref
    return has_reference or (intent.seed_generated and _told_seed(task, intent) == intent.seed)


def _distance(task: Task, intent: Intent) -> float:
    """Seconds between the creation of a task and the POST."""
    made = intent.created if intent.posted is None else intent.posted
    return abs(task.created.timestamp() - made) if task.created else 0.0


async def _pages(client: RunwayClient, intent: Intent) -> AsyncIterator[tuple[Task, ...]]:
    """Pages of the task list, until one has no new task or, in a list sorted newest first, is older than the POST.

    Raises `UnexpectedResponse` at its end if an entry could not be read or shown, since it may be the task. A page
    shorter than its limit need not be the last.
    """
    offset, limit, skipped = 0, _FIRST_PAGE, 0
    seen: set[str] = set()
    while offset <= LAST_OFFSET:
        page = await client.tasks(
            email=intent.account, offset=offset, limit=limit, patience=_LOOK_READ_SECONDS, every=True
        )
        skipped += page.skipped
        new = {task.task_id for task in page} - seen
        if not new:
            # A full page of known tasks: upstream may not heed the offset, and have more than it shows.
            skipped += len(page) >= limit
            break
        yield page
        dates = [task.created_at or "" for task in page]
        newest_first = dates[0] > dates[-1] and dates == sorted(dates, reverse=True)
        if newest_first and intent.posted is not None and _is_older(page[-1], intent):
            break
        seen |= new
        offset += len(page) + page.skipped
        # A task beyond the reach of looks would count as not there, and its request could be paid twice.
        limit = min(LARGEST_PAGE, LAST_OFFSET - offset) or LARGEST_LAST_PAGE
    if skipped:
        raise UnexpectedResponse("Not every entry in the list of tasks could be read.")


def _is_older(task: Task, intent: Intent) -> bool:
    """Whether a task is dated before the intent's first POST, on upstream's clock as far as it is known."""
    if task.created is None:
        return False
    made = task.created.timestamp()
    return made < (intent.created - _CLOCK_SKEW if intent.posted is None else intent.posted - _BLUR)


async def _owned(ledger: Store, task_id: str, intent: Intent) -> bool:
    owner = await ledger.find("task_id", task_id)
    return owner is not None and owner.id != intent.id
