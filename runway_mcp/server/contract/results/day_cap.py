"""The cap of a day in results: how it stands, and what of a result it would refuse now."""

from typing import Any

from runway_mcp.server.contract.after_failures import shorter
from runway_mcp.server.contract.outputs import CreditsOutput, NextStep, TaskOutput
from runway_mcp.tasks.catalogue import CREATE_MODELS, MODELS, CreateModel, FilmModel
from runway_mcp.tasks.creating import price_to_create
from runway_mcp.tasks.lineage import price
from runway_mcp.tasks.policy import Day


def with_day(output: TaskOutput, day: Day | None) -> TaskOutput:
    """The result with how the cap of a day stands, also for its next step; unchanged without a cap."""
    if day is None:
        return output
    figures = {"day_limit": day.limit, "day_left": day.left, "day_frees_at": day.frees_at}
    credits_output = (output.credits or CreditsOutput()).model_copy(update=figures)
    update: dict[str, Any] = {"credits": credits_output, "next_step": _within(day, output)}
    further = output.lineage.cost_to_longest if output.lineage and output.status == "DRY_RUN" else None
    cost = credits_output.cost or 0
    if output.error is None and further and cost <= day.left < cost + further:
        more = (day.left - cost) // cost if cost else 0
        further_ones = f"for {more} further one{'s' * (more > 1)} like it" if more else "for no further one like it"
        enough = f"The cap of the day leaves {day.left} credits: enough for this step and {further_ones} in 24 hours."
        update["summary"] = f"{output.summary} {enough}"
    return output.model_copy(update=update)


def _within(day: Day, output: TaskOutput) -> NextStep | None:
    """The next step; a dry run that the cap would refuse asks for fewer seconds, or says that none would fit now."""
    step = output.next_step
    if step is None or not step.arguments.get("dry_run") or step.arguments.get("exploreMode"):
        return step
    named = step.arguments.get("model")
    model = CREATE_MODELS.get(named) if named else MODELS.get(output.model or "")
    if model is None:
        return step
    wanted = step.arguments.get("seconds", model.seconds[0])
    if (_price(model, wanted) or 0) <= day.left:
        return step
    later = f"; more are free from {day.frees_at}" if day.frees_at else ""
    too_few = f"{step.reason} The cap of the day leaves {day.left} credits now, too few for it{later}."
    payable = [each for each in model.seconds if each < wanted and (_price(model, each) or 0) <= day.left]
    return shorter(step.arguments, max(payable)) if payable else step.model_copy(update={"reason": too_few})


def _price(model: FilmModel | CreateModel, seconds: int) -> int | None:
    """The estimated credits of adding so many seconds; None if no rate is known."""
    if isinstance(model, CreateModel):
        return price_to_create(model, seconds)
    return price(model, seconds, explore=False)
