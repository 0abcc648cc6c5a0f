"""The tool `view_film`: a picture of a clip as an image and a text, without structured content."""

from dataclasses import replace
from typing import Annotated

import anyio
from pydantic import Field

from runway_mcp.films.chains import Seams
from runway_mcp.films.viewing import Show, View
from runway_mcp.server.calls.answers import fail_picture
from runway_mcp.server.calls.joined import joined_or_step
from runway_mcp.server.calls.running_call import Answer, Call
from runway_mcp.server.continued import film_or_clip
from runway_mcp.server.contract.arguments import Arguments, InvalidArguments, Reference
from runway_mcp.server.contract.next_steps import VIEWS
from runway_mcp.server.contract.outputs import NextStep
from runway_mcp.server.contract.results.pictures import film_picture_result, picture_result
from runway_mcp.server.joined_films import film_picture_for, may_continue
from runway_mcp.server.reads import READING_SECONDS
from runway_mcp.server.tools.record import ToolRecord
from runway_mcp.server.viewing import clip_asked_for, picture_for, require_pictures, seams_for
from runway_mcp.tasks.intents import Intent

_DESCRIPTION = (
    "Shows one frame of a Runway video or joined film, or a strip of eight across it, as one picture with the second "
    "that each frame is from. Use it before you write a text_prompt for extend_video, which goes on from the last "
    "frame (the default), or with show strip to check a whole film of list_assets; for link or path use get_task. "
    "Text beside the picture tells its length, prompt and next call. Free, and changes nothing; images, audio and "
    "tasks without a video are refused."
)

# The least time that a view gets, in seconds, however early the host ends calls.
_LEAST_SECONDS = 10.0


class ViewFilm(Arguments):
    """The arguments of `view_film`."""

    asset_id: Annotated[
        Reference,
        Field(
            alias="assetId",
            description="Video or film to see: an assetId or film id of list_assets, a taskId, URI, link or name.",
        ),
    ]
    show: Annotated[Show, Field(description="One frame, or strip: eight across the film, with its joins.")] = (
        "last_frame"
    )
    at_seconds: Annotated[
        float | None,
        Field(
            ge=0,
            allow_inf_nan=False,
            description=(
                "Seconds from the start, 0 or more: that frame; past the end the last. Not with show too. Default: as "
                "show says."
            ),
        ),
    ] = None


async def view_film(call: Call, arguments: ViewFilm) -> Answer:
    """The picture; raises `InvalidArguments`, `Failure` and `RunwayError`."""
    deadline = call.arrived + max(call.default_wait, _LEAST_SECONDS)
    second = _second(call, arguments)
    context = call.context
    require_pictures(context)
    await call.progress.say("looking at the film")
    film, reference = await film_or_clip(context, arguments.asset_id)
    if film is not None:
        return await _view_joined(call, film, View(arguments.show, second), deadline)
    clip = await clip_asked_for(context, reference)
    seams = await seams_for(context, clip) if arguments.show == "strip" else Seams()
    view = View(arguments.show, second, seams.seconds)
    seconds = max(deadline - anyio.current_time(), READING_SECONDS)
    picture = await picture_for(context, clip, view, seconds=seconds)
    return picture_result(clip, view, picture, seams, continuable=may_continue(context.settings), note=call.note)


async def _view_joined(call: Call, film: Intent, view: View, deadline: float) -> Answer:
    """The picture of a film of several parts, whose file lies on this machine."""
    joined = joined_or_step(call, film)
    view = replace(view, seams=tuple(seam.at_seconds for seam in joined.seams))
    seconds = max(deadline - anyio.current_time(), READING_SECONDS)
    picture = await film_picture_for(call.context, film, joined, view, seconds=seconds)
    return film_picture_result(film, joined, view, picture, note=call.note)


def _second(call: Call, arguments: ViewFilm) -> float | None:
    """The second that was asked for; a 0 beside a `show` counts as filled in by the host."""
    second, given = arguments.at_seconds, call.asked.arguments
    if not second and "show" in given:
        return None
    if second is not None and arguments.show != "last_frame":
        kept = {name: value for name, value in given.items() if name != "show"}
        step = NextStep(tool=VIEW_FILM.name, arguments=kept, reason=f"Shows the frame at {second:g} s.")
        message = f"at_seconds shows one frame, and show asks for {arguments.show}: leave one of them out."
        raise InvalidArguments(message, step)
    return second


VIEW_FILM = ToolRecord(
    name="view_film",
    title="Look at a Runway video",
    description=_DESCRIPTION,
    arguments=ViewFilm,
    output=None,
    behaviour=VIEWS,
    run=view_film,
    fail=fail_picture,
)
"""The tool that shows films."""
