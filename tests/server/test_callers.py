"""What callers of one server share, and what exists for one of them alone: films, and tasks."""

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import TextResourceContents

from runway_mcp.server.contract.uris import TASKS
from runway_mcp.simulator.builders import add_task, small_world
from tests.kit.client import ToolClient
from tests.kit.protocol_tasks import TakesTasks, ask, tell
from tests.server.callers import ANA, BOB, DUNES, ana_and_bob, hosted, offered
from tests.server.subscribers import LIST, hearing

# As long as a real id, and one letter of its uuid apart from it.
_LAST = re.compile(r"[0-9a-f]$")


@pytest.fixture(params=["/mcp", "/sse"])
def path(request: pytest.FixtureRequest) -> str:
    """The transport: streamable HTTP, or the older HTTP+SSE."""
    return str(request.param)


def unknown(task_id: str) -> str:
    """An id that nothing has, of the same account."""
    return _LAST.sub(lambda end: "0" if end[0] != "0" else "1", task_id)


async def running_task(client: ToolClient, **arguments: Any) -> str:
    """The taskId of an extension that a caller has begun, and that runs on."""
    client.world.script_next(duration=600.0)
    return (await client.extend(client.clip, text_prompt=DUNES, wait_seconds=0, **arguments))["taskId"]


# --- tasks


async def of_tool(client: ToolClient, task_id: str) -> object:
    return (await client.call("get_task", taskId=task_id)).model_dump()


async def of_tool_by_its_uuid(client: ToolClient, task_id: str) -> object:
    return (await client.call("get_task", taskId=task_id.rpartition(":")[2])).model_dump()


async def of_tool_that_waits(client: ToolClient, task_id: str) -> object:
    return (await client.call("get_task", taskId=task_id, wait_seconds=2)).model_dump()


async def as_clip(client: ToolClient, task_id: str) -> object:
    return (await client.call("extend_video", assetId=task_id)).model_dump()


async def as_clip_by_its_uuid(client: ToolClient, task_id: str) -> object:
    return (await client.call("extend_video", assetId=task_id.rpartition(":")[2])).model_dump()


async def as_clip_of_a_dry_run(client: ToolClient, task_id: str) -> object:
    return (await client.call("extend_video", assetId=task_id, dry_run=True)).model_dump()


async def of_resource(client: ToolClient, task_id: str) -> object:
    with pytest.raises(MCPError) as refused:
        await client.mcp.read_resource(f"runway://tasks/{task_id}")
    return refused.value.error.model_dump()


async def of_protocol_task(client: ToolClient, task_id: str) -> object:
    with pytest.raises(MCPError) as refused:
        await ask(client.mcp.session, "tasks/get", task_id)
    return refused.value.error.model_dump()


async def of_cancelled_task(client: ToolClient, task_id: str) -> object:
    with pytest.raises(MCPError) as refused:
        await tell(client.mcp, "tasks/cancel", task_id)
    return refused.value.error.model_dump()


async def of_updated_task(client: ToolClient, task_id: str) -> object:
    with pytest.raises(MCPError) as refused:
        await tell(client.mcp, "tasks/update", task_id)
    return refused.value.error.model_dump()


Ask = Callable[[ToolClient, str], Awaitable[object]]
WAYS: list[Ask] = [
    *(of_tool, of_tool_by_its_uuid, of_tool_that_waits, of_resource),
    *(as_clip, as_clip_by_its_uuid, as_clip_of_a_dry_run),
]
WAYS_OF_TASKS: list[Ask] = [of_protocol_task, of_cancelled_task, of_updated_task]


async def answers(way: Ask, client: ToolClient, task_id: str) -> tuple[str, str]:
    """What a way of asking answers for a task, and for an id that nothing has, each without the id."""
    told: list[str] = []
    for each in (task_id, unknown(task_id)):
        answer = repr(await way(client, each))
        told.append(answer.replace(each, "ID").replace(each.rpartition(":")[2], "ID"))
    return told[0], told[1]


@pytest.mark.parametrize("ends", [False, True])
async def test_anothers_task_is_answered_word_for_word_as_an_id_that_nothing_has(
    tmp_path: Path, mode: str, *, ends: bool
) -> None:
    async with hosted(tmp_path) as server, ana_and_bob(server, mode) as (ana, bob):
        task_id = (await ana.extend(ana.clip, text_prompt=DUNES))["taskId"] if ends else await running_task(ana)

        for way in WAYS:
            of_another, of_nothing = await answers(way, bob, task_id)
            assert of_another == of_nothing
        assert ana.posts == 1


@pytest.mark.parametrize("ends", [False, True])
async def test_anothers_protocol_task_is_answered_as_an_id_that_nothing_has(
    tmp_path: Path, path: str, *, ends: bool
) -> None:
    async with (
        hosted(tmp_path, path=path) as server,
        server.of(ANA).client("auto") as ana,
        server.of(BOB).client("auto", extensions=[TakesTasks()]) as bob,
    ):
        task_id = (await ana.extend(ana.clip, text_prompt=DUNES))["taskId"] if ends else await running_task(ana)

        for way in WAYS_OF_TASKS:
            of_another, of_nothing = await answers(way, bob, task_id)
            assert of_another == of_nothing


async def test_a_task_that_a_caller_watches_is_no_more_readable_for_another(tmp_path: Path) -> None:
    async with (
        hosted(tmp_path) as server,
        server.of(ANA).client("auto", extensions=[TakesTasks()]) as ana,
        server.of(BOB).client("auto", extensions=[TakesTasks()]) as bob,
    ):
        ana.world.script_next(duration=600.0)
        handle: Any = await ana.mcp.session.call_tool(
            "extend_video", {"assetId": ana.world.asset_id(ana.clip)}, allow_claimed=True
        )
        assert (await ask(ana.mcp.session, "tasks/get", handle.task_id)).status == "working"

        of_another, of_nothing = await answers(of_protocol_task, bob, handle.task_id)

        assert of_another == of_nothing
        await tell(ana.mcp, "tasks/cancel", handle.task_id)
        assert "goes on" in (await ask(ana.mcp.session, "tasks/get", handle.task_id)).status_message


async def test_lists_and_completions_hide_anothers_tasks_and_show_those_that_nobody_here_began(
    tmp_path: Path, mode: str, path: str
) -> None:
    world = small_world(pace=0.3)
    by_hand = world.task_id(add_task(world, duration=600.0))
    async with hosted(tmp_path, path=path, world=world) as server, ana_and_bob(server, mode) as (ana, bob):
        task_id = await running_task(ana)

        assert await shown(ana) == everywhere({task_id, by_hand})
        assert await shown(bob) == everywhere({by_hand})
        for client, tasks in ((ana, {task_id, by_hand}), (bob, {by_hand})):
            assert (await client.data("get_task", taskId=by_hand))["taskId"] == by_hand
            assert {each["taskId"] for each in (await client.data("list_assets"))["running"]} == tasks


SHOWN = ("list_assets", TASKS, "resources/list", "completion")


async def shown(client: ToolClient) -> dict[str, set[str]]:
    """The ids of unfinished tasks that each list shows, and completions offer."""
    listed = await client.data("list_assets")
    contents = (await client.mcp.read_resource(TASKS)).contents[0]
    assert isinstance(contents, TextResourceContents)
    resources = (await client.mcp.list_resources()).resources
    told = (repr(listed), contents.text, repr([each.uri for each in resources]), repr(await offered(client)))
    open_ids = {client.world.task_id(each) for each in client.world.tasks if not each.ended(client.world.now())}
    return {name: {each for each in open_ids if each in text} for name, text in zip(SHOWN, told, strict=True)}


def everywhere(task_ids: set[str]) -> dict[str, set[str]]:
    """What `shown` gives where each list has these tasks."""
    return dict.fromkeys(SHOWN, task_ids)


async def test_a_completion_that_was_kept_forgets_a_task_that_has_become_anothers(tmp_path: Path, mode: str) -> None:
    async with hosted(tmp_path) as server, ana_and_bob(server, mode) as (ana, bob):
        assert (await shown(bob))["completion"] == set()
        task_id = await running_task(ana)

        assert (await shown(ana))["completion"] == {task_id}
        assert (await shown(bob))["completion"] == set()


async def test_updates_reach_the_caller_whose_task_it_is_and_nobody_else(tmp_path: Path, mode: str, path: str) -> None:
    async with (
        hosted(tmp_path, path=path) as server,
        hearing(server.of(ANA), mode, TASKS) as (ana, anas),
        hearing(server.of(BOB), mode, TASKS) as (bob, bobs),
    ):
        while not {LIST, TASKS} <= set(anas):
            await ana.extend(ana.clip, text_prompt=f"{len(anas)}")
        # What had been on its way to the other would be there before the news of his own task.
        assert bobs == []
        await bob.extend(bob.clip)
        while not {LIST, TASKS} <= set(bobs):
            await bob.extend(bob.clip, text_prompt=f"{len(bobs)}")

        assert bobs.count(LIST) <= len(await tasks_of(bob)) < len(server.world.accepted)


async def tasks_of(client: ToolClient) -> list[str]:
    """The extensions that a caller is shown."""
    contents = (await client.mcp.read_resource(TASKS)).contents[0]
    assert isinstance(contents, TextResourceContents)
    return [client.world.task_id(each) for each in client.world.accepted if client.world.task_id(each) in contents.text]


# --- films are the account's


async def test_anothers_film_is_seen_and_extended_by_its_asset_without_a_word_of_its_task(
    tmp_path: Path, mode: str
) -> None:
    async with hosted(tmp_path) as server, ana_and_bob(server, mode) as (ana, bob):
        film = await ana.extend(ana.clip, text_prompt=DUNES)
        asset_id, task_id = film["video"]["assetId"], film["taskId"]

        listed = (await bob.data("list_assets", links=True))["assets"][0]
        document = (await bob.mcp.read_resource(f"runway://assets/{asset_id}")).contents[0]
        own = (await ana.data("list_assets", links=True))["assets"][0]
        longer = await bob.data("extend_video", assetId=asset_id)
        task_of_it = await bob.data("get_task", taskId=asset_id)

        assert (listed["assetId"], listed["text_prompt"], listed["extendable"]) == (asset_id, DUNES, "yes")
        assert own["taskId"] == task_id
        assert "taskId" not in listed
        assert task_id not in repr((listed, document, longer, task_of_it))
        assert (longer["status"], longer["lineage"]["extended_count"]) == ("SUCCEEDED", 2)
        assert task_of_it["error"]["kind"] == "not_found"


async def test_who_extends_anothers_film_learns_no_name_of_it_by_its_task(tmp_path: Path, mode: str) -> None:
    async with hosted(tmp_path) as server, ana_and_bob(server, mode) as (ana, bob):
        film = await ana.extend(ana.clip, text_prompt=DUNES)
        for client in (ana, bob):
            await client.data("extend_video", assetId=film["video"]["assetId"])

        for way in (as_clip, as_clip_by_its_uuid, as_clip_of_a_dry_run):
            of_another, of_nothing = await answers(way, bob, film["taskId"])
            assert of_another == of_nothing
        own = await ana.data("extend_video", assetId=film["taskId"].rpartition(":")[2])
        assert own["twin"] is True
        assert bob.posts == 3


async def test_a_clip_that_a_caller_has_named_is_found_again_under_that_name_by_him_alone(
    tmp_path: Path, mode: str
) -> None:
    world = small_world(pace=0.3, clips=2)
    async with hosted(tmp_path, world=world) as server, ana_and_bob(server, mode) as (ana, bob):
        one, other = world.assets
        one.name, other.name = "beach", "pier"
        first = await bob.data("extend_video", assetId="beach")
        one.name, other.name = "pier", "beach"
        await ana.data("extend_video", assetId="beach")
        # Both are renamed, so that only the ledger knows the name.
        one.name, other.name = "a", "b"

        again = await bob.data("extend_video", assetId="beach")

        assert (again["taskId"], again["twin"]) == (first["taskId"], True)
        assert bob.posts == 2


# --- the caller without a name


async def test_where_no_token_is_asked_for_there_is_one_caller(tmp_path: Path, mode: str, path: str) -> None:
    world = small_world(pace=0.3)
    by_hand = world.task_id(add_task(world, duration=600.0))
    async with (
        hosted(tmp_path, path=path, world=world, verifier=None) as server,
        server.of(None).client(mode) as one,
        server.of(None).client(mode) as other,
    ):
        task_id = await running_task(one)

        assert await shown(other) == everywhere({task_id, by_hand})
        assert (await other.data("get_task", taskId=task_id))["taskId"] == task_id
        repeated = await other.extend(other.clip, text_prompt=DUNES, wait_seconds=0)
        assert (repeated["taskId"], repeated["twin"]) == (task_id, True)
