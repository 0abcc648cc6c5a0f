"""Continuations and films of several parts as structured content: plans, films under way, joined films, their ends."""

from dataclasses import dataclass
from typing import Any

from runway_mcp.films.continuing.standing import FilmStanding
from runway_mcp.films.continuing.steps import parts_of
from runway_mcp.runway.models import Asset, Credits
from runway_mcp.server.contract import next_steps
from runway_mcp.server.contract.after_failures import same_continuation, shorter
from runway_mcp.server.contract.next_steps import Asked
from runway_mcp.server.contract.outputs import (
    LineageOutput,
    NextStep,
    QuoteOutput,
    SavedOutput,
    TaskOutput,
)
from runway_mcp.server.contract.results.alternatives import (
    cheaper_than_continuation,
    other_steps_of_continuation,
    resized,
)
from runway_mcp.server.contract.results.assets import cut, video
from runway_mcp.server.contract.results.film_parts import (
    film_lineage,
    film_of_intent,
    film_output,
    further_step,
    how_joined,
    same_call,
    step_in_words,
)
from runway_mcp.server.contract.results.shared import (
    LOOK,
    OTHER_TAKE,
    UNTOLD_LENGTH,
    credits_output,
    error_output,
    explore_plan,
    submitted_facts,
    submitted_on,
)
from runway_mcp.server.contract.results.tasks import earlier_output, failure_output
from runway_mcp.server.contract.results.text import LONGEST_NAME, in_quotes, seconds
from runway_mcp.server.contract.uris import task_uri
from runway_mcp.tasks.creating import is_upper_bound
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.policy import Quote
from runway_mcp.tasks.recall import date_of
from runway_mcp.tasks.spend.continuation import Continuation


@dataclass(frozen=True)
class Whereabouts:
    """Where a joined film can be had: its file on disk, and its asset at Runway, with a link."""

    saved: SavedOutput | None = None
    asset: Asset | None = None


def continued_output(
    intent: Intent,
    standing: FilmStanding,
    asked: Asked,
    *,
    whereabouts: Whereabouts,
    twin: bool = False,
    balance: Credits | None = None,
    in_all: str | None = None,
) -> TaskOutput:
    """A film under way or joined, with the call that waits for it or prices its next part.

    `in_all` is what all continuations of the film cost, in words, where there is more than one.
    """
    is_done = standing.step == "done"
    film = video(whereabouts.asset) if whereabouts.asset is not None else None
    return TaskOutput(
        summary=f"{_summary(intent, standing, asked, twin=twin, in_all=in_all)}{_where(standing, whereabouts)}",
        status=standing.status,
        progress=standing.progress,
        task_id=intent.task_id,
        task_uri=task_uri(intent.task_id) if intent.task_id else None,
        **submitted_facts(intent),
        video=film,
        film=film_output(standing),
        saved=whereabouts.saved,
        lineage=film_lineage(intent),
        credits=credits_output(0 if twin else intent.cost, balance),
        twin=twin or None,
        next_step=further_step(intent) if is_done else next_steps.follow(intent.film_id, asked),
    )


def film_failure(failure: Failure, intent: Intent, standing: FilmStanding, asked: Asked) -> TaskOutput:
    """The end of a film without a join, or the failure of its join, as a call about it tells it.

    Where the same call helps it is the next step, with its arguments in full, whatever call was made.
    """
    step = None
    is_repeated = failure.retry_safe and failure.repeat in ("now", "later") and failure.kind != "generation_failed"
    if is_repeated and not failure.candidates:
        arguments = asked.arguments if asked.behaviour.spends else same_call(intent)
        step = same_continuation(arguments, failure)
    output = failure_output(failure, asked, step=step)
    known: dict[str, Any] = {
        "status": standing.status,
        "film": film_output(standing),
        "lineage": film_lineage(intent),
        "error": error_output(failure, harmless=not asked.behaviour.spends),
    }
    if intent.task_id is not None:
        known |= {"task_id": intent.task_id, "task_uri": task_uri(intent.task_id)}
    if step is None and not asked.behaviour.spends:
        known["next_step"] = None
    return output.model_copy(update=submitted_facts(intent) | known)


def earlier_film_output(intent: Intent, asked: Asked) -> TaskOutput:
    """The dry run of a request that was submitted before: the real call would submit and charge nothing.

    Raises `Failure` for one that moderation refused.
    """
    known = {
        "film": film_of_intent(intent),
        "lineage": film_lineage(intent),
        "next_step": next_steps.earlier_film(intent.film_id, asked),
    }
    return earlier_output(intent, asked).model_copy(update=known)


def continuation_output(
    plan: Continuation,
    balance: Credits | None,
    *,
    why: str | None = None,
    quote: Quote | None = None,
    step: NextStep | None = None,
    explored: Intent | None = None,
) -> TaskOutput:
    """A dry run of a continuation: what the film would be and cost; `step` submits it.

    `explored` is a film of the account that was made in explore mode, `why` tells why Runway cannot extend the clip
    itself. If the credits do not suffice, the next step prices the most seconds that they suffice for, if any.
    """
    asked, remaining = plan.asked, balance.remaining if balance else None
    if step is not None and remaining is not None and remaining < plan.cost:
        step = _fewer_seconds(plan, step, remaining)
    return TaskOutput(
        summary=_plan_summary(plan, remaining, why, explored),
        status="DRY_RUN",
        model=plan.model.name,
        text_prompt=asked.text_prompt,
        seed=asked.seed,
        reply_ref=asked.reply_ref,
        lineage=LineageOutput(
            source_asset_id=plan.source.asset_id,
            source_name=cut(plan.source.name, LONGEST_NAME),
            extended_count=plan.lineage.extended_count,
            added_seconds=plan.seconds,
        ),
        credits=credits_output(plan.cost, balance),
        quote=QuoteOutput(id=quote.id, expires_at=quote.expires_at) if quote else None,
        next_step=step,
    )


def price_in_words(plan: Continuation, remaining: int | None = None) -> str:
    """What a continuation costs, for a sentence; says whether that is an estimate or an upper bound."""
    left = f", {remaining} are left" if remaining is not None else ""
    if not plan.cost:
        return "no credits (explore mode, on an Unlimited plan)"
    if plan.model.is_upper_bound:
        return f"at most {plan.cost} credits (an upper bound{left})"
    return f"about {plan.cost} credits (an estimate{left})"


def _fewer_seconds(plan: Continuation, step: NextStep, remaining: int) -> NextStep | None:
    prices = {each: plan.price_of(each) for each in plan.model.seconds if each < plan.seconds}
    payable = [each for each, price in prices.items() if price is not None and price <= remaining]
    return shorter(step.arguments, max(payable)) if payable else None


def _plan_summary(plan: Continuation, remaining: int | None, why: str | None, explored: Intent | None) -> str:
    measures = plan.source.metadata
    length = measures.duration if measures else None
    what = "film" if plan.film is not None else "clip"
    name = f" {in_quotes(plan.source.name, LONGEST_NAME)}" if plan.source.name else ""
    clip = f"the {seconds(length)} {what}{name}" if length else f"the {what}{name}"
    parts = (len(parts_of(plan.film)) if plan.film is not None else 1) + 1
    then = (
        f"The film would then be {seconds(plan.length)} long"
        if plan.length
        else f"The film would then be longer ({UNTOLD_LENGTH})"
    )
    short = " That is more than the account has." if remaining is not None and remaining < plan.cost else ""
    native = f" Runway cannot extend it itself ({why})." if why else ""
    other = other_steps_of_continuation(plan) + cheaper_than_continuation(plan, has_plan=explored is not None)
    other += "" if plan.cost else explore_plan(explored)
    look = "" if plan.asked.text_prompt else f" {LOOK}"
    picture = resized(plan.source.metadata, plan.model) if plan.film is None else ""
    return (
        f"Nothing was submitted.{native} Continuing {clip} from its last frame by {plan.seconds} s with "
        f"{plan.model.title} would cost {price_in_words(plan, remaining)}.{short}{other} {then}, of {parts} parts "
        f"joined into one file, and can go on as often as wanted.{picture}{look}"
    )


def _paid(intent: Intent) -> str:
    return f"{'at most' if is_upper_bound(intent.task_type) else 'about'} {intent.cost} credits"


def _kind_of_price(intent: Intent) -> str:
    return "an upper bound" if is_upper_bound(intent.task_type) else "an estimate"


def _where(standing: FilmStanding, whereabouts: Whereabouts) -> str:
    """That a joined film has no link, or cannot be had at all."""
    if standing.joined is None or whereabouts.asset is not None:
        return ""
    if whereabouts.saved is not None:
        return " The film lies on the server's disk and has no link."
    return (
        " The film's file is not available here: it is no longer where it was saved, or this server's disk cannot be "
        "reached."
    )


def _summary(intent: Intent, standing: FilmStanding, asked: Asked, *, twin: bool, in_all: str | None) -> str:
    """Where the film stands; of a duplicate first that nothing was charged."""
    joined = standing.joined
    if joined is None:
        told = f"The film is being made, {step_in_words(standing)}."
        once = f" It costs {_paid(intent)}, once." if intent.cost else ""
        return f"Nothing new was submitted or charged: {submitted_on(intent)} {told}{once}" if twin else told
    parts = len(standing.parts)
    facts = (
        f"{seconds(joined.seconds)} long, in {parts} parts, the last one {intent.seconds} s made by {intent.task_type}"
    )
    how = how_joined(joined)
    if twin:
        then = f" It cost {_paid(intent)} then." if intent.cost else ""
        begin = f"Nothing new was made or charged: this is the film of {date_of(intent)}, {facts}.{then}"
        return f"{begin} {how} {OTHER_TAKE}"
    paid = ", already charged" if not asked.behaviour.spends else ""
    price = f" for {_paid(intent)} ({_kind_of_price(intent)}{paid})" if intent.cost else ""
    price = " in explore mode, for no credits" if intent.explore_mode and not intent.cost else price
    whole = f", {in_all} for all its continuations" if in_all else ""
    return f"The longer film is ready, {facts}{price}{whole}. {how}"
