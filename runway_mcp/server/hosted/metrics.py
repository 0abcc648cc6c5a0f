"""Figures of a server over HTTP for Prometheus, on a listener of their own; imported where one is set alone."""

import time
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any, Final, cast

from mcp.server.context import ServerRequestContext
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from runway_mcp import __version__
from runway_mcp.server.tools.records import RECORDS

_BUCKETS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)
_METHODS: Final = frozenset(
    {
        *("initialize", "ping", "server/discover", "tools/list", "tools/call", "prompts/list", "prompts/get"),
        *("resources/list", "resources/templates/list", "resources/read", "resources/subscribe"),
        *("resources/unsubscribe", "subscriptions/listen", "completion/complete"),
        *("tasks/get", "tasks/cancel", "tasks/update", "notifications/initialized", "notifications/cancelled"),
    }
)
_OTHER: Final = "other"
_NOT_SUBMITTED: Final = frozenset({"DRY_RUN"})


class Metrics:
    """The figures of one server, in a registry of their own; no label holds a caller, an id or a text that was sent."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        within: dict[str, Any] = {"registry": self.registry}
        self._duration = Histogram(
            "mcp_server_operation_duration_seconds",
            "How long requests of MCP took.",
            ("mcp_method_name", "gen_ai_tool_name", "error_type"),
            buckets=_BUCKETS,
            **within,
        )
        self._submits = Counter(
            "runway_mcp_submits", "Results of tools that spend, by what became of the submit.", ("outcome",), **within
        )
        self._credits = Counter(
            "runway_mcp_credits", "Credits of submits that were accepted, by the estimate.", ("kind",), **within
        )
        self._refusals = Counter("runway_mcp_auth_refusals", "Requests without the right token.", **within)
        self._limited = Counter("runway_mcp_rate_limited", "Requests over a caller's limit.", **within)
        self._calls = Gauge("runway_mcp_calls_in_flight", "Requests of callers that are being answered.", **within)
        self._streams = Gauge("runway_mcp_streams_open", "Streams of callers that are open.", **within)
        self._draining = Gauge("runway_mcp_draining", "1 once the server was told to stop.", **within)
        build = Gauge("runway_mcp_build_info", "The version that runs.", ("version",), **within)
        build.labels(__version__).set(1)
        self._tools = {record.name: record.behaviour.spends for record in RECORDS}

    def refused(self) -> None:
        """Counts a request without the right token."""
        self._refusals.inc()

    def limited(self) -> None:
        """Counts a request over a limit."""
        self._limited.inc()

    def observe(self, *, calls: Callable[[], int], streams: Callable[[], int], draining: Callable[[], bool]) -> None:
        """Has these read whenever the figures are."""
        self._calls.set_function(calls)
        self._streams.set_function(streams)
        self._draining.set_function(lambda: float(draining()))

    async def measure(self, ctx: ServerRequestContext[Any, Any], call_next: Callable[[Any], Awaitable[Any]]) -> Any:
        """Middleware of the SDK's server: measures each request."""
        method = ctx.method if ctx.method in _METHODS else _OTHER
        name = (ctx.params or {}).get("name") if method == "tools/call" else None
        tool = "" if name is None else name if name in self._tools else _OTHER
        began, error = time.perf_counter(), "cancelled"
        try:
            result = await call_next(ctx)
            error = self._outcome(tool, result)
        except Exception as failure:
            error = type(failure).__name__
            raise
        finally:
            self._duration.labels(method, tool, error).observe(time.perf_counter() - began)
        return result

    def _outcome(self, tool: str, result: Any) -> str:
        """The kind of a tool's failure, empty for none; counts what became of a submit."""
        told = _structured(result)
        failed = told.get("error")
        kind = str(cast("Mapping[str, Any]", failed).get("kind", _OTHER)) if isinstance(failed, Mapping) else ""
        if self._tools.get(tool) and told and told.get("status") not in _NOT_SUBMITTED:
            outcome = "twin" if told.get("twin") else kind or "accepted"
            self._submits.labels(outcome).inc()
            cost = cast("Mapping[str, Any]", told.get("credits") or {}).get("cost")
            if outcome == "accepted" and isinstance(cost, int | float):
                self._credits.labels("estimated").inc(cost)
        return kind

    @contextmanager
    def served(self, address: str) -> Generator[None]:
        """Lets the figures be read at an address of this machine, by a thread of its own; raises OSError."""
        host, _, port = address.rpartition(":")
        server, thread = start_http_server(int(port), host.strip("[]"), self.registry)
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join(1.0)


def _structured(result: Any) -> Mapping[str, Any]:
    """The structured content of a tool's result, in either form of it; empty for anything else."""
    told: Any = (
        cast("Mapping[str, Any]", result).get("structuredContent")
        if isinstance(result, Mapping)
        else getattr(result, "structured_content", None)
    )
    return cast("Mapping[str, Any]", told) if isinstance(told, Mapping) else {}
