"""A soak: several callers' mixed calls at two servers on one database for minutes, and what is left of them then."""

import asyncio
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg

from benchmarks.hosting.listening import Listeners
from benchmarks.hosting.servers import Cluster, cluster, host_of, pid_of
from benchmarks.hosting.tokens import Callers, callers_file
from benchmarks.served import Promise
from benchmarks.talking import ERAS, Socket, settled, used
from tests.kit.processes import HttpServerProcess

CALLERS: Final = 8
"""How many callers there are; each also holds streams, which are opened anew all the time."""

MOST_GROWTH: Final = 10.0
"""By how many MB a server may grow from the end of the first minute to the end."""

_MB: Final = 1e6
_PAUSE: Final = 0.5
_STREAMS_EACH: Final = 5
_STREAMS_SECONDS: Final = 20.0
_PEACE_SECONDS: Final = 120.0
_PACE: Final = 3.0


@dataclass
class Figures:
    """What was seen: each server's own memory (MB) and descriptors at each minute and in the end, and the rest."""

    servers: int = 2
    memory: list[list[float]] = field(default_factory=list[list[float]])
    descriptors: list[list[int]] = field(default_factory=list[list[int]])
    calls: Counter[str] = field(default_factory=Counter[str])
    failed: list[str] = field(default_factory=list[str])
    streams: int = 0
    accepted: int = 0
    submitted: int = 0
    told_cost: float = 0.0
    charged: float = 0.0
    unfinished: int = 0
    seconds: float = 0.0


def promises(figures: Figures) -> list[Promise]:
    """What must hold, by the figures."""
    first, last = figures.memory[0], figures.memory[-1]
    grown = [after - before for before, after in zip(first, last, strict=True)]
    opened = [after - before for before, after in zip(figures.descriptors[0], figures.descriptors[-1], strict=True)]
    calls = sum(figures.calls.values())
    money = f"{figures.submitted} told, {figures.accepted} accepted; {figures.told_cost:.0f} credits told"
    return [
        Promise(
            "No call failed",
            f"{len(figures.failed)} of {calls} in {figures.seconds / 60:.0f} minutes",
            not figures.failed,
        ),
        Promise(
            "What was charged is what was accepted, and what was told",
            f"{money}, {figures.charged:.0f} charged",
            figures.submitted == figures.accepted and figures.told_cost == figures.charged,
        ),
        Promise("No intent is left without its end", f"{figures.unfinished} left", not figures.unfinished),
        Promise(
            f"Memory of each server: at most {MOST_GROWTH:.0f} MB more at the end than after the first minute",
            " and ".join(f"{each:+.1f} MB on {before:.0f} MB" for each, before in zip(grown, first, strict=True)),
            max(grown) <= MOST_GROWTH,
        ),
        Promise(
            "No descriptor more at the end than after the first minute, its open streams' included",
            " and ".join(f"{each:+d}" for each in opened),
            max(opened) <= 0,
        ),
    ]


def lines(figures: Figures) -> list[str]:
    """What else was seen, in Markdown."""
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(figures.calls.items()))
    memory = "; ".join(" ".join(f"{each:.1f}" for each in server) for server in zip(*figures.memory, strict=True))
    told = f"Calls: {kinds}. {figures.streams} streams were opened meanwhile."
    return [f"{told} Memory of each server by the minute, and in the end: {memory} MB."]


def measure(folder: Path, *, minutes: float) -> Figures:
    """Runs it for so many minutes, and then until all tasks have ended."""
    figures, callers = Figures(), callers_file(folder, CALLERS)
    settings = {"RUNWAY_MCP_POLL_SECONDS": "1"}
    with cluster(figures.servers, folder, callers, pace=_PACE, each=[settings] * figures.servers) as servers:
        stop, began = threading.Event(), time.monotonic()
        threads = [
            threading.Thread(target=_Caller(servers, figures, token, number).run, args=(stop,))
            for number, token in enumerate(callers.tokens)
        ]
        threads.append(threading.Thread(target=_hold_streams, args=(servers, callers, figures, stop)))
        for thread in threads:
            thread.start()
        for minute in range(1, int(minutes) + 1):
            stop.wait(began + 60 * minute - time.monotonic())
            _note(figures, servers)
        stop.wait(began + 60 * minutes - time.monotonic())
        stop.set()
        for thread in threads:
            thread.join(120)
        figures.seconds = time.monotonic() - began
        figures.unfinished = _left(servers)
        for each in servers.servers:
            settled(pid_of(each))
        _note(figures, servers)
        state = servers.upstream.state()
        figures.accepted, figures.charged = len(state["accepted"]), sum(state["charged"].values())
        figures.failed += [line for each in servers.servers for line in each.program.told if "Traceback" in line]
    return figures


def _note(figures: Figures, servers: Cluster) -> None:
    figures.memory.append([used(pid_of(each)).own / _MB for each in servers.servers])
    figures.descriptors.append([_descriptors(each) for each in servers.servers])


def _descriptors(served: HttpServerProcess) -> int:
    return sum(1 for _ in Path(f"/proc/{pid_of(served)}/fd").iterdir())


def _left(servers: Cluster) -> int:
    """How many intents have no end yet, once there was peace for a while."""
    query = b"SELECT count(*) FROM intents WHERE state <> 'accepted' OR ended IS NULL"
    end, left = time.monotonic() + _PEACE_SECONDS, 1
    with psycopg.connect(servers.database.url(), autocommit=True) as connection:
        while left and time.monotonic() < end:
            row = connection.execute(query).fetchone()
            left = int(row[0]) if row else 0
            time.sleep(1.0 if left else 0.0)
    return left


class _Caller:
    """A caller who makes calls of every kind, one at a time, at either server and in either era."""

    def __init__(self, servers: Cluster, figures: Figures, token: str, number: int) -> None:
        self._figures = figures
        self._luck = random.Random(number)  # noqa: S311  a soak repeats itself
        self._clip = servers.upstream.clip()
        self._hosts = [host_of(served, era, token) for served in servers.servers for era in ERAS]
        self._made: list[tuple[dict[str, Any], str]] = []
        self._seed = 1_000_000 * (number + 1)

    def run(self, stop: threading.Event) -> None:
        """Makes calls until it is told to stop."""
        kinds: list[tuple[str, Callable[[Socket], None], int]] = [
            ("extensions", self._extend, 2),
            ("repeated extensions", self._repeat, 2),
            ("reads of tasks", self._read, 6),
            ("waits for tasks", self._wait, 2),
            ("lists of clips", self._list, 2),
            ("dry runs", self._price, 2),
            ("reads of resources", self._resource, 2),
            ("lists of tools", self._tools, 1),
            ("refused calls", self._refused, 1),
        ]
        while not stop.wait(self._luck.uniform(0, 2 * _PAUSE)):
            ((kind, call, _),) = self._luck.choices(kinds, [weight for _, _, weight in kinds])
            host = self._luck.choice(self._hosts)
            host.renew()
            try:
                call(host)
            except Exception as error:  # noqa: BLE001  whatever fails is what is looked for
                self._figures.failed.append(f"{kind}: {error!r}")
            self._figures.calls[kind] += 1

    def _call(self, host: Socket, tool: str, arguments: dict[str, Any], *, fails: bool = False) -> dict[str, Any]:
        result = host.ask("tools/call", {"name": tool, "arguments": arguments})
        if bool(result.get("isError")) is not fails:
            raise RuntimeError(f"{tool} told {result['content'][0]['text'][:300]}")
        return result["structuredContent"]

    def _extend(self, host: Socket) -> None:
        self._seed += 1
        wait = self._luck.choice([0, 0, 8])
        asked = {"assetId": self._clip, "text_prompt": "The camera rises.", "seed": self._seed, "wait_seconds": wait}
        told = self._call(host, "extend_video", asked)
        self._made.append((asked, told["taskId"]))
        self._figures.submitted += 1
        self._figures.told_cost += told["credits"]["cost"]

    def _repeat(self, host: Socket) -> None:
        asked, task = self._luck.choice(self._made) if self._made else (None, None)
        if asked is not None:
            told = self._call(host, "extend_video", asked)
            if (told.get("twin"), told["taskId"]) != (True, task):
                raise RuntimeError(f"a repeat told {told['taskId']} for {task}, twin {told.get('twin')}")

    def _read(self, host: Socket) -> None:
        for _, task in self._made[-1:] if self._luck.random() < 0.5 else self._made[:1]:  # noqa: PLR2004  new or old
            self._call(host, "get_task", {"taskId": task})

    def _wait(self, host: Socket) -> None:
        for _, task in self._made[-1:]:
            told = self._call(host, "get_task", {"taskId": task, "wait_seconds": 20})
            if told["status"] != "SUCCEEDED":
                raise RuntimeError(f"a task of three seconds is not told as ended after twenty: {told['summary']}")

    def _list(self, host: Socket) -> None:
        self._call(host, "list_assets", {"limit": 10})

    def _price(self, host: Socket) -> None:
        asked = {"assetId": self._clip, "text_prompt": "Another one.", "dry_run": True}
        if self._call(host, "extend_video", asked)["status"] != "DRY_RUN":
            raise RuntimeError("a dry run told no dry run")

    def _resource(self, host: Socket) -> None:
        uris = ["runway://tasks", *(f"runway://tasks/{task}" for _, task in self._made[-3:])]
        host.ask("resources/read", {"uri": self._luck.choice(uris)})

    def _tools(self, host: Socket) -> None:
        host.ask("tools/list", {})

    def _refused(self, host: Socket) -> None:
        self._call(host, "get_task", {"taskId": "no-such-task", "wait_seconds": -1}, fails=True)


def _hold_streams(servers: Cluster, callers: Callers, figures: Figures, stop: threading.Event) -> None:
    """Opens streams of every caller at either server, lets them hear for a while, and opens others in their place."""

    async def hold() -> None:
        streams = Listeners()
        while not stop.is_set():
            for served in servers.servers:
                await streams.open(served.origin, callers.tokens, "runway://tasks", each=_STREAMS_EACH)
            figures.streams += len(streams.streams)
            await asyncio.to_thread(stop.wait, _STREAMS_SECONDS)
            streams.close()

    try:
        asyncio.run(hold())
    except Exception as error:  # noqa: BLE001  whatever fails is what is looked for
        figures.failed.append(f"streams: {error!r}")
