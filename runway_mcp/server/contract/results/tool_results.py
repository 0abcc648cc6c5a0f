"""Structured content as tool results; nothing else makes them.

`structuredContent` holds all facts, the text block the same in short; an error has the same shape, with `isError`.
Resource links are optional: several frameworks break on them, after the credits are spent.
"""

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from mcp_types import CallToolResult, ResourceLink, TextContent

from runway_mcp.server.contract.outputs import AssetsOutput, FilmOutput, PartOutput, SaveOutput, TaskOutput, Video
from runway_mcp.server.contract.results.assets import cut
from runway_mcp.server.contract.results.text import assets_text, one_line, save_text, task_text
from runway_mcp.server.contract.uris import asset_uri, film_uri
from runway_mcp.tasks.intents import normalized

LONGEST_RESULT = 2500
"""The size of a task's structured content, in characters of JSON, and of its text, from which on parts are left out.

In this order: previews, and links and measures of further films, which the assets' resources hold; of a film of
several parts the prompts of its parts, all seams but the last, further names of its source and task, the ids of its
earlier parts, the end of its prompt, and its first parts, which its resource holds; the end of the prompt of any task,
if the next call holds it.
"""

_LONGEST_PROMPT = 120
_SAVED_PARTS = 8


def task_result(output: TaskOutput, *, links: bool = False) -> CallToolResult:
    """The result of a task, a dry run or a failure; `isError` is set if it holds an `error`.

    `links` adds a resource link for each film and for the task.
    """
    told, structured, words = output, output.wire(), task_text(output)
    for shorter in _SHORTER:
        if max(len(json.dumps(structured, ensure_ascii=False)), len(words)) < LONGEST_RESULT:
            break
        told = shorter(told)
        structured, words = told.wire(), task_text(told)
    blocks = list(_resource_links(output)) if links else []
    return _result(words, structured, blocks, is_error=output.error is not None)


def assets_result(output: AssetsOutput, *, links: bool = False) -> CallToolResult:
    """The result of a listing or of its failure; `links` adds a resource link for each asset and each film."""
    listed, films = (output.assets or (), output.films or ()) if links else ((), ())
    blocks = [
        *(_resource_link(asset_uri(asset.asset_id), asset.name or asset.asset_id) for asset in listed),
        *(_resource_link(film_uri(film.id), film.name or film.id) for film in films),
    ]
    return _result(assets_text(output), output.wire(), blocks, is_error=output.error is not None)


def save_result(output: SaveOutput, *, links: bool = False) -> CallToolResult:
    """The result of keeping a film or of its failure; `links` adds a resource link for the film."""
    film = output.video or output.film
    name = output.video.name if output.video is not None else None
    blocks = [_resource_link(film.uri, name or "film")] if links and film is not None else []
    if output.film is not None:
        output = output.model_copy(update={"film": _in_short(output.film)})
    return _result(save_text(output), output.wire(), blocks, is_error=output.error is not None)


def _in_short(film: FilmOutput) -> FilmOutput:
    """A film beside its file: its last parts without their prompts, and its last seam; its resource holds all."""
    parts = [part.model_copy(update={"text_prompt": None}) for part in film.parts[-_SAVED_PARTS:]]
    return film.model_copy(update={"parts": parts, "seams": film.seams[-1:] if film.seams else None})


def _result(text: str, structured: dict[str, object], links: list[ResourceLink], *, is_error: bool) -> CallToolResult:
    return CallToolResult(content=[TextContent(text=text), *links], structured_content=structured, is_error=is_error)


def _resource_links(output: TaskOutput) -> Iterator[ResourceLink]:
    for film in (output.video, *(output.more_videos or ())):
        if film is not None:
            yield _resource_link(film.uri, film.name or "film")
    if output.task_uri:
        yield _resource_link(output.task_uri, "task")
    if output.film is not None:
        yield _resource_link(output.film.uri, "film of parts")


def _resource_link(uri: str, name: str) -> ResourceLink:
    """A resource link; reading it gives JSON, for an asset with a fresh link to the film."""
    return ResourceLink(uri=uri, name=one_line(name), mime_type="application/json")


def _with_previews(count: int, output: TaskOutput) -> TaskOutput:
    def fewer(film: Video) -> Video:
        return film.model_copy(update={"preview_urls": (film.preview_urls or [])[:count] or None})

    films = {
        "video": fewer(output.video) if output.video else None,
        "more_videos": [fewer(film) for film in output.more_videos] if output.more_videos else None,
    }
    return output.model_copy(update=films)


def _with_one_link(output: TaskOutput) -> TaskOutput:
    bare = [film.model_copy(update={"url": None, "url_expires_at": None}) for film in output.more_videos or ()]
    return output.model_copy(update={"more_videos": bare or None})


def _with_bare_films(output: TaskOutput) -> TaskOutput:
    """The output without measures of further films, which look like the first one."""
    same = {"mime_type": None, "width": None, "height": None, "size_bytes": None}
    bare = [film.model_copy(update=same) for film in output.more_videos or ()]
    return output.model_copy(update={"more_videos": bare or None})


def _with_part_prompts(longest: int, output: TaskOutput) -> TaskOutput:
    """The output with that many characters of the prompts of its film's parts."""

    def shorter(part: PartOutput) -> PartOutput:
        return part.model_copy(update={"text_prompt": cut(part.text_prompt, longest) if longest else None})

    return _with_film(output, lambda film: {"parts": [shorter(part) for part in film.parts]})


def _with_last_seam(output: TaskOutput) -> TaskOutput:
    return _with_film(output, lambda film: {"seams": film.seams[-1:] if film.seams else None})


def _without_source_name(output: TaskOutput) -> TaskOutput:
    """The output of a film without its source's name, which the prompt of its last part but one is."""
    bare = output.lineage.model_copy(update={"source_name": None}) if output.lineage else None
    return output if output.film is None else output.model_copy(update={"lineage": bare})


def _without_names_of_task(output: TaskOutput) -> TaskOutput:
    """The output of a film without further names of its newest task, which `taskId` names."""
    return output if output.film is None else output.model_copy(update={"task_uri": None, "reply_ref": None})


def _with_last_part_named(output: TaskOutput) -> TaskOutput:
    def named(film: FilmOutput) -> dict[str, Any]:
        bare = [part.model_copy(update={"asset_id": None}) for part in film.parts[:-1]]
        return {"parts": [*bare, *film.parts[-1:]]}

    return _with_film(output, named)


def _with_last_parts(count: int, output: TaskOutput) -> TaskOutput:
    return _with_film(output, lambda film: {"parts": film.parts[-count:]})


def _with_film(output: TaskOutput, changed: Callable[[FilmOutput], dict[str, Any]]) -> TaskOutput:
    film = output.film
    return output if film is None else output.model_copy(update={"film": film.model_copy(update=changed(film))})


def _with_short_prompt(output: TaskOutput) -> TaskOutput:
    """The output without the end of a prompt that the next call's arguments hold in full."""
    prompt, step = output.text_prompt or "", output.next_step
    if len(prompt) <= _LONGEST_PROMPT or step is None or normalized(step.arguments.get("text_prompt")) != prompt:
        return output
    return output.model_copy(update={"text_prompt": f"{prompt[:_LONGEST_PROMPT]}…"})


def _with_cut_prompt(output: TaskOutput) -> TaskOutput:
    """The output of a film without the end of its prompt, which the film's resource holds."""
    return (
        output
        if output.film is None
        else output.model_copy(update={"text_prompt": cut(output.text_prompt, _LONGEST_PROMPT)})
    )


_SHORTER: tuple[Callable[[TaskOutput], TaskOutput], ...] = (
    *(partial(_with_previews, count) for count in (2, 1, 0)),
    _with_one_link,
    _with_bare_films,
    *(partial(_with_part_prompts, longest) for longest in (80, 30, 0)),
    _with_short_prompt,
    _with_last_seam,
    _without_source_name,
    _without_names_of_task,
    _with_last_part_named,
    _with_cut_prompt,
    *(partial(_with_last_parts, count) for count in (16, 8, 4, 2)),
)
