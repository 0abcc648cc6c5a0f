"""Joined films for a request: which there are; the picture, file and document of one."""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio

from runway_mcp.films.continuing.joining.files import FilmFileGone, bytes_of_film, picture_of_film
from runway_mcp.films.continuing.listing import makers_of
from runway_mcp.films.continuing.steps import FilmPart, JoinMade, is_continuation
from runway_mcp.films.viewing import LARGEST_FILM, View
from runway_mcp.media.errors import KeepingError, LinkError, MediaMissing, TooLarge, UnreadableFilm
from runway_mcp.media.pictures.stills import Picture
from runway_mcp.runway.errors import RunwayError
from runway_mcp.server.context import ServerContext
from runway_mcp.server.continued import continuations_of, film_told
from runway_mcp.server.contract.outputs import FilmDocument
from runway_mcp.server.contract.results.film_documents import film_document_output
from runway_mcp.server.contract.uris import film_uri
from runway_mcp.settings import Settings
from runway_mcp.tasks.failures import Failure, failure_of
from runway_mcp.tasks.history import owning_intent
from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.store.protocol import LedgerError
from runway_mcp.tasks.transitions import Selection

_log = logging.getLogger(__name__)

_NOT_JOINED = (
    "The film {film_id} is not joined yet: it stands in the step {step}. Call get_task with wait_seconds until it has "
    "ended, then {then} again."
)
_NO_FILM = "The film {film_id} is not there: {why}"
_ELSEWHERE = "The file of {film_id} is not on this machine, and its copy at Runway cannot be fetched now: {why}"
_IN_TIME = "The film could not be decoded in time."


def may_continue(settings: Settings) -> bool:
    """Whether clips are continued here: over HTTP only where joined films are uploaded, so that they can be fetched."""
    return not settings.over_http or bool(settings.upload_films)


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


async def films_under_way(context: ServerContext) -> list[Intent]:
    """The caller's films that are being made, newest first; none while the ledger cannot be read."""
    service = context.open_service
    if service is None or context.continuations is None:
        return []
    try:
        begun = [
            film
            for selection in (Selection.WAITING, Selection.UNFINISHED, Selection.UNJOINED)
            for film in await service.ledger.select(selection)
            if is_continuation(film) and not context.continuations.standing(service, film).has_ended
        ]
    except LedgerError as error:
        _log.warning("%s", error)
        return []
    return sorted({film.id: film for film in begun}.values(), key=lambda film: film.created, reverse=True)


async def film_document(context: ServerContext, film: Intent) -> FilmDocument:
    """The content of a film's resource; raises `Failure` without a token."""
    told = await film_told(context, film, context.reading(film.film_id))
    known = {each.film_id: each for each in await joined_films(context)}
    made = await _with_first(context, makers_of(film, known), film, known)
    return film_document_output(film, told, made)


def joined_of(context: ServerContext, film: Intent, *, then: str) -> JoinMade:
    """What the join of a film has made; the `Failure` before it says why, and to make the call `then` later."""
    joined = JoinMade.of(film)
    if joined is not None:
        return joined
    films = continuations_of(context)
    failure = films.failure_of(film)
    if failure is not None:
        message = _NO_FILM.format(film_id=film.film_id, why=failure.message)
    else:
        step = films.standing(context.service, film).step
        message = _NOT_JOINED.format(film_id=film.film_id, step=step, then=then)
    raise Failure("invalid_request", message)


async def film_picture_for(
    context: ServerContext, film: Intent, joined: JoinMade, view: View, *, seconds: float
) -> Picture:
    """The picture of a joined film, joined anew if its file is gone; raises `Failure`, also after `seconds`."""
    async with told_of_film(film, seconds), _told_of_disk():
        try:
            return await picture_of_film(context.films, film, joined, view)
        except FilmFileGone:
            film, joined = await film_restored(context, film)
            return await picture_of_film(context.films, film, joined, view)
    raise AssertionError  # pragma: no cover  the context above returns or raises


async def film_bytes_for(context: ServerContext, film: Intent, *, seconds: float) -> bytes:
    """The file of a joined film, of at most `LARGEST_FILM` bytes; raises as `film_picture_for`."""
    joined = joined_of(context, film, then="read it")
    async with told_of_film(film, seconds), _told_of_disk():
        if joined.size_bytes <= LARGEST_FILM:
            film, joined = await film_restored(context, film)
        return await bytes_of_film(film, joined)
    raise AssertionError  # pragma: no cover  likewise


async def film_restored(context: ServerContext, film: Intent) -> tuple[Intent, JoinMade]:
    """A joined film with its file, joined anew or fetched from its upload if that is gone; and what its join has made.

    Raises `Failure`, `RunwayError` and the errors of `media.errors`.
    """
    try:
        film = await continuations_of(context).restored(film)
    except LedgerError as error:
        raise Failure("unavailable", f"{error} Until then the film cannot be joined again.") from error
    joined = JoinMade.of(film)
    if joined is None:
        raise FilmFileGone(f"The film {film.film_id} is not joined.")
    return film, await continuations_of(context).brought(film, joined)


@asynccontextmanager
async def _told_of_disk() -> AsyncGenerator[None]:
    """Raises why the disk could not take a film that is fetched to be shown, as a `Failure`."""
    try:
        yield
    except KeepingError as error:
        raise Failure("unavailable", f"The film cannot be brought to this machine to be shown: {error}") from None


@asynccontextmanager
async def told_of_film(film: Intent, seconds: float) -> AsyncGenerator[None]:
    """Raises what went wrong with the file of a joined film, or took longer than `seconds`, as a `Failure`.

    A `KeepingError` passes, since what it means depends on why the file was wanted.
    """
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
    except LinkError as error:
        raise Failure("unavailable", _ELSEWHERE.format(film_id=film.film_id, why=error)) from None
    except RunwayError as error:
        raise failure_of(error) from error
    except UnreadableFilm as error:
        raise Failure("unexpected_response", f"No picture could be made: {error}.", retry="after_change") from None


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
