"""The tool `get_task`: reads a task, and waits for its end within the deadline."""

from datetime import datetime
from typing import Annotated

import anyio
from pydantic import Field

from runway_mcp.films.continuing.steps import is_continuation
from runway_mcp.runway.models import Task
from runway_mcp.server.calls.answers import answer_task, fail_task
from runway_mcp.server.calls.continuing import follow_film
from runway_mcp.server.calls.running_call import Answer, Call, remark_remembered, waited
from runway_mcp.server.calls.saving import with_saved
from runway_mcp.server.context import ServerContext
from runway_mcp.server.continued import film_named
from runway_mcp.server.contract.arguments import Arguments, Reference, Wait
from runway_mcp.server.contract.next_steps import READS
from runway_mcp.server.contract.outputs import TaskOutput
from runway_mcp.server.contract.results.tasks import task_output
from runway_mcp.server.player.page import CALLED_BY_PLAYER
from runway_mcp.server.protocol_tasks import handed_over
from runway_mcp.server.reads import READING_SECONDS, extended_by, note_end, read_named, task_id_of
from runway_mcp.server.result_cache import FRESH_SECONDS
from runway_mcp.server.tools.record import ToolRecord
from runway_mcp.tasks.history import owning_intent
from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.recall import known_end

_DESCRIPTION = (
    "Reads one Runway task and returns its status, progress, text_prompt, seed and lineage and, once it has "
    "succeeded, its video with link or path. Use it after extend_video to wait for the end with wait_seconds instead "
    "of polling, or to renew an old film's link; to find clips or running tasks, use list_assets; to look at one, "
    "view_film. Free, and changes nothing: if the wait runs out it returns the status so far, so call again. A failed "
    "task is an error; error.charged tells if it cost. lineage.extensions_left counts Runway's own extensions; a "
    "model has no such limit."
)


class GetTask(Arguments):
    """The arguments of `get_task`."""

    task_id: Annotated[
        Reference,
        Field(
            alias="taskId",
            description=(
                "Task to read: a taskId of extend_video or list_assets, a video's assetId, a film id or a URI."
            ),
        ),
    ]
    wait_seconds: Annotated[
        Wait,
        Field(description="Seconds to wait for the end, 0 to 600; 0 reads once. Capped by the server's setting, 45."),
    ] = 0


async def get_task(call: Call, arguments: GetTask) -> Answer:
    """The task at its end or at the deadline; a host that takes protocol tasks gets one instead of the wait."""
    context = call.context
    deadline = call.deadline(arguments.wait_seconds)
    if (film := await film_named(context, arguments.task_id)) is not None:
        return await follow_film(call, film, deadline)
    seconds = max(deadline - anyio.current_time(), READING_SECONDS)
    task_id = await task_id_of(context, arguments.task_id, seconds=seconds)
    # A name may be that of a film, which is more than one task.
    if (film := await film_named(context, task_id)) is not None:
        return await follow_film(call, film, deadline)
    task = await read_named(context, task_id, wait=deadline - anyio.current_time(), often=True)
    intent = await owning_intent(context.service, task.task_id)
    if task == known_end(intent, task.task_id):
        remark_remembered(call, task)
    if call.takes_tasks and not task.is_terminal and deadline > anyio.current_time():
        return handed_over(context, task, intent)
    task = await waited(call, task, deadline)
    await note_end(context, task)
    source = None if intent else await extended_by(context, task)
    output = task_output(task, call.asked, intent=intent, source=source)
    output = await with_saved(call, output, task, intent, deadline=deadline)
    call.lasts = _lasts(context, task, intent, output)
    return await answer_task(call, output)


def _lasts(context: ServerContext, task: Task, intent: Intent | None, output: TaskOutput) -> bool:
    """Whether a result stays true for a minute: of an ended task, with a fresh link and, where it is kept, its file."""
    if not task.is_terminal or (task.status == "SUCCEEDED" and output.video is None):
        return False
    if intent is not None and is_continuation(intent):
        return False  # its film goes on
    ends = output.video.url_expires_at if output.video else None
    left = FRESH_SECONDS + 1 if ends is None else datetime.fromisoformat(ends).timestamp() - context.now()
    is_kept = context.keeper is None or output.saved is not None or intent is None or task.status != "SUCCEEDED"
    return is_kept and left > FRESH_SECONDS


GET_TASK = ToolRecord(
    name="get_task",
    title="Follow a Runway task",
    description=_DESCRIPTION,
    arguments=GetTask,
    output=TaskOutput,
    behaviour=READS,
    run=get_task,
    fail=fail_task,
    meta=CALLED_BY_PLAYER,
)
"""The tool that reads a task."""
