"""What the checks read of upstream: reads alone, in bounded time, each answer or the reason why there is none."""

import socket
import threading
from asyncio import get_running_loop
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import anyio

from runway_mcp.runway.errors import RunwayError
from runway_mcp.runway.models import Asset, Credits, Entries, Task
from runway_mcp.runway.running_tasks import LinkedAccount, RunningTask

Resolve = Callable[[str, int], object]
"""Finds the addresses of a host, by name and port, or raises `OSError`."""

RESOLVE_SECONDS: Final = 3.0
"""How long a name may take."""

MOST_ACCOUNTS: Final = 5
"""Of how many accounts the credits are read."""

NEWEST: Final = 50
"""How many of the newest videos are looked at."""

_PATIENCE: Final = 1.0
_TASKS: Final = 200
_PORTS: Final = {"http": 80, "https": 443}

T = TypeVar("T")


class Reads(Protocol):
    """What the checks may ask of upstream, as `RunwayClient` has it: nothing that submits, uploads or deletes."""

    def upstream_time(self) -> float | None:
        """Upstream's time in Unix seconds; None before its first dated answer."""
        ...

    async def linked_accounts(self, *, patience: float | None = None) -> tuple[LinkedAccount, ...]:
        """The linked accounts."""
        ...

    async def credits(self, email: str | None = None, *, patience: float | None = None) -> Credits:
        """The credits of an account's plan."""
        ...

    async def scheduler(self, *, patience: float | None = None) -> Entries[RunningTask]:
        """What runs now."""
        ...

    async def assets(
        self,
        *,
        media_type: str | None = None,
        offset: int = 0,
        limit: int = 10,
        email: str | None = None,
        patience: float | None = None,
    ) -> Entries[Asset]:
        """A page of an account's assets."""
        ...

    async def tasks(
        self, *, email: str | None = None, offset: int = 0, limit: int = 100, patience: float | None = None
    ) -> Entries[Task]:
        """A page of an account's tasks."""
        ...


Outcome = T | RunwayError | None
"""What was read, or the error; None if no answer came in time, or nothing was asked."""


@dataclass
class Readings:
    """What upstream told; `unresolved` says why its host has no address."""

    unresolved: str | None = None
    accounts: Outcome[tuple[LinkedAccount, ...]] = None
    credits: dict[str, Outcome[Credits]] = field(default_factory=dict[str, Outcome[Credits]])
    running: Outcome[Entries[RunningTask]] = None
    videos: Outcome[Entries[Asset]] = None
    tasks: Outcome[Entries[Task]] = None
    time: float | None = None


async def read_upstream(client: Reads, readings: Readings, *, email: str | None) -> None:
    """Reads what an account with a token shows; what is read stands in `readings` at once, since time may run out."""
    readings.accounts = accounts = await _outcome(client.linked_accounts(patience=_PATIENCE))
    readings.time = client.upstream_time()
    if not isinstance(accounts, tuple) or not accounts:
        return
    shown = email or accounts[0].email

    async def read_credits(address: str) -> None:
        readings.credits[address] = await _outcome(client.credits(address, patience=_PATIENCE))

    async def read_running() -> None:
        readings.running = await _outcome(client.scheduler(patience=_PATIENCE))

    async def read_videos() -> None:
        listed = client.assets(media_type="video", limit=NEWEST, email=shown, patience=_PATIENCE)
        readings.videos = await _outcome(listed)

    async def read_tasks() -> None:
        readings.tasks = await _outcome(client.tasks(email=shown, limit=_TASKS, patience=_PATIENCE))

    async with anyio.create_task_group() as reads:
        for account in accounts[:MOST_ACCOUNTS]:
            reads.start_soon(read_credits, account.email)
        for read in (read_running, read_videos, read_tasks):
            reads.start_soon(read)


async def _outcome(read: Awaitable[T]) -> T | RunwayError:
    try:
        return await read
    except RunwayError as error:
        return error


def dialled(url: str) -> tuple[str, int]:
    """Host and port to which a request for this URL connects: those of the proxy, where the environment names one."""
    parts = urlsplit(url)
    proxy = getproxies().get(parts.scheme)
    if proxy and not proxy_bypass(parts.hostname or ""):
        parts = urlsplit(proxy if "//" in proxy else f"//{proxy}", scheme="http")
    return parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 443)


async def why_unresolved(
    url: str, *, resolve: Resolve = socket.getaddrinfo, seconds: float = RESOLVE_SECONDS
) -> str | None:
    """Why the host of a URL has no address; None if it has one.

    The system's resolver can block for minutes without a network, and nothing can end it; so it runs in a thread that
    the end of the program does not wait for.
    """
    host, port = dialled(url)

    def ask() -> str:
        try:
            resolve(host, port)
        except OSError as error:
            return f"the name {host} cannot be resolved ({error.strerror or 'no address'})"
        return ""

    told = await within(seconds, ask)
    return f"the name {host} was not resolved within {seconds:.0f} seconds" if told is None else told or None


async def within(seconds: float, work: Callable[[], T]) -> T | None:
    """What blocking work returns, None if it takes longer: its thread is left behind, and holds up no end.

    `work` raises nothing.
    """
    loop, done, returned = get_running_loop(), anyio.Event(), list[T]()

    def run() -> None:
        returned.append(work())
        # The loop is closed if it waited no longer.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(done.set)

    threading.Thread(target=run, daemon=True).start()
    with anyio.move_on_after(seconds):
        await done.wait()
        return returned[0]
    return None
