from typing import Any

import pytest

from runway_mcp.runway.errors import (
    AccountBroken,
    Busy,
    InsufficientCredits,
    InvalidRequest,
    Moderated,
    NotFound,
    RunwayError,
    SubscriptionLapsed,
    Unauthorized,
    Unavailable,
    UnexpectedResponse,
)
from runway_mcp.tasks.failures import failure_of, task_failure
from tests.kit.samples import clip, task


@pytest.mark.parametrize(
    ("error", "kind", "retry"),
    [
        (InvalidRequest("x"), "invalid_request", "after_change"),
        (Moderated("x"), "moderated", "after_change"),
        (Unauthorized("x"), "unauthorized", "after_change"),
        (SubscriptionLapsed("x"), "subscription", "after_change"),
        (NotFound("x"), "not_found", "after_change"),
        (InsufficientCredits("x"), "insufficient_credits", "after_change"),
        (Busy("x"), "busy", "later"),
        (AccountBroken("x"), "account", "after_change"),
        (Unavailable("x"), "unavailable", "later"),
        (UnexpectedResponse("x"), "unexpected_response", "later"),
    ],
)
def test_a_refusal_charges_nothing_and_a_repeat_is_safe_unless_it_was_moderation(
    error: RunwayError, kind: str, retry: str
) -> None:
    failure = failure_of(error)

    assert (failure.kind, failure.charged, failure.retry_safe) == (kind, "no", kind != "moderated")
    assert failure.repeat == retry


SAFETY = {"reason": "SAFETY.INPUT.TEXT", "message": "refused"}
BAD_OUTPUT = {"reason": "INTERNAL.BAD_OUTPUT.CODE01", "errorMessage": "An unexpected error occurred."}


@pytest.mark.parametrize(
    ("fields", "kind", "charged"),
    [
        ({"status": "FAILED", "error": SAFETY}, "moderated", "unknown"),
        ({"status": "FAILED", "error": {"moderation_category": "violence"}}, "moderated", "unknown"),
        ({"status": "FAILED", "error": "Text prompt did not pass moderation"}, "moderated", "unknown"),
        ({"status": "FAILED", "error": "Your prompt was moderated"}, "moderated", "unknown"),
        ({"status": "FAILED", "error": "This violates our content policy"}, "moderated", "unknown"),
        ({"status": "FAILED", "error": BAD_OUTPUT}, "generation_failed", "unknown"),
        ({"status": "FAILED", "error": {"reason": "", "moderation_category": ""}}, "generation_failed", "unknown"),
        ({"status": "FAILED", "error": None}, "generation_failed", "unknown"),
        ({"status": "CANCELLED"}, "cancelled", "unknown"),
        ({"status": "SUCCEEDED", "artifacts": []}, "generation_failed", "yes"),
    ],
)
def test_a_repeat_of_what_ended_without_a_film_is_safe_unless_moderation_stopped_it(
    fields: dict[str, Any], kind: str, charged: str
) -> None:
    failure = task_failure(task(**fields))

    assert failure is not None
    assert (failure.kind, failure.charged, failure.retry_safe) == (kind, charged, kind != "moderated")


@pytest.mark.parametrize(
    ("fields", "retry", "advice"),
    [
        ({"status": "FAILED", "error": BAD_OUTPUT}, "after_change", "another `seed`"),
        ({"status": "CANCELLED"}, "after_change", "another `seed`"),
        ({"status": "FAILED", "error": SAFETY}, "after_change", "Reword text_prompt"),
        ({"status": "SUCCEEDED", "artifacts": []}, "later", "the same call later, free"),
    ],
)
def test_only_a_film_that_may_still_turn_up_is_worth_the_same_call(
    fields: dict[str, Any], retry: str, advice: str
) -> None:
    failure = task_failure(task(**fields))

    assert failure is not None
    assert failure.repeat == retry
    assert advice in failure.message
    assert ("same call" in failure.message) is (retry == "later")


def test_credits_that_explore_mode_did_not_take_are_not_told_as_spent() -> None:
    failure = task_failure(task(status="SUCCEEDED", artifacts=[], options={"exploreMode": True, "seconds": 5}))

    assert failure is not None
    assert failure.charged == "no"
    assert "spent" not in failure.message


@pytest.mark.parametrize("status", ["PENDING", "THROTTLED", "RUNNING", "DREAMING"])
def test_a_task_that_goes_on_is_no_failure(status: str) -> None:
    assert task_failure(task(status=status)) is None


def test_a_film_is_no_failure() -> None:
    artifact = {"assetId": clip().asset_id, "url": "https://example.com/film.mp4"}

    assert task_failure(task(artifacts=[artifact])) is None


def test_upstreams_reason_is_quoted_and_cut() -> None:
    failure = task_failure(task(status="FAILED", error={"reason": "INTERNAL", "message": "x" * 999}))

    assert failure is not None
    assert "INTERNAL" in failure.message
    assert len(failure.message) < 600
