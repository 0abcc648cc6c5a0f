"""CPU per call of one, two and four servers on one database, of the database, and of as many bare servers beside them.

Calls come on several connections at once. One after the other, each call would wake another process of those that are
compared, and two bare servers, which share nothing, would then do 1.5 of one.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import count as numbers
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks.hosting.cpu import ECHO, answers_file, call_of, ended_task, warm
from benchmarks.hosting.servers import Cluster, answered, bare, cluster, hosts_of, pid_of
from benchmarks.hosting.tokens import Callers, callers_file, hashes_file
from benchmarks.served import Promise
from benchmarks.talking import Socket, used

COUNTS: Final = (1, 2, 4)
"""How many servers are compared."""

LEAST: Final = 1.7
"""How many times the work of one server two must do in reads from memory."""

READS: Final = "reads from memory"
"""Reads of a task that has ended, which need nothing else: what must scale."""

KINDS: Final = (READS, "the same bytes, bare servers", "whole extensions")
"""What is called for: reads, what bare servers echo of them, and extensions from the claim to the film.

Of an extension each server follows the task, and reads its end for its links, so that each may tell of it.
"""

_CALLERS: Final = 96
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
    times = scale(figures, READS, 2)
    return [
        Promise(f"Two servers do at least {LEAST} of one in {READS}, by CPU per call", f"{times:.2f}", times >= LEAST)
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
        work = {
            count: _work(each, stack, folder, callers, calls=calls, extensions=extensions)
            for count, each in clusters.items()
        }
        for kind in KINDS:
            for number in range(rounds + 1):
                loads.append(os.getloadavg()[0])
                for count in COUNTS:
                    spent = figures[kind, count] if number else Spent()
                    _burst(work[count][kind], spent)
    return figures


def _burst(work: "_Work", spent: Spent) -> None:
    work.prepare()
    before, database = work.servers_cpu(), work.database_cpu()
    work.run()
    spent.servers.append(1000 * (work.servers_cpu() - before) / work.calls)
    spent.database.append(1000 * (work.database_cpu() - database) / work.calls)


@dataclass(frozen=True)
class _Work:
    """A burst of so many calls, what comes before it, and the processor time so far of who does it, in seconds."""

    calls: int
    prepare: Callable[[], None]
    run: Callable[[], None]
    servers_cpu: Callable[[], float]
    database_cpu: Callable[[], float]


def _work(
    servers: Cluster, stack: ExitStack, folder: Path, callers: Callers, *, calls: int, extensions: int
) -> dict[str, _Work]:
    """Each kind of burst for these servers, the bare ones among them, which are as many."""
    hosts = hosts_of(servers.servers, "2026-07-28", callers.tokens)
    read = call_of(ended_task(hosts[0]))
    answers, hashes = answers_file(folder, hosts[0], read), hashes_file(folder, callers.tokens)
    others = [stack.enter_context(bare(answers, hashes, stateless=True)) for _ in servers.servers]
    clip = servers.upstream.clip()

    def bare_cpu() -> float:
        return sum(used(pid_of(each)).cpu for each in others)

    def no_cpu() -> float:
        return 0.0

    bare_hosts = hosts_of(others, "2026-07-28", callers.tokens)
    own = (servers.cpu, servers.database_cpu)
    return dict(
        zip(
            KINDS,
            (
                _Work(calls, partial(warm, hosts, read), partial(_ask, hosts, read, calls), *own),
                _Work(calls, partial(warm, bare_hosts, ECHO), partial(_ask, bare_hosts, ECHO, calls), bare_cpu, no_cpu),
                _Work(extensions, lambda: None, partial(_extend, hosts, extensions, clip, numbers(1)), *own),
            ),
            strict=True,
        )
    )


def _ask(hosts: Sequence[Socket], call: dict[str, Any], calls: int) -> None:
    """Makes a call so many times, on several connections at once, by all callers in turn."""

    def lane(first: int) -> None:
        own = hosts[first::_AT_ONCE]
        for number in range(first, calls, _AT_ONCE):
            own[number % len(own)].ask("tools/call", call)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(lane, range(_AT_ONCE)))


def _extend(hosts: Sequence[Socket], extensions: int, clip: str, seeds: Iterator[int]) -> None:
    """Extends a clip so many times, from the call to the film, by several callers at once."""

    def extend(host: Socket, seed: int) -> None:
        asked: dict[str, Any] = {"assetId": clip, "text_prompt": "The camera rises.", "seed": seed, "wait_seconds": 45}
        host.renew()
        if answered(host, "extend_video", **asked)["status"] != "SUCCEEDED":
            raise RuntimeError("an extension did not succeed")

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        # A caller's connection carries one call at a time.
        for begin in range(0, extensions, _AT_ONCE):
            some = hosts[begin % len(hosts) :][: min(_AT_ONCE, extensions - begin)]
            for future in [pool.submit(extend, host, next(seeds)) for host in some]:
                future.result()
