"""What a request costs: the verbs of the ledger and the requests upstream that it caused, whoever else is served."""

import inspect
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, cast

import httpx
from mcp.server.context import ServerRequestContext

from runway_mcp.tasks.store.opening import opened_store
from runway_mcp.tasks.store.protocol import Store

Cost = Counter[str]
"""How often each verb and request was made."""

_OF_THIS_REQUEST: ContextVar[Cost | None] = ContextVar("the cost of the request that is served", default=None)


class Costs:
    """The costs of requests of a server, in the order of their ends; `store` is the ledger, whose verbs are counted."""

    def __init__(self) -> None:
        self.told: list[Cost] = []
        self.store: Any = None

    async def measure(self, ctx: ServerRequestContext[Any, Any], call_next: Callable[[Any], Any]) -> Any:
        """Middleware of the SDK's server."""
        cost: Cost = Counter()
        _OF_THIS_REQUEST.set(cost)
        try:
            return await call_next(ctx)
        finally:
            self.told.append(cost)

    @asynccontextmanager
    async def open_store(
        self, path: Path, now: Callable[[], float], *, database_url: str | None = None
    ) -> AsyncGenerator[Store]:
        """Opens a ledger whose verbs are counted."""
        async with opened_store(path, now, database_url=database_url) as store:
            self.store = store
            yield cast("Store", _Counted(store))


class _Counted:
    """A store that counts each verb."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self._store, name)
        if inspect.iscoroutinefunction(verb):
            _count(name)
        return verb


class CountedUpstream(httpx.AsyncBaseTransport):
    """Carries requests, and counts each by its method and the first part of its path."""

    def __init__(self, carry: httpx.AsyncBaseTransport) -> None:
        self._carry = carry

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        _count(f"{request.method} {request.url.path.removeprefix('/v1/runwayml').split('/')[1]}")
        return await self._carry.handle_async_request(request)


def _count(what: str) -> None:
    if (cost := _OF_THIS_REQUEST.get()) is not None:
        cost[what] += 1
