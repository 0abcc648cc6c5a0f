"""The user's spend policy: caps per call and per day, and quotes, each of which confirms exactly one request.

A quote is stored when it is made, used up in the transaction that writes its intent, and covers one set of arguments
for 15 minutes.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

QUOTE_SECONDS = 900.0
DAY_SECONDS = 86_400.0


@dataclass(frozen=True)
class SpendPolicy:
    """The limits of a submit: `per_call` and `per_day` are caps in credits, a day being the last 24 hours.

    Above `confirm_above` credits (None: never) a request needs a quote that the user has confirmed; `quote` is the
    given one.
    """

    per_call: int | None = None
    per_day: int | None = None
    confirm_above: float | None = None
    quote: str | None = None


@dataclass(frozen=True)
class Day:
    """State of the daily cap: `limit` and `left` in credits; `frees` is when more is left again (Unix seconds)."""

    limit: int
    left: int
    frees: float | None

    @property
    def frees_at(self) -> str | None:
        """`frees` as ISO 8601 in UTC."""
        return None if self.frees is None else iso(self.frees)


@dataclass(frozen=True)
class Quote:
    """A price that can be confirmed once: `covers` is the key of the arguments, `expires` is in Unix seconds."""

    id: str
    covers: str
    expires: float

    @property
    def expires_at(self) -> str:
        """`expires` as ISO 8601 in UTC."""
        return iso(self.expires)


def iso(moment: float) -> str:
    """A Unix time as ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


@dataclass(eq=False)
class PolicyRefused(Exception):  # noqa: N818  the user sees it as a refusal
    """The policy does not allow a request; nothing is written.

    `reason` is `per_call`, `per_day` (with the credits `spent` in the last 24 hours, and `frees_at`, Unix seconds, when
    enough of them are older), `unconfirmed` (no quote was given) or `quote` (the given one is unknown, used, expired or
    for other arguments).
    """

    reason: str
    spent: int = 0
    frees_at: float | None = None
