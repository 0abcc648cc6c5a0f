"""The HTTP endpoint that upstream calls back; it needs no access token, only the token of an intent.

Upstream has neither the access token nor an allowed host name, so the route is exempt from those checks. It reads
little, believes nothing and responds at once.
"""

import logging
from collections.abc import Awaitable, Callable

import anyio
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from runway_mcp.tasks.callbacks import PATH, UNKNOWN
from runway_mcp.tasks.store.protocol import LedgerError

MOST_READ = 65_536
"""How many bytes of a body are kept; a longer one counts as empty."""

MOST_PASSED = 16 * 1_048_576
"""How many bytes are received in all, because most clients read no response before they have sent everything."""

READ_SECONDS = 10.0
"""How long a body may take to arrive, in seconds; a slower one counts as empty."""

_log = logging.getLogger(__name__)

Take = Callable[[str, Callable[[], Awaitable[bytes]]], Awaitable[bool]]
"""Takes a token and a function that reads the body; returns whether the token is known. See `Callbacks.take`."""


def callback_route(take: Take) -> Route:
    """The route of callbacks: 200 for an intent's token, whatever the body; 404 for others; 503 without a ledger."""

    async def answer(request: Request) -> Response:
        try:
            is_known = await take(request.path_params["token"], lambda: _body(request))
        except LedgerError as error:
            _log.warning("a callback could not be taken: %s", error)
            return PlainTextResponse("try again later", 503)
        return PlainTextResponse("ok") if is_known else PlainTextResponse(UNKNOWN, 404)

    return Route(PATH + "{token}", answer, methods=["POST"])


async def _body(request: Request) -> bytes:
    """The body; empty if it is too long, too slow or cut off."""
    read, passed = bytearray(), 0
    with anyio.move_on_after(READ_SECONDS):
        try:
            async for chunk in request.stream():
                passed += len(chunk)
                if passed <= MOST_READ:
                    read += chunk
                elif passed > MOST_PASSED:
                    break
        except ClientDisconnect:
            return b""
        return bytes(read) if passed <= MOST_READ else b""
    return b""
