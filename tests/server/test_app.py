import re
from pathlib import Path

import anyio
import pytest
from mcp.client.client import Client

from runway_mcp import __version__
from runway_mcp.data_folder import LEDGER
from runway_mcp.server.app import create_server
from runway_mcp.server.contract.tasks_extension import EXTENSION
from runway_mcp.server.resources.kinds import KEPT_MS
from runway_mcp.server.tools.definitions import INSTRUCTIONS, TOOLS
from runway_mcp.simulator.faults import Fault
from tests.kit.definitions import LISTED_WHEREVER
from tests.kit.server import open_client, settings
from tests.kit.upstream import URL, virtual_world

pytestmark = pytest.mark.virtual_time


def test_making_a_server_opens_and_writes_nothing(tmp_path: Path) -> None:
    create_server(settings(tmp_path / "not-there"))

    assert list(tmp_path.iterdir()) == []


async def test_the_lifespan_asks_upstream_nothing_before_the_first_call(tmp_path: Path, mode: str) -> None:
    async with open_client(virtual_world(), tmp_path, mode) as client:
        await client.mcp.list_tools()
        await client.mcp.list_resource_templates()

        assert not client.world.requests


async def test_the_ledger_lies_in_the_data_folder(tmp_path: Path) -> None:
    async with open_client(virtual_world(), tmp_path / "data", "auto") as client:
        await client.extend(client.clip)

    assert (tmp_path / "data" / LEDGER).is_file()


async def test_the_server_says_who_it_is_what_it_can_do_and_how_to_use_it(tmp_path: Path, mode: str) -> None:
    async with open_client(virtual_world(), tmp_path, mode) as client:
        mcp = client.mcp

        assert mcp.server_info is not None
        assert (mcp.server_info.name, mcp.server_info.version) == ("useapi-runway-mcp", __version__)
        assert mcp.instructions == INSTRUCTIONS
        assert mcp.server_capabilities.tools is not None
        assert mcp.server_capabilities.resources is not None
        assert mcp.server_capabilities.logging is None


async def test_news_are_promised_of_resources_alone_since_tools_and_prompts_never_change(
    tmp_path: Path, mode: str
) -> None:
    async with open_client(virtual_world(), tmp_path, mode) as client:
        told = client.mcp.server_capabilities.model_dump(exclude_none=True)

        assert told["resources"] == {"subscribe": True, "list_changed": True}
        assert told["tools"] == told["prompts"] == {"list_changed": False}
        assert told.get("extensions") == ({EXTENSION: {}} if mode == "auto" else None)


@pytest.mark.parametrize("token", ["set", None])
async def test_the_tools_are_listed_with_and_without_a_token(tmp_path: Path, mode: str, token: str | None) -> None:
    fields = {} if token else {"token": None}
    async with open_client(virtual_world(), tmp_path, mode, **fields) as client:
        listed = (await client.mcp.list_tools()).tools

        assert [tool.name for tool in listed] == LISTED_WHEREVER
        assert listed[0].input_schema == TOOLS["extend_video"].input_schema


async def test_fixed_lists_may_be_kept_by_all_and_the_list_of_tasks_by_nobody(tmp_path: Path) -> None:
    async with open_client(virtual_world(), tmp_path, "auto") as client:
        mcp = client.mcp
        fixed = await mcp.list_tools(), await mcp.list_prompts(), await mcp.list_resource_templates()
        resources = await mcp.list_resources()

        assert {(each.ttl_ms, each.cache_scope) for each in fixed} == {(300_000, "private")}
        assert (resources.ttl_ms, resources.cache_scope) == (0, "private")


@pytest.mark.parametrize(("outcome", "kept"), [("succeed", KEPT_MS), ("fail", KEPT_MS), ("empty", 0)])
async def test_a_task_may_be_kept_once_nothing_of_it_can_change(tmp_path: Path, outcome: str, kept: int) -> None:
    world = virtual_world(pace=20)
    world.script_next(outcome=outcome)
    async with open_client(world, tmp_path, "auto") as client:
        uri = (await client.extend(client.clip, wait_seconds=0))["task_uri"]
        running = await client.mcp.read_resource(uri)
        await anyio.sleep(30)
        ended = await client.mcp.read_resource(uri)
        tasks = await client.mcp.read_resource("runway://tasks")
        asset = await client.mcp.read_resource(f"runway://assets/{world.asset_id(client.clip)}")

        assert {(each.ttl_ms, each.cache_scope) for each in (running, tasks, asset)} == {(0, "private")}
        assert (ended.ttl_ms, ended.cache_scope) == (kept, "private")


def test_the_transport_can_look_up_input_schemas_without_listing_the_tools(tmp_path: Path) -> None:
    look_up = create_server(settings(tmp_path)).get_tool_input_schema

    assert look_up is not None
    assert {name: look_up(name) for name in TOOLS} == {name: tool.input_schema for name, tool in TOOLS.items()}
    assert look_up("unknown") is None


async def test_neither_the_token_nor_the_password_shows_in_anything_that_is_told(
    tmp_path: Path, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    world = virtual_world(accounts=2)
    leaky = f"Bearer {world.token} at {URL}?token={world.token}"
    world.faults += [Fault(method="POST", status=400, body={"error": leaky})]
    async with open_client(world, tmp_path, mode) as client:
        told = [
            await client.call("extend_video", assetId=world.asset_id(client.clip)),
            await client.call("list_assets"),
            await client.call("extend_video", assetId=world.asset_id(client.clip)),
        ]

    everything = " ".join(result.model_dump_json() for result in told) + caplog.text
    assert told[0].is_error
    assert world.token not in everything
    assert "simulated-password" not in everything
    assert not re.search(r"simulated-jwt", everything)


async def test_a_second_client_shares_nothing_but_the_ledger(tmp_path: Path, mode: str) -> None:
    world = virtual_world(pace=300)
    async with open_client(world, tmp_path, mode) as first, open_client(world, tmp_path, mode) as second:
        ours = await first.extend(first.clip, wait_seconds=0)
        theirs = await second.extend(second.clip, wait_seconds=0)

        assert theirs["taskId"] == ours["taskId"]
        assert first.posts == 1


async def test_a_client_that_leaves_and_comes_back_is_served_again(tmp_path: Path) -> None:
    server = create_server(settings(tmp_path, token=None))
    for _ in range(2):
        async with Client(server) as client:
            assert len((await client.list_tools()).tools) == len(LISTED_WHEREVER)
