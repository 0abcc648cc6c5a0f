"""The rules alone, without a store: what the contract suite cannot tell apart by what a store answers."""

from dataclasses import replace

import pytest

from runway_mcp.tasks.intents import State
from runway_mcp.tasks.policy import (
    DAY_SECONDS,
    Day,
    PolicyRefused,
    Quote,
    Spend,
    SpendPolicy,
    check_caps,
    check_quote,
    day_state,
)
from runway_mcp.tasks.transitions import begun, deciding, spend_of
from tests.kit.clock import EPOCH
from tests.kit.samples import intent

SPENDS = [Spend(EPOCH, 50), Spend(EPOCH + 10, 25)]


@pytest.mark.parametrize(
    ("cost", "frees_at"),
    [(26, EPOCH + DAY_SECONDS), (75, EPOCH + DAY_SECONDS), (76, EPOCH + 10 + DAY_SECONDS), (101, None)],
)
def test_a_cap_tells_when_enough_of_what_was_spent_is_older_than_a_day(cost: int, frees_at: float | None) -> None:
    with pytest.raises(PolicyRefused) as caught:
        check_caps(cost, SpendPolicy(per_day=100), SPENDS)

    assert (caught.value.reason, caught.value.spent, caught.value.frees_at) == ("per_day", 75, frees_at)


@pytest.mark.parametrize("cost", [0, 25])
def test_what_fits_under_a_cap_passes(cost: int) -> None:
    check_caps(cost, SpendPolicy(per_call=25, per_day=100), SPENDS)


def test_a_day_tells_what_is_left_and_when_more_is() -> None:
    assert day_state(100, SPENDS) == Day(100, 25, EPOCH + DAY_SECONDS)
    assert day_state(60, SPENDS) == Day(60, 0, EPOCH + DAY_SECONDS)
    assert day_state(60, []) == Day(60, 60, None)


@pytest.mark.parametrize(
    ("quote", "is_valid"),
    [
        (Quote("q", "asked", EPOCH), True),
        (Quote("q", "asked", EPOCH, intent_id="mine"), True),
        (Quote("q", "asked", EPOCH, intent_id="another"), False),
        (Quote("q", "other", EPOCH), False),
        (Quote("q", "asked", EPOCH - 1), False),
        (None, False),
    ],
)
def test_a_quote_is_valid_for_its_arguments_and_for_one_intent(quote: Quote | None, *, is_valid: bool) -> None:
    policy = SpendPolicy(confirm_above=0, quote="q")
    if is_valid:
        check_quote(5, policy, quote, covers="asked", intent_id="mine", now=EPOCH)
        return
    with pytest.raises(PolicyRefused, match="quote"):
        check_quote(5, policy, quote, covers="asked", intent_id="mine", now=EPOCH)


@pytest.mark.parametrize(("age", "counts"), [(0.0, True), (DAY_SECONDS - 1, True), (DAY_SECONDS, False)])
def test_a_spend_counts_for_a_day(age: float, *, counts: bool) -> None:
    made = replace(intent(), state=State.ACCEPTED)

    assert (spend_of(made, EPOCH + age) is not None) is counts


def test_a_request_is_decided_by_its_film_then_by_what_runs_then_by_the_newest() -> None:
    refused, newer = replace(intent(), state=State.REFUSED), replace(intent(), state=State.REFUSED, created=EPOCH + 9)
    failed = replace(intent(), state=State.ACCEPTED, failure_kind="moderated", ended=EPOCH)
    running = replace(intent(), state=State.ACCEPTED)
    ended = replace(running, ended=EPOCH)

    assert deciding([refused, failed, running, ended, newer], EPOCH) is ended
    assert deciding([refused, failed, running, newer], EPOCH) is running
    assert deciding([refused, failed, newer], EPOCH) is failed
    assert deciding([refused, newer], EPOCH) is newer
    assert deciding([], EPOCH) is None


def test_a_lease_lasts_to_its_last_moment() -> None:
    made = intent()

    assert begun(made, made.lease, claim=made.claim, upstream=None) is not None
    assert begun(made, made.lease + 0.001, claim=made.claim, upstream=None) is None
