"""What a continuation needs before its create: frame and upload as steps, and that nothing else was paid instead."""

from collections.abc import Callable

import anyio
from anyio.to_thread import run_sync

from runway_mcp.films.continuing.dependencies import Dependencies, end_step
from runway_mcp.films.continuing.preparing.call_options import keep_options
from runway_mcp.films.continuing.preparing.failures import told_as_free
from runway_mcp.films.continuing.preparing.frame import framed
from runway_mcp.films.continuing.preparing.uploads import uploaded
from runway_mcp.runway.models import Submission
from runway_mcp.tasks.creating import aspect_ratio_for, creation_of
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.intents import AUTO, Intent
from runway_mcp.tasks.spend.continuation import Continuation
from runway_mcp.tasks.spend.preparing import Prepare
from runway_mcp.tasks.spend.submit import Submissions

_EXTENDED = (
    "Runway has accepted the extension after all, as the task {task_id}; continuing the clip submitted nothing. "
    "get_task tells of that task, and so does this call without a `model`. To continue the clip as well, give a "
    "`model` and another `seed`."
)


def preparation(
    dependencies: Dependencies, submissions: Submissions, plan: Continuation, stir: Callable[[], None]
) -> Prepare:
    """Frame and upload as steps of the intent, then the create that they lead to; `stir` is called after each step.

    An extension that was refused before is looked for meanwhile: if it has a task, preparing raises `Failure`.
    """

    async def prepare(intent: Intent) -> Submission:
        begun = anyio.current_time()
        with told_as_free():
            dependencies.films.require()
            await run_sync(keep_options, dependencies.data_dir, intent.film_id, plan)
            intent = await _noted(dependencies, plan, intent)
            intent, frame = await framed(dependencies, plan, intent)
            stir()
            intent, asset_id = await uploaded(dependencies, intent, frame, is_left=submissions.is_left(intent))
            stir()
            await _check_refused(submissions, intent, since=begun)
            return creation_of(
                plan.model,
                plan.asked,
                start_frame=asset_id,
                aspect_ratio=aspect_ratio_for(frame.width, frame.height, plan.model),
                seconds=plan.seconds,
            )

    return prepare


async def _noted(dependencies: Dependencies, plan: Continuation, intent: Intent) -> Intent:
    """The intent, if it is claimed again, with the refusal by which its model came to be chosen this time."""
    noted = intent.step(AUTO)
    if plan.refused is None or (noted is not None and noted.made["refused"] == plan.refused):
        return intent
    return await end_step(dependencies, intent, AUTO, {"refused": plan.refused})


async def _check_refused(submissions: Submissions, intent: Intent, *, since: float) -> None:
    """Raises `Failure` if the extension that was refused before has a task all the same."""
    noted = intent.step(AUTO)
    if noted is None or noted.made["refused"] is None:
        return
    extended = await submissions.accepted_after_all(noted.made["refused"], since=since)
    if extended is not None and extended.task_id is not None:
        raise Failure("unavailable", _EXTENDED.format(task_id=extended.task_id), refused=extended.id)
