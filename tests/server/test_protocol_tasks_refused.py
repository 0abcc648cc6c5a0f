"""What the Tasks extension answers where there is no task to tell of, or a client that did not ask for one."""

import base64
import math
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from mcp.client.extension import advertise
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import encode_header_value
from mcp.shared.message import SessionMessage
from mcp_types import (
    HEADER_MISMATCH,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
)

from runway_mcp.server.app import create_server
from runway_mcp.server.contract.tasks_extension import EXTENSION
from runway_mcp.server.transport.http import create_app
from runway_mcp.server.updates.observers import MOST_POLLED
from runway_mcp.simulator.builders import add_task
from runway_mcp.simulator.faults import Fault
from tests.kit.client import ToolClient
from tests.kit.clock import wall_clock
from tests.kit.protocol_tasks import TaskHandle, ask, tell
from tests.kit.server import open_client, open_server, settings
from tests.kit.upstream import Upstream, virtual_world
from tests.server.task_hosts import LONG, ask_after, begun, host

pytestmark = pytest.mark.virtual_time

CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
ENVELOPE: dict[str, Any] = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}
DECLARED: dict[str, Any] = {"extensions": {EXTENSION: {}}}


@pytest.mark.parametrize("method", ["tasks/get", "tasks/cancel", "tasks/update"])
@pytest.mark.parametrize("task_id", [LONG, "", "a/b", "x" * 600])
async def test_an_unknown_task_is_an_error_of_invalid_params(tmp_path: Path, method: str, task_id: str) -> None:
    async with host(virtual_world(), tmp_path) as (client, _):
        with pytest.raises(MCPError) as caught:
            await tell(client.mcp, method, task_id)

    assert caught.value.code == INVALID_PARAMS


async def test_a_task_that_cannot_be_read_is_an_error_in_our_words(tmp_path: Path) -> None:
    world = virtual_world()
    world.faults.append(Fault(times=None, status=500, body="secret of upstream"))
    async with host(world, tmp_path) as (client, _):
        with pytest.raises(MCPError) as caught:
            await ask(client.mcp.session, "tasks/get", LONG)

    assert (caught.value.code, caught.value.data) == (INTERNAL_ERROR, {"kind": "unavailable"})


async def test_a_task_that_upstream_has_forgotten_is_not_told_of_for_ever(tmp_path: Path) -> None:
    world = virtual_world(pace=math.inf)
    async with host(world, tmp_path) as (client, _):
        handle = await begun(client)
        world.faults.append(Fault(path_prefix="/tasks", times=None, status=404))
        with pytest.raises(MCPError) as caught:
            await ask_until_the_end(client, handle)

    assert caught.value.code == INVALID_PARAMS


async def ask_until_the_end(client: ToolClient, handle: TaskHandle) -> None:
    while (await ask_after(client, handle, 5)).status == "working":
        pass


@pytest.mark.slow
async def test_so_many_tasks_are_polled_and_the_one_that_was_left_longest_makes_room(tmp_path: Path) -> None:
    world = virtual_world(pace=math.inf)
    tasks = [world.task_id(add_task(world, queue=0, duration=math.inf)) for _ in range(MOST_POLLED + 2)]
    async with host(world, tmp_path) as (client, server):
        observers = server.context.observers
        for task_id in [*tasks[:2], *tasks[2:], tasks[0]]:
            await ask(client.mcp.session, "tasks/get", task_id)
        await anyio.sleep(1)

        assert observers.latest(tasks[1]) is None
        assert observers.latest(tasks[-1]) is not None
        for task_id in tasks:
            await tell(client.mcp, "tasks/cancel", task_id)
        assert not observers.was_dismissed(tasks[0], caller="")
        assert observers.was_dismissed(tasks[-1], caller="")


@pytest.mark.parametrize("method", ["tasks/get", "tasks/cancel", "tasks/update"])
async def test_who_does_not_declare_the_extension_is_told_to(tmp_path: Path, method: str) -> None:
    async with open_client(virtual_world(), tmp_path, "auto") as client:
        with pytest.raises(MCPError, match=EXTENSION) as caught:
            await tell(client.mcp, method, LONG)

    assert caught.value.code == MISSING_REQUIRED_CLIENT_CAPABILITY
    assert caught.value.data == {"requiredCapabilities": {"extensions": {EXTENSION: {}}}}


async def test_clients_of_the_2025_protocols_never_get_a_task_whatever_they_declare(tmp_path: Path) -> None:
    async with (
        open_server(virtual_world(pace=20), tmp_path) as server,
        server.client("legacy", extensions=[advertise(EXTENSION)]) as client,
    ):
        film = await client.extend(client.clip)
        with pytest.raises(MCPError) as caught:
            await tell(client.mcp, "tasks/get", film["taskId"])

        assert client.mcp.server_capabilities.extensions is None
        assert film["status"] == "SUCCEEDED"
        assert caught.value.code == METHOD_NOT_FOUND


async def test_a_client_that_does_not_declare_the_extension_waits_as_ever(tmp_path: Path) -> None:
    async with open_client(virtual_world(pace=20), tmp_path, "auto") as client:
        assert client.mcp.server_capabilities.extensions == {EXTENSION: {}}
        assert (await client.extend(client.clip))["status"] == "SUCCEEDED"


@pytest.mark.parametrize("declares", [True, False])
async def test_news_of_a_task_are_not_promised_and_wanting_them_takes_the_extension(
    tmp_path: Path, declares: bool
) -> None:
    meta = ENVELOPE | {CAPABILITIES: DECLARED if declares else {}}
    wanted: dict[str, Any] = {"notifications": {"taskIds": [LONG]}, "_meta": meta}
    async with open_server(virtual_world(), tmp_path) as server, server.wire() as (heard, said):
        await said.send(
            SessionMessage(JSONRPCRequest(jsonrpc="2.0", id=1, method="subscriptions/listen", params=wanted))
        )
        answer = await heard.receive()

    assert isinstance(answer, SessionMessage)
    if declares:
        assert isinstance(answer.message, JSONRPCNotification)
        assert (answer.message.params or {})["notifications"] == {}
    else:
        assert isinstance(answer.message, JSONRPCError)
        assert answer.message.error.code == MISSING_REQUIRED_CLIENT_CAPABILITY


@pytest.mark.parametrize(
    ("named", "status"),
    [
        (LONG, 200),
        (encode_header_value(LONG), 200),
        ("=?base64?" + base64.b64encode(LONG.encode()).decode() + "?=", 200),
        ("another-task", 400),
        (None, 400),
    ],
)
@pytest.mark.parametrize("method", ["tasks/get", "tasks/cancel", "tasks/update"])
async def test_over_http_the_name_in_the_header_must_be_the_task(
    tmp_path: Path, method: str, named: str | None, status: int
) -> None:
    world = virtual_world()
    world.faults.append(Fault(path_prefix="/tasks", times=None, body={"taskId": LONG, "status": "RUNNING"}, status=200))
    server = create_server(settings(tmp_path), transport=Upstream(world), now=wall_clock)
    app = create_app(server)
    meta = ENVELOPE | {CAPABILITIES: DECLARED}
    body: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"taskId": LONG, "_meta": meta}}
    headers = {
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": method,
    }
    if named is not None:
        headers["mcp-name"] = named
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as http,
    ):
        answer = await http.post("/mcp", json=body, headers=headers)

    assert answer.status_code == status
    if status == 400:
        assert answer.json()["error"]["code"] == HEADER_MISMATCH
