"""The user's policy for spending: caps in credits, and a confirmation that covers exactly one request.

A quote is what a confirmation names: it stands in the ledger from the dry run or the question that made it, is spent
in the transaction that writes its intent, and covers one set of arguments for a quarter of an hour.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.lineage import price
from runway_mcp.tasks.spend.plan import Plan

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


def arguments_key(plan: Plan) -> str:
    """The same for two requests with the same arguments, the resolved asset standing for its spellings."""
    asked = {**asdict(plan.wish), "asset_id": plan.source.asset_id, "seconds": plan.seconds, "spelling": None}
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


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


def policy_failure(refusal: PolicyRefused, plan: Plan, policy: SpendPolicy) -> Failure:
    """The failure that a refusal of the policy is told as; nothing was submitted."""
    cost = f"This extension would cost about {plan.cost} credits"
    match refusal.reason:
        case "per_call":
            fewer = _fewer(plan, policy.per_call or 0)
            message = f"{cost}, and this server allows {policy.per_call} for one call. {_ways_on(fewer)}"
            return Failure("spend_limit", message, fewer=fewer)
        case "per_day":
            fewer = _fewer(plan, (policy.per_day or 0) - refusal.spent)
            message = (
                f"{cost}; {refusal.spent} were spent in the last 24 hours, of the {policy.per_day} that this server "
                f"allows. {_frees(refusal.frees_at)}{_ways_on(fewer)}"
            )
            return Failure("spend_limit", message, retry="later", fewer=fewer)
        case "unconfirmed":
            message = (
                f"{cost}, and this server spends only what the user has confirmed; this host cannot ask. Make a "
                "dry_run, show the user its price, and once the user agrees pass the id of its quote as `confirm`, "
                "with the same arguments."
            )
            return Failure("declined", message, about="confirm")
        case _:
            message = (
                "The quote in `confirm` is unknown, used, expired or for other arguments, so it confirms nothing. Make "
                "a dry_run with exactly these arguments for another one, and ask the user again."
            )
            return Failure("declined", message, about="confirm")


def _frees(frees_at: float | None) -> str:
    return f"Enough of it is older than a day at {iso(frees_at)}. " if frees_at is not None else ""


def _fewer(plan: Plan, most: int) -> int | None:
    """The most seconds that so many credits pay, if those are fewer than were asked for; None if none are paid."""
    paid = [each for each in plan.model.seconds if price(plan.model, each, explore=False) <= most]
    return max((each for each in paid if each < plan.seconds), default=None)


def _ways_on(fewer: int | None) -> str:
    """What may help; fewer seconds only where some would fit."""
    ask = f"Ask for {fewer} s, or for exploreMode" if fewer else "Ask for exploreMode"
    return f"{ask}, or let the user raise the limit."
