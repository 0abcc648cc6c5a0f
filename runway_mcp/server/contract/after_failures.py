"""The next call worth making after a failure or a refusal, also of what caps still allow; None where nothing helps."""

import zlib
from typing import Any

from runway_mcp.runway.models import LARGEST_SEED
from runway_mcp.server.contract.next_steps import Asked, follow, list_clips, longer_in_words, read_of, without
from runway_mcp.server.contract.outputs import NextStep
from runway_mcp.tasks.catalogue import FilmModel
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.lineage import price

_SAME_CALL = {
    "unavailable": "The same call again, in a moment.",
    "unexpected_response": "The same call again; nothing is spent twice.",
    "busy": "The same call again: it waits for a slot itself, and submits once.",
    "submission_unknown": "The same call again: it looks for the task and never submits a second one.",
}


def after_failure(failure: Failure, asked: Asked) -> NextStep | None:
    """The call by which a model can go on after a failure; None where it cannot."""
    if failure.addresses:
        arguments = asked.arguments | {"email": failure.addresses[0]}
        return NextStep(tool="list_assets", arguments=arguments, reason="Lists one account; pass the one you mean.")
    if failure.intent is not None and failure.intent.is_unconfirmed and failure.retry_safe:
        reason = "The same call later: it looks first, and submits only if there is no task."
        return NextStep(tool=asked.tool, arguments=asked.arguments, reason=reason)
    if failure.candidates or failure.task:
        return _about_tasks(failure, asked)
    ways = (failure.fewer, failure.other, failure.about, failure.instead)
    if failure.explores or any(way is not None for way in ways):
        return _changed(failure, asked)
    if failure.kind in ("not_found", "invalid_request"):
        return asked.behaviour.search(failure.kind, asked) if failure.nearest is None else list_clips(failure.nearest)
    return _again(failure, asked) if failure.kind in _SAME_CALL and failure.retry_safe else None


def shorter(arguments: dict[str, Any], seconds: int) -> NextStep:
    """A dry run of the same extension with fewer seconds, which the account and the caps allow."""
    fewer = without(arguments, "confirm") | {"seconds": seconds}
    reason = f"Checks and prices {seconds} s instead, which would fit, free."
    return NextStep(tool="extend_video", arguments=fewer | {"dry_run": True}, reason=reason)


def that_fits(failure: Failure, arguments: dict[str, Any]) -> NextStep | None:
    """A dry run of what the caps allow in place of a refused step; None if they allow nothing."""
    if failure.explores:
        kept = without(arguments, "confirm")
        reason = "Checks the same step in explore mode: no credits, but slower."
        return NextStep(tool="extend_video", arguments=kept | {"exploreMode": True, "dry_run": True}, reason=reason)
    if failure.fewer is not None:
        return shorter(arguments, failure.fewer)
    if failure.other is None:
        return None
    model, seconds = failure.other
    kept = without(arguments, "confirm")
    reason = f"Checks and prices {seconds} s by {model} instead, which would fit, free."
    other = {"model": model, "seconds": seconds, "dry_run": True}
    return NextStep(tool="extend_video", arguments=kept | other, reason=reason)


def fewer_seconds(model: FilmModel, arguments: dict[str, Any], wanted: int, remaining: int) -> NextStep | None:
    """A dry run of the most seconds that the credits suffice for; None unless those are fewer than wanted."""
    payable = [each for each in model.seconds if each < wanted and price(model, each, explore=False) <= remaining]
    return shorter(arguments, max(payable)) if payable else None


def same_continuation(arguments: dict[str, Any], failure: Failure) -> NextStep:
    """The same call again, after which nothing is paid twice: it joins again, or looks for the earlier submit."""
    kept = without(arguments, "confirm") | {"dry_run": False}
    reason = "The same call again; nothing is spent twice."
    if failure.charged == "yes":
        reason = "The same call again: it joins the parts again, free."
    elif failure.kind == "submission_unknown":
        reason = _SAME_CALL["submission_unknown"]
    return NextStep(tool="extend_video", arguments=kept, reason=reason)


def _changed(failure: Failure, asked: Asked) -> NextStep | None:
    """A call for another extension in place of the refused one."""
    if failure.about == "seconds" and failure.steps and failure.other is None:
        arguments = asked.arguments | {"seconds": failure.steps[0], "dry_run": True}
        way = " For another length give a `model` instead." if len(failure.steps) == 1 else ""
        reason = f"Checks and prices {failure.steps[0]} s, free.{way}"
        return NextStep(tool="extend_video", arguments=arguments, reason=reason)
    if failure.about is not None and failure.other is None:
        return _without(failure.about, asked)
    return that_fits(failure, asked.arguments) or _instead(failure, asked)


def _again(failure: Failure, asked: Asked) -> NextStep:
    """The same call: after `unavailable` with the longest wait, after `busy` without a wait of 0.

    Where a repeat cannot help, a list of the newest films.
    """
    if failure.repeat == "after_change":
        return NextStep(tool="list_assets", arguments={}, reason="Lists the newest films, free; it may be among them.")
    kind, arguments, reason = failure.kind, asked.arguments, _SAME_CALL[failure.kind]
    if kind != "submission_unknown" and (not asked.behaviour.spends or asked.arguments.get("dry_run")):
        reason = _SAME_CALL["unavailable"]
    elif kind == "busy":
        arguments = {name: value for name, value in arguments.items() if (name, value) != ("wait_seconds", 0)}
    if kind == "unavailable":
        arguments = _patient(asked)
    return NextStep(tool=asked.tool, arguments=arguments, reason=reason)


def _patient(asked: Asked) -> dict[str, Any]:
    """The same arguments with the longest wait, which leaves time for slow answers."""
    waits = asked.behaviour.waits
    default = asked.wait_seconds if waits == "by_default" else 0
    if waits == "never" or asked.arguments.get("wait_seconds", default) >= asked.wait_seconds:
        return asked.arguments
    return asked.arguments | {"wait_seconds": asked.wait_seconds}


def _about_tasks(failure: Failure, asked: Asked) -> NextStep | None:
    """The read of the task that a failure is about: a candidate, a running one, or one without its film."""
    if failure.candidates:
        return read_of(failure.candidates[0].task_id, "Shows whether this task is the one that was submitted.", asked)
    if failure.task is None or (failure.task.is_terminal and failure.charged != "yes"):
        return None
    if failure.task.is_terminal:
        return read_of(failure.task.task_id, "Reads it once more, free: the film may have turned up.", asked)
    return follow(failure.task.task_id, asked)


def _instead(failure: Failure, asked: Asked) -> NextStep | None:
    """A dry run on the clip before, which has an extension left; None if that clip is unknown."""
    if not failure.instead:
        return None
    arguments = without(asked.arguments, "assetId", "confirm")
    if failure.taken:
        # The refused film may be what this very request made of that clip: only another seed makes another one.
        # The same one however often it is refused, so that no repeat pays for a further take.
        known = f"{failure.instead} {asked.arguments.get('assetId')} {asked.arguments.get('text_prompt')}"
        arguments["seed"] = 1 + zlib.crc32(known.encode()) % LARGEST_SEED
    other = ", by another seed" if failure.taken else ""
    longer = "" if "seconds" in arguments else longer_in_words(failure.steps)
    ending = f"Prices another ending{other}, free: a new extension of the film before this one{longer}."
    reason = f"{ending} This film stays; it cannot become longer."
    return NextStep(
        tool="extend_video", arguments={"assetId": failure.instead, **arguments, "dry_run": True}, reason=reason
    )


def _without(argument: str, asked: Asked) -> NextStep:
    """A dry run without the refused argument; it gives the price, and a quote."""
    arguments = without(asked.arguments, argument) | {"dry_run": True}
    given = f" without `{argument}`" if argument in asked.arguments else ""
    reason = f"Checks and prices it{given}, free."
    return NextStep(tool="extend_video", arguments=arguments, reason=reason)
