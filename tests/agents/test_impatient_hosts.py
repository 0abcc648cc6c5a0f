"""Hosts that cut calls off: what their next calls find, and how long those wait."""

from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.client.client import Client

from runway_mcp.simulator.builders import small_world
from runway_mcp.simulator.run import running
from tests.kit.client import ToolClient
from tests.kit.processes import http_server_process_of_loop, server_environment
from tests.kit.server import open_server
from tests.kit.upstream import virtual_world


async def cut_off(client: ToolClient, after: float, tool: str = "extend_video", **arguments: Any) -> None:
    """Makes a call and cancels it after so many seconds."""
    with anyio.move_on_after(after) as scope:
        await client.mcp.call_tool(tool, arguments)
    assert scope.cancelled_caught
    await client.mcp.call_tool("get_task", {})


async def user_thinks() -> None:
    """Lets the time pass that a user who has cut a call off takes to say what is wanted instead."""
    with anyio.move_on_after(20):
        await anyio.sleep_forever()


async def waited(client: ToolClient, seed: int) -> float:
    """How long another extension of the clip waits that names no wait."""
    data = await client.extend(client.clip, seed=seed)
    assert data["status"] in ("PENDING", "THROTTLED", "RUNNING")
    return round(client.took, 1)


@pytest.mark.virtual_time
async def test_the_identical_repeat_of_a_call_that_was_cut_off_answers_at_once_with_the_task(
    tmp_path: Path, mode: str
) -> None:
    world = virtual_world(pace=900)
    async with open_server(world, tmp_path) as server, server.client(mode) as client:
        await cut_off(client, 5, assetId=world.asset_id(client.clip), text_prompt="on")
        data = await client.extend(client.clip, text_prompt="on")

        assert data["taskId"] == world.task_id(client.last_task())
        assert (data["twin"], data["credits"]["cost"]) == (True, 0)
        assert data["next_step"]["tool"] == "get_task"
        assert client.took < 1
        assert client.posts == 1


@pytest.mark.virtual_time
@pytest.mark.parametrize(("cut", "granted"), [(5, 4.0), (3, 4.0), (10, 8.0), (30, 24.0)])
async def test_a_call_that_was_cut_off_shortens_the_waits_of_its_connection(
    tmp_path: Path, mode: str, cut: float, granted: float
) -> None:
    world = virtual_world(pace=9000)
    async with open_server(world, tmp_path) as server, server.client(mode) as client:
        await cut_off(client, cut, assetId=world.asset_id(client.clip))

        assert await waited(client, 2) == granted
        step = (await client.extend(client.clip, seed=3, wait_seconds=0))["next_step"]
        assert step["arguments"]["wait_seconds"] <= granted
        assert client.posts == 3


@pytest.mark.virtual_time
async def test_a_longer_call_that_was_answered_raises_the_wait_again(tmp_path: Path, mode: str) -> None:
    world = virtual_world(pace=9000)
    async with open_server(world, tmp_path) as server, server.client(mode) as client:
        await cut_off(client, 5, assetId=world.asset_id(client.clip))
        await client.extend(client.clip, seed=2, wait_seconds=20)

        assert await waited(client, 3) == 20
        assert await waited(client, 4) == 20


@pytest.mark.parametrize(
    ("cut", "arguments"),
    [(2.5, {}), (10, {"wait_seconds": 40})],
    ids=["cut off sooner", "named its wait"],
)
@pytest.mark.virtual_time
async def test_what_tells_nothing_of_a_hosts_patience_leaves_the_wait_as_it_is(
    tmp_path: Path, mode: str, cut: float, arguments: dict[str, Any]
) -> None:
    world = virtual_world(pace=9000)
    async with open_server(world, tmp_path) as server, server.client(mode) as client:
        await cut_off(client, cut, assetId=world.asset_id(client.clip), **arguments)

        assert await waited(client, 2) == 45


@pytest.mark.virtual_time
async def test_an_answer_to_a_patient_host_changes_nothing(tmp_path: Path, mode: str) -> None:
    async with open_server(virtual_world(pace=9000), tmp_path) as server, server.client(mode) as client:
        await client.extend(client.clip, wait_seconds=1)

        assert await waited(client, 2) == 45


@pytest.mark.virtual_time
async def test_a_connection_learns_for_itself_alone(tmp_path: Path) -> None:
    world = virtual_world(pace=9000)
    async with (
        open_server(world, tmp_path) as server,
        server.client("legacy") as client,
        server.client("legacy") as other,
    ):
        await cut_off(client, 5, assetId=world.asset_id(client.clip))

        assert await waited(other, 2) == 45
        assert await waited(client, 3) == 4


@pytest.mark.virtual_time
async def test_after_the_wait_was_shortened_next_step_leads_to_the_film_by_short_calls(
    tmp_path: Path, mode: str
) -> None:
    world = virtual_world(pace=60)
    async with open_server(world, tmp_path) as server, server.client(mode) as client:
        await cut_off(client, 5, assetId=world.asset_id(client.clip))
        data = await client.extend(client.clip)
        calls = 0
        while data["status"] != "SUCCEEDED":
            data = await client.data(data["next_step"]["tool"], **data["next_step"]["arguments"])
            assert client.took <= 5
            calls += 1

        assert calls <= 20
        assert client.posts == 1


@pytest.mark.slow
async def test_requests_over_http_without_a_session_learn_nothing_of_one_another(tmp_path: Path) -> None:
    world = small_world(pace=900)
    with anyio.fail_after(60):
        async with (
            running(world) as url,
            http_server_process_of_loop(server_environment(url, tmp_path, RUNWAY_MCP_WAIT_SECONDS="6")) as served,
            Client(served.mcp) as mcp,
        ):
            client = ToolClient(mcp, world)
            await cut_off(client, 3.5, assetId=world.asset_id(client.clip))

            assert await waited(client, 2) >= 5.9


@pytest.mark.virtual_time
async def test_a_host_that_cuts_two_calls_in_a_row_is_answered_within_its_limit_whatever_wait_is_named(
    tmp_path: Path, mode: str
) -> None:
    world = virtual_world(pace=60)
    async with open_server(world, tmp_path) as server, server.client(mode) as client:
        with anyio.move_on_after(2):
            await client.mcp.call_tool("extend_video", {"assetId": world.asset_id(client.clip)})
        task_id = world.task_id(client.last_task())
        with anyio.move_on_after(2):
            await client.mcp.call_tool("get_task", {"taskId": task_id, "wait_seconds": 45})

        told = await client.data("get_task", taskId=task_id, wait_seconds=45)

        assert client.took < 2
        assert "cut from 45 to 1, since this host ended longer calls" in told["summary"]
        assert told["next_step"]["arguments"]["wait_seconds"] == 1


@pytest.mark.virtual_time
async def test_after_one_cut_next_steps_keep_below_it_until_the_host_has_waited_as_long(
    tmp_path: Path, mode: str
) -> None:
    world = virtual_world(pace=9000)
    async with open_server(world, tmp_path) as server, server.client(mode) as client:
        with anyio.move_on_after(5):
            await client.mcp.call_tool("extend_video", {"assetId": world.asset_id(client.clip)})
        step = (await client.extend(client.clip))["next_step"]["arguments"]
        again = (await client.data("get_task", **step))["next_step"]["arguments"]

        assert (step["wait_seconds"], again["wait_seconds"]) == (4, 4)

        patient = await client.data("get_task", taskId=step["taskId"], wait_seconds=20)
        assert patient["next_step"]["arguments"]["wait_seconds"] == 4, "which the next result tells of"
        later = await client.data("get_task", taskId=step["taskId"])
        assert later["next_step"]["arguments"]["wait_seconds"] == 20


@pytest.mark.virtual_time
@pytest.mark.parametrize("limit", [1.5, 2, 2.3, 5, 10])
async def test_a_host_that_cuts_again_and_again_reaches_the_film_by_next_steps_after_one_cut(
    tmp_path: Path, mode: str, limit: float
) -> None:
    world = virtual_world(pace=60)
    async with open_server(world, tmp_path) as server, server.client(mode) as client:
        step: dict[str, Any] = {"tool": "extend_video", "arguments": {"assetId": world.asset_id(client.clip)}}
        status, cuts = "", 0
        while status != "SUCCEEDED":
            with anyio.move_on_after(limit) as scope:
                data = await client.data(step["tool"], **step["arguments"])
                status, step = data["status"], data.get("next_step", step)
            cuts += scope.cancelled_caught

        assert cuts == 1
        assert client.posts == 1


@pytest.mark.virtual_time
@pytest.mark.parametrize(("cut", "short"), [(2, 1), (5, 4)])
async def test_one_cut_that_was_the_users_doing_is_soon_forgotten(
    tmp_path: Path, mode: str, cut: float, short: int
) -> None:
    world = virtual_world(pace=9000)
    async with open_server(world, tmp_path) as server, server.client(mode) as client:
        with anyio.move_on_after(cut):
            await client.mcp.call_tool("extend_video", {"assetId": world.asset_id(client.clip)})
        await user_thinks()
        step = (await client.extend(client.clip))["next_step"]["arguments"]
        waits = [step["wait_seconds"]]
        for _ in range(5):
            step = (await client.data("get_task", **step))["next_step"]["arguments"]
            waits.append(step["wait_seconds"])

        assert waits == [short, short, short, short, 45, 45]


@pytest.mark.virtual_time
@pytest.mark.parametrize("cut", [0.3, 0.8, 1.4])
async def test_a_cut_that_would_leave_no_wait_shortens_none(tmp_path: Path, mode: str, cut: float) -> None:
    world = virtual_world(pace=9000)
    async with open_server(world, tmp_path) as server, server.client(mode) as client:
        with anyio.move_on_after(cut):
            await client.mcp.call_tool("extend_video", {"assetId": world.asset_id(client.clip)})
        step = (await client.extend(client.clip))["next_step"]["arguments"]

        assert step["wait_seconds"] == 45


@pytest.mark.virtual_time
async def test_waits_grow_again_as_far_as_they_are_answered(tmp_path: Path) -> None:
    world = virtual_world(pace=9000)
    async with open_server(world, tmp_path) as server, server.client("legacy") as client:
        for seed in (1, 2):
            with anyio.move_on_after(5):
                asked = {"assetId": world.asset_id(client.clip), "seed": seed, "wait_seconds": 45}
                await client.mcp.call_tool("extend_video", asked)
            await user_thinks()
        task_id = world.task_id(client.last_task())
        waits: list[float] = []
        for _ in range(4):
            await client.data("get_task", taskId=task_id, wait_seconds=45)
            waits.append(round(client.took))

        assert waits == sorted(waits)
        assert waits[0] == 4 < waits[-1]


@pytest.mark.virtual_time
async def test_waits_stay_below_the_limit_of_a_host_that_has_cut_two_calls_in_a_row(tmp_path: Path) -> None:
    world = virtual_world(pace=9000)
    async with open_server(world, tmp_path) as server, server.client("legacy") as client:
        for seed in (1, 2):
            with anyio.move_on_after(5):
                asked = {"assetId": world.asset_id(client.clip), "seed": seed, "wait_seconds": 45}
                await client.mcp.call_tool("extend_video", asked)
        task_id = world.task_id(client.last_task())
        waits: list[float] = []
        for _ in range(6):
            await client.data("get_task", taskId=task_id, wait_seconds=45)
            waits.append(round(client.took))

        assert waits == [4] * 6


@pytest.mark.virtual_time
async def test_a_host_that_cuts_what_is_tried_again_is_not_tried_a_third_time(tmp_path: Path, mode: str) -> None:
    world = virtual_world(pace=9000)
    async with open_server(world, tmp_path) as server, server.client(mode) as client:
        with anyio.move_on_after(2):
            await client.mcp.call_tool("extend_video", {"assetId": world.asset_id(client.clip)})
        await user_thinks()
        step = (await client.extend(client.clip))["next_step"]["arguments"]
        waits: list[int] = []
        for _ in range(12):
            waits.append(step["wait_seconds"])
            with anyio.move_on_after(2) as scope:
                step = (await client.data("get_task", **step))["next_step"]["arguments"]
            if scope.cancelled_caught:
                await user_thinks()
                step = (await client.data("get_task", taskId=step["taskId"]))["next_step"]["arguments"]

        assert waits == [1, 1, 1, 1, 45, *[1] * 7]
