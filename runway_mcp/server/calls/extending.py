"""Extending on behalf of `extend_video`: plan and price, the one submit, the wait for the film.

`wait` is the wait that a call named, in seconds; None if it named none.
"""

from dataclasses import replace

from mcp_types import InputRequiredResult

from runway_mcp.runway.models import Extension
from runway_mcp.server.calls.answers import PLAYER_FOLLOWS, REFUSED_NOW, answer_task
from runway_mcp.server.calls.refusals import refused_by_runway
from runway_mcp.server.calls.requests import of_clip, reading_seconds
from runway_mcp.server.calls.running_call import Answer, Call, waited
from runway_mcp.server.calls.saving import warn_of_folder, with_saved
from runway_mcp.server.calls.spending import explored, offer, refusal_of, spend
from runway_mcp.server.contract import next_steps
from runway_mcp.server.contract.after_failures import that_fits
from runway_mcp.server.contract.outputs import TaskOutput
from runway_mcp.server.contract.results.tasks import earlier_output, failure_output, plan_output, task_output
from runway_mcp.server.protocol_tasks import handed_over
from runway_mcp.server.reads import balance_of, earlier_of, note_end, plan_of
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.spend.outcomes import Submitted
from runway_mcp.tasks.spend.plan import Plan

# How long a call that named no wait waits for another call's POST, in seconds.
_ANSWERED_WITHIN = 3.0

_GIVEN_UP = (
    "Another call of this request waited for a slot and gave up, and this call has no time left to submit it; nothing "
    "was submitted."
)
_CALLED_BACK = (
    "This server will be called back when the task ends, so the replyUrl that is set in the useapi.net account will "
    "not be."
)


async def answered_before(
    call: Call, earlier: Intent, deadline: float, *, dry: bool, wait: int | None
) -> Answer | None:
    """What an earlier call of the request came to; None if that gave up before its submit, and this one may go on."""
    if dry:
        return await answer_task(call, earlier_output(earlier, call.asked))
    call.spending = True
    submissions = call.context.service.submissions
    answer = submissions.answer(
        earlier,
        deadline=deadline,
        say=call.progress.waiting,
        patience=_patience(wait),
        within=call.context.waits.waiting,
    )
    submitted = await submissions.audit.repeated(earlier, answer)
    call.spending = submitted is not None
    if submitted is not None:
        return await extension_told(call, submitted, deadline, wait=wait)
    if reading_seconds(call, deadline, dry=False) <= 0:
        raise Failure("busy", _GIVEN_UP, retry_after=1.0)
    return None


async def planned_extension(call: Call, asked: Extension, spelling: str | None, deadline: float, *, dry: bool) -> Plan:
    """The plan of an extension, within the seconds that are left for reads."""
    seconds = reading_seconds(call, deadline, dry=dry)
    try:
        return await plan_of(call.context, asked, spelling=spelling, seconds=seconds, patience=seconds / 3)
    except Failure as failure:
        if not failure.instead:
            raise
        taken = await earlier_of(call.context, of_clip(asked, failure.instead), dry=True) is not None
        raise replace(failure, taken=taken) from failure


async def extension_priced(call: Call, plan: Plan) -> TaskOutput:
    """A dry run: price, balance, extensions left, whether the caps allow it, and a quote where one is needed.

    A request that was submitted before under another spelling of its clip gets its earlier intent.
    """
    earlier = await earlier_of(call.context, of_clip(plan.asked, plan.source.asset_id), dry=True)
    if earlier is not None:
        return earlier_output(earlier, call.asked)
    refusal = await refusal_of(call.context, plan)
    if refusal is not None:
        step = that_fits(refusal, call.asked.arguments)
        output = plan_output(plan, await balance_of(call.context.service.client, plan.account), step=step)
        return output.model_copy(update={"summary": f"{REFUSED_NOW} {refusal.message}"})
    if call.context.settings.public_url and plan.asked.reply_url is None:
        call.remark(_CALLED_BACK)
    await warn_of_folder(call)
    threshold = call.context.settings.confirm_above
    is_needed = threshold is not None and plan.cost > threshold
    quote = await offer(call.context, plan) if is_needed else None
    step = next_steps.submit(call.asked, plan.source.asset_id, plan.cost, quote.id if quote else None)
    balance = await balance_of(call.context.service.client, plan.account)
    return plan_output(plan, balance, quote=quote, step=step, explored=await explored(call.context, plan))


async def submit_extension(call: Call, plan: Plan, deadline: float, *, confirm: str | None, wait: int | None) -> Answer:
    """Submits once, and tells the film at the end of the wait; or the question whether the person agrees."""
    call.spending = True
    try:
        submitted = await spend(
            call.context,
            call.person,
            plan,
            confirm=confirm,
            deadline=deadline,
            say=call.progress.waiting,
            patience=_patience(wait),
        )
    except Failure as failure:
        if failure.kind != "insufficient_credits":
            raise refused_by_runway(call, failure, plan) from failure
        balance = await balance_of(call.context.service.client, plan.account)
        return await answer_task(call, failure_output(failure, call.asked, balance=balance))
    is_question = isinstance(submitted, InputRequiredResult)
    return submitted if is_question else await extension_told(call, submitted, deadline, wait=wait)


async def extension_told(call: Call, submitted: Submitted, deadline: float, *, wait: int | None) -> Answer:
    """The film at the end of the wait, or where the task stands.

    A call that names no wait does not wait for a duplicate, nor where the host shows the player.
    """
    call.accepted = submitted.task
    if not submitted.task.is_terminal:
        if call.takes_tasks:
            return handed_over(call.context, submitted.task, submitted.intent)
        await call.progress.task(submitted.task)
    at_once = wait is None and (submitted.twin or call.shows_player)
    task = submitted.task if at_once else await waited(call, submitted.task, deadline)
    if at_once and call.shows_player and not task.is_terminal:
        call.remark(PLAYER_FOLLOWS)
    await note_end(call.context, task)
    balance = submitted.task.features
    output = task_output(task, call.asked, intent=submitted.intent, balance=balance, twin=submitted.twin)
    waiting = None if at_once else deadline
    return await answer_task(call, await with_saved(call, output, task, submitted.intent, deadline=waiting))


def _patience(wait: int | None) -> float | None:
    """How long a call waits for the outcome of another call's POST: briefly, unless it named a wait."""
    return _ANSWERED_WITHIN if wait is None else None
