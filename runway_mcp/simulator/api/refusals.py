"""Refusals: upstream's error answers, with status and body exactly as its pages show them."""

from collections.abc import Mapping, Sequence
from typing import Any


class Refusal(Exception):  # noqa: N818  upstream refuses; nothing in the simulator went wrong
    """An answer that is no success: its status, its body (JSON, or plain text if a string) and its headers."""

    def __init__(self, status: int, body: Any, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body
        self.headers = dict(headers or {})


def refused(status: int, sentence: str) -> Refusal:
    """An error in the usual envelope: `error` and `code`."""
    return Refusal(status, {"error": sentence, "code": status})


def unauthorized() -> Refusal:
    """401: the token is missing or wrong."""
    return refused(401, "Unauthorized")


def lapsed() -> Refusal:
    """402: the subscription of the useapi user has ended."""
    return refused(402, "Account has no subscription or subscription expired")


def not_found() -> Refusal:
    """404: the id is unknown."""
    return refused(404, "Not found.")


def no_asset(uuid: str) -> Refusal:
    """404: the asset of a submit does not exist; its bare uuid is named."""
    return refused(404, f"Unable to retrieve assetId {uuid} (Not found.)")


def no_configuration(*, plain: bool) -> Refusal:
    """404: the account is not linked; plain text, or else JSON."""
    sentence = "Configuration not found. To create configuration use POST /accounts/email."
    return Refusal(404, sentence) if plain else refused(404, sentence)


def not_running(task_id: str) -> Refusal:
    """404 of the scheduler: it does not follow the task."""
    return refused(404, f"Unable to locate running {task_id}")


def no_credits(*, code: bool) -> Refusal:
    """412: the account cannot pay; with `code` in the body, or without."""
    return _bare(412, "You do not have enough credits to run this task.", code=code)


def busy(email: str, max_jobs: int, running: Sequence[Mapping[str, Any]], *, retry_after: float | None) -> Refusal:
    """The 429 of useapi itself: the account runs as many tasks as it may; `retry_after` in seconds."""
    body = {
        "error": f"Account {email} is busy executing {max_jobs} tasks",
        "runningTasks": {email: list(running)},
        "code": 429,
    }
    return Refusal(429, body, headers=_retry_after(retry_after))


def throttled(*, code: bool, retry_after: float | None) -> Refusal:
    """Runway's 429: too many tasks wait or run in the account; `retry_after` in seconds."""
    refusal = _bare(
        429,
        "You have too many tasks running or pending. Please wait for some of them to finish before starting more.",
        code=code,
    )
    refusal.headers.update(_retry_after(retry_after))
    return refusal


def moderated(status: int) -> Refusal:
    """Moderation refused the prompt of a submit, with this status."""
    return refused(status, "Text prompt did not pass moderation")


def broken_account(email: str, reason: str) -> Refusal:
    """The non-standard 596: the linked account is in an error state."""
    return refused(596, f"Account {email} is in an error state ({reason}). Please re-add it.")


def _bare(status: int, sentence: str, *, code: bool) -> Refusal:
    return refused(status, sentence) if code else Refusal(status, {"error": sentence})


def _retry_after(retry_after: float | None) -> dict[str, str]:
    return {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
