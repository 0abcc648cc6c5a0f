"""Films of several parts on behalf of a request: the one that is named, how far it is, its picture, its file."""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio

from runway_mcp.films.continuing.continuations import Continuations
from runway_mcp.films.continuing.files import FilmFileGone, bytes_of_film, picture_of_film
from runway_mcp.films.continuing.listing import makers_of
from runway_mcp.films.continuing.standing import FilmStanding, standing_of
from runway_mcp.films.continuing.steps import FilmPart, JoinMade
from runway_mcp.films.viewing import LARGEST_FILM, View
from runway_mcp.media.errors import MediaMissing, TooLarge, UnreadableFilm
from runway_mcp.media.pictures.stills import Picture
from runway_mcp.runway.errors import RunwayError
from runway_mcp.runway.models import Task
from runway_mcp.server.context import ServerContext
from runway_mcp.server.contract.film_documents import film_document_output
from runway_mcp.server.contract.outputs import FilmDocument
from runway_mcp.server.contract.uris import film_uri
from runway_mcp.server.reads import task_of
from runway_mcp.settings import Settings
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.history import owning_intent
from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.naming import film_id_in
from runway_mcp.tasks.recall import remembered_task
from runway_mcp.tasks.store.protocol import LedgerError

_log = logging.getLogger(__name__)

_TASK_SECONDS = 5.0
_LEDGER_AWAY = "Until then no film of several parts can be told."
_NOT_JOINED = (
    "The film {film_id} is not joined yet: it stands in the step {step}. Call get_task with wait_seconds until it has "
    "ended, then {then} again."
)
_NO_FILM = "The film {film_id} is not there: {why}"
_IN_TIME = "The film could not be decoded in time."


def may_continue(settings: Settings) -> bool:
    """Whether clips are continued here: over HTTP only where joined films are uploaded, so that they can be fetched."""
    return not settings.over_http or bool(settings.upload_films)


async def film_named(context: ServerContext, reference: str) -> Intent | None:
    """The caller's film of several parts that a reference names by its id; None if it is no such id, or of none.

    Raises `Failure` without a token, and while the ledger cannot be read.
    """
    film_id, service = film_id_in(reference), context.service
    if film_id is None or context.continuations is None:
        return None
    try:
        return await context.continuations.find(service, film_id)
    except LedgerError as error:
        raise Failure("unavailable", f"{error} {_LEDGER_AWAY}") from error


async def joined_films(context: ServerContext) -> list[Intent]:
    """The caller's joined films, newest first; none while the ledger cannot be read."""
    service, continuations = context.open_service, context.continuations
    if service is None or continuations is None:
        return []
    try:
        return await continuations.list_films(service)
    except LedgerError as error:
        _log.warning("%s", error)
        return []


async def film_standing(context: ServerContext, film: Intent) -> FilmStanding:
    """How far a film is, with its task as it is now; as the ledger has it where that cannot be read in time."""
    if film.task_id is None:
        return standing_of(film, None)
    task: Task = remembered_task(film, film.task_id)
    if film.ended is None:
        try:
            task = await task_of(context, film.task_id, seconds=_TASK_SECONDS)
        except (RunwayError, Failure) as error:
            _log.info("the task of a film could not be read: %s", error)
    return standing_of(film, task)


async def film_document(context: ServerContext, film: Intent) -> FilmDocument:
    """The content of a film's resource; raises `Failure` without a token."""
    standing = await film_standing(context, film)
    known = {each.film_id: each for each in await joined_films(context)}
    made = await _with_first(context, makers_of(film, known), film, known)
    asked = context.reading(film.film_id)
    return film_document_output(film, standing, made, asked, failure=_failure_of(context, film))


def joined_of(context: ServerContext, film: Intent, *, then: str) -> JoinMade:
    """What the join of a film has made; the `Failure` before it says why, and to make the call `then` later."""
    joined = JoinMade.of(film)
    if joined is not None:
        return joined
    failure = _failure_of(context, film)
    if failure is not None:
        message = _NO_FILM.format(film_id=film.film_id, why=failure.message)
    else:
        message = _NOT_JOINED.format(film_id=film.film_id, step=standing_of(film, None).step, then=then)
    raise Failure("invalid_request", message)


async def film_picture_for(
    context: ServerContext, film: Intent, joined: JoinMade, view: View, *, seconds: float
) -> Picture:
    """The picture of a joined film; raises `Failure`, also after `seconds`."""
    async with told_of_film(film, seconds):
        return await picture_of_film(context.films, film, joined, view)
    raise AssertionError  # pragma: no cover  the context above returns or raises


async def film_bytes_for(context: ServerContext, film: Intent, *, seconds: float) -> bytes:
    """The file of a joined film, of at most `LARGEST_FILM` bytes; raises as `film_picture_for`."""
    joined = joined_of(context, film, then="read it")
    async with told_of_film(film, seconds):
        return await bytes_of_film(film, joined)
    raise AssertionError  # pragma: no cover  likewise


@asynccontextmanager
async def told_of_film(film: Intent, seconds: float) -> AsyncGenerator[None]:
    """Raises what went wrong with the file of a joined film, or took longer than `seconds`, as a `Failure`."""
    try:
        with anyio.fail_after(seconds):
            yield
    except TimeoutError:
        raise Failure("unavailable", _IN_TIME) from None
    except MediaMissing as error:
        raise Failure("not_configured", str(error)) from None
    except TooLarge:
        message = (
            f"The film has more than {LARGEST_FILM // 1_000_000} MB, too much to be given as bytes. Where its file "
            f"lies stands in {film_uri(film.film_id)}."
        )
        raise Failure("invalid_request", message) from None
    except FilmFileGone as error:
        raise Failure("not_found", str(error), charged="yes" if film.cost else "no", intent=film) from None
    except UnreadableFilm as error:
        raise Failure("unexpected_response", f"No picture could be made: {error}.", retry="after_change") from None


def _failure_of(context: ServerContext, film: Intent) -> Failure | None:
    continuations: Continuations | None = context.continuations
    return None if continuations is None else continuations.failure_of(film)


async def _with_first(
    context: ServerContext,
    made: list[tuple[FilmPart, Intent | None]],
    film: Intent,
    known: dict[str, Intent],
) -> list[tuple[FilmPart, Intent | None]]:
    """The parts with their makers; the first one with the intent of the clip that all began with, if it is ours."""
    first = film
    while first.source_asset_id in known:
        first = known[first.source_asset_id]
    if made and made[0][1] is None and first.parent_task_id is not None:
        maker = await owning_intent(context.service, first.parent_task_id)
        return [(made[0][0], maker), *made[1:]]
    return made


