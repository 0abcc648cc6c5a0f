"""The tool `extend_video`: returns what was submitted before, prices an extension, or submits it once and waits."""

from typing import Annotated

import anyio
from mcp_types import InputRequiredResult
from pydantic import Field

from runway_mcp.runway.models import ExploreMode, Extension, MaxJobs, ReplyRef, ReplyUrl, Seed
from runway_mcp.server.contract import next_steps
from runway_mcp.server.contract.arguments import Addable, Arguments, Prompt, Reference, Wait
from runway_mcp.server.contract.outputs import TaskOutput
from runway_mcp.server.contract.task_results import earlier_output, failure_output, plan_output, task_output
from runway_mcp.server.player.page import SHOWN_BY_PLAYER
from runway_mcp.server.protocol_tasks import handed_over
from runway_mcp.server.reads import READING_SECONDS, balance_of, clip_id_of, earlier_of, note_end, plan_of
from runway_mcp.server.tools.answers import answer_task, fail_task
from runway_mcp.server.tools.record import Answer, ToolRecord
from runway_mcp.server.tools.running_call import Call, waited
from runway_mcp.server.tools.saving import warn_of_folder, with_saved
from runway_mcp.server.tools.spending import offer, refusal_of, spend
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.naming import is_id, spelling_of
from runway_mcp.tasks.spend.outcomes import Submitted
from runway_mcp.tasks.spend.plan import Plan, request_of
from runway_mcp.tasks.spend.submit import ANSWER_PATIENCE

_DESCRIPTION = (
    "Extends one of your Runway Gen-3 Alpha or Turbo videos and returns the whole longer film, which goes on from the "
    "last frame (see it by view_film). Use it when a clip should become longer; not for Gen-4 clips, uploads or films "
    "extended three times (list_assets tells), and not to wait for a task (get_task). Spends credits (an estimated 10 "
    "per added second, 40 per Turbo step, none with exploreMode) and cannot be undone: show the user a dry_run first, "
    "which also tells caps. The source stays as it is; a film has three extensions at most, to 40 s (Turbo 34 s). "
    "Prompts are moderated; a generation takes one to five minutes; if it is not ready in time the result holds its "
    "taskId for get_task. The same request is charged once: repeated, it returns the same film; another take needs "
    "another seed."
)

# How long a call that named no wait waits for another call's POST, in seconds.
_ANSWERED_WITHIN = 3.0


class ExtendVideo(Arguments):
    """The arguments of `extend_video`: upstream's request body, how long to wait, and whether to spend."""

    asset_id: Annotated[
        Reference,
        Field(
            alias="assetId",
            description=(
                "Video to extend: an assetId of list_assets, a finished task's taskId, a runway:// URI, a link to the "
                "film, or the exact name of one clip."
            ),
        ),
    ]
    text_prompt: Annotated[
        Prompt | None,
        Field(description="Your words for the shot that follows: what moves, the camera, the light. Default: none."),
    ] = None
    seconds: Annotated[
        Addable | None,
        Field(
            description=(
                "Seconds to add: 5 (default) or 10; Turbo: leave out, gains 8. Each step uses one of a film's three "
                "extensions, so 10 leads further."
            ),
        ),
    ] = None
    seed: Annotated[
        Seed | None,
        Field(description="Any number you choose, 1 to 4294967294; another seed, another take. Default: a random one."),
    ] = None
    explore_mode: Annotated[
        ExploreMode | None,
        Field(
            alias="exploreMode",
            description="True: free of credits but slower; needs Runway's Unlimited plan. Default: false.",
        ),
    ] = None
    reply_url: Annotated[
        ReplyUrl | None,
        Field(
            alias="replyUrl",
            description=(
                "Absolute http(s) URL of yours that useapi.net calls as the task goes on. Default: the account's."
            ),
        ),
    ] = None
    reply_ref: Annotated[
        ReplyRef | None,
        Field(
            alias="replyRef",
            description="Reference of yours, kept with the task. Default: one is made.",
        ),
    ] = None
    max_jobs: Annotated[
        MaxJobs | None,
        Field(
            alias="maxJobs",
            description="Refuse while this many tasks run on the account, 1 to 10. Default: the account's own limit.",
        ),
    ] = None
    wait_seconds: Annotated[
        Wait | None,
        Field(description="Seconds to wait for the film, 0 to 600. Default and cap: the server's setting, 45."),
    ] = None
    confirm: Annotated[
        str | None,
        Field(
            max_length=64,
            description="The id in a dry_run's quote, once the user agreed; only if its next call has it.",
        ),
    ] = None
    dry_run: Annotated[bool, Field(description="Check, price and show the lineage without submitting; free.")] = False


async def extend_video(call: Call, arguments: ExtendVideo) -> Answer:
    """The task of a request that was submitted before; else its plan, or its one submit and the wait for it.

    Where the policy asks for consent, the result may be the question. A host that takes protocol tasks gets one as soon
    as the task is known. Raises `Failure` and `RunwayError`.
    """
    deadline = call.deadline(arguments.wait_seconds)
    await call.progress.say("checking the clip")
    asked = request_of(dict(arguments))
    asked, spelling, earlier = await _found(call, asked, deadline, dry=arguments.dry_run)
    if earlier is not None and arguments.dry_run:
        return await answer_task(call, earlier_output(earlier, call.asked))
    if earlier is not None:
        submitted = await _answered_before(call, earlier, arguments, deadline)
        if submitted is not None:
            return await _told(call, submitted, arguments, deadline)
        if _reading(call, deadline, dry=False) <= 0:
            raise Failure("busy", _GIVEN_UP, retry_after=1.0)
    plan = await _plan(call, asked, spelling, deadline, dry=arguments.dry_run)
    if arguments.dry_run:
        return await answer_task(call, await _told_plan(call, plan))
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
        return await answer_task(call, failure_output(failure, call.asked, balance=balance))
    if isinstance(submitted, InputRequiredResult):
        return submitted
    return await _told(call, submitted, arguments, deadline)


async def _found(
    call: Call, asked: Extension, deadline: float, *, dry: bool
) -> tuple[Extension, str | None, Intent | None]:
    """The request with its clip's id, the caller's name for the clip, and the intent that answers it, if there is one.

    An id is looked up in the ledger first, so that a paid film is returned even if its clip is gone or upstream fails.
    A name may belong to another clip by now, so upstream resolves it first.
    """
    reference, caller = asked.asset_id, call.context.caller
    spelling = spelling_of(reference, caller)
    if is_id(reference) and (earlier := await earlier_of(call.context, asked, dry=dry)) is not None:
        return asked, None, earlier
    try:
        named = await clip_id_of(call.context, reference, seconds=_reading(call, deadline, dry=dry))
    except Failure as failure:
        if failure.kind not in ("not_found", "unavailable"):
            raise
        earlier = await earlier_of(call.context, _of_clip(asked, spelling), dry=dry)
        if earlier is None:
            raise
        return asked, None, earlier
    if named == reference:
        return asked, None, None
    resolved = _of_clip(asked, named)
    return resolved, spelling, await earlier_of(call.context, resolved, dry=dry)


def _of_clip(asked: Extension, asset_id: str) -> Extension:
    return asked.model_copy(update={"asset_id": asset_id})


_GIVEN_UP = (
    "Another call of this request waited for a slot and gave up, and this call has no time left to submit it; nothing "
    "was submitted."
)


async def _answered_before(call: Call, earlier: Intent, arguments: ExtendVideo, deadline: float) -> Submitted | None:
    call.spending = True
    submitted = await call.context.service.submissions.answer(
        earlier, deadline=deadline, say=call.progress.waiting, patience=_patience(arguments)
    )
    call.spending = submitted is not None
    return submitted


def _patience(arguments: ExtendVideo) -> float | None:
    """How long a call waits for the outcome of another call's POST: briefly, unless it named a wait."""
    return _ANSWERED_WITHIN if arguments.wait_seconds is None else None


_PLAYER_FOLLOWS = "The player shown to the user follows it to its end, and there is no need to wait for that."


async def _told(call: Call, submitted: Submitted, arguments: ExtendVideo, deadline: float) -> Answer:
    """The film at the end of the wait, or where the task stands.

    A call that names no wait does not wait for a duplicate, nor where the host shows the player.
    """
    call.accepted = submitted.task
    if not submitted.task.is_terminal:
        if call.takes_tasks:
            return handed_over(call.context, submitted.task, submitted.intent)
        await call.progress.task(submitted.task)
    at_once = arguments.wait_seconds is None and (submitted.twin or call.shows_player)
    task = submitted.task if at_once else await waited(call, submitted.task, deadline)
    if at_once and call.shows_player and not task.is_terminal:
        call.remark(_PLAYER_FOLLOWS)
    await note_end(call.context, task)
    balance = submitted.task.features
    output = task_output(task, call.asked, intent=submitted.intent, balance=balance, twin=submitted.twin)
    waiting = None if at_once else deadline
    return await answer_task(call, await with_saved(call, output, task, submitted.intent, deadline=waiting))


_REFUSED_NOW = "Nothing was submitted, and the real call would be refused now."
_CALLED_BACK = (
    "This server will be called back when the task ends, so the replyUrl that is set in the useapi.net account will "
    "not be."
)


async def _told_plan(call: Call, plan: Plan) -> TaskOutput:
    """A dry run: price, balance, extensions left, whether the caps allow it, and a quote where one is needed.

    A request that was submitted before under another spelling of its clip gets its earlier intent.
    """
    earlier = await earlier_of(call.context, _of_clip(plan.asked, plan.source.asset_id), dry=True)
    if earlier is not None:
        return earlier_output(earlier, call.asked)
    refusal = await refusal_of(call.context, plan)
    if refusal is not None:
        step = next_steps.shorter(call.asked.arguments, refusal.fewer) if refusal.fewer else None
        output = plan_output(plan, await balance_of(call.context.service.client, plan.account), step=step)
        return output.model_copy(update={"summary": f"{_REFUSED_NOW} {refusal.message}"})
    if call.context.settings.public_url and plan.asked.reply_url is None:
        call.remark(_CALLED_BACK)
    await warn_of_folder(call)
    threshold = call.context.settings.confirm_above
    is_needed = threshold is not None and plan.cost > threshold
    quote = await offer(call.context, plan) if is_needed else None
    step = next_steps.submit(call.asked, plan.source.asset_id, plan.cost, quote.id if quote else None)
    return plan_output(plan, await balance_of(call.context.service.client, plan.account), quote=quote, step=step)


async def _plan(call: Call, asked: Extension, spelling: str | None, deadline: float, *, dry: bool) -> Plan:
    """The plan of an extension, within the seconds that are left for reads."""
    seconds = _reading(call, deadline, dry=dry)
    return await plan_of(call.context, asked, spelling=spelling, seconds=seconds, patience=seconds / 3)


def _reading(call: Call, deadline: float, *, dry: bool) -> float:
    """How many seconds are left for reads; unless it is a dry run, the submit keeps those that it needs."""
    reserve = 0.0 if dry else ANSWER_PATIENCE
    return call.arrived + max(deadline - call.arrived - reserve, READING_SECONDS) - anyio.current_time()


EXTEND_VIDEO = ToolRecord(
    name="extend_video",
    title="Extend a Runway video",
    description=_DESCRIPTION,
    arguments=ExtendVideo,
    output=TaskOutput,
    behaviour=next_steps.EXTENDS,
    run=extend_video,
    fail=fail_task,
    read_only=False,
    in_full=True,
    meta=SHOWN_BY_PLAYER,
)
"""The tool that spends."""
