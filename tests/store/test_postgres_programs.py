"""Whole programs on one ledger in PostgreSQL, as on several machines: each has a data folder of its own."""

import json
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

from runway_mcp.simulator.builders import small_world
from runway_mcp.simulator.run import running
from runway_mcp.simulator.world import World
from tests.kit.client import ToolClient
from tests.kit.postgres import PostgresServer
from tests.kit.processes import http_server_process_of_loop, serve_command, server_environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

BOUND = 120.0


@asynccontextmanager
async def replica(database: str, upstream: str, folder: Path, world: World) -> AsyncGenerator[ToolClient]:
    """A client at a program of its own that serves over HTTP."""
    env = server_environment(upstream, folder, RUNWAY_MCP_DATABASE_URL=database)
    async with (
        http_server_process_of_loop(env, transport="http") as served,
        Client(streamable_http_client(served.mcp)) as mcp,
    ):
        yield ToolClient(mcp, world)
    assert not [line for line in served.program.told if database in line]


async def test_two_programs_that_get_the_same_request_at_once_make_one_post(
    server: PostgresServer, tmp_path: Path
) -> None:
    world, told = small_world(pace=1.0), list[dict[str, Any]]()

    async def call(client: ToolClient) -> None:
        told.append(await client.extend(client.clip, text_prompt="the camera rises", wait_seconds=30))

    with anyio.fail_after(BOUND):
        async with (
            running(world) as upstream,
            replica(server.url(), upstream, tmp_path / "one", world) as one,
            replica(server.url(), upstream, tmp_path / "other", world) as other,
        ):
            async with anyio.create_task_group() as calls:
                for client in (one, other) * 2:
                    calls.start_soon(call, client)
            later = await other.extend(other.clip, text_prompt="the camera rises")

    assert len(world.accepted) == 1
    assert {each["taskId"] for each in [*told, later]} == {world.task_id(world.accepted[0])}
    assert sorted(each.get("twin", False) for each in told) == [False, True, True, True]
    assert later["twin"]
    assert not (tmp_path / "one" / "ledger.sqlite3").exists()


async def test_a_client_of_2025_whose_requests_go_to_two_programs_in_turn_is_answered_by_both(
    server: PostgresServer, tmp_path: Path
) -> None:
    world, told = small_world(pace=1.0), list[dict[str, Any]]()
    headers = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-11-25"}
    opening = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    asked = {"assetId": world.asset_id(world.assets[0]), "text_prompt": "the camera rises", "wait_seconds": 20}
    call: tuple[str, dict[str, Any]] = ("tools/call", {"name": "extend_video", "arguments": asked})
    calls: list[tuple[str, dict[str, Any]]] = [("initialize", opening), ("tools/list", {}), call, call, call]
    with anyio.fail_after(BOUND):
        async with running(world) as upstream, httpx.AsyncClient(headers=headers, timeout=60) as http:
            envs = [
                server_environment(upstream, tmp_path / name, RUNWAY_MCP_DATABASE_URL=server.url())
                for name in ("one", "other")
            ]
            async with (
                http_server_process_of_loop(envs[0], transport="http") as one,
                http_server_process_of_loop(envs[1], transport="http") as other,
            ):
                for number, (method, params) in enumerate(calls):
                    message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
                    answer = await http.post((one, other)[number % 2].mcp, json=message)
                    assert answer.status_code == 200
                    last = answer.text.strip().splitlines()[-1].removeprefix("data: ")
                    told.append(json.loads(last)["result"])

    results = [each["structuredContent"] for each in told[2:]]
    assert {each["taskId"] for each in results} == {world.task_id(world.accepted[0])}
    assert [each.get("twin", False) for each in results] == [False, True, True]
    assert len(world.accepted) == 1


async def test_a_program_whose_database_is_away_lists_and_says_that_nothing_was_submitted(
    server: PostgresServer, tmp_path: Path
) -> None:
    world = small_world(pace=1.0)
    server.stop()
    with anyio.fail_after(BOUND):
        async with running(world) as upstream, replica(server.url(), upstream, tmp_path, world) as client:
            listed = await client.data("list_assets")
            refused = await client.extend(client.clip)
            server.start()
            made = await client.extend(client.clip)

    assert listed["assets"]
    assert (refused["error"]["kind"], refused["error"]["charged"]) == ("unavailable", "no")
    assert "RUNWAY_MCP_DATABASE_URL" in refused["error"]["message"]
    assert made["status"] == "SUCCEEDED"
    assert len(world.accepted) == 1


@pytest.mark.parametrize(
    "url", ["mysql://someone:hunter2@host/ledger", "postgresql://someone:hunter2@host/ledger?nonsense=1"]
)
def test_a_url_that_names_no_database_stops_the_start_with_one_line_that_does_not_show_it(
    tmp_path: Path, url: str
) -> None:
    env = server_environment("http://127.0.0.1:9", tmp_path, RUNWAY_MCP_DATABASE_URL=url)
    ended = subprocess.run(  # noqa: S603  our own program
        serve_command("stdio"), env=env, check=False, capture_output=True, text=True, timeout=60
    )

    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "RUNWAY_MCP_DATABASE_URL must be a URL such as postgresql://" in ended.stderr
    assert "hunter2" not in ended.stderr
