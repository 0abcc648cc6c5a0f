"""The tools as hosts see them, derived from their records: definitions, and the README's table of them.

A running server does not load this: what hosts are told was written to `contract/listed.json`.
"""

from typing import Any, cast

from mcp_types import Tool, ToolAnnotations

from runway_mcp.server.contract.schemas import Schema, wire_schema
from runway_mcp.server.tools.record import ToolRecord
from runway_mcp.server.tools.records import RECORDS

INSTRUCTIONS = """\
Makes Runway videos longer through useapi.net: Gen-3 Alpha and Turbo clips by Runway's own extension, any other clip \
by a current model that continues from its last frame, joined to one film.
1. list_assets finds the clip or film (query searches names, prompts and ancestors) and says how far it can be \
extended, and whether it can be continued.
2. extend_video with dry_run prices the step, free, and its next call names the model where one continues; show the \
user the price (of a plan: of all its steps) and wait for a yes before spending.
3. extend_video submits it once. If the film is not ready in time it returns a taskId or a film id: call get_task with \
it. A joined film goes on by its film id.
4. If a call times out, make the same call again; if it fails, make the call that it names next, if any. The same \
request, whatever its wait, is charged once, for good: repeated, it returns the same film; \
another take needs another seed.
5. A text_prompt goes on from the last frame: look at it with view_film first, and repeat the camera and light words \
of the prompt before, which view_film quotes; to continue, say motion, people and clothes again too. Few long \
steps show fewer seams than many short ones.
6. Links die within two days; get_task gives a fresh one, and a saved film's path; a joined film may have only a path. \
save_film, where listed, saves a film. Paths are on the machine that runs this server."""
"""The server's instructions to a model."""


# The parts of the shared output that a tool shows which does not write them all out; schemas are open, so that results
# hold the others as well.
_IN_SHORT: Schema = {
    "status": {"type": "string"},
    "progress": {"type": "number"},
    "taskId": {"type": "string"},
    "model": {"type": "string"},
    "text_prompt": {"type": "string"},
    "seed": {"type": "integer"},
    "video": {"type": "object", "description": "All fields are as in extend_video."},
    "film": {"type": "object"},
    "saved": {"type": "object"},
    "lineage": {"type": "object"},
    "error": {"type": "object"},
    "next_step": {"type": "object"},
}
_LEFT_OUT = frozenset(
    {
        *("task_uri", "estimatedTimeToStartSeconds", "createdAt", "replyRef", "more_videos", "credits"),
        *("twin", "quote", "candidates"),
    }
)


def _tool(record: ToolRecord[Any]) -> Tool:
    return Tool(
        name=record.name,
        title=record.title,
        description=record.description,
        input_schema=wire_schema(record.arguments),
        output_schema=_output_schema(record),
        annotations=ToolAnnotations(
            title=record.title,
            read_only_hint=record.read_only,
            destructive_hint=record.destructive,
            idempotent_hint=record.idempotent,
            open_world_hint=True,
        ),
        _meta=dict(record.meta) or None,
    )


def _output_schema(record: ToolRecord[Any]) -> Schema | None:
    if record.output is None:
        return None
    schema = wire_schema(record.output)
    return schema if record.in_full else _shortened(schema)


def _shortened(schema: Schema) -> Schema:
    properties = cast("Schema", schema["properties"])
    shown = {name: _IN_SHORT.get(name, part) for name, part in properties.items() if name not in _LEFT_OUT}
    return schema | {"properties": shown}


TOOLS: dict[str, Tool] = {record.name: _tool(record) for record in RECORDS}
"""Every definition by its name, in the same order."""


def tools_table() -> str:
    """The README's table of tools, in Markdown, without a final line end."""
    rows = ["| tool | arguments | does |", "|---|---|---|"]
    for tool in TOOLS.values():
        required = tool.input_schema.get("required", [])
        arguments = [f"`{name}`" if name in required else f"`{name}?`" for name in tool.input_schema["properties"]]
        first_sentence = (tool.description or "").split(". ")[0]
        rows.append(f"| `{tool.name}` | {', '.join(arguments)} | {first_sentence}. |")
    return "\n".join(rows)
