"""What befalls the processes of a run: ends, stops, locks, clocks that jump; each at its moment."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from tests.campaign.facts import Post
from tests.campaign.processes import CampaignLoop, Fuse, Process
from tests.campaign.scenario import Incident
from tests.campaign.servers import Life, Server

# A process that meets a lock tries again after so many seconds at most; timers of the network are of other lengths.
_RETRY_SECONDS = (0.002, 0.0499)
# How long the lock waits for the process to meet it, less than the process would wait for the lock.
_LONGEST_LOCK = 4.0

Trap = Callable[[Process, str, Post], bool]
"""Hears of each moment of a POST; true once it has sprung."""


class Lock:
    """The ledger's write lock, as another program may hold it."""

    def __init__(self, ledger: Path) -> None:
        self._ledger = ledger
        self._open = ExitStack()

    def take(self) -> bool:
        """Takes the lock; false if there is no ledger, or somebody else holds it."""
        if not self._ledger.exists():
            return False
        connection = self._open.enter_context(closing(sqlite3.connect(self._ledger, timeout=0, isolation_level=None)))
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            self.release()
            return False
        return True

    def release(self) -> None:
        """Lets the lock go."""
        self._open.close()


class Commits:
    """Counts what a process commits to the ledger, step by step; calls back after so many commits."""

    def __init__(self, ledger: Path, process: Process, wanted: int, action: Callable[[], None]) -> None:
        self._ledger = ledger
        self._process = process
        self._left = wanted
        self._action = action
        self._connection: sqlite3.Connection | None = None
        self._version = 0
        process.after_step = self._look

    def stop(self) -> None:
        """Counts no more."""
        self._process.after_step = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _look(self) -> None:
        if self._connection is None:
            if not self._ledger.exists():
                return
            self._connection = sqlite3.connect(self._ledger, timeout=0, isolation_level=None)
            self._version = self._now()
            return
        version = self._now()
        if version != self._version:
            self._version = version
            self._left -= 1
            if self._left <= 0:
                self.stop()
                self._action()

    def _now(self) -> int:
        assert self._connection
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])


@dataclass
class Incidents:
    """The incidents of a run; `locked` tells when the ledger was held, `held_up` whether a process was ever."""

    ledger: Path
    servers: list[Server]
    log: Callable[[str], None]
    healthy: Callable[[], bool]
    traps: list[Trap] = field(default_factory=list[Trap])
    locked: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    held_up: bool = False
    _counting: list[Commits] = field(default_factory=list[Commits])
    _barred: dict[str, Lock] = field(default_factory=dict[str, Lock])

    def spring(self, process: Process, moment: str, post: Post) -> None:
        """Hears of a moment of a POST."""
        self.traps[:] = [trap for trap in self.traps if not trap(process, moment, post)]

    def stop(self) -> None:
        """Lets go of what is still armed."""
        for counting in self._counting:
            counting.stop()

    async def befall(self, incident: Incident) -> None:
        """One incident, from its time on until it is over."""
        await anyio.sleep(incident.at)
        server = self.servers[incident.server]
        life = await self._moment(incident, server)
        if life is None or self.healthy():
            return
        self.log(f"{life.process.name}: {incident.fate} for {incident.seconds:.1f} s ({incident.trigger})")
        match incident.fate:
            case "stall":
                await self._stand_still(life, incident.seconds)
            case "stall at the lock":
                await self._stand_still_at_the_lock(life, incident.seconds)
            case "lock":
                await self._hold(incident.seconds)
            case "jump":
                server.clock.ahead += incident.jump
                await anyio.sleep(incident.seconds)
                server.clock.ahead -= incident.jump
            case _:
                return

    async def _moment(self, incident: Incident, server: Server) -> Life | None:
        """Waits for the incident's moment; what must strike in the very step does so here. The life that was struck."""
        struck = anyio.Event()
        victims: list[Life] = []

        def strike() -> None:
            life = server.life
            if struck.is_set() or life is None or self.healthy():
                return
            victims.append(life)
            self._strike(incident, server, life)
            struck.set()

        def trap(process: Process, moment: str, _: Post) -> bool:
            if moment == incident.trigger and process.name.startswith(f"{server.name}."):
                strike()
                return True
            return False

        match incident.trigger:
            case "time":
                strike()
                return victims[0] if victims else None
            case "steps":
                (await server.reached()).process.fuse = Fuse(incident.steps, strike)
            case "commit":
                process = (await server.reached()).process
                self._counting.append(Commits(self.ledger, process, incident.steps, strike))
            case _:
                self.traps.append(trap)
        await struck.wait()
        return victims[0]

    def _strike(self, incident: Incident, server: Server, life: Life) -> None:
        self.held_up |= incident.fate in ("stall", "lock", "stall at the lock")
        if incident.fate == "stall":
            life.process.freeze()
        elif incident.fate == "stall at the lock":
            self._bar(life)
        elif incident.fate in ("close", "crash"):
            server.down = incident.seconds
            life.close() if incident.fate == "close" else life.abandon()

    def _bar(self, life: Life) -> None:
        """Takes the lock in this very step, so that the process meets it at its next transaction, and then stops."""
        lock = Lock(self.ledger)
        if not lock.take():
            life.process.freeze()
            return
        self._barred[life.process.name] = lock

        def met(seconds: float) -> None:
            shortest, longest = _RETRY_SECONDS
            if shortest <= seconds <= longest:
                life.process.on_timer = None
                life.process.freeze()
                lock.release()

        life.process.on_timer = met

    async def _stand_still_at_the_lock(self, life: Life, seconds: float) -> None:
        began = anyio.current_time()
        lock = self._barred.pop(life.process.name, None)
        try:
            with anyio.move_on_after(_LONGEST_LOCK):
                while not life.process.frozen:  # noqa: ASYNC110  no event tells that a step was a process's last
                    await anyio.sleep(0.01)
        finally:
            life.process.on_timer = None
            if lock is not None:
                lock.release()
            self.locked.append((began, anyio.current_time()))
        life.process.freeze()
        await self._stand_still(life, seconds)

    async def _hold(self, seconds: float) -> None:
        lock = Lock(self.ledger)
        if not lock.take():
            return
        began = anyio.current_time()
        try:
            await anyio.sleep(seconds)
        finally:
            lock.release()
            self.locked.append((began, anyio.current_time()))

    async def _stand_still(self, life: Life, seconds: float) -> None:
        try:
            await anyio.sleep(seconds)
        finally:
            if not life.gone.is_set():
                self.log(f"{life.process.name} goes on")
                loop = asyncio.get_running_loop()
                assert isinstance(loop, CampaignLoop)
                life.process.thaw(loop)
