"""Failures of calls: what happened, in the user's words, whether credits were spent, what a repeat is good for.

No other module decides that. `retry_safe` says that the identical call can neither charge again nor harm the account;
`repeat` says when it is worth making: `now`, `later` or only `after_change`.
"""

from dataclasses import dataclass
from typing import Any, Literal

from runway_mcp.runway.errors import Busy, RunwayError, quoted
from runway_mcp.runway.http.answers import is_moderation
from runway_mcp.runway.models import RunningTask, Task
from runway_mcp.tasks.intents import Film, Intent
from runway_mcp.tasks.lineage import cost_of

Charged = Literal["no", "yes", "unknown"]
Retry = Literal["now", "later", "after_change"]

# Upstream asks for 10 to 30 seconds after a 429 without a Retry-After.
_SLOT_SECONDS = 15.0

_RETRY: dict[str, Retry] = {
    "busy": "later",
    "unavailable": "later",
    "unexpected_response": "later",
    "submission_unknown": "now",
}
_ADVICE = {
    "unauthorized": "Set USEAPI_TOKEN to the whole token, from `user:` to its end, and restart the server.",
    "subscription": "The user has to renew the useapi.net subscription first.",
    "account": "The user has to link the Runway account again on useapi.net first.",
    "insufficient_credits": "Add credits on Runway, or set exploreMode on an Unlimited plan.",
    "moderated": (
        "Reword text_prompt before another try, and do not try another seed: refusals by moderation add up and can "
        "suspend the Runway account."
    ),
    "unavailable": "Make the same call again in a moment.",
}
_ANOTHER_SEED = "To try again, which may cost again, give another `seed`; let the user decide."


@dataclass(eq=False)
class Failure(Exception):  # noqa: N818  the contract calls an error result a failure
    """An end without a film: what happened, whether it was charged, what a repeat of the call is good for.

    `kind` is one of the contract's `error.kind`; `retry` follows from it unless given; `retry_after` is in seconds.
    `running` holds the tasks that occupy the slots, `candidates` the tasks that may be the submit's, `addresses` the
    linked accounts, `task` the failed task, `about` the argument that was refused, `intent` the submit concerned.
    `twin` marks the outcome of an earlier submit. `instead` is the asset to extend in place of the refused one, empty
    if none of its chain can be; `taken` says that the same request extended it before, `steps` by which seconds it can
    be. `fewer` is the most seconds that the caps still allow, `other` a model and its seconds that they allow where no
    fewer are; of a refused `seconds`, `steps` are those that can be had. `explores` says that the same step can be had
    in explore mode, which was seen to work on the account. `unextendable` says why a clip has no native extension.
    `nearest` is the name that a misspelt one is most like, `refused` the id of the intent that Runway refused.
    """

    kind: str
    message: str
    charged: Charged = "no"
    retry_safe: bool = True
    retry: Retry | None = None
    retry_after: float | None = None
    running: tuple[RunningTask, ...] = ()
    candidates: tuple[Task, ...] = ()
    addresses: tuple[str, ...] = ()
    task: Task | None = None
    about: str | None = None
    intent: Intent | None = None
    twin: bool = False
    instead: str | None = None
    taken: bool = False
    steps: tuple[int, ...] = ()
    fewer: int | None = None
    other: tuple[str, int] | None = None
    explores: bool = False
    unextendable: str | None = None
    nearest: str | None = None
    refused: str | None = None

    def __str__(self) -> str:
        """The message alone, for logs."""
        return self.message

    @property
    def repeat(self) -> Retry:
        """When a repeat of the identical call is worth making."""
        return self.retry or _RETRY.get(self.kind, "after_change")


def failure_of(error: RunwayError) -> Failure:
    """The failure of a read or of a refused submit; nothing was charged.

    Not for a submit of unknown outcome: `outcome_failure` in `spend.reconcile` knows its intent.
    """
    advice = _ADVICE.get(error.kind)
    return failed(
        error.kind,
        f"{error.message} {advice}" if advice else error.message,
        retry_after=error.retry_after or (_SLOT_SECONDS if isinstance(error, Busy) else None),
        running=error.running if isinstance(error, Busy) else (),
    )


def failed(kind: str, message: str, **facts: Any) -> Failure:
    """A failure of that kind and message, not `retry_safe` if `moderated`; `facts` are further fields of `Failure`."""
    return Failure(kind, message, retry_safe=kind != "moderated", **facts)


def task_failure(task: Task) -> Failure | None:
    """The failure of a terminal task; None while it runs and if it has a film."""
    if not task.is_terminal:
        return None
    if task.status == "SUCCEEDED":
        return None if task.artifacts else _without_film(task)
    if task.status == "CANCELLED":
        message = f"The task was cancelled on Runway's side. Whether its credits came back is unknown. {_ANOTHER_SEED}"
        return failed("cancelled", message, charged="unknown", task=task)
    if _is_moderated(task):
        message = f"Runway's moderation stopped the task{_reason(task)}. {_ADVICE['moderated']}"
        return failed("moderated", message, charged="unknown", task=task)
    message = (
        f"Runway failed to generate the film{_reason(task)}. Runway usually returns the credits within minutes. "
        f"{_ANOTHER_SEED}"
    )
    return failed("generation_failed", message, charged="unknown", task=task)


def failure_words(task: Task) -> tuple[str, str] | None:
    """The kind and message of a task's failure, as the ledger stores them; None if there is none."""
    failure = task_failure(task)
    return (failure.kind, failure.message) if failure else None


def film_of(task: Task) -> Film | None:
    """The film of a succeeded task, as the ledger stores it; None if there is none."""
    if task.status != "SUCCEEDED" or not task.artifacts:
        return None
    film = task.artifacts[0]
    measures = film.metadata
    return Film(
        asset_id=film.asset_id,
        name=film.name,
        duration=measures.duration if measures else None,
        width=measures.width if measures else None,
        height=measures.height if measures else None,
        size_bytes=film.size_bytes,
    )


def _without_film(task: Task) -> Failure:
    spent = "" if cost_of(task) == 0 else " The credits are spent."
    message = (
        f"Runway reports success but names no film.{spent} Make the same call later, free: the film may still turn up. "
        "It may also be on Runway's site."
    )
    charged: Charged = "yes" if spent else "no"
    return failed("generation_failed", message, charged=charged, retry="later", task=task)


def _is_moderated(task: Task) -> bool:
    error = task.error
    return error is not None and (bool(error.moderation_category) or is_moderation(error.reason, error.message))


def _reason(task: Task) -> str:
    error = task.error
    said = [part for part in (error.reason, error.message) if part] if error else []
    return f" ({quoted(': '.join(said))})" if said else ""
