"""The address that upstream calls: open to everybody who knows a token, and worth next to nothing to anybody else.

Whoever posts here has neither the access token nor one of our host names, so the route is exempt from those checks. It
reads little, believes nothing and answers at once.
"""

import logging
from collections.abc import Awaitable, Callable

import anyio
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from runway_mcp.tasks.callbacks import PATH
from runway_mcp.tasks.store.database import LedgerError

MOST_READ = 65_536
"""So many bytes of a body are kept; a longer one is taken to say nothing."""

MOST_PASSED = 16 * 1_048_576
"""So many bytes may pass by unread, because most callers hear no answer before they have said all."""

READ_SECONDS = 3.0
"""For so long a body may take to arrive; a slower one is taken to say nothing."""

_log = logging.getLogger(__name__)

Take = Callable[[str, Callable[[], Awaitable[bytes]]], Awaitable[bool]]
"""Takes a token and a way to read the body; tells whether there is such an address. See `Callbacks.take`."""


def callback_route(take: Take) -> Route:
    """The route of callbacks: 200 `ok` for the address of an intent whatever the body, 404 for any other."""

    async def answer(request: Request) -> Response:
        try:
            is_known = await take(request.path_params["token"], lambda: _body(request))
        except LedgerError as error:
            _log.warning("a callback could not be taken: %s", error)
            return PlainTextResponse("try again later", 503)
        return PlainTextResponse("ok") if is_known else PlainTextResponse("Not Found", 404)

    return Route(PATH + "{token}", answer, methods=["POST"])


async def _body(request: Request) -> bytes:
    """The body, or nothing if it is too long, too slow or cut off."""
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
