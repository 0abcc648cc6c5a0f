"""The user's spend policy: caps in credits, and a confirmation that covers exactly one request.

A quote is what a confirmation names: it stands in the ledger from the dry run or the question that made it, is spent
in the transaction that writes its intent, and covers one set of arguments for a quarter of an hour.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

QUOTE_SECONDS = 900.0
DAY_SECONDS = 86_400.0


@dataclass(frozen=True)
class SpendPolicy:
    """What a submit must keep to: `per_call` and `per_day` are caps in credits, the day being the last 24 hours.

    Above `confirm_above` credits (None: never) the request needs a confirmation; `quote` is the one that was given.
    """

    per_call: int | None = None
    per_day: int | None = None
    confirm_above: float | None = None
    quote: str | None = None


@dataclass(frozen=True)
class Day:
    """How the cap of a day stands: its `limit` in credits, what is `left`, and when more is free (Unix seconds)."""

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
class PolicyRefused(Exception):  # noqa: N818  a refusal, told to the user as such
    """The policy do not allow a request: nothing is written.

    `reason` is `per_call`, `per_day` (with `spent` in the last 24 hours and `frees_at`, Unix seconds, when enough of
    it will be older), `unconfirmed` (no quote was given) or `quote` (the one given is unknown, used, expired or for
    other arguments).
    """

    reason: str
    spent: int = 0
    frees_at: float | None = None
