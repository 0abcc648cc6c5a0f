"""Benchmarks of a hosted server, side by side with the bare SDK's server where there is one to compare with.

    python -m benchmarks.hosting [--only cpu|replicas|streams|soak] [--pairs N] [--calls N] [--minutes N] [--write]

Prints the figures and whether the promises hold; exits with 1 if one does not. CPU is that of the servers' processes by
the accounts of Linux. Needs PostgreSQL's server on this machine. `--write` puts each part into docs/performance.md.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.hosting import cpu, replicas, soak, streams
from benchmarks.pairs import PAGE, moment, section, table, written
from benchmarks.served import Promise


@dataclass(frozen=True)
class Told:
    """What a part has measured, in Markdown, and whether all that was promised holds."""

    lines: Iterable[str]
    holds: bool


def main() -> int:
    """Runs what is asked for from the command line."""
    asked = _asked()
    parts: Final[dict[str, Callable[[Path, argparse.Namespace, list[float]], Told]]] = {
        "cpu": _cpu,
        "replicas": _replicas,
        "streams": _streams,
        "soak": _soak,
    }
    hold = True
    for name in [asked.only] if asked.only else parts:
        loads = [os.getloadavg()[0]]
        with tempfile.TemporaryDirectory() as folder:
            told = parts[name](Path(folder), asked, loads)
        loads.append(os.getloadavg()[0])
        command = f"hosting --only {name} --write"
        text = section(f"hosting {name}", command, iter(told.lines), moment=moment(loads))
        sys.stdout.write(f"{text}\n")
        hold = hold and told.holds
        if asked.write:
            PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), f"hosting {name}", text), encoding="utf-8")
    return 0 if hold else 1


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hosting", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", choices=["cpu", "replicas", "streams", "soak"], help="one part (default: all)")
    parser.add_argument("--pairs", type=int, default=8, help="how often CPU is compared, in turns (default: 8)")
    parser.add_argument("--calls", type=int, default=320, help="calls of each burst (default: 320)")
    parser.add_argument("--minutes", type=float, default=10, help="how long the soak lasts (default: 10)")
    parser.add_argument("--write", action="store_true", help="write the result into docs/performance.md")
    return parser.parse_args()


def _cpu(folder: Path, asked: argparse.Namespace, loads: list[float]) -> Told:
    rows = cpu.rows(cpu.measure(folder, pairs=asked.pairs, calls=asked.calls, loads=loads))
    return Told(table(rows), all(row.holds for row in rows))


def _replicas(folder: Path, asked: argparse.Namespace, loads: list[float]) -> Told:
    figures = replicas.measure(folder, rounds=asked.pairs, calls=asked.calls, extensions=8, loads=loads)
    return _of_promises(replicas.promises(figures), replicas.lines(figures))


def _streams(folder: Path, _asked: argparse.Namespace, loads: list[float]) -> Told:
    figures = streams.measure(folder, rounds=3, streams=1000, loads=loads)
    rows = streams.rows(figures)
    return Told([*table(rows), "", *streams.lines(figures)], all(row.holds for row in rows))


def _soak(folder: Path, asked: argparse.Namespace, _loads: list[float]) -> Told:
    figures = soak.measure(folder, minutes=asked.minutes)
    for failure in figures.failed[:20]:
        sys.stderr.write(f"{failure}\n")
    return _of_promises(soak.promises(figures), soak.lines(figures))


def _of_promises(promises: list[Promise], lines: list[str]) -> Told:
    judged = [f"| {each.what} | {each.measured} | {'yes' if each.holds else 'NO'} |" for each in promises]
    table = ["| must hold | measured | |", "|---|---|---|", *judged]
    return Told([*table, "", *lines], all(each.holds for each in promises))


if __name__ == "__main__":
    sys.exit(main())
