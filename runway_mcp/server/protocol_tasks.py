"""The Tasks extension of 2026-07-28: a host that declares it gets a protocol task instead of a long wait.

Its id is Runway's taskId, so any process can read it, also after a restart.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import MCP_NAME_HEADER, MCP_PROTOCOL_VERSION_HEADER, decode_header_value
from mcp_types import (
    HEADER_MISMATCH,
    METHOD_NOT_FOUND,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
)
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from runway_mcp.films.places import SavedFilm
from runway_mcp.runway.errors import RunwayError
from runway_mcp.runway.ids import checked_id
from runway_mcp.runway.models import Task
from runway_mcp.server.context import RequestContext, ServerContext, context_of
from runway_mcp.server.continued import continuations_of, film_named, film_told, is_film_id
from runway_mcp.server.contract.results.assets import saved_output
from runway_mcp.server.contract.results.tasks import task_output
from runway_mcp.server.contract.results.tool_results import task_result
from runway_mcp.server.contract.tasks_extension import EXTENSION, TaskParams
from runway_mcp.server.reads import PASSING, READING_SECONDS, kept_film, note_end, task_of
from runway_mcp.tasks.failures import Failure
from runway_mcp.tasks.history import is_of_another, owning_intent
from runway_mcp.tasks.intents import Intent, State
from runway_mcp.tasks.policy import iso
from runway_mcp.tasks.recall import remembered_task

ERA = "2026-07-28"
"""The protocol version that has the extension."""

TTL_MS = 86_400_000
"""For how long a task can be read, in milliseconds: a day. Runway keeps it longer, but links to its film expire."""

SHORTEST_POLL_MS = 1000
"""The shortest poll interval that a host is given, in milliseconds."""

# For so many intervals after a poll, and at least so many seconds, the host counts as an observer.
_EXPECTED_INTERVALS = 3
_EXPECTED_SECONDS = 30.0

# Failures that pass: the host should ask again.
_GOES_ON = "Runway cannot stop a task: this one goes on and may be charged."


class _Wire(BaseModel):
    # An idle server uses none of these models, so each is made complete when it is first used.
    model_config = ConfigDict(frozen=True, defer_build=True, alias_generator=to_camel, populate_by_name=True)


class TaskState(_Wire):
    """A protocol task in the extension's shape; times are ISO 8601, durations milliseconds.

    A generation that failed is `completed` with an error as its result: the status `failed` would mean a protocol
    error, which no task here ends in. Only a task that was cancelled on Runway's side is `cancelled`.
    """

    result_type: Literal["task", "complete"]
    task_id: str
    status: Literal["working", "completed", "cancelled"]
    status_message: str
    created_at: str
    last_updated_at: str
    ttl_ms: int = TTL_MS
    poll_interval_ms: int
    result: dict[str, Any] | None = None


class Acknowledged(_Wire):
    """The empty result of `tasks/cancel` and `tasks/update`."""

    result_type: Literal["complete"] = "complete"


def declared(ctx: RequestContext) -> bool:
    """Whether the host of this request takes protocol tasks: the extension is declared with each request.

    Connections of the 2025 protocols never get one, whatever they declare.
    """
    capabilities = ctx.session.client_capabilities
    return ctx.protocol_version == ERA and capabilities is not None and EXTENSION in (capabilities.extensions or {})


def undeclared() -> MCPError:
    """The error of a request that needs the extension and does not declare it."""
    message = f"This request is for clients that declare the extension {EXTENSION}."
    needed: dict[str, Any] = {"requiredCapabilities": {"extensions": {EXTENSION: {}}}}
    return MCPError(MISSING_REQUIRED_CLIENT_CAPABILITY, message, needed)


def handed_over(context: ServerContext, task: Task, intent: Intent | None) -> TaskState:
    """An unfinished task, as the result of the call that is about it."""
    _expect(context, task)
    return _state(context, task, intent, "task")


async def film_handed_over(context: ServerContext, intent: Intent) -> TaskState:
    """An unfinished film of several parts, as the result of the call that is about it."""
    return await _film_state(context, intent, "task")


async def get_protocol_task(ctx: RequestContext, params: TaskParams) -> TaskState:
    """The task as it stands, with its result once it has ended; upstream is read only if no observer has its state."""
    context, film = context_of(ctx), await _film(ctx, params)
    if film is not None:
        return await _film_state(context, film, "complete")
    task = await _task(ctx, params)
    intent = await owning_intent(context.service, task.task_id)
    if not task.is_terminal:
        _expect(context, task)
    await note_end(context, task)
    kept = await kept_film(context, task, intent, seconds=READING_SECONDS)
    return _state(context, task, intent, "complete", kept)


async def cancel_protocol_task(ctx: RequestContext, params: TaskParams) -> Acknowledged:
    """Ends the observation by polling hosts; the task goes on, since Runway cannot stop it.

    Its status stays `working` and becomes `completed`: `cancelled` would be wrong about the credits.
    """
    context, film = context_of(ctx), await _film(ctx, params)
    task_id = film.film_id if film is not None else (await _task(ctx, params)).task_id
    context.observers.dismiss(task_id, caller=context.caller)
    return Acknowledged()


async def update_protocol_task(ctx: RequestContext, params: TaskParams) -> Acknowledged:
    """Acknowledges an update; no task here asks for input, so there is nothing to do."""
    if await _film(ctx, params) is None:
        await _task(ctx, params)
    return Acknowledged()


async def _film(ctx: RequestContext, params: TaskParams) -> Intent | None:
    """The film of several parts of a request, None for a task; raises as `_check`, and `Failure` for no known film."""
    _check(ctx, params)
    return await film_named(context_of(ctx), params.task_id) if is_film_id(params.task_id) else None


async def _task(ctx: RequestContext, params: TaskParams) -> Task:
    """The task of a request; raises as `_check`."""
    _check(ctx, params)
    task_id = checked_id(params.task_id, "taskId")
    context = context_of(ctx)
    observed = context.observers.latest(task_id)
    # Asked of every id, so that a task which another caller's host watches costs what an unknown one costs.
    is_hidden = await is_of_another(context.service, observed or Task(task_id=task_id))
    return await _read(context, task_id) if observed is None or is_hidden else observed


def _check(ctx: RequestContext, params: TaskParams) -> None:
    """Raises `MCPError` for a wrong era, an undeclared extension and a wrong header."""
    if ctx.protocol_version != ERA:
        raise MCPError(METHOD_NOT_FOUND, "Method not found", ctx.method)
    if not declared(ctx):
        raise undeclared()
    headers: Mapping[str, str] = ctx.request.headers if ctx.request is not None else {}
    named = decode_header_value(headers.get(MCP_NAME_HEADER))
    if MCP_PROTOCOL_VERSION_HEADER in headers and named != params.task_id:
        raise MCPError(HEADER_MISMATCH, f"The {MCP_NAME_HEADER} header must be the same as params.taskId.")


async def _read(context: ServerContext, task_id: str) -> Task:
    """The task from upstream; if upstream fails for now, a task of the ledger as the ledger remembers it.

    An error here would end the host's call, and its wait for the film.
    """
    try:
        return await task_of(context, task_id)
    except (Failure, RunwayError) as error:
        if error.kind not in PASSING:
            raise
        intent = await owning_intent(context.service, task_id)
        if intent is None or intent.failure_kind is not None:
            raise
        return remembered_task(intent, task_id)


def _expect(context: ServerContext, task: Task) -> None:
    seconds = max(_EXPECTED_INTERVALS * _interval(context) / 1000, _EXPECTED_SECONDS)
    context.observers.expire_after(task, seconds, caller=context.caller)


def _interval(context: ServerContext) -> int:
    return max(SHORTEST_POLL_MS, round(context.settings.poll_seconds * 1000))


def _state(
    context: ServerContext,
    task: Task,
    intent: Intent | None,
    result_type: Literal["task", "complete"],
    kept: SavedFilm | None = None,
) -> TaskState:
    output = task_output(task, context.reading(task.task_id), intent=intent)
    if kept is not None:
        output = output.model_copy(update={"saved": saved_output(kept)})
    status = "working"
    if task.is_terminal:
        status = "cancelled" if task.status == "CANCELLED" else "completed"
    went = not task.is_terminal and context.observers.was_dismissed(task.task_id, caller=context.caller)
    created = _time(task.created_at) or iso(intent.created if intent else context.now())
    result = task_result(output, links=context.settings.resource_links).model_dump(
        by_alias=True, mode="json", exclude_none=True
    )
    return TaskState(
        result_type=result_type,
        task_id=task.task_id,
        status=status,
        status_message=f"{_GOES_ON} {output.summary}" if went else output.summary,
        created_at=created,
        last_updated_at=_time(task.updated_at) or created,
        poll_interval_ms=_interval(context),
        result=result if status == "completed" else None,
    )


async def _film_state(context: ServerContext, intent: Intent, result_type: Literal["task", "complete"]) -> TaskState:
    """A film of several parts; it works on until it is joined, and has a result once nothing more comes of itself."""
    films = continuations_of(context)
    standing = films.standing(context.service, intent)
    is_over = standing.has_ended or films.failure_of(intent) is not None or intent.state is State.UNKNOWN
    output = await film_told(context, intent, context.reading(intent.film_id), standing=standing)
    if intent.task_id is not None and not is_over and intent.ended is None:
        _expect(context, Task(task_id=intent.task_id, status=intent.status or "PENDING"))
    went = not is_over and context.observers.was_dismissed(intent.film_id, caller=context.caller)
    status = ("cancelled" if standing.status == "CANCELLED" else "completed") if is_over else "working"
    result = task_result(output, links=context.settings.resource_links)
    created = iso(intent.created)
    return TaskState(
        result_type=result_type,
        task_id=intent.film_id,
        status=status,
        status_message=f"{_GOES_ON} {output.summary}" if went else output.summary,
        created_at=created,
        last_updated_at=created,
        poll_interval_ms=_interval(context),
        result=result.model_dump(by_alias=True, mode="json", exclude_none=True) if status == "completed" else None,
    )


def _time(told: str | None) -> str | None:
    """A time of upstream's if it is ISO 8601, else None."""
    try:
        return told if told and datetime.fromisoformat(told) else None
    except ValueError:
        return None
