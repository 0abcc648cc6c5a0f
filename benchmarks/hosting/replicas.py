"""CPU per call of one, two and four servers on one database, and of the database beside them."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import count as numbers
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks.hosting.cpu import call_of, ended_task, warm
from benchmarks.hosting.servers import Cluster, answered, cluster, hosts_of
from benchmarks.hosting.tokens import callers_file
from benchmarks.served import Promise
from benchmarks.talking import Socket

COUNTS: Final = (1, 2, 4)
"""How many servers are compared."""

LEAST: Final = 1.7
"""What two servers must do of what two of a server's own are."""

KINDS: Final = ("reads from memory", "whole extensions")
"""What is called for: reads that need nothing else, and extensions from the claim to the film."""

_CALLERS: Final = 48
_AT_ONCE: Final = 8
_PACE: Final = 2.0


@dataclass
class Spent:
    """Milliseconds of CPU of a call in each burst: of all servers together, and of the database."""

    servers: list[float] = field(default_factory=list[float])
    database: list[float] = field(default_factory=list[float])


Figures = dict[tuple[str, int], Spent]


def scale(figures: Figures, kind: str, count: int) -> float:
    """What so many servers do of what one does: their number, by the CPU per call of one over theirs.

    By the lowest of each, which other work of the machine disturbs least.
    """
    return count * min(figures[kind, 1].servers) / min(figures[kind, count].servers)


def promises(figures: Figures) -> list[Promise]:
    """What must hold, by the figures."""
    told = [(kind, scale(figures, kind, 2)) for kind in KINDS]
    return [
        Promise(f"Two servers do at least {LEAST} of one in {kind}, by CPU per call", f"{times:.2f}", times >= LEAST)
        for kind, times in told
    ]


def lines(figures: Figures) -> list[str]:
    """The figures in Markdown."""
    told = [
        "| calls | servers | lowest CPU of the servers | median of the database | as many as one server's |",
        "|---|---:|---:|---:|---:|",
    ]
    for (kind, count), spent in figures.items():
        sides = f"{min(spent.servers):.2f} ms | {median(spent.database):.2f} ms"
        told.append(f"| {kind} | {count} | {sides} | {scale(figures, kind, count):.2f} |")
    return told


def measure(folder: Path, *, rounds: int, calls: int, extensions: int, loads: list[float]) -> Figures:
    """So many bursts at one, two and four servers in turns, after one that does not count; notes the load."""
    callers = callers_file(folder, _CALLERS)
    figures: Figures = {(kind, count): Spent() for kind in KINDS for count in COUNTS}
    with ExitStack() as stack:
        settings = {"RUNWAY_MCP_POLL_SECONDS": "1"}
        clusters = {
            count: stack.enter_context(cluster(count, folder, callers, pace=_PACE, each=[settings] * count))
            for count in COUNTS
        }
        hosts = {count: hosts_of(each.servers, "2026-07-28", callers.tokens) for count, each in clusters.items()}
        work: dict[str, dict[int, _Work]] = {
            KINDS[0]: {count: _reads(hosts[count], calls) for count in COUNTS},
            KINDS[1]: {count: _extends(hosts[count], extensions, clusters[count].upstream.clip()) for count in COUNTS},
        }
        for kind in KINDS:
            for number in range(rounds + 1):
                loads.append(os.getloadavg()[0])
                for count in COUNTS:
                    spent = figures[kind, count] if number else Spent()
                    _burst(clusters[count], work[kind][count], spent)
    return figures


def _burst(servers: Cluster, work: "_Work", spent: Spent) -> None:
    work.prepare()
    before, database = servers.cpu(), servers.database_cpu()
    work.run()
    spent.servers.append(1000 * (servers.cpu() - before) / work.calls)
    spent.database.append(1000 * (servers.database_cpu() - database) / work.calls)


@dataclass(frozen=True)
class _Work:
    """A burst of so many calls, and what comes before it."""

    calls: int
    prepare: Callable[[], None]
    run: Callable[[], None]


def _reads(hosts: Sequence[Socket], calls: int) -> _Work:
    """Reads of a task that has ended, by all callers in turn."""
    call = call_of(ended_task(hosts[0]))

    def run() -> None:
        for number in range(calls):
            hosts[number % len(hosts)].ask("tools/call", call)

    return _Work(calls, partial(warm, hosts, call), run)


def _extends(hosts: Sequence[Socket], extensions: int, clip: str) -> _Work:
    """Extensions of a clip from the call to the film, by several callers at once."""
    seeds = numbers(1)

    def extend(host: Socket, seed: int) -> None:
        asked: dict[str, Any] = {"assetId": clip, "text_prompt": "The camera rises.", "seed": seed, "wait_seconds": 45}
        host.renew()
        if answered(host, "extend_video", **asked)["status"] != "SUCCEEDED":
            raise RuntimeError("an extension did not succeed")

    def run() -> None:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            # A caller's connection carries one call at a time.
            for begin in range(0, extensions, _AT_ONCE):
                some = hosts[begin % len(hosts) :][: min(_AT_ONCE, extensions - begin)]
                for future in [pool.submit(extend, host, next(seeds)) for host in some]:
                    future.result()

    return _Work(extensions, lambda: None, run)
