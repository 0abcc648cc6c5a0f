# ruff: noqa: N818  an error is named after the fact, without a suffix
"""Errors of Runway API calls, sorted by who can act on them.

    RunwayError
      InvalidRequest        400 and other 4xx, or refused here before anything was sent
      Moderated             422, or a 400 that mentions moderation
      Unauthorized          401
      SubscriptionLapsed    402
      NotFound              404, or an expired signed link
      InsufficientCredits   412
      Busy                  429
      AccountBroken         596
      Unavailable           5xx, time-outs, lost or refused connections
      UnexpectedResponse    an undocumented answer
      SubmitUnclear         a submit whose outcome is unknown

Messages are this package's own sentences; text from outside appears in them only through `quoted` or `plain_or_quoted`.
"""

import re
from typing import ClassVar, Literal, Self

from runway_mcp.runway.fields import visible_line
from runway_mcp.runway.running_tasks import RunningTask
from runway_mcp.secret_spellings import spellings_of_secret

QUOTE_LENGTH = 200
"""The most characters of outside text that a message shows."""

# One word, or a date: neither can be taken for a sentence, a link or a call.
_HARMLESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}|[0-9][0-9T:.+Z-]{0,39}")
_READ_AT_MOST = 4000  # bounds the cost of hostile text
_LINK_TAIL = re.compile(r"(https?://[^\s?#\"'<>]*)[?#][^\s\"'<>]*", re.IGNORECASE)
_LINK_LOGIN = re.compile(r"(https?://)[^\s/?#\"'<>@]*@", re.IGNORECASE)
_QUERY = re.compile(r"\?[\w.~-]+=[^\s\"'<>]*")
_SECRETS = re.compile(
    r"user(?::|%3A)[^\s:%\"'<>-]+-(?!runwayml(?::|%3A))[^\s\"'<>,;)]+"  # an API token; ids have -runwayml: there
    r"|\bpassword[\"']?\s*[:=]\s*[\"']?[^\s\"'<>,;)]+"
    r"|\bBearer\s+[^\s\"'<>,;)]+"
    r"|\beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?",  # a JWT
    re.IGNORECASE,
)


def quoted(text: str, *, secret: str = "") -> str:
    """Outside text in quotation marks, safe for a message: one line, no control characters, no secret, cut short.

    Removes `secret`, anything shaped like an API token or a JWT, passwords, and whatever follows the path of a URL.
    """
    # Before the cut, which could leave the beginning of a secret.
    line = visible_line(spellings_of_secret(secret).removed(text)[:_READ_AT_MOST])
    line = _LINK_TAIL.sub(r"\1", _LINK_LOGIN.sub(r"\1", line))
    line = _SECRETS.sub("[removed]", _QUERY.sub("", line)).replace('"', "'").strip()
    return f'"{line}"' if len(line) <= QUOTE_LENGTH else f'"{line[: QUOTE_LENGTH - 1]}…"'


def plain_or_quoted(word: str) -> str:
    """A word of upstream's, such as a status or a date: as it is if it is no more than that, else as `quoted`."""
    return word if _HARMLESS.fullmatch(word) else quoted(word)


class RunwayError(Exception):
    """Base of all errors: `message` may be shown, `status` is the HTTP status if any, `retry_after` is in seconds."""

    kind: ClassVar[str]

    def __init__(self, message: str, *, status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.retry_after = retry_after

    def with_detail(self, detail: str) -> Self:
        """Appends a sentence to this error's message and returns the error."""
        self.message = f"{self.message} {detail}"
        self.args = (self.message,)
        return self


class InvalidRequest(RunwayError):
    """The request was refused as invalid: by the API with a 4xx, or here before anything was sent."""

    kind = "invalid_request"


class Moderated(RunwayError):
    """Runway's moderation refused the request; repeating it can get the account suspended."""

    kind = "moderated"


class Unauthorized(RunwayError):
    """The API token was refused."""

    kind = "unauthorized"


class SubscriptionLapsed(RunwayError):
    """The useapi.net subscription behind the token is missing or has expired."""

    kind = "subscription"


class NotFound(RunwayError):
    """There is no such task, asset or account, or a signed link has expired."""

    kind = "not_found"


class InsufficientCredits(RunwayError):
    """The Runway account has too few credits for the request."""

    kind = "insufficient_credits"


class Busy(RunwayError):
    """Too many tasks run: `by` says under whose limit, `running` names the tasks that useapi.net lists."""

    kind = "busy"

    def __init__(
        self,
        message: str,
        *,
        by: Literal["useapi", "runway"] = "runway",
        running: tuple[RunningTask, ...] = (),
        status: int | None = 429,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, status=status, retry_after=retry_after)
        self.by: Literal["useapi", "runway"] = by
        self.running = running


class AccountBroken(RunwayError):
    """useapi.net cannot use the linked Runway account until it is linked again."""

    kind = "account"


class Unavailable(RunwayError):
    """No answer, or a failure of upstream; `sent` is False only if no byte of the request can have left."""

    kind = "unavailable"

    def __init__(
        self, message: str, *, sent: bool = True, status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message, status=status, retry_after=retry_after)
        self.sent = sent


class UnexpectedResponse(RunwayError):
    """An undocumented answer; `unreadable` if it was no JSON at all, which another read may correct."""

    kind = "unexpected_response"

    def __init__(
        self, message: str, *, unreadable: bool = False, status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message, status=status, retry_after=retry_after)
        self.unreadable = unreadable


class SubmitUnclear(RunwayError):
    """A submit that may have started a task; it must be looked for, never posted again.

    `cause` says in a few words what was seen ("the connection was lost", "HTTP 502"); `running` holds the running tasks
    that the answer listed, if any.
    """

    kind = "submission_unknown"

    def __init__(
        self,
        cause: str,
        *,
        running: tuple[RunningTask, ...] = (),
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        message = f"The submit ended without a clear answer ({cause}): it may have started a task or not."
        super().__init__(message, status=status, retry_after=retry_after)
        self.cause = cause
        self.running = running
