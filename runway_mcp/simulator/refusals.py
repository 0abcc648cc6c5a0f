"""The refusals: upstream's error answers, status and body exactly as its pages show them."""

from collections.abc import Mapping, Sequence
from typing import Any


class Refusal(Exception):  # noqa: N818 - upstream refuses; nothing in the simulator went wrong
    """An answer that is not 200: its status, its body (JSON, or plain text if it is a string) and its headers."""

    def __init__(self, status: int, body: Any, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body
        self.headers = dict(headers or {})


def refused(status: int, sentence: str) -> Refusal:
    """Return a refusal in the usual envelope."""
    return Refusal(status, {"error": sentence, "code": status})


def unauthorized() -> Refusal:
    """Return the answer to a missing or wrong token."""
    return refused(401, "Unauthorized")


def lapsed() -> Refusal:
    """Return the answer to a user whose subscription ended."""
    return refused(402, "Account has no subscription or subscription expired")


def not_found() -> Refusal:
    """Return the answer to an id that leads nowhere."""
    return refused(404, "Not found.")


def no_asset(uuid: str) -> Refusal:
    """Return the answer to a submit whose asset does not exist; it names the bare uuid."""
    return refused(404, f"Unable to retrieve assetId {uuid} (Not found.)")


def no_configuration(*, plain: bool) -> Refusal:
    """Return the answer about an account that is not linked: plain text, unless the switch asks for JSON."""
    sentence = "Configuration not found. To create configuration use POST /accounts/email."
    return Refusal(404, sentence) if plain else refused(404, sentence)


def not_running(task_id: str) -> Refusal:
    """Return the answer of the scheduler about a task that it does not follow."""
    return refused(404, f"Unable to locate running {task_id}")


def no_credits(*, code: bool) -> Refusal:
    """Return the answer to an account that cannot pay."""
    return _bare(412, "You do not have enough credits to run this task.", code=code)


def busy(email: str, max_jobs: int, running: Sequence[Mapping[str, Any]], *, retry_after: float | None) -> Refusal:
    """Return useapi's own 429: the account runs as many tasks as it may."""
    body = {
        "error": f"Account {email} is busy executing {max_jobs} tasks",
        "runningTasks": {email: list(running)},
        "code": 429,
    }
    return Refusal(429, body, headers=_retry_after(retry_after))


def throttled(*, code: bool, retry_after: float | None) -> Refusal:
    """Return Runway's 429: too many tasks wait or run in the account."""
    refusal = _bare(
        429,
        "You have too many tasks running or pending. Please wait for some of them to finish before starting more.",
        code=code,
    )
    refusal.headers.update(_retry_after(retry_after))
    return refusal


def moderated(status: int) -> Refusal:
    """Return the answer to a prompt that moderation refused at submit."""
    return refused(status, "Text prompt did not pass moderation")


def broken_account(email: str, reason: str) -> Refusal:
    """Return the non-standard 596: the linked account is in an error state."""
    return refused(596, f"Account {email} is in an error state ({reason}). Please re-add it.")


def _bare(status: int, sentence: str, *, code: bool) -> Refusal:
    return refused(status, sentence) if code else Refusal(status, {"error": sentence})


def _retry_after(retry_after: float | None) -> dict[str, str]:
    return {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
