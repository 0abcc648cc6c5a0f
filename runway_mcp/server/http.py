"""MCP over HTTP: one app that speaks every revision at `/mcp`, and on wish the older HTTP+SSE transport.

The server's lifespan is entered once per process, and every session, request and connection shares its state.

At `/mcp` a client of the handshake era (up to 2025-11-25) gets a session, because only a session carries cancellation,
resource updates and questions to the user. Not every client keeps one: some hosts forget the session id, and some
connectors send a 2026-07-28 body under a 2025-11-25 header. Whoever names no session and does not open one is served
request by request. Clients of 2026-07-28 never have sessions.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, nullcontext
from copy import copy
from typing import Any, Literal, cast

import pydantic_core
from mcp.server.lowlevel import Server
from mcp.server.runner import serve_dual_era_loop
from mcp.server.sse import SseServerTransport
from mcp.server.streamable_http import MCP_SESSION_ID_HEADER
from mcp.server.streamable_http_manager import RequestBodyLimitMiddleware, StreamableHTTPSessionManager
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import Message, Receive, Scope, Send

from runway_mcp import __version__
from runway_mcp.server.security import HEALTH, guarded, host_rules

MAX_BODY = 1_048_576
"""The largest request body in bytes; no call of ours comes near it."""

Transport = Literal["http", "sse"]


def create_app(
    server: Server[Any],
    *,
    transport: Transport = "http",
    access_token: SecretStr | None = None,
    allowed_hosts: tuple[str, ...] = (),
) -> Starlette:
    """The ASGI app of a server; `sse` adds `/sse` and `/messages/` to `/mcp` and `/healthz`. It may be started once."""
    doors = _Doors(server)
    routes: list[BaseRoute] = [
        Route(HEALTH, _health, methods=["GET"]),
        Route("/mcp", RequestBodyLimitMiddleware(doors.mcp, MAX_BODY)),
    ]
    if transport == "sse":
        routes += [
            Route("/sse", RequestBodyLimitMiddleware(doors.sse, MAX_BODY), methods=["GET"]),
            Mount("/messages/", app=doors.messages.handle_post_message),
        ]
    door = Middleware(guarded, access_token=access_token, rules=host_rules(allowed_hosts))
    return Starlette(routes=routes, middleware=[door], lifespan=doors.open)


async def _health(_: Request) -> Response:
    return JSONResponse({"status": "ok", "version": __version__})


class _Doors:
    """The ways into one server; `open` is their lifetime, and nothing comes in outside it.

    The SDK's security settings stay off, because `guarded` has checked the request before it comes here.
    """

    def __init__(self, server: Server[Any]) -> None:
        self._server = server
        self.messages = SseServerTransport("/messages/", max_request_body_size=MAX_BODY)

    @asynccontextmanager
    async def open(self, _: Starlette) -> AsyncGenerator[None]:
        async with self._server.lifespan(self._server) as state:

            def already_open(_: Server[Any]) -> nullcontext[Any]:
                return nullcontext(state)

            # Each of the SDK's session keepers enters the lifespan of the server that it is given. Both get one that
            # differs in nothing but that its lifespan is already entered.
            entered = copy(self._server)
            entered.lifespan = already_open
            self._state = state
            self._sessions = StreamableHTTPSessionManager(entered, max_request_body_size=MAX_BODY)
            self._single = StreamableHTTPSessionManager(entered, stateless=True, max_request_body_size=MAX_BODY)
            async with self._sessions.run(), self._single.run():
                yield

    async def mcp(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves a request in its session, in a session of its own if it is `initialize`, or else by itself."""
        request = Request(scope, receive)
        if MCP_SESSION_ID_HEADER in request.headers:
            await self._sessions.handle_request(scope, receive, send)
        elif request.method != "POST":
            # Without a session there is no stream to listen to and nothing to delete.
            await Response(status_code=405, headers={"Allow": "POST"})(scope, receive, send)
        else:
            body = await request.body()
            way = self._sessions if _method(body) == "initialize" else self._single
            await way.handle_request(scope, _with_body(body, receive), send)

    async def sse(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one HTTP+SSE connection for as long as its stream is open."""
        async with self.messages.connect_sse(scope, receive, send) as (read, write):
            await serve_dual_era_loop(self._server, read, write, lifespan_state=self._state)


def _method(body: bytes) -> object:
    """The method in a JSON-RPC body, None if there is none; whether the body is valid is for the protocol to say."""
    try:
        message: object = pydantic_core.from_json(body)
    except ValueError:
        return None
    return cast("dict[str, object]", message).get("method") if isinstance(message, dict) else None


def _with_body(body: bytes, receive: Receive) -> Receive:
    """A receive channel that begins with the body, which has been read from `receive` already."""
    unread = [body]

    async def replay() -> Message:
        if unread:
            return {"type": "http.request", "body": unread.pop(), "more_body": False}
        return await receive()

    return replay
