"""A collector of OpenTelemetry on this machine: what a program exports to it by OTLP over HTTP."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

Span = Any
"""A span as it came over the wire: a message of protobuf, which has no types."""


@dataclass
class Collector:
    """Where a program exports to, and the spans that have come."""

    url: str
    resources: list[Any] = field(default_factory=list[Any])
    spans: list[Span] = field(default_factory=list[Span])
    came: threading.Condition = field(default_factory=threading.Condition)

    @property
    def variables(self) -> dict[str, str]:
        """The variables by which a program exports here, soon after each span."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url, "OTEL_BSP_SCHEDULE_DELAY": "50"}

    def named(self, name: str) -> list[Span]:
        """The spans of that name so far."""
        return [span for span in tuple(self.spans) if span.name == name]

    def wait(self, name: str) -> None:
        """Waits until a span of that name has come, for a minute at most."""
        with self.came:
            assert self.came.wait_for(lambda: self.named(name), 60), [span.name for span in self.spans]

    def text(self) -> str:
        """All that has come, as text."""
        return "\n".join(map(str, [*self.resources, *self.spans]))


def attributes(span: Span) -> dict[str, Any]:
    """The attributes of a span, each as text or number."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}


@contextmanager
def open_collector() -> Generator[Collector]:
    """A collector that listens until the context ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            request: Any = ExportTraceServiceRequest.FromString(body)
            with collector.came:
                for part in request.resource_spans:
                    collector.resources.append(part.resource)
                    collector.spans.extend(span for scope in part.scope_spans for span in scope.spans)
                collector.came.notify_all()
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the names are the base class's
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector = Collector(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
