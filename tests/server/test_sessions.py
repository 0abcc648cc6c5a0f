"""Sessions that clients open and leave: how many may be idle, and which one makes room."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from mcp import Client

from runway_mcp.server.app import create_server
from runway_mcp.server.contract.uris import TASKS
from runway_mcp.server.transport.sessions import MOST_IDLE
from tests.kit.server import settings
from tests.server.toy import served, toy

OLD = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-11-25"}
INITIALIZE: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "0"}},
}
PING: dict[str, Any] = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
READY: dict[str, Any] = {"jsonrpc": "2.0", "method": "notifications/initialized"}


class Host:
    """A client that opens sessions and asks in them, by bare requests."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def open(self) -> dict[str, str]:
        """The headers of a new session's requests."""
        opened = await self.http.post("/mcp", json=INITIALIZE)
        assert opened.status_code == 200
        return {"mcp-session-id": opened.headers["mcp-session-id"]}

    async def abandon(self, count: int) -> list[dict[str, str]]:
        """So many sessions, opened one after the other and left."""
        return [await self.open() for _ in range(count)]

    async def lives(self, session: dict[str, str]) -> bool:
        """Whether a session takes a request."""
        status = (await self.http.post("/mcp", json=PING, headers=session)).status_code
        assert status in {200, 404}
        return status == 200


@asynccontextmanager
async def host(url: str, **headers: str) -> AsyncGenerator[Host]:
    with anyio.fail_after(60):
        async with httpx.AsyncClient(base_url=url, headers=OLD | headers, trust_env=False, timeout=20) as http:
            yield Host(http)


@pytest.mark.parametrize("token", [None, "let-me-in"])
async def test_above_the_limit_the_longest_idle_session_makes_room(token: str | None) -> None:
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    async with served(toy(), access_token=token) as url, host(url, **headers) as client:
        first, second = await client.abandon(2)
        await client.abandon(MOST_IDLE - 2)
        assert await client.lives(first)

        third = (await client.abandon(1))[0]

        assert not await client.lives(second)
        assert await client.lives(first)
        assert await client.lives(third)


async def test_a_session_with_an_open_stream_is_not_idle() -> None:
    async with served(toy()) as url, host(url) as client:
        session = await client.open()
        async with client.http.stream("GET", "/mcp", headers=session) as stream:
            assert stream.status_code == 200
            await client.abandon(MOST_IDLE + 10)

            assert await client.lives(session)


async def test_a_session_that_its_client_ended_takes_no_room() -> None:
    async with served(toy()) as url, host(url) as client:
        first = await client.open()
        for session in await client.abandon(MOST_IDLE - 1):
            assert (await client.http.delete("/mcp", headers=session)).status_code == 200
        await client.abandon(MOST_IDLE - 1)

        assert await client.lives(first)


@pytest.mark.slow
async def test_after_a_thousand_abandoned_sessions_a_new_client_is_told_of_changes(tmp_path: Path) -> None:
    async with served(create_server(settings(tmp_path, token=None))) as url, host(url) as client:
        for session in await client.abandon(1001):
            await client.http.post("/mcp", json=READY, headers=session)

        async with Client(f"{url}/mcp", mode="legacy") as newcomer:
            await newcomer.session.subscribe_resource(TASKS)
