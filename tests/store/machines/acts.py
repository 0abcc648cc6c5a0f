"""What may happen to servers and their database while they are at work: each takes its draws and the scene."""

import random
import signal
from collections.abc import Awaitable, Callable

import anyio
import anyio.to_thread
import psycopg

from tests.store.machines.scene import Scene

Act = Callable[[random.Random, Scene], Awaitable[None]]

_LONGEST_STILL = 20.0


async def kill(draw: random.Random, scene: Scene) -> None:
    """SIGKILL for a server, which is begun anew within some seconds."""
    machine = draw.choice(scene.replicas).machine
    pause = draw.uniform(0, 3.0)
    await machine.end(signal.SIGKILL)
    await anyio.sleep(pause)
    await machine.start()


async def stand_still(draw: random.Random, scene: Scene) -> None:
    """SIGSTOP for a server, and SIGCONT before its leases are over or after that."""
    machine = draw.choice(scene.replicas).machine
    seconds = draw.choice((0.5, 5.0, _LONGEST_STILL))
    machine.stop()
    try:
        await anyio.sleep(seconds)
    finally:
        machine.go_on()


async def terminate(_draw: random.Random, scene: Scene) -> None:
    """`pg_terminate_backend` for all sessions."""
    query = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'useapi-runway-mcp' AND pid <> pg_backend_pid()"
    )
    async with await psycopg.AsyncConnection.connect(scene.databases.url, autocommit=True) as admin:
        await admin.execute(query)


async def cut_at_commit(draw: random.Random, scene: Scene) -> None:
    """A connection that is cut at a COMMIT, before the database hears it or after it did."""
    how, spared = draw.choice(("before", "after")), draw.randint(0, 6)
    for way in draw.choice(scene.replicas).ways:
        way.cut_next(how, spared=spared)


async def drop(draw: random.Random, scene: Scene) -> None:
    """All connections of a server to the database reset, wherever they are."""
    for way in draw.choice(scene.replicas).ways:
        way.drop()


async def part(draw: random.Random, scene: Scene) -> None:
    """A server that cannot reach the database for a while, and is told so or is not."""
    ways, seconds = draw.choice(scene.replicas).ways, draw.choice((1.0, 6.0, _LONGEST_STILL))
    is_silent = draw.random() < 0.5
    for way in ways:
        (way.hold if is_silent else way.shut)()
    try:
        await anyio.sleep(seconds)
    finally:
        for way in ways:
            way.reopen()


async def shut_down(draw: random.Random, scene: Scene) -> None:
    """An immediate shutdown of the database, which is begun anew within some seconds."""
    pause = draw.uniform(0, 2.0)
    async with scene.turn:
        # In a thread, since its clients are to go on meanwhile.
        await anyio.to_thread.run_sync(scene.databases.primary.stop, "immediate")
        await anyio.sleep(pause)
        await anyio.to_thread.run_sync(scene.databases.primary.start)


ACTS: tuple[Act, ...] = (kill, stand_still, terminate, cut_at_commit, drop, part, shut_down)
"""What may happen where one server is the database."""

WEIGHTS = (4, 3, 2, 3, 1, 1, 2)
"""How often each of `ACTS` is drawn."""

STANDBY_ACTS: tuple[Act, ...] = (kill, stand_still, cut_at_commit, drop)
"""What may happen beside the fail-over of a database with a standby."""


async def fail_over(draw: random.Random, scene: Scene) -> None:
    """The primary lost or cut off from everybody, perhaps after its standby was, and the standby promoted."""
    is_link_first, pause, is_killed = draw.random() < 0.5, draw.uniform(0, 4.0), draw.random() < 0.5
    lost = scene.databases.servers.index(scene.databases.primary)
    if is_link_first:
        await anyio.to_thread.run_sync(scene.databases.cut_link)
        await anyio.sleep(pause)
    if is_killed:
        await anyio.to_thread.run_sync(scene.databases.primary.kill)
    else:
        is_silent = draw.random() < 0.5
        for replica in scene.replicas:
            (replica.ways[lost].hold if is_silent else replica.ways[lost].shut)()
    await anyio.to_thread.run_sync(scene.databases.promote)


async def rebuild(scene: Scene) -> None:
    """Makes the server that was the primary before a fail-over the standby of the one that is."""
    await anyio.to_thread.run_sync(scene.databases.rebuild)
    for replica in scene.replicas:
        for way in replica.ways:
            way.drop()
            way.reopen()
