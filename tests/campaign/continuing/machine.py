"""A process that continues films, one life after the other on one data folder; each can be killed at any step.

A kill cuts the life off from network and ledger in that very step, and cancels what is left of it.
"""

import asyncio
import sqlite3
import ssl
from collections.abc import Callable, Mapping
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import anyio
import httpx
from anyio import CancelScope, CapacityLimiter
from anyio.lowlevel import checkpoint
from anyio.to_thread import current_default_thread_limiter

from runway_mcp.films.continuing.continuations import Continuations, note_change, open_continuations
from runway_mcp.films.continuing.dependencies import Dependencies
from runway_mcp.films.opening import PICTURES, Films
from runway_mcp.films.sharing import Shared
from runway_mcp.media.fetch.client import open_links
from runway_mcp.media.pictures.stills import Picture
from runway_mcp.runway.client import RunwayClient
from runway_mcp.runway.models import Task
from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.service import TaskService, open_tasks
from runway_mcp.tasks.store.protocol import LedgerError
from runway_mcp.tasks.store.sqlite.store import SqliteStore
from tests.campaign.continuing.links import ORIGIN, dialled_in, resolved
from tests.campaign.continuing.scenario import Kill, Where
from tests.campaign.facts import Post
from tests.campaign.processes import PROCESS, CampaignLoop, Fuse, MachineClock, Process
from tests.campaign.wire import Traffic, Wire
from tests.kit.upstream import URL

_T = TypeVar("_T")

# Links of the stand-in are plain, and the usual certificates take a while to load.
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

# How long a life has to end once it was killed, in seconds of the run: worker threads end before time passes.
_BURIAL = 10.0


class ContinuingLoop(CampaignLoop):
    """The campaign's loop, on which no time passes while a worker thread runs."""


def watch_threads(decoding: CapacityLimiter) -> None:
    """Lets the loop that runs know the limiters of its worker threads; one thread at a time runs in an order."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, ContinuingLoop)
    default = current_default_thread_limiter()
    default.total_tokens = 1
    loop.limiters = [default, decoding]


@dataclass(frozen=True)
class Opened:
    """What a life has open."""

    service: TaskService
    continuations: Continuations
    tools: Dependencies


@dataclass
class Machine:
    """What all processes of a run stand on: the folder, the network, the turn of decoders, and what broke."""

    folder: Path
    traffic: Traffic
    decoding: CapacityLimiter
    saves: bool
    broken: list[str] = field(default_factory=list[str])
    killed: list[Where] = field(default_factory=list["Where"])


class _CutOff(httpx.AsyncBaseTransport):
    """A life's network: it may be killed before a request leaves, and none leaves afterwards."""

    def __init__(self, life: "Life", wire: Wire) -> None:
        self._life = life
        self._wire = wire

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            await self._life.at("before", request.url.path)
        if await self._life.is_over():
            raise httpx.ReadError("the process is dead", request=request)
        return await self._wire.handle_async_request(request)


class _Ledger(SqliteStore):
    """A life's ledger: it may be killed before a step is written down, or after; a dead life writes nothing."""

    def __init__(self, life: "Life", path: Path, clock: Callable[[], float]) -> None:
        super().__init__(path, clock)
        self._life = life

    async def end_step(self, intent_id: str, claim: str, name: str, made: Mapping[str, Any]) -> Intent | None:
        await self._life.at("before", name)
        told = await super().end_step(intent_id, claim, name, made)
        await self._life.at("after", name)
        return told

    async def _transaction(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        if await self._life.is_over():
            raise LedgerError("The process is dead.")
        return await super()._transaction(work)


class Life:
    """One life of a process, from its start to its end by `kill` or `close`."""

    def __init__(self, name: str, machine: Machine, kill: Kill | None) -> None:
        self.process = Process(name, MachineClock())
        self.ready = anyio.Event()
        self.gone = anyio.Event()
        self.opened: Opened | None = None
        self.is_killed = False
        self._machine = machine
        self._kill = kill
        self._scope = CancelScope()
        self.context: Context = copy_context()
        self.context.run(PROCESS.set, self.process)
        self._root = asyncio.get_running_loop().create_task(self._live(), context=self.context)

    def close(self) -> None:
        """Ends the process in order."""
        self._scope.cancel()

    def kill(self) -> None:
        """Ends the process at once."""
        if self.is_killed or self.gone.is_set():
            return
        self.is_killed = True
        if self._kill is not None:
            self._machine.killed.append(self._kill.where)
        self._machine.traffic.log(f"{self.process.name} is killed")
        self._scope.cancel()

    async def is_over(self) -> bool:
        """Whether the process is dead; what is cancelled with it ends here, what is shielded has to be refused."""
        if self.is_killed:
            await checkpoint()
        return self.is_killed

    async def at(self, moment: str, name: str) -> None:
        """A place where the process may be killed: a step's name, or the path of a POST."""
        if self._kill is not None and self._kill.where == f"{moment} {_place(name)}":
            self.kill()
            await checkpoint()

    def trap(self, moment: str, post: Post) -> None:
        """As `at`, of a POST that has left."""
        if self._kill is not None and self._kill.where == f"{moment} {_place(post.path)}":
            self.kill()

    async def _live(self) -> None:
        try:
            with self._scope:
                async with anyio.create_task_group() as group:
                    if self._kill is not None and self._kill.where == "time":
                        group.start_soon(self._killed_later, self._kill.after)
                    if self._kill is not None and self._kill.where == "steps":
                        self.process.fuse = Fuse(int(self._kill.after), self.kill)
                    await self._serve()
        except Exception as error:  # noqa: BLE001  a process that dies of itself is a finding
            self._machine.broken.append(f"{self.process.name} died: {error!r}"[:300])
        finally:
            self.process.fuse = None
            self.opened = None
            self.ready.set()
            self.gone.set()

    async def _killed_later(self, seconds: float) -> None:
        await anyio.sleep(seconds)
        self.kill()

    async def _serve(self) -> None:
        machine = self._machine
        data_dir = machine.folder / "data"
        data_dir.mkdir(exist_ok=True)
        opened: list[Continuations] = []

        async def on_change(task: Task, intent: Intent | LedgerError | None) -> None:
            for each in opened:
                await note_change(each, task, intent)

        transport = _CutOff(self, Wire(machine.traffic, self.process))
        async with (
            open_links(
                allowed_origin=ORIGIN, resolve=resolved, dial=dialled_in(machine.traffic.upstream), tls=_NO_TLS
            ) as links,
            anyio.create_task_group() as pictures,
            RunwayClient(url=URL, token=machine.traffic.world.token, transport=transport) as client,
        ):
            films = Films(links, data_dir / PICTURES, machine.decoding, Shared[Picture](pictures))
            with _Ledger(self, data_dir / "ledger.sqlite3", self.process.clock) as store:
                saved = machine.folder / "films" if machine.saves else None
                tools = Dependencies(client, store, films, data_dir, saved)
                async with (
                    open_continuations(tools) as continuations,
                    open_tasks(client, store=store, poll_seconds=5.0, on_change=on_change) as service,
                ):
                    opened.append(continuations)
                    continuations.background.start_soon(continuations.resume, service.submissions)
                    self.opened = Opened(service, continuations, tools)
                    self.ready.set()
                    await anyio.sleep_forever()


def _place(name: str) -> str:
    """A step's name as it is, and the kind of a POST by its path."""
    if "/" not in name:
        return name
    return "POST create" if name.endswith("/create") else f"POST {name.rstrip('/').rpartition('/')[2]}"


class Server:
    """A process that is started again whenever it has gone; each life ends by the next of its kills."""

    def __init__(self, name: str, machine: Machine, kills: list[Kill]) -> None:
        self.name = name
        self.lives: list[Life] = []
        self._machine = machine
        self._kills = kills
        self._up = anyio.Event()
        self._hurry = anyio.Event()

    async def keep_up(self) -> None:
        """Starts life after life."""
        while True:
            kill = self._kills.pop(0) if self._kills else None
            life = Life(f"{self.name}.{len(self.lives)}", self._machine, kill)
            self.lives.append(life)
            try:
                await life.ready.wait()
                self._up.set()
                await life.gone.wait()
            finally:
                life.close()
                with anyio.move_on_after(_BURIAL, shield=True) as burial:
                    await life.gone.wait()
                if burial.cancelled_caught:
                    self._machine.broken.append(f"{life.process.name} did not end")
            self._up = anyio.Event()
            with anyio.move_on_after(kill.away if kill else 0.0):
                await self._hurry.wait()

    def heal(self) -> None:
        """No kill and no time between two lives from now on."""
        self._kills.clear()
        self._hurry.set()

    async def renewed(self) -> None:
        """Ends the life that is up, and waits for the next."""
        await self.reached()
        life = self.lives[-1]
        life.close()
        await life.gone.wait()
        await anyio.sleep(0.01)
        await self.reached()

    async def reached(self) -> Life:
        """The life that is up, as soon as there is one."""
        await self._up.wait()
        return self.lives[-1]
