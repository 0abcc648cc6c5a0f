"""Pictures of films as tool results: the image, then a text; several hosts drop images beside structured content."""

import base64
from collections.abc import Iterator

from mcp_types import Annotations, CallToolResult, ImageContent, TextContent

from runway_mcp.films.chains import Clip, Seams
from runway_mcp.films.continuing.steps import JoinMade, parts_of
from runway_mcp.films.viewing import View
from runway_mcp.media.pictures.stills import Picture
from runway_mcp.server.contract.next_steps import continue_from, extend_from
from runway_mcp.server.contract.outputs import TaskOutput
from runway_mcp.server.contract.results.alternatives import steps_in_words
from runway_mcp.server.contract.results.film_parts import further_step, look_of
from runway_mcp.server.contract.results.tasks import LONGEST_PROMPT
from runway_mcp.server.contract.results.text import LONGEST_NAME, in_quotes, next_lines, seconds, task_text
from runway_mcp.tasks.catalogue import DEFAULT_CREATE_MODEL
from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.lineage import judge
from runway_mcp.tasks.naming import film_label

MIME_TYPE = "image/jpeg"
"""The MIME type of every picture."""

# A frame is on the screen for less than this; one that began earlier was the last one.
_LONGEST_FRAME = 0.25
_FROM_HERE = (
    "An extension goes on from this frame: write the text_prompt so that it does. Tell what moves next; of what the "
    "picture shows, repeat only the words for the camera, the light and the look from the prompt before."
)
_UNKNOWN_SEAMS = "Whether and where it has seams, at which an extension begins, could not be read."
_SAY_AGAIN = (
    "say again what moves and how, the camera, the light, and who is there in which clothes, since the model sees one "
    "still picture."
)
_CONTINUED_HERE = f"A continuation goes on from this frame: write the text_prompt so that it does, and {_SAY_AGAIN}"
_CONTINUED_FROM_END = (
    f"A continuation goes on from the last frame: write the text_prompt so that it goes on from there, and {_SAY_AGAIN}"
)
_NO_PROMPT = "No text_prompt of this clip is known: take the words for the camera and the light from the picture."
_FROM_THE_END = "An extension goes on from the last frame, so write the text_prompt so that it goes on from there."


def picture_result(
    clip: Clip, view: View, picture: Picture, seams: Seams, *, continuable: bool = True, note: str | None = None
) -> CallToolResult:
    """One JPEG image, then one text: the clip, which seconds are shown, and what to do next; no structured content.

    `continuable` says that clips which have no extension are continued by a model here.
    """
    return _with_picture(picture, _lines(clip, view, picture, seams, note, continuable=continuable))


def film_picture_result(
    film: Intent, joined: JoinMade, view: View, picture: Picture, *, note: str | None = None
) -> CallToolResult:
    """The same of a film of several parts."""
    return _with_picture(picture, _film_lines(film, joined, view, picture, note))


def _with_picture(picture: Picture, lines: Iterator[str]) -> CallToolResult:
    image = ImageContent(
        data=base64.b64encode(picture.jpeg).decode(),
        mime_type=MIME_TYPE,
        annotations=Annotations(audience=["user", "assistant"]),
    )
    return CallToolResult(content=[image, TextContent(text="\n".join(lines))])


def picture_failure(output: TaskOutput) -> CallToolResult:
    """A failure in the words of all tools, as text alone."""
    return CallToolResult(content=[TextContent(text=task_text(output))], is_error=True)


def _lines(
    clip: Clip, view: View, picture: Picture, seams: Seams, note: str | None, *, continuable: bool
) -> Iterator[str]:
    yield f"{_named(clip)}: {_shown(view, picture)}{f' {note}' if note else ''}"
    if view.show == "strip":
        yield _seams(seams)
    verdict = judge(clip.asset, clip.maker, read_failed=clip.maker is None and not clip.is_maker_gone)
    steps = verdict.model.seconds if verdict.model else ()
    is_end, goes_on = view.show == "last_frame" and view.second is None, True
    step = extend_from(clip.asset.asset_id, longer=steps) if verdict.extendable == "yes" else None
    if verdict.extendable == "no" and continuable:
        model = DEFAULT_CREATE_MODEL
        more = steps_in_words(model, is_auto=True)
        step = continue_from(clip.asset.asset_id, step=model.seconds[0], more=more)
    if step is None:
        yield f"assetId: {clip.asset.asset_id}"
    if verdict.extendable != "no":
        yield _FROM_HERE if is_end else _FROM_THE_END
        if continuable:
            yield f"With a `model`, which continues it instead, {_SAY_AGAIN}"
    elif continuable:
        yield f"Runway cannot extend it itself ({verdict.reason}), but a model can continue it."
        yield _CONTINUED_HERE if is_end else _CONTINUED_FROM_END
    else:
        yield f"It cannot be extended: {verdict.reason}."
        goes_on = False
    if goes_on:
        prompt = clip.maker.options.text_prompt if clip.maker else None
        yield f"The text_prompt of this clip: {in_quotes(prompt, LONGEST_PROMPT)}" if prompt else _NO_PROMPT
    yield from next_lines(step)


def _film_lines(film: Intent, joined: JoinMade, view: View, picture: Picture, note: str | None) -> Iterator[str]:
    count = len(parts_of(film))
    named = f"{in_quotes(film_label(film), LONGEST_NAME)} ({seconds(joined.seconds)}, {count} parts)"
    yield f"{named}: {_shown(view, picture)}{f' {note}' if note else ''}"
    if view.show == "strip":
        yield _seams(Seams(tuple(seam.at_seconds for seam in joined.seams)))
        yield from (f"The seam at {seconds(seam.at_seconds)} {look_of(seam)}." for seam in joined.seams)
    is_end = view.show == "last_frame" and view.second is None
    yield _CONTINUED_HERE if is_end else _CONTINUED_FROM_END
    if film.text_prompt:
        yield f"The text_prompt of its last part: {in_quotes(film.text_prompt, LONGEST_PROMPT)}"
    yield from next_lines(further_step(film))


def _named(clip: Clip) -> str:
    metadata = clip.asset.metadata
    size = f"{metadata.width}x{metadata.height}" if metadata and metadata.width and metadata.height else None
    facts = [seconds(clip.length) if clip.length else None, size]
    told = ", ".join(fact for fact in facts if fact)
    name = in_quotes(clip.asset.name, LONGEST_NAME) if clip.asset.name else "The clip"
    return f"{name} ({told})" if told else name


def _shown(view: View, picture: Picture) -> str:
    """Which seconds of the film the picture shows, as decoded."""
    at = [f"{each.second:.2f}" for each in picture.shown]
    if view.show == "strip":
        return _tiles(at)
    real = picture.shown[0].second
    if view.second is None:
        return f"its {view.show.replace('_', ' ')}, at {at[0]} s."
    if view.second - real > _LONGEST_FRAME:
        return f"it ends before {view.second:g} s, so this is its last frame, at {at[0]} s."
    return f"its frame at {at[0]} s."


def _tiles(at: list[str]) -> str:
    """What each tile of a strip shows: how many there are, in which rows, and their seconds."""
    from runway_mcp.media.pictures.strip import COLUMNS  # noqa: PLC0415  only for strips, whose decoder most never load

    rows = [", ".join(at[first : first + COLUMNS]) for first in range(0, len(at), COLUMNS)]
    names = ("Upper row", "Lower row") if len(rows) > 1 else ("One row",)
    told = " ".join(f"{name}, left to right: {row} s." for name, row in zip(names, rows, strict=True))
    return f"{len(at)} frames, spread evenly from its first to its last, each with its second below it. {told}"


def _seams(seams: Seams) -> str:
    """At which seconds the film was extended, and how the strip shows that."""
    *others, last = [seconds(each) for each in seams.seconds] or [""]
    told = f"{', '.join(others)} and {last}" if others else last
    marked = "A white line stands left of the first frame after each, and the bar below the frames changes its colour."
    if not seams.whole:
        return f"Seams, where an extension begins: at {told}, perhaps also before. {marked}" if told else _UNKNOWN_SEAMS
    return f"Seams, where an extension begins: at {told}. {marked}" if told else "It was not extended: it has no seams."
