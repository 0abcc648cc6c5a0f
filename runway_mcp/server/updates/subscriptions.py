"""Who wants to hear of which resource, and how the news reaches him in the way of his protocol.

In the 2025 protocols a client subscribes on its connection, and each connection has a task of its own that sends what
is news to it: one that reads slowly, or not at all, holds up nobody else. News that were not sent yet are kept once
each, so they never pile up. Under 2026-07-28 news are published on a bus, from which the SDK feeds each listening
stream; a stream with too much unread is ended, and its client listens again.
"""

import math
from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

import anyio
from mcp.server.context import ServerRequestContext
from mcp.server.session import ServerSession
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ResourcesListChanged, ResourceUpdated
from mcp_types import InitializeRequestParams, SubscriptionsListenRequestParams, SubscriptionsListenResult

from runway_mcp.runway.models import Task
from runway_mcp.server.boundary import log_crash
from runway_mcp.server.contract.uris import Address

MOST_URIS = 100
"""The most resources that one connection, or one listening stream, hears of; more are refused."""

MOST_CONNECTIONS = 1000
"""The most connections of the 2025 protocols that are told of changes; later ones are served without."""

MOST_STREAMS = 1000
"""The most listening streams of 2026-07-28; more are refused."""

_UNREAD = 256
_QUIET_SECONDS = 1.0
_REMEMBERED = 1000


class Connection:
    """What one connection of the 2025 protocols wants to hear of, and what it has not been told yet."""

    def __init__(self) -> None:
        self._spellings: dict[Address, set[str]] = {}
        self._unsent: dict[str | None, None] = {}
        self._has_news = anyio.Event()

    @property
    def addresses(self) -> tuple[Address, ...]:
        """What it is subscribed to."""
        return tuple(self._spellings)

    @property
    def is_full(self) -> bool:
        """Whether it is subscribed to as much as it may be."""
        return sum(map(len, self._spellings.values())) >= MOST_URIS

    def hears_of(self, address: Address, spelling: str) -> bool:
        """Whether it is subscribed under this spelling of the URI."""
        return spelling in self._spellings.get(address, ())

    def add(self, address: Address, spelling: str) -> bool:
        """Subscribes it under this spelling of the URI; True if it was not subscribed to that resource before."""
        first = address not in self._spellings
        self._spellings.setdefault(address, set()).add(spelling)
        return first

    def drop(self, address: Address, spelling: str) -> bool:
        """Takes the subscription under this spelling back; True if that was the last one to the resource."""
        if not self.hears_of(address, spelling):
            return False
        self._spellings[address].remove(spelling)
        if self._spellings[address]:
            return False
        del self._spellings[address]
        return True

    def hear(self, addresses: tuple[Address, ...], *, listed: bool) -> None:
        """Keeps what is news to it, to be told: under its own spelling of the URI, and verbatim."""
        told = [
            uri
            for address in addresses
            if (spellings := self._spellings.get(address))
            for uri in {*spellings, address.uri}
        ]
        self._unsent |= dict.fromkeys([*told, *([None] if listed else [])])
        if self._unsent:
            self._has_news.set()

    async def tell(self, session: ServerSession) -> None:
        """Sends whatever is news, for as long as the connection lasts."""
        while True:
            await self._has_news.wait()
            self._has_news = anyio.Event()
            while self._unsent:
                news = next(iter(self._unsent))
                del self._unsent[news]
                await (session.send_resource_list_changed() if news is None else session.send_resource_updated(news))


class Subscriptions:
    """All who want to hear of changes, in both eras, and what they have heard of."""

    def __init__(self) -> None:
        self._connections: dict[int, tuple[InitializeRequestParams, Connection]] = {}
        self._bus = InMemorySubscriptionBus()
        self._streams = ListenHandler(self._bus, max_subscriptions=MOST_STREAMS, max_buffered_events=_UNREAD)
        self._spelled: dict[Address, Counter[str]] = {}
        self._seen: dict[str, str] = {}
        self._listed_at = -math.inf

    @contextmanager
    def connected(self, session: ServerSession) -> Generator[Connection | None]:
        """The connection of a session, for as long as it lasts; None if it can be told nothing, or is open already.

        Each connection of the 2025 protocols keeps what its client opened it with, and so is known by that.
        """
        opened_with = session.client_params
        if opened_with is None or id(opened_with) in self._connections or len(self._connections) >= MOST_CONNECTIONS:
            yield None
            return
        connection = Connection()
        self._connections[id(opened_with)] = opened_with, connection
        try:
            yield connection
        finally:
            del self._connections[id(opened_with)]

    def of(self, session: ServerSession) -> Connection | None:
        """The connection that a request came on, if it can be told of changes."""
        _, connection = self._connections.get(id(session.client_params), (None, None))
        return connection

    async def listen(
        self, ctx: ServerRequestContext[Any], params: SubscriptionsListenRequestParams, spelled: Mapping[str, Address]
    ) -> SubscriptionsListenResult:
        """Serves one listening stream; `spelled` is what its URIs point at."""
        for uri, address in spelled.items():
            self._spelled.setdefault(address, Counter())[uri] += 1
        try:
            return await self._streams(ctx, params)
        finally:
            for uri, address in spelled.items():
                self._spelled[address] -= Counter((uri,))
                if not self._spelled[address]:
                    del self._spelled[address]

    def unfinished(self, task_id: str) -> Task | None:
        """A task that was unfinished when it was last heard of here, so that somebody follows it; its status alone."""
        status = self._seen.get(task_id)
        task = Task(task_id=task_id, status=status) if status else None
        return None if task is None or task.is_terminal else task

    async def changed(self, task: Task) -> None:
        """Tells all who want to know that a task of ours, or one that is followed, has changed or appeared."""
        try:
            await self._tell(task)
        except Exception as error:  # noqa: BLE001  whoever brings the news has more to do than to tell them
            log_crash("a change of a task", error)

    def _is_due(self, task: Task, before: str | None) -> bool:
        """Whether the list of tasks is news: at each status, and at progress once a second however many progress."""
        now = anyio.current_time()
        if task.status == before and now - self._listed_at < _QUIET_SECONDS:
            return False
        self._listed_at = now
        return True

    async def _tell(self, task: Task) -> None:
        before = self._seen.pop(task.task_id, None)
        self._seen[task.task_id] = task.status
        if len(self._seen) > _REMEMBERED:
            del self._seen[next(iter(self._seen))]
        addresses = (Address("task", task.task_id), *((Address("tasks"),) if self._is_due(task, before) else ()))
        for _, connection in self._connections.values():
            connection.hear(addresses, listed=before is None)
        if before is None:
            await self._bus.publish(ResourcesListChanged())
        for address in addresses:
            for uri in {address.uri, *self._spelled.get(address, ())}:
                await self._bus.publish(ResourceUpdated(uri=uri))
