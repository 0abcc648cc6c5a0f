"""Films of several parts as structured content: as results tell them, and as the resource does, with how each came."""

from collections.abc import Sequence
from pathlib import Path

from runway_mcp.films.continuing.listing import film_label
from runway_mcp.films.continuing.standing import FilmStanding
from runway_mcp.films.continuing.steps import FilmPart, JoinMade
from runway_mcp.media.join.proof import Seam
from runway_mcp.server.contract import next_steps
from runway_mcp.server.contract.asset_results import LONGEST_NAME, cut
from runway_mcp.server.contract.next_steps import Asked
from runway_mcp.server.contract.outputs import (
    CreditsOutput,
    FilmDocument,
    PartDocument,
    SavedOutput,
    SeamOutput,
)
from runway_mcp.server.contract.result_parts import error_output
from runway_mcp.server.contract.uris import film_uri, film_video_uri
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.policy import iso

_DIGITS = 3


def film_document_output(
    film: Intent,
    standing: FilmStanding,
    made: Sequence[tuple[FilmPart, Intent | None]],
    asked: Asked,
    *,
    failure: Failure | None = None,
) -> FilmDocument:
    """The content of a film's resource; `made` are its parts, each with the intent that made it, as far as known.

    The cost is the sum of the estimates for the parts that this server made; `asked` is the call that equals the read.
    """
    joined = standing.joined
    parts = [_part(part, maker) for part, maker in made]
    costs = [part.cost for part in parts if part.cost is not None]
    if joined is None:
        costs.append(film.cost)
    is_over = standing.has_ended or failure is not None
    return FilmDocument(
        id=film.film_id,
        uri=film_uri(film.film_id),
        video_uri=film_video_uri(film.film_id) if joined is not None else None,
        name=cut(film_label(film), LONGEST_NAME),
        status=standing.status,
        step=standing.step,
        progress=standing.progress,
        task_id=standing.task_id,
        created_at=iso(film.created),
        text_prompt=film.text_prompt,
        model=film.task_type,
        seed=film.seed,
        seconds=joined.seconds if joined is not None else None,
        frames=joined.frames if joined is not None else None,
        parts=parts,
        joined=joined.joined if joined is not None else None,
        seams=[seam_output(seam) for seam in joined.seams] if joined is not None else None,
        source_asset_id=film.source_asset_id,
        saved=joined_file(joined) if joined is not None else None,
        credits=CreditsOutput(cost=sum(costs)) if costs else None,
        error=error_output(failure, harmless=True) if failure is not None else None,
        next_step=None if joined is not None and is_over else next_steps.follow(film.film_id, asked),
    )


def seam_output(seam: Seam) -> SeamOutput:
    """A seam as structured content, rounded."""
    return SeamOutput(
        at_seconds=round(seam.at_seconds, _DIGITS),
        difference=round(seam.difference, _DIGITS),
        motion=round(seam.motion, _DIGITS),
        colour=round(seam.colour, _DIGITS),
    )


def joined_file(joined: JoinMade) -> SavedOutput:
    """Where a joined film lies on disk, as structured content."""
    return SavedOutput(path=str(Path(joined.path)), size_bytes=joined.size_bytes)


def _part(part: FilmPart, maker: Intent | None) -> PartDocument:
    return PartDocument(
        asset_id=part.asset_id,
        seconds=round(part.seconds, _DIGITS),
        model=part.model,
        text_prompt=part.text_prompt,
        task_id=maker.task_id if maker is not None else None,
        seed=maker.seed if maker is not None else None,
        cost=maker.cost if maker is not None else None,
    )
