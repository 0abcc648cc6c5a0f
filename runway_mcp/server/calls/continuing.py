"""Continuing on behalf of `extend_video` and `get_task`: plan and price, the one submit, the wait for the film."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import anyio
from mcp_types import InputRequiredResult

from runway_mcp.films.continuing.continuations import Continued
from runway_mcp.films.continuing.standing import FilmStanding
from runway_mcp.runway.models import Extension, Metadata, Task
from runway_mcp.server.calls.answers import PLAYER_FOLLOWS, REFUSED_NOW, answer_task
from runway_mcp.server.calls.requests import found_request, of_clip, reading_seconds
from runway_mcp.server.calls.running_call import Answer, Call
from runway_mcp.server.calls.spending import explored, offer, refusal_of, with_consent
from runway_mcp.server.continued import (
    continuation_of,
    continuations_of,
    film_named,
    film_told,
    film_with_part,
    is_film_id,
)
from runway_mcp.server.contract import next_steps
from runway_mcp.server.contract.after_failures import that_fits
from runway_mcp.server.contract.outputs import NextStep, TaskOutput
from runway_mcp.server.contract.results.film_parts import step_in_words
from runway_mcp.server.contract.results.films import continuation_output, earlier_film_output, price_in_words
from runway_mcp.server.contract.results.tasks import failure_output
from runway_mcp.server.contract.results.text import as_json
from runway_mcp.server.contract.results.text import seconds as in_seconds
from runway_mcp.server.progress import TOTAL
from runway_mcp.server.protocol_tasks import film_handed_over
from runway_mcp.server.reads import READING_SECONDS, balance_of, earlier_of
from runway_mcp.tasks.catalogue import CREATE_MODELS, DEFAULT_CREATE_MODEL, CreateModel
from runway_mcp.tasks.creating import cheapest_model
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.intents import JOIN, Intent
from runway_mcp.tasks.policy import Quote, SpendPolicy
from runway_mcp.tasks.spend.continuation import Continuation, remembered_continuation
from runway_mcp.tasks.spend.submit import ANSWER_PATIENCE
from runway_mcp.tasks.store.protocol import LedgerError

if TYPE_CHECKING:
    from runway_mcp.media.pictures.endings import Ending

_ENDING_SECONDS = 12.0
_HTTP = (
    "This server is set not to upload joined films (RUNWAY_MCP_UPLOAD_FILMS is false), and over HTTP nobody could "
    "fetch one from its disk, so clips are not continued here. Nothing was submitted or charged."
)
_PART = (
    "This clip is part {number} of the film {film}; this continues the part alone. To go on with the film give assetId "
    "{film}."
)
_NEW_FILM = (
    "This is a new film that begins with this clip alone. The clip is part {number} of the film {film}, which stays as "
    "it was."
)
_UNFINISHED = "The film is not finished, so it cannot go on yet; nothing was submitted."
_ENDS_IN = {"black": "in black", "white": "in white", "blurred": "in a blur"}


@dataclass(frozen=True)
class Wish:
    """A request to continue a clip or a film.

    `named` says that the call or the settings name the model, which is the consent to continue with it, `is_auto` that
    the call does not; `why` why the clip has no native extension, if that was asked for; `spelling` the caller's name
    for a clip that `asked` gives by its id. `wait` is the wait that the call named, in seconds.
    """

    asked: Extension
    model: CreateModel
    named: bool
    dry: bool
    deadline: float
    wait: int | None
    confirm: str | None
    is_auto: bool
    spelling: str | None = None
    why: Failure | None = None

    @property
    def patience(self) -> float | None:
        """How long it waits for another call's submit, in seconds; None as long as it may."""
        return 3.0 if self.wait is None else None


def model_to_continue_with(call: Call, named: str | None) -> tuple[CreateModel, bool]:
    """The model of a continuation, and whether the call or the settings name it."""
    name = named or call.context.settings.continue_with
    return CREATE_MODELS[name] if name else DEFAULT_CREATE_MODEL, name is not None


def _of_film(wish: Wish, film: Intent) -> Wish:
    """The wish for a film; where nobody names a model, that of its last part is the one to price."""
    last = CREATE_MODELS.get(film.task_type)
    return wish if wish.named or last is None else replace(wish, model=last)


async def continue_clip(call: Call, wish: Wish) -> Answer:
    """The film of a request that was submitted before; else the plan, or the one submit and the wait for the film.

    Raises `Failure` and `RunwayError`.
    """
    film = await film_named(call.context, wish.asked.asset_id)
    # Without a consent to spend only what is paid for already may answer.
    dry = wish.dry or not wish.named
    if film is not None:
        wish = _of_film(wish, film)
        asked, spelling = of_clip(wish.asked, film.film_id), None
        earlier = await earlier_of(call.context, asked, dry=dry, model=wish.model)
    else:
        asked, found, earlier = await found_request(call, wish.asked, wish.deadline, dry=dry, model=wish.model)
        spelling = found or wish.spelling
        # A name, a link or a uuid may have been that of a film's upload, which is the film.
        if asked.asset_id != wish.asked.asset_id and (film := await film_named(call.context, asked.asset_id)):
            wish = _of_film(wish, film)
            asked, spelling = of_clip(asked, film.film_id), None
            earlier = await earlier_of(call.context, asked, dry=dry, model=wish.model) or earlier
    wish = replace(wish, asked=asked)
    if earlier is not None:
        return await continued_before(call, wish, earlier)
    if film is not None and film.step(JOIN) is None:
        failure = Failure("invalid_request", _UNFINISHED)
        step = next_steps.follow(film.film_id, call.asked)
        return await answer_task(call, failure_output(failure, call.asked, step=step))
    plan = await _planned(call, wish, film, spelling)
    plan = replace(plan, is_auto=wish.is_auto, refused=wish.why.refused if wish.why is not None else None)
    await _check(call, plan)
    if film is None and (known := await film_with_part(call.context, plan.source.asset_id)) is not None:
        part = {"number": known[1], "film": known[0].film_id}
        if not wish.dry and wish.named:
            return await _submitted(call, wish, plan, told=_NEW_FILM.format(**part))
        call.remark(_PART.format(**part))
    if wish.dry:
        return await answer_task(call, await _told_plan(call, wish, plan))
    if not wish.named:
        return await _refused(call, wish, plan)
    return await _submitted(call, wish, plan)


async def follow_film(call: Call, intent: Intent, deadline: float, *, twin: bool = False) -> Answer:
    """The film at its end or at the deadline; a host that takes protocol tasks gets one instead of the wait."""
    films = continuations_of(call.context)
    if await films.check_file(intent):
        # A join takes a moment, and the film was told as done before.
        deadline = max(deadline, anyio.current_time() + READING_SECONDS)
    standing = films.standing(call.context.service, intent)
    is_open = not standing.has_ended and films.failure_of(intent) is None
    if call.takes_tasks and is_open and deadline > anyio.current_time():
        return await film_handed_over(call.context, intent)
    try:
        with call.context.waits.waiting():
            async for each in films.changes(call.context.service, intent, deadline):
                intent, standing = each
                with anyio.move_on_after(deadline - anyio.current_time()):
                    await _say(call, standing)
    except LedgerError as error:
        call.remark(f"{error} By now the film may have come further.")
    return await answer_task(call, await film_told(call.context, intent, call.asked, standing=standing, twin=twin))


async def _say(call: Call, standing: FilmStanding) -> None:
    message = f"Film {standing.film_id}: {step_in_words(standing)}"
    await call.progress.say(message, percent=standing.progress * TOTAL, names_task=True)


async def _planned(call: Call, wish: Wish, film: Intent | None, spelling: str | None) -> Continuation:
    """The plan; what is no clip at all is refused as the native extension refuses it."""
    left = reading_seconds(call, wish.deadline, dry=wish.dry)
    try:
        return await continuation_of(call.context, wish.asked, wish.model, film=film, spelling=spelling, seconds=left)
    except Failure as failure:
        if wish.why is not None and failure.kind == "invalid_request" and failure.about is None:
            raise wish.why from failure
        raise


async def _check(call: Call, plan: Continuation) -> None:
    """Raises `Failure` (`not_configured`), at no cost, where the film could not be made or nobody could fetch it."""
    settings = call.context.settings
    if settings.over_http and not settings.upload_films:
        raise Failure("not_configured", _HTTP)
    await continuations_of(call.context).check(plan)


async def _told_plan(call: Call, wish: Wish, plan: Continuation) -> TaskOutput:
    """A dry run: price, balance, how the film would stand and how the clip ends, caps, and a quote where needed."""
    context = call.context
    source = of_clip(plan.asked, plan.source.asset_id)
    earlier = await earlier_of(context, source, dry=True, model=plan.model)
    if earlier is not None:
        return earlier_film_output(earlier, call.asked)
    why = wish.why.unextendable if wish.why is not None else None
    refusal = await refusal_of(context, plan)
    balance = await balance_of(context.service.client, plan.account)
    ending = await _ending(call, plan) if refusal is None or plan.length is None else None
    plan = _measured(plan, ending)
    if refusal is not None:
        step = that_fits(refusal, _named(call, plan))
        output = continuation_output(plan, balance, why=why, step=step)
        return output.model_copy(update={"summary": f"{REFUSED_NOW} {refusal.message}"})
    _remark_ending(call, plan, ending)
    step, quote = await _priced(call, plan)
    seen = await explored(context, plan)
    return continuation_output(plan, balance, why=why, quote=quote, step=step, explored=seen)


async def _priced(call: Call, plan: Continuation) -> tuple[NextStep, Quote | None]:
    """The call that submits the plan, which names its model and so is the consent; and the quote that it may need."""
    threshold = call.context.settings.confirm_above
    is_needed = threshold is not None and plan.cost > threshold
    quote = await offer(call.context, plan) if is_needed else None
    quoted = quote.id if quote else None
    step = next_steps.submit(
        call.asked,
        plan.source.asset_id,
        plan.cost,
        quoted,
        model=plan.model.name,
        at_most=plan.model.is_upper_bound,
        cheaper=cheapest_model(plan.seconds, below=plan.cost) if plan.is_auto else None,
    )
    return step, quote


def _named(call: Call, plan: Continuation) -> dict[str, Any]:
    return call.asked.arguments | {"model": plan.model.name}


async def _ending(call: Call, plan: Continuation) -> "Ending | None":
    """How the clip ends, every frame of it decoded; None if that cannot be told in time."""
    with anyio.move_on_after(_ENDING_SECONDS):
        return await continuations_of(call.context).ending(plan)
    return None


def _measured(plan: Continuation, ending: "Ending | None") -> Continuation:
    """The plan with the length of its clip as it was decoded, where Runway tells none."""
    if plan.length is not None or ending is None:
        return plan
    length = ending.last.second
    measures = (plan.source.metadata or Metadata()).model_copy(update={"duration": length})
    source = plan.source.model_copy(update={"metadata": measures})
    return replace(plan, source=source, length=length + plan.seconds)


def _remark_ending(call: Call, plan: Continuation, ending: "Ending | None") -> None:
    """Remarks that the clip ends in black, in white or in a blur, with the last good second to look at."""
    if ending is None or ending.flaw is None:
        return
    told = f"Look at its end before you agree: it ends {_ENDS_IN[ending.flaw]}, and what is added begins from that"
    good = ending.last_good_second
    if good is None:
        call.remark(f"{told}; no frame of it is better.")
        return
    arguments = as_json({"assetId": plan.source.asset_id, "at_seconds": round(good, 2)})
    call.remark(f"{told}; its last good frame is at {in_seconds(good)} (view_film {arguments}).")


async def _refused(call: Call, wish: Wish, plan: Continuation) -> Answer:
    """A call that names no model, and no setting does: refused, with the price and the call that is the consent."""
    cannot = wish.why.message if wish.why is not None else "A film of several parts goes on by a model that is named."
    way = (
        f"It can be continued from its last frame: {plan.model.title} adds {plan.seconds} s for "
        f"{price_in_words(plan)}, and all parts become one film. To agree to that, name the model."
    )
    step, _ = await _priced(call, plan)
    return await answer_task(call, failure_output(Failure("invalid_request", f"{cannot} {way}"), call.asked, step=step))


async def continued_before(call: Call, wish: Wish, earlier: Intent) -> Answer:
    """The film of a request that was submitted before; its join is tried again if that has failed."""
    if wish.dry:
        return await answer_task(call, earlier_film_output(earlier, call.asked))
    source = None
    if is_film_id(earlier.source_asset_id):
        source = await film_named(call.context, earlier.source_asset_id)
    plan = remembered_continuation(earlier, film=source)
    beside = {"max_jobs": wish.asked.max_jobs, "reply_url": wish.asked.reply_url}
    plan = replace(plan, asked=plan.asked.model_copy(update=beside), is_auto=wish.is_auto)
    return await _submitted(call, wish, plan)


async def _submitted(call: Call, wish: Wish, plan: Continuation, *, told: str | None = None) -> Answer:
    """Submits once, and tells the film at the end of the wait; with the remark `told` if a film is made."""
    context, films = call.context, continuations_of(call.context)
    begun = anyio.current_time()
    least = begun if call.takes_tasks else begun + ANSWER_PATIENCE
    at_once = wish.wait is None and call.shows_player
    until = least if at_once or call.takes_tasks else max(wish.deadline, least)

    async def tell(intent: Intent) -> None:
        if intent.task_id is not None:
            call.accepted = Task(task_id=intent.task_id, status=intent.status or "PENDING")
        await _say(call, films.standing(context.service, intent))

    async def submit(policy: SpendPolicy) -> Continued:
        return await films.submit(
            context.service.submissions,
            plan,
            caller=context.caller,
            deadline=until,
            policy=policy,
            patience=wish.patience,
            tell=tell,
            within=context.waits.waiting,
        )

    call.spending = True
    made = await with_consent(context, call.person, plan, submit, confirm=wish.confirm, deadline=wish.deadline)
    if isinstance(made, InputRequiredResult):
        return made
    if told is not None and films.failure_of(made.intent) is None:
        call.remark(told)
    return await _told(call, wish, made)


async def _told(call: Call, wish: Wish, made: Continued) -> Answer:
    """The film as it stands after the wait; at once for a duplicate and where the player follows, unless it waits."""
    films, context = continuations_of(call.context), call.context
    standing = films.standing(context.service, made.intent)
    is_open = not standing.has_ended and films.failure_of(made.intent) is None
    if call.takes_tasks and is_open:
        return await film_handed_over(context, made.intent)
    is_joined_anew = is_open and made.intent.step(JOIN) is not None
    if wish.wait is None and (made.twin or call.shows_player) and not is_joined_anew:
        if is_open and call.shows_player:
            call.remark(PLAYER_FOLLOWS)
        return await answer_task(call, await film_told(context, made.intent, call.asked, twin=made.twin))
    return await follow_film(call, made.intent, wish.deadline, twin=made.twin)
