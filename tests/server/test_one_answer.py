"""Over HTTP what never notifies is one JSON document, and what may notify is a stream, where no session is open."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from runway_mcp.server.app import create_server
from tests.kit.server import settings
from tests.server.toy import served

META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "host", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
LISTS = ("server/discover", "tools/list", "prompts/list", "resources/list", "resources/templates/list")


async def kind_of_answer(url: str, method: str, era: str, **params: Any) -> str:
    told = {"_meta": META, **params} if era == "2026-07-28" else params
    headers = {"accept": "application/json, text/event-stream", "mcp-protocol-version": era}
    if era == "2026-07-28":
        headers |= {"mcp-method": method} | ({"mcp-name": params["name"]} if "name" in params else {})
    async with httpx.AsyncClient(trust_env=False, base_url=url) as client:
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": told}
        answer = await client.post("/mcp", json=request, headers=headers)
    assert '"result"' in answer.text, answer.text
    return answer.headers["content-type"].partition(";")[0]


@pytest.mark.parametrize("era", ["2025-11-25", "2026-07-28"])
async def test_lists_are_one_document_and_calls_a_stream(tmp_path: Path, era: str) -> None:
    lists = LISTS if era == "2026-07-28" else LISTS[1:]
    async with served(create_server(settings(tmp_path, token=None))) as url:
        told = {method: await kind_of_answer(url, method, era) for method in lists}
        called = await kind_of_answer(url, "tools/call", era, name="list_assets", arguments={})

    assert told == dict.fromkeys(lists, "application/json")
    # In the newer era the SDK begins a stream when something is to be notified, and this call notified nothing.
    assert called == ("text/event-stream" if era == "2025-11-25" else "application/json")
