"""Tasks and failures rebuilt from the ledger, for when upstream cannot be read or no longer knows the task."""

from runway_mcp.runway.models import Asset, Metadata, Task, TaskError, TaskOptions
from runway_mcp.tasks.catalogue import CREATE_MODELS
from runway_mcp.tasks.failures import Charged, Failure, failed
from runway_mcp.tasks.intents import Film, Intent
from runway_mcp.tasks.policy import iso

GONE = "not_found"
"""The failure kind of a deleted task or film."""


def remembered_task(intent: Intent, task_id: str) -> Task:
    """The task as last recorded, without signed links; UNKNOWN for a success without a recorded film."""
    extends = intent.task_type not in CREATE_MODELS
    options = TaskOptions(
        text_prompt=intent.text_prompt,
        seed=intent.seed,
        seconds=intent.seconds,
        explore_mode=intent.explore_mode,
        extended_from_task_id=intent.parent_task_id if extends else None,
        extended_count=intent.extended_count if extends else None,
    )
    is_open = intent.status == "SUCCEEDED" and intent.film is None
    return Task(
        task_id=task_id,
        status="UNKNOWN" if is_open else intent.status or "PENDING",
        created_at=iso(intent.created),
        task_type=intent.task_type,
        options=options,
        reply_ref=intent.reply_ref,
        artifacts=(_asset(intent.film, task_id),) if intent.film else (),
    )


def known_end(intent: Intent | None, task_id: str) -> Task | None:
    """The end of a task as recorded, without signed links; None where the ledger knows none, or that it is gone.

    Whatever was read before it is older, so this is told instead while the end itself cannot be read.
    """
    if intent is None or intent.ended is None or intent.failure_kind == GONE:
        return None
    error = TaskError(moderation_category="moderated") if intent.failure_kind == "moderated" else None
    task = remembered_task(intent, task_id)
    return task.model_copy(update={"status": intent.status or task.status, "error": error})


def as_submitted(task: Task, intent: Intent) -> Task:
    """A task with the model and options of its intent wherever upstream tells none, as of a task that just runs."""
    known = remembered_task(intent, task.task_id)
    told = {name: value for name, value in task.options if value is not None}
    options = known.options.model_copy(update=told)
    return task.model_copy(update={"options": options, "task_type": task.task_type or known.task_type})


def remembered_failure(intent: Intent) -> Failure | None:
    """The recorded failure of the intent's task; None if the task has a film or runs."""
    if intent.failure_kind is None or intent.ended is None:
        return None
    charged: Charged = "unknown"
    if intent.status == "SUCCEEDED" or intent.failure_kind == GONE:
        charged = "yes" if intent.cost else "no"
    retry = "later" if intent.status == "SUCCEEDED" and intent.failure_kind != GONE else None
    message = intent.failure_message or "The task failed."
    return failed(intent.failure_kind, message, charged=charged, retry=retry, intent=intent, twin=True)


def deleted(intent: Intent) -> Failure:
    """The failure of a request whose film was made and has been deleted since."""
    message = (
        f"This request was submitted before, on {date_of(intent)}, and its film was deleted on Runway's side. To make "
        "and pay another one, give another `seed`."
    )
    return Failure(GONE, message, charged="yes" if intent.cost else "no", intent=intent, twin=True)


def gone_words(task_id: str) -> tuple[str, str]:
    """The kind and message, as the ledger stores them, of a task that vanished before its end was seen."""
    return GONE, (
        f"Runway does not know this request's task, {task_id}, any more: probably it was deleted. Its film may be "
        "there all the same, among the newest clips of list_assets. To submit once more on purpose, give another "
        "`seed`."
    )


def date_of(intent: Intent) -> str:
    """When the intent was submitted, in words."""
    return f"{iso(intent.created)[:16].replace('T', ' ')} UTC"


def _asset(film: Film, task_id: str) -> Asset:
    return Asset(
        asset_id=film.asset_id,
        name=film.name,
        size_bytes=film.size_bytes,
        task_id=task_id,
        metadata=Metadata(duration=film.duration, width=film.width, height=film.height),
    )
