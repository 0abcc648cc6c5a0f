"""The tool `get_task`: reads a task, and waits for its end within the deadline."""

from typing import Annotated

import anyio
from pydantic import Field

from runway_mcp.server.contract.arguments import Arguments, Reference, Wait
from runway_mcp.server.contract.outputs import TaskOutput
from runway_mcp.server.contract.task_results import task_output
from runway_mcp.server.protocol_tasks import TaskState, handed_over
from runway_mcp.server.reads import READING_SECONDS, extended_by, note_end, read_named, task_id_of
from runway_mcp.server.tools.running_call import Call, waited
from runway_mcp.tasks.history import owning_intent


class GetTask(Arguments):
    """The arguments of `get_task`."""

    task_id: Annotated[
        Reference,
        Field(
            alias="taskId",
            description=(
                "Task to read: a taskId of extend_video or list_assets, its runway://tasks/ URI, or a film's assetId."
            ),
        ),
    ]
    wait_seconds: Annotated[
        Wait,
        Field(description="Seconds to wait for the end, 0 to 600; 0 reads once. Capped by the server's setting, 45."),
    ] = 0


async def get_task(call: Call, arguments: GetTask) -> TaskOutput | TaskState:
    """The task at its end or at the deadline; a host that takes protocol tasks gets one instead of the wait."""
    context = call.context
    deadline = call.deadline(arguments.wait_seconds)
    seconds = max(deadline - anyio.current_time(), READING_SECONDS)
    task_id = await task_id_of(context, arguments.task_id, seconds=seconds)
    task = await read_named(context, task_id, wait=deadline - anyio.current_time())
    intent = await owning_intent(context.service, task.task_id)
    if call.takes_tasks and not task.is_terminal and deadline > anyio.current_time():
        return handed_over(context, task, intent)
    task = await waited(call, task, deadline)
    await note_end(context, task)
    source = None if intent else await extended_by(context, task)
    return task_output(task, call.asked, intent=intent, source=source)
