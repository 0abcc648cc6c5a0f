"""A host that takes tasks of the protocol: the Tasks extension as a client implements it."""

from collections.abc import Sequence
from typing import Any, Literal, cast

import anyio
from mcp.client.client import Client
from mcp.client.extension import ClaimContext, ClientExtension, ResultClaim
from mcp_types import CallToolResult, Request, RequestParams, Result

from runway_mcp.server.protocol_tasks import EXTENSION


class Handle(Result):
    """A task, in place of a result or as `tasks/get` tells it."""

    result_type: Literal["task"] = "task"
    task_id: str
    status: str
    status_message: str
    created_at: str
    last_updated_at: str
    ttl_ms: int
    poll_interval_ms: int


class Told(Handle):
    """A task as `tasks/get` tells it, with its result once it is completed."""

    result_type: Literal["complete"] = "complete"  # pyright: ignore[reportIncompatibleVariableOverride]  another message
    result: CallToolResult | None = None


class Named(RequestParams):
    """Parameters that name a task."""

    task_id: str


class Asked(Request[Named, str]):
    """A `tasks/` request; over HTTP the task is named in the header too."""

    name_param = "taskId"


class TakesTasks(ClientExtension):
    """Declares the extension, and follows a task to its end where a result is wanted."""

    identifier = EXTENSION

    def claims(self) -> Sequence[ResultClaim[Any]]:
        return [ResultClaim(result_type="task", model=Handle, resolve=_followed)]


async def _followed(handle: Handle, context: ClaimContext) -> CallToolResult:
    told: Handle = handle
    while told.status == "working":
        await anyio.sleep(told.poll_interval_ms / 1000)
        told = await ask(context.session, "tasks/get", handle.task_id)
    assert isinstance(told, Told)
    assert told.result
    return told.result


async def called(client: Client, tool: str, **arguments: Any) -> Handle | CallToolResult:
    """What a call is answered with: a task, or a result."""
    answer: object = await client.session.call_tool(tool, arguments, allow_claimed=True)
    assert isinstance(answer, (Handle, CallToolResult))
    return answer


async def ask(session: Any, method: str, task_id: str) -> Told:
    """Sends `tasks/get` and returns what it tells; the others acknowledge with `tell`."""
    return cast("Told", await session.send_request(Asked(method=method, params=Named(task_id=task_id)), Told))


async def tell(client: Client, method: str, task_id: str) -> Result:
    """Sends `tasks/cancel` or `tasks/update` and returns the acknowledgement."""
    request: Any = Asked(method=method, params=Named(task_id=task_id))
    return await client.session.send_request(request, Result)
