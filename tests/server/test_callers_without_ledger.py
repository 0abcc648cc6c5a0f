"""While the ledger cannot say whose tasks are, callers with a name are told of none."""

from pathlib import Path

import anyio
import pytest
from mcp.shared.exceptions import MCPError

from runway_mcp.data_folder import LEDGER
from runway_mcp.server.contract.uris import TASKS
from runway_mcp.simulator.builders import add_task
from tests.kit.server import open_server
from tests.kit.upstream import virtual_world
from tests.server.callers import ANA, BOB, Of, callers, everything_told
from tests.server.subscribers import hearing

pytestmark = pytest.mark.virtual_time


async def test_while_the_ledger_cannot_say_whose_a_task_is_no_caller_with_a_name_is_told_of_any(
    tmp_path: Path, mode: str
) -> None:
    world = virtual_world(pace=900)
    by_hand = world.task_id(add_task(world, duration=900.0))
    async with callers(world, tmp_path, mode) as (ana, bob):
        others = (await ana.extend(ana.clip, wait_seconds=0))["taskId"]
        (tmp_path / LEDGER).unlink()

        told = await everything_told(bob)
        single = await bob.data("get_task", taskId=others)

        assert others not in told
        assert by_hand not in told
        assert (single["error"]["kind"], single["error"]["charged"]) == ("unavailable", "no")
        with pytest.raises(MCPError, match="ledger"):
            await bob.mcp.read_resource(f"runway://tasks/{others}")


async def test_the_caller_without_a_name_reads_tasks_without_a_ledger_as_before(tmp_path: Path, mode: str) -> None:
    world = virtual_world(pace=900)
    by_hand = world.task_id(add_task(world, duration=900.0))
    async with callers(world, tmp_path, mode, "", "") as (one, other):
        own = (await one.extend(one.clip, wait_seconds=0))["taskId"]
        (tmp_path / LEDGER).unlink()

        told = await everything_told(other)

        assert own in told
        assert by_hand in told
        assert (await other.data("get_task", taskId=own))["taskId"] == own


async def test_updates_reach_no_caller_with_a_name_while_the_ledger_cannot_say_whose_they_are(
    tmp_path: Path, mode: str
) -> None:
    world = virtual_world(pace=200)
    async with open_server(world, tmp_path) as server, server.client(mode, caller=ANA) as ana:
        uri = (await ana.extend(ana.clip, wait_seconds=0))["task_uri"]
        async with (
            hearing(Of(server, BOB), mode, TASKS, uri) as (_, bobs),
            hearing(Of(server, ""), mode, TASKS, uri) as (_, of_nobody),
        ):
            (tmp_path / LEDGER).unlink()
            await anyio.sleep(500)

            assert bobs == []
            assert uri in of_nobody
