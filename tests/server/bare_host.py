"""A client of streamable HTTP that opens sessions and asks in them, by bare requests."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import anyio
import httpx

from runway_mcp.server.contract.uris import TASKS

OLD = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-11-25"}
INITIALIZE: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "0"}},
}
PING: dict[str, Any] = {"jsonrpc": "2.0", "method": "ping"}
SUBSCRIBE: dict[str, Any] = {"jsonrpc": "2.0", "id": 3, "method": "resources/subscribe", "params": {"uri": TASKS}}
READY: dict[str, Any] = {"jsonrpc": "2.0", "method": "notifications/initialized"}


class Host:
    """The client."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http
        self._ids = count(2)

    async def open(self) -> dict[str, str]:
        """The headers of a new session's requests."""
        opened = await self.http.post("/mcp", json=INITIALIZE)
        assert opened.status_code == 200
        return {"mcp-session-id": opened.headers["mcp-session-id"]}

    async def abandon(self, number: int) -> list[dict[str, str]]:
        """So many sessions, opened one after the other and left."""
        return [await self.open() for _ in range(number)]

    async def lives(self, session: dict[str, str]) -> bool:
        """Whether a session takes a request."""
        status = (await self.http.post("/mcp", json=PING | {"id": next(self._ids)}, headers=session)).status_code
        assert status in {200, 404}
        return status == 200


@asynccontextmanager
async def host(url: str, **headers: str) -> AsyncGenerator[Host]:
    with anyio.fail_after(60):
        async with httpx.AsyncClient(base_url=url, headers=OLD | headers, trust_env=False, timeout=60) as http:
            yield Host(http)
