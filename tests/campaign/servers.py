"""A server process of a run: the real server with its lifespan open, one life after the other on one data folder.

Hosts reach it over wires, pairs of pipes that hold whatever was written: a process that stands still reads nothing, and
one that is gone closes its ends.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any, cast

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.server.lowlevel import Server as McpServer
from mcp.server.runner import serve_dual_era_loop
from mcp.shared.message import SessionMessage
from pydantic import SecretStr

from runway_mcp.server.app import create_server
from runway_mcp.settings import Settings
from tests.campaign.processes import PROCESS, CampaignLoop, MachineClock, Process
from tests.campaign.wire import Traffic, Wire
from tests.kit.upstream import URL

Reading = MemoryObjectReceiveStream[SessionMessage | Exception]
Writing = MemoryObjectSendStream[SessionMessage | Exception]
Ends = tuple[Reading, Writing]
"""One end of a wire: what is received, what is sent."""


@dataclass
class Machine:
    """What all processes of a run stand on: the data folder, the network, the settings for spending, what broke."""

    folder: Path
    traffic: Traffic
    policy: dict[str, Any]
    crashes: list[str] = field(default_factory=list[str])

    def settings(self) -> Settings:
        """The settings of every process."""
        token = SecretStr(self.traffic.world.token)
        return Settings.model_validate({"token": token, "url": URL, "data_dir": self.folder, **self.policy})


class Life:
    """One life of a server process, from its start until it is closed or dies."""

    def __init__(self, name: str, clock: MachineClock, machine: Machine) -> None:
        self.process = Process(name, clock)
        self.ready = anyio.Event()
        self.gone = anyio.Event()
        self.closing = False
        self.context: Context = copy_context()
        self.context.run(PROCESS.set, self.process)
        self._machine = machine
        self._incoming: asyncio.Queue[Ends | None] = asyncio.Queue()
        self._hosts: list[Ends] = []
        self._scope = anyio.CancelScope()
        self._root = asyncio.get_running_loop().create_task(self._live(), context=self.context)

    @asynccontextmanager
    async def wire(self) -> AsyncGenerator[Any]:
        """A wire to the server, and a host's end of it."""
        ours, theirs = _pipes()
        self._hosts.append(theirs)
        if self.gone.is_set():
            theirs[1].close()
        self._incoming.put_nowait(theirs)
        try:
            yield ours
        finally:
            ours[1].close()
            ours[0].close()

    def close(self) -> None:
        """Asks for a shutdown in order."""
        self.closing = True
        self._incoming.put_nowait(None)

    def abandon(self) -> None:
        """Stops the process for good: nothing of it acts until the run is judged."""
        self.process.freeze()
        self._leave()

    async def bury(self, loop: CampaignLoop) -> None:
        """Ends whatever is left, once the run is judged."""
        if not self._root.done():
            self.process.fuse = self.process.after_step = self.process.on_timer = None
            self.process.thaw(loop)
            loop.call_soon(self._scope.cancel, context=self.context)
            await asyncio.wait({self._root})
        for end in self._hosts:
            end[0].close()

    def _leave(self) -> None:
        for end in self._hosts:
            end[1].close()
        self.ready.set()
        self.gone.set()

    async def _live(self) -> None:
        try:
            with self._scope:
                transport = Wire(self._machine.traffic, self.process)
                server = create_server(self._machine.settings(), transport=transport, now=self.process.clock)
                async with server.lifespan(server) as state, anyio.create_task_group() as connections:
                    self.ready.set()
                    while end := await self._incoming.get():
                        connections.start_soon(self._serve, server, state, end)
                    connections.cancel_scope.cancel()
        except Exception as error:  # noqa: BLE001  a server that dies of itself is a finding
            if not self.gone.is_set():
                self._machine.crashes.append(f"{self.process.name} died: {describe(error)}")
        finally:
            self._leave()

    @staticmethod
    async def _serve(server: McpServer[Any], state: Any, end: Ends) -> None:
        await serve_dual_era_loop(server, *end, lifespan_state=state)


class Server:
    """A server process that is started again whenever it has gone."""

    def __init__(self, name: str, clock: MachineClock, machine: Machine) -> None:
        self.name = name
        self.clock = clock
        self.lives: list[Life] = []
        self.down = 0.0
        self._machine = machine
        self._up = anyio.Event()
        self._hurry = anyio.Event()
        self._night: anyio.Event | None = None

    @property
    def life(self) -> Life | None:
        """The life that is up and not frozen."""
        return self.lives[-1] if self._up.is_set() and not self.lives[-1].process.frozen else None

    async def keep_up(self) -> None:
        """Starts life after life, `down` seconds after the last one has gone."""
        while True:
            life = Life(f"{self.name}.{len(self.lives)}", self.clock, self._machine)
            self.lives.append(life)
            await life.ready.wait()
            self._up.set()
            await life.gone.wait()
            self._up = anyio.Event()
            if self._night is not None:
                await self._night.wait()
            with anyio.move_on_after(self.down):
                await self._hurry.wait()
            self.down = 0.0

    async def reached(self) -> Life:
        """The life that is up, as soon as there is one."""
        await self._up.wait()
        return self.lives[-1]

    async def renewed(self) -> Life:
        """A fresh life, after the last one was closed in order."""
        life = await self.reached()
        life.close()
        await life.gone.wait()
        await anyio.sleep(0.01)
        return await self.reached()

    def thaw(self) -> None:
        """Lets a process go on that was stopped as the troubles ended."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, CampaignLoop)
        for life in self.lives:
            if life.process.frozen and not life.gone.is_set():
                life.process.thaw(loop)

    def rest(self) -> None:
        """Closes the process in order, and starts no other until it is woken."""
        if self._night is None and (life := self.life) is not None:
            self._night = anyio.Event()
            life.close()

    def wake(self) -> None:
        """Ends a rest."""
        if self._night is not None:
            self._night.set()
            self._night = None

    def hasten(self) -> None:
        """Ends the time between two lives, now and from now on."""
        self._hurry.set()


def _pipes() -> tuple[Ends, Ends]:
    """The two ends of a wire; what is written waits for as long as nobody reads."""
    there: tuple[Writing, Reading] = anyio.create_memory_object_stream[SessionMessage | Exception](inf)
    back: tuple[Writing, Reading] = anyio.create_memory_object_stream[SessionMessage | Exception](inf)
    return (back[1], there[0]), (there[1], back[0])


def describe(error: BaseException) -> str:
    """An exception in a line, with those of a group."""
    name, inner = type(error).__name__, cast("tuple[BaseException, ...]", getattr(error, "exceptions", ()))
    return f"{name}({', '.join(map(describe, inner))})" if inner else f"{name}: {error}"[:300]
