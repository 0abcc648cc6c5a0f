"""Dispatches tool calls: arguments are validated, and every failure but an unknown tool is a result.

A submit is begun once and belongs to the process: it goes on when its call ends, for whatever reason.
"""

from typing import Any

import anyio
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, CallToolRequestParams

from runway_mcp.runway.errors import RunwayError
from runway_mcp.server.boundary import CRASHED, log_crash
from runway_mcp.server.context import RequestContext, context_of
from runway_mcp.server.contract.arguments import InvalidArguments, plain_arguments, read_arguments
from runway_mcp.server.contract.next_steps import Asked
from runway_mcp.server.contract.text import in_quotes
from runway_mcp.server.player.page import shows_player
from runway_mcp.server.progress import Progress
from runway_mcp.server.protocol_tasks import declared
from runway_mcp.server.tools.consent import Person
from runway_mcp.server.tools.record import Answer, ToolRecord
from runway_mcp.server.tools.records import RECORDS
from runway_mcp.server.tools.running_call import Call
from runway_mcp.settings import Settings
from runway_mcp.tasks.failures import Failure, failure_of


async def call_tool(ctx: RequestContext, params: CallToolRequestParams) -> Answer:
    """Makes one call; raises `MCPError` for an unknown tool, every other failure is a result.

    If the host asked for progress, it is notified at least every ten seconds.
    """
    arrived = anyio.current_time()
    context = context_of(ctx)
    record = _record(params.name, context.settings)
    arguments, waits = plain_arguments(record.arguments, params.arguments or {}), context.waits
    call = Call(
        context,
        Person(ctx, params),
        Progress(ctx.session.report_progress),
        arrived,
        Asked(record.name, arguments, waits.suggested(ctx), record.behaviour),
        takes_tasks=declared(ctx),
        shows_player=shows_player(ctx),
        default_wait=waits.default(ctx),
        longest_wait=waits.longest(ctx),
    )
    try:
        async with call.progress.kept_alive():
            result = await _answered(call, record)
    except anyio.get_cancelled_exc_class():
        by_default = record.behaviour.waits == "by_default" and "wait_seconds" not in arguments
        waits.cut_off(ctx, anyio.current_time() - arrived, by_default=by_default)
        raise
    waits.answered(ctx, anyio.current_time() - arrived)
    return result


def _record(name: str, settings: Settings) -> ToolRecord[Any]:
    """The tool of this name; raises `MCPError`, which lists the names that are offered."""
    for record in RECORDS:
        if record.name == name:
            return record
    offered = [record.name for record in RECORDS if record.offered(settings)]
    raise MCPError(INVALID_PARAMS, f"Unknown tool {in_quotes(name)}. The tools are {', '.join(offered)}.")


async def _answered(call: Call, record: ToolRecord[Any]) -> Answer:
    """The result of a call or of its failure; only cancellation passes through."""
    try:
        _ = call.context.service
        return await record.run(call, read_arguments(record.arguments, record.name, call.asked.arguments))
    except InvalidArguments as refusal:
        return await record.fail(call, Failure("invalid_request", refusal.message), refusal.step)
    except Failure as failure:
        return await record.fail(call, failure, None)
    except RunwayError as error:
        return await record.fail(call, failure_of(error), None)
    except Exception as error:  # noqa: BLE001  the result must say whether credits may be gone
        log_crash(record.name, error)
        return await record.fail(call, _crash(call), None)


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
