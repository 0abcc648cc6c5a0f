"""A thousand open streams: the memory of each beside the bare server's, and how long one update takes to reach all."""

import asyncio
import json
import os
import signal
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.hosting.listening import Delay, Listeners
from benchmarks.hosting.servers import bare, bytecode_in, cluster, hosted, pid_of
from benchmarks.hosting.tokens import Callers, callers_file, hashes_file
from benchmarks.pairs import Row
from benchmarks.talking import settled
from runway_mcp.server.contract.listed import listed
from tests.kit.processes import HttpServerProcess
from tests.kit.stand_in import StandIn, open_stand_in

MOST: Final = 1.25
"""How much of the bare server's memory for a stream ours may take."""

_EACH: Final = 20
_UPDATES: Final = 3
_POLL: Final = 10
_BETWEEN: Final = 4.0
_KB: Final = 1e3
_WITHIN: Final = 240.0


@dataclass
class Figures:
    """Memory of a stream on either side (kB), in each round; delays of updates by the way they came."""

    streams: int = 0
    ours: list[float] = field(default_factory=list[float])
    bare: list[float] = field(default_factory=list[float])
    delays: dict[str, list[Delay]] = field(default_factory=dict[str, list[Delay]])


def rows(figures: Figures) -> list[Row]:
    """The measures of both sides, with what must hold."""
    return [Row(f"{figures.streams:,} idle streams: memory of each", "kB", figures.ours, figures.bare, most=MOST)]


def lines(figures: Figures) -> list[str]:
    """The delays in Markdown: medians of the updates."""
    told = [f"| one update to {figures.streams:,} streams | first | median | last |", "|---|---:|---:|---:|"]
    for way, delays in figures.delays.items():
        each = [median(times) for times in zip(*((d.first, d.median, d.last) for d in delays), strict=True)]
        told.append(f"| {way} | {' | '.join(f'{1000 * seconds:.0f} ms' for seconds in each)} |")
    return told


def measure(
    folder: Path, *, rounds: int, streams: int, loads: list[float], updates: int = _UPDATES, poll: int = _POLL
) -> Figures:
    """So many rounds of memory, ours and bare in turns, each in a process of its own; then the delays.

    A round before them compiles what both sides import. `updates` are timed each way, of a task that a server reads
    every `poll` seconds.
    """
    figures = Figures(streams=streams)
    callers = callers_file(folder, streams // _EACH)
    hashes, answers = hashes_file(folder, callers.tokens), folder / "answers.json"
    answers.write_text(json.dumps({"tools": listed().tools, "results": {}}), encoding="utf-8")
    compiled = bytecode_in(folder / "bytecode")
    with open_stand_in(pace=5) as upstream:
        for number in range(rounds + 1):
            loads.append(os.getloadavg()[0])
            with ExitStack() as stack:
                ours = stack.enter_context(
                    hosted(upstream, folder / f"round {number}", callers, **_poll(5), **compiled)
                )
                task = upstream.add_task(queue=0, duration=36_000, ratios="null")
                other = stack.enter_context(bare(answers, hashes, uri=_uri(task), env=compiled))
                tokens = callers.tokens if number else callers.tokens[:1]
                took = [asyncio.run(_memory(each, tokens, task)) for each in (ours, other)]
            if number:
                figures.ours.append(took[0])
                figures.bare.append(took[1])
        with hosted(upstream, folder / "delays", callers, **_poll(poll)) as ours:
            first = asyncio.run(_told(ours, callers, upstream, updates))
    with bare(answers, hashes, uri=_uri("one")) as other:
        published = asyncio.run(_published(other, callers.tokens, updates))
    with cluster(2, folder, callers, pace=5, each=[_poll(poll), _poll(60)]) as two:
        second = asyncio.run(_told(two.servers[1], callers, two.upstream, updates, reader=two.servers[0]))
    figures.delays = {
        "ours, after the first stream was told": first,
        "bare, after the first stream was told": published,
        "ours, after a stream at the server that read it was told": second,
    }
    return figures


def _poll(seconds: int) -> dict[str, str]:
    return {"RUNWAY_MCP_POLL_SECONDS": str(seconds)}


def _uri(task: str) -> str:
    return f"runway://tasks/{task}"


async def _memory(served: HttpServerProcess, tokens: Sequence[str], task: str) -> float:
    """How many kB of its own a process has more for each open stream."""
    # What the first stream of all loads is no stream's own.
    first = Listeners()
    await first.open(served.origin, tokens[:1], _uri(task), each=1)
    first.close()
    before = await asyncio.to_thread(settled, pid_of(served))
    streams = Listeners()
    await streams.open(served.origin, tokens, _uri(task), each=_EACH)
    after = await asyncio.to_thread(settled, pid_of(served))
    count = len(streams.streams)
    streams.close()
    return (after.own - before.own) / count / _KB


async def _told(
    served: HttpServerProcess,
    callers: Callers,
    upstream: StandIn,
    updates: int,
    *,
    reader: HttpServerProcess | None = None,
) -> list[Delay]:
    """Delays of so many updates of a task: after the first stream, or after one at the server that reads the task."""
    task = upstream.add_task(queue=0, duration=200)
    streams, there = Listeners(), Listeners()
    if reader is not None:
        await there.open(reader.origin, callers.tokens[:1], _uri(task), each=1)
    await streams.open(served.origin, callers.tokens, _uri(task), each=_EACH)
    timed = streams if reader is None else there
    # Streams that were opened sooner have heard more: they are counted from a moment between two updates.
    streams.forget()
    await streams.heard(1, within=_WITHIN)
    await asyncio.sleep(_BETWEEN)
    for each in (streams, there):
        each.forget()
    for each in (streams, there):
        await each.heard(updates, within=_WITHIN)
    delays = [streams.delay(number, timed.earliest(number)) for number in range(updates)]
    streams.close()
    there.close()
    return delays


async def _published(served: HttpServerProcess, tokens: Sequence[str], updates: int) -> list[Delay]:
    """Delays of so many updates that the bare server is told to publish."""
    streams = Listeners()
    await streams.open(served.origin, tokens, _uri("one"), each=_EACH)
    for number in range(updates):
        os.kill(pid_of(served), signal.SIGUSR1)
        await streams.heard(number + 1, within=_WITHIN)
    delays = [streams.delay(number, streams.earliest(number)) for number in range(updates)]
    streams.close()
    return delays
