from pathlib import Path

import pytest

from tests.suites.baseline import BaselineError, Check, judged, read_baseline
from tests.suites.conformance import RUNS

CEILING = 69
"""How many checks may be excused. It goes down with every feature that makes one of them apply, and never up."""

PASSED = {"status": "SUCCESS"}
FAILED = {"status": "FAILURE", "errorMessage": "no such tool"}


def a_check(name: str, run: str = "2026-07-28") -> Check:
    return Check(run, "a-scenario", name)


def test_the_baseline_only_shrinks() -> None:
    assert len(read_baseline()) == CEILING


def test_every_excused_check_is_of_a_run_and_has_a_reason_in_words() -> None:
    excused = read_baseline()

    assert {check.run for check in excused} <= {run.name for run in RUNS}
    assert all(len(reason.split()) > 8 and reason.endswith(".") for reason in excused.values())


@pytest.mark.parametrize(
    ("groups", "fault"),
    [
        ('[[excused]]\nruns = ["r"]\nchecks = ["a"]\nreason = " "', "has no reason"),
        ('[[excused]]\nruns = ["r"]\nchecks = ["a"]', "has no reason"),
        ('[[excused]]\nruns = ["r"]\nchecks = ["a", "a/a"]\nreason = "x"', "is excused twice"),
    ],
)
def test_a_list_that_hides_something_is_refused(tmp_path: Path, groups: str, fault: str) -> None:
    baseline = tmp_path / "baseline.toml"
    baseline.write_text(groups, encoding="utf-8")

    with pytest.raises(BaselineError, match=fault):
        read_baseline(baseline)


@pytest.mark.parametrize(
    ("result", "excused", "unknown", "stale"),
    [
        (PASSED, False, False, False),
        (FAILED, True, False, False),
        (FAILED, False, True, False),
        ({"status": "WARNING"}, False, True, False),
        (PASSED, True, False, True),
        ({"status": "SKIPPED"}, True, False, True),
        (None, True, False, True),
    ],
)
def test_what_fails_must_be_excused_and_what_is_excused_must_fail(
    result: dict[str, str] | None, *, excused: bool, unknown: bool, stale: bool
) -> None:
    check = a_check("one")
    verdict = judged({check: result} if result else {}, [check] if excused else [], run=check.run)

    assert (check in verdict.unknown, check in verdict.stale) == (unknown, stale)
    assert verdict.holds == (not unknown and not stale)


def test_a_run_is_not_judged_by_the_excuses_of_another() -> None:
    ours, theirs = a_check("one"), a_check("one", run="0.1.16")
    verdict = judged({ours: FAILED}, [theirs], run=ours.run)

    assert set(verdict.unknown) == {ours}
    assert verdict.unknown[ours] == "no such tool"
    assert not verdict.stale
