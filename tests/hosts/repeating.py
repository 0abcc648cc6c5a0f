"""Clients that start the server on stdio again and again: `scripts/hosts --times N [--only NAME ...] [--cache DIR]`.

The server is started as it is installed here, and by `uvx` from a wheel of this checkout. No attempt is made twice, so
the table tells how often a client connects at once.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from runway_mcp.install.launcher import RELEASE, uvx_launcher
from tests.hosts.clients import Client
from tests.hosts.driving import LAUNCHER, Told, played
from tests.hosts.environments import Installed, installed
from tests.hosts.installing import built_wheels, uv_cache
from tests.kit.stand_in import open_stand_in

GENERATION_SECONDS = 0.5
_HEAD = "| client | version | started | connected | played all steps | clips listed after, median | longest |"
_RULE = "|---|---|---|---:|---:|---:|---:|"
# Where uv finds the index and trusts it; no other variables of the caller reach the server.
_OF_UV = ("UV_", "SSL_")


@dataclass(frozen=True)
class Start:
    """A way of starting the server: in the table's words, the command, and what it needs in its environment."""

    words: str
    command: Sequence[str]
    more: Mapping[str, str]


@dataclass(frozen=True)
class Attempts:
    """What a client told at each attempt, all of one way of starting the server."""

    client: Client
    start: str
    told: Sequence[Mapping[str, Told]]

    def line(self) -> str:
        """The line of the table; the times are from the client's start to its list of clips."""
        connected = [each["list"].at for each in self.told if each["list"].ok]
        played_all = sum(all(step.ok is not False for step in each.values()) for each in self.told)
        times = f"{median(connected):.1f} s | {max(connected):.1f} s" if connected else " | "
        who = f"{self.client.title} | {self.client.version} | {self.start}"
        of = f"of {len(self.told)}"
        return f"| {who} | {len(connected)} {of} | {played_all} {of} | {times} |"

    def faults(self) -> Iterator[str]:
        """What failed, in sentences: the first step of each attempt."""
        for number, each in enumerate(self.told, 1):
            failed = [f"{step}: {' '.join(told.saw.split())}" for step, told in each.items() if told.ok is False]
            if failed:
                yield f"FAILED  {self.client.name}, {self.start}, attempt {number}, at {failed[0]}"


def run_repeatedly(clients: Iterable[Client], times: int, cache: Path, work: Path) -> list[str]:
    """The table, the load of the machine, and a line that begins with FAILED for each attempt that failed."""
    found = [
        _attempts(client, installed(client, cache), start, times, work)
        for client in clients
        if "stdio" in client.transports
        for start in _starts(work)
    ]
    load = f"Load average of the machine at the end: {os.getloadavg()[0]:.1f}, {os.cpu_count()} processors."
    return [
        _HEAD,
        _RULE,
        *(each.line() for each in found),
        "",
        load,
        *(fault for each in found for fault in each.faults()),
    ]


def _attempts(client: Client, program: Installed, start: Start, times: int, work: Path) -> Attempts:
    told: list[Mapping[str, Told]] = []
    for number in range(times):
        # A stand-in of its own, since the same request would be told as made before.
        with open_stand_in(pace=GENERATION_SECONDS) as upstream:
            home = work / client.name / start.command[0].rpartition("/")[2] / str(number)
            told.append(played(client, program, upstream, home, "stdio", command=start.command, more=start.more))
    return Attempts(client, start.words, told)


def _starts(work: Path) -> Iterator[Start]:
    yield Start("as installed here", [str(LAUNCHER), "serve"], {})
    of_uv = {name: value for name, value in os.environ.items() if name.startswith(_OF_UV)}
    more = of_uv | {"UV_CACHE_DIR": uv_cache(), "UV_FIND_LINKS": str(built_wheels(work))}
    launcher = uvx_launcher(package=RELEASE)
    yield Start("by `uvx` from a wheel", [launcher.command, *launcher.args, "serve"], more)
