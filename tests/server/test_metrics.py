"""The figures of a server: what is measured of a request, and where they are read."""

import socket
from http.client import HTTPConnection
from typing import Any

import anyio
import pytest
from mcp.server.context import ServerRequestContext
from prometheus_client import generate_latest

from runway_mcp import __version__
from runway_mcp.server.hosted.metrics import Metrics


def figures(metrics: Metrics) -> dict[str, float]:
    """What Prometheus would read, without the moments at which counters were made."""
    lines = generate_latest(metrics.registry).decode().splitlines()
    told = [line.rpartition(" ") for line in lines if not line.startswith("#")]
    return {name: float(value) for name, _, value in told if "_created" not in name}


def a_request(method: str, **params: Any) -> ServerRequestContext[Any, Any]:
    fields = {"method": method, "params": params, "protocol_version": "2026-07-28", "request": None}
    request: Any = type("Request", (), fields)()
    return request


async def measured(metrics: Metrics, request: ServerRequestContext[Any, Any], result: Any) -> None:
    async def handle(_: Any) -> Any:
        if isinstance(result, Exception):
            raise result
        return result

    await metrics.measure(request, handle)


def counted(metrics: Metrics) -> dict[str, float]:
    """How many requests were measured, by the labels."""
    name = "mcp_server_operation_duration_seconds_count"
    return {key.removeprefix(name): value for key, value in figures(metrics).items() if key.startswith(name)}


def labels(error: str, tool: str, method: str) -> str:
    carried = 'mcp_protocol_version="2026-07-28",network_transport="pipe"'
    return f'{{error_type="{error}",gen_ai_tool_name="{tool}",mcp_method_name="{method}",{carried}}}'


@pytest.mark.parametrize(
    ("request_", "result", "expected"),
    [
        (a_request("tools/list"), {"tools": []}, labels("", "", "tools/list")),
        (a_request("tools/call", name="get_task"), {}, labels("", "get_task", "tools/call")),
        (
            a_request("tools/call", name="get_task"),
            {"structuredContent": {"error": {"kind": "not_found"}}},
            labels("not_found", "get_task", "tools/call"),
        ),
        (a_request("tools/call", name="my secret"), {}, labels("", "other", "tools/call")),
        (a_request("my/secret"), {}, labels("", "", "other")),
    ],
)
async def test_a_request_is_measured_by_method_tool_and_failure_and_by_nothing_that_was_sent(
    request_: ServerRequestContext[Any, Any], result: Any, expected: str
) -> None:
    metrics = Metrics()
    await measured(metrics, request_, result)

    assert counted(metrics) == {expected: 1.0}


async def test_requests_that_fail_or_are_cancelled_are_measured_as_well() -> None:
    metrics = Metrics()
    with pytest.raises(ValueError, match="broken"):
        await measured(metrics, a_request("ping"), ValueError("broken"))
    with anyio.move_on_after(0) as scope:
        await metrics.measure(a_request("tools/call", name="get_task"), lambda _: anyio.sleep_forever())

    assert scope.cancelled_caught
    assert counted(metrics) == {
        labels("ValueError", "", "ping"): 1.0,
        labels("cancelled", "get_task", "tools/call"): 1.0,
    }


async def test_submits_are_counted_by_what_became_of_them_and_credits_once() -> None:
    metrics = Metrics()
    for told in (
        {"status": "PENDING", "credits": {"cost": 50}},
        {"status": "SUCCEEDED", "credits": {"cost": 0}, "twin": True},
        {"status": "DRY_RUN", "credits": {"cost": 50}},
        {"error": {"kind": "submission_unknown"}, "credits": {"cost": 50}},
    ):
        await measured(metrics, a_request("tools/call", name="extend_video"), {"structuredContent": told})

    told = {name: value for name, value in figures(metrics).items() if "submits" in name or "credits" in name}
    assert told == {
        'runway_mcp_submits_total{outcome="accepted"}': 1.0,
        'runway_mcp_submits_total{outcome="twin"}': 1.0,
        'runway_mcp_submits_total{outcome="submission_unknown"}': 1.0,
        'runway_mcp_credits_total{kind="estimated"}': 50.0,
    }


def test_the_figures_are_read_at_an_address_of_their_own() -> None:
    metrics = Metrics()
    metrics.observe(calls=lambda: 2, streams=lambda kind: len(kind), draining=lambda: True)
    metrics.refused("missing")
    metrics.limited()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with metrics.served(f"127.0.0.1:{port}"):
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/metrics")
        read = connection.getresponse().read().decode()
        connection.close()

    for line in (
        "runway_mcp_calls_in_flight 2.0",
        'runway_mcp_streams_open{kind="listen"} 6.0',
        'runway_mcp_streams_open{kind="get"} 3.0',
        "runway_mcp_draining 1.0",
        'runway_mcp_auth_refusals_total{reason="missing"} 1.0',
        "runway_mcp_rate_limited_total 1.0",
        f'runway_mcp_build_info{{version="{__version__}"}} 1.0',
    ):
        assert line in read.splitlines()
