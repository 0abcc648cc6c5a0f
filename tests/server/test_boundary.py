from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import anyio
import httpx
import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR

from runway_mcp.server.app import create_server
from runway_mcp.server.boundary import CRASHED, log_crash
from runway_mcp.server.context import Lifespan
from runway_mcp.simulator.world import World
from tests.kit.client import ToolClient, structured
from tests.kit.protocol_tasks import TakesTasks, tell
from tests.kit.server import InProcessServer, open_server, settings
from tests.kit.upstream import virtual_world
from tests.server.subscribers import subscribe, unsubscribe

pytestmark = pytest.mark.virtual_time

SECRET = "https://films.example/a.mp4?_jwt=token-in-a-text"
TASK = "user:1234-runwayml:nobody@example.com-task:11111111-2222-4333-8444-555555555555"
URI = f"runway://tasks/{TASK}"

Request = Callable[[ToolClient], Awaitable[Any]]


async def heard(client: ToolClient) -> None:
    async with client.mcp.listen(resource_subscriptions=[URI]):
        pass


IN_BOTH_ERAS: dict[str, Request] = {
    "tools/call extend_video": lambda client: client.mcp.call_tool("extend_video", {"assetId": "x"}),
    "tools/call get_task": lambda client: client.mcp.call_tool("get_task", {"taskId": "x"}),
    "tools/call list_assets": lambda client: client.mcp.call_tool("list_assets"),
    "resources/list": lambda client: client.mcp.list_resources(),
    "resources/read of all tasks": lambda client: client.mcp.read_resource("runway://tasks"),
    "resources/read of a task": lambda client: client.mcp.read_resource(URI),
    "resources/read of an asset": lambda client: client.mcp.read_resource("runway://assets/x"),
}
IN_2025: dict[str, Request] = {
    "resources/subscribe": lambda client: subscribe(client.mcp, URI),
    "resources/unsubscribe": lambda client: unsubscribe(client.mcp, URI),
}
IN_2026: dict[str, Request] = {
    "subscriptions/listen": heard,
    "tasks/get": lambda client: tell(client.mcp, "tasks/get", TASK),
    "tasks/cancel": lambda client: tell(client.mcp, "tasks/cancel", TASK),
    "tasks/update": lambda client: tell(client.mcp, "tasks/update", TASK),
}
UNCRASHABLE: dict[str, Request] = {
    "tools/list": lambda client: client.mcp.list_tools(),
    "resources/templates/list": lambda client: client.mcp.list_resource_templates(),
    "prompts/list": lambda client: client.mcp.list_prompts(),
}


class Mined:
    """Whatever a handler reaches for, it crashes, and what it says must not get out."""

    def __getattr__(self, name: str) -> object:
        raise RuntimeError(f"{name} {SECRET}")


def mined(folder: Path, world: World) -> InProcessServer:
    """A server each of whose handlers crashes as soon as it reaches for anything."""
    return InProcessServer(create_server(settings(folder)), cast("Lifespan", Mined()), world)


@pytest.mark.parametrize(
    ("mode", "request_"),
    [
        *(pytest.param(mode, name, id=f"{name} {mode}") for mode in ("auto", "legacy") for name in IN_BOTH_ERAS),
        *(pytest.param("legacy", name, id=name) for name in IN_2025),
        *(pytest.param("auto", name, id=name) for name in IN_2026),
    ],
)
async def test_a_crash_is_told_in_our_words_and_its_place_is_logged_without_its_values(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: str, request_: str
) -> None:
    send = (IN_BOTH_ERAS | IN_2025 | IN_2026)[request_]
    async with mined(tmp_path, virtual_world()).client(mode, extensions=[TakesTasks()]) as client:
        with pytest.raises(MCPError) as caught, anyio.fail_after(60):
            await send(client)

    assert (caught.value.code, caught.value.message, caught.value.data) == (INTERNAL_ERROR, CRASHED, None)
    assert f"{request_.partition(' ')[0]} crashed: RuntimeError at" in caplog.text
    assert "__getattr__" in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize("request_", UNCRASHABLE)
async def test_what_reaches_for_nothing_is_served_even_then(tmp_path: Path, mode: str, request_: str) -> None:
    async with mined(tmp_path, virtual_world()).client(mode) as client:
        assert await UNCRASHABLE[request_](client)


async def test_a_crash_at_the_opening_of_a_connection_costs_it_the_news_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with mined(tmp_path, virtual_world()).client("legacy") as client:
        await client.mcp.list_tools()

    assert "notifications/initialized crashed: RuntimeError at" in caplog.text
    assert SECRET not in caplog.text


class Crashing(httpx.AsyncBaseTransport):
    """A network whose library has a bug."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise RuntimeError(f"{request.url} {SECRET}")


async def test_a_crash_while_a_tool_works_is_a_result_with_our_words(
    tmp_path: Path, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    server = create_server(settings(tmp_path), transport=Crashing())
    async with (
        server.lifespan(server) as context,
        InProcessServer(server, context, virtual_world()).client(mode) as client,
    ):
        told = [
            await client.mcp.call_tool(tool, arguments)
            for tool, arguments in (
                ("extend_video", {"assetId": "x"}),
                ("get_task", {"taskId": "x"}),
                ("list_assets", {}),
            )
        ]

    for result in told:
        assert result.is_error
        assert structured(result)["error"]["kind"] == "unexpected_response"
        assert CRASHED in structured(result)["summary"]
        assert SECRET not in result.model_dump_json()
    assert SECRET not in caplog.text


async def test_a_crash_in_the_background_costs_a_subscriber_his_news_and_nobody_anything_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = create_server(settings(tmp_path), transport=Crashing())
    async with (
        server.lifespan(server) as context,
        InProcessServer(server, context, virtual_world()).client("legacy") as client,
    ):
        await subscribe(client.mcp, URI)
        await anyio.sleep(10)
        await client.mcp.list_tools()

    assert "the following of a task crashed: RuntimeError at" in caplog.text
    assert SECRET not in caplog.text


async def test_a_request_that_is_cancelled_is_no_crash(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with open_server(virtual_world(pace=300), tmp_path) as server, server.client("legacy") as client:
        with anyio.move_on_after(5):
            await client.extend(client.clip)
        await anyio.sleep(5)

    assert "crashed" not in caplog.text


def test_each_part_of_a_group_of_crashes_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    log_crash("it", ExceptionGroup(SECRET, [ValueError(SECRET), ExceptionGroup(SECRET, [KeyError(SECRET)])]))

    assert "it crashed: ValueError" in caplog.text
    assert "it crashed: KeyError" in caplog.text
    assert SECRET not in caplog.text
