"""Spans as they are made and as they leave the program, with an exporter in memory."""

import gc
import weakref
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import anyio
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, DEFAULT_ON, Sampler
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    Tracer,
    TraceState,
    set_span_in_context,
)

from runway_mcp.logs import said_of
from runway_mcp.runway.errors import NotFound
from runway_mcp.server.spans import Spans, trace_id
from runway_mcp.server.trace_export import CleanedExporter
from runway_mcp.telemetry import (
    NO_TELEMETRY,
    Operation,
    Telemetry,
    both,
    header_secrets,
    unspoken_protocol,
    wants_traces,
)
from tests.tasks.scripted_upstream import Row, ScriptedUpstream, watching

URL = "https://api.example.com/v1/runwayml"


def traced(sampler: Sampler = ALWAYS_ON) -> tuple[Tracer, InMemorySpanExporter]:
    """A tracer, and where its spans arrive, cleaned."""
    kept, provider = InMemorySpanExporter(), TracerProvider(sampler=sampler, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(CleanedExporter(kept)))
    return provider.get_tracer("test"), kept


def ask(spans: Spans, method: str = "GET", endpoint: str = "/tasks/{id}", status: int | None = 200) -> None:
    with spans.upstream(method, endpoint, URL) as operation:
        operation.answered(status)


def test_a_request_within_a_call_is_its_child_and_says_what_was_asked_and_answered() -> None:
    tracer, kept = traced()
    with tracer.start_as_current_span("call") as call:
        ask(Spans(tracer))
    (span, _) = kept.get_finished_spans()

    assert (span.name, span.kind) == ("GET /tasks/{id}", SpanKind.CLIENT)
    assert span.parent is not None
    assert span.parent.span_id == call.get_span_context().span_id
    assert dict(span.attributes or {}) == {
        "http.request.method": "GET",
        "url.template": "/tasks/{id}",
        "server.address": "api.example.com",
        "http.response.status_code": 200,
    }


@pytest.mark.parametrize(("status", "error"), [(None, "no answer"), (404, "404"), (503, "503")])
def test_a_request_that_fails_says_how(status: int | None, error: str) -> None:
    tracer, kept = traced()
    with tracer.start_as_current_span("call"):
        ask(Spans(tracer), status=status)

    span = kept.get_finished_spans()[0]
    assert (span.status.status_code, (span.attributes or {})["error.type"]) == (StatusCode.ERROR, error)


async def test_a_request_that_is_cut_off_or_refused_holds_no_text_of_it() -> None:
    tracer, kept = traced()
    spans = Spans(tracer)
    with tracer.start_as_current_span("call"):
        with pytest.raises(NotFound), spans.claim():
            raise NotFound("the clip hunter2", status=404)
        with pytest.raises(ValueError, match="hunter2"), spans.claim():
            raise ValueError("hunter2")
        with anyio.move_on_after(0), spans.claim():
            await anyio.sleep_forever()

    told = [span for span in kept.get_finished_spans() if span.name == "claim"]
    assert [(span.attributes or {})["error.type"] for span in told] == ["404", "ValueError", "cancelled"]
    assert "hunter2" not in "".join(span.to_json() for span in told)


def test_a_read_that_no_call_waits_for_has_no_span() -> None:
    tracer, kept = traced()
    spans = Spans(tracer)
    ask(spans)
    with tracer.start_as_current_span("call", end_on_exit=True) as call:
        call.end()
        ask(spans)

    assert [span.name for span in kept.get_finished_spans()] == ["call"]


@pytest.mark.virtual_time
async def test_reads_of_a_followed_task_are_of_no_call_and_keep_none_that_has_ended() -> None:
    tracer, kept = traced()
    upstream, ids = ScriptedUpstream(), [""]

    def note(row: Row) -> Row:
        ids.append(trace_id())
        return row

    upstream.single = note
    async with watching(upstream, telemetry=Spans(tracer).telemetry(NO_TELEMETRY)) as watcher:
        course = upstream.make(200.0)
        with tracer.start_as_current_span("call") as call, said_of(caller="ana"):
            watcher.follow(upstream.tell(course))
            await anyio.sleep(60)
        of_call, during = weakref.ref(call), len(ids)
        del call
        await anyio.sleep(60)
        gc.collect()

        assert of_call() is None
        assert 1 < during < len(ids)
    assert set(ids) == {""}
    assert [span.name for span in kept.get_finished_spans()] == ["call"]


async def test_what_goes_on_apart_is_linked_to_its_call_and_outlives_it() -> None:
    tracer, kept = traced()
    spans, over = Spans(tracer), anyio.Event()
    ids: list[str] = []
    of_call: list[SpanContext] = []

    async def post() -> None:
        with spans.apart():
            await over.wait()
            ids.append(trace_id())
            ask(spans, "POST", "/gen3/extend")
        ask(spans)

    async with anyio.create_task_group() as group:
        with tracer.start_as_current_span("call") as call:
            group.start_soon(post)
            await anyio.lowlevel.checkpoint()
            ids.append(trace_id())
            of_call.append(call.get_span_context())
        over.set()

    first, span = kept.get_finished_spans()
    assert (first.name, span.name, span.parent) == ("call", "POST /gen3/extend", None)
    assert [link.context.span_id for link in span.links] == [of_call[0].span_id]
    assert ids == [f"{of_call[0].trace_id:032x}"] * 2


@pytest.mark.parametrize(("sampler", "spans"), [(ALWAYS_ON, 2), (ALWAYS_OFF, 0)])
def test_the_post_of_a_call_that_is_not_sampled_is_not_either(sampler: Sampler, spans: int) -> None:
    tracer, kept = traced(sampler)
    with tracer.start_as_current_span("call"), Spans(tracer).apart():
        ask(Spans(tracer), "POST", "/gen3/extend")

    assert len(kept.get_finished_spans()) == spans


@pytest.mark.parametrize(
    ("sampler", "flag", "spans"), [(DEFAULT_ON, 0, 0), (DEFAULT_ON, 1, 2), (ALWAYS_ON, 0, 2), (ALWAYS_ON, 1, 2)]
)
def test_by_default_the_clients_flag_decides_whether_a_call_and_its_post_are_traced(
    sampler: Sampler, flag: int, spans: int
) -> None:
    tracer, kept = traced(sampler)
    sent = SpanContext(7, 8, is_remote=True, trace_flags=TraceFlags(flag))
    under = set_span_in_context(NonRecordingSpan(sent))
    with tracer.start_as_current_span("call", under), Spans(tracer).apart():
        ask(Spans(tracer), "POST", "/gen3/extend")

    assert len(kept.get_finished_spans()) == spans


def test_a_post_that_no_call_has_begun_is_a_trace_of_its_own() -> None:
    tracer, kept = traced()
    with Spans(tracer).apart():
        ask(Spans(tracer), "POST", "/gen3/extend")

    (span,) = kept.get_finished_spans()
    assert (span.parent, span.links) == (None, ())
    assert trace_id() == ""


@pytest.mark.parametrize(
    ("name", "attributes", "cleaned", "kept"),
    [
        ("tools/call get_task", {"mcp.method.name": "tools/call", "gen_ai.tool.name": "get_task"}, None, "get_task"),
        (
            "tools/call hunter2",
            {"mcp.method.name": "tools/call", "gen_ai.tool.name": "hunter2"},
            "tools/call other",
            "",
        ),
        ("hunter2/x hunter2", {"mcp.method.name": "hunter2/x"}, "other", ""),
        ("ping hunter2", {"mcp.method.name": "ping"}, "ping", ""),
        ("ping", {"mcp.method.name": "ping", "mcp.protocol.version": "hunter2"}, None, ""),
        ("ping", {"mcp.method.name": "ping", "jsonrpc.request.id": "hunter2"}, None, ""),
    ],
)
def test_of_a_request_only_known_names_leave(
    name: str, attributes: dict[str, str], cleaned: str | None, kept: str
) -> None:
    tracer, spans = traced()
    sent = SpanContext(7, 8, is_remote=True, trace_flags=TraceFlags(1), trace_state=TraceState([("k", "hunter2")]))
    links = [Link(sent, {"named": "hunter2"})]
    under = set_span_in_context(NonRecordingSpan(sent))
    with tracer.start_as_current_span(name, under, attributes=attributes, links=links) as span:
        span.record_exception(ValueError("hunter2"))
        span.set_status(StatusCode.ERROR, "hunter2")

    (told,) = spans.get_finished_spans()
    assert told.name == (cleaned or name)
    assert "hunter2" not in told.to_json()
    ours, parent = told.get_span_context(), told.parent
    assert ours is not None
    assert parent is not None
    contexts = [ours, parent, *(link.context for link in told.links)]
    assert [(each.trace_id, each.trace_state) for each in contexts] == [(7, TraceState())] * 3
    assert [dict(link.attributes or {}) for link in told.links] == [{}]
    assert (parent.span_id, parent.is_remote, parent.trace_flags) == (8, True, 1)
    assert kept in told.to_json()
    assert [dict(event.attributes or {}) for event in told.events] == [{"exception.type": "ValueError"}]


# --- whether it is wanted, and what it costs where it is not


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "console, otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "console"}, False),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SDK_DISABLED": "TRUE"}, False),
    ],
)
def test_the_standard_variables_decide(variables: dict[str, str], *, expected: bool) -> None:
    assert wants_traces(variables) is expected


@pytest.mark.parametrize(
    ("headers", "secrets"),
    [
        ("api-key=hunter2-hunter2, x=1", ("hunter2-hunter2",)),
        (
            "authorization=Bearer%20hunter2%2Bhunter2",
            ("Bearer%20hunter2%2Bhunter2", "Bearer hunter2+hunter2", "hunter2+hunter2"),
        ),
        ("authorization=Bearer hunter2-hunter2", ("Bearer hunter2-hunter2", "hunter2-hunter2")),
        ("authorization=Basic%20short", ("Basic%20short", "Basic short")),
        ("", ()),
    ],
)
def test_the_keys_of_a_collector_are_known_as_secrets_in_each_spelling(headers: str, secrets: tuple[str, ...]) -> None:
    variables = {"OTEL_EXPORTER_OTLP_HEADERS": headers, "OTEL_EXPORTER_OTLP_TRACES_HEADERS": ""}

    assert header_secrets(variables) == secrets


@pytest.mark.parametrize(
    ("general", "of_traces", "expected"),
    [
        ("", "", None),
        ("http/protobuf", "", None),
        ("HTTP/protobuf ", "", None),
        ("grpc", "http/protobuf", None),
        ("grpc", "", "OTEL_EXPORTER_OTLP_PROTOCOL"),
        ("http/protobuf", "http/json", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"),
    ],
)
def test_a_protocol_that_is_not_spoken_is_known_by_its_variable(
    general: str, of_traces: str, expected: str | None
) -> None:
    variables = {"OTEL_EXPORTER_OTLP_PROTOCOL": general, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": of_traces}

    assert unspoken_protocol(variables) == expected


def test_where_nothing_is_measured_the_same_contexts_serve_every_request() -> None:
    made = [NO_TELEMETRY.upstream("GET", "/tasks/", URL) for _ in range(2)]

    assert made[0] is made[1]
    with made[0] as operation, made[1], NO_TELEMETRY.apart(), NO_TELEMETRY.untraced(), NO_TELEMETRY.claim():
        operation.answered(200)
        operation.of_task("task")


def test_both_are_told_of_a_request() -> None:
    tracer, kept = traced()
    told: list[Any] = []

    class Heard(Operation):
        def answered(self, status: int | None) -> None:
            told.append(status)

        def of_task(self, task_id: str | None) -> None:
            told.append(task_id)

    @contextmanager
    def heard(method: str, endpoint: str, url: str) -> Generator[Operation]:
        told.extend((method, endpoint, url))
        yield Heard()
        told.append("end")

    spans = Spans(tracer)
    telemetry = spans.telemetry(Telemetry(upstream=both(heard, NO_TELEMETRY.upstream)))
    with tracer.start_as_current_span("call"), telemetry.upstream("POST", "/gen3/extend", URL) as operation:
        operation.answered(200)
        operation.of_task("task:1")

    assert told == ["POST", "/gen3/extend", URL, 200, "task:1", "end"]
    assert (kept.get_finished_spans()[0].attributes or {})["runway.task_id"] == "task:1"
