"""A small MCP server of no use, so that the transports are tested without anything that they carry.

Run as a program, it serves on the transport that its first argument names, and tells on stderr what happens:
`python -m tests.server.toy stdio`.
"""

import signal
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import mcp_types as t
from mcp.server.auth.provider import AccessToken, TokenVerifier
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from pydantic import SecretStr

from runway_mcp.server.context import ScopedToken
from runway_mcp.server.hosted.hosting import Hosting
from runway_mcp.server.transport.connections import ConnectionLimits
from runway_mcp.server.transport.http import Transport, create_app
from runway_mcp.server.transport.security import OneToken
from runway_mcp.server.transport.serving import bind, serve_app, url_of
from runway_mcp.server.transport.stdio import serve_stdio

STEPS = 3

LIMIT = 30.0
"""Within how many seconds a server has to begin and to end, on a machine that is busy with something else."""


class OfAnybody(TokenVerifier):
    """Takes every token for the name of its caller."""

    async def verify_token(self, token: str) -> AccessToken | None:
        return ScopedToken(token="", client_id=token, scopes=["read"])


async def _at_once() -> None:
    """What a toy waits for before a result, if nothing else is said."""


def toy(
    tell: Callable[[str], None] = lambda _: None, *, before_result: Callable[[], Awaitable[None]] = _at_once
) -> Server[Any]:
    """A server whose tool `count` reports progress and returns how often the lifespan began; `hang` never returns."""
    opened: list[str] = []

    @asynccontextmanager
    async def lifespan(_: Server[Any]) -> AsyncGenerator[str]:
        opened.append("x")
        tell("opened")
        try:
            yield str(len(opened))
        finally:
            tell("closed")

    async def list_tools(_: ServerRequestContext[Any], __: t.PaginatedRequestParams | None) -> t.ListToolsResult:
        tools = [t.Tool(name=name, input_schema={"type": "object"}) for name in ("count", "hang")]
        return t.ListToolsResult(tools=tools)

    async def call_tool(context: ServerRequestContext[Any], params: t.CallToolRequestParams) -> t.CallToolResult:
        print("noise")  # noqa: T201 - a stray print must not reach the wire
        if params.name == "hang":
            await _hang(tell)
        for step in range(STEPS):
            await context.session.report_progress(step + 1, STEPS, f"step {step + 1}")
        await before_result()
        return t.CallToolResult(content=[t.TextContent(type="text", text=context.lifespan_context)])

    return Server(
        "toy",
        version="0",
        lifespan=lifespan,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_subscriptions_listen=ListenHandler(InMemorySubscriptionBus()),
    )


async def _hang(tell: Callable[[str], None]) -> None:
    tell("hanging")
    try:
        await anyio.sleep_forever()
    finally:
        tell("let go")


@asynccontextmanager
async def served(
    server: Server[Any],
    *,
    transport: Transport = "http",
    access_token: str | None = None,
    verifier: TokenVerifier | None = None,
    allowed_hosts: tuple[str, ...] = (),
    limits: ConnectionLimits | None = None,
    has_sessions: bool = True,
    hosting: Hosting | None = None,
) -> AsyncGenerator[str]:
    """The base URL of the server on a real socket of this machine, for as long as the context is open."""
    if access_token is not None:
        verifier = OneToken(SecretStr(access_token))
    app = create_app(
        server,
        transport=transport,
        verifier=verifier,
        allowed_hosts=allowed_hosts,
        has_sessions=has_sessions,
        hosting=hosting,
    )
    ready = anyio.Event()
    listener = bind("127.0.0.1", 0)
    url = url_of("127.0.0.1", listener)
    async with anyio.create_task_group() as group:

        async def serve() -> None:
            await serve_app(app, listener, ready=ready.set, limits=limits, end_streams=app.state.end_streams)

        group.start_soon(serve)
        with anyio.fail_after(LIMIT):
            await ready.wait()
        yield url
        group.cancel_scope.deadline = anyio.current_time() + LIMIT
        signal.raise_signal(signal.SIGTERM)
    assert not group.cancel_scope.cancelled_caught, "the server did not end in time"


def main(transport: str) -> None:
    """Serves a toy on one transport until a signal or the host ends it."""

    def tell(line: str) -> None:
        print(line, file=sys.stderr, flush=True)  # noqa: T201 - this is what the tests read

    server = toy(tell)
    if transport == "stdio":
        anyio.run(serve_stdio, server)
    else:
        listener = bind("127.0.0.1", 0)
        app = create_app(server, transport="sse")

        async def serve() -> None:
            await serve_app(app, listener, ready=lambda: tell(url_of("127.0.0.1", listener)))

        anyio.run(serve)


if __name__ == "__main__":
    main(sys.argv[1])
