"""The scene of a campaign: two server processes, each with ways of its own to one database, and a stand-in."""

import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from runway_mcp.simulator.builders import small_world
from runway_mcp.simulator.run import running
from runway_mcp.simulator.world import World
from tests.kit.machines import Machine
from tests.kit.processes import server_environment
from tests.store.cut import Way, open_way
from tests.store.machines.databases import Databases, Standby, running_databases

POLL = 0.5
"""The shortest time between two reads of the account, in seconds."""

_KEYS = "a-key-of-at-least-thirty-two-characters"
_MACHINES = 2


@dataclass(frozen=True)
class Replica:
    """A server process and its ways to the servers of the database, in their order."""

    machine: Machine
    ways: Sequence[Way]


@dataclass(frozen=True)
class Scene:
    """What the runs of a campaign share; `turn` is held by whoever stops the database or begins it anew."""

    world: World
    databases: Databases
    replicas: Sequence[Replica]
    turn: anyio.Lock = field(default_factory=anyio.Lock)


@asynccontextmanager
async def scene(*, standby: Standby | None) -> AsyncGenerator[Scene]:
    """Two machines on a new database, and a stand-in; both run."""
    world = small_world(pace=1.0, max_jobs=3, permitted=10_000_000)
    with tempfile.TemporaryDirectory() as folder, running_databases(standby=standby) as databases:
        async with running(world) as upstream, AsyncExitStack() as stack:
            replicas: list[Replica] = []
            for number in range(_MACHINES):
                ways = [await stack.enter_async_context(open_way(server.url())) for server in databases.servers]
                env = server_environment(
                    upstream,
                    Path(folder) / str(number),
                    RUNWAY_MCP_DATABASE_URL=_url(ways),
                    RUNWAY_MCP_STATE_KEYS=_KEYS,
                    RUNWAY_MCP_POLL_SECONDS=str(POLL),
                )
                replicas.append(Replica(Machine(env), ways))
            try:
                for replica in replicas:
                    await replica.machine.start()
                yield Scene(world, databases, replicas)
            finally:
                with anyio.CancelScope(shield=True):
                    for replica in replicas:
                        await replica.machine.end()


def _url(ways: Sequence[Way]) -> str:
    """The URL of a database that is reached by any of these ways."""
    hosts = ",".join(f"127.0.0.1:{way.port}" for way in ways)
    return f"postgresql://postgres@{hosts}/postgres?sslmode=disable&gssencmode=disable&target_session_attrs=read-write"
