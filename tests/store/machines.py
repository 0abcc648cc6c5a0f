"""Random ends of whole servers, in real time: `python -m tests.store.machines --runs 50`.

Two server processes and one PostgreSQL, one stand-in for upstream. In each run two requests are made again and again at
either, while processes are killed or stand still, sessions are ended, connections cut at a COMMIT and the database
is shut down at once. In the end both run in peace, and each request is repeated: no request may have been accepted
twice or be without an owner, and each task's end must be known within one lease of peace. Exits with 1 if anything
was found.
"""

import argparse
import logging
import random
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio
import anyio.to_thread
import psycopg
from mcp.client.client import Client
from psycopg.conninfo import conninfo_to_dict

from runway_mcp.simulator.builders import small_world
from runway_mcp.simulator.run import running
from runway_mcp.simulator.world import World
from runway_mcp.tasks.store.protocol import LEASE_SECONDS
from tests.kit.postgres import PostgresServer, new_schema, running_postgres
from tests.kit.processes import HttpServerProcess, http_server_process, serve_command, server_environment
from tests.kit.upstream import fault
from tests.store.campaign import SPOILS
from tests.store.cut import Way, open_way

_KEYS = "a-key-of-at-least-thirty-two-characters"
# How long a run may take, a call, and the repeated calls of one request in the end, in seconds.
_RUN_SECONDS, _CALL_SECONDS, _PEACE_SECONDS = 240.0, 12.0, 60.0
_POLL = 0.5
_LONGEST_STILL = 20.0


@dataclass
class Run:
    """What a run came to: counts by what happened, the longest time until all ends were known, what was found."""

    seed: int
    counts: Counter[str] = field(default_factory=Counter[str])
    slowest: float = 0.0
    found: list[str] = field(default_factory=list[str])


class Machine:
    """A server process that shares the database; it is begun anew after it was killed."""

    def __init__(self, upstream: str, folder: Path, way: Way) -> None:
        self.way = way
        self._env = server_environment(
            upstream,
            folder,
            RUNWAY_MCP_DATABASE_URL=_url(way.conninfo),
            RUNWAY_MCP_STATE_KEYS=_KEYS,
            RUNWAY_MCP_POLL_SECONDS=str(_POLL),
        )
        self._context: AbstractContextManager[HttpServerProcess] | None = None
        self.served: HttpServerProcess | None = None
        self._turn = anyio.Lock()

    async def start(self) -> None:
        """Starts it unless it runs."""
        async with self._turn:
            if self.served is None:
                context = http_server_process(serve_command("http"), self._env)
                self.served = await anyio.to_thread.run_sync(context.__enter__)
                self._context = context

    async def end(self, by: signal.Signals = signal.SIGTERM) -> None:
        """Ends it by a signal, if it runs; one that stands still goes on first unless it is killed."""
        async with self._turn:
            context, served = self._context, self.served
            self._context = self.served = None
            if context is not None and served is not None:
                served.program.process.send_signal(by)
                with anyio.CancelScope(shield=True):
                    await anyio.to_thread.run_sync(context.__exit__, None, None, None)

    async def stand_still(self, seconds: float) -> None:
        """Stops its process for so long."""
        served = self.served
        if served is not None:
            served.program.process.send_signal(signal.SIGSTOP)
            try:
                await anyio.sleep(seconds)
            finally:
                served.program.process.send_signal(signal.SIGCONT)


def _url(conninfo: str) -> str:
    """The URL of a connection string, as the setting wants it."""
    given: dict[str, Any] = conninfo_to_dict(conninfo)
    parameters = "&".join(
        f"{name}={quote(str(value))}" for name, value in given.items() if name not in ("user", "host", "port", "dbname")
    )
    return f"postgresql://{given['user']}@{given['host']}:{given['port']}/{given['dbname']}?{parameters}"


@dataclass
class Scene:
    """What all runs of a campaign share."""

    world: World
    server: PostgresServer
    url: str
    machines: list[Machine]


@asynccontextmanager
async def scene() -> AsyncGenerator[Scene]:
    """Two machines on a new database, and a stand-in."""
    world = small_world(pace=1.0, max_jobs=3, permitted=10_000_000)
    with tempfile.TemporaryDirectory() as folder, running_postgres() as server, new_schema(server.url()) as url:
        async with running(world) as upstream, open_way(url) as way, open_way(url) as other:
            ways = enumerate((way, other))
            machines = [Machine(upstream, Path(folder) / str(number), each) for number, each in ways]
            try:
                for machine in machines:
                    await machine.start()
                yield Scene(world, server, url, machines)
            finally:
                with anyio.CancelScope(shield=True):
                    for machine in machines:
                        await machine.end()


async def play(scene: Scene, seed: int) -> Run:
    """Plays the run of a seed; both machines run when it ends."""
    run, draw = Run(seed), random.Random(seed)  # noqa: S311  to be repeated
    scene.world.pace = draw.uniform(0.3, 4.0)
    for rule in draw.sample(SPOILS, draw.randint(0, 2)):
        fault(scene.world, **rule)
    prompts = tuple(f"{name} {seed}" for name in ("first", "second"))
    try:
        with anyio.fail_after(_RUN_SECONDS):
            await _played(run, draw, scene, prompts)
    except TimeoutError:
        run.found.append("it did not end")
    return run


async def _played(run: Run, draw: random.Random, scene: Scene, prompts: tuple[str, ...]) -> None:
    async with anyio.create_task_group() as group:
        for _ in range(draw.randint(2, 5)):
            moment, prompt, machine = draw.uniform(0, 2.0), draw.choice(prompts), draw.choice(scene.machines)
            group.start_soon(_call, run, scene.world, machine, moment, prompt)
        for _ in range(draw.randint(1, 4)):
            moment, act = draw.uniform(0, 3.0), draw.choices(_ACTS, _WEIGHTS)[0]
            group.start_soon(_act, run, moment, act.__name__, partial(act, draw, scene))
    scene.world.faults.clear()
    for machine in scene.machines:
        await machine.start()
    peace = anyio.current_time()
    # One of them alone is enough for what the other had begun.
    if draw.random() < 0.3:
        run.counts["one machine alone in the end"] += 1
        await draw.choice(scene.machines).end(signal.SIGKILL)
    for prompt in prompts:
        await _repeat(run, scene, prompt)
    await _judge(run, scene, prompts, peace)
    for machine in scene.machines:
        await machine.start()


async def _call(run: Run, world: World, machine: Machine, moment: float, prompt: str) -> None:
    await anyio.sleep(moment)
    told = await _told(world, machine, prompt, wait=draw_wait(prompt))
    run.counts[f"told {told.get('status') or told.get('error', {}).get('kind') or 'nothing'}"] += 1


def draw_wait(prompt: str) -> int:
    """How long a call waits, in seconds: long for one of the two requests, not at all for the other."""
    return 4 if prompt.startswith("first") else 0


async def _told(world: World, machine: Machine, prompt: str, *, wait: int) -> dict[str, Any]:
    """The structured content of a call, empty if it was cut off."""
    arguments = {"assetId": world.asset_id(world.assets[0]), "text_prompt": prompt, "wait_seconds": wait}
    with anyio.move_on_after(_CALL_SECONDS):
        try:
            if machine.served is not None:
                async with Client(machine.served.mcp) as client:
                    result = await client.call_tool("extend_video", arguments)
                return result.structured_content or {}
        except Exception as error:  # noqa: BLE001  whatever a client of a server that is ended meets
            logging.getLogger(__name__).info("%s", error)
    return {}


async def _act(run: Run, moment: float, name: str, act: Callable[[], Awaitable[None]]) -> None:
    await anyio.sleep(moment)
    run.counts[name.strip("_")] += 1
    with suppress(psycopg.Error):
        await act()


async def _kill(draw: random.Random, scene: Scene) -> None:
    machine = draw.choice(scene.machines)
    await machine.end(signal.SIGKILL)
    await anyio.sleep(draw.uniform(0, 3.0))
    await machine.start()


async def _stand_still(draw: random.Random, scene: Scene) -> None:
    await draw.choice(scene.machines).stand_still(draw.choice((0.5, 5.0, _LONGEST_STILL)))


async def _terminate(_draw: random.Random, scene: Scene) -> None:
    query = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'useapi-runway-mcp' AND pid <> pg_backend_pid()"
    )
    async with await psycopg.AsyncConnection.connect(scene.url, autocommit=True) as admin:
        await admin.execute(query)


async def _cut(draw: random.Random, scene: Scene) -> None:
    draw.choice(scene.machines).way.cut_next(draw.choice(("before", "after")), spared=draw.randint(0, 6))


async def _shut_down(draw: random.Random, scene: Scene) -> None:
    # In a thread, since its clients are to go on meanwhile.
    await anyio.to_thread.run_sync(scene.server.stop, "immediate")
    await anyio.sleep(draw.uniform(0, 2.0))
    await anyio.to_thread.run_sync(scene.server.start)


_ACTS = (_kill, _stand_still, _terminate, _cut, _shut_down)
_WEIGHTS = (4, 3, 2, 3, 1)


async def _repeat(run: Run, scene: Scene, prompt: str) -> None:
    """Makes a request until its outcome is told, and goes without one where upstream has nothing to tell of."""
    with anyio.move_on_after(_PEACE_SECONDS):
        while True:
            for machine in scene.machines:
                told = await _told(scene.world, machine, prompt, wait=3)
                kind = told.get("error", {}).get("kind")
                if told.get("taskId"):
                    run.counts["requests with a task in the end"] += 1
                    return
                if kind == "submission_unknown" and not _accepted(scene.world, prompt):
                    run.counts["unclear, and upstream has nothing"] += 1
                    return
            await anyio.sleep(0.2)
    run.found.append(f"{prompt}: no outcome")


def _accepted(world: World, prompt: str) -> list[str]:
    return [world.task_id(task) for task in world.accepted if task.options["text_prompt"] == prompt]


async def _judge(run: Run, scene: Scene, prompts: tuple[str, ...], peace: float) -> None:
    for prompt in prompts:
        made = _accepted(scene.world, prompt)
        run.counts["tasks accepted"] += len(made)
        if len(made) > 1:
            run.found.append(f"{prompt}: accepted {len(made)} times")
    made = [task_id for prompt in prompts for task_id in _accepted(scene.world, prompt)]
    longest = LEASE_SECONDS + scene.world.pace + 4 * _POLL
    async with await psycopg.AsyncConnection.connect(scene.url, autocommit=True) as ledger:
        while True:
            query = "SELECT task_id, ended FROM intents WHERE task_id = ANY(%s)"
            rows = await (await ledger.execute(query, (made,))).fetchall()
            open_ends = [task_id for task_id, ended in rows if ended is None]
            if not open_ends or anyio.current_time() - peace > longest + _PEACE_SECONDS:
                break
            await anyio.sleep(0.1)
    run.slowest = anyio.current_time() - peace
    if lost := set(made) - {row[0] for row in rows}:
        run.found.append(f"without an owner: {lost}")
    if open_ends:
        run.found.append(f"ends that nobody saw: {open_ends}")


async def campaign(runs: int, seed: int) -> list[Run]:
    """Plays the runs of so many seeds, one after the other."""
    async with scene() as shared:
        played: list[Run] = []
        for number in range(runs):
            run = await play(shared, seed + number)
            played.append(run)
            sys.stdout.write("".join(f"seed {run.seed}: {told}\n" for told in run.found or ["nothing found"]))
            sys.stdout.flush()
        return played


def main() -> int:
    """Plays a campaign and prints what it came to."""
    parser = argparse.ArgumentParser(prog="python -m tests.store.machines", description=__doc__)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    played = anyio.run(campaign, arguments.runs, arguments.seed)
    for name, count in sorted(sum((run.counts for run in played), Counter[str]()).items()):
        sys.stdout.write(f"{count:8} {name}\n")
    findings = sum(len(run.found) for run in played)
    slowest = max(run.slowest for run in played)
    sys.stdout.write(f"{len(played)} runs, {findings} findings, all ends known {slowest:.0f} s after the faults\n")
    return bool(findings)


if __name__ == "__main__":
    sys.exit(main())
