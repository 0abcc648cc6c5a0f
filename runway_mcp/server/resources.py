"""The resources: all known tasks, each task, each asset. Reading one asks upstream, so that links are fresh.

URIs go out verbatim and come in verbatim or percent-encoded. What is unknown is a JSON-RPC error of invalid params.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    ListResourcesResult,
    ListResourceTemplatesResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    TextResourceContents,
)

from runway_mcp.runway.errors import InvalidRequest, NotFound
from runway_mcp.runway.ids import checked_id
from runway_mcp.server.context import RequestContext, ServerContext
from runway_mcp.server.forms import asset_output, intent_output, task_output
from runway_mcp.server.known import Known, intent_of, known_tasks, more_tasks
from runway_mcp.server.next_steps import Asked
from runway_mcp.server.outputs import TaskOutput
from runway_mcp.server.rendering import one_line
from runway_mcp.server.uris import ASSET_TEMPLATE, TASK_TEMPLATE, TASKS, Address, address_of, task_uri
from runway_mcp.tasks.intents import Intent

_JSON = "application/json"
_LONGEST_CURSOR = 4
_PATIENCE = 5.0
_TASKS = Resource(
    uri=TASKS,
    name="tasks",
    title="Runway tasks",
    description="The newest tasks and unclear submits, newest first.",
    mime_type=_JSON,
)
_TEMPLATES = [
    ResourceTemplate(
        uri_template=TASK_TEMPLATE,
        name="task",
        title="Runway task",
        description="A task as it stands: status, progress, and its film with a fresh link.",
        mime_type=_JSON,
    ),
    ResourceTemplate(
        uri_template=ASSET_TEMPLATE,
        name="asset",
        title="Runway asset",
        description="A video, image or audio file, with a fresh link.",
        mime_type=_JSON,
    ),
]


async def list_templates(_ctx: RequestContext, _params: PaginatedRequestParams | None) -> ListResourceTemplatesResult:
    """Both templates on one page."""
    return ListResourceTemplatesResult(resource_templates=_TEMPLATES)


async def list_resources(ctx: RequestContext, params: PaginatedRequestParams | None) -> ListResourcesResult:
    """The list of tasks, then the tasks page by page; the cursor is the offset of a page."""
    context, cursor = ctx.lifespan_context, params.cursor if params else None
    if context.open_room is None:
        return ListResourcesResult(resources=[_TASKS])
    if cursor is None:
        known, following = await known_tasks(context.open_room, context.settings.email)
    else:
        known, following = await more_tasks(context.open_room, context.settings.email, _offset(cursor))
    return ListResourcesResult(
        resources=[*([_TASKS] if cursor is None else []), *_entries(known)],
        next_cursor=None if following is None else str(following),
    )


async def read_resource(ctx: RequestContext, params: ReadResourceRequestParams) -> ReadResourceResult:
    """What a URI points at, as JSON; raises `MCPError` for one that points at nothing."""
    address = address_of(params.uri)
    if address is None:
        raise _unknown(params.uri)
    context = ctx.lifespan_context
    try:
        read = await _read(context, address)
    except (NotFound, InvalidRequest):
        raise _unknown(params.uri) from None
    text = json.dumps(read, ensure_ascii=False)
    return ReadResourceResult(contents=[TextResourceContents(uri=address.uri, mime_type=_JSON, text=text)])


async def _read(context: ServerContext, address: Address) -> dict[str, Any]:
    room = context.room
    match address:
        case Address("task", str(task_id)):
            task = await room.client.task(checked_id(task_id, "taskId"), patience=_PATIENCE)
            return task_output(task, _asked(context, task_id), intent=await intent_of(room, task_id)).wire()
        case Address("asset", str(asset_id)):
            return asset_output(await room.client.asset(checked_id(asset_id, "assetId"), patience=_PATIENCE)).wire()
        case _:
            known, _ = await known_tasks(room, context.settings.email)
            return {"tasks": [_output(context, each).wire() for each in known]}


def _output(context: ServerContext, known: Known) -> TaskOutput:
    if isinstance(known, Intent):
        return intent_output(known, context.settings.wait_seconds)
    return task_output(known.task, _asked(context, known.task.task_id), intent=known.intent)


def _asked(context: ServerContext, task_id: str) -> Asked:
    """The call that asks the same as reading a task's resource."""
    return Asked("get_task", {"taskId": task_id}, context.settings.wait_seconds)


def _entries(known: Iterable[Known]) -> Iterator[Resource]:
    """The entries of those that are tasks; an unclear submit has no address of its own."""
    for each in known:
        task = each if isinstance(each, Intent) else each.task
        if task.task_id is not None:
            name = f"task {task.task_id.rpartition(':')[2]}"
            title = f"Runway task, {one_line(task.status or 'PENDING')}"
            yield Resource(uri=task_uri(task.task_id), name=name, title=title, mime_type=_JSON)


def _offset(cursor: str) -> int:
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= _LONGEST_CURSOR):
        raise MCPError(INVALID_PARAMS, "Unknown cursor: take next_cursor from the page before.")
    return int(cursor)


def _unknown(uri: str) -> MCPError:
    message = f"Unknown resource. There are {TASKS}, {TASK_TEMPLATE} and {ASSET_TEMPLATE}."
    return MCPError(INVALID_PARAMS, message, {"uri": uri})
