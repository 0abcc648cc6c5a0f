"""Why a call failed, whether money was spent, and whether the same call may be made again.

`charged` and `retry_safe` are decided here and nowhere else. `retry_safe` means that the identical call can neither
charge twice nor harm the account.
"""

from dataclasses import dataclass
from typing import Literal

from runway_mcp.runway.answers import is_moderation
from runway_mcp.runway.errors import Busy, RunwayError, quoted
from runway_mcp.runway.models import RunningTask, Task
from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.lineage import cost_of

Charged = Literal["no", "yes", "unknown"]

# What upstream asks for after a 429 that names no time: 10 to 30 seconds.
_SLOT_SECONDS = 15.0

_ADVICE = {
    "unauthorized": "Set USEAPI_TOKEN to the whole token, from `user:` to its end, and restart the server.",
    "subscription": "Renew the useapi.net subscription, then make the same call again.",
    "account": "Link the Runway account again on useapi.net, then make the same call again.",
    "insufficient_credits": "Add credits on Runway, ask for fewer seconds, or set exploreMode on an Unlimited plan.",
    "moderated": (
        "Reword text_prompt before another try and do not repeat it unchanged: repeated moderation can suspend the "
        "Runway account."
    ),
    "unavailable": "Make the same call again in a moment.",
}


@dataclass(eq=False)
class Failure(Exception):  # noqa: N818  a failure is what the contract calls an error result
    """An end without a film: what happened, whether it was charged, whether the same call is safe.

    `kind` is one of the contract's `error.kind`; `retry_after` is in seconds; `running` names the tasks that hold the
    slots, `candidates` the tasks that may be ours, `addresses` the linked accounts, `task` the failed task, `about` the
    argument of the call that was refused, `intent` the submit that it is about; `twin` tells that an earlier submit
    answers.
    """

    kind: str
    message: str
    charged: Charged = "no"
    retry_safe: bool = True
    retry_after: float | None = None
    running: tuple[RunningTask, ...] = ()
    candidates: tuple[Task, ...] = ()
    addresses: tuple[str, ...] = ()
    task: Task | None = None
    about: str | None = None
    intent: Intent | None = None
    twin: bool = False

    def __str__(self) -> str:
        """The message alone, for logs."""
        return self.message


def failure_of(error: RunwayError) -> Failure:
    """The failure that a read, or a refused submit, ends in: nothing was charged.

    A submit whose end is unclear is not told here: `submission_unknown` in `settle` knows the intent.
    """
    advice = _ADVICE.get(error.kind)
    return Failure(
        kind=error.kind,
        message=f"{error.message} {advice}" if advice else error.message,
        retry_safe=error.kind != "moderated",
        retry_after=error.retry_after or (_SLOT_SECONDS if isinstance(error, Busy) else None),
        running=error.running if isinstance(error, Busy) else (),
    )


def task_failure(task: Task) -> Failure | None:
    """The failure that a terminal task is, or None while it runs and when it has a film."""
    if not task.is_terminal:
        return None
    if task.status == "SUCCEEDED":
        return None if task.artifacts else _without_film(task)
    if task.status == "CANCELLED":
        message = "The task was cancelled on Runway's side. Whether its credits came back is unknown."
        return Failure("cancelled", message, charged="unknown", retry_safe=False, task=task)
    if _is_moderated(task):
        message = f"Runway's moderation stopped the task{_reason(task)}. {_ADVICE['moderated']}"
        return Failure("moderated", message, charged="unknown", retry_safe=False, task=task)
    message = (
        f"Runway failed to generate the film{_reason(task)}. Runway usually returns the credits within minutes; "
        "another try may cost again, so let the user decide."
    )
    return Failure("generation_failed", message, charged="unknown", retry_safe=False, task=task)


def failure_words(task: Task) -> tuple[str, str] | None:
    """The kind and the message of the failure that a task is, as the ledger keeps them."""
    failure = task_failure(task)
    return (failure.kind, failure.message) if failure else None


def _without_film(task: Task) -> Failure:
    spent = "" if cost_of(task) == 0 else " The credits are spent."
    message = f"Runway reports success but names no film.{spent} Look at the task on Runway's site before another try."
    return Failure("generation_failed", message, charged="yes" if spent else "no", retry_safe=False, task=task)


def _is_moderated(task: Task) -> bool:
    error = task.error
    return error is not None and (bool(error.moderation_category) or is_moderation(error.reason, error.message))


def _reason(task: Task) -> str:
    error = task.error
    said = [part for part in (error.reason, error.message) if part] if error else []
    return f" ({quoted(': '.join(said))})" if said else ""
