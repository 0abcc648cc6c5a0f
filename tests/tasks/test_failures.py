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
from tests.tasks.samples import clip, task


@pytest.mark.parametrize(
    ("error", "kind", "retry_safe"),
    [
        (InvalidRequest("x"), "invalid_request", True),
        (Moderated("x"), "moderated", False),
        (Unauthorized("x"), "unauthorized", True),
        (SubscriptionLapsed("x"), "subscription", True),
        (NotFound("x"), "not_found", True),
        (InsufficientCredits("x"), "insufficient_credits", True),
        (Busy("x"), "busy", True),
        (AccountBroken("x"), "account", True),
        (Unavailable("x"), "unavailable", True),
        (UnexpectedResponse("x"), "unexpected_response", True),
    ],
)
def test_a_refusal_charges_nothing_and_may_be_repeated_unless_it_was_moderation(
    error: RunwayError, kind: str, retry_safe: bool
) -> None:
    failure = failure_of(error)

    assert (failure.kind, failure.charged, failure.retry_safe) == (kind, "no", retry_safe)


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
def test_a_task_that_ends_without_a_film_is_never_safe_to_repeat(
    fields: dict[str, Any], kind: str, charged: str
) -> None:
    failure = task_failure(task(**fields))

    assert failure is not None
    assert (failure.kind, failure.charged, failure.retry_safe) == (kind, charged, False)


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
