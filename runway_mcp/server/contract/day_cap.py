"""The cap of a day in results: how it stands, and what of a result it would refuse now."""

from typing import Any

from runway_mcp.server.contract.next_steps import fewer_seconds
from runway_mcp.server.contract.outputs import CreditsOutput, NextStep, TaskOutput
from runway_mcp.tasks.catalogue import MODELS
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
    if output.error is None and further and (credits_output.cost or 0) + further > day.left:
        update["summary"] = f"{output.summary} The cap of the day leaves {day.left} credits now, too few for all."
    return output.model_copy(update=update)


def _within(day: Day, output: TaskOutput) -> NextStep | None:
    """The next step; a dry run that the cap would refuse asks for fewer seconds, or says that none would fit now."""
    step, model = output.next_step, MODELS.get(output.model or "")
    if step is None or model is None or not step.arguments.get("dry_run") or step.arguments.get("exploreMode"):
        return step
    wanted = step.arguments.get("seconds", model.seconds[0])
    if price(model, wanted, explore=False) <= day.left:
        return step
    too_few = f"{step.reason} The cap of the day leaves {day.left} credits now, too few for it."
    return fewer_seconds(model, step.arguments, wanted, day.left) or step.model_copy(update={"reason": too_few})
