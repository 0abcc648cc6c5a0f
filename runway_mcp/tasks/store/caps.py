"""Checks of quotes and of the caps per call and per day, inside the transaction that spends."""

import sqlite3

from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.policy import DAY_SECONDS, Day, PolicyRefused, SpendPolicy


def check_caps(
    ledger: sqlite3.Connection, cost: int, policy: SpendPolicy, now: float, *, apart_from: Intent | None = None
) -> None:
    """Raises `PolicyRefused` if `cost` (credits) exceeds a cap; a cost of 0 passes.

    Unclear, unfinished and failed submits count as spent. `apart_from` is an intent that is claimed again; its old cost
    does not count.
    """
    if not cost:
        return
    if policy.per_call is not None and cost > policy.per_call:
        raise PolicyRefused("per_call")
    if policy.per_day is None:
        return
    spends = _spends(ledger, now, apart_from=apart_from)
    spent = sum(spend["cost"] for spend in spends)
    excess, frees_at = spent + cost - policy.per_day, None
    if excess <= 0:
        return
    for spend in spends if cost <= policy.per_day else ():
        excess -= spend["cost"]
        if excess <= 0:
            frees_at = spend["created"] + DAY_SECONDS
            break
    raise PolicyRefused("per_day", spent=spent, frees_at=frees_at)


def day(ledger: sqlite3.Connection, limit: int, now: float) -> Day:
    """The state of the daily cap of `limit` credits at `now`."""
    spends = _spends(ledger, now)
    frees = spends[0]["created"] + DAY_SECONDS if spends else None
    return Day(limit, max(0, limit - sum(spend["cost"] for spend in spends)), frees)


def _spends(ledger: sqlite3.Connection, now: float, *, apart_from: Intent | None = None) -> list[sqlite3.Row]:
    """What was spent, or may have been, in the last 24 hours, oldest first."""
    return ledger.execute(
        "SELECT created, cost FROM intents WHERE created > ? AND cost > 0 AND"
        " (state IN ('posting', 'unclear', 'unknown', 'accepted')"
        " OR (state = 'waiting' AND (lease >= ? OR (posts > 0 AND NOT looked)))) AND id IS NOT ?"
        " ORDER BY created",
        (now - DAY_SECONDS, now, apart_from.id if apart_from else None),
    ).fetchall()


def check_quote(ledger: sqlite3.Connection, intent: Intent, policy: SpendPolicy, covers: str, now: float) -> None:
    """Spends the policy's quote; raises `PolicyRefused` if it is not valid, or if one is needed and missing.

    The quote of an intent that was refused, or that is claimed again, is valid again, since nothing was submitted for
    it.
    """
    if policy.quote is None:
        if intent.cost and policy.confirm_above is not None and intent.cost > policy.confirm_above:
            raise PolicyRefused("unconfirmed")
        return
    spent = ledger.execute(
        "UPDATE quotes SET intent_id = ? WHERE id = ? AND covers = ? AND expires >= ?"
        " AND (intent_id IS NULL OR intent_id = ? OR intent_id IN (SELECT id FROM intents WHERE state = 'refused'))",
        (intent.id, policy.quote, covers, now, intent.id),
    )
    if spent.rowcount != 1:
        raise PolicyRefused("quote")
