"""The tools: what each does with its arguments, and the boundary where every failure becomes a result.

A call is bounded by its wait, counted from its arrival. What spends is begun once and belongs to the process; a call
that ends, for whatever reason, leaves it running.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
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
from runway_mcp.runway.models import Task
from runway_mcp.server.boundary import CRASHED, log_crash
from runway_mcp.server.context import RequestContext, ServerContext
from runway_mcp.server.contract import next_steps
from runway_mcp.server.contract.arguments import (
    Arguments,
    ExtendVideo,
    GetTask,
    InvalidArguments,
    ListAssets,
    plain_arguments,
    read_arguments,
)
from runway_mcp.server.contract.asset_results import assets_output
from runway_mcp.server.contract.next_steps import Asked
from runway_mcp.server.contract.outputs import AssetsOutput, NextStep, TaskOutput
from runway_mcp.server.contract.task_results import (
    assets_failure,
    earlier_output,
    failure_output,
    plan_output,
    task_output,
    with_day,
)
from runway_mcp.server.contract.text import quoted
from runway_mcp.server.contract.tool_results import assets_result, task_result
from runway_mcp.server.progress import Progress
from runway_mcp.server.protocol_tasks import TaskState, declared, handed_over
from runway_mcp.server.reads import (
    READING_SECONDS,
    balance_of,
    earlier_of,
    extended_by,
    note_end,
    plan_of,
    read_named,
    resolved,
    task_id_of,
    wish_of,
)
from runway_mcp.server.tools.consent import Person
from runway_mcp.server.tools.definitions import TOOLS
from runway_mcp.server.tools.spending import day_of, offer, refusal_of, spend
from runway_mcp.tasks.failures import Failure, failure_of
from runway_mcp.tasks.follow.waiting import wait_for
from runway_mcp.tasks.history import intent_of
from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.listing import Page, list_page
from runway_mcp.tasks.naming import is_id, spelling_of
from runway_mcp.tasks.spend.plan import Plan, Wish
from runway_mcp.tasks.spend.submit import ANSWER_PATIENCE, Submitted

# What a listing gets however long the wait may be, in seconds.
LISTING_SECONDS = 40.0

# After so many seconds without upstream's word on a task, since reads fail, the result says so.
_SILENCE = 10.0

# Within so many seconds a call that named no wait hears of another call's POST.
_ANSWERED_WITHIN = 3.0

_Output = TaskOutput | AssetsOutput | TaskState | InputRequiredResult


@dataclass
class Call:
    """One tool call: what it may reach, when it arrived, what it asked, and how far its spending went.

    `takes_tasks` tells that its host follows a task of the protocol by itself instead of waiting for the result;
    `default_wait` and `longest_wait` are how many seconds it waits if it names no wait, and at most; `note` is one more
    sentence for its result, whatever that will be.
    """

    context: ServerContext
    person: Person
    progress: Progress
    arrived: float
    asked: Asked
    takes_tasks: bool
    default_wait: float
    longest_wait: int
    note: str | None = None
    spending: bool = False
    accepted: Task | None = None

    def remark(self, sentence: str) -> None:
        """Adds a sentence to what the result will say."""
        self.note = f"{self.note} {sentence}" if self.note else sentence

    def deadline(self, wanted: int | None) -> float:
        """When the call must return for a wanted wait (None: the default); notes if that was cut."""
        most, granted = self.context.settings.wait_seconds, self.longest_wait
        if wanted is None:
            return self.arrived + self.default_wait
        if wanted > granted:
            why = "this server's limit" if granted >= most else "since this host ended longer calls"
            asked = self.asked.arguments.get("wait_seconds")
            self.remark(f"wait_seconds was cut from {asked} to {granted}, {why}.")
        return self.arrived + min(wanted, granted)


async def extend_video(call: Call, arguments: ExtendVideo) -> TaskOutput | TaskState | InputRequiredResult:
    """Answers a request that was submitted before; else plans it, and tells the plan or submits it once and waits.

    Where the user's policy ask for it, the result may be a question to the person instead. A host that takes tasks gets
    one as soon as the task is known.
    """
    deadline = call.deadline(arguments.wait_seconds)
    await call.progress.say("checking the clip")
    wish, earlier = await _found(call, wish_of(arguments), deadline, dry=arguments.dry_run)
    if earlier is not None and arguments.dry_run:
        return earlier_output(earlier, call.asked)
    if earlier is not None:
        submitted = await _answered_before(call, earlier, arguments, deadline)
        if submitted is not None:
            return await _told(call, submitted, arguments, deadline)
    plan = await _plan(call, wish, deadline, dry=arguments.dry_run)
    if arguments.dry_run:
        return await _told_plan(call, plan)
    call.spending = True
    try:
        submitted = await spend(
            call.context,
            call.person,
            plan,
            confirm=arguments.confirm,
            deadline=deadline,
            say=call.progress.waiting,
            patience=_patience(arguments),
        )
    except Failure as failure:
        if failure.kind != "insufficient_credits":
            raise
        balance = await balance_of(call.context.service.client, plan.account)
        return failure_output(failure, call.asked, balance=balance)
    if isinstance(submitted, InputRequiredResult):
        return submitted
    return await _told(call, submitted, arguments, deadline)


async def _found(call: Call, wish: Wish, deadline: float, *, dry: bool) -> tuple[Wish, Intent | None]:
    """The wish with its clip's long id, and the intent that answers it, if there is one.

    The ledger is asked first, so that a paid film comes back although its clip is gone or upstream is away; a name may
    belong to another clip today, so there upstream goes first.
    """
    if is_id(wish.asset_id) and (earlier := await earlier_of(call.context, wish, dry=dry)) is not None:
        return wish, earlier
    try:
        named = await resolved(call.context, wish, seconds=_reading(call, deadline, dry=dry))
    except Failure as failure:
        if failure.kind not in ("not_found", "unavailable"):
            raise
        earlier = await earlier_of(call.context, replace(wish, asset_id=spelling_of(wish.asset_id)), dry=dry)
        if earlier is None:
            raise
        return wish, earlier
    return named, await earlier_of(call.context, named, dry=dry) if named is not wish else None


async def _answered_before(call: Call, earlier: Intent, arguments: ExtendVideo, deadline: float) -> Submitted | None:
    call.spending = True
    submitted = await call.context.service.submissions.answer(
        earlier, deadline=deadline, say=call.progress.waiting, patience=_patience(arguments)
    )
    call.spending = submitted is not None
    return submitted


def _patience(arguments: ExtendVideo) -> float | None:
    """For how long a call waits for the outcome of another call's POST: briefly, unless it named a wait."""
    return _ANSWERED_WITHIN if arguments.wait_seconds is None else None


async def _told(call: Call, submitted: Submitted, arguments: ExtendVideo, deadline: float) -> TaskOutput | TaskState:
    """The film at the end of the wait, or where the task stands; an earlier submit is told at once by default."""
    call.accepted = submitted.task
    if not submitted.task.is_terminal:
        if call.takes_tasks:
            return handed_over(call.context, submitted.task, submitted.intent)
        await call.progress.task(submitted.task)
    at_once = submitted.twin and arguments.wait_seconds is None
    task = submitted.task if at_once else await _waited(call, submitted.task, deadline)
    await note_end(call.context, task)
    balance = submitted.task.features
    return task_output(task, call.asked, intent=submitted.intent, balance=balance, twin=submitted.twin)


_SILENT = (
    "Runway's answers have failed for {silence:.0f} s, so this is how the task stood before; it goes on there, and it "
    "is still being followed."
)
_REFUSED_NOW = "Nothing was submitted, and the real call would be refused now."
_CALLED_BACK = (
    "This server will be called back when the task ends, so the replyUrl that is set in the useapi.net account will "
    "not be."
)


async def _waited(call: Call, task: Task, deadline: float) -> Task:
    """The task at its end, or as it was last told; remarks if upstream has not told of it for long."""
    watcher = call.context.service.watcher
    if deadline > anyio.current_time():
        task = await wait_for(watcher, task, deadline=deadline, tell=call.progress.task)
    silence = watcher.silence(task.task_id)
    if silence is not None and silence >= _SILENCE:
        call.remark(_SILENT.format(silence=silence))
    return task


async def _told_plan(call: Call, plan: Plan) -> TaskOutput:
    """A dry run: price, balance, what is left, whether the caps allow it, and a quote to confirm it with.

    A request that was submitted before under another spelling of its clip is told as that.
    """
    earlier = await earlier_of(call.context, replace(plan.wish, asset_id=plan.source.asset_id), dry=True)
    if earlier is not None:
        return earlier_output(earlier, call.asked)
    refusal = await refusal_of(call.context, plan)
    if refusal is not None:
        step = next_steps.shorter(call.asked.arguments, refusal.fewer) if refusal.fewer else None
        output = plan_output(plan, await balance_of(call.context.service.client, plan.account), step=step)
        return output.model_copy(update={"summary": f"{_REFUSED_NOW} {refusal.message}"})
    if call.context.settings.public_url and plan.wish.reply_url is None:
        call.remark(_CALLED_BACK)
    threshold = call.context.settings.confirm_above
    is_needed = threshold is not None and plan.cost > threshold
    quote = await offer(call.context, plan) if is_needed else None
    step = next_steps.submit(call.asked, plan.source.asset_id, plan.cost, quote.id if quote else None)
    return plan_output(plan, await balance_of(call.context.service.client, plan.account), quote=quote, step=step)


async def get_task(call: Call, arguments: GetTask) -> TaskOutput | TaskState:
    """Reads a task; waits for its end as long as was asked, or leaves that to a host that takes tasks."""
    context = call.context
    deadline = call.deadline(arguments.wait_seconds)
    seconds = max(deadline - anyio.current_time(), READING_SECONDS)
    task_id = await task_id_of(context, arguments.task_id, seconds=seconds)
    task = await read_named(context, task_id, wait=deadline - anyio.current_time())
    intent = await intent_of(context.service, task.task_id)
    if call.takes_tasks and not task.is_terminal and deadline > anyio.current_time():
        return handed_over(context, task, intent)
    task = await _waited(call, task, deadline)
    await note_end(context, task)
    source = None if intent else await extended_by(context, task)
    return task_output(task, call.asked, intent=intent, source=source)


async def list_assets(call: Call, arguments: ListAssets) -> AssetsOutput:
    """Reads a page of assets with the verdicts on them."""
    service, settings = call.context.service, call.context.settings
    page = Page(
        arguments.media_type,
        arguments.offset,
        arguments.limit,
        arguments.email or settings.email,
        arguments.query,
        arguments.extendable_only,
    )
    seconds = min(max(settings.wait_seconds, READING_SECONDS), LISTING_SECONDS)
    return assets_output(await list_page(service.client, service.ledger, page, seconds=seconds), call.asked)


_RUN: dict[str, tuple[type[Arguments], Callable[[Call, Any], Awaitable[_Output]]]] = {
    "extend_video": (ExtendVideo, extend_video),
    "get_task": (GetTask, get_task),
    "list_assets": (ListAssets, list_assets),
}


async def list_tools(_ctx: RequestContext, _params: PaginatedRequestParams | None) -> ListToolsResult:
    """All tools on one page."""
    return ListToolsResult(tools=list(TOOLS.values()))


async def call_tool(
    ctx: RequestContext, params: CallToolRequestParams
) -> CallToolResult | TaskState | InputRequiredResult:
    """Makes one call; raises `MCPError` for an unknown tool, and tells every other failure as a result.

    While the call runs its host hears something at least every ten seconds, if it asked for progress.
    """
    arrived = anyio.current_time()
    if params.name not in _RUN:
        raise MCPError(INVALID_PARAMS, f"Unknown tool {quoted(params.name)}. The tools are {', '.join(_RUN)}.")
    context = ctx.lifespan_context
    model, _ = _RUN[params.name]
    arguments, waits = plain_arguments(model, params.arguments or {}), context.waits
    call = Call(
        context,
        Person(ctx, params),
        Progress(ctx.session.report_progress),
        arrived,
        Asked(params.name, arguments, waits.suggested(ctx)),
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
    """The result of a call, whatever happens but its cancellation."""
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
    except Exception as error:  # noqa: BLE001  whatever it is, the host must hear what it means for the user's money
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
    """What a fault of our own means: once a submit has begun, only looking tells whether it was charged.

    The intent of a begun submit is in the ledger, so the identical call is its twin and posts nothing.
    """
    if call.accepted is not None:
        message = f"{CRASHED} The task was accepted before, as {call.accepted.task_id}, and goes on."
        return Failure("unexpected_response", message, charged="unknown", task=call.accepted)
    if call.spending:
        message = f"{CRASHED} A submit had begun; the same call looks for its task and never submits a second one."
        return Failure("submission_unknown", message, charged="unknown")
    return Failure("unexpected_response", CRASHED)


async def _plan(call: Call, wish: Wish, deadline: float, *, dry: bool) -> Plan:
    """The plan of an extension, as far as there is time to read."""
    seconds = _reading(call, deadline, dry=dry)
    return await plan_of(call.context, wish, seconds=seconds, patience=seconds / 3)


def _reading(call: Call, deadline: float, *, dry: bool) -> float:
    """How many seconds are left to read in, so that a submit, if there is one to be, has those that it needs."""
    reserve = 0.0 if dry else ANSWER_PATIENCE
    return call.arrived + max(deadline - call.arrived - reserve, READING_SECONDS) - anyio.current_time()
