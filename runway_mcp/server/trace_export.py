"""Sends spans to a collector by OTLP, in the background and cleaned; needs the extra `otel`, imported on wish alone."""

import logging
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Link, SpanContext, Status, Tracer
from opentelemetry.util.types import AttributeValue

from runway_mcp import __version__
from runway_mcp.server.labels import OTHER, method_label, target_label, version_label

FLUSH_SECONDS: Final = 2.0
"""How long the end of the program waits for the last spans to be sent, in seconds."""

_NAME: Final = "useapi-runway-mcp"
_KEPT: Final = frozenset(
    {
        *("mcp.method.name", "mcp.protocol.version", "gen_ai.operation.name", "gen_ai.tool.name", "gen_ai.prompt.name"),
        *("error.type", "rpc.response.status_code", "network.transport", "enduser.id", "exception.type"),
        *("http.request.method", "http.response.status_code", "server.address", "server.port", "url.template"),
        *("runway.task_id", "runway.error_kind"),
    }
)
"""The attributes that leave the program. Others may hold what a client sent, such as an id of a request."""


class CleanedExporter(SpanExporter):
    """Passes spans on to another exporter without what a client or upstream may have put into them.

    The SDK names spans by what was sent, and records the texts of exceptions, which may quote an argument.
    """

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Passes the cleaned spans on."""
        return self._exporter.export([cleaned(span) for span in spans])

    def shutdown(self) -> None:
        """Ends the other exporter."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """As the other exporter does."""
        return self._exporter.force_flush(timeout_millis)


def cleaned(span: ReadableSpan) -> ReadableSpan:
    """The span with known names and attributes alone, and without texts of errors or of a client's `tracestate`."""
    attributes = _kept(span.attributes)
    name, own = span.name, span.get_span_context()
    if "mcp.method.name" in attributes:
        method = method_label(attributes["mcp.method.name"])
        target = target_label(method, {"name": span.name.removeprefix(f"{method} ")})
        name = f"{method} {target}".rstrip()
        attributes["mcp.method.name"] = method
        attributes["mcp.protocol.version"] = version_label(attributes.get("mcp.protocol.version"))
        for key in {"gen_ai.tool.name", "gen_ai.prompt.name"} & set(attributes):
            attributes[key] = target or OTHER
    events = [Event(event.name, _kept(event.attributes), event.timestamp) for event in span.events]
    return ReadableSpan(
        name=name,
        context=own and _bare(own),
        parent=span.parent and _bare(span.parent),
        resource=span.resource,
        attributes=attributes,
        events=events,
        links=[Link(_bare(link.context)) for link in span.links],
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _bare(context: SpanContext) -> SpanContext:
    """The context without its `tracestate`, which is free text of a client and is inherited."""
    return SpanContext(context.trace_id, context.span_id, context.is_remote, context.trace_flags)


def _kept(attributes: Mapping[str, AttributeValue] | None) -> dict[str, AttributeValue]:
    return {name: value for name, value in (attributes or {}).items() if name in _KEPT}


@contextmanager
def exported(environment: Mapping[str, str]) -> Generator[Tracer]:
    """A tracer of this program, whose spans and the SDK's go where the variables of OpenTelemetry say.

    A collector that is away costs neither calls nor the end of the program any time: spans that find no room are
    dropped, and the end waits `FLUSH_SECONDS` at most. Must be entered once in a process.
    """
    # Each attempt to reach a collector would be a warning with another pause; what fails in the end is an error.
    logging.getLogger("opentelemetry").setLevel(logging.ERROR)
    named = {} if _is_named(environment) else {"service.name": _NAME}
    provider = TracerProvider(
        resource=Resource.create({**named, "service.version": __version__}), shutdown_on_exit=False
    )
    provider.add_span_processor(BatchSpanProcessor(CleanedExporter(OTLPSpanExporter())))
    trace.set_tracer_provider(provider)
    try:
        yield provider.get_tracer(_NAME, __version__)
    finally:
        # Its own time-out does not hold while an export is being tried again.
        ending = threading.Thread(target=provider.shutdown, name="last spans", daemon=True)
        ending.start()
        ending.join(FLUSH_SECONDS)


def _is_named(environment: Mapping[str, str]) -> bool:
    named = environment.get("OTEL_RESOURCE_ATTRIBUTES", "")
    return bool(environment.get("OTEL_SERVICE_NAME", "").strip()) or "service.name=" in named
