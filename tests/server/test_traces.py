"""Traces of the real program: from the caller's span over the call to the requests to Runway, and nothing secret."""

import json
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp.client.client import Client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from runway_mcp.callers import hash_of
from tests.kit.collector import Collector, Span, attributes, open_collector
from tests.kit.processes import (
    http_server_process,
    http_server_process_of_loop,
    serve_command,
    server_environment,
    stdio_parameters,
)
from tests.kit.stand_in import StandIn, open_stand_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

PROMPT = "the camera rises over violet dunes"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
META: Any = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
SECRET_LINK = "https://cdn.example.com/film.mp4?_jwt=hunter2-link"

Open = Callable[[Path, StandIn, Collector], AbstractAsyncContextManager[Client]]


@asynccontextmanager
async def over_http(folder: Path, stand_in: StandIn, collector: Collector) -> AsyncGenerator[Client]:
    """A client at a hosted server, as its caller ana."""
    file = folder / "callers.toml"
    scopes = 'scopes = ["read", "spend"]'
    file.write_text(f'[[callers]]\nname = "ana"\n{scopes}\ntoken_sha256 = "{hash_of("ana-token")}"\n', encoding="utf-8")
    env = server_environment(
        stand_in.url, folder, RUNWAY_MCP_CALLERS=str(file), RUNWAY_MCP_LOG="json", **collector.variables
    )
    async with (
        http_server_process_of_loop(env, transport="http") as served,
        httpx2.AsyncClient(headers={"authorization": "Bearer ana-token"}, timeout=30) as http,
        Client(streamable_http_client(served.mcp, http_client=http)) as client,
    ):
        yield client


@asynccontextmanager
async def over_stdio(folder: Path, stand_in: StandIn, collector: Collector) -> AsyncGenerator[Client]:
    """A client at a server on stdio."""
    env = server_environment(stand_in.url, folder, **collector.variables)
    async with Client(stdio_client(stdio_parameters(env))) as client:
        yield client


def one(spans: list[Span]) -> Span:
    (span,) = spans
    return span


@pytest.mark.parametrize(
    ("opened", "transport", "caller"), [(over_http, "tcp", {"enduser.id": "ana"}), (over_stdio, "pipe", {})]
)
async def test_a_call_is_a_trace_of_its_caller_and_its_post_a_trace_linked_to_it(
    opened: Open, transport: str, caller: dict[str, str], tmp_path: Path
) -> None:
    with open_stand_in(pace=0.2) as stand_in, open_collector() as collector:
        async with opened(tmp_path, stand_in, collector) as client:
            arguments: dict[str, Any] = {"assetId": stand_in.clip(), "text_prompt": PROMPT}
            result = await client.call_tool("extend_video", arguments, meta=META)
            await anyio.to_thread.run_sync(collector.wait, "tools/call extend_video")
        told: Any = result.structured_content

    call = one(collector.named("tools/call extend_video"))
    assert (call.trace_id.hex(), call.parent_span_id.hex()) == (TRACE, PARENT)
    of_call = attributes(call)
    assert of_call["network.transport"] == transport
    assert {name: of_call[name] for name in caller} == caller
    assert of_call["runway.task_id"] == told["taskId"]
    for name in ("claim", "GET /assets/{id}"):
        assert {(each.trace_id, each.parent_span_id) for each in collector.named(name)} == {
            (call.trace_id, call.span_id)
        }

    post = one(collector.named("POST /gen3/extend"))
    assert (post.trace_id != call.trace_id, post.parent_span_id) == (True, b"")
    assert [(link.trace_id, link.span_id) for link in post.links] == [(call.trace_id, call.span_id)]
    assert attributes(post) == {
        "http.request.method": "POST",
        "url.template": "/gen3/extend",
        "server.address": "127.0.0.1",
        "server.port": int(stand_in.url.split(":")[2].split("/")[0]),
        "http.response.status_code": 200,
        "runway.task_id": told["taskId"],
    }


async def test_no_span_holds_an_argument_a_link_or_a_token_whatever_fails(tmp_path: Path) -> None:
    with open_stand_in(pace=0.2) as stand_in, open_collector() as collector:
        async with over_http(tmp_path, stand_in, collector) as client:
            done = await client.call_tool("extend_video", {"assetId": stand_in.clip(), "text_prompt": PROMPT})
            film: Any = done.structured_content
            for tool, arguments in (
                ("get_task", {"taskId": SECRET_LINK}),
                ("extend_video", {"assetId": SECRET_LINK, "text_prompt": PROMPT, "odd": PROMPT}),
                ("list_assets", {"query": PROMPT}),
            ):
                await client.call_tool(tool, arguments)
            for failing in (
                lambda: client.call_tool(f"tool of {PROMPT}", {}),
                lambda: client.read_resource(SECRET_LINK),
                lambda: client.get_prompt(f"prompt of {PROMPT}", {"clip": PROMPT}),
            ):
                with pytest.raises(MCPError):
                    await failing()
            await anyio.to_thread.run_sync(collector.wait, "prompts/get other")

    told = collector.text()
    assert {span.name for span in collector.spans} >= {"tools/call other", "resources/read", "tools/call list_assets"}
    for secret in (PROMPT, "violet", "hunter2", "ana-token", stand_in.token, "_jwt", film["video"]["url"], "assetId"):
        assert secret not in told


async def test_lines_of_the_log_name_the_trace_of_their_call(tmp_path: Path) -> None:
    with open_stand_in(pace=0.2) as stand_in, open_collector() as collector:
        env = server_environment(stand_in.url, tmp_path, RUNWAY_MCP_LOG="json", **collector.variables)
        async with (
            http_server_process_of_loop(env, transport="http") as served,
            Client(streamable_http_client(served.mcp)) as client,
        ):
            arguments = {"assetId": stand_in.clip(), "text_prompt": PROMPT}
            await client.call_tool("extend_video", arguments, meta=META)
    lines = [json.loads(line) for line in served.program.told if line.startswith("{")]
    spend = one([line for line in lines if line["event"].startswith("a task was accepted")])

    assert spend["trace_id"] == TRACE
    assert set(spend) == {"ts", "level", "logger", "event", "task", "intent_id", "trace_id", "replica"}


async def test_the_last_spans_are_sent_at_the_end_of_the_program(tmp_path: Path) -> None:
    with open_stand_in(pace=0.2) as stand_in, open_collector() as collector:
        variables = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{collector.url}/v1/traces"}
        env = server_environment(stand_in.url, tmp_path, OTEL_SERVICE_NAME="films", **variables)
        async with Client(stdio_client(stdio_parameters(env))) as client:
            await client.call_tool("list_assets", {})
        await anyio.to_thread.run_sync(collector.wait, "tools/call list_assets")

    assert "films" in str(collector.resources[0])


async def test_a_collector_that_is_away_costs_calls_and_the_end_little_and_the_log_few_lines(tmp_path: Path) -> None:
    nowhere = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_BSP_SCHEDULE_DELAY": "10"}
    with open_stand_in(pace=0.2) as stand_in:
        env = server_environment(stand_in.url, tmp_path, **nowhere)
        with http_server_process(serve_command("http"), env) as served:
            async with Client(streamable_http_client(served.mcp)) as client:
                with anyio.fail_after(80):
                    for _ in range(50):
                        await client.call_tool("list_assets", {})
            served.program.process.terminate()
            began = time.monotonic()
            assert served.program.process.wait(30) == 0
            assert time.monotonic() - began < 20
    told = [line for line in served.program.told if "opentelemetry" in line]

    assert len(told) <= 3, told


def test_variables_that_cannot_be_read_are_one_warning_and_it_serves(tmp_path: Path) -> None:
    odd = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_BSP_MAX_QUEUE_SIZE": "1"}
    env = server_environment("http://127.0.0.1:9", tmp_path, **odd)
    run = subprocess.run(serve_command("stdio"), env=env, input=b"", capture_output=True, check=True, timeout=60)  # noqa: S603  our own program

    assert run.stderr.decode().count("no traces are exported") == 1
    assert "Traceback" not in run.stderr.decode()


@pytest.mark.parametrize(("more", "warnings"), [({}, 1), ({"OTEL_SDK_DISABLED": "true"}, 0)])
def test_a_host_that_sets_another_protocol_for_itself_costs_one_warning_or_none(
    more: dict[str, str], warnings: int, tmp_path: Path
) -> None:
    hosts = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    env = server_environment("http://127.0.0.1:9", tmp_path, **hosts, **more)
    run = subprocess.run(serve_command("stdio"), env=env, input=b"", capture_output=True, check=True, timeout=60)  # noqa: S603  our own program

    assert run.stderr.decode().count("No traces are exported") == warnings
    assert "Traceback" not in run.stderr.decode()


WITHOUT_EXTRA = """
import sys
sys.modules["opentelemetry.sdk"] = None
from runway_mcp.cli import main
raise SystemExit(main(["serve"]))
"""


@pytest.mark.parametrize(
    ("variables", "warnings"),
    [
        ({"OTEL_TRACES_EXPORTER": "otlp"}, 1),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}, 1),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_SDK_DISABLED": "true"}, 0),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_TRACES_EXPORTER": "none"}, 0),
        ({}, 0),
    ],
)
def test_without_the_extra_one_warning_says_what_to_install_and_it_serves(
    variables: dict[str, str], warnings: int, tmp_path: Path
) -> None:
    env = server_environment("http://127.0.0.1:9", tmp_path, **variables)
    run = subprocess.run(  # noqa: S603  our own program
        [sys.executable, "-c", WITHOUT_EXTRA], env=env, input=b"", capture_output=True, check=True, timeout=60
    )

    assert run.stderr.decode().count("install useapi-runway-mcp[otel]") == warnings
