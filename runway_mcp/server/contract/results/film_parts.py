"""What results say of a film of several parts: its step, parts and seams, and the call that goes on with it. Pure."""

from typing import Any

from runway_mcp.films.continuing.standing import FilmStanding, standing_of
from runway_mcp.films.continuing.steps import JoinMade, is_continuation
from runway_mcp.media.join.seams import Seam
from runway_mcp.runway.models import Extension, Task
from runway_mcp.server.contract import next_steps
from runway_mcp.server.contract.next_steps import Asked
from runway_mcp.server.contract.outputs import FilmOutput, LineageOutput, NextStep, PartOutput, SeamOutput, TaskOutput
from runway_mcp.server.contract.results.assets import cut
from runway_mcp.server.contract.results.text import LONGEST_NAME, percent, seconds
from runway_mcp.server.contract.uris import film_uri
from runway_mcp.tasks.catalogue import CREATE_MODELS
from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.spend.plan import asked_for

# Steps of 255: a jump within the clips' own motion, or below the first, is not seen, nor is such a change of colour.
_UNSEEN, _COLOUR = 3.0, 6.0
_STEPS = {
    "frame": "the clip's last frame is being taken",
    "upload": "the last frame is being uploaded",
    "join": "the new part is there, and all parts are being joined into one film",
    "done": "the film is joined",
}


def film_output(standing: FilmStanding) -> FilmOutput:
    """A film as it stands; lengths in seconds, seams in steps of 255."""
    joined = standing.joined
    parts = [
        PartOutput(
            asset_id=part.asset_id, seconds=round(part.seconds, 2), model=part.model, text_prompt=part.text_prompt
        )
        for part in standing.parts
    ]
    told = FilmOutput(id=standing.film_id, uri=film_uri(standing.film_id), step=standing.step, parts=parts)
    if joined is None:
        return told
    known: dict[str, Any] = {
        "seconds": joined.seconds,
        "frames": joined.frames,
        "joined": joined.joined,
        "seams": [_seam(seam) for seam in joined.seams] or None,
        "asset_id": joined.asset_id,
    }
    return told.model_copy(update=known)


def film_of_intent(intent: Intent | None, task: Task | None = None) -> FilmOutput | None:
    """The film of an intent as it stands; None for one that makes no film of several parts."""
    return film_output(standing_of(intent, task)) if intent is not None and is_continuation(intent) else None


def film_lineage(intent: Intent) -> LineageOutput:
    """What a film goes on from, how often it was continued, and by how many seconds the last time."""
    return LineageOutput(
        source_asset_id=intent.source_asset_id,
        source_name=cut(intent.source_name, LONGEST_NAME),
        extended_count=intent.extended_count,
        added_seconds=intent.seconds,
    )


def part_told(output: TaskOutput, intent: Intent | None, task: Task, asked: Asked) -> TaskOutput:
    """The output of a task with the film that it makes a part of; unchanged for any other task.

    The next call is about the film, unless the task has failed.
    """
    film = film_of_intent(intent, task)
    if film is None or intent is None:
        return output
    known: dict[str, Any] = {"film": film, "lineage": film_lineage(intent)}
    if output.error is None:
        told = output.summary.replace("The film is ready", "The part is ready", 1)
        known["summary"] = f"{told} It is a part of the film {film.id}, which is what counts."
        known["next_step"] = further_step(intent) if film.step == "done" else next_steps.follow(film.id, asked)
    return output.model_copy(update=known)


def further_step(intent: Intent) -> NextStep:
    """The dry run of the next continuation of a film, in the same way as the last."""
    model = CREATE_MODELS.get(intent.task_type)
    same = intent.seconds if model is None or intent.seconds != model.seconds[0] else None
    longer = model.seconds if model is not None else ()
    return next_steps.continue_further(
        intent.film_id, intent.task_type, seconds=same, explore=intent.explore_mode, longer=longer
    )


def same_call(intent: Intent) -> dict[str, Any]:
    """The arguments of the `extend_video` call that an intent came from, as far as the ledger has them.

    Given again they are the same request.
    """
    asked: Extension = asked_for(intent)
    model = {"model": intent.task_type} if intent.task_type in CREATE_MODELS else {}
    return asked.body() | model


def step_in_words(standing: FilmStanding) -> str:
    """Where an unfinished film stands, for a sentence: "step join: the new part is there, ..."."""
    return f"step {standing.step}: {_STEPS.get(standing.step) or _creating(standing)}"


def how_joined(joined: JoinMade) -> str:
    """How the parts were joined and how their seams look, in one sentence each."""
    ways = {"copied": "The parts were joined without encoding anew."}
    why = f" ({', '.join(joined.why)})" if joined.why else ""
    told = [
        ways.get(
            joined.joined,
            f"The parts differ{why}, so the whole film was encoded anew, once.",
        )
    ]
    if "size" in joined.why:
        told.append("The older parts were scaled to the picture of the new one, and cropped where their shape differs.")
    left_out = sum(joined.dropped)
    if left_out:
        frames = f"{left_out} frame{'s were' if left_out > 1 else ' was'}"
        seams = f"seam{'s' * (len(joined.seams) > 1)}"
        told.append(f"{frames} left out at the {seams}, where the next part shows the same picture again.")
    return " ".join([*told, _seams_in_words(joined.seams)]).strip()


def _creating(standing: FilmStanding) -> str:
    if standing.task_id is None:
        return "the new part is being submitted"
    return f"Runway makes the new part ({standing.status}, the film is at {percent(standing.progress)})"


def _seam(seam: Seam) -> SeamOutput:
    return SeamOutput(
        at_seconds=round(seam.at_seconds, 3),
        difference=round(seam.difference, 1),
        motion=round(seam.motion, 1),
        colour=round(seam.colour, 1),
    )


def look_of(seam: Seam) -> str:
    """How a seam looks against the clips' own motion, as what is said of it; its measures stand in the film."""
    flaws: list[str] = []
    if seam.difference > max(_UNSEEN, 1.5 * seam.motion):
        flaws.append("the picture jumps")
    if seam.colour > _COLOUR:
        flaws.append("the colours change")
    return f"can be seen: {' and '.join(flaws)}" if flaws else "does not stand out"


def _seams_in_words(seams: tuple[Seam, ...]) -> str:
    """How the last seam looks; how many there are."""
    if not seams:
        return ""
    last = seams[-1]
    which = f"The seam at {seconds(last.at_seconds)}" if len(seams) == 1 else f"The last of {len(seams)} seams"
    return f"{which} {look_of(last)}."
