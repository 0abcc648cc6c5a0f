"""Requests for change notifications: subscribe in the 2025 protocols, `subscriptions/listen` in 2026-07-28.

A subscribed task or film is followed at the pace of a waiting call until it ends or its subscriber is gone. While the
list of tasks is subscribed to, every followed task is read at that pace.
"""

from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_REQUEST,
    EmptyResult,
    NotificationParams,
    SubscribeRequestParams,
    SubscriptionFilter,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
    UnsubscribeRequestParams,
)

from runway_mcp.server import protocol_tasks
from runway_mcp.server.boundary import log_crash
from runway_mcp.server.context import RequestContext, context_of
from runway_mcp.server.resources.handlers import checked_address
from runway_mcp.server.updates.subscriptions import MOST_CONNECTIONS, MOST_URIS, Connection

_NO_CONNECTION = (
    "This connection cannot be told of changes: that takes a session, opened with initialize and "
    f"notifications/initialized, and the server tells {MOST_CONNECTIONS} of them at most."
)
_FULL = f"One client can hear of {MOST_URIS} resources at a time: unsubscribe from others first."


async def send_updates(ctx: RequestContext, _params: NotificationParams) -> None:
    """Sends notifications to a client of the 2025 protocols for as long as its connection lasts.

    It starts at `notifications/initialized`; the SDK cancels it when the connection is gone, for whatever reason.
    """
    try:
        context = context_of(ctx)
        with context.subscriptions.connected(ctx.session, context.caller) as connection:
            if connection is not None:
                try:
                    await connection.tell(ctx.session)
                finally:
                    connection.end()
    except Exception as error:  # noqa: BLE001  the SDK would log its text
        log_crash(ctx.method, error)


async def subscribe(ctx: RequestContext, params: SubscribeRequestParams) -> EmptyResult:
    """Subscribes the connection to a resource; a repeat changes nothing.

    Raises `MCPError` for an unknown resource, above the limit, and without a connection that can be notified.
    """
    address, connection = checked_address(params.uri), _connection(ctx)
    if connection.is_full and not connection.hears_of(address, params.uri):
        raise MCPError(INVALID_REQUEST, _FULL)
    connection.add(address, params.uri, context_of(ctx).observers)
    return EmptyResult()


async def unsubscribe(ctx: RequestContext, params: UnsubscribeRequestParams) -> EmptyResult:
    """Removes the subscription made with this spelling of the URI; without one, does nothing.

    Raises `MCPError` for an unknown resource, and without a connection that can be notified.
    """
    address, connection = checked_address(params.uri), _connection(ctx)
    connection.drop(address, params.uri)
    return EmptyResult()


async def listen(ctx: RequestContext, params: SubscriptionsListenRequestParams) -> SubscriptionsListenResult:
    """Serves a `subscriptions/listen` stream, for those of the requested notifications that this server sends.

    Raises `MCPError` for an unknown resource, above the limit, and for `taskIds` without the Tasks extension.
    """
    wanted = params.notifications
    if (wanted.model_extra or {}).get("taskIds") and not protocol_tasks.declared(ctx):
        raise protocol_tasks.undeclared()
    uris = dict.fromkeys(wanted.resource_subscriptions or ())
    # Counted before they are looked at: a body has room for tens of thousands.
    if len(uris) > MOST_URIS:
        raise MCPError(INVALID_REQUEST, _FULL)
    spelled = {uri: checked_address(uri) for uri in uris}
    granted = SubscriptionFilter(
        resources_list_changed=wanted.resources_list_changed, resource_subscriptions=list(spelled) or None
    )
    context, addresses = context_of(ctx), set(spelled.values())
    context.observers.add(addresses)
    try:
        asked = params.model_copy(update={"notifications": granted})
        return await context.subscriptions.listen(ctx, asked, spelled, context.caller)
    finally:
        context.observers.remove(addresses)


def _connection(ctx: RequestContext) -> Connection:
    connection = context_of(ctx).subscriptions.of(ctx.session)
    if connection is None:
        raise MCPError(INVALID_REQUEST, _NO_CONNECTION)
    return connection
