"""The spend of an `extend_video` call: the policy, the user's consent where the policy asks for it, the submit."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar

from mcp_types import InputRequiredResult

from runway_mcp.server.calls.consent import Person
from runway_mcp.server.context import ServerContext
from runway_mcp.settings import Settings
from runway_mcp.tasks.catalogue import CreateModel
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.policy import Day, PolicyRefused, Quote, SpendPolicy, check_caps, day_state
from runway_mcp.tasks.spend.continuation import Continuation
from runway_mcp.tasks.spend.plan import Plan
from runway_mcp.tasks.spend.priced import PricedRequest
from runway_mcp.tasks.spend.refusals import arguments_key, policy_failure
from runway_mcp.tasks.spend.submit import ANSWER_PATIENCE, Say, Submitted
from runway_mcp.tasks.store.protocol import LedgerError
from runway_mcp.tasks.transitions import Selection

_log = logging.getLogger(__name__)

_Made = TypeVar("_Made")

# How many of the latest films are asked whether they were made in explore mode.
_LATEST = 50
_SAID_NOTHING = (
    "The user was asked and did not answer in time, so nothing was submitted. Make a dry_run, show the user its price, "
    "and once the user agrees pass the id of its quote as `confirm`, with the same arguments."
)
_SAID_NO = "The user was asked and did not agree to the spend, so nothing was submitted."


def policy_of(settings: Settings, quote: str | None = None) -> SpendPolicy:
    """The policy of the settings, with the quote that a call carries."""
    return SpendPolicy(
        per_call=settings.max_credits_per_call,
        per_day=settings.max_credits_per_day,
        confirm_above=settings.confirm_above,
        quote=quote,
    )


async def explored(context: ServerContext, plan: PricedRequest) -> Intent | None:
    """A film of the plan's account that was made in explore mode; None if none of the caller's latest fifty was."""
    try:
        made = await context.service.ledger.select(Selection.SUCCEEDED, limit=_LATEST)
    except LedgerError as error:
        _log.info("which films were made in explore mode is not known: %s", error)
        return None
    return next((each for each in made if each.explore_mode and each.account == plan.account), None)


async def spend(
    context: ServerContext,
    person: Person,
    plan: Plan,
    *,
    confirm: str | None,
    deadline: float,
    say: Say,
    patience: float | None,
) -> Submitted | InputRequiredResult:
    """Submits a plan within the policy, or returns the question that the host must put to the user first.

    `deadline`, `say` and `patience` are those of the submit, whose waits end when the server will stop soon. Raises
    `Failure`: `spend_limit`, `declined`, and those of the submit.
    """
    submit = partial(
        context.service.submissions.submit,
        plan,
        caller=context.caller,
        deadline=deadline,
        say=say,
        patience=patience,
        within=context.waits.waiting,
    )

    async def submitted(policy: SpendPolicy) -> Submitted:
        return await submit(policy=policy)

    return await with_consent(context, person, plan, submitted, confirm=confirm, deadline=deadline)


async def with_consent(
    context: ServerContext,
    person: Person,
    plan: PricedRequest,
    submit: Callable[[SpendPolicy], Awaitable[_Made]],
    *,
    confirm: str | None,
    deadline: float,
) -> _Made | InputRequiredResult:
    """What `submit` makes within the policy, or the question that the host must put to the user first.

    Raises `Failure`: `spend_limit`, `declined`, and those of the submit.
    """
    earlier = person.answered()
    if earlier is not None and not earlier.agreed:
        raise Failure("declined", _SAID_NO)
    policy = policy_of(context.settings, earlier.quote if earlier else confirm)
    try:
        return await submit(policy)
    except PolicyRefused as refusal:
        quote = await offer(context, plan) if refusal.reason == "unconfirmed" else None
        if quote is None:
            raise await _refused(context, refusal, plan, policy) from refusal
        answer = await person.ask(_question(plan), quote, deadline=deadline - ANSWER_PATIENCE)
        if isinstance(answer, InputRequiredResult):
            return answer
        if answer == "unasked":
            raise await _refused(context, refusal, plan, policy) from refusal
    if answer == "unanswered":
        raise Failure("declined", _SAID_NOTHING, about="confirm")
    if answer == "no":
        raise Failure("declined", _SAID_NO)
    policy = replace(policy, quote=quote.id)
    try:
        return await submit(policy)
    except PolicyRefused as refusal:
        raise await _refused(context, refusal, plan, policy) from refusal


async def day_of(context: ServerContext) -> Day | None:
    """How the cap of a day stands; None without a cap, and if the ledger fails."""
    limit = context.settings.max_credits_per_day
    if limit is None:
        return None
    try:
        return day_state(limit, await context.service.ledger.spends())
    except LedgerError as error:
        _log.warning("%s", error)
        return None


async def offer(context: ServerContext, plan: PricedRequest) -> Quote | None:
    """A quote for a plan, kept in the ledger; None if the ledger fails, which a submit would report as well."""
    try:
        return await context.service.ledger.offer(arguments_key(plan, context.caller))
    except LedgerError as error:
        _log.warning("%s", error)
        return None


async def refusal_of(context: ServerContext, plan: PricedRequest) -> Failure | None:
    """Why scopes, caps or a failing ledger would refuse a plan now, for a dry run; None if they would not."""
    policy = policy_of(context.settings)
    try:
        context.check_may_spend()
        check_caps(plan.cost, policy, await context.service.ledger.spends())
    except Failure as refusal:
        return refusal
    except PolicyRefused as refusal:
        return await _refused(context, refusal, plan, policy)
    except LedgerError as error:
        return Failure("unavailable", f"{error} Until then no submit is possible.")
    return None


async def _refused(context: ServerContext, refusal: PolicyRefused, plan: PricedRequest, policy: SpendPolicy) -> Failure:
    """The failure for a refusal of the policy; one by a cap names explore mode first, where that was seen to work."""
    is_cap = refusal.reason in ("per_call", "per_day")
    is_taken = not isinstance(plan.model, CreateModel) or plan.model.takes_explore_mode
    explores = is_cap and is_taken and await explored(context, plan) is not None
    return policy_failure(refusal, plan, policy, context.caller, explores=explores)


def _question(plan: PricedRequest) -> str:
    prompt = f' "{plan.asked.text_prompt[:200]}"' if plan.asked.text_prompt else ""
    if isinstance(plan, Continuation):
        about = "at most" if plan.model.is_upper_bound else "about"
        way = f"Continue this clip by {plan.seconds} s with {plan.model.title}"
        return f"{way} for {about} {plan.cost} credits?{prompt}"
    return f"Extend this {plan.model.title} clip by {plan.seconds} s for about {plan.cost} credits?{prompt}"
