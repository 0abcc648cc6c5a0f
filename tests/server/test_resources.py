import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio
import pytest
from mcp.client.client import Client
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS, TextResourceContents

from runway_mcp.server.contract.uris import PLAYER
from runway_mcp.simulator.builders import add_image, add_task, add_video
from runway_mcp.simulator.faults import Fault
from tests.kit.client import ToolClient, check_output
from tests.kit.server import open_client
from tests.kit.upstream import extended_clips, virtual_world

pytestmark = pytest.mark.virtual_time

FIXED = ["runway://tasks", PLAYER]
LONG = "user:1234-runwayml:nobody@example.com-{}:11111111-2222-4333-8444-555555555555"


async def read(client: Client, uri: str) -> tuple[str, dict[str, Any]]:
    """The URI and the JSON of what a resource holds."""
    (contents,) = (await client.read_resource(uri)).contents
    assert isinstance(contents, TextResourceContents)
    assert contents.mime_type == "application/json"
    return contents.uri, json.loads(contents.text)


async def listed(client: ToolClient) -> list[str]:
    """The URIs of all pages of the list."""
    uris: list[str] = []
    cursor: str | None = None
    while cursor is not None or not uris:
        page = await client.mcp.list_resources(cursor=cursor)
        uris += [resource.uri for resource in page.resources]
        cursor = page.next_cursor
    return uris


async def test_a_loop_on_a_finished_task_costs_a_read_a_minute(tmp_path: Path, mode: str) -> None:
    world = virtual_world()
    *_, film = extended_clips(world, "the beach", "the dunes")
    assert film.task is not None
    async with open_client(world, tmp_path, mode) as client:
        before = world.requests["GET /tasks/{id}"]
        for _ in range(100):
            await client.mcp.read_resource(f"runway://tasks/{world.task_id(film.task)}", cache_mode="bypass")
            await anyio.sleep(1.3)
        reads = world.requests["GET /tasks/{id}"] - before

    assert 2 <= reads <= 3


@pytest.mark.parametrize("safe", [":/@", "/", ""])
async def test_a_task_is_read_live_in_the_form_of_the_tool_under_its_uri_and_its_encoded_form(
    tmp_path: Path, mode: str, safe: str
) -> None:
    async with open_client(virtual_world(pace=100), tmp_path, mode) as client:
        told = await client.extend(client.clip, wait_seconds=0)
        await anyio.sleep(50)

        uri, task = await read(client.mcp, quote(told["task_uri"], safe=safe))

        assert uri == told["task_uri"]
        assert (task["taskId"], task["status"]) == (told["taskId"], "RUNNING")
        assert task["progress"] == pytest.approx(0.4, abs=0.05)
        assert task["lineage"]["source_assetId"] == client.world.asset_id(client.clip)
        assert task["replyRef"].startswith("runway-mcp-")
        assert task["next_step"]["tool"] == "get_task"
        check_output(task, "get_task")


async def test_an_asset_is_read_with_a_link_that_is_fresh_each_time(tmp_path: Path, mode: str) -> None:
    async with open_client(virtual_world(), tmp_path, mode) as client:
        uri = f"runway://assets/{client.world.asset_id(client.clip)}"
        _, first = await read(client.mcp, uri)
        await anyio.sleep(3600)
        _, second = await read(client.mcp, quote(uri, safe=":/"))

        assert first["assetId"] == client.world.asset_id(client.clip)
        assert (first["uri"], first["mediaType"], first["duration_seconds"]) == (uri, "video", 10)
        assert client.clip.task is not None
        assert first["taskId"] == client.world.task_id(client.clip.task)
        assert second["url"] != first["url"]
        assert second["url_expires_at"] > first["url_expires_at"]


async def test_a_failed_task_is_read_like_any_other(tmp_path: Path) -> None:
    world = virtual_world()
    task = add_task(world, outcome="fail", queue=0, duration=0)
    async with open_client(world, tmp_path, "auto") as client:
        _, data = await read(client.mcp, f"runway://tasks/{world.task_id(task)}")

        assert data["status"] == "FAILED"
        assert data["error"]["charged"] == "unknown"


async def test_all_known_tasks_are_one_resource_newest_first(tmp_path: Path, mode: str) -> None:
    world = virtual_world(clips=0, pace=300)
    world.switch(task_order="shuffled")
    clips = [add_video(world, age=age) for age in (500, 9000, 60)]
    async with open_client(world, tmp_path, mode) as client:
        ours = await client.extend(clips[0], wait_seconds=0)

        uri, data = await read(client.mcp, "runway://tasks")

        assert uri == "runway://tasks"
        made = [world.task_id(clip.task) for clip in (clips[2], clips[0], clips[1]) if clip.task]
        assert [task["taskId"] for task in data["tasks"]] == [ours["taskId"], *made]
        assert data["tasks"][0]["replyRef"].startswith("runway-mcp-")
        for task in data["tasks"]:
            check_output(task, "get_task")


@pytest.mark.parametrize("accounts", [1, 2])
async def test_of_several_accounts_those_that_were_used_are_asked(tmp_path: Path, accounts: int) -> None:
    world = virtual_world(accounts=accounts, pace=300)
    async with open_client(world, tmp_path, "auto") as client:
        ours = await client.extend(client.clip, wait_seconds=0)

        _, data = await read(client.mcp, "runway://tasks")

        assert data["tasks"][0]["taskId"] == ours["taskId"]
        assert len(data["tasks"]) == 2


async def test_upstream_that_does_not_answer_leaves_what_the_ledger_remembers(tmp_path: Path, mode: str) -> None:
    world = virtual_world(pace=300)
    async with open_client(world, tmp_path, mode) as client:
        ours = await client.extend(client.clip, seed=5, replyRef="mine", seconds=10, wait_seconds=0)
        world.faults += [Fault(times=None, status=500)]

        _, data = await read(client.mcp, "runway://tasks")
        uris = await listed(client)

        (task,) = data["tasks"]
        assert (task["taskId"], task["status"], task["model"]) == (ours["taskId"], "PENDING", "gen3a")
        assert (task["seed"], task["replyRef"], task["credits"]) == (5, "mine", {"cost": 100})
        assert task["createdAt"] == "2027-01-15T08:00:00Z"
        assert task["next_step"]["arguments"]["taskId"] == ours["taskId"]
        assert uris == [*FIXED, ours["task_uri"]]


async def test_upstream_that_hangs_holds_the_list_up_for_a_quarter_of_a_minute_at_most(tmp_path: Path) -> None:
    world = virtual_world(pace=300)
    async with open_client(world, tmp_path, "auto") as client:
        ours = await client.extend(client.clip, wait_seconds=0)
        world.faults += [Fault(path_prefix="/tasks", times=None, kind="delay", seconds=500)]
        began = anyio.current_time()

        assert await listed(client) == [*FIXED, ours["task_uri"]]
        assert anyio.current_time() - began <= 15


async def test_the_tasks_are_listed_page_by_page(tmp_path: Path, mode: str) -> None:
    world = virtual_world()
    made = [add_task(world, queue=0, duration=0, outcome="cancel", age=age) for age in range(100, 220)]
    async with open_client(world, tmp_path, mode) as client:
        first = await client.mcp.list_resources()
        uris = await listed(client)

        assert len(first.resources) == 52
        assert first.next_cursor
        assert (first.resources[0].uri, first.resources[0].mime_type) == ("runway://tasks", "application/json")
        assert uris[2:] == [f"runway://tasks/{world.task_id(task)}" for task in made] + uris[-1:]
        assert first.resources[2].title == "Runway task, CANCELLED"
        assert first.resources[2].name == f"task-{made[0].uuid}"


async def test_an_unclear_submit_is_no_resource_of_its_own(tmp_path: Path) -> None:
    world = virtual_world()
    world.faults += [Fault(method="POST", status=502)]
    async with open_client(world, tmp_path, "auto") as client:
        await client.extend(client.clip, wait_seconds=0)
        _, data = await read(client.mcp, "runway://tasks")

        assert len(data["tasks"]) == 2
        assert data["tasks"][0]["error"]["kind"] == "submission_unknown"
        assert len(await listed(client)) == 3


async def test_every_kind_with_an_id_has_a_template(tmp_path: Path, mode: str) -> None:
    async with open_client(virtual_world(), tmp_path, mode) as client:
        templates = (await client.mcp.list_resource_templates()).resource_templates

        assert [template.uri_template for template in templates] == [
            "runway://tasks/{taskId}",
            "runway://assets/{assetId}",
            *(f"runway://assets/{{assetId}}/{end}" for end in ("preview", "frames/last", "strip", "video")),
            "runway://films/{id}",
            "runway://films/{id}/video",
        ]


@pytest.mark.parametrize(
    "uri",
    [
        "runway://tasks/" + LONG.format("task"),
        "runway://assets/" + LONG.format("asset"),
        "runway://tasks/",
        "runway://tasks/a/b",
        "runway://tasks/%2e%2e",
        "runway://assets/a%3Fb",
        "runway://films/x",
        "https://example.com/film.mp4",
    ],
)
async def test_what_points_at_nothing_is_invalid_params_and_says_what_there_is(
    tmp_path: Path, mode: str, uri: str
) -> None:
    async with open_client(virtual_world(), tmp_path, mode) as client:
        with pytest.raises(MCPError) as caught:
            await client.mcp.read_resource(uri)

        assert caught.value.code == INVALID_PARAMS
        assert "runway://tasks/{taskId}" in caught.value.message
        assert caught.value.data == {"uri": uri}


@pytest.mark.parametrize("cursor", ["x", "-50", "1" * 30, "٣"])
async def test_a_cursor_that_was_never_given_is_refused(tmp_path: Path, cursor: str) -> None:
    async with open_client(virtual_world(), tmp_path, "auto") as client:
        with pytest.raises(MCPError) as caught:
            await client.mcp.list_resources(cursor=cursor)

        assert caught.value.code == INVALID_PARAMS


@pytest.mark.parametrize(
    ("status", "kind"), [(500, "unavailable"), (401, "unauthorized"), (402, "subscription"), (596, "account")]
)
async def test_an_upstream_that_refuses_is_told_in_our_words(tmp_path: Path, mode: str, status: int, kind: str) -> None:
    world = virtual_world()
    image = add_image(world)
    world.faults += [Fault(times=None, status=status)]
    async with open_client(world, tmp_path, mode) as client:
        with pytest.raises(MCPError) as caught:
            await client.mcp.read_resource(f"runway://assets/{world.asset_id(image)}")

        assert (caught.value.code, caught.value.data) == (INTERNAL_ERROR, {"kind": kind})
        assert caught.value.message


async def test_without_a_token_the_lists_work_and_reading_says_what_to_set(tmp_path: Path, mode: str) -> None:
    async with open_client(virtual_world(), tmp_path, mode, token=None) as client:
        assert await listed(client) == FIXED
        assert len((await client.mcp.list_resource_templates()).resource_templates) == 8
        film = "runway://films/film_0123456789abcdef"
        uris = ("runway://tasks", "runway://tasks/x", "runway://assets/x", "runway://assets/x/strip", film)
        for uri in (*uris, f"{film}/video"):
            with pytest.raises(MCPError) as caught:
                await client.mcp.read_resource(uri)
            assert "USEAPI_TOKEN" in caught.value.message
            assert caught.value.data == {"kind": "not_configured"}
