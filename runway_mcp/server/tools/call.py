"""Dispatches tool calls: arguments are validated, and every failure but an unknown tool is a result.

A submit is begun once and belongs to the process: it goes on when its call ends, for whatever reason.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    InputRequiredResult,
    ListToolsResult,
    PaginatedRequestParams,
)

from runway_mcp.runway.errors import RunwayError
from runway_mcp.server.boundary import CRASHED, log_crash
from runway_mcp.server.context import RequestContext
from runway_mcp.server.contract.arguments import (
    Arguments,
    InvalidArguments,
    plain_arguments,
    read_arguments,
)
from runway_mcp.server.contract.next_steps import EXTENDS, LISTS, READS, Asked
from runway_mcp.server.contract.outputs import AssetsOutput, NextStep, TaskOutput
from runway_mcp.server.contract.task_results import (
    assets_failure,
    failure_output,
    with_day,
)
from runway_mcp.server.contract.text import in_quotes
from runway_mcp.server.contract.tool_results import assets_result, task_result
from runway_mcp.server.progress import Progress
from runway_mcp.server.protocol_tasks import TaskState, declared
from runway_mcp.server.tools.consent import Person
from runway_mcp.server.tools.definitions import TOOLS
from runway_mcp.server.tools.extend_video import ExtendVideo, extend_video
from runway_mcp.server.tools.get_task import GetTask, get_task
from runway_mcp.server.tools.list_assets import ListAssets, list_assets
from runway_mcp.server.tools.running_call import Call
from runway_mcp.server.tools.spending import day_of
from runway_mcp.tasks.failures import Failure, failure_of

_Output = TaskOutput | AssetsOutput | TaskState | InputRequiredResult


_RUN: dict[str, tuple[type[Arguments], Callable[[Call, Any], Awaitable[_Output]]]] = {
    "extend_video": (ExtendVideo, extend_video),
    "get_task": (GetTask, get_task),
    "list_assets": (ListAssets, list_assets),
}
_BEHAVES = {"extend_video": EXTENDS, "get_task": READS, "list_assets": LISTS}


async def list_tools(_ctx: RequestContext, _params: PaginatedRequestParams | None) -> ListToolsResult:
    """All tools on one page."""
    return ListToolsResult(tools=list(TOOLS.values()))


async def call_tool(
    ctx: RequestContext, params: CallToolRequestParams
) -> CallToolResult | TaskState | InputRequiredResult:
    """Makes one call; raises `MCPError` for an unknown tool, every other failure is a result.

    If the host asked for progress, it is notified at least every ten seconds.
    """
    arrived = anyio.current_time()
    if params.name not in _RUN:
        raise MCPError(INVALID_PARAMS, f"Unknown tool {in_quotes(params.name)}. The tools are {', '.join(_RUN)}.")
    context = ctx.lifespan_context
    model, _ = _RUN[params.name]
    arguments, waits = plain_arguments(model, params.arguments or {}), context.waits
    call = Call(
        context,
        Person(ctx, params),
        Progress(ctx.session.report_progress),
        arrived,
        Asked(params.name, arguments, waits.suggested(ctx), _BEHAVES[params.name]),
        takes_tasks=declared(ctx),
        default_wait=waits.default(ctx),
        longest_wait=waits.longest(ctx),
    )
    try:
        async with call.progress.kept_alive():
            result = await _answered(call)
    except anyio.get_cancelled_exc_class():
        by_default = call.asked.tool == "extend_video" and "wait_seconds" not in arguments
        waits.cut_off(ctx, anyio.current_time() - arrived, by_default=by_default)
        raise
    waits.answered(ctx, anyio.current_time() - arrived)
    return result


async def _answered(call: Call) -> CallToolResult | TaskState | InputRequiredResult:
    """The result of a call or of its failure; only cancellation passes through."""
    model, run = _RUN[call.asked.tool]
    try:
        _ = call.context.service
        output = await run(call, read_arguments(model, call.asked.tool, call.asked.arguments))
        return output if isinstance(output, (TaskState, InputRequiredResult)) else await _result(output, call)
    except InvalidArguments as refusal:
        return await _failed(Failure("invalid_request", refusal.message), call, refusal.step)
    except Failure as failure:
        return await _failed(failure, call)
    except RunwayError as error:
        return await _failed(failure_of(error), call)
    except Exception as error:  # noqa: BLE001  the result must say whether credits may be gone
        log_crash(call.asked.tool, error)
        return await _failed(_crash(call), call)


async def _failed(failure: Failure, call: Call, step: NextStep | None = None) -> CallToolResult:
    told = assets_failure if call.asked.tool == "list_assets" else failure_output
    return await _result(told(failure, call.asked, step=step), call)


async def _result(output: TaskOutput | AssetsOutput, call: Call) -> CallToolResult:
    if call.note:
        output = output.model_copy(update={"summary": f"{output.summary} {call.note}"})
    if isinstance(output, TaskOutput) and call.context.open_service is not None:
        output = with_day(output, await day_of(call.context))
    links = call.context.settings.resource_links
    if isinstance(output, AssetsOutput):
        return assets_result(output, links=links)
    return task_result(output, links=links)


def _crash(call: Call) -> Failure:
    """The failure of a crash; once a submit has begun, whether it was charged is unknown.

    The intent of a begun submit is in the ledger, so the identical call is a duplicate and posts nothing.
    """
    if call.accepted is not None:
        message = f"{CRASHED} The task was accepted before, as {call.accepted.task_id}, and goes on."
        return Failure("unexpected_response", message, charged="unknown", task=call.accepted)
    if call.spending:
        message = f"{CRASHED} A submit had begun; the same call looks for its task and never submits a second one."
        return Failure("submission_unknown", message, charged="unknown")
    return Failure("unexpected_response", CRASHED)
