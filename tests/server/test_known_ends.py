"""An end that the ledger knows is told by a server whose own reads fail, on every path and never turned back."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from runway_mcp.server.reads import READING_SECONDS
from runway_mcp.simulator.world import World
from tests.kit.client import ToolClient
from tests.kit.server import open_client
from tests.kit.upstream import Upstream, virtual_world

pytestmark = pytest.mark.virtual_time


class Cuttable(httpx.AsyncBaseTransport):
    """Carries requests to a world until it is cut, as a server's own way to upstream may be."""

    def __init__(self, world: World) -> None:
        self._upstream = Upstream(world)
        self.is_cut = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.is_cut:
            raise httpx.ConnectError("cut off")
        return await self._upstream.handle_async_request(request)


@asynccontextmanager
async def cut_off_bystander(folder: Path, outcome: str, mode: str = "auto") -> AsyncGenerator[tuple[ToolClient, str]]:
    """A client at a server that follows a task which ends at another one on the ledger once the first is cut off."""
    world = virtual_world(pace=20)
    world.script_next(outcome=outcome)
    transport = Cuttable(world)
    async with (
        open_client(world, folder, mode, transport=transport) as bystander,
        open_client(world, folder, mode) as owner,
    ):
        task_id = (await owner.extend(owner.clip, wait_seconds=0))["taskId"]
        await bystander.data("get_task", taskId=task_id, wait_seconds=1)
        transport.is_cut = True
        await owner.data("get_task", taskId=task_id, wait_seconds=45)
        yield bystander, task_id


@pytest.mark.parametrize(("outcome", "status"), [("succeed", "SUCCEEDED"), ("fail", "FAILED"), ("moderate", "FAILED")])
async def test_every_read_tells_an_end_that_another_server_has_seen(
    tmp_path: Path, mode: str, outcome: str, status: str
) -> None:
    told = list[tuple[float, dict[str, Any]]]()
    async with cut_off_bystander(tmp_path, outcome, mode) as (bystander, task_id):
        for wait in (0, 1, 0, 30, 0, 2, 0, 0):
            data = await bystander.data("get_task", taskId=task_id, wait_seconds=wait)
            told.append((bystander.took, data))
            await anyio.sleep(2)

    assert [data["status"] for _, data in told] == [status] * len(told)
    assert max(took for took, _ in told) <= READING_SECONDS
    kinds = {data.get("error", {}).get("kind") for _, data in told}
    assert kinds == {{"succeed": None, "fail": "generation_failed", "moderate": "moderated"}[outcome]}
    if outcome == "succeed":
        assert not [data for _, data in told if "url" in data["video"]]
        assert all("without a link" in data["summary"] for _, data in told)


async def test_a_call_that_waits_as_another_server_sees_the_end_tells_it(tmp_path: Path) -> None:
    world = virtual_world(pace=20)
    transport = Cuttable(world)
    told: list[dict[str, Any]] = []
    async with (
        open_client(world, tmp_path, "auto", transport=transport) as bystander,
        open_client(world, tmp_path, "auto") as owner,
    ):
        task_id = (await owner.extend(owner.clip, wait_seconds=0))["taskId"]
        await bystander.data("get_task", taskId=task_id, wait_seconds=1)

        async def wait() -> None:
            told.append(await bystander.data("get_task", taskId=task_id, wait_seconds=45))

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await anyio.sleep(1)
            transport.is_cut = True
            await owner.data("get_task", taskId=task_id, wait_seconds=45)

    assert told[0]["status"] == "SUCCEEDED"
    assert "url" not in told[0]["video"]
    assert "without a link" in told[0]["summary"]


async def test_the_same_request_is_answered_by_that_end_as_well(tmp_path: Path) -> None:
    async with cut_off_bystander(tmp_path, "succeed") as (bystander, task_id):
        answers = list[dict[str, Any]]()
        for _ in range(6):
            answers.append(await bystander.extend(bystander.clip))
            await anyio.sleep(2)
        assert bystander.posts == 1

    assert [(each["status"], each["taskId"]) for each in answers] == [("SUCCEEDED", task_id)] * 6


async def test_a_link_comes_with_that_end_as_soon_as_upstream_can_be_read_again(tmp_path: Path) -> None:
    world = virtual_world(pace=20)
    transport = Cuttable(world)
    async with (
        open_client(world, tmp_path, "auto", transport=transport) as bystander,
        open_client(world, tmp_path, "auto") as owner,
    ):
        task_id = (await owner.extend(owner.clip, wait_seconds=0))["taskId"]
        await bystander.data("get_task", taskId=task_id, wait_seconds=1)
        transport.is_cut = True
        await owner.data("get_task", taskId=task_id, wait_seconds=45)
        without = await bystander.data("get_task", taskId=task_id)
        transport.is_cut = False
        await anyio.sleep(60)
        with_link = await bystander.data("get_task", taskId=task_id)

    assert "url" not in without["video"]
    assert with_link["video"]["url"]
