"""Films of several parts as their resource tells them: as in results, and of each part how it was made."""

from collections.abc import Sequence

from runway_mcp.films.continuing.standing import standing_of
from runway_mcp.films.continuing.steps import FilmPart
from runway_mcp.server.contract.outputs import CreditsOutput, FilmDocument, PartDocument, TaskOutput
from runway_mcp.server.contract.results.assets import cut
from runway_mcp.server.contract.results.film_parts import film_output
from runway_mcp.server.contract.results.text import LONGEST_NAME
from runway_mcp.server.contract.uris import film_uri, film_video_uri
from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.naming import film_label


def film_document_output(
    film: Intent, told: TaskOutput, made: Sequence[tuple[FilmPart, Intent | None]]
) -> FilmDocument:
    """The content of a film's resource: `told` is the film as results tell it, `made` its parts with their intents.

    The cost is the sum of the estimates for the parts that this server made.
    """
    stands = told.film or film_output(standing_of(film, None))
    is_joined = stands.step == "done"
    parts = [_part(part, maker) for part, maker in made]
    costs = [part.cost for part in parts if part.cost is not None] + ([] if is_joined else [film.cost])
    return FilmDocument(
        id=film.film_id,
        uri=film_uri(film.film_id),
        video_uri=film_video_uri(film.film_id) if is_joined else None,
        name=cut(film_label(film), LONGEST_NAME),
        summary=told.summary,
        status=told.status,
        progress=told.progress,
        task_id=told.task_id,
        created_at=told.created_at,
        model=told.model,
        text_prompt=told.text_prompt,
        seed=told.seed,
        step=stands.step,
        seconds=stands.seconds,
        frames=stands.frames,
        parts=parts,
        joined=stands.joined,
        seams=stands.seams,
        asset_id=stands.asset_id,
        video=told.video,
        saved=told.saved,
        lineage=told.lineage,
        credits=CreditsOutput(cost=sum(costs)),
        error=told.error,
        next_step=told.next_step,
    )


def _part(part: FilmPart, maker: Intent | None) -> PartDocument:
    return PartDocument(
        asset_id=part.asset_id,
        seconds=round(part.seconds, 2),
        model=part.model,
        text_prompt=part.text_prompt,
        task_id=maker.task_id if maker is not None else None,
        seed=maker.seed if maker is not None else None,
        cost=maker.cost if maker is not None else None,
    )
