"""Start, side by side with a bare low-level server that lists one tool: from the spawn to the list of tools, and after.

    python -m benchmarks.startup [--pairs N] [--python PATH] [--without-extras] [--write]

Prints the figures and whether the promises hold; exits with 1 if one does not. The first call lists clips of a stand-in
for useapi.net. What an environment compiles the first time does not count. `--python` runs both sides in another
environment, `--without-extras` also in one that uv makes for it, with the packages that every install has alone.
`--write` puts the result into docs/performance.md.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.calls import stand_in
from benchmarks.pairs import PAGE, Bound, Row, moment, section, table, written
from benchmarks.talking import ERAS, Era, Pipes, Used, running, settled, used
from runway_mcp.server.contract.listed import listed

_ROOT = Path(__file__).parent.parent
_READING_SECONDS = 1.0
_MOST_TIME, _MOST_MEMORY = 1.12, 1.10
_MOST_HELP, _MOST_FIRST = 100.0, 150.0


@dataclass
class Side:
    """One server in one era: seconds to the list, what was used by then, and what it holds once it is idle."""

    wall: list[float] = field(default_factory=list[float])
    listed: list[Used] = field(default_factory=list[Used])
    idle: list[Used] = field(default_factory=list[Used])


@dataclass(frozen=True)
class Seconds:
    """How long something took, and how much processor time the program used in it; or the differences of both."""

    wall: float
    cpu: float

    def less(self, other: "Seconds") -> "Seconds":
        """How much more this is."""
        return Seconds(self.wall - other.wall, self.cpu - other.cpu)


@dataclass
class Figures:
    """All that was measured in one environment of Python.

    `first` are first calls less tenth calls, `helped` is `--help` less a bare interpreter.
    """

    ours: dict[Era, Side] = field(default_factory=lambda: {era: Side() for era in ERAS})
    bare: dict[Era, Side] = field(default_factory=lambda: {era: Side() for era in ERAS})
    first: list[Seconds] = field(default_factory=list[Seconds])
    helped: list[Seconds] = field(default_factory=list[Seconds])


def rows(figures: Figures, where: str = "") -> list[Row]:
    """The measures of both sides, with what must hold; `where` goes before each."""
    told: list[Row] = []
    for era in ERAS:
        ours, bare = figures.ours[era], figures.bare[era]
        user = [each.user for each in ours.listed], [each.user for each in bare.listed]
        idle = [each.memory / 1e6 for each in ours.idle], [each.memory / 1e6 for each in bare.idle]
        own = [each.own / 1e6 for each in ours.idle], [each.own / 1e6 for each in bare.idle]
        told += [
            Row(f"{where}{era}: user time to the list", "s", *user, most=_MOST_TIME),
            Row(f"{where}{era}: wall time to the list", "s", ours.wall, bare.wall),
            Row(f"{where}{era}: idle memory", "MB", *idle, most=_MOST_MEMORY),
            Row(f"{where}{era}: of it shared with no other process", "MB", *own),
        ]
    return told


def bounds(figures: Figures, where: str = "") -> list[Bound]:
    """The measures that are judged by themselves: by processor time, of `--help` the lowest."""
    first = f"{where}first call less the tenth, a second after the list"
    helped = f"{where}`--help` less a bare interpreter"
    return [
        Bound(f"{first}: CPU", "ms", 1000 * median(each.cpu for each in figures.first), _MOST_FIRST),
        Bound(f"{first}: wall", "ms", 1000 * median(each.wall for each in figures.first)),
        Bound(f"{helped}: CPU", "ms", 1000 * min(each.cpu for each in figures.helped), _MOST_HELP),
        Bound(f"{helped}: wall", "ms", 1000 * min(each.wall for each in figures.helped)),
    ]


def measure(pairs: int, pythons: Mapping[str, str], folder: Path, loads: list[float]) -> dict[str, Figures]:
    """So many pairs in each environment and era, in turns, after one that does not count; notes the load at each."""
    figures = {where: Figures() for where in pythons}
    answers = folder / "answers.json"
    answers.write_text(json.dumps({"tools": [_one_tool()], "results": {}}), encoding="utf-8")
    with stand_in() as told:
        env = _environment(folder, told)
        for number in range(pairs + 1):
            _say(f"pair {number} of {pairs}" if number else "a pair that does not count")
            loads.append(os.getloadavg()[0])
            for where, python in pythons.items():
                # What a fresh environment compiles the first time does not count either.
                _pair(python, env, answers, figures[where] if number else Figures())
    return figures


def _pair(python: str, env: Mapping[str, str], answers: Path, figures: Figures) -> None:
    ours, bare = [python, "-m", "runway_mcp"], [python, "-m", "benchmarks.bare", "stdio", str(answers)]
    for era in ERAS:
        _start(bare, env, era, figures.bare[era])
        _start(ours, env, era, figures.ours[era])
        figures.first.append(_first_call(ours, env, era))
    figures.helped.append(_seconds([*ours, "--help"], env).less(_seconds([python, "-c", ""], env)))


def _start(command: Sequence[str], env: Mapping[str, str], era: Era, side: Side) -> None:
    began = time.perf_counter()
    with running(command, env) as process:
        host = Pipes(process, era)
        host.open()
        host.ask("tools/list", {})
        side.wall.append(time.perf_counter() - began)
        side.listed.append(used(process.pid))
        side.idle.append(settled(process.pid))


def _first_call(command: Sequence[str], env: Mapping[str, str], era: Era) -> Seconds:
    with running(command, env) as process:
        host = Pipes(process, era)
        host.open()
        host.ask("tools/list", {})
        time.sleep(_READING_SECONDS)
        calls = [_call(host) for _ in range(10)]
    return calls[0].less(calls[9])


def _call(host: Pipes) -> Seconds:
    """What a call takes that asks upstream, each time."""
    began, before = time.perf_counter(), used(host.process.pid)
    host.ask("tools/call", {"name": "list_assets", "arguments": {}})
    return Seconds(time.perf_counter() - began, used(host.process.pid).cpu - before.cpu)


def _one_tool() -> dict[str, object]:
    """One tool whose definition is as long as all of ours together."""
    schema = {"type": "object", "properties": {"which": {"type": "string"}}}
    return {"name": "echo", "description": "x" * len(json.dumps(listed().tools)), "inputSchema": schema}


def _environment(folder: Path, told: Mapping[str, str]) -> dict[str, str]:
    data = {"RUNWAY_MCP_DATA_DIR": str(folder / "data"), "RUNWAY_MCP_SAVE_DIR": str(folder / "films")}
    upstream = {"USEAPI_TOKEN": told["token"], "USEAPI_URL": told["url"]}
    # Both sides are larger and slower where each start compiles its modules anew, and that hides what they differ in.
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**inherited, **data, **upstream}


def _seconds(command: Sequence[str], env: Mapping[str, str]) -> Seconds:
    began, before = time.perf_counter(), _children()
    subprocess.run(command, env=dict(env), stdout=subprocess.DEVNULL, check=True)  # noqa: S603  our own programs
    return Seconds(time.perf_counter() - began, _children() - before)


def _children() -> float:
    """The processor time of all children that have ended."""
    told = resource.getrusage(resource.RUSAGE_CHILDREN)
    return told.ru_utime + told.ru_stime


def without_extras(folder: Path) -> str:
    """The interpreter of a new environment with this checkout and its required packages; needs a package index."""
    uv = os.environ.get("UV") or shutil.which("uv") or "uv"
    python = folder / "bin" / "python"
    given = ["--constraint", str(_ROOT / "constraints.txt"), str(_ROOT)]
    for command in (
        [uv, "venv", "--quiet", "--python", sys.executable, str(folder)],
        [uv, "pip", "install", "--quiet", "--python", str(python), *given],
    ):
        subprocess.run(command, check=True)  # noqa: S603  our own commands
    return str(python)


def main() -> int:
    """Runs it all from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.startup", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--pairs", type=int, default=8, help="how often, in turns (default: 8)")
    parser.add_argument("--python", default=sys.executable, help="the interpreter of both sides (default: this one)")
    parser.add_argument("--without-extras", action="store_true", help="also without the extras, in a new environment")
    parser.add_argument("--write", action="store_true", help="write the result into docs/performance.md")
    arguments = parser.parse_args()
    loads: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        pythons = {"": arguments.python}
        if arguments.without_extras:
            pythons["without extras, "] = without_extras(Path(folder) / "plain")
        figures = measure(arguments.pairs, pythons, Path(folder), loads)
    told = [row for where, each in figures.items() for row in rows(each, where)]
    judged = [bound for where, each in figures.items() for bound in bounds(each, where)]
    command = f"startup{' --without-extras' if arguments.without_extras else ''} --write"
    text = section("startup", command, table(told, judged), moment=moment(loads))
    sys.stdout.write(f"{text}\n")
    if arguments.write:
        PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), "startup", text), encoding="utf-8")
    return 0 if all(each.holds for each in (*told, *judged)) else 1


def _say(what: str) -> None:
    sys.stderr.write(f"{what}\n")


if __name__ == "__main__":
    sys.exit(main())
