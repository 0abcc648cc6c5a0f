"""Clients that want to hear of resources, in the way of either era."""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

import anyio
from mcp.client.client import Client
from mcp.client.subscriptions import ResourceUpdated
from mcp_types import (
    EmptyResult,
    ResourceListChangedNotification,
    ResourceUpdatedNotification,
    SubscribeRequest,
    SubscribeRequestParams,
    UnsubscribeRequest,
    UnsubscribeRequestParams,
)

from tests.kit.client import ToolClient

LIST = "the list"
"""What is heard when the list of resources has changed."""


class Endpoint(Protocol):
    """Where clients come in."""

    def client(self, mode: str, **fields: Any) -> AbstractAsyncContextManager[ToolClient]: ...


@asynccontextmanager
async def hearing(
    server: Endpoint, mode: str, *uris: str, **fields: Any
) -> AsyncGenerator[tuple[ToolClient, list[str]]]:
    """A client that wants to hear of resources and of the list, in the way of its era; and what it has heard."""
    heard: list[str] = []
    if mode == "legacy":

        async def keep(message: object) -> None:
            if isinstance(message, ResourceUpdatedNotification):
                heard.append(message.params.uri)
            elif isinstance(message, ResourceListChangedNotification):
                heard.append(LIST)

        async with server.client(mode, message_handler=keep, **fields) as client:
            for uri in uris:
                await subscribe(client.mcp, uri)
            yield client, heard
        return
    async with (
        server.client(mode, **fields) as client,
        client.mcp.listen(resource_subscriptions=uris, resources_list_changed=True) as subscription,
        anyio.create_task_group() as group,
    ):

        async def listen() -> None:
            async for event in subscription:
                heard.append(event.uri if isinstance(event, ResourceUpdated) else LIST)  # noqa: PERF401  heard at once

        group.start_soon(listen)
        yield client, heard
        group.cancel_scope.cancel()


async def subscribe(client: Client, uri: str) -> None:
    """Subscribes in the way of the 2025 protocols."""
    request = SubscribeRequest(params=SubscribeRequestParams(uri=uri))
    await client.session.send_request(request, EmptyResult)


async def unsubscribe(client: Client, uri: str) -> None:
    """Takes a subscription of the 2025 protocols back."""
    request = UnsubscribeRequest(params=UnsubscribeRequestParams(uri=uri))
    await client.session.send_request(request, EmptyResult)
