"""Builds the SDK's low-level `Server`, whose lifespan opens the Runway client, films and tasks.

Building it reads and opens nothing. Without a token everything can be listed, and each call says what to set. All
shared state belongs to the lifespan, because one process may serve through several copies of its server.
"""

import secrets
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import anyio
from mcp.server.caching import CacheHint
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp_types import CallToolRequestParams, NotificationParams, ServerCapabilities

from runway_mcp import __version__
from runway_mcp.films.continuing.continuations import Continuations, note_change, open_continuations
from runway_mcp.films.continuing.tools import Tools
from runway_mcp.films.keeper import Keeper, open_keeper
from runway_mcp.films.opening import Films, open_films
from runway_mcp.films.own import forget_kept_since, keep_own, kept_since, resume_keeping
from runway_mcp.media.files.folder import Free, disk_free
from runway_mcp.runway.client import RunwayClient
from runway_mcp.runway.exchange import Transport
from runway_mcp.runway.models import Task
from runway_mcp.server import protocol_tasks
from runway_mcp.server.boundary import error_boundary
from runway_mcp.server.completion import Completions
from runway_mcp.server.context import Lifespan, caller_of
from runway_mcp.server.prompts import get_prompt, list_prompts
from runway_mcp.server.resources.handlers import list_resources, list_templates, read_resource
from runway_mcp.server.resources.subscribing import listen, send_updates, subscribe, unsubscribe
from runway_mcp.server.tools.call import call_tool, list_tools
from runway_mcp.server.tools.definitions import INSTRUCTIONS, input_schema
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

LEDGER = "ledger.sqlite3"
"""The file name of the ledger in the data folder."""

_FIXED = CacheHint(ttl_ms=300_000, scope="private")


class _Server(Server[Lifespan]):
    """The SDK's server, announcing exactly the notifications that it sends: changes of resources, in every era.

    The SDK would announce no list changes to clients of the 2025 protocols, and to later clients changes of tools and
    prompts, which never change.
    """

    def get_capabilities(
        self,
        notification_options: NotificationOptions | None = None,
        experimental_capabilities: dict[str, dict[str, Any]] | None = None,
        extensions: dict[str, dict[str, Any]] | None = None,
        *,
        protocol_version: str | None = None,
    ) -> ServerCapabilities:
        told = super().get_capabilities(
            notification_options, experimental_capabilities, extensions, protocol_version=protocol_version
        )
        for capability, changes in ((told.tools, False), (told.prompts, False), (told.resources, True)):
            if capability is not None:
                capability.list_changed = changes
        return told


def create_server(
    settings: Settings,
    *,
    transport: Transport | None = None,
    now: Callable[[], float] = time.time,
    free: Free = disk_free,
) -> Server[Lifespan]:
    """A server with these settings; `transport` replaces the network, `now` is the wall clock in Unix seconds.

    `free` tells how much of a disk is free. A setting `save` that is not given counts as `never`.
    """

    @asynccontextmanager
    async def lifespan(_: Server[Any]) -> AsyncGenerator[Lifespan]:
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

    server = _Server(
        "useapi-runway-mcp",
        version=__version__,
        title="Runway by useapi.net",
        instructions=INSTRUCTIONS,
        lifespan=lifespan,
        get_tool_input_schema=input_schema,
        cache_hints=dict.fromkeys(
            ("server/discover", "tools/list", "prompts/list", "resources/templates/list"), _FIXED
        ),
        on_list_tools=error_boundary(partial(list_tools, settings=settings)),
        on_list_resources=error_boundary(list_resources),
        on_list_resource_templates=error_boundary(list_templates),
        on_read_resource=error_boundary(read_resource),
        on_subscribe_resource=error_boundary(subscribe),
        on_unsubscribe_resource=error_boundary(unsubscribe),
        on_subscriptions_listen=error_boundary(listen),
        on_list_prompts=error_boundary(list_prompts),
        on_get_prompt=error_boundary(get_prompt),
        on_completion=error_boundary(Completions().complete),
    )
    # A call may return a task of the Tasks extension, which the type of the constructor's parameter excludes.
    server.add_request_handler("tools/call", CallToolRequestParams, error_boundary(call_tool))
    server.add_notification_handler("notifications/initialized", NotificationParams, send_updates)
    protocol_tasks.install(server)
    server.middleware.append(RequestStateBoundary(_sealed(), default_audience=server.name))
    return server


def _sealed() -> RequestStateSecurity:
    """State that clients carry between two requests, sealed by this process for the caller that it was made for."""
    return RequestStateSecurity(keys=[secrets.token_bytes(32)], bind_principal=lambda ctx: caller_of(ctx) or None)


_Opened = tuple[TaskService | None, Keeper | None, Continuations | None]


@asynccontextmanager
async def _opened_service(
    settings: Settings,
    transport: Transport | None,
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
