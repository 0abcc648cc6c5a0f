"""Continuations for a request: a film by its name, the plan of the next part, a film as it stands."""

import logging
from dataclasses import replace
from pathlib import Path

import anyio
from anyio.to_thread import run_sync

from runway_mcp.films.continuing.continuations import Continuations
from runway_mcp.films.continuing.listing import chain_of
from runway_mcp.films.continuing.preparing.preparations_under_way import RESUMED_SECONDS
from runway_mcp.films.continuing.standing import FilmStanding
from runway_mcp.films.continuing.steps import JoinMade, parts_of
from runway_mcp.runway.errors import RunwayError
from runway_mcp.runway.ids import kind_of
from runway_mcp.runway.models import Asset, Extension, Task
from runway_mcp.server.context import ServerContext
from runway_mcp.server.contract.next_steps import Asked
from runway_mcp.server.contract.outputs import NextStep, SavedOutput, TaskOutput
from runway_mcp.server.contract.results.film_parts import same_call
from runway_mcp.server.contract.results.films import Whereabouts, continued_output, film_failure
from runway_mcp.server.reads import READING_SECONDS, UNKNOWN_TASK, clip_id_of
from runway_mcp.tasks.catalogue import CreateModel
from runway_mcp.tasks.creating import is_upper_bound
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.history import is_of_another
from runway_mcp.tasks.intents import Intent, State, uuid_of
from runway_mcp.tasks.naming import film_id_in, name_in, nearest_clips
from runway_mcp.tasks.spend.continuation import Continuation, make_continuation
from runway_mcp.tasks.spend.reconcile import outcome_failure
from runway_mcp.tasks.spend.submit import Waiting
from runway_mcp.tasks.store.protocol import LedgerError

_log = logging.getLogger(__name__)

_NO_FILM = (
    "This server knows no film of this id: there is none, or it was made for another user or in another data folder. "
    "list_assets lists the films that are there."
)
# So many of the newest films are searched for a clip that is a part of one.
_SEARCHED = 200


def is_film_id(reference: str) -> bool:
    """Whether a reference has the form of the id of a film of several parts."""
    return film_id_in(reference) is not None


def continuations_of(context: ServerContext) -> Continuations:
    """The films under way; raises the `not_configured` failure without a token."""
    _ = context.service
    if context.continuations is None:
        raise Failure("not_configured", "Films of several parts cannot be made here.")
    return context.continuations


async def film_named(context: ServerContext, reference: str) -> Intent | None:
    """The film of the caller's that an id names, or the asset of its upload; None for any other reference.

    Raises `Failure`: `not_found` for the id of no film, with the clips and films nearest to it, `unavailable` if the
    ledger fails.
    """
    films = continuations_of(context)
    try:
        if (film_id := film_id_in(reference)) is not None:
            found = await films.find(context.service, film_id)
            if found is None:
                raise await _unknown(context, film_id)
            return found
        if kind_of(reference) != "asset":
            return None
        return await _uploaded_film(context, films, reference)
    except LedgerError as error:
        raise Failure(
            "unavailable",
            f"{error} This call submitted nothing; neither films of several parts nor what an earlier call of the same "
            "request came to can be told until then.",
        ) from error


async def film_or_clip(context: ServerContext, reference: str) -> tuple[Intent | None, str]:
    """The film that a reference names, as `film_named`, also by its name; and the reference, of a name the id.

    Raises `Failure` for what is the name of nothing, or of several clips or films.
    """
    film = await film_named(context, reference)
    if film is None and name_in(reference) is not None:
        reference = await clip_id_of(context, reference, seconds=READING_SECONDS)
        film = await film_named(context, reference)
    return film, reference


async def _unknown(context: ServerContext, film_id: str) -> Failure:
    """The failure of the id of no film; without the nearest ones where they cannot be read in time."""
    service = context.service
    with anyio.move_on_after(READING_SECONDS):
        near = await nearest_clips(service.client, service.ledger, film_id, email=context.settings.email)
        return Failure("not_found", f"{_NO_FILM} {near}".strip())
    return Failure("not_found", _NO_FILM)


async def _uploaded_film(context: ServerContext, films: Continuations, asset_id: str) -> Intent | None:
    # Of all films, since a film that was taken for a clip would be another request, and paid again.
    for film in await films.list_films(context.service):
        joined = JoinMade.of(film)
        if joined is not None and joined.asset_id is not None and uuid_of(joined.asset_id) == uuid_of(asset_id):
            return film
    return None


async def film_with_part(context: ServerContext, asset_id: str) -> tuple[Intent, int] | None:
    """The caller's film of which a clip is a part, and the part's number from 1; None if there is none.

    The newest that ends with the clip, since that one goes on from the same picture; else the newest that has it.
    """
    films = continuations_of(context)
    try:
        known = await films.list_films(context.service, limit=_SEARCHED)
    except LedgerError as error:
        _log.warning("%s", error)
        return None
    named = [(film, [uuid_of(part.asset_id or "") for part in parts_of(film)]) for film in known]
    having = [(film, uuids) for film, uuids in named if uuid_of(asset_id) in uuids]
    if not having:
        return None
    film, uuids = next((each for each in having if each[1][-1] == uuid_of(asset_id)), having[0])
    return film, uuids.index(uuid_of(asset_id)) + 1


async def continuation_of(
    context: ServerContext,
    asked: Extension,
    model: CreateModel,
    *,
    film: Intent | None,
    spelling: str | None,
    seconds: float,
) -> Continuation:
    """The plan of a continuation, as `make_continuation`; raises `Failure` also after `seconds`.

    Another caller's task names no clip, in the words of an unknown one.
    """
    service = context.service
    with anyio.move_on_after(seconds):
        try:
            plan = await make_continuation(
                service.client, asked, model, film=film, spelling=spelling, patience=seconds / 3
            )
        except Failure as failure:
            # Asked of an id that nothing has as well, so that it costs what another caller's task costs.
            hidden = kind_of(asked.asset_id) == "task" and (
                await is_of_another(service, failure.task or Task(task_id=asked.asset_id))
                or failure.kind == "not_found"
            )
            raise Failure("not_found", UNKNOWN_TASK) if hidden else failure from None
        maker = plan.parent or Task(task_id=asked.asset_id)
        if kind_of(asked.asset_id) == "task" and await is_of_another(service, maker):
            raise Failure("not_found", UNKNOWN_TASK)
        return plan
    raise Failure("unavailable", "Runway did not answer in time when the clip was checked; nothing was submitted.")


async def film_told(
    context: ServerContext,
    intent: Intent,
    asked: Asked,
    *,
    standing: FilmStanding | None = None,
    twin: bool = False,
) -> TaskOutput:
    """A film as it stands, as a result: where it can be had, or why there is none and what to do."""
    films = continuations_of(context)
    standing = standing or films.standing(context.service, intent)
    failure = await _failure(context, films, intent)
    if failure is not None:
        return film_failure(replace(failure, twin=twin), intent, standing, asked)
    joined = standing.joined
    whereabouts = await _whereabouts(context, joined) if joined is not None else Whereabouts()
    balance = films.balance_after(intent) if asked.behaviour.spends else None
    output = continued_output(
        intent,
        standing,
        asked,
        whereabouts=whereabouts,
        twin=twin,
        balance=balance,
        in_all=await _cost_in_all(context, films, intent) if joined is not None else None,
    )
    if intent.state is State.WAITING and context.service.ledger.now() - intent.created > RESUMED_SECONDS:
        # Whatever has answered the call since under another model, nothing is spent before its price was told.
        step = NextStep(tool="extend_video", arguments=same_call(intent) | {"dry_run": True}, reason=_PRICED_AGAIN)
        return output.model_copy(update={"summary": f"{output.summary} {_LEFT}", "next_step": step})
    return output


async def _cost_in_all(context: ServerContext, films: Continuations, film: Intent) -> str | None:
    """What all continuations of a film cost, in words; None if there is only one, or the ledger cannot be read."""
    if film_id_in(film.source_asset_id) is None:
        return None
    try:
        known = {each.film_id: each for each in await films.list_films(context.service)}
    except LedgerError as error:
        _log.warning("%s", error)
        return None
    chain = chain_of(film, known)
    cost = sum(each.cost for each in chain)
    return f"{'at most' if any(is_upper_bound(each.task_type) for each in chain) else 'about'} {cost}" if cost else None


_LEFT = "It was left before anything was submitted, and goes on with the same extend_video call."
_PRICED_AGAIN = "Checks and prices it again, free: nothing of it was submitted."


async def _failure(context: ServerContext, films: Continuations, intent: Intent) -> Failure | None:
    """What ended a film, or that its create has no known outcome; None while it goes on and once it is joined."""
    if (failure := films.failure_of(intent)) is not None:
        return failure
    if intent.state is State.UNKNOWN:
        try:
            await context.service.submissions.answer(intent, deadline=anyio.current_time(), say=_quiet)
        except Failure as unknown:
            return replace(unknown, twin=False)
    return outcome_failure(intent) if intent.state in (State.UNCLEAR, State.UNKNOWN) else None


async def _quiet(_: Waiting) -> None:
    return


async def _whereabouts(context: ServerContext, joined: JoinMade) -> Whereabouts:
    """Where a joined film can be had by the caller: over HTTP the disk only where films are kept on it by wish."""
    settings, path, saved = context.settings, Path(joined.path), None
    reachable = not settings.over_http or settings.save == "own"
    if reachable and await run_sync(path.is_file):
        saved = SavedOutput(path=joined.path, size_bytes=joined.size_bytes)
    if joined.asset_id is None:
        return Whereabouts(saved)
    asset = Asset(asset_id=joined.asset_id)
    with anyio.move_on_after(READING_SECONDS):
        try:
            asset = await context.service.client.asset(joined.asset_id, patience=READING_SECONDS / 2)
        except RunwayError as error:
            _log.info("the upload of a film could not be read: %s", error)
    # Its name there is for us alone, to look for it by.
    return Whereabouts(saved, asset.model_copy(update={"name": None}))
