"""Puts the server together: the SDK's low-level `Server`, whose lifespan opens upstream and the room of tasks.

Making a server reads nothing and opens nothing. Without a token it serves its lists, and each call says what to set.
"""

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

from mcp.server.caching import CacheHint
from mcp.server.lowlevel import Server
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity

from runway_mcp import __version__
from runway_mcp.runway.client import RunwayClient
from runway_mcp.runway.exchange import Transport
from runway_mcp.server.boundary import guarded
from runway_mcp.server.context import ServerContext
from runway_mcp.server.definitions import INSTRUCTIONS, input_schema
from runway_mcp.server.resources import list_resources, list_templates, read_resource
from runway_mcp.server.tools import call_tool, list_tools
from runway_mcp.settings import Settings
from runway_mcp.tasks.room import open_tasks

LEDGER = "ledger.sqlite3"
"""The ledger's file in the data folder."""

_FIXED = CacheHint(ttl_ms=300_000, scope="public")


def create_server(
    settings: Settings, *, transport: Transport | None = None, now: Callable[[], float] = time.time
) -> Server[ServerContext]:
    """A server with these settings; `transport` stands in for the network, `now` is its wall clock in Unix seconds."""

    @asynccontextmanager
    async def lifespan(_: Server[Any]) -> AsyncGenerator[ServerContext]:
        if settings.token is None:
            yield ServerContext(settings, None, now)
            return
        token = settings.token.get_secret_value()
        async with (
            RunwayClient(url=settings.url, token=token, transport=transport, now=now) as client,
            open_tasks(client, ledger=settings.data_dir / LEDGER, poll_seconds=settings.poll_seconds, now=now) as room,
        ):
            yield ServerContext(settings, room, now)

    server = Server(
        "useapi-runway-mcp",
        version=__version__,
        title="Runway by useapi.net",
        instructions=INSTRUCTIONS,
        lifespan=lifespan,
        get_tool_input_schema=input_schema,
        cache_hints=dict.fromkeys(("server/discover", "tools/list", "resources/templates/list"), _FIXED),
        on_list_tools=guarded(list_tools),
        on_call_tool=guarded(call_tool),
        on_list_resources=guarded(list_resources),
        on_list_resource_templates=guarded(list_templates),
        on_read_resource=guarded(read_resource),
    )
    server.middleware.append(RequestStateBoundary(RequestStateSecurity.ephemeral(), default_audience=server.name))
    return server
