"""The command `serve`: the settings checked, and the server over stdio or HTTP as they say."""
# ruff: noqa: PLC0415  late imports bring the first answer of a stdio server sooner

import argparse
import importlib.util
import logging
import os
import platform
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final

from runway_mcp.data_folder import OWNER_ONLY, close_to_others
from runway_mcp.logs import SPENDS, Redacted
from runway_mcp.telemetry import NO_TELEMETRY, header_secrets, unspoken_protocol, wants_traces
from runway_mcp.terminal import PROGRAM, CommandError, say

if TYPE_CHECKING:
    from mcp.server.lowlevel import Server
    from starlette.applications import Starlette

    from runway_mcp.callers import CallersFile
    from runway_mcp.server.hosted.hosting import Hosting
    from runway_mcp.server.hosted.metrics import Metrics
    from runway_mcp.server.spans import Spans
    from runway_mcp.settings import Settings

_log = logging.getLogger(__name__)

DRAIN_SECONDS: Final = 5.0
"""How long a hosted server goes on after a signal to stop, in seconds.

Whoever sends requests here learns of it meanwhile.
"""


def serve(arguments: argparse.Namespace, formatter: Redacted) -> int:
    """Serves MCP until the host or a signal ends it; returns 0. Raises `CommandError` before it serves anything.

    `arguments` are those of the command: transport, host and port. `formatter` is told what the log must not hold.
    """
    if arguments.transport == "stdio" and (arguments.host, arguments.port) != (None, None):
        raise CommandError("--host and --port go with --transport http or sse", 2)
    from runway_mcp.server.late_loading import light_start

    before = os.umask(OWNER_ONLY)
    try:
        light_start()
        settings = _settings()
        for secret in (settings.token, settings.access_token, settings.database_url, *settings.state_keys):
            if secret is not None:
                formatter.hide(secret.get_secret_value())
        if settings.log == "json":
            formatter.as_json, formatter.more = True, _replica
            logging.getLogger(SPENDS).setLevel(logging.INFO)
        _check_database(settings, formatter)
        with _traced(formatter) as spans:
            if arguments.transport == "stdio":
                _serve_stdio(settings, spans)
            else:
                _serve_http(settings, arguments, formatter, spans)
    finally:
        os.umask(before)
    return 0


@cache
def _replica() -> dict[str, str]:
    """Which server a line of the log is of."""
    return {"replica": f"{platform.node()}-{os.getpid()}"}


@contextmanager
def _traced(formatter: Redacted) -> "Generator[Spans | None]":
    """What makes spans, and sends them where the variables of OpenTelemetry say; None unless they want it."""
    if not wants_traces(os.environ):
        yield None
        return
    if protocol := unspoken_protocol(os.environ):
        _log.warning(
            "%s asks for another protocol than http/protobuf, the only one spoken here. No traces are exported. Name "
            "it with the endpoint of a collector that takes it, or set OTEL_SDK_DISABLED=true.",
            protocol,
        )
        yield None
        return
    if _lacks_exporter():
        _log.warning(
            "OTEL_TRACES_EXPORTER or an OTEL_EXPORTER_OTLP_ENDPOINT is set, which needs the extra otel: install "
            "%s[otel]. No traces are exported.",
            PROGRAM,
        )
        yield None
        return
    from runway_mcp.server.spans import Spans, trace_id
    from runway_mcp.server.trace_export import exported

    for secret in header_secrets(os.environ):
        formatter.hide(secret)
    with ExitStack() as stack:
        spans = None
        try:
            spans = Spans(stack.enter_context(exported(os.environ)))
        except Exception as error:  # noqa: BLE001  a server that cannot be watched serves all the same
            _log.warning(
                "the variables of OpenTelemetry cannot be used (%s): no traces are exported", type(error).__name__
            )
        else:
            formatter.more = lambda: {"trace_id": trace_id(), **_replica()}
        yield spans


def _lacks_exporter() -> bool:
    """Whether the extra `otel` is not installed."""
    wanted = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")
    try:
        return any(importlib.util.find_spec(name) is None for name in wanted)
    except ModuleNotFoundError:
        return True


def _described(server: "Server[Any]", spans: "Spans | None") -> None:
    """Has the spans of the server's requests say who asks, inside the SDK's middleware, which makes them."""
    if spans is not None:
        server.middleware.insert(1, spans.describe)


def _settings() -> "Settings":
    """The settings of the environment, with an existing, writable data folder; raises `CommandError`."""
    import tempfile

    from runway_mcp.settings import Settings, SettingsError, variables

    try:
        settings = Settings.from_environment(os.environ)
    except SettingsError as error:
        raise CommandError(str(error), 2) from None
    folder = variables()["data_dir"]
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=settings.data_dir):
            pass
        named = close_to_others(settings.data_dir)
    except OSError as error:
        raise CommandError(f"{folder.name} must be {folder.form}: {error.strerror}", 2) from None
    if named:
        say(f"{PROGRAM}: {named}")
    return settings


def _check_database(settings: "Settings", formatter: Redacted) -> None:
    """Keeps the database's password out of the log; raises `CommandError` if its URL or its driver does not do."""
    if settings.database_url is None:
        return
    from urllib.parse import unquote, urlsplit

    from runway_mcp.settings import variables
    from runway_mcp.tasks.store.opening import is_database_url, missing_driver

    url, variable = settings.database_url.get_secret_value(), variables()["database_url"]
    if password := urlsplit(url).password:
        formatter.hide(password)
        formatter.hide(unquote(password))
    if missing_driver():
        raise CommandError(f"{variable.name} needs the extra postgres: install {PROGRAM}[postgres]", 2)
    if not is_database_url(url):
        raise CommandError(f"{variable.name} must be {variable.form}", 2)


def _serve_stdio(settings: "Settings", spans: "Spans | None") -> None:
    import anyio

    from runway_mcp.server.late_loading import load_sdk_for_pipes, open_late

    load_sdk_for_pipes()
    from runway_mcp.server.assembly import assemble
    from runway_mcp.server.transport.stdio import serve_stdio

    if sys.stdin.isatty():
        say(f"{PROGRAM} waits for an MCP host on stdin; Ctrl-C ends it, and --help tells what else it does.")
    _say_where(settings)
    # Over stdio there is no address for upstream to call back.
    here = {"public_url": None, "save": settings.save or "own", "upload_films": settings.upload_films or False}
    set_here = settings.model_copy(update=here)
    telemetry = NO_TELEMETRY if spans is None else spans.telemetry(NO_TELEMETRY)
    server = assemble(set_here, lambda _: open_late(set_here, telemetry))
    _described(server, spans)
    anyio.run(serve_stdio, server)


def _say_where(settings: "Settings") -> None:
    """Prints where the ledger is: nothing is charged twice only among servers that share it."""
    if settings.database_url is None:
        say(f"{PROGRAM} keeps its ledger in {settings.data_dir}")
    else:
        say(f"{PROGRAM} keeps its ledger in the database of RUNWAY_MCP_DATABASE_URL")


def _serve_http(
    settings: "Settings", arguments: argparse.Namespace, formatter: Redacted, spans: "Spans | None"
) -> None:
    import anyio

    from runway_mcp.server.late_loading import load_rest, settled

    load_rest()
    from runway_mcp.server.app import create_server
    from runway_mcp.server.transport.http import create_app
    from runway_mcp.server.transport.security import OneToken, refusal_to_listen
    from runway_mcp.server.transport.service_manager import READY, STOPPING, notify
    from runway_mcp.server.transport.serving import Drain, bind, serve_app, url_of

    host: str = arguments.host or "127.0.0.1"
    port: int = 8000 if arguments.port is None else arguments.port
    knows_callers = settings.callers is not None or settings.issuer is not None
    refusal = refusal_to_listen(
        host, access_token=settings.access_token, allowed_hosts=settings.allowed_hosts, knows_callers=knows_callers
    )
    if refusal:
        raise CommandError(refusal, 2)
    if arguments.transport == "sse" and settings.database_url is not None:
        raise CommandError(
            "--transport sse needs one server for a connection; with RUNWAY_MCP_DATABASE_URL it is http", 2
        )
    file, own = _callers_file(settings, formatter), OneToken(settings.access_token) if settings.access_token else None
    metrics, hosting = _metrics(settings), None
    if knows_callers:
        from runway_mcp.server.hosted.hosting import Counted, hosting_of

        counted = Counted(metrics.refused, metrics.limited) if metrics else None
        hosting = hosting_of(settings, file, [own] if own else [], counted=counted)
    try:
        listener = bind(host, port)
    except OSError as error:
        raise CommandError(f"cannot listen on {host}, port {port}: {error.strerror}", 1) from None
    uploads = settings.upload_films is None or settings.upload_films
    # A server for others keeps nothing on its disk unless it is told to: no `save` counts as never.
    telemetry = metrics.telemetry if metrics else NO_TELEMETRY
    server = create_server(
        settings.model_copy(update={"over_http": True, "upload_films": uploads}),
        callers=file,
        telemetry=telemetry if spans is None else spans.telemetry(telemetry),
    )
    _described(server, spans)
    app = create_app(
        server,
        transport=arguments.transport,
        verifier=own,
        # All of 127.0.0.0/8 is loopback, but the default host rules name 127.0.0.1 alone.
        allowed_hosts=(*settings.allowed_hosts, *([host] if host.startswith("127.") else [])),
        has_sessions=settings.database_url is None,
        hosting=hosting,
        refused=metrics.refused if metrics else None,
    )

    manager = os.environ.get("NOTIFY_SOCKET")

    def tell() -> None:
        for path in ("/mcp", "/sse") if arguments.transport == "sse" else ("/mcp",):
            say(f"{PROGRAM} listening on {url_of(host, listener)}{path}")
        _say_where(settings)
        if settings.database_url is not None and not settings.state_keys:
            _log.warning(
                "RUNWAY_MCP_STATE_KEYS is not set: what a client carries from one request to the next is opened by "
                "this server alone. Set the same keys on every server of the database."
            )
        notify(manager, READY)

    async def serve() -> None:
        drain = Drain(app.state.drain, DRAIN_SECONDS) if hosting is not None else None
        await serve_app(
            app,
            listener,
            ready=tell,
            drain=drain,
            stopping=partial(notify, manager, STOPPING),
            end_streams=app.state.end_streams,
        )

    settled()
    with _metrics_served(settings, metrics, server, app, hosting):
        anyio.run(serve)


def _metrics(settings: "Settings") -> "Metrics | None":
    """The figures of the server; None unless they are wanted. Raises `CommandError` without the extra."""
    if settings.metrics is None:
        return None
    if importlib.util.find_spec("prometheus_client") is None:
        raise CommandError(f"RUNWAY_MCP_METRICS needs the extra metrics: install {PROGRAM}[metrics]", 2)
    from runway_mcp.server.hosted.metrics import Metrics

    return Metrics()


@contextmanager
def _metrics_served(
    settings: "Settings", metrics: "Metrics | None", server: "Server[Any]", app: "Starlette", hosting: "Hosting | None"
) -> Generator[None]:
    """Measures what the server does, and lets it be read, if that is wanted; raises `CommandError`."""
    if metrics is None or settings.metrics is None:
        yield
        return
    server.middleware.insert(0, metrics.measure)
    uses = hosting.uses if hosting else None
    metrics.observe(
        calls=uses.calls if uses else lambda: 0,
        streams=uses.streams if uses else lambda _: 0,
        draining=app.state.is_draining,
    )
    with ExitStack() as stack:
        try:
            stack.enter_context(metrics.served(settings.metrics))
        except OSError as error:
            raise CommandError(f"cannot listen on RUNWAY_MCP_METRICS: {error.strerror}", 1) from None
        yield


def _callers_file(settings: "Settings", formatter: Redacted) -> "CallersFile | None":
    """The file of callers, read; None if none is set. Raises `CommandError` if it, or what goes with it, is wrong."""
    if settings.callers is None and settings.issuer is None:
        return None
    from runway_mcp.callers import CallersFile, faults_of

    for fault in faults_of(settings):
        raise CommandError(fault, 2)
    if settings.callers is None:
        return None
    logging.getLogger(CallersFile.__module__).setLevel(logging.INFO)
    return CallersFile(settings.callers, hide=formatter.hide)
