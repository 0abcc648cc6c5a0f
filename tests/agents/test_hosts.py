"""What hosts take: no link blocks, placeholders, and openings of either era on stdio."""

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from runway_mcp.settings import Settings
from runway_mcp.simulator.builders import small_world
from runway_mcp.simulator.run import running
from tests.kit.client import links, structured, text
from tests.kit.processes import server_environment, stdio_server_process
from tests.kit.server import open_client
from tests.kit.upstream import virtual_world

Message = dict[str, Any]

NAMES = ["extend_video", "get_task", "list_assets", "view_film"]
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "0"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
DISCOVER: Message = {"method": "server/discover", "params": {"_meta": META}}
INITIALIZE: Message = {
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "0"}},
}
INITIALIZED: Message = {"jsonrpc": "2.0", "method": "notifications/initialized"}


@pytest.mark.virtual_time
async def test_no_result_has_link_blocks_unless_they_are_set(tmp_path: Path, mode: str) -> None:
    async with open_client(virtual_world(), tmp_path, mode) as client:
        clip = client.world.asset_id(client.clip)
        film = await client.call("extend_video", assetId=clip)
        results = [
            film,
            await client.call("list_assets"),
            await client.call("get_task", taskId=structured(film)["taskId"]),
        ]

        assert [[block.type for block in result.content] for result in results] == [["text"]] * 3


@pytest.mark.virtual_time
async def test_link_blocks_stand_behind_the_text_where_they_are_set(tmp_path: Path, mode: str) -> None:
    async with open_client(virtual_world(), tmp_path, mode, resource_links=True) as client:
        film = await client.call("extend_video", assetId=client.world.asset_id(client.clip))
        listing = await client.call("list_assets")

        data = structured(film)
        assert links(film) == [data["video"]["uri"], data["task_uri"]]
        assert links(listing) == [f"runway://assets/{each['assetId']}" for each in structured(listing)["assets"]]


@pytest.mark.parametrize("value", ["true", "TRUE", " true "])
def test_link_blocks_are_set_by_the_environment(value: str) -> None:
    assert Settings.from_environment({"RUNWAY_MCP_RESOURCE_LINKS": value}).resource_links is True


@pytest.mark.virtual_time
@pytest.mark.parametrize("token", ["${USEAPI_TOKEN}", "${input:useapi_token}", " ${env:USEAPI_TOKEN} "])
async def test_a_token_that_the_host_did_not_fill_in_counts_as_unset_and_says_so(
    tmp_path: Path, mode: str, token: str
) -> None:
    unset = Settings.from_environment({"USEAPI_TOKEN": token, "RUNWAY_MCP_DATA_DIR": str(tmp_path)})
    fields = {"token": unset.token, "token_unfilled": unset.token_unfilled}
    async with open_client(virtual_world(), tmp_path, mode, **fields) as client:
        result = await client.call("list_assets")
        plain = await client.call("extend_video", assetId="x")

        for each in (result, plain):
            error = structured(each)["error"]
            assert (error["kind"], error["charged"], error["retry"]) == ("not_configured", "no", "after_change")
            assert "${" in text(each)
            assert "USEAPI_TOKEN" in text(each)
        assert not client.world.requests


def test_every_other_setting_that_was_not_filled_in_has_its_default() -> None:
    names = ("USEAPI_URL", "USEAPI_EMAIL", "RUNWAY_MCP_WAIT_SECONDS", "RUNWAY_MCP_RESOURCE_LINKS", "RUNWAY_MCP_CONFIRM")
    for unfilled in ("${X}", "", "   ", "${user_config.x}"):
        assert Settings.from_environment(dict.fromkeys(names, unfilled)) == Settings.from_environment({})


class Wire:
    """A host that writes lines of JSON and reads them."""

    def __init__(self, process: Process) -> None:
        self._process = process
        assert process.stdin
        assert process.stdout
        self._write = process.stdin
        self._read = BufferedByteReceiveStream(process.stdout)
        self._asked = 0

    async def tell(self, message: Message) -> None:
        await self._write.send((json.dumps(message) + "\n").encode())

    async def leave(self) -> int:
        """Closes stdin and returns the exit code."""
        await self._write.aclose()
        return await self._process.wait()

    async def ask(self, message: Message) -> Message:
        """Sends a request and returns the answer to it."""
        self._asked += 1
        await self.tell({"jsonrpc": "2.0", "id": self._asked, **message})
        while True:
            answer = json.loads(await self._read.receive_until(b"\n", 1_000_000))
            if answer.get("id") == self._asked:
                return answer


@asynccontextmanager
async def a_host(folder: Path) -> AsyncGenerator[tuple[Wire, str]]:
    """A host that has started the real program, and the assetId of a clip; bounded by two minutes."""
    world = small_world(pace=0.2)
    with anyio.fail_after(120):
        async with running(world) as url, stdio_server_process(server_environment(url, folder)) as process:
            yield Wire(process), world.asset_id(world.assets[0])


def call(tool: str, meta: Message | None = None, **arguments: Any) -> Message:
    """A call of a tool."""
    params = {"name": tool, "arguments": arguments}
    return {"method": "tools/call", "params": params | ({"_meta": meta} if meta else {})}


LEGACY: Sequence[Message] = (INITIALIZE,)
PROBED: Sequence[Message] = (DISCOVER, INITIALIZE)
TWICE: Sequence[Message] = (DISCOVER, DISCOVER, INITIALIZE)


@pytest.mark.slow
@pytest.mark.parametrize("opening", [LEGACY, PROBED, TWICE])
@pytest.mark.parametrize("pause", [0.0, 1.0])
async def test_on_stdio_a_handshake_is_taken_after_nothing_or_after_a_probe(
    tmp_path: Path, opening: Sequence[Message], pause: float
) -> None:
    async with a_host(tmp_path) as (wire, clip):
        for message in opening[:-1]:
            assert "2026-07-28" in (await wire.ask(message))["result"]["supportedVersions"]
            await anyio.sleep(pause)  # what a host does between its probe and its handshake
        shaken = await wire.ask(opening[-1])
        await wire.tell(INITIALIZED)
        listed = await wire.ask({"method": "tools/list"})
        film = await wire.ask(call("extend_video", assetId=clip))

        assert shaken["result"]["protocolVersion"] == "2025-11-25"
        assert [tool["name"] for tool in listed["result"]["tools"]] == NAMES
        assert film["result"]["structuredContent"]["status"] == "SUCCEEDED"


@pytest.mark.slow
async def test_on_stdio_a_host_of_the_newer_era_calls_after_its_probe_or_without_one(tmp_path: Path) -> None:
    async with a_host(tmp_path) as (wire, clip):
        film = await wire.ask(call("extend_video", META, assetId=clip))
        await wire.ask(DISCOVER)
        again = await wire.ask(call("extend_video", META, assetId=clip))

        assert film["result"]["structuredContent"]["status"] == "SUCCEEDED"
        assert again["result"]["structuredContent"]["twin"] is True


@pytest.mark.slow
async def test_on_stdio_the_probe_and_the_handshake_may_come_without_waiting_for_an_answer(tmp_path: Path) -> None:
    async with a_host(tmp_path) as (wire, _):
        await wire.tell({"jsonrpc": "2.0", "id": "probe", **DISCOVER})
        shaken = await wire.ask(INITIALIZE)
        await wire.tell(INITIALIZED)

        assert shaken["result"]["protocolVersion"] == "2025-11-25"
        told = await wire.ask({"method": "tools/list"})
        assert [tool["name"] for tool in told["result"]["tools"]] == NAMES


@pytest.mark.slow
@pytest.mark.parametrize("opening", [LEGACY, PROBED, (DISCOVER,), ()])
async def test_on_stdio_the_server_ends_when_its_host_leaves_however_that_began(
    tmp_path: Path, opening: Sequence[Message]
) -> None:
    async with a_host(tmp_path) as (wire, _):
        for message in opening:
            await wire.ask(message)

        assert await wire.leave() == 0
