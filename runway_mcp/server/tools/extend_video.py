"""The tool `extend_video`: returns what was submitted before, prices an extension, or submits it once and waits."""

from typing import Annotated

from pydantic import AfterValidator, Field

from runway_mcp.runway.models import LARGEST_SEED, STORABLE, ExploreMode, Extension, MaxJobs, ReplyRef, ReplyUrl, Seed
from runway_mcp.server.calls.answers import answer_task, fail_task
from runway_mcp.server.calls.continuing import Wish, continue_clip, continued_before, model_to_continue_with
from runway_mcp.server.calls.extending import (
    answered_before,
    extension_priced,
    extension_told,
    planned_extension,
    submit_extension,
)
from runway_mcp.server.calls.requests import BY_NAME_ALONE, found_request, of_clip
from runway_mcp.server.calls.running_call import Answer, Call
from runway_mcp.server.continued import continuations_of, film_named
from runway_mcp.server.contract import next_steps
from runway_mcp.server.contract.arguments import Addable, Arguments, Prompt, Reference, Wait
from runway_mcp.server.contract.outputs import TaskOutput
from runway_mcp.server.player.page import SHOWN_BY_PLAYER
from runway_mcp.server.reads import earlier_of
from runway_mcp.server.tools.record import ToolRecord
from runway_mcp.tasks.catalogue import CREATE_MODELS, MODELS
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.intents import AUTO, Intent
from runway_mcp.tasks.naming import is_id, spelling_of
from runway_mcp.tasks.spend.plan import Plan, request_of
from runway_mcp.values import either

_DESCRIPTION = (
    "Makes one of your Runway videos longer and returns the whole longer film, or an id for get_task while it is "
    "made. Use it once list_assets has found the clip and view_film has shown its last frame, where it goes on; to "
    "wait for a submitted task, use get_task instead. Gen-3 Alpha and Turbo clips have three extensions, to "
    "at most 40 s (Turbo 34 s); any clip or film can be continued by a `model`, without limit, as one joined film. "
    "Spends credits (estimates: gen4-turbo 5/s, Gen-3 Alpha 10/s, other models at most 12/s, Gen-3 Turbo 40 a step) "
    "and cannot be undone or cancelled: show the user a dry_run first. Takes minutes; prompts are moderated. The same "
    "request is charged once, for one film; another take needs another seed."
)

_AUTOMATIC = ("auto", *MODELS)
_CREATING = either(list(CREATE_MODELS))


def _model(value: str) -> str:
    """The name of a model; `auto` for the native extension. Other spellings are refused with the one that fits."""
    name = value.strip().lower()
    if name in _AUTOMATIC:
        return "auto"
    if name in CREATE_MODELS:
        return name
    import difflib  # noqa: PLC0415  only where a name fits nothing

    near = difflib.get_close_matches(name.replace("_", "-").replace(" ", "-"), CREATE_MODELS, 1, 0.7)
    meant = f"; did you mean {near[0]}?" if near else "."
    raise ValueError(f"model must be auto, {_CREATING}{meant}")


class ExtendVideo(Arguments):
    """The arguments of `extend_video`: upstream's request body, how long to wait, and whether to spend."""

    asset_id: Annotated[
        Reference,
        Field(
            alias="assetId",
            description=(
                "Video to extend: an assetId of list_assets, a finished task's taskId, a film's id, a runway:// URI, a "
                "link to the film, or the exact name of one clip."
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
                "Seconds to add: 5 (default) or 10, with gen4.5 also 8; Gen-3 Turbo under auto: only 8, its default. "
                "Three steps of 10 make the longest Gen-3 Alpha film."
            ),
        ),
    ] = None
    model: Annotated[
        str | None,
        AfterValidator(_model),
        Field(
            description=(
                "auto (default): Runway's own extension, Gen-3 clips only. Any other continues every clip or film from "
                "its last frame; a dry_run names one where auto cannot extend."
            ),
            json_schema_extra={"enum": ["auto", *CREATE_MODELS]},
        ),
    ] = None
    seed: Annotated[
        Seed | None,
        Field(
            description=f"Any number 1 to {LARGEST_SEED}; a new one, another take. Default: random, kept for repeats."
        ),
    ] = None
    explore_mode: Annotated[
        ExploreMode | None,
        Field(
            alias="exploreMode",
            description=(
                "True: costs no credits, also with a model, but is slower; needs Runway's Unlimited plan. Default: "
                "false."
            ),
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
            description=(
                "Most tasks to run on the account at once, 1 to 10; at that number the call waits for one to end. "
                "Default: the account's own limit."
            ),
        ),
    ] = None
    wait_seconds: Annotated[
        Wait | None,
        Field(
            description=(
                "Seconds to wait for the film before an id is returned, 0 to 600; above the server's 45 counts as 45. "
                "Default: 45."
            ),
        ),
    ] = None
    confirm: Annotated[
        Annotated[str, STORABLE] | None,
        Field(
            max_length=64,
            description="The id in a dry_run's quote, once the user agreed; only if its next_step has confirm.",
        ),
    ] = None
    dry_run: Annotated[
        bool, Field(description="True: checks, prices and shows the lineage, free, without submitting.")
    ] = False


async def extend_video(call: Call, arguments: ExtendVideo) -> Answer:
    """An extension, or the continuation of a film, of a clip with the model that is named, or of one without extension.

    Where the policy asks for consent, the result may be the question. A host that takes protocol tasks gets one as soon
    as the task is known. Raises `Failure` and `RunwayError`.
    """
    deadline = call.deadline(arguments.wait_seconds)
    await call.progress.say("checking the clip")
    asked = request_of(dict(arguments))
    named = None if arguments.model in (None, "auto") else arguments.model
    film = await film_named(call.context, asked.asset_id)
    if named is None and (film is not None or is_id(asked.asset_id)):
        source = of_clip(asked, film.film_id) if film is not None else asked
        named = await _continued_with(call, source, dry=arguments.dry_run)
    if named is not None or film is not None:
        return await continue_clip(call, _wish(call, arguments, asked, deadline, named))
    return await _extended(call, arguments, asked, deadline)


def _wish(
    call: Call,
    arguments: ExtendVideo,
    asked: Extension,
    deadline: float,
    named: str | None,
    *,
    spelling: str | None = None,
    why: Failure | None = None,
) -> Wish:
    model, is_named = model_to_continue_with(call, named)
    return Wish(
        asked,
        model,
        named=is_named,
        dry=arguments.dry_run,
        deadline=deadline,
        wait=arguments.wait_seconds,
        confirm=arguments.confirm,
        is_auto=arguments.model in (None, "auto"),
        spelling=spelling,
        why=why,
    )


async def _extended(call: Call, arguments: ExtendVideo, asked: Extension, deadline: float) -> Answer:
    """The task of a request that was submitted before; else its plan, or its one submit and the wait for it."""
    dry = arguments.dry_run
    try:
        clip, spelling, earlier = await found_request(call, asked, deadline, dry=dry)
    except Failure:
        # Nobody tells which clip it is; a film that was made by this name is told by the name alone.
        by_name = of_clip(asked, spelling_of(asked.asset_id, call.context.caller))
        name = await _continued_with(call, by_name, dry=dry)
        model = CREATE_MODELS[name] if name is not None else None
        made = await earlier_of(call.context, by_name, dry=dry, model=model) if model is not None else None
        if made is None:
            raise
        if dry:
            call.remark(BY_NAME_ALONE)
        # The name is not looked up again: by now it may be another clip's.
        return await continued_before(call, _wish(call, arguments, asked, deadline, name), made)
    if clip.asset_id != asked.asset_id:
        # A name, a link or a uuid may have been that of a film's upload, which is the film.
        film = await film_named(call.context, clip.asset_id)
        source = of_clip(clip, film.film_id) if film is not None else clip
        model = await _continued_with(call, source, dry=dry)
        if model is not None or film is not None:
            return await continue_clip(call, _wish(call, arguments, source, deadline, model))
    if earlier is not None:
        answer = await answered_before(call, earlier, deadline, dry=dry, wait=arguments.wait_seconds)
        if answer is not None:
            return answer
        # The earlier call has looked up what the id stands for; a name may be another clip's by now.
        if is_id(asked.asset_id):
            clip = of_clip(clip, earlier.source_asset_id)
    return await _extended_or_continued(call, arguments, clip, spelling, deadline)


async def _extended_or_continued(
    call: Call, arguments: ExtendVideo, clip: Extension, spelling: str | None, deadline: float
) -> Answer:
    """The extension of a clip that was looked up, or what it would be and cost; its continuation if it has none."""
    dry = arguments.dry_run
    try:
        plan = await _extendable(call, clip, spelling, deadline, dry=dry)
        if dry:
            return await answer_task(call, await extension_priced(call, plan))
        return await submit_extension(call, plan, deadline, confirm=arguments.confirm, wait=arguments.wait_seconds)
    except Failure as failure:
        if failure.unextendable is None:
            raise
        # The clip of the refused extension goes on: a name may be another clip's by now.
        model = await _continued_with(call, clip, dry=dry)
        wish = _wish(call, arguments, clip, deadline, model, spelling=spelling, why=failure)
        return await _continued_instead(call, wish)


async def _continued_instead(call: Call, wish: Wish) -> Answer:
    """A clip without an extension continued; the extension where Runway turns out to have accepted that."""
    try:
        return await continue_clip(call, wish)
    except Failure as failure:
        service = call.context.service
        extended = await service.ledger.find("id", failure.refused) if failure.refused is not None else None
        if extended is None or extended.task_id is None:
            raise
        submitted = await service.submissions.answer(
            extended,
            deadline=wish.deadline,
            say=call.progress.waiting,
            twin=False,
            within=call.context.waits.waiting,
        )
        if submitted is None:
            raise
        return await extension_told(call, submitted, wish.deadline, wait=wish.wait)


async def _extendable(call: Call, asked: Extension, spelling: str | None, deadline: float, *, dry: bool) -> Plan:
    """The plan of an extension.

    Of a clip that Runway has refused to extend a dry run has none. A call that may spend tries it again, unless it was
    continued since: it looks for what the refused submit may have made all the same, and a refusal is free.
    """
    plan = await planned_extension(call, asked, spelling, deadline, dry=dry)
    why = continuations_of(call.context).why_refused(plan.source.asset_id)
    if why is not None and (dry or await _was_continued(call, plan)):
        raise Failure("invalid_request", f"This clip cannot be extended: {why}.", unextendable=why)
    return plan


async def _was_continued(call: Call, plan: Plan) -> bool:
    """Whether the request was continued by the model that its dry run names, which then answers it."""
    model, _ = model_to_continue_with(call, None)
    asked = of_clip(plan.asked, plan.source.asset_id)
    return await earlier_of(call.context, asked, dry=True, model=model) is not None


async def _continued_with(call: Call, asked: Extension, *, dry: bool) -> str | None:
    """The model with which this request, which names none, was continued before; None if it was not, or was extended.

    It stays one request: Runway may extend the clip again by now, another process may not have been refused yet, and
    the settings may name another model.
    """
    context, found = call.context, dict[str, Intent]()
    if await earlier_of(context, asked, dry=dry) is not None:
        return None
    for name, model in CREATE_MODELS.items():
        # One that is not posted yet as well: a dry run that named another model would lead to a second one.
        earlier = await earlier_of(context, asked, dry=dry, model=model, is_open_too=True)
        if earlier is not None and earlier.step(AUTO) is not None:
            return name
        if earlier is not None and (earlier.is_final or not dry):
            found[name] = earlier
    # What was asked for by the name of the model that is set is what a call without a name asks for now.
    return context.settings.continue_with if context.settings.continue_with in found else None


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
