"""Spans of OpenTelemetry inside those of the SDK: claims, and requests to upstream; imported where they are wanted.

No span holds an argument, a prompt, a link or a token. Reads that nobody's call waits for have none.
"""

from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, cast
from urllib.parse import urlsplit

from mcp.server.context import ServerRequestContext
from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, StatusCode, Tracer

from runway_mcp.runway.errors import RunwayError
from runway_mcp.server.labels import structured
from runway_mcp.telemetry import Operation, Telemetry, both

_FAILED: Final = 400


@dataclass(eq=False)
class _Origin:
    """The call that began what goes on apart from it, while that lasts."""

    span: SpanContext | None
    is_open: bool = True


_origin: ContextVar[_Origin | None] = ContextVar("origin", default=None)


class Spans:
    """Makes spans with a tracer: as children of the call's span while it lasts, linked to it in what goes on apart."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def telemetry(self, telemetry: Telemetry) -> Telemetry:
        """What tells the given one and makes spans."""
        upstream = both(telemetry.upstream, self.upstream)
        return Telemetry(upstream, self.claim, self.apart, untraced, telemetry.meter)

    @contextmanager
    def upstream(self, method: str, endpoint: str, url: str) -> Generator[Operation]:
        """A CLIENT span of a request to upstream."""
        attributes: dict[str, str | int] = {"http.request.method": method, "url.template": endpoint, **_server(url)}
        with self._span(f"{method} {endpoint}", SpanKind.CLIENT, attributes) as operation:
            yield operation

    @contextmanager
    def claim(self) -> Generator[Operation]:
        """A span of an intent's claim."""
        with self._span("claim", SpanKind.INTERNAL, {}) as operation:
            yield operation

    @contextmanager
    def apart(self) -> Generator[None]:
        """Spans are no children of the call's span here, which may end before; they are linked to it."""
        began = trace.get_current_span().get_span_context()
        is_dropped = began.is_valid and not began.trace_flags.sampled
        origin = None if is_dropped else _Origin(began if began.is_valid else None)
        of_origin, of_context = _origin.set(origin), attach(Context())
        try:
            yield
        finally:
            detach(of_context)
            _origin.reset(of_origin)
            if origin is not None:
                origin.is_open = False

    @contextmanager
    def _span(self, name: str, kind: SpanKind, attributes: Mapping[str, str | int]) -> Generator[Operation]:
        origin = _origin.get()
        is_apart = origin is not None and origin.is_open
        if not (is_apart or trace.get_current_span().is_recording()):
            yield Operation()
            return
        links = [Link(origin.span)] if origin is not None and origin.is_open and origin.span is not None else []
        with self._tracer.start_as_current_span(
            name, kind=kind, attributes=attributes, links=links, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield _Traced(span)
            except BaseException as error:
                kind_of_error = type(error).__name__ if isinstance(error, Exception) else "cancelled"
                told = error.status if isinstance(error, RunwayError) else None
                span.set_attribute("error.type", kind_of_error if told is None else str(told))
                span.set_status(StatusCode.ERROR)
                raise

    async def describe(self, ctx: ServerRequestContext[Any, Any], call_next: Callable[[Any], Awaitable[Any]]) -> Any:
        """Middleware inside the SDK's, which makes the request's span: adds who asks, and for which task."""
        span = trace.get_current_span()
        if not span.is_recording():
            return await call_next(ctx)
        span.set_attribute("network.transport", "pipe" if ctx.request is None else "tcp")
        if ctx.request is not None:
            from runway_mcp.server.context import caller_of  # noqa: PLC0415  all that runs the tools, too soon on pipes

            if caller := caller_of(ctx):
                span.set_attribute("enduser.id", caller)
        result = await call_next(ctx)
        told = structured(result)
        if isinstance(task_id := told.get("taskId"), str):
            span.set_attribute("runway.task_id", task_id)
        if isinstance(error := told.get("error"), Mapping):
            span.set_attribute("runway.error_kind", str(cast("Mapping[str, Any]", error).get("kind")))
        return result


@contextmanager
def untraced() -> Generator[None]:
    """What is started here has no spans, is of no trace, and keeps nothing of the call that starts it."""
    of_origin, of_context = _origin.set(None), attach(Context())
    try:
        yield
    finally:
        detach(of_context)
        _origin.reset(of_origin)


class _Traced(Operation):
    def __init__(self, span: Span) -> None:
        self._span = span

    def answered(self, status: int | None) -> None:
        if status is None:
            self._span.set_attribute("error.type", "no answer")
            self._span.set_status(StatusCode.ERROR)
            return
        self._span.set_attribute("http.response.status_code", status)
        if status >= _FAILED:
            self._span.set_attribute("error.type", str(status))
            self._span.set_status(StatusCode.ERROR)

    def of_task(self, task_id: str | None) -> None:
        if task_id is not None:
            self._span.set_attribute("runway.task_id", task_id)


@cache
def _server(url: str) -> Mapping[str, str | int]:
    parts = urlsplit(url)
    port = {} if parts.port is None else {"server.port": parts.port}
    return {"server.address": parts.hostname or "", **port}


def trace_id() -> str:
    """The trace of the call whose work this is; empty outside one."""
    origin = _origin.get()
    context = trace.get_current_span().get_span_context()
    if not context.is_valid and origin is not None:
        context = origin.span or context
    return trace.format_trace_id(context.trace_id) if context.is_valid else ""
