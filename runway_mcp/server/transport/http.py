"""MCP over HTTP: one app with `/mcp` for every revision and, if asked for, the older HTTP+SSE transport.

The server's lifespan is entered once per process, and every session, request and connection shares its state.
"""

import json
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, nullcontext, suppress
from copy import copy
from functools import partial
from typing import Any, Literal, cast

import anyio
import pydantic_core
from mcp.server.auth.provider import TokenVerifier
from mcp.server.lowlevel import Server
from mcp.server.runner import serve_dual_era_loop
from mcp.server.sse import SseServerTransport
from mcp.server.streamable_http import MCP_SESSION_ID_HEADER
from mcp.server.streamable_http_manager import RequestBodyLimitMiddleware, StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from mcp_types import INVALID_REQUEST, PARSE_ERROR
from mcp_types.jsonrpc import jsonrpc_message_adapter
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runway_mcp import __version__
from runway_mcp.server.context import Lifespan, caller_in
from runway_mcp.server.transport.callbacks import callback_route
from runway_mcp.server.transport.caller_rules import CallerRules
from runway_mcp.server.transport.security import HEALTH, READY, access_guard, bare_challenge, host_rules
from runway_mcp.server.transport.sessions import IDLE_SECONDS, Sessions
from runway_mcp.server.transport.unread import Unread
from runway_mcp.tasks.callbacks import take_callback
from runway_mcp.tasks.store.protocol import Availability

MAX_BODY = 1_048_576
"""The largest request body, in bytes; no tool call comes near it."""

_LOOKUPS_AT_ONCE = 2

_SSE_SESSION = re.compile("[0-9a-f]{32}")
"""The id that the SDK makes for an HTTP+SSE connection. It logs any other, as it came."""

_TOLD_ONCE = frozenset(
    {
        *("server/discover", "tools/list", "prompts/list", "prompts/get", "completion/complete", "ping"),
        *("resources/list", "resources/templates/list", "resources/read"),
        *("tasks/get", "tasks/cancel", "tasks/update"),
    }
)
"""The methods that never notify: without a session each is answered by one JSON document, all others by a stream."""

_AWAY: Mapping[Availability, tuple[str, ...]] = {
    Availability.NEVER: ("ledger",),
    Availability.REACHED: (),
    Availability.AWAY: ("ledger",),
    Availability.UNCONFIRMED: ("commits",),
}
"""What of the ledger readiness tells as away."""

Transport = Literal["http", "sse"]
"""`http` serves `/mcp` alone, `sse` the older HTTP+SSE transport as well."""


def create_app(
    server: Server[Any],
    *,
    transport: Transport = "http",
    verifier: TokenVerifier | None = None,
    allowed_hosts: tuple[str, ...] = (),
    has_sessions: bool = True,
    hosting: CallerRules | None = None,
    refused: Callable[[str], None] | None = None,
) -> Starlette:
    """The ASGI app of a server, to be started once; `sse` adds `/sse` and `/messages/` to `/mcp` and `/healthz`.

    `verifier` tells the caller of a request by its token; without one there is one caller, and no token is asked for.
    Without sessions every request is served by itself, so that the next one may reach another server; `sse` needs them.
    `hosting`, which brings a verifier of its own, is for several callers. `/readyz` tells whether requests should be
    sent here: not until they can be judged, and not once `state.drain()` of the app was called.
    `refused` is called for each request without the right token, with the reason: `missing` or `wrong`.
    """

    def challenge(scope: Scope, *, given: bool) -> Response:
        if refused is not None:
            refused("wrong" if given else "missing")
        return bare_challenge(scope, given=given)

    endpoints = _Endpoints(server, hosting, has_sessions=has_sessions)
    routes: list[BaseRoute] = [
        Route(HEALTH, _health, methods=["GET"]),
        Route(READY, endpoints.readiness, methods=["GET"]),
        callback_route(endpoints.take_callback),
        *_routes("/mcp", endpoints),
    ]
    rules = host_rules(allowed_hosts)
    middleware = [Middleware(access_guard, verifier=verifier, rules=rules, challenge=challenge)]
    if hosting is not None:
        routes += [*hosting.routes(), *(_routes(f"{hosting.of_tokens}/mcp", endpoints) if hosting.of_tokens else ())]
        middleware = hosting.middleware(rules)
    if transport == "sse":
        routes += [
            *_routes("/sse", RequestBodyLimitMiddleware(endpoints.sse, MAX_BODY), methods=["GET"]),
            Mount("/messages/", app=RequestBodyLimitMiddleware(endpoints.messages, MAX_BODY)),
        ]
    app = Starlette(routes=routes, middleware=middleware, lifespan=endpoints.open)
    app.state.drain, app.state.is_draining = endpoints.drain, endpoints.is_draining
    app.state.end_streams = endpoints.end_streams
    # A redirect would lead to whatever the Host header or the path names.
    app.router.redirect_slashes = False
    return app


def _routes(path: str, app: ASGIApp, methods: list[str] | None = None) -> tuple[Route, Route]:
    """The routes of a path, which is served with and without a slash at its end."""
    return Route(path, app, methods=methods), Route(f"{path}/", app, methods=methods)


async def _health(_: Request) -> Response:
    return JSONResponse({"status": "ok", "version": __version__})


class _Endpoints:
    """The HTTP endpoints of one server, itself the app of `/mcp`; they serve only while `open` is entered.

    The SDK's security settings stay off, because `access_guard` checks each request first.
    """

    def __init__(self, server: Server[Any], hosting: CallerRules | None, *, has_sessions: bool) -> None:
        self._server = server
        self._has_sessions = has_sessions
        self._hosting = hosting
        self._is_draining = False
        self._in_flight: set[tuple[str, str, str]] = set()
        # Strangers reach the ledger by callbacks alone: so many of its connections they may use, and no more.
        self._lookups = anyio.Semaphore(_LOOKUPS_AT_ONCE)
        self._sse = SseServerTransport("/messages/", max_request_body_size=MAX_BODY)

    @asynccontextmanager
    async def open(self, _: Starlette) -> AsyncGenerator[None]:
        async with self._server.lifespan(self._server) as state:

            def already_open(_: Server[Any]) -> nullcontext[Any]:
                return nullcontext(state)

            # Each session manager of the SDK enters the lifespan of its server. Both get a copy of the server whose
            # lifespan is entered already.
            entered = copy(self._server)
            entered.lifespan = already_open
            if self._hosting is not None:
                entered.middleware = [*entered.middleware, self._hosting.hold]
            self._state, self._entered = state, entered
            managed = partial(
                StreamableHTTPSessionManager,
                entered,
                max_request_body_size=MAX_BODY,
                # Without any the SDK makes settings that say the same for each request.
                security_settings=TransportSecuritySettings(enable_dns_rebinding_protection=False),
            )
            sessions = managed(session_idle_timeout=IDLE_SECONDS)
            self._sessions = Sessions(sessions)
            self._single = managed(stateless=True)
            self._told_once = managed(stateless=True, json_response=True)
            hosting = self._hosting.open() if self._hosting else nullcontext()
            async with sessions.run(), self._single.run(), self._told_once.run(), hosting:
                yield

    async def readiness(self, _: Request) -> Response:
        """Tells whether requests should be sent here, and what is away: that alone changes nothing once it was there.

        Else a database that fails would take all servers away at once, and with them what goes on without it.
        """
        reach = self._state.reach() if isinstance(self._state, Lifespan) else Availability.REACHED
        is_known = self._hosting is None or self._hosting.is_ready
        is_ready = is_known and reach is not Availability.NEVER
        status = "draining" if self._is_draining else "ready" if is_ready else "starting"
        away = (*_AWAY[reach], *(self._hosting.away if self._hosting else ()))
        told = {"status": status, **({"away": away} if away else {})}
        return JSONResponse(told, 200 if status == "ready" else 503)

    def is_draining(self) -> bool:
        """Whether the server will stop soon."""
        return self._is_draining

    def drain(self) -> None:
        """Says that the server will stop soon; calls that wait for their task end with how it stands."""
        self._is_draining = True
        if isinstance(self._state, Lifespan):
            self._state.waits.end_all()

    def end_streams(self) -> None:
        """Ends the streams of `subscriptions/listen`, each with its result, so that clients know it for an end."""
        if isinstance(self._state, Lifespan):
            self._state.subscriptions.end_streams()

    async def take_callback(self, token: str, read: Callable[[], Awaitable[bytes]]) -> bool:
        """Takes a callback of upstream's; False if its token belongs to no submit of this server."""
        if not isinstance(self._state, Lifespan):
            return False
        services = [each.open_service for each in self._state.accounts() if each.open_service is not None]
        is_known = await take_callback([each.callbacks for each in services], token, read, turns=self._lookups)
        if self._state.meter is not None:
            self._state.meter.called_back(known=is_known)
        return is_known

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves a request in the session that it names, in a new one if it is `initialize`, else by itself.

        Clients of the handshake era (up to 2025-11-25) get sessions, because only a session carries cancellation,
        resource updates and questions to the user. Some hosts forget the session id, and some connectors send a
        2026-07-28 body under a 2025-11-25 header; those are served request by request. Clients of 2026-07-28 never have
        sessions, and nobody has where there are none: what names one that another server may have had is served too.
        """
        headers = Headers(scope=scope)
        session = headers.get(MCP_SESSION_ID_HEADER) if self._has_sessions else None
        if scope["method"] == "POST":
            body = await _whole_body(headers, receive)
            if body is not None:
                serve = body if isinstance(body, Response) else self._serving(session, body, scope)
                receive = receive if isinstance(body, Response) else _with_body(body, receive)
                # A stream may stay open for hours, and needs no body for that.
                del body
                await serve(scope, receive, send)
        elif session is not None:
            await self._sessions.serve(session, scope, receive, send)
        else:
            # Without a session there is no stream to open and nothing to delete.
            await Response(status_code=405, headers={"Allow": "POST"})(scope, receive, send)

    def _serving(self, session: str | None, body: bytes, scope: Scope) -> ASGIApp:
        """What serves the message in a body: its refusal, or who is to answer it."""
        message = _message(body)
        if isinstance(message, Response):
            return message
        refusal = self._hosting.refusal(scope, message) if self._hosting else None
        if refusal is not None:
            return refusal
        if session is None:
            return self._serve_single(message.get("method"))
        if "method" not in message or message.get("id") is None:
            return partial(self._sessions.serve, session)
        key = (caller_in(scope), session, json.dumps(message["id"]))
        if key in self._in_flight:
            # The SDK would give the first request's stream to the second, and never respond to the first.
            return _refusal(INVALID_REQUEST, "A request with this id is still being answered.")
        return partial(self._serve_once, session, key)

    async def _serve_once(
        self, session: str, key: tuple[str, str, str], scope: Scope, receive: Receive, send: Send
    ) -> None:
        self._in_flight.add(key)
        try:
            await self._sessions.serve(session, scope, receive, send)
        finally:
            self._in_flight.discard(key)

    def _serve_single(self, method: object) -> ASGIApp:
        """What serves a request without a session. A stream of events costs twice of what one JSON answer costs."""
        if method == "initialize" and self._has_sessions:
            return self._sessions.open
        return (self._told_once if method in _TOLD_ONCE else self._single).handle_request

    async def sse(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one HTTP+SSE connection while its stream is open."""
        with Unread(scope, send, self._hosting) as unread:
            async with self._sse.connect_sse(scope, receive, unread.sending) as (read, write):
                await serve_dual_era_loop(self._entered, read, unread.bounded(write), lifespan_state=self._state)

    async def messages(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves a message of an HTTP+SSE connection; what the SDK would refuse with a log line is refused before."""
        request = Request(scope, receive)
        if request.method != "POST":
            await self._sse.handle_post_message(scope, receive, send)
            return
        if _SSE_SESSION.fullmatch(request.query_params.get("session_id", "")) is None:
            await Response("Invalid session ID", 400)(scope, receive, send)
            return
        try:
            body = await request.body()
        except ClientDisconnect:
            return
        message = _message(body)
        if isinstance(message, Response):
            await message(scope, receive, send)
        else:
            await self._sse.handle_post_message(scope, _with_body(body, receive), send)


async def _whole_body(headers: Headers, receive: Receive) -> bytes | Response | None:
    """The body of a request, or the refusal of one above `MAX_BODY`; None if its client has left."""
    with suppress(ValueError):
        if int(headers.get("content-length", "0")) > MAX_BODY:
            return _too_large()
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            return _too_large()
        if not message.get("more_body", False):
            return bytes(body)


def _too_large() -> Response:
    return Response("Request body too large", 413)


def _message(body: bytes) -> dict[str, Any] | Response:
    """The JSON-RPC message in a body, or the error response to a body without one.

    The SDK's own response would quote the body, in a library's words.
    """
    try:
        message: object = pydantic_core.from_json(body)
    except ValueError:
        return _refusal(PARSE_ERROR, "The body is no JSON.")
    try:
        jsonrpc_message_adapter.validate_python(message)
    except ValidationError:
        return _refusal(INVALID_REQUEST, "The body is no JSON-RPC 2.0 message.")
    read = cast("dict[str, Any]", message)
    # The SDK takes a request with an id of another type for a notification, and would never respond to it.
    if isinstance(read.get("id", ""), bool) or not isinstance(read.get("id", ""), str | int):
        return _refusal(INVALID_REQUEST, "The id of a JSON-RPC 2.0 message is a text or a whole number.")
    return read


def _refusal(code: int, message: str) -> Response:
    return JSONResponse({"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": message}}, 400)


def _with_body(body: bytes, receive: Receive) -> Receive:
    """A receive channel that replays the body, which was read from `receive` already."""
    unread = [body]

    async def replay() -> Message:
        if unread:
            return {"type": "http.request", "body": unread.pop(), "more_body": False}
        return await receive()

    return replay
