"""Reads on behalf of a request, each in a bounded time: tasks, the balance, names resolved, earlier requests, plans."""

import logging
from contextlib import suppress
from dataclasses import replace
from typing import Final

import anyio

from runway_mcp.films.keeping import Keeping
from runway_mcp.films.naming import own_films
from runway_mcp.films.own_films import may_begin
from runway_mcp.films.places import SavedFilm
from runway_mcp.runway.client import RunwayClient
from runway_mcp.runway.errors import NotFound, RunwayError, Unavailable
from runway_mcp.runway.ids import checked_id, kind_of
from runway_mcp.runway.models import Asset, Credits, Extension, Task
from runway_mcp.server.context import ServerContext
from runway_mcp.tasks.catalogue import CreateModel
from runway_mcp.tasks.failures import Failure, failure_of
from runway_mcp.tasks.follow.followed import Followed
from runway_mcp.tasks.history import is_likely_of_another, is_of_another, is_owned_by_another, owning_intent
from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.naming import find_clip, find_task, nearest_clips
from runway_mcp.tasks.policy import iso
from runway_mcp.tasks.recall import known_end
from runway_mcp.tasks.service import TaskService, write_down
from runway_mcp.tasks.spend.plan import Plan, make_plan, source_of
from runway_mcp.tasks.spend.submit import Waiting
from runway_mcp.tasks.store.protocol import LedgerError

READING_SECONDS = 5.0
"""How long a read may take, in seconds, however short the wait of its call is."""

FRESH_SECONDS = 60.0
"""For how long after its submit a task may be unknown to upstream, in seconds."""

PASSING: Final = frozenset({"unavailable", "busy", "unexpected_response"})
"""The kinds of failures for which a task that cannot be read now is told as the ledger remembers it."""

_BALANCE_SECONDS = 3.0
_SOURCE_SECONDS = 3.0
# A source that exists does not change; one that was deleted is told for as long.
_SOURCE_KEPT_SECONDS = 60.0

_SLOW_LISTS = (
    "Runway's lists, in which the {kind} was looked for, could not be read in time; nothing was submitted. By its "
    "whole {id} it can be named without them."
)

_EARLIER_UNTOLD = (
    "This call submitted nothing; what an earlier call of the same request came to cannot be told until then."
)

# Without upstream's own words, which a task of another caller would lack.
UNKNOWN_TASK = "useapi.net found nothing under this id."
"""What is said of a task that does not exist, or exists for others alone."""


_log = logging.getLogger(__name__)


async def earlier_of(
    context: ServerContext, asked: Extension, *, dry: bool, model: CreateModel | None = None, is_open_too: bool = False
) -> Intent | None:
    """The intent that answers a request whatever upstream says; None if there is none.

    `model` is the one that continues the clip; None for an extension. A dry run gets only an intent whose request is
    never posted again, unless `is_open_too`. Raises `Failure` if the ledger fails, since nothing can be submitted then;
    a dry run gets None, and reports the ledger at its end.
    """
    try:
        earlier = await context.service.submissions.earlier(asked, caller=context.caller, model=model)
        if earlier and await context.service.ledger.hides(asked.asset_id, near=earlier.source_asset_id):
            return None
    except LedgerError as error:
        if not dry:
            raise Failure("unavailable", f"{error} {_EARLIER_UNTOLD}") from error
        _log.warning("%s", error)
        return None
    return None if earlier is None or (dry and not (is_open_too or earlier.is_final)) else earlier


async def clip_id_of(context: ServerContext, reference: str, *, seconds: float, by_film_names: bool = True) -> str:
    """The assetId, or the taskId of the making task, that a reference names; raises `Failure`, also after `seconds`.

    `by_film_names` as for `find_clip`.
    """
    if kind_of(reference) is not None:
        return reference
    service = context.service
    with anyio.move_on_after(seconds):
        try:
            email = context.settings.email
            return await find_clip(service.client, service.ledger, reference, email=email, by_film_names=by_film_names)
        except LedgerError as error:
            raise Failure("unavailable", f"{error} Until then clips can be named by their assetId alone.") from error
    raise Failure("unavailable", _SLOW_LISTS.format(kind="clip", id="assetId"))


async def plan_of(
    context: ServerContext, asked: Extension, *, spelling: str | None, seconds: float, patience: float
) -> Plan:
    """The plan of an extension; each read is repeated for `patience` seconds. Raises `Failure`, also after `seconds`.

    `spelling` is the caller's name for the clip. The failure of an unknown id names the clips with the nearest ids.
    """
    client, ledger = context.service.client, context.service.ledger
    with anyio.move_on_after(seconds):
        try:
            return await _own_plan(context.service, asked, spelling=spelling, patience=patience)
        except Failure as failure:
            if failure.kind != "not_found":
                raise
            near = ""
            with anyio.move_on_after(seconds / 2):
                near = await nearest_clips(client, ledger, asked.asset_id, email=context.settings.email)
            raise replace(failure, message=f"{failure.message} {near}".strip()) from failure
    raise Failure("unavailable", "Runway did not answer in time when the clip was checked; nothing was submitted.")


async def _own_plan(service: TaskService, asked: Extension, *, spelling: str | None, patience: float) -> Plan:
    """The plan; another caller's task names no clip, at the cost and in the words of an unknown one."""
    if kind_of(asked.asset_id) != "task":
        return await make_plan(service.client, asked, spelling=spelling, patience=patience)
    unknown = Failure("not_found", UNKNOWN_TASK)
    try:
        plan = await make_plan(service.client, asked, spelling=spelling, patience=patience)
    except Failure as failure:
        can_tell = failure.kind in ("invalid_request", "not_found")
        if can_tell and await _is_hidden(service, asked.asset_id, failure.task):
            raise unknown from None
        raise unknown if failure.kind == "not_found" else failure from None
    if await _is_hidden(service, asked.asset_id, plan.parent):
        raise unknown
    return plan


async def _is_hidden(service: TaskService, task_id: str, task: Task | None) -> bool:
    return await is_of_another(service, task or Task(task_id=task_id))


async def task_id_of(context: ServerContext, reference: str, *, seconds: float) -> str:
    """The taskId that a reference names; raises `Failure`, also after `seconds`."""
    if kind_of(reference) == "task":
        return checked_id(reference, "taskId")
    service = context.service
    with anyio.move_on_after(seconds):
        try:
            return await find_task(service.client, service.ledger, reference, email=context.settings.email)
        except LedgerError as error:
            raise Failure("unavailable", f"{error} Until then tasks can be named by their taskId alone.") from error
    raise Failure("unavailable", _SLOW_LISTS.format(kind="task", id="taskId"))


async def read_named(context: ServerContext, task_id: str, *, wait: float, often: bool = False) -> Task:
    """The task, as `read_task`; the `Failure` of an unknown id names the clips with the nearest ids or names."""
    try:
        return await read_task(context, task_id, wait=wait, often=often)
    except NotFound as error:
        failure, near, service = failure_of(error), "", context.service
        with anyio.move_on_after(READING_SECONDS):
            near = await nearest_clips(service.client, service.ledger, task_id, email=context.settings.email)
        raise replace(failure, message=f"{failure.message} {near}".strip()) from error


async def read_task(context: ServerContext, task_id: str, *, wait: float, often: bool = False) -> Task:
    """The task, for a caller that is going to wait for `wait` seconds.

    With a wait, a followed task that cannot be read is returned as last read, and the wait goes on; `often` as for
    `Watcher.read`. Raises as `task_of`.
    """
    service, began = context.service, anyio.current_time()
    owned = await is_owned_by_another(service, task_id)
    followed = None if owned else service.watcher.followed(task_id)
    if wait <= 0:
        return await _task_of(service, task_id, until=began + READING_SECONDS, often=often, owned=owned)
    if followed is None or not followed.is_told:
        return await _task_of(service, task_id, until=began + max(wait, READING_SECONDS), often=often, owned=owned)
    try:
        return await _task_of(service, task_id, until=began + min(wait, READING_SECONDS), often=False, owned=owned)
    except (Unavailable, Failure) as error:
        if error.kind != "unavailable":
            raise
        _log.info("a task that is followed could not be read: %s", error)
        if await is_likely_of_another(service, followed.task):
            raise NotFound(UNKNOWN_TASK, status=404) from error
        return followed.task


async def task_of(
    context: ServerContext, task_id: str, *, seconds: float = READING_SECONDS, often: bool = False
) -> Task:
    """The task from upstream; from the ledger if that knows its end and upstream's last word is older.

    If upstream does not know it, from the ledger if it was just accepted or has ended.

    Raises `RunwayError`; `Failure` after `seconds`.
    """
    until = anyio.current_time() + seconds
    owned = await is_owned_by_another(context.service, task_id)
    return await _task_of(context.service, task_id, until=until, often=often, owned=owned)


async def with_known_end(service: TaskService, task: Task) -> Task:
    """The task; its end as the ledger knows it where `task` is older."""
    if task.is_terminal:
        return task
    return known_end(await owning_intent(service, task.task_id), task.task_id) or task


async def _task_of(service: TaskService, task_id: str, *, until: float, often: bool, owned: bool) -> Task:
    """As `task_of`, until a moment of the event loop's; an end that the ledger knows is told before any older state.

    One that is `owned` by another caller is answered as, and costs what an unknown one costs.
    """
    try:
        task = await _task_read(service, task_id, until=until, often=often, owned=owned)
    except (RunwayError, Failure) as error:
        end = known_end(await owning_intent(service, task_id), task_id) if error.kind in PASSING else None
        if end is None:
            raise
        _log.info("the end of a task is told from the ledger: %s", error)
        return end
    return await with_known_end(service, task)


async def _task_read(service: TaskService, task_id: str, *, until: float, often: bool, owned: bool) -> Task:
    seconds = until - anyio.current_time()
    with anyio.move_on_after(seconds):
        read = service.watcher.read_in_vain if owned else service.watcher.read
        task: Task | None = None
        with suppress(NotFound):
            task = await read(task_id, patience=seconds / 2, often=often)
        is_likely = await is_likely_of_another(service, task or Task(task_id=task_id))
        if task is not None and not is_likely:
            return task
        intent = await owning_intent(service, task_id)
        if intent is not None and intent.ended is not None:
            return await _remembered(service, intent)
        if intent is None:
            raise NotFound(UNKNOWN_TASK, status=404)
        if not _may_be_fresh(service.watcher.followed(task_id)):
            cost = f", for about {intent.cost} credits" if intent.cost else ""
            told = _NOT_SHOWN.format(date=iso(intent.created), cost=cost)
            raise Failure("not_found", told, charged="yes" if intent.cost else "no", retry="later")
        task = Task(task_id=task_id, status=intent.status or "PENDING")
        service.watcher.follow(task)
        return task
    raise Failure("unavailable", "Runway did not tell of the task in time.")


_NOT_SHOWN = (
    "Runway does not show this task now, though it accepted it: this server submitted it once, at {date}{cost}. It may "
    "have been deleted at Runway, or be shown again later."
)


async def _remembered(service: TaskService, intent: Intent) -> Task:
    """What is left of a submitted task that was deleted after its end; raises `Failure`, charged, if nothing is."""

    async def quiet(_: Waiting) -> None:
        pass

    told = await service.submissions.answer(intent, deadline=anyio.current_time(), say=quiet)
    if told is None:
        raise Failure("not_found", "Runway does not know this task any more.")
    return told.task


def _may_be_fresh(followed: Followed | None) -> bool:
    """Whether upstream may not know a submitted task yet: it has never shown it, or the submit is recent.

    The event loop's clock counts: the machine's may jump, and a new task would look old.
    """
    if followed is None or not followed.is_told:
        return True
    return anyio.current_time() - followed.began <= FRESH_SECONDS


async def balance_of(client: RunwayClient, account: str | None) -> Credits | None:
    """What is left on an account; None if that cannot be read within three seconds."""
    with anyio.move_on_after(_BALANCE_SECONDS):
        try:
            return await client.credits(account, patience=0.0)
        except RunwayError as error:
            _log.info("the balance could not be read: %s", error)
    return None


async def extended_by(context: ServerContext, task: Task) -> Asset | None:
    """The film that a task not submitted here extends; None if it extends none, or after three seconds."""
    client = context.service.client

    async def once() -> Asset | None:
        return await source_of(client, task, patience=0.0)

    with anyio.move_on_after(_SOURCE_SECONDS):
        return await client.shared.read(
            ("source of", task.task_id), once, keeps=_is_known, seconds=_SOURCE_KEPT_SECONDS
        )
    return None


def _is_known(source: Asset | None) -> bool:
    return source is not None


async def kept_film(context: ServerContext, task: Task, intent: Intent | None, *, seconds: float) -> SavedFilm | None:
    """The film of an own task on disk, waited for if it is under way; None where none is kept.

    It is begun to be kept where `may_begin` allows that.
    """
    keeper = context.keeper
    wanted = next(iter(own_films(task, intent)), None) if intent is not None else None
    if keeper is None or wanted is None or intent is None:
        return None

    async def quiet(_: Keeping) -> None:
        pass

    place = await keeper.place(wanted.asset_id, wanted.caller)
    if place == "begun" or (place is None and may_begin(intent)):
        keeping = await keeper.begin(wanted, again=False)
        await keeping.wait(deadline=anyio.current_time() + seconds, tell=quiet)
        return keeping.saved
    return place if isinstance(place, SavedFilm) else None


async def note_end(context: ServerContext, task: Task) -> None:
    """Writes the end of a terminal task to the ledger; a ledger that fails does not fail the call."""
    if task.is_terminal:
        await write_down(context.service.ledger.store, task)
