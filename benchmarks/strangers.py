"""The real server beside strangers who attack it, and on upstreams that mean harm; prints what held, as a table.

    python -m benchmarks.strangers [--seconds 600] [--only attack|hostile]

The server may have 1,024 descriptors. Exits with 1 if a promise does not hold. All of it is real time on this machine.
"""

import argparse
import itertools
import os
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import anyio
import anyio.abc
import httpx

from benchmarks.hostile import ASSET_ID, KINDS, TASK_ID
from runway_mcp.server.transport.connections import raised_descriptor_limit
from tests.kit.processes import (
    HttpServerProcess,
    environment,
    http_server_process,
    running,
    serve_command,
    server_environment,
)
from tests.kit.stand_in import StandIn, open_stand_in

DESCRIPTORS: Final = 1024
ACCESS_TOKEN: Final = "distinctive-Access-7c41e9"  # noqa: S105  opens nothing
_OLD: Final = {
    "accept": "application/json, text/event-stream",
    "authorization": f"Bearer {ACCESS_TOKEN}",
    "mcp-protocol-version": "2025-11-25",
}
_CALLERS: Final = 4
_LOOKS: Final = 20
_MIB: Final = 2**20
_MOST_WAIT, _MOST_MEMORY, _MOST_GROWTH, _MOST_LOG = 2.0, 200.0, 16.0, 10_000.0
_LONGEST_LAG: Final = 0.15
_HARMFUL_ROUNDS: Final = 5
_ALONE: Final = 100


@dataclass(frozen=True)
class Promise:
    """Something that must hold: what, and what was measured."""

    what: str
    measured: str
    holds: bool


@dataclass
class Figures:
    """What was seen of a server: its answers in seconds, what failed, and its memory, descriptors and log over time."""

    waits: list[float] = field(default_factory=list[float])
    failed: list[str] = field(default_factory=list[str])
    memory: list[float] = field(default_factory=list[float])
    descriptors: list[int] = field(default_factory=list[int])
    log: list[int] = field(default_factory=list[int])


@contextmanager
def limited_server(url: str, folder: Path) -> Generator[HttpServerProcess]:
    """A server on all transports of HTTP that may have 1,024 descriptors, with the access token."""
    command = ["sh", "-c", f'ulimit -n {DESCRIPTORS} && exec "$@"', "sh", *serve_command("sse")]
    env = server_environment(url, folder, RUNWAY_MCP_ACCESS_TOKEN=ACCESS_TOKEN)
    with http_server_process(command, env) as served:
        yield served


def status(served: HttpServerProcess, name: str) -> float:
    """A field of the process's status in MiB: `VmRSS` for now, `VmHWM` for its peak."""
    told = Path(f"/proc/{served.program.process.pid}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) / 1024 for line in told.splitlines() if line.startswith(name))


def note(figures: Figures, served: HttpServerProcess) -> None:
    """Notes how the process stands."""
    figures.memory.append(status(served, "VmRSS"))
    figures.descriptors.append(len(os.listdir(f"/proc/{served.program.process.pid}/fd")))  # noqa: PTH208  names alone
    figures.log.append(len("".join(served.program.told)))


async def ask(client: httpx.AsyncClient, url: str, figures: Figures, method: str, **params: Any) -> str:
    """One request without a session; notes how long its answer took, and whether it is one."""
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    began = time.perf_counter()
    try:
        answer = await client.post(url, json=body, headers=_OLD)
    except httpx.HTTPError as error:
        figures.failed.append(f"{method}: {type(error).__name__}")
        return ""
    figures.waits.append(time.perf_counter() - began)
    if not answer.is_success or '"result"' not in answer.text:
        figures.failed.append(f"{method}: HTTP {answer.status_code} {answer.text[:200]}")
    return answer.text


def calls(upstream: StandIn, number: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Mixed calls of one caller, without an end."""
    clip, running = upstream.clip(), upstream.add_task(queue=0, duration=1e9)
    for turn in itertools.count():
        yield "tools/list", {}
        yield "tools/call", {"name": "list_assets", "arguments": {}}
        yield "tools/call", {"name": "get_task", "arguments": {"taskId": running}}
        yield "tools/call", {"name": "extend_video", "arguments": {"assetId": clip, "dry_run": True}}
        yield "resources/read", {"uri": "runway://tasks"}
        yield "tools/call", {"name": "list_assets", "arguments": {"query": "beach"}}
        if turn % 20 == 0:
            wanted = {"assetId": clip, "seed": 1 + 1000 * number + turn // 20, "wait_seconds": 0}
            yield "tools/call", {"name": "extend_video", "arguments": wanted}


async def attacked(served: HttpServerProcess, upstream: StandIn, seconds: float) -> Figures:
    """The server under mixed calls, with an attack beside them that ends before the last look at it."""
    figures = Figures()

    async def caller(number: int) -> None:
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            for method, params in calls(upstream, number):
                await ask(client, served.mcp, figures, method, **params)
                await anyio.sleep(0.2)

    command = [sys.executable, "-m", "benchmarks.attackers", served.origin]
    with running(command, environment(ACCESS_TOKEN=ACCESS_TOKEN)) as strangers:
        async with anyio.create_task_group() as everything:
            for number in range(_CALLERS):
                everything.start_soon(caller, number)
            for _ in range(_LOOKS):
                await anyio.sleep(seconds / _LOOKS)
                note(figures, served)
            everything.cancel_scope.cancel()
        strangers.process.terminate()
        done = strangers.process.stdout.read() if strangers.process.stdout else ""
    sys.stderr.write(f"{done or ''.join(strangers.told)}")
    # Connections of the attack that were slow are let go within this time.
    await anyio.sleep(35)
    note(figures, served)
    return figures


def promises_of_attack(figures: Figures, served: HttpServerProcess, upstream: StandIn) -> Iterator[Promise]:
    """What must hold of a server under attack."""
    waits, log = sorted(figures.waits), "".join(served.program.told)
    told = f"{len(waits):,} answered, {len(figures.failed)} failed {figures.failed[:2] or ''}"
    yield Promise("All calls are answered", told, not figures.failed)
    late = f"{waits[len(waits) // 2]:.2f} s in the middle, {waits[int(len(waits) * 0.99)]:.2f} s at the 99th percentile"
    yield Promise(f"Each within {_MOST_WAIT:.0f} s", f"{late}, {waits[-1]:.2f} s at most", waits[-1] <= _MOST_WAIT)
    first, last = figures.memory[len(figures.memory) // 4], figures.memory[-2]
    yield Promise(
        f"Memory stays flat: at most {_MOST_GROWTH:.0f} MiB more than after a quarter of the time",
        f"{first:.0f} → {last:.0f} MiB",
        last - first <= _MOST_GROWTH,
    )
    most, after = max(figures.descriptors), figures.descriptors[-1]
    yield Promise(
        "Descriptors come back", f"{most} at most, {after} afterwards", most < DESCRIPTORS and after <= most / 4
    )
    grown = (figures.log[-2] - figures.log[len(figures.log) // 2]) / (len(figures.log) / 2 - 1)
    yield Promise(
        f"The log grows by less than {_MOST_LOG / 1000:.0f} kB in a twentieth of the time",
        f"{grown / 1000:.1f} kB; {len(log) / 1000:.0f} kB in all",
        grown < _MOST_LOG,
    )
    forged = sum(line.lstrip().startswith("2026-01-01") for line in log.splitlines())
    found = [name for name, secret in secrets(upstream).items() if secret in log]
    yield Promise(
        "No log line is forged, and none holds a token",
        f"{forged} forged, {found or 'none'} found",
        not found and not forged,
    )


def secrets(upstream: StandIn) -> dict[str, str]:
    """What must stand in no log."""
    return {"the API token": upstream.token, "the access token": ACCESS_TOKEN, "a signed link": "_jwt="}


@contextmanager
def hostile_upstream(kind: str) -> Generator[str]:
    """The base URL of an upstream that answers everything with such a body."""
    with running([sys.executable, "-m", "benchmarks.hostile", kind], os.environ) as program:
        port = program.process.stdout.readline() if program.process.stdout else ""
        yield f"http://127.0.0.1:{int(port)}/v1/runwayml"


async def harmed(served: HttpServerProcess) -> tuple[Figures, Figures]:
    """The waits of a cheap request, again and again: beside nothing, and while calls read what the upstream sends."""
    alone, cheap, others = Figures(), Figures(), Figures()

    async def reader(rounds: int = _HARMFUL_ROUNDS) -> None:
        async with httpx.AsyncClient(trust_env=False, timeout=120) as client:
            for _ in range(rounds):
                for name, arguments in (
                    ("get_task", {"taskId": TASK_ID}),
                    ("list_assets", {}),
                    ("extend_video", {"assetId": ASSET_ID, "dry_run": True}),
                ):
                    await ask(client, served.mcp, others, "tools/call", name=name, arguments=arguments)

    async def quick(group: anyio.abc.TaskGroup) -> None:
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            await ask(client, served.mcp, Figures(), "ping")
            for _ in range(_ALONE):
                await ask(client, served.mcp, alone, "ping")
                await anyio.sleep(0.01)
            begun.set()
            while not over.is_set():
                await ask(client, served.mcp, cheap, "ping")
                await anyio.sleep(0.01)
        group.cancel_scope.cancel()

    # The first calls of a process open the ledger and build models, which is nobody's answer.
    await reader(1)
    begun, over = anyio.Event(), anyio.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(quick, group)
        await begun.wait()
        async with anyio.create_task_group() as readers:
            readers.start_soon(reader)
            readers.start_soon(reader)
        over.set()
    cheap.failed += others.failed
    return alone, cheap


def promises_of_harm() -> Iterator[Promise]:
    """What must hold on every upstream that means harm."""
    for kind in KINDS:
        with (
            TemporaryDirectory() as folder,
            hostile_upstream(kind) as url,
            limited_server(url, Path(folder)) as served,
        ):
            alone, figures = anyio.run(harmed, served)
            peak = status(served, "VmHWM")
        longest, median = max(figures.waits), sorted(figures.waits)[len(figures.waits) // 2]
        yield Promise(
            f"Upstream sends {kind}: memory under {_MOST_MEMORY:.0f} MiB, nobody waits {1000 * _LONGEST_LAG:.0f} ms",
            f"{peak:.0f} MiB at most; {1000 * longest:.0f} ms at most, {1000 * median:.0f} ms in the middle of "
            f"{len(figures.waits):,} ({1000 * max(alone.waits):.0f} ms at most beside nothing); "
            f"{len(figures.failed)} calls without a result",
            peak < _MOST_MEMORY and longest <= _LONGEST_LAG and not figures.failed,
        )


def promises_under_attack(seconds: float) -> Iterator[Promise]:
    """What must hold under an attack of so many seconds."""
    if raised_descriptor_limit(4 * DESCRIPTORS) < 2 * DESCRIPTORS:
        raise SystemExit("this process may not have enough descriptors to attack")
    with (
        TemporaryDirectory() as folder,
        open_stand_in(pace=5) as upstream,
        limited_server(upstream.url, Path(folder)) as served,
    ):
        figures = anyio.run(attacked, served, upstream, seconds)
        yield from promises_of_attack(figures, served, upstream)


def main() -> int:
    """Runs it and prints the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.strangers", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--only", choices=("attack", "hostile"))
    asked = parser.parse_args()
    held = True
    sys.stdout.write("| promise | measured | holds |\n|---|---|---|\n")
    ways = {"attack": partial(promises_under_attack, asked.seconds), "hostile": promises_of_harm}
    for name, promises in ways.items():
        for promise in promises() if asked.only in (None, name) else ():
            held = held and promise.holds
            sys.stdout.write(f"| {promise.what} | {promise.measured} | {'yes' if promise.holds else '**no**'} |\n")
            sys.stdout.flush()
    return int(not held)


if __name__ == "__main__":
    sys.exit(main())
