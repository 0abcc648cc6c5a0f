"""The figures of a server: what is measured of a request, and where they are read."""

import inspect
import re
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.server.context import ServerRequestContext

from runway_mcp import __version__
from runway_mcp.server.hosted.metrics import Metrics
from runway_mcp.tasks.intents import Intent
from runway_mcp.tasks.store.measured import COUNT_SECONDS, VERBS, MeasuredReplicas, measured_store
from runway_mcp.tasks.store.protocol import LedgerError, Store
from runway_mcp.tasks.store.sqlite.store import SqliteStore
from tests.kit.clock import wall_clock
from tests.kit.ports import free_ports
from tests.kit.server import open_server
from tests.kit.upstream import fault, virtual_world
from tests.server.figures import figures, of
from tests.store.memory_replicas import MemoryReplicas, Rows


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


def test_counters_that_are_alerted_on_are_there_before_they_count() -> None:
    metrics = Metrics()

    assert set(of(metrics, "runway_mcp_submits_total").values()) == {0.0}
    assert '{outcome="unknown"}' in of(metrics, "runway_mcp_submits_total")
    errors = of(metrics, "runway_mcp_store_errors_total")
    assert errors == {f'{{operation="{verb}"}}': 0.0 for verb in VERBS}
    refusals = of(metrics, "runway_mcp_auth_refusals_total")
    assert refusals == {f'{{reason="{reason}"}}': 0.0 for reason in ("missing", "wrong", "scope")}


def test_the_figures_are_read_at_an_address_of_their_own() -> None:
    metrics = Metrics()
    metrics.observe(calls=lambda: 2, streams=len, draining=lambda: True)
    metrics.refused("missing")
    metrics.limited()
    (port,) = free_ports(1)
    with metrics.served(f"127.0.0.1:{port}"):
        connection = HTTPConnection("127.0.0.1", port, timeout=30)
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


# --- what is measured of the server's own work


@pytest.mark.virtual_time
async def test_requests_to_upstream_are_counted_by_endpoint_and_status_without_ids(tmp_path: Path) -> None:
    metrics, world = Metrics(), virtual_world(pace=8.0)
    fault(world, method="GET", path_prefix="/assets/", kind="status", status=503)
    fault(world, method="POST", path_prefix="/gen3/extend", kind="reset_after")
    async with open_server(world, tmp_path, telemetry=metrics.telemetry) as server, server.client("auto") as client:
        await client.extend(client.clip, text_prompt="dunes", wait_seconds=0)
        assert of(metrics, "runway_mcp_tasks_followed") == {"": 1.0}

    told = of(metrics, "runway_mcp_upstream_requests_total")
    assert told['{endpoint="GET /assets/{id}",status="503"}'] == 1.0
    assert told['{endpoint="GET /assets/{id}",status="200"}'] >= 1.0
    assert told['{endpoint="POST /gen3/extend",status="none"}'] == 1.0
    assert "user:" not in str(told)
    durations = of(metrics, "runway_mcp_upstream_request_duration_seconds_count")
    assert durations['{endpoint="GET /assets/{id}"}'] == sum(n for key, n in told.items() if "GET /assets/{id}" in key)
    stored = of(metrics, "runway_mcp_store_operation_duration_seconds_count")
    assert (stored['{operation="claim"}'], stored['{operation="begin_post"}']) == (1.0, 1.0)
    assert set(of(metrics, "runway_mcp_store_errors_total").values()) == {0.0}


@pytest.mark.virtual_time
async def test_a_submit_of_unknown_outcome_is_counted_until_it_is_known(tmp_path: Path) -> None:
    metrics, world = Metrics(), virtual_world(pace=8.0)
    fault(world, method="POST", path_prefix="/gen3/extend", kind="reset")
    async with open_server(world, tmp_path, telemetry=metrics.telemetry) as server, server.client("auto") as client:
        await client.extend(client.clip, text_prompt="dunes", wait_seconds=0)
        await anyio.sleep(30)
        assert of(metrics, "runway_mcp_intents_unsettled") == {"": 1.0}
        await anyio.sleep(700)
        assert of(metrics, "runway_mcp_intents_unsettled") == {"": 0.0}


async def test_a_ledger_that_fails_is_counted_by_what_failed(tmp_path: Path) -> None:
    metrics, folder = Metrics(), tmp_path / "ledger.sqlite3"
    folder.mkdir()
    with SqliteStore(folder, wall_clock) as store:
        async with measured_store(store, metrics) as measured:
            with pytest.raises(LedgerError):
                await measured.find("id", "x")
            assert measured.now() > 0

    assert of(metrics, "runway_mcp_store_errors_total")['{operation="find"}'] == 1.0


@pytest.mark.virtual_time
async def test_a_count_that_breaks_is_logged_ends_nothing_and_is_made_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[float] = []

    class Broken(SqliteStore):
        async def select(self, *_: Any, **__: Any) -> list[Intent]:
            asked.append(anyio.current_time())
            if len(asked) == 1:
                raise ValueError
            return []

    with Broken(tmp_path / "ledger.sqlite3", wall_clock) as store:
        async with measured_store(store, Metrics()):
            await anyio.sleep(COUNT_SECONDS + 1)

    assert len(asked) == 2
    assert caplog.text.count("could not be counted") == 1


def test_all_verbs_of_a_ledger_are_measured() -> None:
    asked = {name for name, verb in vars(Store).items() if inspect.iscoroutinefunction(verb)}

    assert asked == VERBS


async def test_a_lease_that_another_server_takes_over_is_counted_and_one_that_is_given_back_is_not() -> None:
    metrics, now, rows = Metrics(), [0.0], Rows()

    def clock() -> float:
        return now[0]

    one, other = (MeasuredReplicas(MemoryReplicas(rows, clock), metrics, now=clock) for _ in range(2))
    metrics.watch({"leases_held": one.held})
    held: list[float] = []
    for name in ("join:1", "join:2"):
        assert await one.take(name, seconds=15) == 0
    held += of(metrics, "runway_mcp_leases_held").values()
    await one.give_back("join:2")
    now[0] = 20.0
    held += of(metrics, "runway_mcp_leases_held").values()
    for name in ("join:1", "join:2"):
        assert await other.take(name, seconds=15) == 0
        assert await one.take(name, seconds=15) > 0

    assert held == [2.0, 0.0]
    assert of(metrics, "runway_mcp_lease_losses_total") == {"": 1.0}


@pytest.mark.parametrize(("known", "label"), [(True, "true"), (False, "false")])
def test_callbacks_are_counted_by_whether_their_address_is_known(*, known: bool, label: str) -> None:
    metrics = Metrics()
    metrics.called_back(known=known)

    assert of(metrics, "runway_mcp_callbacks_total") == {f'{{known="{label}"}}': 1.0}


def test_the_table_of_figures_is_that_of_the_registry() -> None:
    page = (Path(__file__).parents[2] / "docs/http.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]*)\| ", page, re.MULTILINE)
    told = {name: (kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}

    collectors: Any = Metrics().registry._collector_to_names  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  the labels of what was never counted
    made = {
        each._name + ("_total" if each._type == "counter" else ""): (each._type, tuple(each._labelnames))  # noqa: SLF001  likewise
        for each in collectors
    }
    assert told == made
