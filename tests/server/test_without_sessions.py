"""HTTP where a client's next request may reach another server: no sessions, and sealed state opens there."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp.client.client import Client
from mcp.shared.exceptions import MCPError
from mcp_types import ElicitRequestParams, ElicitResult, InputRequiredResult
from pydantic import SecretStr
from starlette.testclient import TestClient

from runway_mcp.server.app import create_server
from runway_mcp.server.transport.http import create_app
from runway_mcp.simulator.world import World
from tests.kit.client import ToolClient
from tests.kit.server import open_server, settings
from tests.kit.upstream import virtual_world
from tests.server.toy import served, toy

OLD = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-11-25"}
OPENING = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
FIRST, SECOND = "k" * 32, "l" * 40
ACCEPTS = ElicitResult(action="accept", content={"ok": True})


def message(method: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}}


def replica(folder: Path) -> TestClient:
    """A client at a server that shares its ledger with others; nothing of the ledger is opened, without a token."""
    fields = {"over_http": True, "database_url": SecretStr("postgresql://127.0.0.1:9/nothing"), "token": None}
    app = create_app(create_server(settings(folder, **fields)), has_sessions=False)
    return TestClient(app, base_url="http://127.0.0.1:8000")


def test_a_handshake_opens_no_session_and_promises_no_notifications(tmp_path: Path) -> None:
    with replica(tmp_path) as http:
        opened = http.post("/mcp", json=message("initialize", OPENING), headers=OLD)

    assert opened.status_code == 200
    assert "mcp-session-id" not in opened.headers
    assert '"listChanged":false,"subscribe":false' in opened.text.replace(" ", "")


def test_a_request_that_names_the_session_of_another_server_is_answered(tmp_path: Path) -> None:
    with replica(tmp_path) as http:
        listed = http.post("/mcp", json=message("tools/list"), headers={**OLD, "mcp-session-id": "a" * 32})

    assert listed.status_code == 200
    assert "extend_video" in listed.text


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("session", [{}, {"mcp-session-id": "a" * 32}])
def test_there_is_no_stream_to_open_and_no_session_to_end(method: str, session: dict[str, str], tmp_path: Path) -> None:
    with replica(tmp_path) as http:
        refused = http.request(method, "/mcp", headers={**OLD, **session})

    assert refused.status_code == 405
    assert refused.headers["allow"] == "POST"


def test_clients_of_2026_are_told_that_they_may_listen(tmp_path: Path) -> None:
    server = create_server(settings(tmp_path, over_http=True, database_url=SecretStr("postgresql://a/b"), token=None))

    told = server.get_capabilities(protocol_version="2026-07-28").resources

    assert told is not None
    assert (told.subscribe, told.list_changed) == (True, True)


@pytest.mark.parametrize(
    "fields",
    [{}, {"over_http": True}, {"database_url": SecretStr("postgresql://a/b")}],
    ids=["stdio", "http", "shared"],
)
def test_one_server_and_one_on_stdio_promise_notifications_as_ever(fields: dict[str, Any], tmp_path: Path) -> None:
    told = create_server(settings(tmp_path, **fields)).get_capabilities().resources

    assert told is not None
    assert (told.subscribe, told.list_changed) == (True, True)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_call_in_each_era_is_served_with_its_progress(mode: Any) -> None:
    heard: list[float] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        assert (total, message) == (3, f"step {progress:.0f}")
        heard.append(progress)

    async with served(toy(), has_sessions=False) as url, Client(f"{url}/mcp", mode=mode) as client:
        for _ in range(2):
            await client.call_tool("count", {}, progress_callback=hear)

    assert heard == [1, 2, 3] * 2


async def never(_: object, __: ElicitRequestParams) -> ElicitResult:
    raise AssertionError("the tests answer questions themselves")


@asynccontextmanager
async def asking(world: World, folder: Path, keys: tuple[str, ...]) -> AsyncGenerator[ToolClient]:
    """A client at a server with these keys, which asks before each spend."""
    state_keys = tuple(SecretStr(key) for key in keys)
    async with (
        open_server(world, folder, confirm_above=0.0, state_keys=state_keys) as server,
        server.client("auto", elicitation_callback=never) as client,
    ):
        yield client


async def asked(world: World, folder: Path, keys: tuple[str, ...]) -> InputRequiredResult:
    """The question of a server with these keys whether a spend is meant."""
    async with asking(world, folder, keys) as client:
        question = await client.mcp.session.call_tool(
            "extend_video", {"assetId": world.asset_id(client.clip)}, allow_input_required=True
        )
    assert isinstance(question, InputRequiredResult)
    return question


async def answered(world: World, folder: Path, question: InputRequiredResult, keys: tuple[str, ...]) -> bool:
    """Whether a server with these keys takes the answer; it posts then."""
    async with asking(world, folder, keys) as client:
        try:
            await client.mcp.session.call_tool(
                "extend_video",
                {"assetId": world.asset_id(client.clip)},
                input_responses={"spend": ACCEPTS},
                request_state=question.request_state,
            )
        except MCPError:
            return False
        return client.posts == 1


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("asks", "answers", "is_taken"),
    [
        ((FIRST,), (FIRST,), True),
        ((FIRST, SECOND), (SECOND, FIRST), True),
        ((FIRST,), (SECOND,), False),
        ((SECOND, FIRST), (FIRST,), False),
        ((), (), False),
    ],
)
async def test_a_question_of_one_server_is_answered_at_another_that_has_its_key(
    asks: tuple[str, ...], answers: tuple[str, ...], *, is_taken: bool, tmp_path: Path
) -> None:
    world = virtual_world()
    question = await asked(world, tmp_path, asks)

    assert await answered(world, tmp_path, question, answers) is is_taken
