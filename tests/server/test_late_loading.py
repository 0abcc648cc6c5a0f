import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import cast

import anyio
import pytest

from runway_mcp.importing import without
from runway_mcp.server.context import Lifespan
from runway_mcp.server.late_loading import LATEST_SECONDS, PAUSE_SECONDS, Opening, opens_when_wanted
from runway_mcp.server.tools.records import RECORDS
from tests.kit.processes import server_environment, stdio_server_process

LISTS = """
import gc, json, sys
from contextlib import asynccontextmanager
from pathlib import Path
from runway_mcp.server.late_loading import Opening, light_start, load_sdk_for_pipes
light_start()
load_sdk_for_pipes()
import anyio
from mcp.client.client import Client
from runway_mcp.server.assembly import assemble
from runway_mcp.settings import Settings

@asynccontextmanager
async def never_open(_):
    yield Opening()

async def main():
    server = assemble(Settings(data_dir=Path(), save="own"), never_open)
    async with Client(server, mode=sys.argv[1]) as client:
        listed = await client.list_tools(), await client.list_prompts(), await client.list_resource_templates()
    eras = sys.modules["mcp_types._v2025_11_25"], sys.modules["mcp_types._v2026_07_28"]
    complete = [[
        name for name, each in vars(era).items()
        if isinstance(each, type) and each.__module__ == era.__name__ and vars(each).get("__pydantic_complete__")
    ] for era in eras]
    sealing = sum(type(each).__name__ == "AESGCMRequestStateCodec" for each in gc.get_objects())
    print(json.dumps([len(listed[0].tools), sorted(sys.modules), complete, sealing]))

anyio.run(main)
"""
NEEDS_UVICORN = """
import importlib.abc, sys

class NeedsUvicorn(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "sse_starlette":
            import uvicorn

sys.meta_path.insert(0, NeedsUvicorn())
from runway_mcp.server.late_loading import load_sdk_for_pipes
load_sdk_for_pipes()
from runway_mcp.server import assembly
print("uvicorn" in sys.modules)
"""
IDLE = """
import json, sys
from pathlib import Path
from runway_mcp.server.late_loading import light_start, load_sdk_for_pipes, open_late
light_start()
load_sdk_for_pipes()
import anyio
from runway_mcp.settings import Settings

async def main():
    settings = Settings(data_dir=Path(sys.argv[1]), url=sys.argv[2], token="a", save="own")
    async with open_late(settings) as opening:
        await opening.opened()
        print(json.dumps(sorted(sys.modules)))

anyio.run(main)
"""
AT_FIRST_USE = (
    *("httpx", "httpcore", "stamina", "difflib", "statistics", "av", "PIL", "psycopg", "uvicorn"),
    *("opentelemetry.sdk", "google.protobuf", "requests", "runway_mcp.server.spans", "runway_mcp.server.labels"),
    *("runway_mcp.media.join.joining", "runway_mcp.films.continuing.preparing.frame", "runway_mcp.server.completion"),
    *("runway_mcp.media.join.verification", "runway_mcp.media.pictures.decoding", "runway_mcp.media.pictures.reading"),
)
PUT_OFF = (
    *("uvicorn", "click", "python_multipart"),
    *("httpx", "httpcore", "stamina", "sqlite3", "av", "PIL", "rich"),
    *("runway_mcp.runway", "runway_mcp.tasks", "runway_mcp.films", "runway_mcp.media", "runway_mcp.simulator"),
    *("runway_mcp.server.app", "runway_mcp.server.context", "runway_mcp.server.tools", "runway_mcp.server.prompts"),
)
OPENED = cast("Lifespan", object())


def output_of(*program: str) -> bytes:
    # Coverage would measure the child as well, and imports sqlite3 for it.
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    return subprocess.check_output([sys.executable, "-c", *program], env=unmeasured, timeout=60)  # noqa: S603  ours


@asynccontextmanager
async def told(events: list[str]) -> AsyncGenerator[Lifespan]:
    events.append("opened")
    try:
        yield OPENED
    finally:
        events.append("closed")


@pytest.mark.parametrize(("mode", "spoken"), [("legacy", 0), ("auto", 1)])
def test_a_list_loads_nothing_that_answers_calls_makes_no_cipher_and_completes_no_model_of_the_other_era(
    mode: str, spoken: int
) -> None:
    tools, modules, complete, sealing = json.loads(output_of(LISTS, mode))

    assert tools == len(RECORDS)
    assert not set(PUT_OFF) & set(modules)
    assert "ListToolsRequest" in complete[spoken]
    assert complete[1 - spoken] == []
    assert sealing == 0


@pytest.mark.parametrize("url", ["https://api.useapi.net/v1/runwayml", "http://127.0.0.1:54321/v1/runwayml"])
def test_an_idle_server_on_pipes_has_loaded_what_the_next_call_needs_but_not_what_reaches_upstream(
    tmp_path: Path, url: str
) -> None:
    modules = json.loads(output_of(IDLE, str(tmp_path), url))

    assert {"runway_mcp.server.tools.dispatch", "runway_mcp.tasks.store.sqlite.store"} <= set(modules)
    assert not set(AT_FIRST_USE) & set(modules)


def test_an_sdk_that_cannot_do_without_what_http_needs_is_loaded_with_it() -> None:
    assert output_of(NEEDS_UVICORN) == b"True\n"


def test_modules_are_missing_only_while_they_are_hidden_and_only_if_they_were_not_loaded() -> None:
    with without("json", "this"):
        assert importlib.import_module("json") is json
        with pytest.raises(ImportError):
            importlib.import_module("this")

    assert importlib.util.find_spec("this")
    assert sys.modules["json"] is json


@pytest.mark.virtual_time
async def test_it_opens_at_once_for_who_needs_it_and_after_what_is_loaded_before() -> None:
    events: list[str] = []
    async with opens_when_wanted([partial(events.append, "loaded")], partial(told, events)) as opening:
        began = anyio.current_time()
        assert await opening.opened() is OPENED
        assert await opening.opened() is OPENED
        assert anyio.current_time() == began

    assert events == ["loaded", "opened", "closed"]


@pytest.mark.virtual_time
@pytest.mark.parametrize(("is_listed", "after"), [(True, PAUSE_SECONDS), (False, LATEST_SECONDS)])
async def test_it_opens_soon_after_the_first_list_and_without_one_after_a_second(
    *, is_listed: bool, after: float
) -> None:
    async with opens_when_wanted([], partial(told, [])) as opening:
        began = anyio.current_time()
        if is_listed:
            opening.want_soon()
        await opening.opened(wanted=False)

        assert anyio.current_time() - began == pytest.approx(after)


@pytest.mark.virtual_time
async def test_a_server_that_ends_before_anything_was_wanted_opens_and_loads_nothing() -> None:
    events: list[str] = []
    async with opens_when_wanted([partial(events.append, "loaded")], partial(told, events)):
        pass

    assert events == []


@pytest.mark.virtual_time
async def test_an_end_while_it_is_loaded_leaves_the_rest_unloaded() -> None:
    events: list[str] = []
    opening = Opening()
    opening.want_soon()

    await opening.run([partial(events.append, "first"), opening.end, partial(events.append, "last")], partial(told, []))

    assert events == ["first"]


@pytest.mark.virtual_time
async def test_what_cannot_be_opened_ends_the_server() -> None:
    def fails() -> None:
        raise OSError("no disk")

    with pytest.RaisesGroup(OSError):
        async with opens_when_wanted([fails], partial(told, [])) as opening:
            await opening.opened()


@pytest.mark.slow
async def test_the_rest_is_loaded_while_the_host_reads_the_list(tmp_path: Path) -> None:
    env = server_environment("http://127.0.0.1:9/", tmp_path)
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "host", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    request = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta}}
    with anyio.fail_after(60):
        async with stdio_server_process(env) as process:
            assert process.stdin
            assert process.stdout
            await process.stdin.send(f"{json.dumps(request)}\n".encode())
            assert b"extend_video" in await process.stdout.receive()
            while not (tmp_path / "ledger.sqlite3").exists():  # noqa: ASYNC110  a file that appears tells nobody
                await anyio.sleep(0.05)
