"""Figures of a server over HTTP for Prometheus, on a listener of their own; imported where one is set alone."""

import time
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, cast

from mcp.server.context import ServerRequestContext
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from runway_mcp import __version__
from runway_mcp.server.hosted.limits import STREAMS, Stream
from runway_mcp.server.labels import OTHER, method_label, structured, target_label, version_label
from runway_mcp.tasks.store.measured import VERBS
from runway_mcp.telemetry import Operation, Telemetry

_BUCKETS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)
_UPSTREAM_BUCKETS: Final = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)
_STORE_BUCKETS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5)
_WATCHED: Final = {
    "tasks_followed": "Tasks that are followed until they end.",
    "intents_unsettled": "Submits of the ledger whose outcome is not known; the same on all servers of a database.",
    "leases_held": "Leases that this server holds.",
}
# What `submitted` is told, and the reasons of refusals: counters that are alerted on begin at 0 with them.
_OUTCOMES: Final = ("accepted", "unclear", "unknown", "refused", "twin", "busy", "declined", "invalid")
_REASONS: Final = ("missing", "wrong", "scope")


class Metrics:
    """The figures of one server, in a registry of their own; no label holds a caller, an id or a text that was sent."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        within: dict[str, Any] = {"registry": self.registry}
        self._duration = Histogram(
            "mcp_server_operation_duration_seconds",
            "How long requests of MCP took.",
            ("mcp_method_name", "gen_ai_tool_name", "error_type", "mcp_protocol_version", "network_transport"),
            buckets=_BUCKETS,
            **within,
        )
        self._submits = Counter(
            "runway_mcp_submits", "Submits and calls for one, by what became of them.", ("outcome",), **within
        )
        self._credits = Counter(
            "runway_mcp_credits", "Credits of submits that were accepted, by the estimate.", ("kind",), **within
        )
        self._requests = Counter(
            "runway_mcp_upstream_requests", "Requests to useapi.net.", ("endpoint", "status"), **within
        )
        self._upstream = Histogram(
            "runway_mcp_upstream_request_duration_seconds",
            "How long requests to useapi.net took, the reading of the answer included.",
            ("endpoint",),
            buckets=_UPSTREAM_BUCKETS,
            **within,
        )
        self._stored = Histogram(
            "runway_mcp_store_operation_duration_seconds",
            "How long operations of the ledger took.",
            ("operation",),
            buckets=_STORE_BUCKETS,
            **within,
        )
        self._store_errors = Counter(
            "runway_mcp_store_errors", "Operations of the ledger that failed.", ("operation",), **within
        )
        self._watched = {name: Gauge(f"runway_mcp_{name}", told, **within) for name, told in _WATCHED.items()}
        self._lost = Counter("runway_mcp_lease_losses", "Leases that another server has taken over.", **within)
        self._callbacks = Counter(
            "runway_mcp_callbacks", "Callbacks, by whether their address is known.", ("known",), **within
        )
        self._refusals = Counter(
            "runway_mcp_auth_refusals", "Requests refused for their token, by the reason.", ("reason",), **within
        )
        self._limited = Counter("runway_mcp_rate_limited", "Requests over a caller's limit.", **within)
        self._calls = Gauge("runway_mcp_calls_in_flight", "Requests of callers that are being answered.", **within)
        self._streams = Gauge("runway_mcp_streams_open", "Streams of callers that are open.", ("kind",), **within)
        self._draining = Gauge("runway_mcp_draining", "1 once the server was told to stop.", **within)
        build = Gauge("runway_mcp_build_info", "The version that runs.", ("version",), **within)
        build.labels(__version__).set(1)
        self._begin_at_zero()

    def _begin_at_zero(self) -> None:
        """Has the counters that are alerted on begin at 0: Prometheus sees no increase where a series begins at 1."""
        for outcome in _OUTCOMES:
            self._submits.labels(outcome)
        self._credits.labels("estimated")
        for verb in VERBS:
            self._store_errors.labels(verb)
        for reason in _REASONS:
            self._refusals.labels(reason)

    @property
    def telemetry(self) -> Telemetry:
        """What is told of the server's work, and taken here."""
        return Telemetry(upstream=self.upstream, meter=self)

    @contextmanager
    def upstream(self, method: str, endpoint: str, url: str) -> Generator[Operation]:
        """Measures a request to upstream."""
        _ = url
        asked, began = _Asked(), time.perf_counter()
        try:
            yield asked
        finally:
            label = f"{method} {endpoint}"
            self._requests.labels(label, asked.status).inc()
            self._upstream.labels(label).observe(time.perf_counter() - began)

    def stored(self, verb: str, seconds: float, *, failed: bool) -> None:
        """Measures an operation of the ledger."""
        self._stored.labels(verb).observe(seconds)
        if failed:
            self._store_errors.labels(verb).inc()

    def lease_lost(self) -> None:
        """Counts a lease that another server has taken over."""
        self._lost.inc()

    def called_back(self, *, known: bool) -> None:
        """Counts a callback."""
        self._callbacks.labels(str(known).lower()).inc()

    def submitted(self, outcome: str, cost: int = 0) -> None:
        """Counts the outcome of a submit, and its credits; of a call that made none, why."""
        self._submits.labels(outcome).inc()
        if cost:
            self._credits.labels("estimated").inc(cost)

    def watch(self, counts: Mapping[str, Callable[[], float]]) -> None:
        """Has these counts read whenever the figures are."""
        for name, count in counts.items():
            self._watched[name].set_function(count)

    def refused(self, reason: str) -> None:
        """Counts a request that was refused for its token: it is `missing`, `wrong`, or lacks the `scope`."""
        self._refusals.labels(reason).inc()

    def limited(self) -> None:
        """Counts a request over a limit."""
        self._limited.inc()

    def observe(
        self, *, calls: Callable[[], int], streams: Callable[[Stream], int], draining: Callable[[], bool]
    ) -> None:
        """Has these read whenever the figures are; `streams` by their kind."""
        self._calls.set_function(calls)
        for kind in STREAMS:
            self._streams.labels(kind).set_function(partial(streams, kind))
        self._draining.set_function(lambda: float(draining()))

    async def measure(self, ctx: ServerRequestContext[Any, Any], call_next: Callable[[Any], Awaitable[Any]]) -> Any:
        """Middleware of the SDK's server: measures each request."""
        method = method_label(ctx.method)
        tool = target_label(method, ctx.params) if method == "tools/call" else ""
        carried = version_label(ctx.protocol_version), "pipe" if ctx.request is None else "tcp"
        began, error = time.perf_counter(), "cancelled"
        try:
            result = await call_next(ctx)
            error = _kind_of(result)
        except Exception as failure:
            error = type(failure).__name__
            raise
        finally:
            self._duration.labels(method, tool, error, *carried).observe(time.perf_counter() - began)
        return result

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


def _kind_of(result: Any) -> str:
    """The kind of a tool's failure; empty for none."""
    failed = structured(result).get("error")
    return str(cast("Mapping[str, Any]", failed).get("kind", OTHER)) if isinstance(failed, Mapping) else ""


class _Asked(Operation):
    """A request to upstream, with its status as a label."""

    status = "none"

    def answered(self, status: int | None) -> None:
        self.status = "none" if status is None else str(status)
