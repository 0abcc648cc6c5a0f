"""The real server beside strangers who attack it, and on upstreams that mean harm; prints what held, as a table.

    python -m benchmarks.strangers [--seconds 600] [--only attack|hostile]

The server may have 1,024 descriptors. Exits with 1 if a promise does not hold. All of it is real time on this machine.
"""

import argparse
import itertools
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import anyio

from benchmarks.harm import LONGEST_TURN, promises_of_harm
from benchmarks.served import (
    ACCESS_TOKEN,
    DESCRIPTORS,
    Figures,
    Promise,
    ask,
    limited_server,
    local_client,
    note,
    turns_file,
)
from benchmarks.turns import turns
from runway_mcp.server.transport.connections import raised_descriptor_limit
from tests.kit.processes import HttpServerProcess, environment, running
from tests.kit.stand_in import StandIn, open_stand_in

_CALLERS: Final = 4
_LOOKS: Final = 20
_BEGINNING: Final = 5.0
_MOST_WAIT, _MOST_GROWTH, _MOST_LOG = 2.0, 16.0, 10_000.0


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


async def attacked(
    served: HttpServerProcess, quiet: HttpServerProcess, upstream: StandIn, seconds: float
) -> tuple[Figures, Figures]:
    """The server under mixed calls, with an attack beside them that ends before the last look at it.

    One caller makes the same calls to a `quiet` server that nobody attacks: what it waits for is the machine.
    """
    figures, beside = Figures(), Figures()

    async def caller(number: int, to: HttpServerProcess, noted: Figures) -> None:
        async with local_client(timeout=60) as client:
            for method, params in calls(upstream, number):
                await ask(client, to.mcp, noted, method, **params)
                await anyio.sleep(0.2)

    command = [sys.executable, "-m", "benchmarks.attackers", served.origin]
    with running(command, environment(ACCESS_TOKEN=ACCESS_TOKEN)) as strangers:
        async with anyio.create_task_group() as everything:
            for number in range(_CALLERS):
                everything.start_soon(caller, number, served, figures)
            everything.start_soon(caller, _CALLERS, quiet, beside)
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
    return figures, beside


def _late(waits: list[float]) -> str:
    most = f"{waits[-1]:.2f} s at most"
    return f"{waits[len(waits) // 2]:.2f} s in the middle, {waits[int(len(waits) * 0.99)]:.2f} s at 99 of 100, {most}"


def promises_of_attack(
    figures: Figures, beside: Figures, longest_turn: float, served: HttpServerProcess, upstream: StandIn
) -> Iterator[Promise]:
    """What must hold of a server under attack."""
    waits, log = sorted(figures.waits), "".join(served.program.told)
    told = f"{len(waits):,} answered, {len(figures.failed)} failed {figures.failed[:2] or ''}"
    yield Promise("All calls are answered", told, not figures.failed)
    usual = sorted(beside.waits)
    yield Promise(
        f"Each within {_MOST_WAIT:.0f} s more than on a server beside it that nobody attacks",
        f"{_late(waits)}; beside it {_late(usual)}",
        waits[-1] - usual[-1] <= _MOST_WAIT,
    )
    yield Promise(
        f"No turn of the loop takes {1000 * LONGEST_TURN:.0f} ms of processor time",
        f"{1000 * longest_turn:.0f} ms at most",
        longest_turn <= LONGEST_TURN,
    )
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


def promises_under_attack(seconds: float) -> Iterator[Promise]:
    """What must hold under an attack of so many seconds."""
    if raised_descriptor_limit(4 * DESCRIPTORS) < 2 * DESCRIPTORS:
        raise SystemExit("this process may not have enough descriptors to attack")
    with (
        TemporaryDirectory() as folder,
        TemporaryDirectory() as elsewhere,
        open_stand_in(pace=5) as upstream,
        limited_server(upstream.url, Path(folder)) as served,
        limited_server(upstream.url, Path(elsewhere)) as quiet,
    ):
        began = time.monotonic()
        figures, beside = anyio.run(attacked, served, quiet, upstream, seconds)
        # The first calls of a process open the ledger and build models.
        noted = turns(turns_file(Path(folder)), began + _BEGINNING, time.monotonic())
        yield from promises_of_attack(figures, beside, max(noted, default=0.0), served, upstream)


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
