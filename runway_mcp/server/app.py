"""Opens the lifespan of a server: the Runway client, films and tasks; and builds a server that opens it at once.

Building it reads and opens nothing. Without a token everything can be listed, and each call says what to set. All
shared state belongs to the lifespan, because one process may serve through several copies of its server.
"""

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
from mcp.server.lowlevel import Server

from runway_mcp.films.continuing.continuations import Continuations, note_change, open_continuations
from runway_mcp.films.continuing.tools import Tools
from runway_mcp.films.keeper import Keeper, open_keeper
from runway_mcp.films.opening import Films, open_films
from runway_mcp.films.own import forget_kept_since, keep_own, kept_since, resume_keeping
from runway_mcp.media.files.folder import Free, disk_free
from runway_mcp.private import LEDGER
from runway_mcp.runway.client import RunwayClient
from runway_mcp.runway.models import Task
from runway_mcp.server.assembly import assemble
from runway_mcp.server.context import Lifespan
from runway_mcp.server.updates.films import FilmObservers
from runway_mcp.server.updates.observers import Observers
from runway_mcp.server.updates.subscriptions import Subscriptions
from runway_mcp.server.waits import Waits
from runway_mcp.settings import Settings, films_folder
from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.policy import SpendPolicy
from runway_mcp.tasks.service import OnChange, TaskService, open_tasks
from runway_mcp.tasks.store.opening import opened_store
from runway_mcp.tasks.store.protocol import LedgerError

if TYPE_CHECKING:
    from runway_mcp.runway.exchange import Transport


def create_server(
    settings: Settings,
    *,
    transport: "Transport | None" = None,
    now: Callable[[], float] = time.time,
    free: Free = disk_free,
) -> Server[Lifespan]:
    """A server with these settings; `transport` replaces the network, `now` is the wall clock in Unix seconds.

    `free` tells how much of a disk is free. A setting `save` that is not given counts as `never`.
    """

    def lifespan(_: Server[Any]) -> AbstractAsyncContextManager[Lifespan]:
        return open_lifespan(settings, transport=transport, now=now, free=free)

    return assemble(settings, lifespan)


@asynccontextmanager
async def open_lifespan(
    settings: Settings,
    *,
    transport: "Transport | None" = None,
    now: Callable[[], float] = time.time,
    free: Free = disk_free,
) -> AsyncGenerator[Lifespan]:
    """Opens all that handlers reach, for as long as the server lives; the parameters are those of `create_server`."""
    subscriptions = Subscriptions()
    async with (
        open_films(url=settings.url, data_dir=settings.data_dir) as films,
        _opened_service(settings, transport, now, films=films, free=free, tell=subscriptions) as (
            service,
            keeper,
            continuations,
        ),
        anyio.create_task_group() as background,
    ):
        films_observed = None
        if service is not None and continuations is not None:
            films_observed = FilmObservers(service, continuations, background, tell=subscriptions.film_changed)
        observers = Observers(service, background, unfinished=subscriptions.unfinished, films=films_observed)
        waits = Waits(settings.wait_seconds)
        yield Lifespan(settings, service, now, subscriptions, observers, waits, films, keeper, continuations)
        background.cancel_scope.cancel()


_Opened = tuple[TaskService | None, Keeper | None, Continuations | None]


@asynccontextmanager
async def _opened_service(
    settings: Settings,
    transport: "Transport | None",
    now: Callable[[], float],
    *,
    films: Films,
    free: Free,
    tell: Subscriptions,
) -> AsyncGenerator[_Opened]:
    """The task service on an open client, the keeper of its films and the films of several parts that are under way.

    None without a token; the keeper also where no films are kept.
    """
    if settings.token is None:
        yield None, None, None
        return
    token = settings.token.get_secret_value()
    async with AsyncExitStack() as stack:
        url = settings.database_url.get_secret_value() if settings.database_url else None
        store = await stack.enter_async_context(opened_store(settings.data_dir / LEDGER, now, database_url=url))
        client = await stack.enter_async_context(
            RunwayClient(url=settings.url, token=token, transport=transport, now=now)
        )
        keeper, folder, data_dir = None, None, settings.data_dir
        if settings.save == "own":
            folder = films_folder(settings)
            opening = open_keeper(client, links=films.links, folder=folder, data_dir=data_dir, free=free)
            keeper = await stack.enter_async_context(opening)
        tools = Tools(client, store, films, data_dir, folder, free=free, uploads=bool(settings.upload_films))
        caps = SpendPolicy(per_call=settings.max_credits_per_call, per_day=settings.max_credits_per_day)
        continuations = await stack.enter_async_context(open_continuations(tools, caps=caps, on_join=tell.film_joined))
        service = await stack.enter_async_context(
            open_tasks(
                client,
                store=store,
                poll_seconds=settings.poll_seconds,
                on_change=partial(_changed, tell.changed, keeper, continuations),
                public_url=settings.public_url,
            )
        )
        continuations.background.start_soon(continuations.resume, service.submissions)
        if keeper is None:
            forget_kept_since(data_dir)
        else:
            since = kept_since(data_dir, store.now())
            keeper.background.start_soon(partial(resume_keeping, keeper, store, since=since))
        yield service, keeper, continuations


async def _changed(
    tell: OnChange,
    keeper: Keeper | None,
    continuations: Continuations,
    task: Task,
    intent: Intent | LedgerError | None,
) -> None:
    """Tells of a change, joins a film whose new part has ended, and begins to keep the films of any other own task."""
    await tell(task, intent)
    await note_change(continuations, task, intent)
    if keeper is not None:
        await keep_own(keeper, task, intent if isinstance(intent, Intent) else None)
