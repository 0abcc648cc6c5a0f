# ruff: noqa: N818  an error is named for the fact that it tells, not for being an error
"""Everything that a call of the Runway API can end in, sorted by who can act.

    RunwayError
      InvalidRequest        400 and other 4xx, or refused here before anything was sent
      Moderated             422, or a 400 that speaks of moderation
      Unauthorized          401
      SubscriptionLapsed    402
      NotFound              404, or a signed link that has died
      InsufficientCredits   412
      Busy                  429
      AccountBroken         596
      Unavailable           5xx, time-outs, lost or refused connections
      UnexpectedResponse    an answer that nobody documented
      SubmitUnclear         a submit that ended in neither a clear yes nor a clear no

Messages are our sentences. Text of others stands in them only through `quoted`.
"""

import re
import unicodedata
from typing import ClassVar, Literal, Self
from urllib.parse import quote

from runway_mcp.runway.running import RunningTask

QUOTE_LENGTH = 200
"""How many characters of another's text a message shows at most."""

_READ_AT_MOST = 4000  # hostile text of any length costs no more than this
_LINK_TAIL = re.compile(r"(https?://[^\s?#\"'<>]*)[?#][^\s\"'<>]*", re.IGNORECASE)
_LINK_LOGIN = re.compile(r"(https?://)[^\s/?#\"'<>@]*@", re.IGNORECASE)
_QUERY = re.compile(r"\?[\w.~-]+=[^\s\"'<>]*")
_SECRETS = re.compile(
    r"user(?::|%3A)[^\s:%\"'<>-]+-(?!runwayml(?::|%3A))[^\s\"'<>,;)]+"  # an API token; ids go on with -runwayml:
    r"|\bpassword[\"']?\s*[:=]\s*[\"']?[^\s\"'<>,;)]+"
    r"|\bBearer\s+[^\s\"'<>,;)]+"
    r"|\beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?",  # a JWT
    re.IGNORECASE,
)


def quoted(text: str, *, secret: str = "") -> str:
    """Put another's text in quotation marks, fit for a message: one line, no control characters, no secret, cut short.

    Removed are `secret`, anything shaped like an API token or a JWT or called a password, and whatever follows the path
    of a link.
    """
    line = _one_line(text[:_READ_AT_MOST])
    for spelling in {secret, quote(secret), quote(secret, safe="")} - {""}:
        line = line.replace(spelling, "[removed]")
    line = _LINK_TAIL.sub(r"\1", _LINK_LOGIN.sub(r"\1", line))
    line = _SECRETS.sub("[removed]", _QUERY.sub("", line)).replace('"', "'").strip()
    return f'"{line}"' if len(line) <= QUOTE_LENGTH else f'"{line[: QUOTE_LENGTH - 1]}…"'


def _one_line(text: str) -> str:
    """Turn every blank into one space and drop what no reader sees: control, format, private and lone halves."""
    seen = "".join(" " if char.isspace() else char for char in text)
    return " ".join("".join(char for char in seen if not unicodedata.category(char).startswith("C")).split())


class RunwayError(Exception):
    """The root of all: `message` is fit to be shown, `status` the HTTP status if one came, `retry_after` in seconds."""

    kind: ClassVar[str]

    def __init__(self, message: str, *, status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.retry_after = retry_after

    def with_detail(self, detail: str) -> Self:
        """Add a sentence to the message of this very error."""
        self.message = f"{self.message} {detail}"
        self.args = (self.message,)
        return self


class InvalidRequest(RunwayError):
    """The request was refused as it stands: by the API with a 4xx, or here, before anything was sent."""

    kind = "invalid_request"


class Moderated(RunwayError):
    """Runway's moderation refused the request; repeating it can get the account suspended."""

    kind = "moderated"


class Unauthorized(RunwayError):
    """The API token was refused."""

    kind = "unauthorized"


class SubscriptionLapsed(RunwayError):
    """The useapi.net subscription behind the token is missing or over."""

    kind = "subscription"


class NotFound(RunwayError):
    """There is no such task, asset or account, or a signed link has died."""

    kind = "not_found"


class InsufficientCredits(RunwayError):
    """The Runway account cannot pay for the request."""

    kind = "insufficient_credits"


class Busy(RunwayError):
    """Too much is running: `by` tells whether useapi.net's cap or Runway's, `running` what useapi.net lists."""

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
    """No answer, or a failure on the other side; `sent` is False only if surely no byte of the request was sent."""

    kind = "unavailable"

    def __init__(
        self, message: str, *, sent: bool = True, status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message, status=status, retry_after=retry_after)
        self.sent = sent


class UnexpectedResponse(RunwayError):
    """An answer that nobody documented; `unreadable` if it was no JSON at all, which another read may mend."""

    kind = "unexpected_response"

    def __init__(
        self, message: str, *, unreadable: bool = False, status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message, status=status, retry_after=retry_after)
        self.unreadable = unreadable


class SubmitUnclear(RunwayError):
    """A submit that may or may not have started a task; it must be looked for, never posted again.

    `cause` says in a few words what was seen ("the connection was lost", "HTTP 502"); `running` is what the answer
    listed as running, if it did.
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
