"""A host that takes tasks of the protocol: the Tasks extension as a client implements it."""

from collections.abc import Sequence
from typing import Any, Literal, cast

import anyio
from mcp.client.client import Client
from mcp.client.extension import ClaimContext, ClientExtension, ResultClaim
from mcp_types import CallToolResult, Request, RequestParams, Result

from runway_mcp.server.contract.tasks_extension import EXTENSION


class TaskHandle(Result):
    """A task, in place of a result or as `tasks/get` tells it."""

    result_type: Literal["task"] = "task"
    task_id: str
    status: str
    status_message: str
    created_at: str
    last_updated_at: str
    ttl_ms: int
    poll_interval_ms: int


class TaskState(TaskHandle):
    """A task as `tasks/get` tells it, with its result once it is completed."""

    result_type: Literal["complete"] = "complete"  # pyright: ignore[reportIncompatibleVariableOverride]  another message
    result: CallToolResult | None = None


class TaskParams(RequestParams):
    """Parameters that name a task."""

    task_id: str


class TaskRequest(Request[TaskParams, str]):
    """A `tasks/` request; over HTTP the task is named in the header too."""

    name_param = "taskId"


class TakesTasks(ClientExtension):
    """Declares the extension, and follows a task to its end where a result is wanted."""

    identifier = EXTENSION

    def claims(self) -> Sequence[ResultClaim[Any]]:
        return [ResultClaim(result_type="task", model=TaskHandle, resolve=_followed)]


async def _followed(handle: TaskHandle, context: ClaimContext) -> CallToolResult:
    told: TaskHandle = handle
    while told.status == "working":
        await anyio.sleep(told.poll_interval_ms / 1000)
        told = await ask(context.session, "tasks/get", handle.task_id)
    assert isinstance(told, TaskState)
    assert told.result
    return told.result


async def called(client: Client, tool: str, **arguments: Any) -> TaskHandle | CallToolResult:
    """What a call is answered with: a task, or a result."""
    answer: object = await client.session.call_tool(tool, arguments, allow_claimed=True)
    assert isinstance(answer, (TaskHandle, CallToolResult))
    return answer


async def ask(session: Any, method: str, task_id: str) -> TaskState:
    """Sends `tasks/get` and returns what it tells; the others acknowledge with `tell`."""
    return cast(
        "TaskState",
        await session.send_request(TaskRequest(method=method, params=TaskParams(task_id=task_id)), TaskState),
    )


async def tell(client: Client, method: str, task_id: str) -> Result:
    """Sends `tasks/cancel` or `tasks/update` and returns the acknowledgement."""
    request: Any = TaskRequest(method=method, params=TaskParams(task_id=task_id))
    return await client.session.send_request(request, Result)
