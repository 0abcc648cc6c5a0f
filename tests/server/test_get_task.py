from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio
import pytest

from runway_mcp.simulator.builders import add_task, add_video
from runway_mcp.simulator.faults import Fault
from runway_mcp.simulator.world import World
from tests.kit.client import links, structured, text
from tests.kit.server import open_client, open_server
from tests.kit.upstream import extended_clips, virtual_world

pytestmark = pytest.mark.virtual_time

POLL = 5.0
"""The default poll interval in seconds."""


async def test_a_finished_task_returns_at_once_with_a_fresh_link(tmp_path: Path, mode: str) -> None:
    async with open_client(virtual_world(pace=4), tmp_path, mode) as client:
        task_id = (await client.extend(client.clip))["taskId"]
        first = await client.data("get_task", taskId=task_id)
        await anyio.sleep(3600)
        later = await client.data("get_task", taskId=task_id, wait_seconds=30)

        assert client.took == 0
        assert later["status"] == "SUCCEEDED"
        assert later["video"]["url"] != first["video"]["url"]
        assert later["video"]["url_expires_at"] > first["video"]["url_expires_at"]
        assert later["next_step"]["arguments"] == {"assetId": later["video"]["assetId"], "dry_run": True}


async def test_a_running_task_is_read_once_without_a_wait(tmp_path: Path, mode: str) -> None:
    async with open_client(virtual_world(pace=100), tmp_path, mode) as client:
        task_id = (await client.extend(client.clip, wait_seconds=0))["taskId"]
        await anyio.sleep(50)
        result = await client.call("get_task", taskId=task_id)

        assert client.took == 0
        data = structured(result)
        assert data["status"] == "RUNNING"
        assert data["progress"] == pytest.approx(0.4, abs=0.05)
        assert data["next_step"]["arguments"] == {"taskId": task_id, "wait_seconds": 45}
        assert client.told == []
        assert data["task_uri"] == f"runway://tasks/{task_id}"
        assert links(result) == []


@pytest.mark.parametrize("wait_seconds", [0, 30])
async def test_any_number_of_callers_at_one_moment_costs_one_read(tmp_path: Path, wait_seconds: int) -> None:
    world = virtual_world()
    task_id = world.task_id(add_task(world))
    world.faults.append(Fault(path_prefix="/tasks", times=None, kind="delay", seconds=0.5))
    async with open_client(world, tmp_path, "auto") as client:
        async with anyio.create_task_group() as callers:
            for _ in range(20):
                callers.start_soon(partial(client.data, "get_task", taskId=task_id, wait_seconds=wait_seconds))

        reads = world.requests["GET /tasks/{id}"] + world.requests["GET /tasks"]
        assert reads <= 1 + wait_seconds / POLL


async def test_the_result_says_that_upstream_has_been_silent(tmp_path: Path, mode: str) -> None:
    async with open_client(virtual_world(pace=300), tmp_path, mode) as client:
        task_id = (await client.extend(client.clip, wait_seconds=0))["taskId"]
        await anyio.sleep(30)
        told = await client.data("get_task", taskId=task_id)
        client.world.faults.append(Fault(method="GET", path_prefix="/tasks", times=None, kind="status", status=502))
        await anyio.sleep(6)
        waiting = await client.data("get_task", taskId=task_id, wait_seconds=45)

        assert "have failed for" not in told["summary"]
        assert waiting["taskId"] == task_id
        assert "Runway's answers have failed for" in waiting["summary"]
        assert "still being followed" in waiting["summary"]


async def test_a_wait_ends_with_the_task(tmp_path: Path, mode: str) -> None:
    async with open_client(virtual_world(pace=30), tmp_path, mode) as client:
        task_id = (await client.extend(client.clip, wait_seconds=0))["taskId"]
        data = await client.data("get_task", taskId=task_id, wait_seconds=45)

        assert data["status"] == "SUCCEEDED"
        assert client.took <= 36
        assert len(client.told) > 3


async def test_a_wait_that_is_too_short_ends_in_time(tmp_path: Path) -> None:
    async with open_client(virtual_world(pace=300), tmp_path, "auto", wait_seconds=20) as client:
        task_id = (await client.extend(client.clip, wait_seconds=0))["taskId"]
        data = await client.data("get_task", taskId=task_id, wait_seconds=500)

        assert client.took == pytest.approx(20)
        assert data["status"] == "PENDING"
        assert "cut from 500 to 20" in data["summary"]


@pytest.mark.parametrize("safe", [":/@", "/", ""])
async def test_a_task_may_be_named_by_its_uri(tmp_path: Path, safe: str) -> None:
    async with open_client(virtual_world(), tmp_path, "auto") as client:
        maker = client.clip.task
        assert maker is not None
        task_id = client.world.task_id(maker)

        data = await client.data("get_task", taskId=quote(f"runway://tasks/{task_id}", safe=safe))

        assert data["taskId"] == task_id


async def test_a_task_of_a_model_that_cannot_be_extended_has_neither_lineage_nor_price(tmp_path: Path) -> None:
    world = virtual_world()
    film = add_video(world, model="gen4")
    async with open_client(world, tmp_path, "auto") as client:
        assert film.task is not None
        data = await client.data("get_task", taskId=world.task_id(film.task))

        assert data["model"] == "gen4"
        assert data["video"]["duration_seconds"] == 10
        assert not {"lineage", "credits", "next_step"} & data.keys()


async def test_an_unknown_task_is_not_found_and_the_next_call_lists_what_there_is(tmp_path: Path, mode: str) -> None:
    world = virtual_world()
    async with open_client(world, tmp_path, mode) as client:
        data = await client.data("get_task", taskId=world.asset_id(client.clip).replace("-asset:", "-task:"))

        assert data["error"]["kind"] == "not_found"
        assert data["next_step"]["tool"] == "list_assets"


async def test_a_task_too_fresh_for_upstream_is_pending_not_missing(tmp_path: Path) -> None:
    world = virtual_world(pace=100)
    world.switch(brief_404=30)
    async with open_client(world, tmp_path, "auto") as client:
        task_id = (await client.extend(client.clip, wait_seconds=0))["taskId"]
        await anyio.sleep(6)
        fresh = await client.data("get_task", taskId=task_id)
        await anyio.sleep(40)
        known = await client.data("get_task", taskId=task_id)

        assert fresh["status"] == "PENDING"
        assert fresh["model"] == "gen3a"
        assert fresh["credits"] == {"cost": 50}
        assert known["status"] == "RUNNING"


async def test_a_task_of_ours_that_upstream_has_lost_is_not_found_and_told_as_paid(tmp_path: Path) -> None:
    world = virtual_world(pace=400)
    async with open_client(world, tmp_path, "auto") as client:
        task_id = (await client.extend(client.clip, wait_seconds=0))["taskId"]
        await anyio.sleep(61)
        client.last_task().hidden = True
        await anyio.sleep(6)

        data = await client.data("get_task", taskId=task_id)

        told = data["error"]
        assert (told["kind"], told["charged"], told["retry"]) == ("not_found", "yes", "later")
        assert "this server submitted it once" in told["message"]
        assert "for about 50 credits" in told["message"]


async def test_an_end_that_only_another_server_has_seen_answers_the_same_request(tmp_path: Path) -> None:
    world = virtual_world(pace=20)
    world.script_next(outcome="fail")
    async with open_client(world, tmp_path, "auto") as bystander:
        async with open_client(world, tmp_path, "auto") as owner:
            task_id = (await owner.extend(owner.clip, wait_seconds=0))["taskId"]
        await anyio.sleep(40)
        ended = await bystander.data("get_task", taskId=task_id)
        again = await bystander.extend(bystander.clip)

        assert ended["status"] == "FAILED"
        assert (again["status"], again["taskId"], again["twin"]) == ("FAILED", task_id, True)
        assert bystander.posts == 1


@pytest.mark.parametrize(
    ("outcome", "kind", "charged", "retry"),
    [
        ("fail", "generation_failed", "unknown", "after_change"),
        ("moderate", "moderated", "unknown", "after_change"),
        ("cancel", "cancelled", "unknown", "after_change"),
        ("empty", "generation_failed", "yes", "later"),
    ],
)
async def test_an_end_without_a_film_is_an_error_that_tells_of_the_money_and_is_safe_to_read_again(
    tmp_path: Path, mode: str, outcome: str, kind: str, charged: str, retry: str
) -> None:
    world = virtual_world(pace=10)
    world.script_next(outcome=outcome)
    async with open_client(world, tmp_path, mode) as client:
        task_id = (await client.extend(client.clip, wait_seconds=0))["taskId"]
        # A success without its film is told as running for a minute.
        await anyio.sleep(90 if outcome == "empty" else 0)
        result = await client.call("get_task", taskId=task_id, wait_seconds=45)

        data = structured(result)
        assert result.is_error
        assert data["error"]["kind"] == kind
        assert (data["error"]["charged"], data["error"]["retry_safe"]) == (charged, True)
        assert data["error"]["retry"] == retry
        assert data["taskId"] == task_id
        assert data["error"]["message"].startswith(data["summary"])
        assert f"Error: {kind}. Charged: {charged}. " in text(result)
        assert ("You may repeat the same call" in text(result)) is (retry == "later")
        assert data.get("next_step", {}).get("tool") == ("get_task" if retry == "later" else None)


async def test_a_read_that_never_ends_gives_up_in_time(tmp_path: Path) -> None:
    world = virtual_world()
    task = add_task(world)
    world.faults += [Fault(path_prefix="/tasks", times=None, kind="delay", seconds=500)]
    async with open_client(world, tmp_path, "auto") as client:
        data = await client.data("get_task", taskId=world.task_id(task))

        assert client.took <= 10
        assert data["error"]["kind"] == "unavailable"
        assert data["next_step"] == {
            "tool": "get_task",
            "arguments": {"taskId": world.task_id(task), "wait_seconds": 45},
            "reason": "The same call again, in a moment.",
        }


def all_reads(world: World) -> dict[str, int]:
    return {name: count for name, count in world.requests.items() if name.startswith("GET")}


async def test_an_unknown_id_asked_often_at_once_is_one_read(tmp_path: Path) -> None:
    world = virtual_world()
    unknown = world.task_id(add_task(world)).replace("task:", "task:ffff")[: -len("ffff")]
    world.faults.append(Fault(path_prefix="/tasks", times=None, kind="delay", seconds=0.5))
    async with open_client(world, tmp_path, "auto") as client:
        before = all_reads(world)
        async with anyio.create_task_group() as callers:
            for _ in range(160):
                callers.start_soon(partial(client.mcp.call_tool, "get_task", {"taskId": unknown}))
        reads = {name: count - before.get(name, 0) for name, count in all_reads(world).items()}

    assert reads == {"GET /tasks/{id}": 1, "GET /assets": 1}


async def test_a_loop_on_a_finished_task_costs_a_read_a_minute(tmp_path: Path) -> None:
    world = virtual_world()
    *_, film = extended_clips(world, "the beach", "the dunes")
    assert film.task is not None
    task_id = world.task_id(film.task)
    async with open_client(world, tmp_path, "auto") as client:
        before = world.requests["GET /tasks/{id}"]
        for _ in range(100):
            await client.data("get_task", taskId=task_id)
            await anyio.sleep(3)
        reads = world.requests["GET /tasks/{id}"] - before

    # In five minutes one each of the task and, where its own has passed too, of the task that made its source.
    assert 5 <= reads <= 10


async def test_a_wait_ends_with_how_the_task_stands_once_the_server_is_told_to_stop(tmp_path: Path, mode: str) -> None:
    async with open_server(virtual_world(pace=100), tmp_path) as server, server.client(mode) as client:
        told: list[dict[str, Any]] = []

        async def wait(tool: str, **arguments: Any) -> None:
            told.append(await client.data(tool, **arguments))

        async with anyio.create_task_group() as group:
            group.start_soon(partial(wait, "extend_video", assetId=client.world.asset_id(client.clip)))
            await anyio.sleep(20)
            server.context.waits.end_all()
        assert told[0]["status"] == "RUNNING"
        assert told[0]["next_step"]["tool"] == "get_task"
        assert client.took == 20
        await wait("get_task", taskId=told[0]["taskId"], wait_seconds=30)
        assert (told[1]["status"], client.took) == ("RUNNING", 0)
