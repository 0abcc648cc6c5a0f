"""Refusals of a plan by the spend policy, as failures; and the key that ties a quote to its arguments."""

import hashlib
import json

from runway_mcp.tasks.catalogue import CREATE_MODELS, CreateModel
from runway_mcp.tasks.creating import price_to_create
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.policy import PolicyRefused, SpendPolicy, iso
from runway_mcp.tasks.spend.priced import PricedRequest

_PER_CALL, _PER_DAY = "MAX_CREDITS_PER_CALL", "MAX_CREDITS_PER_DAY"


def arguments_key(plan: PricedRequest, caller: str) -> str:
    """The same key for two requests of a caller with the same arguments and model; the assetId stands for its names."""
    resolved = {"asset_id": plan.source.asset_id, "seconds": plan.seconds, "model": plan.model.name}
    asked = plan.asked.model_dump() | resolved
    return hashlib.sha256(json.dumps([caller, asked], sort_keys=True).encode()).hexdigest()


def policy_failure(
    refusal: PolicyRefused, plan: PricedRequest, policy: SpendPolicy, caller: str = "", *, explores: bool = False
) -> Failure:
    """The failure for a refusal of the policy to a caller, empty for the user of a server of his own.

    `explores` says that explore mode was seen to work on the account. Nothing was submitted.
    """
    is_bound = isinstance(plan.model, CreateModel) and plan.model.is_upper_bound
    cost = f"This step would cost {'at most' if is_bound else 'about'} {plan.cost} credits"
    match refusal.reason:
        case "per_call":
            fewer, other = _fewer(plan, policy.per_call or 0), _other(plan, policy.per_call or 0)
            raised = _raised(_PER_CALL, plan.cost, caller)
            ways = _ways_on(plan, fewer, other, raised, explores=explores)
            message = f"{cost}, and this server allows {policy.per_call} for one call. {ways}"
            return Failure("spend_limit", message, fewer=fewer, other=other, explores=explores)
        case "per_day":
            left = (policy.per_day or 0) - refusal.spent
            fewer, other = _fewer(plan, left), _other(plan, left)
            raised = _raised(_PER_DAY, refusal.spent + plan.cost, caller)
            ways = _ways_on(plan, fewer, other, raised, explores=explores, now=" now")
            message = (
                f"{cost}; {refusal.spent} were spent in the last 24 hours, of the {policy.per_day} that this server "
                f"allows. {_frees(refusal.frees_at)}{_quoted(plan, policy)}{ways}"
            )
            return Failure("spend_limit", message, retry="later", fewer=fewer, other=other, explores=explores)
        case "unconfirmed":
            message = (
                f"{cost}, and this server spends only what the user has confirmed; this host cannot ask. Make a "
                "dry_run, show the user its price, and once the user agrees pass the id of its quote as `confirm`, "
                "with the same arguments."
            )
            return Failure("declined", message, about="confirm")
        case _ if not _needs_quote(plan, policy):
            message = (
                "The quote in `confirm` is unknown, used, expired or for other arguments. This request needs none: "
                "leave `confirm` out."
            )
            return Failure("declined", message, about="confirm")
        case _:
            message = (
                "The quote in `confirm` is unknown, used, expired or for other arguments, so it confirms nothing. Make "
                "a dry_run with exactly these arguments for another one, and ask the user again."
            )
            return Failure("declined", message, about="confirm")


def _frees(frees_at: float | None) -> str:
    return f"It is possible again from {iso(frees_at)}. " if frees_at is not None else ""


def _quoted(plan: PricedRequest, policy: SpendPolicy) -> str:
    """That a later call needs a quote of its own, where this server asks for one."""
    return "Make a dry_run again then, for the quote that it needs. " if _needs_quote(plan, policy) else ""


def _needs_quote(plan: PricedRequest, policy: SpendPolicy) -> bool:
    return policy.confirm_above is not None and plan.cost > policy.confirm_above


def _fewer(plan: PricedRequest, most: int) -> int | None:
    """The most seconds, fewer than requested, that so many credits pay for; None if there are none."""
    prices = {each: plan.price_of(each) for each in plan.model.seconds}
    paid = [each for each, credits_ in prices.items() if credits_ is not None and credits_ <= most]
    return max((each for each in paid if each < plan.seconds), default=None)


def _other(plan: PricedRequest, most: int) -> tuple[str, int] | None:
    """A model that so many credits pay for, with its seconds; None if there is none.

    The one that adds the most seconds, not more than requested if possible, and of those the cheapest. An extension
    becomes a continuation only where fewer seconds do not do.
    """
    if not isinstance(plan.model, CreateModel) and _fewer(plan, most) is not None:
        return None
    paid = [
        (seconds <= plan.seconds, seconds, -cost, name)
        for name, model in CREATE_MODELS.items()
        for seconds in model.seconds
        if model != plan.model and (cost := price_to_create(model, seconds)) is not None and cost <= most
    ]
    if not paid:
        return None
    _, seconds, _, name = max(paid)
    return name, seconds


def _raised(setting: str, least: int, caller: str) -> str:
    """Who can raise the cap, and to what: it is a setting of the user's own server, or of callers in another's file."""
    if caller:
        return f"let the user ask whoever runs this server to raise {setting.lower()} to {least} or more"
    return f"let the user raise RUNWAY_MCP_{setting} to {least} or more and restart the server"


def _ways_on(
    plan: PricedRequest,
    fewer: int | None,
    other: tuple[str, int] | None,
    raised: str,
    *,
    explores: bool,
    now: str = "",
) -> str:
    """What the caller can do; fewer seconds and another model only if they would be allowed."""
    is_continued = isinstance(plan.model, CreateModel)
    ways = [f"ask for {fewer} s"] if fewer else []
    if other is not None:
        name, seconds = other
        model = CREATE_MODELS[name]
        price = f"{'at most' if model.is_upper_bound else 'about'} {price_to_create(model, seconds)} credits"
        way = "take another `model`" if is_continued else "continue it with a `model`"
        ways.append(f"{way} ({name} adds {seconds} s for {price})")
    plan_for_it = "the account has the plan for it" if explores else "needs an Unlimited plan"
    ways += [f"set exploreMode (no credits, but slower; {plan_for_it})", raised]
    begin = "" if fewer else f"With {plan.model.title} not even {min(plan.model.seconds)} s fit{now}; "
    told = f"{begin}{', '.join(ways[:-1])}, or {ways[-1]}."
    return told[0].upper() + told[1:]
