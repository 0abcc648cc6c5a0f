from collections.abc import Callable
from typing import Any, Literal

import anyio
import pytest
from mcp import Client
from mcp.client.sse import sse_client
from mcp.types import TextContent
from starlette.testclient import TestClient

from runway_mcp.server.transport.http import create_app
from tests.server.toy import STEPS, served, toy

Mode = Literal["legacy", "auto"]
OLD = {
    "accept": "application/json, text/event-stream",
    "content-type": "application/json",
    "mcp-protocol-version": "2025-11-25",
}
INITIALIZE: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "0"}},
}
LIST: dict[str, Any] = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "0"},
}


def door(url: str, path: str) -> Any:
    return sse_client(f"{url}/sse") if path == "/sse" else f"{url}{path}"


def a_client(transport: Literal["http", "sse"] = "http") -> TestClient:
    return TestClient(create_app(toy(), transport=transport), base_url="http://127.0.0.1:8000")


@pytest.mark.parametrize("mode", ["legacy", "auto"])
@pytest.mark.parametrize("path", ["/mcp", "/sse"])
async def test_each_door_speaks_both_eras_and_passes_progress_on_before_the_result(path: str, mode: Mode) -> None:
    heard: list[tuple[float, float | None, str | None]] = []
    all_heard = anyio.Event()

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, total, message))
        if len(heard) == STEPS:
            all_heard.set()

    with anyio.fail_after(60):
        async with (
            served(toy(before_result=all_heard.wait), transport="sse") as url,
            Client(door(url, path), mode=mode) as client,
        ):
            await client.call_tool("count", {}, progress_callback=on_progress)

            assert client.session.protocol_version == {"legacy": "2025-11-25", "auto": "2026-07-28"}[mode]
    assert heard == [(step, STEPS, f"step {step}") for step in range(1, STEPS + 1)]


async def test_all_doors_share_one_lifespan() -> None:
    told: list[str] = []

    with anyio.fail_after(60):
        async with served(toy(told.append), transport="sse") as url:
            for path in ("/mcp", "/sse"):
                modes: tuple[Mode, ...] = ("legacy", "auto")
                for mode in modes:
                    async with Client(door(url, path), mode=mode) as client:
                        result = await client.call_tool("count", {})
                    assert result.content == [TextContent(type="text", text="1")]
    assert told == ["opened", "closed"]


async def test_in_a_session_a_call_can_be_cancelled() -> None:
    hanging, let_go = anyio.Event(), anyio.Event()
    told: dict[str, Callable[[], None]] = {"hanging": hanging.set, "let go": let_go.set}

    with anyio.fail_after(60):
        async with (
            served(toy(lambda line: told.get(line, lambda: None)())) as url,
            Client(f"{url}/mcp", mode="legacy") as client,
            anyio.create_task_group() as group,
        ):
            group.start_soon(client.call_tool, "hang")
            await hanging.wait()
            group.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                await let_go.wait()


def test_the_older_transport_is_there_only_on_wish() -> None:
    with a_client() as http:
        assert http.get("/sse").status_code == http.post("/messages/").status_code == 404


def test_initialize_opens_a_session_that_lasts_until_it_is_deleted() -> None:
    with a_client() as http:
        session = {**OLD, "mcp-session-id": http.post("/mcp", json=INITIALIZE, headers=OLD).headers["mcp-session-id"]}

        assert http.post("/mcp", json=LIST, headers=session).status_code == 200
        assert http.delete("/mcp", headers=session).status_code == 200
        assert http.post("/mcp", json=LIST, headers=session).status_code == 404


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (LIST, 200),
        (LIST | {"params": {"_meta": ENVELOPE}}, 200),
        ({"jsonrpc": "2.0", "method": "notifications/initialized"}, 202),
        ([LIST], 400),
        ("tools/list", 400),
    ],
)
def test_who_names_no_session_is_served_request_by_request(sent: object, status: int) -> None:
    with a_client() as http:
        answer = http.post("/mcp", json=sent, headers=OLD)

    assert answer.status_code == status
    assert "mcp-session-id" not in answer.headers
    assert ("count" in answer.text) == (status == 200)


def test_a_body_that_is_no_json_is_refused() -> None:
    with a_client() as http:
        assert http.post("/mcp", content=b"[" * 10_000, headers=OLD).status_code == 400


@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS"])
def test_without_a_session_there_is_nothing_to_listen_to_or_to_delete(method: str) -> None:
    with a_client() as http:
        answer = http.request(method, "/mcp", headers=OLD)

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_a_session_that_is_gone_is_not_quietly_replaced() -> None:
    with a_client() as http:
        assert http.post("/mcp", json=LIST, headers={**OLD, "mcp-session-id": "gone"}).status_code == 404


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", -32700),
        (b"\xff\xfe", -32700),
        (b"null", -32600),
        (b"5", -32600),
        (b"[]", -32600),
        (b'{"jsonrpc":"2.0","id":7,"result":7}', -32600),
        (b'{"jsonrpc":"1.0","id":7,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":7,"method":5}', -32600),
    ],
)
@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28", None])
def test_a_body_that_is_no_message_is_refused_in_our_own_words(body: bytes, code: int, version: str | None) -> None:
    headers = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
    with a_client() as http:
        answer = http.post(
            "/mcp", content=body, headers=headers | ({"mcp-protocol-version": version} if version else {})
        )

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    assert "pydantic" not in answer.text
    assert "validation" not in answer.text.lower()


@pytest.mark.parametrize(
    ("session", "body", "status"),
    [
        ("%0aERROR%20forged", b"{}", 400),
        ("", b"{}", 400),
        ("0" * 31, b"{}", 400),
        ("0" * 32, b'{"secret": "hunter2"}', 400),
        ("0" * 32, b'"hunter2', 400),
    ],
)
def test_a_message_that_is_none_leaves_no_word_in_the_log(
    session: str, body: bytes, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    with a_client("sse") as http, caplog.at_level("WARNING"):
        answer = http.post(f"/messages/?session_id={session}", content=body, headers=OLD)

    assert answer.status_code == status
    assert "hunter2" not in answer.text
    assert not caplog.records
