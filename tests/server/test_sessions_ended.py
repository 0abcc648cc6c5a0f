"""A request that comes while its session is being ended: refused as a whole, and never taken and lost."""

from typing import Any, cast

import anyio
from mcp.server.streamable_http import MCP_SESSION_ID_HEADER
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.types import Message, Receive, Scope, Send

from runway_mcp.server.transport.sessions import Sessions


class Manager:
    """Opens sessions, and takes its time to end one."""

    def __init__(self) -> None:
        self.opened = 0
        self.taken: list[str] = []
        self.ending, self.may_end = anyio.Event(), anyio.Event()

    async def handle_request(self, scope: Scope, _receive: Receive, send: Send) -> None:
        headers: list[tuple[bytes, bytes]] = []
        if scope["method"] == "DELETE":
            self.ending.set()
            await self.may_end.wait()
        elif not scope["headers"]:
            self.opened += 1
            headers = [(MCP_SESSION_ID_HEADER.encode(), str(self.opened).encode())]
        else:
            self.taken.append(scope["headers"][0][1].decode())
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


async def body() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


def scope(*headers: tuple[bytes, bytes]) -> Scope:
    return {"type": "http", "method": "POST", "path": "/mcp", "query_string": b"", "headers": list(headers)}


async def test_a_request_of_a_session_that_is_being_ended_is_refused_and_not_taken() -> None:
    manager = Manager()
    sessions = Sessions(cast("StreamableHTTPSessionManager", manager), most_idle=1)
    told: list[Any] = []

    async def send(message: Message) -> None:
        told.append(message)

    async def ask(session: str) -> int:
        told.clear()
        await sessions.serve(session, scope((MCP_SESSION_ID_HEADER.encode(), session.encode())), body, send)
        return told[0]["status"]

    with anyio.fail_after(30):
        await sessions.open(scope(), body, send)
        async with anyio.create_task_group() as group:
            group.start_soon(sessions.open, scope(), body, send)
            await manager.ending.wait()

            assert await ask("1") == 404
            assert b"Session not found" in told[1]["body"]
            assert await ask("2") == 200

            manager.may_end.set()
    assert manager.taken == ["2"]
