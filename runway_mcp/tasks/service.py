"""Puts the room together for as long as the server lives: ledger, watcher and submits in one task group."""

import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio

from runway_mcp.runway.client import RunwayClient
from runway_mcp.runway.models import Task
from runway_mcp.tasks.callbacks import Callbacks, address
from runway_mcp.tasks.failures import failure_words, film_of
from runway_mcp.tasks.follow.durations import Usual
from runway_mcp.tasks.follow.watcher import Watcher
from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.recall import gone_words
from runway_mcp.tasks.spend.dependencies import Ground
from runway_mcp.tasks.spend.posting import Posts
from runway_mcp.tasks.spend.reconcile import Settlements
from runway_mcp.tasks.spend.submit import Submissions
from runway_mcp.tasks.store.database import LedgerError
from runway_mcp.tasks.store.ledger import Ledger

_log = logging.getLogger(__name__)

# How long a shutdown waits for the answer of a POST that is out; hosts kill a server soon after they ask it to end.
SHUTDOWN_GRACE = 3.0


@dataclass(frozen=True)
class TasksRoom:
    """What a call may reach: upstream, the ledger, the watcher, the submits and the callbacks of this process."""

    client: RunwayClient
    ledger: Ledger
    watcher: Watcher
    submissions: Submissions
    callbacks: Callbacks


async def _ignore(_: Task) -> None:
    return


@asynccontextmanager
async def open_tasks(
    client: RunwayClient,
    *,
    ledger: Path,
    poll_seconds: float,
    on_change: Callable[[Task], Awaitable[None]] = _ignore,
    now: Callable[[], float] = time.time,
    public_url: str | None = None,
) -> AsyncGenerator[TasksRoom]:
    """Opens the room on an open client; takes up, in the background, what an earlier process left unfinished.

    `on_change` is awaited with each task that is ours or followed, whenever upstream tells something else of it. A
    ledger that cannot be used does not stop the start: each submit then says why it is refused. `public_url` is where
    upstream reaches this process over HTTP; with it, submits without a replyUrl ask to be called back.
    """
    book, usual = Ledger(ledger, now), Usual()
    callbacks = address(public_url) if public_url else None

    async def note(task: Task) -> None:
        await write_down(book, task)
        await on_change(task)

    async def note_gone(task: Task) -> None:
        await book.observe(task.task_id, task.status, ended=True, film=None, failure=gone_words(task.task_id))

    async with anyio.create_task_group() as background:
        watcher = Watcher(
            client, background, poll_seconds=poll_seconds, on_change=note, on_gone=note_gone, usual=usual, now=now
        )

        async def accepted(task: Task) -> None:
            await note(task)
            intent = await _intent_of(book, task)
            calls_back = callbacks is not None and intent is not None and intent.callback_token is not None
            watcher.follow(task, calls_back=calls_back, oldest=book.now() - intent.created if intent else None)

        ground = Ground(client, book, background, accepted)
        settlements = Settlements(ground)
        posts = Posts(ground, settlements)
        submissions = Submissions(ground, settlements, posts, watcher, callbacks=callbacks)
        called = Callbacks(book, watcher, posts, settlements, pause=poll_seconds)
        background.start_soon(_take_up, client, book, submissions, usual)
        background.start_soon(settlements.sweep)
        try:
            yield TasksRoom(client, book, watcher, submissions, called)
        finally:
            await posts.finish(SHUTDOWN_GRACE)
            background.cancel_scope.cancel()
            book.close()


async def write_down(book: Ledger, task: Task) -> None:
    """Writes what upstream tells of a task; a ledger that fails keeps nobody from hearing it."""
    try:
        await book.observe(
            task.task_id, task.status, ended=task.is_terminal, film=film_of(task), failure=failure_words(task)
        )
    except LedgerError as error:
        _log.warning("the ledger could not be told of a task's state: %s", error)


async def _intent_of(book: Ledger, task: Task) -> Intent | None:
    try:
        return await book.of_task(task.task_id)
    except LedgerError:
        return None


async def _take_up(client: RunwayClient, book: Ledger, submissions: Submissions, usual: Usual) -> None:
    """Takes up what earlier processes left, and learns from what they saw."""
    try:
        client.expect_no_film(await book.without_film())
        await submissions.resume()
        for sort, took in (await book.durations()).items():
            usual.learn(sort, took)
    except LedgerError as error:
        _log.warning("%s Nothing can be submitted until that is mended.", error)
    except Exception:  # noqa: BLE001  a crash here would end every other call of the process
        _log.exception("what earlier processes left could not all be taken up")
