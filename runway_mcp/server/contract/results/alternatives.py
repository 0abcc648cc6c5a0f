"""Alternatives to what a dry run prices: what costs less, which other seconds there are, and what a model changes."""

from typing import Final

from runway_mcp.runway.models import Metadata
from runway_mcp.tasks.catalogue import CREATE_MODELS, DEFAULT_CREATE_MODEL, CreateModel
from runway_mcp.tasks.creating import canvas_for, cheapest_model
from runway_mcp.tasks.spend.continuation import Continuation
from runway_mcp.tasks.spend.plan import Plan

_EXPLORE: Final = "exploreMode (no credits, but slower; {})"
_PLAN_SEEN: Final = "the account has the plan for it"
_PLAN_UNSEEN: Final = "needs an Unlimited plan, and is refused at no cost without it"
_JOINED: Final = "as a film of joined parts"
# The seconds that every model of a continuation can add.
_USUAL_STEPS: Final = (5, 10)
# How far two shapes may differ and still show the same picture.
_SAME_SHAPE: Final = 0.005


def cheaper_than_extension(plan: Plan, *, has_plan: bool) -> str:
    """The ways to add at least as many seconds for less than an extension; empty where it costs nothing.

    `has_plan` says that explore mode was seen to work on the account.
    """
    if not plan.cost:
        return ""
    model = cheapest_model(plan.seconds, below=plan.cost)
    size = _new_size(plan.source.metadata, DEFAULT_CREATE_MODEL)
    how = f", {size[1]}" if size is not None else ""
    other = f"; or continue it with a `model`, {_JOINED}{how}: {model}" if model else ""
    return f" For less: {_explore(has_plan=has_plan)}{other}."


def cheaper_than_continuation(plan: Continuation, *, has_plan: bool) -> str:
    """The same for a continuation; another model where the call named none."""
    if not plan.cost:
        return ""
    model = cheapest_model(plan.seconds, below=plan.cost) if plan.is_auto else None
    explore = [_explore(has_plan=has_plan)] if plan.model.takes_explore_mode else []
    ways = [*explore, *([f"another `model`: {model}"] if model else [])]
    return f" For less: {'; or '.join(ways)}." if ways else ""


def other_steps_of_extension(plan: Plan) -> str:
    """What adds other seconds where an extension leaves no choice, as a caller who was asked for them needs to know."""
    if plan.model.chooses_seconds or not plan.cost:
        return ""
    able = [(seconds, model) for seconds in _USUAL_STEPS if (model := cheapest_model(seconds)) is not None]
    told = ", or ".join(f"{seconds} s with {model}" for seconds, model in able)
    size = _new_size(plan.source.metadata, DEFAULT_CREATE_MODEL)
    how = f"{_JOINED}, {size[1]}" if size is not None else _JOINED
    return f" To add a different length, continue it with a `model`, {how}: {told}." if told else ""


def other_steps_of_continuation(plan: Continuation) -> str:
    """What adds more seconds than the default; where the call named no model, with which."""
    if plan.asked.seconds is not None:
        return ""
    return f" `seconds`: {steps_in_words(plan.model, is_auto=plan.is_auto)} adds more."


def steps_in_words(model: CreateModel, *, is_auto: bool) -> str:
    """Seconds above the default: "8 or 10"; with `is_auto` those of every model first: "10 (with gen4.5 also 8)"."""
    longer = model.seconds[1:]
    common = [each for each in longer if all(each in other.seconds for other in CREATE_MODELS.values())]
    own = [each for each in longer if each not in common]
    if not is_auto or not own or not common:
        return " or ".join(map(str, longer))
    return f"{' or '.join(map(str, common))} (with {model.name} also {' or '.join(map(str, own))})"


def resized(measures: Metadata | None, model: CreateModel) -> str:
    """That a clip's picture changes its size in the joined film; empty where it stays."""
    if measures is None or not measures.width or not measures.height:
        return " If its picture has another shape than the model's, it is cropped in the film; the clip itself stays."
    size = _new_size(measures, model)
    return f" In the film its {size[0]} picture is {size[1]}; the clip itself stays." if size is not None else ""


def _explore(*, has_plan: bool) -> str:
    return _EXPLORE.format(_PLAN_SEEN if has_plan else _PLAN_UNSEEN)


def _new_size(measures: Metadata | None, model: CreateModel) -> tuple[str, str] | None:
    """A picture's size, and what becomes of it: "cropped to 1280x720"; None where it stays, or is not known."""
    if measures is None or not measures.width or not measures.height:
        return None
    width, height = measures.width, measures.height
    canvas = canvas_for(width, height, model)
    if (width, height) == (canvas.width, canvas.height):
        return None
    is_cropped = abs(width * canvas.height - height * canvas.width) > _SAME_SHAPE * width * canvas.height
    how = "cropped to" if is_cropped else "encoded anew in"
    return f"{width}x{height}", f"{how} {canvas.width}x{canvas.height}"
