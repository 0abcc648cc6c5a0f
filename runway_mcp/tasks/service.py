"""Task service: ledger, watcher, submits and callbacks in one task group for the server's lifespan."""

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import anyio
from anyio.abc import TaskGroup

from runway_mcp.runway.client import RunwayClient
from runway_mcp.runway.models import Task
from runway_mcp.tasks.callbacks import Callbacks, address
from runway_mcp.tasks.failures import failure_words, film_of
from runway_mcp.tasks.follow.durations import Durations
from runway_mcp.tasks.follow.missing_films import LOOKED_FOR_SECONDS, MissingFilms
from runway_mcp.tasks.follow.sharing import ReadPermits
from runway_mcp.tasks.follow.watcher import Watcher
from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.recall import gone_words
from runway_mcp.tasks.spend.audit import Audit
from runway_mcp.tasks.spend.dependencies import MaySpend, SubmitDependencies, everyone_may_spend
from runway_mcp.tasks.spend.posting import Posts
from runway_mcp.tasks.spend.reconcile import Reconciler
from runway_mcp.tasks.spend.submit import Submissions
from runway_mcp.tasks.store.caller_view import CallerLedger
from runway_mcp.tasks.store.protocol import LedgerError, OnJoin, Store
from runway_mcp.tasks.store.retries import done_once
from runway_mcp.tasks.transitions import Selection

_log = logging.getLogger(__name__)

SHUTDOWN_GRACE: Final = 3.0
"""How long a shutdown waits for the answers of POSTs, in seconds; hosts kill a server soon after they ask it to end."""

# How many of the newest successes a start learns from: those without a film, and how long the others took.
_FILMLESS, _SUCCESSES = 100, 200


@dataclass(frozen=True)
class TaskService:
    """What a call may use: client, its caller's ledger, and the watcher, submits and callbacks of this process."""

    client: RunwayClient
    ledger: CallerLedger
    watcher: Watcher
    submissions: Submissions
    callbacks: Callbacks

    @property
    def caller(self) -> str:
        """Whose calls it serves; empty for the one user of stdio and of the one access token."""
        return self.ledger.caller

    def for_caller(self, caller: str) -> "TaskService":
        """The same service for another caller."""
        return replace(self, ledger=CallerLedger(self.ledger.store, caller))


OnChange = Callable[[Task, Intent | LedgerError | None], Awaitable[None]]
"""What is awaited with a task that changed and the intent that owns it, if any; an error if that cannot be known."""


async def _ignore(_task: Task, _intent: Intent | LedgerError | None) -> None:
    return


@asynccontextmanager
async def open_tasks(
    client: RunwayClient,
    *,
    store: Store,
    poll_seconds: float,
    on_change: OnChange = _ignore,
    public_url: str | None = None,
    on_join: OnJoin | None = None,
    may_spend: MaySpend = everyone_may_spend,
    grace: float = SHUTDOWN_GRACE,
) -> AsyncGenerator[TaskService]:
    """Opens the task service on an open client and resumes, in the background, what earlier processes left.

    `store` keeps the ledger and gives the time; its owner closes it afterwards. `on_change` is awaited with each
    accepted task, and with each followed one whenever upstream reports a change, and with the intent that owns it. An
    unusable ledger does not prevent the start; each submit then fails with the reason. `poll_seconds` is the shortest
    time between two reads of an account. `public_url` is where upstream reaches this process over HTTP; with it,
    submits without a replyUrl request callbacks. `on_join` is told of films that servers on other machines have joined.
    `may_spend` tells whether a caller may still spend. The end waits `grace` seconds for the answers of POSTs that are
    out.
    """
    durations = Durations()
    callbacks = address(public_url) if public_url else None
    replicas = store.replicas
    audit = Audit(client.telemetry.meter)
    sharing = ReadPermits(replicas, identity=client.identity) if replicas is not None else None
    telling = set[tuple[str, ...]]()

    async def note(task: Task) -> None:
        intent = await write_down(store, task)
        try:
            await on_change(task, intent)
        finally:
            tell_later(task, intent)
            missing.noted(task, is_own=isinstance(intent, Intent))

    def tell_later(task: Task, intent: Intent | LedgerError | None) -> None:
        if isinstance(intent, LedgerError) and task.is_terminal:
            # It is followed no more, so that nothing else would tell the ledger, nor have the film kept and joined.
            background.start_soon(_told_later, telling, task.task_id, partial(_note_end, store, on_change, task), _END)

    async with anyio.create_task_group() as background:
        missing = MissingFilms(client, background, note)
        watcher = Watcher(
            client,
            background,
            poll_seconds=poll_seconds,
            on_change=note,
            on_gone=partial(_note_gone, store, background, telling),
            durations=durations,
            now=store.now,
            sharing=sharing,
        )

        async def accepted(task: Task) -> None:
            audit.accepted(await taken_up(task), task.task_id)

        async def taken_up(task: Task) -> Intent | None:
            intent = await write_down(store, task)
            owner = intent if isinstance(intent, Intent) else None
            try:
                await on_change(task, intent)
            finally:
                # Whatever fails in telling of it, it is paid for.
                watcher.follow(
                    task,
                    calls_back=_calls_back(callbacks, owner),
                    oldest=store.now() - owner.created if owner else None,
                )
                tell_later(task, intent)
            return owner

        dependencies = SubmitDependencies(client, store, background, accepted, taken_up, audit, may_spend)
        reconciler = Reconciler(dependencies)
        posts = Posts(dependencies, reconciler)
        submissions = Submissions(dependencies, reconciler, posts, watcher, callbacks=callbacks)
        called = Callbacks(store, watcher, posts, reconciler, pause=poll_seconds)
        resume = partial(
            done_once,
            partial(_resume, client, store, submissions, durations, missing),
            meanwhile="Nothing can be submitted until that is mended.",
            fault="what earlier processes left could not all be taken up",
        )
        background.start_soon(resume)
        background.start_soon(reconciler.sweep)
        if replicas is not None:
            # Imported only with a database: a ledger in a file has no other servers.
            from runway_mcp.tasks.replicas import OtherServers  # noqa: PLC0415

            others = OtherServers(store, watcher, called, taken_up=taken_up, on_join=on_join)
            background.start_soon(others.run, replicas)
        try:
            yield TaskService(client, CallerLedger(store, ""), watcher, submissions, called)
        finally:
            await posts.finish(grace)
            background.cancel_scope.cancel()


def _calls_back(callbacks: object | None, owner: Intent | None) -> bool:
    """Whether upstream was asked to call back for a task."""
    return callbacks is not None and owner is not None and owner.callback_token is not None


async def write_down(ledger: Store, task: Task) -> Intent | LedgerError | None:
    """Records a task's state; returns the intent that owns it, None if there is none, the error if the ledger fails.

    A failing ledger is only logged, so that observers still get the change.
    """
    try:
        return await observe(ledger, task)
    except LedgerError as error:
        _log.warning("the ledger could not be told of a task's state: %s", error)
        return error


async def observe(ledger: Store, task: Task) -> Intent | None:
    """Records a task's state; returns the intent that owns it, None if there is none; raises `LedgerError`."""
    return await ledger.observe(
        task.task_id, task.status, ended=task.is_terminal, film=film_of(task), failure=failure_words(task)
    )


# What is not done while the ledger cannot be told of a task, and what will not have been.
_END = "The end of a task is told to it as soon as it can be used.", "the end of a task could not be told to the ledger"
_GONE = "It is told of it as soon as it can be.", "that a task is gone could not be told to the ledger"


async def _note_end(ledger: Store, on_change: OnChange, task: Task) -> None:
    await on_change(task, await observe(ledger, task))


async def _note_gone(ledger: Store, background: TaskGroup, telling: set[tuple[str, ...]], task: Task) -> None:
    """Records a task that upstream does not know any more, in the background where the ledger fails."""

    async def gone() -> None:
        await ledger.observe(task.task_id, task.status, ended=True, film=None, failure=gone_words(task.task_id))

    try:
        await gone()
    except LedgerError as error:
        # It is read no more, so that nothing else would tell the ledger.
        _log.warning("the ledger could not be told of a task that is gone: %s", error)
        background.start_soon(_told_later, telling, task.task_id, gone, _GONE)


async def _told_later(
    telling: set[tuple[str, ...]], task_id: str, tell: Callable[[], Awaitable[None]], words: tuple[str, str]
) -> None:
    """Tells the ledger of a task as `done_once`, unless that is under way: what it has not heard is read once more."""
    key, (meanwhile, fault) = (task_id, *words), words
    if key in telling:
        return
    telling.add(key)
    try:
        await done_once(tell, meanwhile=meanwhile, fault=fault)
    finally:
        telling.discard(key)


async def take_up(service: TaskService) -> None:
    """Follows each unfinished task of the ledger that is not followed yet, as of a caller who came later; never raises.

    Unclear submits are found by the sweep that runs all the time.
    """

    async def follow() -> None:
        await service.submissions.follow_unfinished()

    await done_once(
        follow,
        meanwhile="The tasks of a caller who came later are not followed until that is mended.",
        fault="the tasks of a caller who came later could not be taken up",
    )


async def _resume(
    client: RunwayClient, ledger: Store, submissions: Submissions, durations: Durations, missing: MissingFilms
) -> None:
    """Resumes what earlier processes left, and learns durations from the ledger."""
    filmless = await ledger.select(Selection.WITHOUT_FILM, limit=_FILMLESS)
    succeeded = await ledger.select(Selection.SUCCEEDED, limit=_SUCCESSES)
    client.expect_no_film([intent.task_id for intent in filmless if intent.task_id])
    await submissions.resume()
    for intent in filmless:
        if intent.task_id is not None and ledger.now() - (intent.ended or 0.0) < LOOKED_FOR_SECONDS:
            missing.look_for(intent.task_id)
    for intent in reversed(succeeded):
        durations.learn((intent.task_type, intent.explore_mode), (intent.ended or intent.created) - intent.created)
