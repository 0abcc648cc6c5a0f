"""Requests that are ended before their time: begun responses by a last chunk, others by a refusal."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send


async def served_within(
    limit: AbstractContextManager[Any],
    app: ASGIApp,
    scope: Scope,
    receive: Receive,
    send: Send,
    *,
    refusal: Callable[[], ASGIApp],
) -> None:
    """Serves a request within `limit`, which may cancel it; a `refusal` answers then if nothing was answered yet."""
    last: Message | None = None

    async def noting(message: Message) -> None:
        nonlocal last
        last = message
        await send(message)

    with limit:
        await app(scope, receive, noting)
    if last is None:
        await refusal()(scope, receive, send)
    elif last["type"] == "http.response.start" or last.get("more_body"):
        await send({"type": "http.response.body", "body": b"", "more_body": False})
