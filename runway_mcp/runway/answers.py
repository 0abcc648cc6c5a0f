"""What an answer over HTTP means: the body, or one error of the tree; nothing here sends anything.

The HTTP status decides, never the body's `code`. Status codes are plain integers, since useapi.net uses some (596)
that no register knows.
"""

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Literal

from runway_mcp.runway import errors
from runway_mcp.runway.fields import mapping, number, text
from runway_mcp.runway.models import RunningTask, Task
from runway_mcp.runway.wire import parse_running, parse_task

LONGEST_RETRY_AFTER = 120.0
"""Seconds; a server that asks for a longer pause is asked again after this one."""

ACCOUNT_IN_ERROR = 596
"""useapi.net's own status code for a linked account that it cannot use."""

_END_OF_5XX = 600
_SHORTEST_SECRET = 12
_MODERATED = "Runway's moderation refused the request."
_DOCUMENTED: dict[int, tuple[type[errors.RunwayError], str]] = {
    401: (errors.Unauthorized, "useapi.net refused the API token."),
    402: (errors.SubscriptionLapsed, "The useapi.net subscription is missing or has expired."),
    404: (errors.NotFound, "useapi.net found nothing under this id."),
    408: (errors.Unavailable, "useapi.net gave up waiting for the request (HTTP 408)."),
    412: (errors.InsufficientCredits, "The Runway account has too few credits for this task."),
    422: (errors.Moderated, _MODERATED),
    425: (errors.Unavailable, "useapi.net put the request off (HTTP 425)."),
    ACCOUNT_IN_ERROR: (errors.AccountBroken, "The linked Runway account is in an error state; link it again."),
}
_MODERATION = re.compile(r"\bmoderat|\bsafety|content polic", re.IGNORECASE)
_BUSY_BY_USEAPI = re.compile(r"\bis busy executing\b", re.IGNORECASE)
# Written by something on the way that may have handed the request on before it lost patience.
_UNCLEAR_REFUSALS = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY})


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An HTTP answer whose status arrived; `body` is None if the rest was lost, and `flaw` then says how."""

    status: int
    body: bytes | None = field(repr=False)
    retry_after: str | None = None
    date: str | None = None
    flaw: str = "the answer broke off"


@dataclass(frozen=True, kw_only=True)
class Lost:
    """No answer: `cause` in a few words; `sent` is False only if surely no byte of the request went out."""

    cause: str
    sent: bool


@dataclass(frozen=True, kw_only=True)
class ErrorContext:
    """How to read answers: `secret` is kept out of every message, `now` (Unix seconds) dates a Retry-After."""

    secret: str = field(repr=False)
    now: Callable[[], float]


def body_of(outcome: Answer | Lost, context: ErrorContext) -> object:
    """Return the JSON body of a 2xx; raise whatever else the outcome of a read means."""
    if isinstance(outcome, Lost):
        raise errors.Unavailable(f"useapi.net gave no answer: {outcome.cause}.", sent=outcome.sent)
    outcome = _without_secret(outcome, context)
    if not is_success(outcome.status):
        raise error_of(outcome, context)
    if outcome.body is None:
        raise errors.Unavailable(f"useapi.net could not be read: {outcome.flaw}.", status=outcome.status)
    return _json_of(outcome)


def submitted(outcome: Answer | Lost, context: ErrorContext) -> Task:
    """Return the task that a submit started; raise its refusal, or `SubmitUnclear` for all that is neither.

    Refused are a request of which no byte went out, a 4xx other than 408 and 425, and 596; something on the way may
    have repeated the request, so that a refusal which an HTTP answer told is yet to be confirmed by looking.
    """
    if isinstance(outcome, Lost):
        if outcome.sent:
            raise errors.SubmitUnclear(outcome.cause)
        raise errors.Unavailable(f"useapi.net could not be reached: {outcome.cause}.", sent=False)
    outcome = _without_secret(outcome, context)
    if is_refusal(outcome.status):
        raise error_of(outcome, context)
    if not is_success(outcome.status):
        raise _unclear(f"HTTP {outcome.status}", outcome, context)
    if outcome.body is None:
        raise _unclear(outcome.flaw, outcome, context)
    try:
        return parse_task(_json_of(outcome))
    except errors.UnexpectedResponse:
        raise _unclear(f"an HTTP {outcome.status} that tells of no task", outcome, context) from None


def is_moderation(*words: str | None) -> bool:
    """Whether words of Runway's, of a refusal or of a failed task, speak of moderation."""
    return any(word and _MODERATION.search(word) for word in words)


def is_success(status: int) -> bool:
    """Whether the status promises what was asked for; one edition of the API says 201 where others say 200."""
    return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES


def is_refusal(status: int) -> bool:
    """Whether a submit that was answered so has surely started nothing."""
    is_4xx = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    return status == ACCOUNT_IN_ERROR or (is_4xx and status not in _UNCLEAR_REFUSALS)


def error_of(answer: Answer, context: ErrorContext) -> errors.RunwayError:
    """Return the error that the status of an answer other than 2xx stands for, with what it said, quoted."""
    said = _said(answer)
    error = _by_status(answer, said)
    error.status = answer.status
    error.retry_after = seconds_to_wait(answer.retry_after, context.now)
    return error.with_detail(f"It said: {errors.quoted(said, secret=context.secret)}") if said else error


def seconds_to_wait(retry_after: str | None, now: Callable[[], float]) -> float | None:
    """Return what a Retry-After asks for, given in seconds or as a date, from 0 to `LONGEST_RETRY_AFTER`."""
    seconds = number(retry_after)
    if seconds is None and retry_after:
        try:
            seconds = parsedate_to_datetime(retry_after).replace(tzinfo=UTC).timestamp() - now()  # HTTP dates are GMT
        except (ValueError, OverflowError):
            return None
    return None if seconds is None else min(max(0.0, float(math.ceil(seconds))), LONGEST_RETRY_AFTER)


def _by_status(answer: Answer, said: str | None) -> errors.RunwayError:
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return _busy(answer, said or "")
    if answer.status == HTTPStatus.BAD_REQUEST and _is_moderated(answer):
        return errors.Moderated(_MODERATED)
    if answer.status in _DOCUMENTED:
        error, message = _DOCUMENTED[answer.status]
        return error(message)
    if HTTPStatus.BAD_REQUEST <= answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return errors.InvalidRequest(f"useapi.net refused the request (HTTP {answer.status}).")
    if HTTPStatus.INTERNAL_SERVER_ERROR <= answer.status < _END_OF_5XX:
        return errors.Unavailable(f"useapi.net failed to answer (HTTP {answer.status}).")
    return errors.UnexpectedResponse(f"useapi.net gave an answer that is not documented (HTTP {answer.status}).")


def _busy(answer: Answer, said: str) -> errors.Busy:
    running = _running(answer)
    by: Literal["useapi", "runway"] = "useapi" if running or _BUSY_BY_USEAPI.search(said) else "runway"
    whose = "The account runs as many tasks as it may" if by == "useapi" else "Runway runs too many tasks for the plan"
    return errors.Busy(f"{whose}; wait until one ends.", by=by, running=running)


def _unclear(cause: str, answer: Answer, context: ErrorContext) -> errors.SubmitUnclear:
    error = errors.SubmitUnclear(
        cause,
        running=_running(answer),
        status=answer.status,
        retry_after=seconds_to_wait(answer.retry_after, context.now),
    )
    said = _said(answer)
    return error.with_detail(f"It said: {errors.quoted(said, secret=context.secret)}") if said else error


def _running(answer: Answer) -> tuple[RunningTask, ...]:
    try:
        return parse_running((mapping(_json_of(answer)) or {}).get("runningTasks"))
    except errors.UnexpectedResponse:
        return ()


def _said(answer: Answer) -> str | None:
    """Return the text of the documented field `error`, or a plain text; never a page of HTML or a task's words."""
    try:
        body = _json_of(answer)
    except errors.UnexpectedResponse:
        plain = (answer.body or b"").decode(errors="replace").strip()
        return None if is_success(answer.status) or plain.startswith(("<", "{", "[")) else plain or None
    return next(filter(None, _fields(body)), None)


def _is_moderated(answer: Answer) -> bool:
    """Return whether an answer names moderation as the reason of its refusal; any category is one."""
    try:
        body = _json_of(answer)
    except errors.UnexpectedResponse:
        return is_moderation(_said(answer))
    error = mapping((mapping(body) or {}).get("error")) or {}
    return bool(text(error.get("moderation_category"))) or is_moderation(*_fields(body))


def _fields(body: object) -> list[str | None]:
    outer = mapping(body) or {}
    error = mapping(outer.get("error")) or {"message": outer.get("error")}
    return [*(text(error.get(name)) for name in ("errorMessage", "message", "reason")), text(outer.get("message"))]


def _without_secret(answer: Answer, context: ErrorContext) -> Answer:
    """Return the answer without the token, should it repeat that; a word too short to be one is left alone."""
    secret = context.secret.encode()
    if answer.body is None or len(secret) < _SHORTEST_SECRET or secret not in answer.body:
        return answer
    return replace(answer, body=answer.body.replace(secret, b"[removed]"))


def _json_of(answer: Answer) -> object:
    try:
        return json.loads(answer.body or b"")
    except (ValueError, RecursionError):
        # The cause would hold the body.
        raise errors.UnexpectedResponse(
            f"The answer of useapi.net (HTTP {answer.status}) is no JSON.", unreadable=True, status=answer.status
        ) from None
