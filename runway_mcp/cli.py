"""The command `useapi-runway-mcp`: `serve`, `simulate`, `demo`, `doctor`, `callers`, `install` and `uninstall`.

Exit codes: 0 done, 1 failed, 2 wrong usage or settings, 130 interrupted before the end.
"""
# ruff: noqa: PLC0415  late imports make --help and --version fast and independent of MCP

import argparse
import importlib.util
import logging
import os
import signal
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from runway_mcp import __version__
from runway_mcp.logs import SPENDS, Redacted, logs_to_stderr
from runway_mcp.private import OWNER_ONLY, close_to_others

if TYPE_CHECKING:
    from mcp.server.lowlevel import Server
    from starlette.applications import Starlette

    from runway_mcp.callers import CallersFile
    from runway_mcp.install.command import Surroundings
    from runway_mcp.server.transport.hosting import Hosting
    from runway_mcp.server.transport.metrics import Metrics
    from runway_mcp.settings import Settings

PROGRAM: Final = "useapi-runway-mcp"
"""The name of the command."""


# For so long a hosted server goes on after a signal to stop: whoever sends requests here learns of it meanwhile.
_DRAIN_SECONDS: Final = 5.0


class CommandError(Exception):
    """A command cannot run: the message is one line for stderr, `code` is the exit code."""

    def __init__(self, line: str, code: int) -> None:
        super().__init__(line)
        self.code = code


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; must be called in the main thread."""
    arguments = _parser().parse_args(argv)
    formatter = Redacted()
    with logs_to_stderr(formatter):
        try:
            with _sigterm_as_interrupt():
                return arguments.run(arguments, formatter)
        except CommandError as error:
            _say(f"{PROGRAM}: {error}")
            return error.code
        except KeyboardInterrupt:
            return arguments.interrupted
        except Exception:
            logging.getLogger(__name__).exception("The program ended unexpectedly")
            return 1


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Extends Runway videos by conversation, through useapi.net. Without a command: serve, on stdio.",
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    parser.set_defaults(run=_serve, interrupted=0, transport="stdio", host=None, port=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    serve = commands.add_parser("serve", help="serve MCP to a host", description="Serves MCP to a host.")
    serve.add_argument("--transport", choices=("stdio", "http", "sse"), default="stdio", help="default: stdio")
    serve.add_argument("--host", help="where http and sse listen (default: 127.0.0.1)")
    serve.add_argument("--port", type=_port, help="their port; 0 takes a free one (default: 8000)")

    told = "Runs a stand-in for useapi.net on this machine, and prints its URL and token as one line of JSON."
    simulate = commands.add_parser("simulate", help="run a stand-in for useapi.net", description=told)
    simulate.add_argument("--port", type=_port, default=0, help="port to listen on; 0 takes a free one (default: 0)")
    simulate.add_argument(
        "--pace", type=_pace, default=8.0, metavar="SECONDS", help="how long a task takes (default: 8)"
    )
    simulate.set_defaults(run=_simulate, interrupted=0)

    told = "Extends a video against the stand-in and shows what a host would see; needs no token and no network."
    demo = commands.add_parser("demo", help="see the server at work", description=told)
    demo.add_argument(
        "--seconds",
        type=int,
        choices=(5, 8, 10),
        default=5,
        help="how many seconds to add (default: 5; 8 with --model)",
    )
    demo.add_argument(
        "--model", choices=("gen4.5",), help="continue a clip of Gen-4 with it, and join both to one film"
    )
    demo.add_argument(
        "--out", type=Path, metavar="DIR", help="where the film and its pictures go (default: runway-demo)"
    )
    demo.add_argument("--pace", type=_pace, metavar="SECONDS", help="how long a task takes (default: 8)")
    demo.set_defaults(run=_demo, interrupted=130)

    told = (
        "Checks this set-up, one line for each thing that can be wrong with it. Reads alone: it never spends anything."
    )
    doctor = commands.add_parser("doctor", help="check this set-up", description=told)
    doctor.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    doctor.set_defaults(run=_doctor, interrupted=130)
    told = "Makes callers of a hosted server, whose file is named by RUNWAY_MCP_CALLERS."
    callers = commands.add_parser("callers", help="make a caller of a hosted server", description=told)
    told = "Prints a new access token for a caller, and his entry in the file of callers, which holds its hash alone."
    new = callers.add_subparsers(metavar="new NAME", required=True).add_parser("new", description=told)
    new.add_argument("name", metavar="NAME", help="his name: lower-case letters, digits and . _ -")
    new.set_defaults(run=_callers_new, interrupted=130)
    _add_install(commands.add_parser)
    return parser


def _add_install(add_parser: Callable[..., argparse.ArgumentParser]) -> None:
    from runway_mcp.install.hosts import HOSTS

    told = "Registers the server in the configuration of a host, and changes nothing else there. The token comes from "
    told += "USEAPI_TOKEN or a pipe, or is asked for. Without HOST: lists the hosts on this machine."
    names = f"hosts: {', '.join(HOSTS)}"
    install = add_parser("install", help="register the server in a host", description=told, epilog=names)
    install.add_argument("name", nargs="*", metavar="HOST")
    install.add_argument("--print", action="store_true", dest="print_only", help="show the change and write nothing")
    install.set_defaults(run=_install, interrupted=130)

    told = "Takes back exactly what `install` added to the configuration of a host."
    uninstall = add_parser("uninstall", help="take that back", description=told, epilog=names)
    uninstall.add_argument("name", nargs="+", metavar="HOST")
    uninstall.add_argument("--print", action="store_true", dest="print_only", help="show the change and write nothing")
    uninstall.set_defaults(run=_uninstall, interrupted=130)


def _port(text: str) -> int:
    if not (text.isdecimal() and int(text) <= 65_535):  # noqa: PLR2004  the largest port number
        raise argparse.ArgumentTypeError("must be a port number from 0 to 65535")
    return int(text)


def _pace(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError("must be a number of seconds, 0 or more")
    return seconds


@contextmanager
def _sigterm_as_interrupt() -> Generator[None]:
    """Makes SIGTERM end a command as Ctrl-C does; a running server replaces both handlers."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _serve(arguments: argparse.Namespace, formatter: Redacted) -> int:
    if arguments.transport == "stdio" and (arguments.host, arguments.port) != (None, None):
        raise CommandError("--host and --port go with --transport http or sse", 2)
    from runway_mcp.server.opening import light_start

    before = os.umask(OWNER_ONLY)
    try:
        light_start()
        settings = _settings()
        for secret in (settings.token, settings.access_token, settings.database_url, *settings.state_keys):
            if secret is not None:
                formatter.hide(secret.get_secret_value())
        if settings.log == "json":
            formatter.as_json = True
            logging.getLogger(SPENDS).setLevel(logging.INFO)
        _check_database(settings, formatter)
        if arguments.transport == "stdio":
            _serve_stdio(settings)
        else:
            _serve_http(settings, arguments, formatter)
    finally:
        os.umask(before)
    return 0


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
        _say(f"{PROGRAM}: {named}")
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


def _serve_stdio(settings: "Settings") -> None:
    import anyio

    from runway_mcp.server.opening import load_sdk_for_pipes, open_late

    load_sdk_for_pipes()
    from runway_mcp.server.assembly import assemble
    from runway_mcp.server.transport.stdio import serve_stdio

    if sys.stdin.isatty():
        _say(f"{PROGRAM} waits for an MCP host on stdin; Ctrl-C ends it, and --help tells what else it does.")
    _say_where(settings)
    # Over stdio there is no address for upstream to call back.
    here = {"public_url": None, "save": settings.save or "own", "upload_films": settings.upload_films or False}
    set_here = settings.model_copy(update=here)
    anyio.run(serve_stdio, assemble(set_here, lambda _: open_late(set_here)))


def _say_where(settings: "Settings") -> None:
    """Prints where the ledger is: nothing is charged twice only among servers that share it."""
    if settings.database_url is None:
        _say(f"{PROGRAM} keeps its ledger in {settings.data_dir}")
    else:
        _say(f"{PROGRAM} keeps its ledger in the database of RUNWAY_MCP_DATABASE_URL")


def _serve_http(settings: "Settings", arguments: argparse.Namespace, formatter: Redacted) -> None:
    import anyio

    from runway_mcp.server.opening import load_rest, settled

    load_rest()
    from runway_mcp.server.app import create_server
    from runway_mcp.server.transport.http import create_app
    from runway_mcp.server.transport.security import OneToken, refusal_to_listen
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
        from runway_mcp.server.transport.hosting import Counted, hosting_of

        counted = Counted(metrics.refused, metrics.limited) if metrics else None
        hosting = hosting_of(settings, file, [own] if own else [], counted=counted)
    try:
        listener = bind(host, port)
    except OSError as error:
        raise CommandError(f"cannot listen on {host}, port {port}: {error.strerror}", 1) from None
    uploads = settings.upload_films is None or settings.upload_films
    # A server for others keeps nothing on its disk unless it is told to: no `save` counts as never.
    server = create_server(settings.model_copy(update={"over_http": True, "upload_films": uploads}), callers=file)
    app = create_app(
        server,
        transport=arguments.transport,
        verifier=own,
        # All of 127.0.0.0/8 is loopback, but the default host rules name 127.0.0.1 alone.
        allowed_hosts=(*settings.allowed_hosts, *([host] if host.startswith("127.") else [])),
        has_sessions=settings.database_url is None,
        hosting=hosting,
    )

    def tell() -> None:
        for path in ("/mcp", "/sse") if arguments.transport == "sse" else ("/mcp",):
            _say(f"{PROGRAM} listening on {url_of(host, listener)}{path}")
        _say_where(settings)
        if settings.database_url is not None and not settings.state_keys:
            logging.getLogger(__name__).warning(
                "RUNWAY_MCP_STATE_KEYS is not set: what a client carries from one request to the next is opened by "
                "this server alone. Set the same keys on every server of the database."
            )

    async def serve() -> None:
        drain = Drain(app.state.drain, _DRAIN_SECONDS) if hosting is not None else None
        await serve_app(app, listener, ready=tell, drain=drain)

    settled()
    with _metrics_served(settings, metrics, server, app, hosting):
        anyio.run(serve)


def _metrics(settings: "Settings") -> "Metrics | None":
    """The figures of the server; None unless they are wanted. Raises `CommandError` without the extra."""
    if settings.metrics is None:
        return None
    if importlib.util.find_spec("prometheus_client") is None:
        raise CommandError(f"RUNWAY_MCP_METRICS needs the extra metrics: install {PROGRAM}[metrics]", 2)
    from runway_mcp.server.transport.metrics import Metrics

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
        streams=uses.streams if uses else lambda: 0,
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
    return CallersFile(settings.callers, hide=formatter.hide) if settings.callers else None


def _callers_new(arguments: argparse.Namespace, _formatter: Redacted) -> int:
    from runway_mcp.callers import CallersError, minted

    try:
        token, entry = minted(arguments.name)
    except CallersError as error:
        raise CommandError(str(error), 2) from None
    _tell(f"{token}\n\n{entry}")
    _say("The first line is the caller's token, which is shown this once; the rest goes into RUNWAY_MCP_CALLERS.")
    return 0


def _simulate(arguments: argparse.Namespace, _formatter: Redacted) -> int:
    _need(av="av", pillow="PIL")
    import anyio

    from runway_mcp.simulator.run import simulate

    try:
        anyio.run(partial(simulate, port=arguments.port, pace=arguments.pace))
    except OSError as error:
        raise CommandError(f"cannot listen on port {arguments.port}: {error.strerror}", 1) from None
    return 0


def _demo(arguments: argparse.Namespace, _formatter: Redacted) -> int:
    _need(av="av", pillow="PIL", rich="rich")
    from runway_mcp.demo import run_demo

    if arguments.model is None and arguments.seconds not in (5, 10):
        raise CommandError("--seconds 8 goes with --model gen4.5: Gen-3 clips are extended by 5 or 10 s", 2)
    return run_demo(arguments.seconds, arguments.out, arguments.pace, model=arguments.model)


def _doctor(arguments: argparse.Namespace, formatter: Redacted) -> int:
    from runway_mcp.doctor.run import run_doctor

    # What the log would warn of is a line of the table.
    logging.getLogger("runway_mcp").setLevel(logging.CRITICAL)
    return run_doctor(os.environ, as_json=arguments.json, hide=formatter.hide)


def _install(arguments: argparse.Namespace, _formatter: Redacted) -> int:
    from runway_mcp.install import command

    name = _host(arguments.name) if arguments.name else None
    around = _around(ask=True)
    try:
        if name is None:
            command.list_hosts(around)
        else:
            command.install(name, around, print_only=arguments.print_only)
    except command.InstallError as error:
        raise CommandError(str(error), error.code) from None
    return 0


def _uninstall(arguments: argparse.Namespace, _formatter: Redacted) -> int:
    from runway_mcp.install import command

    name = _host(arguments.name)
    try:
        command.uninstall(name, _around(ask=False), print_only=arguments.print_only)
    except command.InstallError as error:
        raise CommandError(str(error), error.code) from None
    return 0


def _host(words: Sequence[str]) -> str:
    """The id of the host that a person names, also in several words; raises `CommandError`."""
    from runway_mcp.install.hosts import HOSTS, host_id

    given = " ".join(words)
    name = host_id(given)
    if name is None:
        raise CommandError(f"HOST must be one of {', '.join(HOSTS)}, not {given!r}", 2)
    return name


def _around(*, ask: bool) -> "Surroundings":
    """What installing works with here; a person is asked only at a terminal. Raises `CommandError`."""
    from runway_mcp.install.answers import ways_to_ask
    from runway_mcp.install.command import surroundings
    from runway_mcp.settings import Settings, SettingsError

    try:
        data_dir = Settings.from_environment(os.environ).data_dir
    except SettingsError as error:
        raise CommandError(str(error), 2) from None
    asked, piped = ways_to_ask(sys.stdin, _say) if ask else (None, None)
    return surroundings(data_dir, _tell, asked, piped)


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _need(**modules: str) -> None:
    """Raises `CommandError` if an optional package is missing, before anything has started; by name and module."""
    missing = " and ".join(package for package, module in modules.items() if importlib.util.find_spec(module) is None)
    if missing:
        raise CommandError(f"this needs {missing}: pip install '{PROGRAM}[media]'", 1)
