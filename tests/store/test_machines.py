"""What the campaign of whole servers is judged by."""

import os

import pytest

from tests.store.machines.campaigns import report
from tests.store.machines.judge import LONGEST_UNFOLLOWED, Ends, is_too_long, waited_for_a_processor
from tests.store.machines.runs import Run


@pytest.mark.parametrize(
    ("named", "ended", "known", "unfollowed"),
    [
        (5.0, 20.0, 22.0, 2.0),
        (30.0, 20.0, 33.0, 3.0),
        (5.0, 6.0, 14.0, 4.0),
        (5.0, 6.0, 10.0, 0.0),
        (5.0, 6.0, None, None),
    ],
)
def test_a_task_is_unfollowed_from_the_last_of_peace_its_name_in_the_ledger_and_its_end(
    named: float, ended: float, known: float | None, unfollowed: float | None
) -> None:
    ends = Ends(10.0, named={"a": named}, known={} if known is None else {"a": known})

    assert ends.unfollowed("a", ended) == unfollowed


def test_a_report_tells_each_finding_and_the_longest_time_without_a_follower() -> None:
    told = report([Run(1, unfollowed=[0.5, 16.0], slowest=17.0), Run(2, found=["accepted 2 times"])])

    assert "16.0 s (longest)" in told
    assert "1 after more than 15 s (a lease)" in told
    assert "seed 2: accepted 2 times" in told
    assert told.endswith("2 runs, 1 findings, all ends known 17 s after the faults")


@pytest.mark.parametrize(("more", "starved", "found"), [(0.1, 0.0, True), (0.1, 0.2, False), (-0.1, 0.0, False)])
def test_an_end_may_be_known_later_by_what_the_processes_had_no_processor(
    more: float, starved: float, *, found: bool
) -> None:
    assert is_too_long(LONGEST_UNFOLLOWED + more, starved=starved) is found


def test_a_process_that_is_gone_has_waited_for_no_processor() -> None:
    waited = waited_for_a_processor([os.getpid(), 2**22 + 1])

    assert waited[os.getpid()] > 0
    assert waited[2**22 + 1] == 0
