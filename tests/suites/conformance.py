"""The conformance suites of the protocol: 0.1.16 for the 2025 revisions, the 0.2.0 alpha for all three and for Tasks.

Every scenario runs, against our server behind its interpreter, and each of its checks is judged by `baseline.toml`.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.kit.processes import http_server_process, server_environment
from tests.kit.stand_in import open_stand_in
from tests.suites.baseline import FAILED, Check, Verdict, judged, read_baseline
from tests.suites.interpreted import CONFIRM_ABOVE, PACE
from tests.suites.node import Node

SECONDS = 120
AT_ONCE = 4


@dataclass(frozen=True)
class Run:
    """One call of a suite: its name in the baseline, the package, its arguments, how many scenarios that makes."""

    name: str
    package: str
    arguments: tuple[str, ...]
    scenarios: int


TASKS = (
    "tasks-lifecycle",
    "tasks-capability-negotiation",
    "tasks-wire-fields",
    "tasks-request-state-removal",
    "tasks-mrtr-input",
    "tasks-request-headers",
    "tasks-dispatch-and-envelope",
    "tasks-status-notifications",
    "tasks-required-task-error",
    "tasks-mrtr-composition",
)
RUNS = (
    Run("0.1.16", "conformance-2025", ("--suite", "all"), 32),
    Run("2025-06-18", "conformance-2026", ("--suite", "all", "--spec-version", "2025-06-18"), 27),
    Run("2025-11-25", "conformance-2026", ("--suite", "all", "--spec-version", "2025-11-25"), 33),
    Run("2026-07-28", "conformance-2026", ("--suite", "all", "--spec-version", "2026-07-28"), 40),
    *(Run("tasks", "conformance-2026", ("--scenario", name), 1) for name in TASKS),
)


def checked(node: Node, folder: Path) -> bool:
    """Runs everything and tells what it found; whether it is as the baseline says. `folder` takes the reports."""
    excused = read_baseline()
    with (
        open_stand_in(pace=PACE) as upstream,
        http_server_process(
            [sys.executable, "-m", "tests.suites.interpreted"],
            server_environment(
                upstream.url, folder / "data", RUNWAY_MCP_CONFIRM=str(CONFIRM_ABOVE), RUNWAY_MCP_WAIT_SECONDS="20"
            ),
        ) as served,
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        reports = list(pool.map(partial(_report, node, served.mcp, folder), range(len(RUNS))))
    results: dict[str, dict[Check, Mapping[str, Any]]] = {}
    for run, report in zip(RUNS, reports, strict=True):
        results.setdefault(run.name, {}).update(report)
    verdicts = {name: judged(found, excused, run=name) for name, found in results.items()}
    for name, verdict in verdicts.items():
        _tell(name, verdict)
    return all(verdict.holds for verdict in verdicts.values())


def _report(node: Node, url: str, folder: Path, number: int) -> dict[Check, Mapping[str, Any]]:
    """The worst result of each check of a run; raises RuntimeError if not all of its scenarios ran."""
    run, reports = RUNS[number], folder / f"run-{number}"
    command = node.command(f"node_modules/{run.package}/dist/index.js", "server", "--url", url, *run.arguments)
    ended = node.run([*command, "--output-dir", str(reports)], seconds=SECONDS)
    found = list(reports.glob("*/checks.json"))
    if len(found) != run.scenarios:
        raise RuntimeError(f"{run.name}: {len(found)} of {run.scenarios} scenarios ran:\n{ended.stdout}{ended.stderr}")
    worst: dict[Check, Mapping[str, Any]] = {}
    for check, result in _results(run.name, found):
        if check not in worst or result["status"] in FAILED:
            worst[check] = result
    return worst


def _results(run: str, reports: list[Path]) -> Iterator[tuple[Check, Mapping[str, Any]]]:
    for report in reports:
        scenario = report.parent.name.removeprefix("server-")[: -len("-2026-11-22T09-38-09-112Z")]
        for result in json.loads(report.read_text(encoding="utf-8")):
            yield Check(run, scenario, result["id"]), result


def _tell(name: str, verdict: Verdict) -> None:
    sys.stdout.write(f"  {name}: {verdict.passed} checks passed, {verdict.excused} do not apply\n")
    for check, message in sorted(verdict.unknown.items()):
        sys.stdout.write(f"    FAILED  {check}: {' '.join(message.split())}\n")
    for check in sorted(verdict.stale):
        sys.stdout.write(f"    STALE   {check} does not fail: take it from the baseline\n")
