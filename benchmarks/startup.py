"""Start, side by side with a bare low-level server that lists one tool: from the spawn to the list of tools, and after.

    python -m benchmarks.startup [--pairs N] [--python PATH] [--write]

Prints the figures and whether the promises hold; exits with 1 if one does not. `--python` runs both sides in another
environment, for example one without the extras. `--write` puts the result into docs/performance.md.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.pairs import PAGE, Bound, Row, section, table, written
from benchmarks.talking import ERAS, Era, Pipes, Used, running, settled, used
from runway_mcp.server.contract.listed import listed

_READING_SECONDS = 1.0
_MOST_TIME, _MOST_MEMORY = 1.12, 1.10
_MOST_HELP, _MOST_FIRST = 100.0, 150.0


@dataclass
class Side:
    """One server in one era: seconds to the list, what was used by then, and the memory once it is idle."""

    wall: list[float] = field(default_factory=list[float])
    listed: list[Used] = field(default_factory=list[Used])
    idle: list[float] = field(default_factory=list[float])


@dataclass
class Figures:
    """All that was measured; `first` are first calls less tenth calls, `helped` is `--help` less a bare interpreter."""

    ours: dict[Era, Side] = field(default_factory=lambda: {era: Side() for era in ERAS})
    bare: dict[Era, Side] = field(default_factory=lambda: {era: Side() for era in ERAS})
    first: list[float] = field(default_factory=list[float])
    helped: list[float] = field(default_factory=list[float])


def rows(figures: Figures) -> list[Row]:
    """The measures of both sides, with what must hold."""
    told: list[Row] = []
    for era in ERAS:
        ours, bare = figures.ours[era], figures.bare[era]
        user = [each.user for each in ours.listed], [each.user for each in bare.listed]
        told += [
            Row(f"{era}: user time to the list", "s", *user, most=_MOST_TIME),
            Row(f"{era}: wall time to the list", "s", ours.wall, bare.wall),
            Row(f"{era}: idle memory", "MB", ours.idle, bare.idle, most=_MOST_MEMORY),
        ]
    return told


def bounds(figures: Figures) -> list[Bound]:
    """The measures that are judged by themselves."""
    first, helped = 1000 * median(figures.first), 1000 * min(figures.helped)
    return [
        Bound("first call less the tenth, a second after the list", "ms", first, _MOST_FIRST),
        Bound("`--help` less a bare interpreter", "ms", helped, _MOST_HELP),
    ]


def measure(pairs: int, python: str, folder: Path) -> Figures:
    """So many pairs in each era, in turns, after one that does not count."""
    figures, env = Figures(), _environment(folder)
    answers = folder / "answers.json"
    answers.write_text(json.dumps({"tools": [_one_tool()], "results": {}}), encoding="utf-8")
    ours, bare = [python, "-m", "runway_mcp"], [python, "-m", "benchmarks.bare", "stdio", str(answers)]
    for number in range(pairs + 1):
        _say(f"pair {number} of {pairs}" if number else "a pair that does not count")
        for era in ERAS:
            for command, sides in ((bare, figures.bare), (ours, figures.ours)):
                _start(command, env, era, sides[era] if number else Side(), figures, is_ours=command is ours)
        figures.helped.append(_seconds([*ours, "--help"], env) - _seconds([python, "-c", ""], env))
    return figures


def _start(  # the figures of one start go to one side, and those of its calls to all
    command: Sequence[str], env: Mapping[str, str], era: Era, side: Side, figures: Figures, *, is_ours: bool
) -> None:
    began = time.perf_counter()
    with running(command, env) as process:
        host = Pipes(process, era)
        host.open()
        host.ask("tools/list", {})
        side.wall.append(time.perf_counter() - began)
        side.listed.append(used(process.pid))
        side.idle.append(settled(process.pid).memory / 1e6)
    if is_ours:
        with running(command, env) as process:
            host = Pipes(process, era)
            host.open()
            host.ask("tools/list", {})
            time.sleep(_READING_SECONDS)
            calls = [_call(host, number) for number in range(10)]
            figures.first.append(calls[0] - calls[9])


def _call(host: Pipes, number: int) -> float:
    """How many seconds a call takes that is refused; each is another one, so none is told from memory."""
    began = time.perf_counter()
    host.ask("tools/call", {"name": "get_task", "arguments": {"taskId": f"no id {number}", "wait_seconds": -1}})
    return time.perf_counter() - began


def _one_tool() -> dict[str, object]:
    """One tool whose definition is as long as all of ours together."""
    schema = {"type": "object", "properties": {"which": {"type": "string"}}}
    return {"name": "echo", "description": "x" * len(json.dumps(listed().tools)), "inputSchema": schema}


def _environment(folder: Path) -> dict[str, str]:
    data = {"RUNWAY_MCP_DATA_DIR": str(folder / "data"), "RUNWAY_MCP_SAVE_DIR": str(folder / "films")}
    upstream = {"USEAPI_TOKEN": "user:1-benchmark", "USEAPI_URL": "http://127.0.0.1:9/"}
    return {**os.environ, **data, **upstream}


def _seconds(command: Sequence[str], env: Mapping[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, env=dict(env), stdout=subprocess.DEVNULL, check=True)  # noqa: S603  our own programs
    return time.perf_counter() - began


def main() -> int:
    """Runs it all from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.startup", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--pairs", type=int, default=8, help="how often, in turns (default: 8)")
    parser.add_argument("--python", default=sys.executable, help="the interpreter of both sides (default: this one)")
    parser.add_argument("--write", action="store_true", help="write the result into docs/performance.md")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(arguments.pairs, arguments.python, Path(folder))
    text = section("startup", "startup --write", table(rows(figures), bounds(figures)))
    sys.stdout.write(f"{text}\n")
    if arguments.write:
        PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), "startup", text), encoding="utf-8")
    return 0 if all(each.holds for each in (*rows(figures), *bounds(figures))) else 1


def _say(what: str) -> None:
    sys.stderr.write(f"{what}\n")


if __name__ == "__main__":
    sys.exit(main())
