"""What the transports of HTTP could make of news, tasks and sessions; on a wire of streams it is tested elsewhere."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import anyio
import pytest
from mcp.client.client import Client
from mcp.client.sse import sse_client
from starlette.testclient import TestClient

from runway_mcp.server.app import create_server
from runway_mcp.server.contract.uris import TASKS
from runway_mcp.server.transport.http import create_app
from runway_mcp.simulator.builders import small_world
from runway_mcp.simulator.world import World
from tests.kit.client import ToolClient
from tests.kit.protocol_tasks import TakesTasks
from tests.kit.server import settings
from tests.kit.upstream import Upstream
from tests.server.subscribers import LIST, hearing
from tests.server.toy import served

OLD = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-11-25"}


class HttpEndpoint:
    """The server at a path of a real socket."""

    def __init__(self, origin: str, path: str, world: World) -> None:
        self._url = f"{origin}{path}"
        self._world = world

    @asynccontextmanager
    async def client(self, mode: Any, **fields: Any) -> AsyncGenerator[ToolClient]:
        transport = sse_client(self._url) if self._url.endswith("/sse") else self._url
        async with Client(transport, mode=mode, **fields) as client:
            yield ToolClient(client, self._world)


@asynccontextmanager
async def endpoint(folder: Path, path: str) -> AsyncGenerator[HttpEndpoint]:
    """A server over a world whose tasks take a third of a second; the test is bounded by a minute."""
    world = small_world(pace=0.3)
    server = create_server(settings(folder, poll_seconds=0.05), transport=Upstream(world))
    with anyio.fail_after(60):
        async with served(server, transport="sse") as origin:
            yield HttpEndpoint(origin, path, world)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize("path", ["/mcp", "/sse"])
async def test_news_come_through_each_transport_while_they_are_news(
    tmp_path: Path, path: str, mode: Literal["auto", "legacy"]
) -> None:
    async with endpoint(tmp_path, path) as server, hearing(server, mode, TASKS) as (client, heard):
        while not {LIST, TASKS} <= set(heard):
            film = await client.extend(client.clip, text_prompt=f"{len(heard)}")
            assert film["status"] == "SUCCEEDED"


@pytest.mark.parametrize("path", ["/mcp", "/sse"])
async def test_a_host_that_takes_tasks_gets_its_film_through_each_transport(tmp_path: Path, path: str) -> None:
    async with endpoint(tmp_path, path) as server, server.client("auto", extensions=[TakesTasks()]) as client:
        assert (await client.extend(client.clip))["status"] == "SUCCEEDED"


def test_without_a_session_nobody_can_be_told_of_changes_and_is_told_that(tmp_path: Path) -> None:
    server = create_server(settings(tmp_path, token=None))
    subscribe = {"jsonrpc": "2.0", "id": 1, "method": "resources/subscribe", "params": {"uri": TASKS}}
    with TestClient(create_app(server), base_url="http://127.0.0.1:8000") as http:
        opened = http.post("/mcp", json={"jsonrpc": "2.0", "method": "notifications/initialized"}, headers=OLD)
        refused = http.post("/mcp", json=subscribe, headers=OLD)

    assert opened.status_code == 202
    assert "opened with initialize" in refused.text
