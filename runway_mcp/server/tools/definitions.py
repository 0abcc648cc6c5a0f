"""The tools as hosts see them: names, titles, descriptions, hints and schemas, and the README's table of them.

Each description says what the tool does, when to use it or another one, its effects, and what to call next. It repeats
nothing that the schemas say.
"""

from typing import cast

from mcp_types import Tool, ToolAnnotations

from runway_mcp.server.contract.arguments import Arguments
from runway_mcp.server.contract.outputs import AssetsOutput, Output, TaskOutput
from runway_mcp.server.contract.schemas import Schema, wire_schema
from runway_mcp.server.tools.extend_video import ExtendVideo
from runway_mcp.server.tools.get_task import GetTask
from runway_mcp.server.tools.list_assets import ListAssets

INSTRUCTIONS = """\
Extends Runway Gen-3 Alpha and Turbo videos through useapi.net.
1. list_assets finds the clip (query searches names, prompts and ancestors) and says how far it can be extended.
2. extend_video with dry_run prices the extension, free; show the user the price and wait for a yes before spending.
3. extend_video submits it once. If the film is not ready in time it returns a taskId: call get_task with it.
4. If a call times out or fails, follow next_step. The same request is charged once, for good: repeated whenever, it \
returns the same film; for another take give another seed.
5. A text_prompt goes on from the last frame; repeat the camera and light words of the prompt before (get_task).
6. Links to films die within two days; get_task gives fresh ones."""
"""The server's instructions to a model."""

_EXTEND_VIDEO = (
    "Extends one of your Runway Gen-3 Alpha or Turbo videos and returns the whole longer film, which goes on from the "
    "last frame. Use it when a clip should become longer; not for Gen-4 clips, uploads or films extended three times "
    "(list_assets tells), and not to wait for a task that runs (get_task). Spends credits (an estimated 10 per added "
    "second, 40 per Turbo step, none with exploreMode) and cannot be undone: show the user a dry_run first. The "
    "source stays as it is; a film has three extensions at most, to 40 s (Turbo 34 s). Prompts are moderated; a "
    "generation takes one to five minutes, and if it is not ready in time the result holds its taskId for get_task. "
    "The same request is charged once: repeated, it returns the same film; another take needs another seed."
)
_GET_TASK = (
    "Reads one Runway task and returns its status, progress, text_prompt, seed and lineage and, once it has "
    "succeeded, its video with a fresh link. Use it after extend_video to wait for the end with wait_seconds instead "
    "of polling, or to show an earlier film again; to find clips or running tasks, use list_assets. Free, and changes "
    "nothing: if the wait runs out it returns the status so far, so call again. A failed task is an error that says "
    "if credits may be gone. lineage.extensions_left tells whether extend_video can make the film longer."
)
_LIST_ASSETS = (
    "Lists the videos, images or audio files in your Runway account, newest first, and for each video its prompt, "
    "what it was extended from, and whether, how often and how far it can be extended. Use it to find the assetId for "
    "extend_video, with query to search, or the taskIds of running tasks; for one known task, or one film's link, use "
    "get_task. Free, and changes nothing. While next_offset is returned there is more: call again with it as offset."
)

# All definitions take up a model's context at once, so `extend_video` alone has these written out.
_IN_SHORT: Schema = {
    "status": {"type": "string"},
    "video": {"type": "object", "description": "As in extend_video."},
    "more_videos": {"type": "array"},
    "lineage": {"type": "object"},
    "credits": {"type": "object"},
    "twin": {"type": "boolean"},
    "quote": {"type": "object"},
    "candidates": {"type": "array"},
    "error": {"type": "object", "description": "As in extend_video."},
    "next_step": {"type": "object"},
}


def _tool(
    name: str, title: str, description: str, takes: type[Arguments], returns: type[Output], *, spends: bool = False
) -> Tool:
    output_schema = wire_schema(returns)
    return Tool(
        name=name,
        title=title,
        description=description,
        input_schema=wire_schema(takes),
        output_schema=output_schema if spends else _shortened(output_schema),
        annotations=ToolAnnotations(
            title=title,
            read_only_hint=not spends,
            destructive_hint=False,
            idempotent_hint=True,
            open_world_hint=True,
        ),
    )


def _shortened(schema: Schema) -> Schema:
    properties = cast("Schema", schema["properties"])
    return schema | {"properties": {name: _IN_SHORT.get(name, part) for name, part in properties.items()}}


TOOLS: dict[str, Tool] = {
    tool.name: tool
    for tool in (
        _tool("extend_video", "Extend a Runway video", _EXTEND_VIDEO, ExtendVideo, TaskOutput, spends=True),
        _tool("get_task", "Follow a Runway task", _GET_TASK, GetTask, TaskOutput),
        _tool("list_assets", "List Runway assets", _LIST_ASSETS, ListAssets, AssetsOutput),
    )
}
"""Every tool by its name, in the order in which hosts list them."""


def input_schema(name: str) -> Schema | None:
    """A tool's input schema; None for an unknown tool."""
    tool = TOOLS.get(name)
    return tool.input_schema if tool else None


def tools_table() -> str:
    """The README's table of tools, in Markdown, without a final line end."""
    rows = ["| tool | arguments | does |", "|---|---|---|"]
    for tool in TOOLS.values():
        required = tool.input_schema.get("required", [])
        arguments = [f"`{name}`" if name in required else f"`{name}?`" for name in tool.input_schema["properties"]]
        first_sentence = (tool.description or "").split(". ")[0]
        rows.append(f"| `{tool.name}` | {', '.join(arguments)} | {first_sentence}. |")
    return "\n".join(rows)
