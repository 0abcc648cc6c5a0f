"""Conversations with a hosted server of three replicas: `python -m tests.hosted.conversations --era 2025`.

nginx in front of three server processes on one PostgreSQL, each asked in turn, two callers, a stand-in for upstream.
While agents converse, two replicas are killed one after the other and begun anew, and one is drained. Each
conversation has to come to its film, each wish to be accepted exactly once, and nobody sees a task of somebody else's.
Exits with 1 if anything was found.
"""

import argparse
import logging
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import get_args

import anyio

from runway_mcp.callers import hash_of
from runway_mcp.simulator.builders import small_world
from runway_mcp.simulator.run import running
from runway_mcp.simulator.world import World
from tests.hosted.conversation import CALLERS, Era, Tally, Wish, converse, reasons_of
from tests.hosted.nginx import running_nginx
from tests.kit.machines import Machine
from tests.kit.ports import free_ports
from tests.kit.postgres import running_postgres
from tests.kit.processes import server_environment

_REPLICAS, _PACE = 3, 4.0
_KEYS = "a-key-of-at-least-thirty-two-characters"
_CONVERSATION_SECONDS = 240.0
# How many requests a conversation makes at least, and after which share of all of them what happens to a replica.
_REQUESTS = 7
_FAULTS = ((0.15, signal.SIGKILL), (0.4, signal.SIGTERM), (0.65, signal.SIGKILL))


@asynccontextmanager
async def _hosted(world: World) -> AsyncGenerator[tuple[str, Sequence[Machine]]]:
    """The balancer's origin and the replicas behind it, all running."""
    with tempfile.TemporaryDirectory() as folder, running_postgres() as database:
        callers = Path(folder) / "callers.toml"
        callers.write_text("".join(_entry(name) for name in CALLERS), encoding="utf-8")
        async with running(world) as upstream:
            settings = {
                "RUNWAY_MCP_DATABASE_URL": database.url(),
                "RUNWAY_MCP_STATE_KEYS": _KEYS,
                "RUNWAY_MCP_CALLERS": str(callers),
                "RUNWAY_MCP_POLL_SECONDS": "0.5",
            }
            ports = free_ports(_REPLICAS + 1)
            machines = [
                Machine(server_environment(upstream, Path(folder) / str(port), **settings), port=port)
                for port in ports[1:]
            ]
            try:
                async with anyio.create_task_group() as group:
                    for machine in machines:
                        group.start_soon(machine.start)
                with running_nginx(ports[0], ports[1:]) as origin:
                    yield origin, machines
            finally:
                with anyio.CancelScope(shield=True):
                    async with anyio.create_task_group() as group:
                        for machine in machines:
                            group.start_soon(machine.end, signal.SIGKILL)


def _entry(name: str) -> str:
    """A caller of the file, who may spend and is asked before."""
    token = hash_of(f"{name}-token")
    return f'[[callers]]\nname = "{name}"\ntoken_sha256 = "{token}"\nscopes = ["read", "spend"]\nconfirm = "always"\n'


async def held(conversations: int, era: Era, *, at_once: int) -> Tally:
    """Holds so many conversations, at most `at_once` at a time, while replicas end; returns what they came to."""
    world = small_world(pace=_PACE, max_jobs=1_000, slots=1_000, permitted=10_000_000)
    clip = world.asset_id(world.assets[0])
    wishes = [
        Wish(CALLERS[number % 2], f"{CALLERS[number % 2]} wishes {number}", clip) for number in range(conversations)
    ]
    moments = [anyio.Event() for _ in _FAULTS]
    asked = Counter[str]()

    def count() -> None:
        asked["requests"] += 1
        for (share, _), moment in zip(_FAULTS, moments, strict=True):
            if asked["requests"] >= share * conversations * _REQUESTS:
                moment.set()

    tally, room = Tally(count), anyio.CapacityLimiter(at_once)
    async with _hosted(world) as (origin, machines), anyio.create_task_group() as group:
        group.start_soon(_end_in_turn, tally, machines, moments)
        for wish in wishes:
            group.start_soon(_held, origin, era, wish, tally, room)
    prompts = Counter(str(task.options["text_prompt"]) for task in world.accepted)
    tally.counts["wishes accepted upstream"] = len(prompts)
    tally.failed += [
        f"{wish.words}: accepted {prompts[wish.words]} times" for wish in wishes if prompts[wish.words] != 1
    ]
    return tally


async def _end_in_turn(tally: Tally, machines: Sequence[Machine], moments: Sequence[anyio.Event]) -> None:
    """Ends each replica at its moment, and begins it anew before the next one ends."""
    for machine, moment, (_, by) in zip(machines, moments, _FAULTS, strict=True):
        await moment.wait()
        await machine.end(by)
        tally.counts[f"replicas ended by {by.name} and begun anew"] += 1
        await machine.start()


async def _held(origin: str, era: Era, wish: Wish, tally: Tally, room: anyio.CapacityLimiter) -> None:
    async with room:
        try:
            with anyio.fail_after(_CONVERSATION_SECONDS):
                await converse(origin, era, wish, tally)
        except Exception as error:  # noqa: BLE001  whatever a conversation fails by is what is asked for
            tally.failed.append(f"{wish.words}: {_reasons(error)}")
        else:
            tally.counts["conversations that came to their film"] += 1


def _reasons(error: BaseException) -> str:
    return "; ".join(f"{type(each).__name__}: {each}"[:600] for each in reasons_of(error))


def main() -> int:
    """Holds conversations and prints what they came to."""
    parser = argparse.ArgumentParser(prog="python -m tests.hosted.conversations", description=__doc__)
    parser.add_argument("--conversations", type=int, default=8)
    parser.add_argument("--era", choices=get_args(Era), action="append", help="default: each of them")
    parser.add_argument("--at-once", type=int, default=10)
    asked = parser.parse_args()
    logging.disable(logging.CRITICAL)
    is_found = False
    for era in asked.era or get_args(Era):
        tally = anyio.run(partial(held, asked.conversations, era, at_once=asked.at_once))
        sys.stdout.write("".join(f"{count:8} {name}\n" for name, count in sorted(tally.counts.items())))
        sys.stdout.write("".join(f"{told}\n" for told in tally.failed))
        films = tally.counts["conversations that came to their film"]
        sys.stdout.write(f"era {era}: {films} of {asked.conversations} conversations, {len(tally.failed)} findings\n")
        is_found = is_found or bool(tally.failed)
    return is_found


if __name__ == "__main__":
    sys.exit(main())
