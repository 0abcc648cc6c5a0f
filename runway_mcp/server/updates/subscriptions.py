"""Notifications of changed resources, to connections of the 2025 protocols and `subscriptions/listen` of 2026-07-28.

A client that reads slowly, or not at all, delays no other, and unsent notifications never pile up. Callers are told
of their own tasks, and of those that nobody's intent owns.
"""

import math
from collections import Counter
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import anyio
from mcp.server.context import ServerRequestContext
from mcp.server.session import ServerSession
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ResourcesListChanged, ResourceUpdated
from mcp_types import InitializeRequestParams, SubscriptionsListenRequestParams, SubscriptionsListenResult

from runway_mcp.runway.models import Task
from runway_mcp.server.boundary import log_crash
from runway_mcp.server.contract.uris import Address
from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.store.protocol import LedgerError

MOST_URIS = 100
"""The most resources that one connection or stream subscribes to; more are refused."""

MOST_CONNECTIONS = 1000
"""The most connections of the 2025 protocols that are notified; later ones are served without notifications."""

MOST_STREAMS = 1000
"""The most `subscriptions/listen` streams of 2026-07-28 of one caller; more are refused."""

_UNREAD = 256
_QUIET_SECONDS = 1.0
_REMEMBERED = 1000


class Observing(Protocol):
    """Has resources followed for as long as somebody observes them; see `Observers`."""

    def add(self, addresses: Iterable[Address], /) -> None:
        """Adds an observer of each resource."""
        ...

    def remove(self, addresses: Iterable[Address], /) -> None:
        """Removes one."""
        ...


class Connection:
    """The subscriptions of one connection of the 2025 protocols, and its unsent notifications, once each.

    They are sent by a background task of its own. `caller` is whose connection it is. What it is subscribed to is
    observed where it was when it began, since its caller may go through another account by the end.
    """

    def __init__(self, caller: str) -> None:
        self.caller = caller
        self._spellings: dict[Address, set[str]] = {}
        self._observed: dict[Address, Observing] = {}
        self._unsent: dict[str | None, None] = {}
        self._has_unsent = anyio.Event()

    @property
    def is_full(self) -> bool:
        """Whether it has as many subscriptions as it may have."""
        return sum(map(len, self._spellings.values())) >= MOST_URIS

    def hears_of(self, address: Address, spelling: str) -> bool:
        """Whether it is subscribed by this spelling of the URI."""
        return spelling in self._spellings.get(address, ())

    def add(self, address: Address, spelling: str, observers: Observing) -> None:
        """Subscribes by this spelling of the URI; the first subscription to a resource has it observed."""
        if address not in self._spellings:
            self._observed[address] = observers
            observers.add([address])
        self._spellings.setdefault(address, set()).add(spelling)

    def drop(self, address: Address, spelling: str) -> None:
        """Removes the subscription by this spelling, if there is one; with the last one to a resource it is left."""
        if not self.hears_of(address, spelling):
            return
        self._spellings[address].remove(spelling)
        if not self._spellings[address]:
            del self._spellings[address]
            self._observed.pop(address).remove([address])

    def end(self) -> None:
        """Leaves all that it is subscribed to."""
        for address, observers in self._observed.items():
            observers.remove([address])
        self._observed.clear()
        self._spellings.clear()

    def hear(self, addresses: tuple[Address, ...], *, listed: bool) -> None:
        """Queues notifications of the changed resources that it is subscribed to; if `listed`, of the list too.

        Each goes out under the connection's own spellings of the URI, and verbatim.
        """
        told = [
            uri
            for address in addresses
            if (spellings := self._spellings.get(address))
            for uri in {*spellings, address.uri}
        ]
        self._unsent |= dict.fromkeys([*told, *([None] if listed else [])])
        if self._unsent:
            self._has_unsent.set()

    async def tell(self, session: ServerSession) -> None:
        """Sends what is queued until it is cancelled."""
        while True:
            await self._has_unsent.wait()
            self._has_unsent = anyio.Event()
            while self._unsent:
                uri = next(iter(self._unsent))
                del self._unsent[uri]
                await (session.send_resource_list_changed() if uri is None else session.send_resource_updated(uri))


class Subscriptions:
    """The subscribers of both eras, and the last status of each task that they were notified of.

    The SDK feeds the streams of 2026-07-28 from a bus. It ends a stream with too much unread; its client opens another.
    """

    def __init__(self) -> None:
        self._connections: dict[int, tuple[InitializeRequestParams, Connection]] = {}
        self._streams: dict[str, _Streams] = {}
        self._seen: dict[str, str] = {}
        self._listed_at: dict[str | None, float] = {}

    @contextmanager
    def connected(self, session: ServerSession, caller: str) -> Generator[Connection | None]:
        """The connection of a caller's session while it lasts; None if it cannot be notified, or is open already.

        A connection of the 2025 protocols is identified by its client's `initialize` parameters, which it keeps.
        """
        opened_with = session.client_params
        if opened_with is None or id(opened_with) in self._connections or len(self._connections) >= MOST_CONNECTIONS:
            yield None
            return
        connection = Connection(caller)
        self._connections[id(opened_with)] = opened_with, connection
        try:
            yield connection
        finally:
            del self._connections[id(opened_with)]

    def of(self, session: ServerSession) -> Connection | None:
        """The connection that a request came on; None if it is not notified."""
        _, connection = self._connections.get(id(session.client_params), (None, None))
        return connection

    async def listen(
        self,
        ctx: ServerRequestContext[Any],
        params: SubscriptionsListenRequestParams,
        spelled: Mapping[str, Address],
        caller: str,
    ) -> SubscriptionsListenResult:
        """Serves one `subscriptions/listen` stream of a caller; `spelled` gives the resources of its URIs."""
        streams = self._streams.setdefault(caller, _Streams())
        streams.served += 1
        streams.spell(spelled)
        try:
            return await streams.serve(ctx, params)
        finally:
            streams.served -= 1
            if not streams.served:
                del self._streams[caller]
            streams.unspell(spelled)

    def end_streams(self) -> None:
        """Begins to end all streams: each sends what is queued, then its result."""
        for streams in self._streams.values():
            streams.serve.close()

    def unfinished(self, task_id: str) -> Task | None:
        """A task whose last status here is not terminal, so that it is followed; only its status is filled in."""
        status = self._seen.get(task_id)
        task = Task(task_id=task_id, status=status) if status else None
        return None if task is None or task.is_terminal else task

    async def changed(self, task: Task, intent: Intent | LedgerError | None) -> None:
        """Notifies subscribers that a submitted or followed task has changed or appeared; never raises.

        `intent` owns the task; the subscribers of other callers than its own hear nothing. While the ledger cannot tell
        whose the task is, no caller with a name hears of it.
        """
        try:
            await self._tell(task, "" if isinstance(intent, LedgerError) else intent and intent.caller)
        except Exception as error:  # noqa: BLE001  a failed notification must not stop the caller
            log_crash("a change of a task", error)

    async def film_changed(self, film: Intent) -> None:
        """Notifies subscribers that a followed film has changed, those of its own caller alone; never raises."""
        await self._tell_of(film, (Address("film", film.film_id),), listed=False)

    async def film_joined(self, film: Intent) -> None:
        """Notifies its caller's clients that the list has a film from now on; never raises."""
        await self._tell_of(film, (), listed=True)

    async def _tell_of(self, film: Intent, addresses: tuple[Address, ...], *, listed: bool) -> None:
        try:
            await self._publish(addresses, film.caller, listed=listed)
        except Exception as error:  # noqa: BLE001  as in `changed`
            log_crash("a change of a film", error)

    def _is_due(self, task: Task, before: str | None, owner: str | None) -> bool:
        """Whether to notify of the list of tasks: at each new status, and at progress of an owner's once a second."""
        now = anyio.current_time()
        if task.status == before and now - self._listed_at.get(owner, -math.inf) < _QUIET_SECONDS:
            return False
        # Of those that are told no more nothing is kept: callers come and go for as long as the server lives.
        quiet = [each for each, at in self._listed_at.items() if now - at >= _QUIET_SECONDS]
        for each in quiet:
            del self._listed_at[each]
        self._listed_at[owner] = now
        return True

    async def _tell(self, task: Task, owner: str | None) -> None:
        before = self._seen.pop(task.task_id, None)
        self._seen[task.task_id] = task.status
        if len(self._seen) > _REMEMBERED:
            del self._seen[next(iter(self._seen))]
        addresses = (Address("task", task.task_id), *((Address("tasks"),) if self._is_due(task, before, owner) else ()))
        await self._publish(addresses, owner, listed=before is None)

    async def _publish(self, addresses: tuple[Address, ...], owner: str | None, *, listed: bool) -> None:
        """Tells of changed resources, and if `listed` of the list; the owner's connections alone, if there is one."""
        for _, connection in self._connections.values():
            if owner in (None, connection.caller):
                connection.hear(addresses, listed=listed)
        for caller, streams in list(self._streams.items()):
            if owner in (None, caller):
                await streams.publish(addresses, listed=listed)


class _Streams:
    """The `subscriptions/listen` streams of one caller, and how many are served."""

    def __init__(self) -> None:
        self.served = 0
        # Of one caller alone: what another one writes must cost him nothing.
        self._spelled: dict[Address, Counter[str]] = {}
        self._bus = InMemorySubscriptionBus()
        self.serve = ListenHandler(self._bus, max_subscriptions=MOST_STREAMS, max_buffered_events=_UNREAD)

    def spell(self, spelled: Mapping[str, Address]) -> None:
        """Adds a stream's spellings of its resources."""
        for uri, address in spelled.items():
            self._spelled.setdefault(address, Counter())[uri] += 1

    def unspell(self, spelled: Mapping[str, Address]) -> None:
        """Removes them."""
        for uri, address in spelled.items():
            self._spelled[address] -= Counter((uri,))
            if not self._spelled[address]:
                del self._spelled[address]

    async def publish(self, addresses: Iterable[Address], *, listed: bool) -> None:
        """Sends an update of each resource under each spelling of it; if `listed`, of the list too."""
        if listed:
            await self._bus.publish(ResourcesListChanged())
        for uri in [uri for address in addresses for uri in {address.uri, *self._spelled.get(address, ())}]:
            await self._bus.publish(ResourceUpdated(uri=uri))
