import json
from collections.abc import Callable
from typing import Any

import anyio
import httpx
import pytest

from tests.hosts.drivers.scripted_model import ANTHROPIC, GEMINI, OPENAI, RESPONSES, Wire, scripted_model

Json = dict[str, Any]

TOOL = "mcp_runway_list_assets"
SAID = "5 assets, 2 of them extendable."
SECONDS = 20


def anthropic(said: str | None) -> Json:
    given = [{"type": "tool_result", "tool_use_id": "1", "content": [{"type": "text", "text": said}]}] if said else []
    return {"stream": True, "tools": [{"name": TOOL}], "messages": [{"role": "user", "content": given}]}


def gemini(said: str | None) -> Json:
    parts = [{"functionResponse": {"name": TOOL, "response": {"output": said}}}] if said else [{"text": "Longer."}]
    return {"tools": [{"functionDeclarations": [{"name": TOOL}]}], "contents": [{"role": "user", "parts": parts}]}


def openai(said: str | None) -> Json:
    given = [{"role": "tool", "tool_call_id": "1", "content": said}] if said else []
    tools = [{"type": "function", "function": {"name": TOOL}}]
    return {"stream": True, "tools": tools, "messages": [{"role": "user", "content": "Longer."}, *given]}


def responses(said: str | None) -> Json:
    given = [{"type": "function_call_output", "call_id": "1", "output": said}] if said else []
    tools = [{"type": "namespace", "name": "mcp_runway", "tools": [{"type": "function", "name": "list_assets"}]}]
    return {"stream": True, "tools": tools, "input": [{"type": "message", "role": "user"}, *given]}


FORMATS = pytest.mark.parametrize(
    ("wire", "path", "tool", "request_with"),
    [
        pytest.param(ANTHROPIC, "/v1/messages", TOOL, anthropic, id="anthropic"),
        pytest.param(GEMINI, "/v1beta/models/some:streamGenerateContent", TOOL, gemini, id="gemini"),
        pytest.param(OPENAI, "/v1/chat/completions", TOOL, openai, id="openai-chat-completions"),
        pytest.param(RESPONSES, "/v1/responses", "mcp_runway/list_assets", responses, id="openai-responses"),
    ],
)


async def post(url: str, body: Json) -> str:
    async with httpx.AsyncClient(trust_env=False, timeout=SECONDS) as client:
        return (await client.post(url, json=body)).text


@FORMATS
async def test_a_host_gets_the_call_that_is_asked_for_and_what_it_tells_of_it_comes_back(
    wire: Wire, path: str, tool: str, request_with: Callable[[str | None], Json]
) -> None:
    answers: list[str] = []

    async def host(url: str) -> None:
        answers.append(await post(url, request_with(None)))
        answers.append(await post(url, request_with(SAID)))

    with anyio.fail_after(SECONDS), scripted_model(wire) as model:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(host, f"{model.url}{path}")
            assert await model.listed() == [tool]
            assert await model.call("list_assets", {"query": "beach"}) == SAID
            model.end()

    assert "list_assets" in answers[0]
    assert "beach" in answers[0]
    assert "Done." in answers[1]
    assert all(json.loads(line[6:]) for one in answers for line in one.splitlines() if line.startswith("data: "))


@FORMATS
async def test_what_a_host_asks_beside_the_conversation_is_answered_without_a_call(
    wire: Wire, path: str, tool: str, request_with: Callable[[str | None], Json]
) -> None:
    del tool
    with anyio.fail_after(SECONDS), scripted_model(wire) as model:
        assert "Done." in await post(f"{model.url}{path}", request_with(None) | {"tools": []})


async def test_a_host_that_has_ended_fails_each_further_call_with_what_it_said() -> None:
    with anyio.fail_after(SECONDS), scripted_model(ANTHROPIC) as model:
        model.abandon("the host ended with 1: no login")
        for _ in range(2):
            with pytest.raises(LookupError, match="no login"):
                await model.listed()
