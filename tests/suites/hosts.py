"""Hosts with a limit on each call, compressed twenty to one: 60 seconds are three, and the server's 45 are one.

Each ends with the film whatever it does, and all of them together are charged once each.
"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from tests.kit.processes import HttpServerProcess, http_server_process, serve_command, server_environment
from tests.kit.stand_in import StandIn, open_stand_in
from tests.suites.node import Node

LIMIT_MS = 3_000
"""What a call may take with these hosts."""

SHORT_WAIT = "1"
LONG_WAIT = "45"
GENERATION_SECONDS = 6
PATIENCE_MS = 40_000
AT_ONCE = 8
FILM_SECONDS = 15

TRANSPORTS = ("stdio", "http")
ERAS = ("2025-11-25", "2026-07-28")


@dataclass(frozen=True)
class Host:
    """How a host behaves, how long the server waits by default, and what has to happen: calls cut off, or none."""

    behaviour: str
    wait: str
    is_cut_off: bool


HOSTS = (
    Host("gives up", LONG_WAIT, is_cut_off=True),
    Host("does not reset", LONG_WAIT, is_cut_off=True),
    Host("resets", LONG_WAIT, is_cut_off=False),
    Host("gives up", SHORT_WAIT, is_cut_off=False),
)
"""The last one is the design: a server whose wait is shorter than the host's limit is never cut off."""

Combination = tuple[Host, str, str]


def checked(node: Node, folder: Path) -> bool:
    """Runs every host over every transport in both eras; whether each got its film, and was charged once."""
    combinations: list[Combination] = list(product(HOSTS, TRANSPORTS, ERAS))
    with (
        open_stand_in(pace=GENERATION_SECONDS) as upstream,
        _served(upstream, folder, LONG_WAIT) as long,
        _served(upstream, folder, SHORT_WAIT) as short,
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        play = partial(_played, node, upstream, folder, {LONG_WAIT: long, SHORT_WAIT: short})
        ends = list(pool.map(play, enumerate(combinations)))
        accepted: list[str] = upstream.state()["accepted"]
    faults = [fault for combination, end in zip(combinations, ends, strict=True) for fault in _faults(combination, end)]
    if sorted(accepted) != sorted(str(end.get("taskId")) for end in ends):
        faults.append(f"{len(combinations)} hosts, but {len(accepted)} submits: {accepted}")
    calls = sum(end.get("calls", 0) for end in ends)
    cut = sum(end.get("cutOff", 0) for end in ends)
    sys.stdout.write(f"  {len(combinations)} hosts, {calls} calls, {cut} of them cut off, {len(accepted)} submits\n")
    sys.stdout.writelines(f"    FAILED  {fault}\n" for fault in faults)
    return not faults


def _served(upstream: StandIn, folder: Path, wait: str) -> Any:
    env = server_environment(upstream.url, folder / f"data-{wait}", RUNWAY_MCP_WAIT_SECONDS=wait)
    return http_server_process(serve_command("http"), env)


def _played(
    node: Node,
    upstream: StandIn,
    folder: Path,
    servers: dict[str, HttpServerProcess],
    numbered: tuple[int, Combination],
) -> dict[str, Any]:
    """What one host told of its conversation; what it could not say is under `summary`."""
    number, (host, transport, era) = numbered
    served = servers[host.wait]
    asked = {
        "behaviour": host.behaviour,
        "transport": transport,
        "url": served.mcp,
        "command": serve_command("stdio"),
        "era": era,
        "limit": LIMIT_MS,
        "patience": PATIENCE_MS,
        "arguments": {"assetId": upstream.clip(), "text_prompt": f"host {number}"},
    }
    env = server_environment(upstream.url, folder / f"data-host-{number}", RUNWAY_MCP_WAIT_SECONDS=host.wait)
    ended = node.run(node.command("host.mjs", json.dumps(asked)), seconds=PATIENCE_MS / 1000 + 20, env=env)
    if ended.returncode:
        return {"summary": f"{ended.stdout}{ended.stderr}"}
    return json.loads(ended.stdout)


def _faults(combination: Combination, end: dict[str, Any]) -> list[str]:
    host, transport, era = combination
    name = f"a host that {host.behaviour} ({transport}, {era}, the server waits {host.wait} s)"
    if (end.get("status"), end.get("duration")) != ("SUCCEEDED", FILM_SECONDS):
        return [f"{name} has no film: {end}"]
    if (end["cutOff"] > 0) != host.is_cut_off:
        return [f"{name} was cut off {end['cutOff']} times"]
    return [f"{name} heard no progress"] if host.behaviour != "gives up" and not end["progress"] else []
