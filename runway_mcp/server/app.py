"""Opens the lifespan of a server: the Runway client, films and tasks; and builds a server that opens it at once.

Building it reads and opens nothing. Without a token everything can be listed, and each call says what to set. All
shared state belongs to the lifespan, because one process may serve through several copies of its server.
"""

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import anyio
from mcp.server.lowlevel import Server
from pydantic import SecretStr

from runway_mcp.data_folder import LEDGER
from runway_mcp.films.continuing.continuations import Continuations, note_change, open_continuations
from runway_mcp.films.continuing.dependencies import Dependencies
from runway_mcp.films.continuing.preparing.preparations_under_way import Caps
from runway_mcp.films.keeper import Keeper, open_keeper
from runway_mcp.films.opening import Films, open_films
from runway_mcp.films.own_films import forget_kept_since, keep_own, kept_since, resume_keeping
from runway_mcp.media.files.folder import Free, disk_free
from runway_mcp.runway.client import RunwayClient
from runway_mcp.runway.models import Task
from runway_mcp.server.assembly import assemble
from runway_mcp.server.context import Account, Lifespan
from runway_mcp.server.updates.films import FilmObservers
from runway_mcp.server.updates.observers import Observers
from runway_mcp.server.updates.subscriptions import Subscriptions
from runway_mcp.server.waits import Waits
from runway_mcp.settings import Settings, films_folder
from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.policy import SpendPolicy
from runway_mcp.tasks.service import SHUTDOWN_GRACE, OnChange, TaskService, open_tasks
from runway_mcp.tasks.spend.dependencies import MaySpend, everyone_may_spend
from runway_mcp.tasks.store.opening import opened_store
from runway_mcp.tasks.store.protocol import Availability, LedgerError, Store
from runway_mcp.tasks.store.token_view import Owns, everyone, store_of_token, user_of
from runway_mcp.telemetry import NO_TELEMETRY, Telemetry

if TYPE_CHECKING:
    from runway_mcp.callers import CallersFile
    from runway_mcp.runway.http.exchange import Transport

HOSTED_GRACE: Final = 15.0
"""How long a server that is run for others waits at its end for the answers of POSTs, in seconds.

With all else that its end may take it fits the 35 seconds that operators are told. What is answered in it nobody has to
look for.
"""


OpenStore = Callable[..., AbstractAsyncContextManager[Store]]
"""Opens a ledger, with the arguments of `opened_store`."""


def create_server(
    settings: Settings,
    *,
    transport: "Transport | None" = None,
    now: Callable[[], float] = time.time,
    free: Free = disk_free,
    callers: "CallersFile | None" = None,
    telemetry: Telemetry = NO_TELEMETRY,
    open_store: OpenStore = opened_store,
) -> Server[Lifespan]:
    """A server with these settings; `transport` replaces the network, `now` is the wall clock in Unix seconds.

    `free` tells how much of a disk is free. A setting `save` that is not given counts as `never`. `callers` are those
    of a hosted server; `telemetry` is told of its work, and `open_store` opens the ledger as `opened_store` does.
    """

    def lifespan(_: Server[Any]) -> AbstractAsyncContextManager[Lifespan]:
        return open_lifespan(
            settings,
            transport=transport,
            now=now,
            free=free,
            callers=callers,
            telemetry=telemetry,
            open_store=open_store,
        )

    return assemble(settings, lifespan)


@asynccontextmanager
async def open_lifespan(
    settings: Settings,
    *,
    transport: "Transport | None" = None,
    now: Callable[[], float] = time.time,
    free: Free = disk_free,
    callers: "CallersFile | None" = None,
    telemetry: Telemetry = NO_TELEMETRY,
    open_store: OpenStore = opened_store,
) -> AsyncGenerator[Lifespan]:
    """Opens all that handlers reach, for as long as the server lives; the parameters are those of `create_server`."""
    subscriptions, waits = Subscriptions(), Waits(settings.wait_seconds)
    async with AsyncExitStack() as stack:
        films = await stack.enter_async_context(open_films(url=settings.url, data_dir=settings.data_dir))
        store = None
        if settings.token is not None or callers is not None:
            url = settings.database_url.get_secret_value() if settings.database_url else None
            store = await stack.enter_async_context(open_store(settings.data_dir / LEDGER, now, database_url=url))
        meter = telemetry.meter
        if store is not None and meter is not None:
            from runway_mcp.tasks.store.measured import measured_store  # noqa: PLC0415  of servers with figures alone

            store = await stack.enter_async_context(measured_store(store, meter))
        has_issuer = settings.over_http and settings.issuer is not None
        is_for_others = callers is not None or has_issuer or settings.has_replicas
        grace = HOSTED_GRACE if is_for_others else SHUTDOWN_GRACE
        shared = _Shared(
            settings,
            store,
            films,
            subscriptions,
            transport=transport,
            now=now,
            free=free,
            telemetry=telemetry,
            grace=grace,
            may_spend=everyone_may_spend if callers is None else callers.may_spend,
        )
        if callers is None:
            account = await stack.enter_async_context(_opened_of(shared, settings.token, everyone))
            hosted = None
        else:
            from runway_mcp.server.hosted.accounts import opened_accounts  # noqa: PLC0415  of hosted servers alone

            hosted = await stack.enter_async_context(opened_accounts(settings, callers, partial(_opened_of, shared)))
            account = hosted.own
        lifespan = Lifespan(
            settings,
            account.open_service,
            now,
            subscriptions,
            account.observers,
            waits,
            films,
            account.keeper,
            account.continuations,
            hosted=hosted,
            reach=lambda: _reach(store, lifespan),
            meter=meter,
        )
        if meter is not None:
            meter.watch({"tasks_followed": lambda: sum(map(_followed, lifespan.accounts()))})
        yield lifespan


def _reach(store: Store | None, lifespan: Lifespan) -> Availability:
    """Whether the ledger can be used; where no token is open nothing uses it, so that nobody has to wait for it."""
    is_used = any(account.open_service is not None for account in lifespan.accounts())
    return store.reach() if store is not None and is_used else Availability.REACHED


def _followed(account: Account) -> int:
    return 0 if account.open_service is None else account.open_service.watcher.count()


@dataclass(frozen=True)
class _Shared:
    """What all accounts of a server share."""

    settings: Settings
    store: Store | None
    films: Films
    tell: Subscriptions
    transport: "Transport | None" = field(kw_only=True)
    now: Callable[[], float] = field(kw_only=True)
    free: Free = field(kw_only=True)
    telemetry: Telemetry = field(kw_only=True)
    grace: float = field(kw_only=True)
    may_spend: MaySpend = field(kw_only=True)


def _opened_of(
    shared: _Shared,
    token: SecretStr | None,
    owns: Owns,
    settings_of: Callable[[str], Settings] | None = None,
) -> AbstractAsyncContextManager[Account]:
    """What is open for a useapi.net token: of the ledger it sees what its account has made for the callers it owns."""
    if shared.store is None or token is None:
        return _opened_account(shared, None)
    store = store_of_token(shared.store, owns, token=token.get_secret_value())
    return _opened_account(replace(shared, store=store), token, owns=owns, settings_of=settings_of)


@asynccontextmanager
async def _opened_account(
    shared: _Shared,
    token: SecretStr | None,
    *,
    owns: Owns = everyone,
    settings_of: Callable[[str], Settings] | None = None,
) -> AsyncGenerator[Account]:
    """What works with a useapi.net token, and who observes its tasks."""
    tell = shared.tell

    def caps(caller: str) -> SpendPolicy:
        settings = settings_of(caller) if settings_of else shared.settings
        return SpendPolicy(per_call=settings.max_credits_per_call, per_day=settings.max_credits_per_day)

    async with (
        _opened_service(shared, token, owns, caps) as (service, keeper, continuations),
        anyio.create_task_group() as background,
    ):
        films = None
        if service is not None and continuations is not None:
            films = FilmObservers(service, continuations, background, tell=tell.film_changed)
        observers = Observers(service, background, unfinished=tell.unfinished, films=films)
        yield Account(service, observers, keeper, continuations)
        background.cancel_scope.cancel()


_Opened = tuple[TaskService | None, Keeper | None, Continuations | None]


@asynccontextmanager
async def _opened_service(shared: _Shared, token: SecretStr | None, owns: Owns, caps: Caps) -> AsyncGenerator[_Opened]:
    """The task service on an open client, the keeper of its films and the films of several parts that are under way.

    None without a token; the keeper also where no films are kept.
    """
    settings, store, films, tell = shared.settings, shared.store, shared.films, shared.tell
    if token is None or store is None:
        yield None, None, None
        return
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(
            RunwayClient(
                url=settings.url,
                token=token.get_secret_value(),
                transport=shared.transport,
                now=shared.now,
                telemetry=shared.telemetry,
            )
        )
        keeper, folder, data_dir, free = None, None, settings.data_dir, shared.free
        if settings.save == "own":
            folder = films_folder(settings)
            opening = open_keeper(client, links=films.links, folder=folder, data_dir=data_dir, free=free, owns=owns)
            keeper = await stack.enter_async_context(opening)
        uploads, user = bool(settings.upload_films), user_of(token.get_secret_value())
        tools = Dependencies(client, store, films, data_dir, folder, free=free, uploads=uploads, user=user)
        continuations = await stack.enter_async_context(open_continuations(tools, caps=caps, on_join=tell.film_joined))
        service = await stack.enter_async_context(
            open_tasks(
                client,
                store=store,
                poll_seconds=settings.poll_seconds,
                on_change=partial(_changed, tell.changed, keeper, continuations),
                public_url=settings.public_url,
                on_join=tell.film_joined,
                may_spend=shared.may_spend,
                grace=shared.grace,
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
