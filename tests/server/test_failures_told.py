import json
import logging
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from mcp.shared.exceptions import MCPError
from mcp.shared.memory import create_client_server_memory_streams
from mcp.shared.message import SessionMessage
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS, JSONRPCError, JSONRPCRequest

from runway_mcp.data_folder import LEDGER
from runway_mcp.server.app import create_server
from runway_mcp.server.boundary import CRASHED, log_crash
from runway_mcp.server.tools.definitions import TOOLS
from runway_mcp.simulator.builders import add_task
from runway_mcp.simulator.faults import Fault
from runway_mcp.simulator.world import TOKEN, World
from runway_mcp.tasks.catalogue import CREATE_MODELS
from tests.kit.client import structured, text
from tests.kit.clock import wall_clock
from tests.kit.server import open_client, settings
from tests.kit.upstream import virtual_world

pytestmark = pytest.mark.virtual_time

SECRET = "https://cdn.example.com/film.mp4?_jwt=secret-part"


@pytest.mark.parametrize(
    ("status", "body", "kind", "retry_safe", "next_tool"),
    [
        (400, {"error": "Parameter seconds is odd.", "code": 400}, "invalid_request", True, "list_assets"),
        (401, {"error": "Unauthorized"}, "unauthorized", True, None),
        (402, {"error": "Account has no subscription"}, "subscription", True, None),
        (404, {"error": "Unable to retrieve assetId x (Not found.)"}, "not_found", True, "list_assets"),
        (412, {"error": "You do not have enough credits to run this task."}, "insufficient_credits", True, None),
        (422, {"error": "Text prompt did not pass moderation"}, "moderated", False, None),
        (429, {"error": "You have too many tasks running or pending."}, "busy", True, "extend_video"),
        (596, {"error": "Account is in an error state."}, "account", True, None),
    ],
)
async def test_a_refused_submit_is_told_with_its_kind_its_price_and_the_way_on(
    tmp_path: Path, mode: str, status: int, body: object, kind: str, retry_safe: bool, next_tool: str | None
) -> None:
    world = virtual_world()
    world.faults += [Fault(method="POST", times=None, status=status, body=body)]
    async with open_client(world, tmp_path, mode) as client:
        result = await client.call("extend_video", assetId=world.asset_id(client.clip), wait_seconds=5)

        data = structured(result)
        assert result.is_error
        assert data["error"]["kind"] == kind
        assert (data["error"]["charged"], data["error"]["retry_safe"]) == ("no", retry_safe)
        assert "Nothing was charged." in data["summary"]
        assert data.get("next_step", {}).get("tool") == next_tool
        assert text(result).startswith(data["summary"])
        assert len(json.dumps(data)) < 2500


async def test_an_account_that_cannot_pay_is_told_what_is_left(tmp_path: Path) -> None:
    async with open_client(virtual_world(used=2240), tmp_path, "auto") as client:
        data = await client.extend(client.clip)

        assert data["error"]["kind"] == "insufficient_credits"
        assert data["credits"] == {"remaining": 10}


async def test_a_full_account_names_the_tasks_that_hold_its_slots(tmp_path: Path, mode: str) -> None:
    async with open_client(virtual_world(max_jobs=5, pace=900), tmp_path, mode) as client:
        first = [await client.extend(client.clip, wait_seconds=0, seed=1 + each) for each in range(5)]
        data = await client.extend(client.clip, seed=9, wait_seconds=5)

        assert data["error"]["kind"] == "busy"
        assert data["error"]["retry_safe"] is True
        assert (
            f"Running: {first[0]['taskId']}, {first[1]['taskId']}, {first[2]['taskId']} and 2 more." in data["summary"]
        )
        assert data["next_step"]["tool"] == "extend_video"
        assert data["next_step"]["arguments"] == {
            "assetId": client.world.asset_id(client.clip),
            "seed": 9,
            "wait_seconds": 5,
        }


async def test_a_submit_without_a_clear_answer_is_looked_for_by_the_identical_call_and_never_posted_again(
    tmp_path: Path, mode: str
) -> None:
    world = virtual_world(pace=300)
    world.switch(late_in_lists=60, late_in_scheduler=60)
    world.faults += [Fault(method="POST", status=502, handled=True)]
    async with open_client(world, tmp_path, mode) as client:
        data = await client.extend(client.clip, seconds=10, text_prompt="on", wait_seconds=20)

        assert data["error"]["kind"] == "submission_unknown"
        assert (data["error"]["charged"], data["error"]["retry_safe"]) == ("unknown", True)
        assert "taskId" not in data
        assert data["next_step"]["tool"] == "extend_video"
        listed = json.loads((await client.mcp.read_resource("runway://tasks")).contents[0].model_dump()["text"])
        unclear = next(task for task in listed["tasks"] if "taskId" not in task)
        assert unclear["error"]["kind"] == "submission_unknown"
        assert (unclear["text_prompt"], unclear["credits"], unclear["model"]) == ("on", {"cost": 100}, "gen3a")
        await anyio.sleep(60)
        found = await client.data("extend_video", **unclear["next_step"]["arguments"])
        assert found["taskId"] == world.task_id(client.last_task())
        assert client.posts == 1


async def test_what_looking_never_finds_is_told_with_its_candidates(tmp_path: Path) -> None:
    world = virtual_world(pace=3000)
    world.faults += [Fault(method="POST", status=502)]
    async with open_client(world, tmp_path, "auto") as client:
        await client.extend(client.clip, wait_seconds=1)
        stranger = add_task(world, seed=77)
        await anyio.sleep(700)

        result = await client.call("extend_video", assetId=world.asset_id(client.clip), wait_seconds=1)

        data, task_id = structured(result), world.task_id(stranger)
        assert data["error"]["kind"] == "submission_unknown"
        assert [each["taskId"] for each in data["candidates"]] == [task_id]
        assert data["candidates"][0]["task_uri"] == f"runway://tasks/{task_id}"
        assert data["next_step"]["arguments"]["taskId"] == task_id
        assert f"Possibly ours: {task_id} (RUNNING" in text(result)
        assert client.posts == 1


@pytest.mark.parametrize("tool", TOOLS)
async def test_without_a_token_a_call_says_what_to_set_and_how_to_try_without(
    tmp_path: Path, mode: str, tool: str
) -> None:
    async with open_client(virtual_world(), tmp_path, mode, token=None) as client:
        result = await client.call(tool)

        told = text(result)
        assert "Error: not_configured. Charged: no." in told
        assert "USEAPI_TOKEN" in told
        assert "useapi-runway-mcp demo" in told
        if TOOLS[tool].output_schema:
            error = structured(result)["error"]
            assert (error["kind"], error["charged"], error["retry_safe"]) == ("not_configured", "no", True)
        assert not client.world.requests
        assert not (tmp_path / LEDGER).exists()


async def test_arguments_that_are_wrong_are_an_error_result_before_anything_is_asked_of_upstream(
    tmp_path: Path, mode: str
) -> None:
    async with open_client(virtual_world(), tmp_path, mode) as client:
        result = await client.call("extend_video", assetId=5, prompt="on")

        data = structured(result)
        assert result.is_error
        assert data["error"]["kind"] == "invalid_request"
        assert (data["error"]["charged"], data["error"]["retry_safe"]) == ("no", True)
        assert "did you mean text_prompt?" in data["summary"]
        assert "assetId" in data["error"]["message"]
        assert data["next_step"]["tool"] == "list_assets"
        assert not client.world.requests


async def test_a_call_without_any_arguments_is_told_what_is_missing(tmp_path: Path, mode: str) -> None:
    async with open_client(virtual_world(), tmp_path, mode) as client:
        result = await client.mcp.call_tool("get_task")

        assert result.is_error
        assert structured(result)["summary"].startswith("taskId is missing.")


async def test_an_unknown_tool_is_a_protocol_error_that_lists_the_tools(tmp_path: Path, mode: str) -> None:
    async with open_client(virtual_world(), tmp_path, mode) as client:
        with pytest.raises(MCPError) as caught:
            await client.mcp.call_tool("render_video", {})

        assert caught.value.code == INVALID_PARAMS
        offered = "extend_video, get_task, list_assets, view_film"
        assert caught.value.message == f'Unknown tool "render_video". The tools are {offered}.'


class Breaking(httpx.AsyncBaseTransport):
    """Fails with an exception of no known kind at every read, and with what no log may show in its text."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Never answers."""
        raise ZeroDivisionError(f"{SECRET} {TOKEN} {request.url}")


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [("list_assets", {"limit": 3}), ("get_task", {"taskId": "x"}), ("extend_video", {"assetId": "x"})],
)
async def test_a_crash_is_told_in_a_fixed_sentence_and_leaks_nothing(
    tmp_path: Path, mode: str, caplog: pytest.LogCaptureFixture, tool: str, arguments: dict[str, Any]
) -> None:
    with caplog.at_level(logging.INFO):
        async with open_client(virtual_world(), tmp_path, mode, transport=Breaking()) as client:
            result = await client.mcp.call_tool(tool, arguments)

    data = structured(result)
    assert result.is_error
    assert data["error"] == {
        "kind": "unexpected_response",
        "message": CRASHED,
        "charged": "no",
        "retry_safe": True,
        "retry": "later",
    }
    assert data["next_step"]["arguments"] == arguments
    assert "secret-part" not in result.model_dump_json()
    assert f"{tool} crashed: ZeroDivisionError at" in caplog.text
    assert "handle_async_request" in caplog.text
    assert "secret-part" not in caplog.text
    assert TOKEN not in caplog.text


@pytest.mark.parametrize("uri", ["runway://tasks/x", "runway://assets/x"])
async def test_a_crash_of_a_resource_is_a_protocol_error_in_a_fixed_sentence(
    tmp_path: Path, mode: str, caplog: pytest.LogCaptureFixture, uri: str
) -> None:
    async with open_client(virtual_world(), tmp_path, mode, transport=Breaking()) as client:
        with pytest.raises(MCPError) as caught:
            await client.mcp.read_resource(uri)

    assert (caught.value.code, caught.value.message) == (INTERNAL_ERROR, CRASHED)
    assert "resources/read crashed: ZeroDivisionError at" in caplog.text
    assert "secret-part" not in caplog.text


def test_of_a_crash_among_several_tasks_each_place_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    log_crash(
        "list_assets", ExceptionGroup(SECRET, [ZeroDivisionError(SECRET), ExceptionGroup("", [KeyError(SECRET)])])
    )

    assert [record.getMessage().partition(" at\n")[0] for record in caplog.records] == [
        "list_assets crashed: ZeroDivisionError",
        "list_assets crashed: KeyError",
    ]
    assert "secret-part" not in caplog.text


class BreakingClock:
    """The wall clock, until `left` calls were made (since `world` ended its task, if `ended`): then it breaks, once."""

    def __init__(self, world: World, *, ended: bool, breaks_at: int = 0) -> None:
        self.world, self.ended, self.left = world, ended, breaks_at

    def __call__(self) -> float:
        """Unix seconds."""
        if not self.ended or (self.world.accepted and self.world.accepted[-1].ended(self.world.now())):
            self.left -= 1
            if self.left == 0:
                raise ZeroDivisionError
        return wall_clock()


async def test_a_crash_once_a_submit_has_begun_leaves_the_charge_open_and_only_looking_is_advised(
    tmp_path: Path, mode: str
) -> None:
    world = virtual_world()
    clock = BreakingClock(world, ended=False)
    arguments = {"assetId": world.asset_id(world.assets[0]), "seconds": 10}
    async with open_client(world, tmp_path, mode, now=clock) as client:
        await anyio.sleep(1)
        # The searches for a film, for the submit twice, and for one by each model ask the clock once each; the claim
        # then finds it broken.
        clock.left = 4 + len(CREATE_MODELS)
        data = structured(await client.mcp.call_tool("extend_video", arguments))

    assert data["error"]["kind"] == "submission_unknown"
    assert (data["error"]["charged"], data["error"]["retry_safe"]) == ("unknown", True)
    assert (data["next_step"]["tool"], data["next_step"]["arguments"]) == ("extend_video", arguments)


async def test_a_crash_after_the_acceptance_names_the_task_that_goes_on(tmp_path: Path) -> None:
    world = virtual_world(pace=10)
    clock = BreakingClock(world, ended=True, breaks_at=2)
    async with open_client(world, tmp_path, "auto", now=clock) as client:
        result = await client.mcp.call_tool("extend_video", {"assetId": world.asset_id(world.assets[0])})

    data, task_id = structured(result), world.task_id(world.accepted[0])
    assert data["error"]["kind"] == "unexpected_response"
    assert data["error"]["charged"] == "unknown"
    assert task_id in data["error"]["message"]
    assert data["next_step"]["arguments"]["taskId"] == task_id


async def test_a_ledger_that_cannot_be_written_refuses_submits_and_nothing_else(
    tmp_path: Path, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / LEDGER).write_bytes(b"this is no database, whatever it is" * 99)
    world = virtual_world(clips=1)
    async with open_client(world, tmp_path, mode) as client:
        assert client.clip.task is not None
        refused = await client.extend(client.clip)
        listed = await client.data("list_assets")
        read = await client.data("get_task", taskId=world.task_id(client.clip.task))
        tasks = json.loads((await client.mcp.read_resource("runway://tasks")).contents[0].model_dump()["text"])

        assert refused["error"]["kind"] == "unavailable"
        assert refused["error"]["charged"] == "no"
        assert "ledger" in refused["summary"]
        assert len(listed["assets"]) == 1
        assert read["status"] == "SUCCEEDED"
        assert len(tasks["tasks"]) == 1
        assert client.posts == 0
    assert "ledger" in caplog.text


async def test_arguments_that_are_no_object_are_a_protocol_error_without_an_echo(tmp_path: Path) -> None:
    """The SDK's client cannot send such a call, so it goes to the server's own streams."""
    server = create_server(settings(tmp_path))
    answers: list[SessionMessage | Exception] = []
    async with (
        create_client_server_memory_streams() as ((read, write), servers_end),
        anyio.create_task_group() as group,
    ):
        group.start_soon(server.run, *servers_end, server.create_initialization_options())
        for method, params in (("initialize", HELLO), ("tools/call", ODD)):
            request = JSONRPCRequest(jsonrpc="2.0", id=len(answers), method=method, params=params)
            await write.send(SessionMessage(request))
            with anyio.fail_after(30):
                answers.append(await read.receive())
        group.cancel_scope.cancel()

    answer = answers[1]
    assert isinstance(answer, SessionMessage)
    assert isinstance(answer.message, JSONRPCError)
    assert answer.message.error.code == INVALID_PARAMS
    assert "secret-part" not in answer.message.model_dump_json()


HELLO: dict[str, Any] = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}
ODD: dict[str, Any] = {"name": "get_task", "arguments": [SECRET]}
