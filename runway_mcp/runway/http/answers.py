"""Mapping of an HTTP answer to its body or to one error of `errors`; sends nothing.

The HTTP status decides, never the body's `code`. Status codes are plain integers, since useapi.net uses an unregistered
one (596).
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
from runway_mcp.secret_spellings import REMOVED, SecretSpellings, spellings_of_secret

LONGEST_RETRY_AFTER = 120.0
"""The longest pause in seconds that a Retry-After can ask for; longer ones are cut to it."""

ACCOUNT_IN_ERROR = 596
"""useapi.net's own status code for a linked account that it cannot use."""

MOST_VALUES = 100_000
"""About how many values the JSON of an answer may hold; it takes some hundredths of a second to read so many."""

MOST_VALUES_WITH_SECRET = 20_000
"""How many values are searched singly for a spelling of the token; of an answer of more with one, nothing is left."""

_PARTS = (b",", b"[", b"{")
_LONGEST_INTEGER = 19
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
# A gateway may send these after it has forwarded the request, so the task may exist.
_UNCLEAR_REFUSALS = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY})


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An HTTP answer whose status arrived.

    `body` is None if the rest was lost, and `flaw` then says how, or if it was `too_long` to be read. `retry_after` and
    `date` are the headers as they came.
    """

    status: int
    body: bytes | None = field(repr=False)
    retry_after: str | None = None
    date: str | None = None
    flaw: str = "the answer broke off"
    too_long: bool = False


@dataclass(frozen=True, kw_only=True)
class Lost:
    """A request without an answer: `cause` in a few words; `sent` is False only if no byte can have left.

    `is_own` says that the cause is this machine's, and none of upstream's.
    """

    cause: str
    sent: bool
    is_own: bool = False

    def told(self, otherwise: str) -> str:
        """The sentence that tells it; `otherwise` begins it unless the cause is this machine's."""
        return f"{'The request could not leave this machine' if self.is_own else otherwise}: {self.cause}."


@dataclass(frozen=True, kw_only=True)
class ErrorContext:
    """What reading an answer needs: `secret` is kept out of every message, `now` (Unix seconds) dates a Retry-After."""

    secret: str = field(repr=False)
    now: Callable[[], float]


def body_of(outcome: Answer | Lost, context: ErrorContext) -> object:
    """The JSON body of a 2xx answer to a read; raises `RunwayError` for every other outcome."""
    return body_of_clean(without_secret(outcome, context), context)


def body_of_clean(outcome: Answer | Lost, context: ErrorContext) -> object:
    """`body_of` for an outcome that `without_secret` gave."""
    if isinstance(outcome, Lost):
        raise errors.Unavailable(outcome.told("useapi.net gave no answer"), sent=outcome.sent)
    if not is_success(outcome.status):
        raise error_of(outcome, context)
    if outcome.too_long:
        raise _too_long(outcome)
    if outcome.body is None:
        raise errors.Unavailable(f"useapi.net could not be read: {outcome.flaw}.", status=outcome.status)
    return _json_of(outcome)


def submitted(outcome: Answer | Lost, context: ErrorContext) -> Task:
    """The task that a submit started; raises its refusal, or `SubmitUnclear` for every other outcome.

    Refusals are a request of which no byte left, a 4xx other than 408 and 425, and 596. A refusal with an HTTP status
    still has to be confirmed by a look, since a proxy may have repeated the request.
    """
    if isinstance(outcome, Lost):
        if outcome.sent:
            raise errors.SubmitUnclear(outcome.cause)
        raise errors.Unavailable(outcome.told("useapi.net could not be reached"), sent=False)
    outcome = _clean(outcome, context)
    if is_refusal(outcome.status):
        raise error_of(outcome, context)
    if not is_success(outcome.status):
        raise _unclear(f"HTTP {outcome.status}", outcome, context)
    if outcome.body is None:
        flaw = "an answer too long to be read" if outcome.too_long else outcome.flaw
        raise _unclear(flaw, outcome, context)
    try:
        return parse_task(_json_of(outcome))
    except errors.UnexpectedResponse:
        raise _unclear(f"an HTTP {outcome.status} that tells of no task", outcome, context) from None


def is_moderation(*words: str | None) -> bool:
    """Whether Runway's words, in a refusal or in a failed task, mention moderation."""
    return any(word and _MODERATION.search(word) for word in words)


def is_success(status: int) -> bool:
    """Whether the status is a 2xx; some editions of the API send 201 where others send 200."""
    return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES


def is_refusal(status: int) -> bool:
    """Whether this status of a submit's answer proves that nothing was started."""
    is_4xx = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    return status == ACCOUNT_IN_ERROR or (is_4xx and status not in _UNCLEAR_REFUSALS)


def error_of(answer: Answer, context: ErrorContext) -> errors.RunwayError:
    """The error for an answer other than 2xx, with the answer's own text quoted."""
    said = _said(answer)
    error = _by_status(answer, said)
    error.status = answer.status
    error.retry_after = seconds_to_wait(answer.retry_after, context.now)
    return error.with_detail(f"It said: {errors.quoted(said, secret=context.secret)}") if said else error


def seconds_to_wait(retry_after: str | None, now: Callable[[], float]) -> float | None:
    """The seconds that a Retry-After (number or date) asks for, 0 to `LONGEST_RETRY_AFTER`; None if unreadable."""
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
    """The text of the documented field `error`, or a plain-text body; never HTML and never a task's fields."""
    try:
        body = _json_of(answer)
    except errors.UnexpectedResponse:
        plain = (answer.body or b"").decode(errors="replace").strip()
        return None if is_success(answer.status) or plain.startswith(("<", "{", "[")) else plain or None
    return next(filter(None, _fields(body)), None)


def _is_moderated(answer: Answer) -> bool:
    """Whether an answer gives moderation as the reason of its refusal; any moderation category counts."""
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


def without_secret(outcome: Answer | Lost, context: ErrorContext) -> Answer | Lost:
    """The outcome without the token in any spelling; a secret too short to be a token is not searched for."""
    return outcome if isinstance(outcome, Lost) else _clean(outcome, context)


def _clean(answer: Answer, context: ErrorContext) -> Answer:
    if answer.body is None or len(context.secret) < _SHORTEST_SECRET:
        return answer
    spellings, body = spellings_of_secret(context.secret), answer.body
    for spelling in spellings.exact:
        body = body.replace(spelling.encode(), REMOVED.encode())
    if spellings.are_in(body):
        body = _without(spellings, replace(answer, body=body))
    return answer if body == answer.body else replace(answer, body=body)


def _without(spellings: SecretSpellings, answer: Answer) -> bytes:
    """The body of an answer without the texts in which a secret is spelled in another way, or without all of them."""
    if _values(answer) > MOST_VALUES_WITH_SECRET:
        return json.dumps(REMOVED).encode()
    try:
        return json.dumps(spellings.removed_from(_json_of(answer))).encode()
    except (errors.UnexpectedResponse, RecursionError):
        return spellings.removed((answer.body or b"").decode(errors="replace")).encode()


def _too_long(answer: Answer) -> errors.UnexpectedResponse:
    return errors.UnexpectedResponse(
        f"The answer of useapi.net (HTTP {answer.status}) is too long to be read.", status=answer.status
    )


def _json_of(answer: Answer) -> object:
    if _values(answer) > MOST_VALUES:
        raise _too_long(answer)
    try:
        return json.loads(answer.body or b"", parse_int=_integer)
    except (ValueError, RecursionError):
        # The cause is cut because it would hold the body.
        raise errors.UnexpectedResponse(
            f"The answer of useapi.net (HTTP {answer.status}) is no JSON.", unreadable=True, status=answer.status
        ) from None


def _values(answer: Answer) -> int:
    """About how many values the JSON of an answer holds, at most."""
    return sum(map((answer.body or b"").count, _PARTS))


def _integer(digits: str) -> int | float:
    """A JSON integer; a longer one as a float, since Python refuses those of more than 4,300 digits."""
    return int(digits) if len(digits) <= _LONGEST_INTEGER else float(digits)
