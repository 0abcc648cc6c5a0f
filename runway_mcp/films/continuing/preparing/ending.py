"""The end of what goes on: whether its last frame is fit for that, looked at before anything is spent."""

from pathlib import Path

from anyio.to_thread import run_sync

from runway_mcp.films.continuing.dependencies import Dependencies
from runway_mcp.films.continuing.steps import JoinMade
from runway_mcp.media.errors import MediaError, MediaMissing, UnreadableFilm
from runway_mcp.media.fetch.remote import open_film
from runway_mcp.media.join.parts import JOIN_LIMITS
from runway_mcp.media.pictures.endings import Ending, judge_end
from runway_mcp.tasks.intents import uuid_of
from runway_mcp.tasks.spend.continuation import Continuation


async def ending_of(dependencies: Dependencies, plan: Continuation) -> Ending | None:
    """How the clip behind its link, or the film on disk, ends; None if it is not there or cannot be decoded."""
    try:
        dependencies.films.require()
        if plan.film is not None:
            joined = JoinMade.of(plan.film)
            path = Path(joined.path) if joined is not None else None
            if path is None or not await run_sync(path.is_file):
                return None
            return await judge_end(path, limiter=dependencies.films.decoding, limits=JOIN_LIMITS)
        if not plan.source.url:
            return None
        film = await open_film(dependencies.films.links, plan.source.url)
        ending = await judge_end(film, limiter=dependencies.films.decoding, limits=JOIN_LIMITS)
    except (MediaError, MediaMissing, UnreadableFilm, OSError):
        return None
    dependencies.films.lengths.note(uuid_of(plan.source.asset_id), ending.last.second)
    return ending
