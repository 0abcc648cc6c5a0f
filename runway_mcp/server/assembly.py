"""Puts the SDK's low-level `Server` together without loading what answers calls.

Importing this loads the SDK and little else, so that a host's first list comes at once. Each handler imports what it
runs when it is first called; by then `late_loading.load_rest` has loaded that, beside the host's reading of the list.
"""
# ruff: noqa: PLC0415  late imports keep all that runs the tools out of the way of the first answers

import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from mcp.server.caching import CacheHint
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.request_state import (
    AESGCMRequestStateCodec,
    RequestStateBoundary,
    RequestStateCodec,
    RequestStateSecurity,
)
from mcp_types import (
    CallToolRequestParams,
    CompleteRequestParams,
    GetPromptRequestParams,
    NotificationParams,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ServerCapabilities,
    SubscribeRequestParams,
    SubscriptionsListenRequestParams,
    UnsubscribeRequestParams,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import SecretStr

from runway_mcp import __version__
from runway_mcp.server.contract.listed import listed
from runway_mcp.server.contract.tasks_extension import EXTENSION, TaskParams
from runway_mcp.server.late_loading import Opening
from runway_mcp.settings import Settings

if TYPE_CHECKING:
    from runway_mcp.server.context import Lifespan

NAME: Final = "useapi-runway-mcp"
"""The name by which the server is known to hosts."""

_FIXED: Final = CacheHint(ttl_ms=300_000, scope="private")

_Handler = Callable[[Any, Any], Awaitable[Any]]
_Lifespan = Callable[[Server[Any]], AbstractAsyncContextManager["Lifespan | Opening"]]


class _Server(Server[Any]):
    """The SDK's server, announcing exactly the notifications that it sends: changes of resources, in every era.

    The SDK would announce no list changes to clients of the 2025 protocols, and to later clients changes of tools and
    prompts, which never change. Without sessions nobody of the 2025 protocols can be notified.
    """

    has_sessions = True

    def get_capabilities(
        self,
        notification_options: NotificationOptions | None = None,
        experimental_capabilities: dict[str, dict[str, Any]] | None = None,
        extensions: dict[str, dict[str, Any]] | None = None,
        *,
        protocol_version: str | None = None,
    ) -> ServerCapabilities:
        told = super().get_capabilities(
            notification_options, experimental_capabilities, extensions, protocol_version=protocol_version
        )
        for capability, changes in ((told.tools, False), (told.prompts, False), (told.resources, True)):
            if capability is not None:
                capability.list_changed = changes
        if not self.has_sessions and told.resources is not None and protocol_version not in MODERN_PROTOCOL_VERSIONS:
            told.resources.subscribe = told.resources.list_changed = False
        return told


def assemble(settings: Settings, lifespan: _Lifespan) -> Server[Any]:
    """A server whose handlers reach what `lifespan` opens, at once or once it is wanted; nothing is opened here."""
    server = _Server(
        NAME,
        version=__version__,
        title="Runway by useapi.net",
        instructions=listed().instructions,
        lifespan=lifespan,
        get_tool_input_schema=listed().input_schema,
        cache_hints=dict.fromkeys(
            ("server/discover", "tools/list", "prompts/list", "resources/templates/list"), _FIXED
        ),
    )
    server.has_sessions = not settings.has_replicas
    server.extensions[EXTENSION] = {}
    told = listed()
    # The SDK's constructor takes models of results alone; what never changes is told as it goes over the wire.
    for method, content in (
        ("tools/list", {"tools": told.tools_where(saves=settings.save == "own")}),
        ("prompts/list", {"prompts": told.prompts}),
        ("resources/templates/list", {"resourceTemplates": told.resource_templates}),
    ):
        server.add_request_handler(method, PaginatedRequestParams, _fixed({"resultType": "complete", **content}))
    for method, (params, load) in _LATE.items():
        server.add_request_handler(method, params, _late(load))
    server.add_notification_handler("notifications/initialized", NotificationParams, _send_updates)
    server.middleware.append(RequestStateBoundary(_sealed(settings.state_keys), default_audience=server.name))
    return server


def _sealed(keys: Sequence[SecretStr]) -> RequestStateSecurity:
    """State that clients carry between two requests, sealed for the caller that it was made for.

    The first key seals and all of them open; without keys only this process opens what it has sealed.
    """

    def principal(ctx: ServerRequestContext[Any]) -> str | None:
        from runway_mcp.server.context import caller_of

        return caller_of(ctx) or None

    if keys:
        return RequestStateSecurity(keys=[key.get_secret_value().encode() for key in keys], bind_principal=principal)
    return RequestStateSecurity(codec=_OwnKey(), bind_principal=principal)


class _OwnKey:
    """Seals with a key of this process alone, made when it is first used: few servers ever are asked to seal."""

    @cached_property
    def _codec(self) -> RequestStateCodec:
        # The first cipher of a process takes more than a megabyte.
        return AESGCMRequestStateCodec([secrets.token_bytes(32)])

    def seal(self, payload: bytes) -> str:
        return self._codec.seal(payload)

    def unseal(self, token: str) -> bytes:
        return self._codec.unseal(token)


def _fixed(content: dict[str, Any]) -> _Handler:
    """A handler whose result never changes; what is not loaded yet is loaded soon after it."""

    async def handle(ctx: ServerRequestContext[Any], _params: PaginatedRequestParams) -> dict[str, Any]:
        if isinstance(ctx.lifespan_context, Opening):
            ctx.lifespan_context.want_soon()
        return content

    return handle


def _late(load: Callable[[], _Handler]) -> _Handler:
    """The handler that `load` gives, which is loaded at the first request; it finds the lifespan open."""
    loaded: list[_Handler] = []

    async def handle(ctx: ServerRequestContext[Any], params: Any) -> Any:
        ctx = await _opened(ctx)
        if not loaded:
            from runway_mcp.server.boundary import error_boundary

            loaded.append(error_boundary(load()))
        return await loaded[0](ctx, params)

    return handle


async def _opened(ctx: ServerRequestContext[Any], *, wanted: bool = True) -> ServerRequestContext[Any]:
    state = ctx.lifespan_context
    return replace(ctx, lifespan_context=await state.opened(wanted=wanted)) if isinstance(state, Opening) else ctx


async def _send_updates(ctx: ServerRequestContext[Any], params: NotificationParams) -> None:
    """Notifies for as long as the connection lasts. It comes before the first list, so it waits for others' wish."""
    ctx = await _opened(ctx, wanted=False)
    from runway_mcp.server.resources.subscribing import send_updates

    await send_updates(ctx, params)


def _call_tool() -> _Handler:
    from runway_mcp.server.tools.dispatch import call_tool

    return call_tool


def _list_resources() -> _Handler:
    from runway_mcp.server.resources.handlers import list_resources

    return list_resources


def _read_resource() -> _Handler:
    from runway_mcp.server.resources.handlers import read_resource

    return read_resource


def _subscribe() -> _Handler:
    from runway_mcp.server.resources.subscribing import subscribe

    return subscribe


def _unsubscribe() -> _Handler:
    from runway_mcp.server.resources.subscribing import unsubscribe

    return unsubscribe


def _listen() -> _Handler:
    from runway_mcp.server.resources.subscribing import listen

    return listen


def _get_prompt() -> _Handler:
    from runway_mcp.server.prompts import get_prompt

    return get_prompt


def _complete() -> _Handler:
    from runway_mcp.server.completion import Completions

    return Completions().complete


def _get_protocol_task() -> _Handler:
    from runway_mcp.server.protocol_tasks import get_protocol_task

    return get_protocol_task


def _cancel_protocol_task() -> _Handler:
    from runway_mcp.server.protocol_tasks import cancel_protocol_task

    return cancel_protocol_task


def _update_protocol_task() -> _Handler:
    from runway_mcp.server.protocol_tasks import update_protocol_task

    return update_protocol_task


_LATE: Final[dict[str, tuple[type[Any], Callable[[], _Handler]]]] = {
    "tools/call": (CallToolRequestParams, _call_tool),
    "resources/list": (PaginatedRequestParams, _list_resources),
    "resources/read": (ReadResourceRequestParams, _read_resource),
    "resources/subscribe": (SubscribeRequestParams, _subscribe),
    "resources/unsubscribe": (UnsubscribeRequestParams, _unsubscribe),
    "subscriptions/listen": (SubscriptionsListenRequestParams, _listen),
    "prompts/get": (GetPromptRequestParams, _get_prompt),
    "completion/complete": (CompleteRequestParams, _complete),
    "tasks/get": (TaskParams, _get_protocol_task),
    "tasks/cancel": (TaskParams, _cancel_protocol_task),
    "tasks/update": (TaskParams, _update_protocol_task),
}
