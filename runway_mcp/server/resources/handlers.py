"""Lists and reads the resources: the list of tasks, each task, each asset. Reads ask upstream, so links are fresh.

URIs are accepted verbatim or percent-encoded; an unknown one is a JSON-RPC error of invalid params. A host may cache
only a finished task.
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
from runway_mcp.runway.ids import checked_id, kind_of
from runway_mcp.runway.models import Task
from runway_mcp.server.context import RequestContext, ServerContext
from runway_mcp.server.contract.asset_results import asset_output
from runway_mcp.server.contract.outputs import TaskOutput
from runway_mcp.server.contract.task_results import intent_output, task_output
from runway_mcp.server.contract.text import one_line
from runway_mcp.server.contract.uris import ASSET_TEMPLATE, TASK_TEMPLATE, TASKS, Address, address_of, task_uri
from runway_mcp.server.reads import task_of
from runway_mcp.tasks.history import HistoryEntry, newest_tasks, older_tasks, owning_intent
from runway_mcp.tasks.intents import Intent

KEPT_MS = 3_600_000
"""For how long a host may cache a finished task, in milliseconds; the links to its film live longer."""

_JSON = "application/json"
_LONGEST_CURSOR = 4
_ASSET_READ_SECONDS = 5.0
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
    if context.open_service is None:
        return ListResourcesResult(resources=[_TASKS])
    if cursor is None:
        known, following = await newest_tasks(context.open_service, context.settings.email)
    else:
        known, following = await older_tasks(context.open_service, context.settings.email, _offset(cursor))
    return ListResourcesResult(
        resources=[*([_TASKS] if cursor is None else []), *_entries(known)],
        next_cursor=None if following is None else str(following),
    )


async def read_resource(ctx: RequestContext, params: ReadResourceRequestParams) -> ReadResourceResult:
    """The content of a URI, as JSON; raises `MCPError` for one that names nothing."""
    address = checked_address(params.uri)
    try:
        read, ttl_ms = await _read(ctx.lifespan_context, address)
    except (NotFound, InvalidRequest):
        raise _unknown(params.uri) from None
    text = json.dumps(read, ensure_ascii=False)
    contents = TextResourceContents(uri=address.uri, mime_type=_JSON, text=text)
    return ReadResourceResult(contents=[contents], ttl_ms=ttl_ms, cache_scope="private")


def checked_address(uri: str) -> Address:
    """The resource that a URI names; raises `MCPError` for one that cannot name a resource of this server."""
    address = address_of(uri)
    if address is None:
        raise _unknown(uri)
    if address.id is not None:
        try:
            kind = kind_of(checked_id(address.id, "the id"))
        except InvalidRequest:
            raise _unknown(uri) from None
        if kind not in (None, address.kind):
            raise _unknown(uri)
    return address


async def _read(context: ServerContext, address: Address) -> tuple[dict[str, Any], int]:
    """The JSON of a resource, and for how many milliseconds it may be cached."""
    service = context.service
    match address:
        case Address("task", str(task_id)):
            task = await task_of(context, task_id)
            output = task_output(task, context.reading(task_id), intent=await owning_intent(service, task_id))
            return output.wire(), KEPT_MS if _is_final(task) else 0
        case Address("asset", str(asset_id)):
            return asset_output(await service.client.asset(asset_id, patience=_ASSET_READ_SECONDS)).wire(), 0
        case _:
            known, _ = await newest_tasks(service, context.settings.email)
            return {"tasks": [_output(context, each).wire() for each in known]}, 0


def _is_final(task: Task) -> bool:
    """Whether nothing of the task will change; a success without its film may still get it."""
    return task.is_terminal and (task.status != "SUCCEEDED" or bool(task.artifacts))


def _output(context: ServerContext, known: HistoryEntry) -> TaskOutput:
    if isinstance(known, Intent):
        return intent_output(known, context.settings.wait_seconds)
    return task_output(known.task, context.reading(known.task.task_id), intent=known.intent)


def _entries(known: Iterable[HistoryEntry]) -> Iterator[Resource]:
    """The entries of those that are tasks; an unclear submit has no URI of its own."""
    for each in known:
        task = each if isinstance(each, Intent) else each.task
        if task.task_id is not None:
            name = f"task-{task.task_id.rpartition(':')[2]}"
            title = f"Runway task, {one_line(task.status or 'PENDING')}"
            yield Resource(uri=task_uri(task.task_id), name=name, title=title, mime_type=_JSON)


def _offset(cursor: str) -> int:
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= _LONGEST_CURSOR):
        raise MCPError(INVALID_PARAMS, "Unknown cursor: take next_cursor from the page before.")
    return int(cursor)


def _unknown(uri: str) -> MCPError:
    message = f"Unknown resource. There are {TASKS}, {TASK_TEMPLATE} and {ASSET_TEMPLATE}."
    return MCPError(INVALID_PARAMS, message, {"uri": uri})
