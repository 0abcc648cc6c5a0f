import time
from collections import Counter
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp_types import CallToolResult, TextContent

from runway_mcp.server.result_cache import KEPT_SECONDS, MOST, ResultCache, memory_key
from tests.kit.server import open_server
from tests.kit.upstream import virtual_world

pytestmark = pytest.mark.virtual_time

KEY = memory_key("", "get_task", {"taskId": "a"}, 45)


def result(**structured: object) -> CallToolResult:
    return CallToolResult(content=[TextContent(text="told")], structured_content={"summary": "told", **structured})


async def test_a_result_is_told_for_a_minute_as_it_goes_over_the_wire() -> None:
    cache = ResultCache()
    cache.remember(KEY, result())

    await anyio.sleep(KEPT_SECONDS - 1)
    told = cache.recall(KEY)
    await anyio.sleep(1)

    assert told is not None
    assert told["structuredContent"] == {"summary": "told"}
    assert told["content"] == [{"type": "text", "text": "told"}]
    assert cache.recall(KEY) is None


@pytest.mark.parametrize(
    "other",
    [
        memory_key("carol", "get_task", {"taskId": "a"}, 45),
        memory_key("", "save_film", {"taskId": "a"}, 45),
        memory_key("", "get_task", {"taskId": "b"}, 45),
        memory_key("", "get_task", {"taskId": "a"}, 20),
        memory_key("", "get_task", {"taskId": "a" * 5000}, 45),
    ],
)
async def test_another_caller_call_or_wait_is_not_told_of_it(other: object) -> None:
    cache = ResultCache()
    cache.remember(KEY, result())

    assert cache.recall(other) is None


@pytest.mark.parametrize(
    "arguments",
    [
        {"taskId": "a" * 5000},
        {"taskId": ["a"]},
        {"taskId": {"a": "b"}},
        {str(number): number for number in range(65)},
    ],
)
async def test_of_arguments_that_no_tool_has_nothing_is_kept(arguments: dict[str, Any]) -> None:
    assert memory_key("", "get_task", arguments, 45) is None


@pytest.mark.parametrize("value", ["", 0, [], {"deep": [1]}])
async def test_tens_of_thousands_of_made_up_arguments_are_refused_in_no_time(
    tmp_path: Path, mode: str, value: object
) -> None:
    made_up = {f"n{number}": value for number in range(90_000)}
    async with open_server(virtual_world(), tmp_path) as server, server.client(mode) as client:
        began = time.process_time()
        told = await client.data("get_task", **made_up)

        assert time.process_time() - began < 1
        assert told["error"]["kind"] == "invalid_request"


async def test_a_result_that_names_a_file_is_told_while_the_file_is_there_whole(tmp_path: Path) -> None:
    film, cache = tmp_path / "film.mp4", ResultCache()
    film.write_bytes(b"1234")
    cache.remember(KEY, result(saved={"path": str(film), "size_bytes": 4}))

    assert cache.recall(KEY) is not None
    film.unlink()
    assert cache.recall(KEY) is None


async def test_the_oldest_results_go_first_and_all_go_when_something_may_have_changed() -> None:
    cache = ResultCache()
    for number in range(MOST + 1):
        cache.remember(("", number), result())

    assert cache.recall(("", 0)) is None
    assert cache.recall(("", 1)) is not None
    cache.forget()
    assert cache.recall(("", 1)) is None


async def test_a_finished_task_is_remembered_until_a_call_that_may_change_something(tmp_path: Path, mode: str) -> None:
    world = virtual_world(pace=20)
    async with open_server(world, tmp_path) as server, server.client(mode) as client:
        task_id = (await client.extend(client.clip, wait_seconds=45))["taskId"]
        first = await client.data("get_task", taskId=task_id)
        reads = Counter(world.requests)
        again = await client.data("get_task", taskId=task_id)
        key = memory_key("", "get_task", {"taskId": task_id}, 45)

        assert again == first
        assert Counter(world.requests) == reads
        assert server.context.result_cache.recall(key) is not None
        await client.call("extend_video", assetId=world.asset_id(client.clip), seed=7, wait_seconds=0)
        assert server.context.result_cache.recall(key) is None


async def test_a_running_task_and_a_success_without_its_film_are_never_remembered(tmp_path: Path, mode: str) -> None:
    world = virtual_world(pace=20)
    world.script_next(outcome="empty")
    async with open_server(world, tmp_path) as server, server.client(mode) as client:
        task_id = (await client.extend(client.clip, wait_seconds=0))["taskId"]
        key = memory_key("", "get_task", {"taskId": task_id}, 45)
        for _ in range(2):
            await client.call("get_task", taskId=task_id)
            assert server.context.result_cache.recall(key) is None
            await anyio.sleep(300)


async def test_a_refusal_of_the_same_arguments_is_told_again_from_memory(tmp_path: Path, mode: str) -> None:
    async with open_server(virtual_world(), tmp_path) as server, server.client(mode) as client:
        refused = [await client.call("get_task", taskId="a", wait_seconds=-1) for _ in range(2)]
        key = memory_key("", "get_task", {"taskId": "a", "wait_seconds": -1}, 45)

        assert server.context.result_cache.recall(key) is not None
        assert refused[0].is_error
        assert refused[0].structured_content == refused[1].structured_content
