"""Responses that end with their client's reading, or before their time: begun ones by a last chunk, others refused."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

PART: Final = 65_536
"""The most bytes of a response that are handed over at a time."""


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


def in_parts(send: Send) -> Send:
    """Sends long bodies in parts of `PART` bytes, each once the client has read of those before.

    So a request is not over while its answer waits unread in memory.
    """

    async def send_part(message: Message) -> None:
        body: bytes = message.get("body", b"")
        if message["type"] != "http.response.body" or len(body) <= PART:
            await send(message)
            return
        for begin in range(0, len(body), PART):
            is_last = begin + PART >= len(body)
            more_body = message.get("more_body", False) or not is_last
            await send({"type": message["type"], "body": body[begin : begin + PART], "more_body": more_body})

    return send_part
