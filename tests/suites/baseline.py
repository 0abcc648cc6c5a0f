"""What the suites may find: the checks that do not apply, each with the reason, and the judgement of a run by them.

A run is held to its list in both directions: a check that fails and is not excused, and one that is excused and does
not fail, both spoil it. So the list shrinks with every feature, and never covers a regression.
"""

import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BASELINE = Path(__file__).with_name("baseline.toml")
FAILED = frozenset({"FAILURE", "WARNING"})


class BaselineError(Exception):
    """The list cannot be used as it is; the message says where."""


@dataclass(frozen=True, order=True)
class Check:
    """One check of a scenario, as one run of a suite makes it."""

    run: str
    scenario: str
    name: str

    def __str__(self) -> str:
        return f"{self.run}: {self.scenario}/{self.name}"


@dataclass(frozen=True)
class Verdict:
    """What a run found: checks that failed without excuse (with what they said), and excuses without a failure."""

    unknown: Mapping[Check, str]
    stale: frozenset[Check]
    excused: int
    passed: int

    @property
    def holds(self) -> bool:
        """Whether the run is as its list says."""
        return not self.unknown and not self.stale


def read_baseline(path: Path = BASELINE) -> dict[Check, str]:
    """Every excused check with its reason; raises BaselineError where one has no reason or two."""
    excused: dict[Check, str] = {}
    for group in tomllib.loads(path.read_text(encoding="utf-8"))["excused"]:
        for check in _checks(group):
            if not group.get("reason", "").strip():
                raise BaselineError(f"{check} has no reason")
            if check in excused:
                raise BaselineError(f"{check} is excused twice")
            excused[check] = group["reason"]
    return excused


def _checks(group: Mapping[str, Any]) -> Iterator[Check]:
    for run in group["runs"]:
        for name in group["checks"]:
            scenario, _, check = name.partition("/")
            yield Check(run, scenario, check or scenario)


def judged(results: Mapping[Check, Mapping[str, Any]], excused: Collection[Check], *, run: str) -> Verdict:
    """The verdict on one run; `results` has the worst result of each check, with `status` and `errorMessage`."""
    failed = {check: result for check, result in results.items() if result["status"] in FAILED}
    allowed = {check for check in excused if check.run == run}
    return Verdict(
        unknown={
            check: str(result.get("errorMessage") or result["status"])
            for check, result in failed.items()
            if check not in allowed
        },
        stale=frozenset(allowed - failed.keys()),
        excused=len(allowed & failed.keys()),
        passed=sum(result["status"] == "SUCCESS" for result in results.values()),
    )
