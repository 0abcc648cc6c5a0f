"""Calls, side by side with a bare low-level server that echoes the same bytes: CPU and wall time of each call.

    python -m benchmarks.calls [--pairs N] [--calls N] [--write]

Both eras, on stdio and on HTTP with the same parser. `from memory` is `get_task` of a task that has ended, `refused` a
call whose arguments do not fit. CPU is that of the server's process by the accounts of Linux. Prints the figures and
whether the promises hold; exits with 1 if one does not. `--write` puts the result into docs/performance.md.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal, cast

from benchmarks.pairs import PAGE, Row, moment, section, table, written
from benchmarks.talking import ERAS, Era, Host, Pipes, Socket, port_of, running, used
from runway_mcp.server.contract.listed import listed

Wire = Literal["stdio", "HTTP"]
_MOST: dict[tuple[Wire, str], float] = {
    ("stdio", "from memory"): 1.5,
    ("stdio", "refused"): 1.3,
    ("HTTP", "from memory"): 1.25,
    ("HTTP", "refused"): 1.25,
}
_KINDS = ("from memory", "refused")


@dataclass
class Spent:
    """Milliseconds of CPU and of wall time of a call, in each burst."""

    cpu: list[float] = field(default_factory=list[float])
    wall: list[float] = field(default_factory=list[float])


@dataclass
class Figures:
    """What was spent by each side for each wire, era and kind of call."""

    ours: dict[tuple[Wire, Era, str], Spent] = field(default_factory=dict[tuple[Wire, Era, str], Spent])
    bare: dict[tuple[Wire, Era, str], Spent] = field(default_factory=dict[tuple[Wire, Era, str], Spent])


def rows(figures: Figures) -> list[Row]:
    """The measures of both sides, with what must hold."""
    told: list[Row] = []
    for (wire, era, kind), ours in figures.ours.items():
        bare = figures.bare[wire, era, kind]
        told += [
            Row(f"{wire}, {era}, {kind}: CPU", "ms", ours.cpu, bare.cpu, most=_MOST[wire, kind]),
            Row(f"{wire}, {era}, {kind}: wall", "ms", ours.wall, bare.wall),
        ]
    return told


def measure(pairs: int, calls: int, folder: Path, loads: list[float]) -> Figures:
    """So many bursts of so many calls on each side, in turns, after one that does not count; notes the load."""
    figures = Figures()
    with stand_in() as told:
        env = _environment(folder, told)
        for wire in ("stdio", "HTTP"):
            for era in ERAS:
                _say(f"{wire}, {era}")
                loads.append(os.getloadavg()[0])
                with ExitStack() as stack:
                    ours = stack.enter_context(_ours(wire, era, env))
                    asked = _asked(ours)
                    answers = folder / "answers.json"
                    answers.write_text(json.dumps(_answers(ours, asked)), encoding="utf-8")
                    bare = stack.enter_context(_bare(wire, era, env, answers))
                    _bursts(figures, (wire, era), (ours, bare), asked, pairs=pairs, calls=calls)
    return figures


def _bursts(
    figures: Figures,
    where: tuple[Wire, Era],
    hosts: tuple[Host, Host],
    asked: Mapping[str, Mapping[str, Any]],
    *,
    pairs: int,
    calls: int,
) -> None:
    for kind in _KINDS:
        sides = figures.ours.setdefault((*where, kind), Spent()), figures.bare.setdefault((*where, kind), Spent())
        echo = {"name": "get_task", "arguments": {"which": kind}}
        for number in range(pairs + 1):
            for host, call, spent in zip(hosts, (asked[kind], echo), sides, strict=True):
                _burst(host, call, spent if number else Spent(), calls)


def _burst(host: Host, call: Mapping[str, Any], spent: Spent, calls: int) -> None:
    host.renew()
    host.ask("tools/call", call)
    began, before = time.perf_counter(), used(host.process.pid)
    for _ in range(calls):
        host.ask("tools/call", call)
    spent.cpu.append(1000 * (used(host.process.pid).cpu - before.cpu) / calls)
    spent.wall.append(1000 * (time.perf_counter() - began) / calls)


def _asked(host: Host) -> dict[str, Mapping[str, Any]]:
    """The calls that are measured, by their kind; a task is made to end first."""
    clips = host.ask("tools/call", {"name": "list_assets", "arguments": {"extendable_only": True, "limit": 50}})
    # The oldest, which is the same for every server: what the first makes of it, the others are told as a twin.
    native = [each["assetId"] for each in clips["structuredContent"]["assets"] if each["extendable"] == "yes"]
    extending = {"assetId": native[-1], "text_prompt": "The camera rises.", "wait_seconds": 60}
    task = host.ask("tools/call", {"name": "extend_video", "arguments": extending})["structuredContent"]["taskId"]
    return {
        "from memory": {"name": "get_task", "arguments": {"taskId": task}},
        "refused": {"name": "get_task", "arguments": {"taskId": task, "wait_seconds": -1}},
    }


def _answers(host: Host, asked: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What the bare server lists and echoes: what ours does."""
    host.renew()
    results = {kind: host.ask("tools/call", call) for kind, call in asked.items()}
    told = {
        kind: {
            "text": result["content"][0]["text"],
            "structured": result["structuredContent"],
            "is_error": result.get("isError", False),
        }
        for kind, result in results.items()
    }
    return {"tools": listed().tools, "results": told}


@contextmanager
def stand_in() -> Generator[dict[str, str]]:
    """A stand-in for useapi.net: its URL and token."""
    command = [sys.executable, "-m", "runway_mcp", "simulate", "--pace", "0.2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:  # noqa: S603  ours
        told = cast("IO[bytes]", process.stdout)
        try:
            yield json.loads(told.readline())
        finally:
            process.kill()


@contextmanager
def _ours(wire: Wire, era: Era, env: Mapping[str, str]) -> Generator[Host]:
    options = [] if wire == "stdio" else ["serve", "--transport", "http", "--port", "0"]
    with running([sys.executable, "-m", "runway_mcp", *options], env) as process:
        yield _opened(process, wire, era)


@contextmanager
def _bare(wire: Wire, era: Era, env: Mapping[str, str], answers: Path) -> Generator[Host]:
    with running([sys.executable, "-m", "benchmarks.bare", wire.lower(), str(answers)], env) as process:
        yield _opened(process, wire, era)


def _opened(process: subprocess.Popen[bytes], wire: Wire, era: Era) -> Host:
    host = Pipes(process, era) if wire == "stdio" else Socket(process, port_of(process), era)
    host.open()
    return host


def _environment(folder: Path, told: Mapping[str, str]) -> dict[str, str]:
    data = {"RUNWAY_MCP_DATA_DIR": str(folder / "data"), "RUNWAY_MCP_SAVE": "never", "RUNWAY_MCP_POLL_SECONDS": "0.1"}
    return {**os.environ, **data, "USEAPI_TOKEN": told["token"], "USEAPI_URL": told["url"]}


def main() -> int:
    """Runs it all from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calls", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--pairs", type=int, default=8, help="how often, in turns (default: 8)")
    parser.add_argument("--calls", type=int, default=300, help="calls of each burst (default: 300)")
    parser.add_argument("--write", action="store_true", help="write the result into docs/performance.md")
    arguments = parser.parse_args()
    loads: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(arguments.pairs, arguments.calls, Path(folder), loads)
    loads.append(os.getloadavg()[0])
    text = section("calls", "calls --write", table(rows(figures)), moment=moment(loads))
    sys.stdout.write(f"{text}\n")
    if arguments.write:
        PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), "calls", text), encoding="utf-8")
    return 0 if all(row.holds for row in rows(figures)) else 1


def _say(what: str) -> None:
    sys.stderr.write(f"{what}\n")


if __name__ == "__main__":
    sys.exit(main())
