"""Dispatches tool calls: arguments are validated, and every failure but an unknown tool is a result.

A submit is begun once and belongs to the process: it goes on when its call ends, for whatever reason.
"""

from typing import Any, Final

import anyio
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, CallToolRequestParams, CallToolResult

from runway_mcp.logs import said_of
from runway_mcp.runway.errors import RunwayError
from runway_mcp.server.boundary import CRASHED, log_crash
from runway_mcp.server.calls.consent import Person
from runway_mcp.server.calls.running_call import Answer, Call
from runway_mcp.server.context import RequestContext, ServerContext, context_of
from runway_mcp.server.contract.arguments import Arguments, InvalidArguments, plain_arguments, read_arguments
from runway_mcp.server.contract.next_steps import Asked
from runway_mcp.server.contract.results.text import in_quotes
from runway_mcp.server.player.page import shows_player
from runway_mcp.server.progress import Progress
from runway_mcp.server.protocol_tasks import declared
from runway_mcp.server.result_cache import memory_key
from runway_mcp.server.tools.record import ToolRecord
from runway_mcp.server.tools.records import RECORDS
from runway_mcp.settings import Settings
from runway_mcp.tasks.failures import Failure, failure_of
from runway_mcp.telemetry import Meter

_OUTCOMES: Final = {"busy": "busy", "declined": "declined", "invalid_request": "invalid", "not_found": "invalid"}
# What a call may end with that has begun to spend and posted nothing.
_BEFORE_POSTS: Final = frozenset({"busy", "declined", "spend_limit"})


async def call_tool(ctx: RequestContext, params: CallToolRequestParams) -> Answer | dict[str, Any]:
    """Makes one call; raises `MCPError` for an unknown tool, every other failure is a result.

    If the host asked for progress, it is notified at least every ten seconds. A result that stays true is told from
    memory for a minute.
    """
    arrived = anyio.current_time()
    context = context_of(ctx)
    record, waits, result_cache = _record(params.name, context.settings), context.waits, context.result_cache
    waits.arrived(ctx)
    key = memory_key(context.caller, record.name, params.arguments, waits.suggested(ctx))
    if (known := result_cache.recall(key)) is not None:
        waits.answered(ctx, 0.0)
        return known
    arguments = plain_arguments(record.arguments, params.arguments or {})
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
        with said_of(caller=context.caller):
            result = await _answered(call, record)
    except anyio.get_cancelled_exc_class():
        by_default = record.behaviour.waits == "by_default" and "wait_seconds" not in arguments
        waits.cut_off(ctx, anyio.current_time() - arrived, by_default=by_default)
        raise
    waits.answered(ctx, anyio.current_time() - arrived)
    _count(ctx.lifespan_context.meter, call, result)
    if not record.read_only and not call.lasts:
        result_cache.forget()
    elif call.lasts and call.note is None and _is_of_no_day(context) and isinstance(result, CallToolResult):
        result_cache.remember(key, result)
    return result


def _count(meter: Meter | None, call: Call, result: Answer) -> None:
    """Counts a call for a submit that made none; what became of submits is counted where the audit tells it."""
    if meter is None or not call.asked.behaviour.spends or call.asked.arguments.get("dry_run"):
        return
    told: dict[str, Any] = (result.structured_content or {}) if isinstance(result, CallToolResult) else {}
    kind = told.get("error", {}).get("kind")
    if kind is None or told.get("twin") or (call.spending and kind not in _BEFORE_POSTS):
        return
    meter.submitted(_OUTCOMES.get(kind, "refused"))


def _is_of_no_day(context: ServerContext) -> bool:
    """Whether results tell nothing of the cap of a day, which every submit changes."""
    return context.settings.max_credits_per_day is None


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
        read = read_arguments(record.arguments, record.name, call.asked.arguments)
        if record.behaviour.spends and not getattr(read, "dry_run", False):
            call.context.check_may_spend()
        async with call.progress.kept_alive():
            return await _run(call, record, read)
    except InvalidArguments as refusal:
        # It depends on the call alone, and agents that repeat one repeat it often.
        call.lasts = True
        return await record.fail(call, Failure("invalid_request", refusal.message), refusal.step)
    except Failure as failure:
        return await record.fail(call, failure, None)


async def _run(call: Call, record: ToolRecord[Any], read: Arguments) -> Answer:
    try:
        return await record.run(call, read)
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
