"""Lists and reads the resources: the list of tasks, each task, each asset with its pictures and its file, each film.

URIs are accepted verbatim or percent-encoded; an unknown one is a JSON-RPC error of invalid params. A host may cache
only a finished task and what a film shows.
"""

import base64
from collections.abc import Iterable, Iterator

from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    BlobResourceContents,
    ListResourcesResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    TextResourceContents,
)

from runway_mcp.runway.errors import InvalidRequest, NotFound, plain_or_quoted
from runway_mcp.runway.ids import checked_id, kind_of
from runway_mcp.server.context import RequestContext, context_of
from runway_mcp.server.contract.results.text import one_line
from runway_mcp.server.contract.uris import (
    KINDS,
    Address,
    Kind,
    address_of,
    film_uri,
    task_uri,
    template_of,
    templates_in_words,
    variable_of,
)
from runway_mcp.server.joined_films import joined_films
from runway_mcp.server.resources.kinds import resource_kind
from runway_mcp.settings import Settings
from runway_mcp.tasks.history import PAGE, HistoryEntry, newest_tasks, older_tasks
from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.naming import film_id_in, film_label

_LONGEST_CURSOR = 6
_FILMS = "films-"


def templates() -> list[ResourceTemplate]:
    """All templates, in the order in which hosts list them."""
    return [_template(kind) for kind in KINDS if variable_of(kind) is not None]


async def list_resources(ctx: RequestContext, params: PaginatedRequestParams | None) -> ListResourcesResult:
    """The resources without a variable, then tasks and joined films page by page, both from the offset of the page.

    The cursor is that offset; behind the last page of tasks it says that films alone follow.
    """
    context, cursor = context_of(ctx), params.cursor if params else None
    service = context.open_service
    if service is None:
        return ListResourcesResult(resources=_fixed(context.settings))
    offset, has_tasks = (0, True) if cursor is None else _offset(cursor)
    known, following = list[HistoryEntry](), None
    if cursor is None:
        known, following = await newest_tasks(service, context.settings.email)
    elif has_tasks:
        known, following = await older_tasks(service, context.settings.email, offset)
    films = (await joined_films(context))[offset:]
    films_follow = f"{_FILMS}{offset + PAGE}" if len(films) > PAGE else None
    next_cursor = films_follow if following is None else str(following)
    fixed = _fixed(context.settings) if cursor is None else []
    return ListResourcesResult(
        resources=[*fixed, *_entries(known), *map(_film_entry, films[:PAGE])], next_cursor=next_cursor
    )


async def read_resource(ctx: RequestContext, params: ReadResourceRequestParams) -> ReadResourceResult:
    """The content of a URI; raises `MCPError` for one that names nothing."""
    address = checked_address(params.uri)
    context, kind = context_of(ctx), resource_kind(address.kind)
    try:
        content = await kind.read(context, address.id or "")
    except (NotFound, InvalidRequest):
        raise _unknown(params.uri) from None
    contents = contents_of(_told_uri(address, params.uri), kind.mime_type, content.body)
    contents.meta = kind.meta(context.settings)
    return ReadResourceResult(contents=[contents], ttl_ms=content.ttl_ms, cache_scope="private")


def _told_uri(address: Address, asked: str) -> str:
    """The URI of a content: of the player the one that was asked for, since hosts compare it to the letter."""
    return asked if address.kind == "player" else address.uri


def contents_of(uri: str, mime_type: str, body: str | bytes) -> TextResourceContents | BlobResourceContents:
    """What was read, as the protocol carries it: text as it is, bytes in base64."""
    if isinstance(body, str):
        return TextResourceContents(uri=uri, mime_type=mime_type, text=body)
    return BlobResourceContents(uri=uri, mime_type=mime_type, blob=base64.b64encode(body).decode())


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
        if kind is not None and f"{kind}Id" != variable_of(address.kind):
            raise _unknown(uri)
        if address.kind in ("film", "film_video") and film_id_in(address.id) != address.id:
            raise _unknown(uri)
    return address


def _fixed(settings: Settings) -> list[Resource]:
    """The resources of the kinds that have one only."""
    return [_resource(kind, settings) for kind in KINDS if variable_of(kind) is None]


def _resource(kind: Kind, settings: Settings) -> Resource:
    told = resource_kind(kind)
    return Resource(
        uri=template_of(kind),
        name=told.name,
        title=told.title,
        description=told.description,
        mime_type=told.mime_type,
        _meta=told.meta(settings),
    )


def _template(kind: Kind) -> ResourceTemplate:
    told = resource_kind(kind)
    return ResourceTemplate(
        uri_template=template_of(kind),
        name=told.name,
        title=told.title,
        description=told.description,
        mime_type=told.mime_type,
    )


def _entries(known: Iterable[HistoryEntry]) -> Iterator[Resource]:
    """The entries of those that are tasks; an unclear submit has no URI of its own."""
    mime_type = resource_kind("task").mime_type
    for each in known:
        task = each if isinstance(each, Intent) else each.task
        if task.task_id is not None:
            name = f"task-{task.task_id.rpartition(':')[2]}"
            title = f"Runway task, {plain_or_quoted(task.status or 'PENDING')}"
            yield Resource(uri=task_uri(task.task_id), name=name, title=title, mime_type=mime_type)


def _film_entry(film: Intent) -> Resource:
    told = resource_kind("film")
    title = f"Continued film, {one_line(film_label(film))}"
    return Resource(uri=film_uri(film.film_id), name=film.film_id, title=title, mime_type=told.mime_type)


def _offset(cursor: str) -> tuple[int, bool]:
    """The offset that a cursor names, and whether there are tasks from there on."""
    digits = cursor.removeprefix(_FILMS)
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _LONGEST_CURSOR):
        raise MCPError(INVALID_PARAMS, "Unknown cursor: take next_cursor from the page before.")
    return int(digits), digits == cursor


def _unknown(uri: str) -> MCPError:
    return MCPError(INVALID_PARAMS, f"Unknown resource. There are {templates_in_words(KINDS)}.", {"uri": uri})
