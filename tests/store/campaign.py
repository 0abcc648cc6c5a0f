"""Random faults of a database, its server and upstream, in real time: `python -m tests.store.campaign --runs 200`.

Each run has two programs on one ledger, in one process, and two requests that they get again and again. Sessions
are ended, connections cut at a COMMIT, the server restarted, programs ended and begun anew, answers of upstream lost.
In the end each request is repeated in peace; then no request may have been accepted twice, and none without an owner.
Exits with 1 if anything was found.
"""

import argparse
import logging
import random
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import anyio
import psycopg
from anyio.abc import TaskGroup

from runway_mcp.simulator.world import World
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.service import TaskService
from runway_mcp.tasks.store.postgres.database import Patience
from runway_mcp.tasks.store.postgres.store import PostgresStore
from tests.kit.postgres import PostgresServer, new_schema, running_postgres, url_with
from tests.kit.upstream import fault, virtual_world
from tests.store.cut import Way, open_way
from tests.tasks.services import open_service_over
from tests.tasks.submits import POST, submit, wish

_PROMPTS = ("first", "second")
_HASTY = Patience(verb=0.5, lock=0.2, attempt=2.0, commit=0.5)
# How long a run may take, and how long a request is repeated in the end, in seconds.
_RUN_SECONDS, _PEACE_SECONDS = 90.0, 20.0
SPOILS: tuple[dict[str, Any], ...] = (
    {**POST, "kind": "reset"},
    {**POST, "kind": "reset_after"},
    {**POST, "kind": "cut", "after_bytes": 9},
    {**POST, "kind": "delay_after", "seconds": 0.4},
    {**POST, "kind": "status", "status": 503, "handled": True},
    {**POST, "kind": "status", "status": 400, "handled": True},
    {**POST, "kind": "status", "status": 429, "retry_after": 0.2},
    {"method": "GET", "kind": "status", "status": 503, "times": 2},
)
"""What may spoil answers of upstream: fields of faults."""


@dataclass
class Run:
    """What a run came to: counts by what happened, and what was found."""

    seed: int
    counts: Counter[str] = field(default_factory=Counter[str])
    found: list[str] = field(default_factory=list[str])


@dataclass
class Replica:
    """A program on the ledger: the way to it, and while it runs its service, the group of its calls, and its end."""

    way: Way
    service: TaskService | None = None
    calls: TaskGroup | None = None
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)


async def play(server: PostgresServer, seed: int) -> Run:
    """Plays the run of a seed; the server runs again when it ends."""
    run, draw = Run(seed), random.Random(seed)  # noqa: S311  to be repeated
    world = virtual_world(pace=draw.uniform(0.1, 0.6), max_jobs=draw.choice((1, 3, 3)))
    for rule in draw.sample(SPOILS, draw.randint(0, 3)):
        fault(world, **rule)
    try:
        with anyio.fail_after(_RUN_SECONDS), new_schema(server.url()) as schema:
            url = url_with(schema, application_name=f"campaign-{seed}")
            async with open_way(url) as way, open_way(url) as other:
                await _played(run, draw, world, server, url, [Replica(way), Replica(other)])
    except TimeoutError:
        run.found.append("it did not end")
    return run


async def _played(
    run: Run, draw: random.Random, world: World, server: PostgresServer, url: str, replicas: list[Replica]
) -> None:
    async with anyio.create_task_group() as programs:
        for replica in replicas:
            programs.start_soon(_serve, replica, world)
        async with anyio.create_task_group() as group:
            for _ in range(draw.randint(2, 6)):
                moment, prompt, replica = draw.uniform(0, 2.0), draw.choice(_PROMPTS), draw.choice(replicas)
                group.start_soon(_call, run, world, replica, moment, prompt)
            for _ in range(draw.randint(1, 5)):
                moment, act = draw.uniform(0, 2.5), draw.choices(_ACTS, _WEIGHTS)[0]
                group.start_soon(_act, run, moment, act.__name__, partial(act, draw, server, url, replicas))
        world.faults.clear()
        for prompt in _PROMPTS:
            await _repeat(run, world, replicas, prompt)
        await _judge(run, world, url)
        programs.cancel_scope.cancel()


async def _serve(replica: Replica, world: World) -> None:
    """A program that is begun anew whenever it is ended."""
    while True:
        with anyio.CancelScope() as replica.scope:
            store = PostgresStore(replica.way.conninfo, patience=_HASTY)
            try:
                async with (
                    open_service_over(world, store, poll_seconds=0.05) as service,
                    anyio.create_task_group() as calls,
                ):
                    replica.service, replica.calls = service, calls
                    try:
                        await anyio.sleep_forever()
                    finally:
                        replica.service = replica.calls = None
            finally:
                await store.close()
        await anyio.lowlevel.checkpoint()


async def _call(run: Run, world: World, replica: Replica, moment: float, prompt: str) -> None:
    await anyio.sleep(moment)
    if replica.service is None or replica.calls is None:
        run.counts["calls at a program that was ended"] += 1
        return
    ended = anyio.Event()
    replica.calls.start_soon(_submitted, run, world, replica.service, prompt, ended)
    await ended.wait()


async def _submitted(run: Run, world: World, service: TaskService, prompt: str, ended: anyio.Event) -> None:
    told = "cut off"
    try:
        with anyio.move_on_after(6.0):
            await submit(service, wish(world, text_prompt=prompt), wait=1)
            told = "told a task"
    except Failure as failure:
        told = f"told {failure.kind}"
    finally:
        run.counts[told] += 1
        ended.set()


async def _act(run: Run, moment: float, name: str, act: Callable[[], None]) -> None:
    await anyio.sleep(moment)
    run.counts[name.strip("_")] += 1
    with suppress(psycopg.Error):
        act()


def _terminate(_draw: random.Random, _server: PostgresServer, url: str, _replicas: list[Replica]) -> None:
    query = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s AND pid <> pg_backend_pid()"
    )
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(query, (admin.info.get_parameters()["application_name"],))


def _cut(draw: random.Random, _server: PostgresServer, _url: str, replicas: list[Replica]) -> None:
    draw.choice(replicas).way.cut_next(draw.choice(("before", "after")), spared=draw.randint(0, 4))


def _restart(draw: random.Random, server: PostgresServer, _url: str, _replicas: list[Replica]) -> None:
    server.stop(draw.choice(("fast", "immediate")))
    server.start()


def _end(draw: random.Random, _server: PostgresServer, _url: str, replicas: list[Replica]) -> None:
    draw.choice(replicas).scope.cancel()


_ACTS = (_terminate, _cut, _restart, _end)
_WEIGHTS = (3, 6, 1, 2)


async def _repeat(run: Run, world: World, replicas: list[Replica], prompt: str) -> None:
    """Makes a request until its outcome is told, and goes without one where upstream has nothing to tell of."""
    with anyio.move_on_after(_PEACE_SECONDS):
        while True:
            service = next((replica.service for replica in replicas if replica.service), None)
            if service is None:
                await anyio.lowlevel.checkpoint()
                continue
            try:
                await submit(service, wish(world, text_prompt=prompt), wait=3)
            except Failure as failure:
                if failure.kind == "submission_unknown" and not _accepted(world, prompt):
                    run.counts["unclear, and upstream has nothing"] += 1
                    return
                await anyio.sleep(0.1)
            else:
                run.counts["requests with a task in the end"] += 1
                return
    run.found.append(f"{prompt}: no outcome")


def _accepted(world: World, prompt: str) -> list[str]:
    return [world.task_id(task) for task in world.accepted if task.options["text_prompt"] == prompt]


async def _judge(run: Run, world: World, url: str) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as ledger:
        rows = await (await ledger.execute("SELECT task_id, posts FROM intents")).fetchall()
    for prompt in _PROMPTS:
        made = _accepted(world, prompt)
        run.counts["tasks accepted"] += len(made)
        if len(made) > 1:
            run.found.append(f"{prompt}: accepted {len(made)} times")
        if lost := set(made) - {row[0] for row in rows}:
            run.found.append(f"{prompt}: without an owner: {lost}")


async def campaign(runs: int, seed: int) -> list[Run]:
    """Plays the runs of so many seeds, one after the other."""
    with running_postgres() as server:
        return [await play(server, seed + number) for number in range(runs)]


def main() -> int:
    """Plays a campaign and prints what it came to."""
    parser = argparse.ArgumentParser(prog="python -m tests.store.campaign", description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    played = anyio.run(campaign, arguments.runs, arguments.seed)
    for name, count in sorted(sum((run.counts for run in played), Counter[str]()).items()):
        sys.stdout.write(f"{count:8} {name}\n")
    found = [f"seed {run.seed}: {told}" for run in played for told in run.found]
    sys.stdout.write("".join(f"{line}\n" for line in found) + f"{len(played)} runs, {len(found)} findings\n")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
