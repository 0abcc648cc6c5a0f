"""The user's spend policy: caps per call and per day, and quotes, each of which confirms exactly one request.

A quote is stored when it is made, used up in the transaction that writes its intent, and covers one set of arguments
for 15 minutes. The checks are pure functions over what a store has read; a store calls them inside that transaction,
so that no two calls share what is left.
"""

import secrets
from collections.abc import Sequence
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


FREE = SpendPolicy()
"""No caps, no confirmation."""


@dataclass(frozen=True)
class Spend:
    """What was spent, or may have been: `cost` in credits, `created` in Unix seconds."""

    created: float
    cost: int


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
    """A price that can be confirmed once: `covers` is the key of the arguments, `expires` is in Unix seconds.

    `intent_id` is the intent that it was spent for; None if it was not spent.
    """

    id: str
    covers: str
    expires: float
    intent_id: str | None = None

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


def check_caps(cost: int, policy: SpendPolicy, spends: Sequence[Spend]) -> None:
    """Raises `PolicyRefused` if `cost` (credits) exceeds a cap; a cost of 0 passes.

    `spends` are those of the last 24 hours, oldest first.
    """
    if not cost:
        return
    if policy.per_call is not None and cost > policy.per_call:
        raise PolicyRefused("per_call")
    if policy.per_day is None:
        return
    spent = sum(spend.cost for spend in spends)
    excess, frees_at = spent + cost - policy.per_day, None
    if excess <= 0:
        return
    for spend in spends if cost <= policy.per_day else ():
        excess -= spend.cost
        if excess <= 0:
            frees_at = spend.created + DAY_SECONDS
            break
    raise PolicyRefused("per_day", spent=spent, frees_at=frees_at)


def day_state(limit: int, spends: Sequence[Spend]) -> Day:
    """The state of a daily cap of `limit` credits; `spends` are those of the last 24 hours, oldest first."""
    frees = spends[0].created + DAY_SECONDS if spends else None
    return Day(limit, max(0, limit - sum(spend.cost for spend in spends)), frees)


def new_quote(covers: str, now: float) -> Quote:
    """A quote for the arguments of the key `covers`, valid for 15 minutes."""
    return Quote(id=secrets.token_urlsafe(9), covers=covers, expires=now + QUOTE_SECONDS)


def check_quote(
    cost: int, policy: SpendPolicy, quote: Quote | None, *, covers: str, intent_id: str, now: float
) -> None:
    """Raises `PolicyRefused` if the policy's quote is not valid for the intent, or if one is needed and missing.

    `quote` is the stored one of the policy's id; None if there is none. A quote that was spent for the same intent is
    valid again: the intent is claimed again, since nothing was submitted for it.
    """
    if policy.quote is None:
        if cost and policy.confirm_above is not None and cost > policy.confirm_above:
            raise PolicyRefused("unconfirmed")
        return
    if not _is_valid(quote, covers, intent_id, now):
        raise PolicyRefused("quote")


def _is_valid(quote: Quote | None, covers: str, intent_id: str, now: float) -> bool:
    return (
        quote is not None and quote.covers == covers and quote.expires >= now and quote.intent_id in (None, intent_id)
    )
