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
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from runway_mcp import __version__
from runway_mcp.logs import Redacted, logs_to_stderr
from runway_mcp.terminal import PROGRAM, CommandError, say, tell

if TYPE_CHECKING:
    from runway_mcp.install.command import Surroundings


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; must be called in the main thread."""
    arguments = _parser().parse_args(argv)
    formatter = Redacted()
    with logs_to_stderr(formatter):
        try:
            with _sigterm_as_interrupt():
                return arguments.run(arguments, formatter)
        except CommandError as error:
            say(f"{PROGRAM}: {error}")
            return error.code
        except KeyboardInterrupt:
            return arguments.interrupted
        except Exception:
            logging.getLogger(__name__).exception("The program ended unexpectedly")
            return 1


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

    told = (
        "Runs a stand-in for useapi.net on this machine, and prints its URL and token as one line of JSON. Each start "
        "begins anew, with the same ids: begin with a new ledger then, since one that knows them takes no task twice."
    )
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
    from runway_mcp.serve import serve

    return serve(arguments, formatter)


def _callers_new(arguments: argparse.Namespace, _formatter: Redacted) -> int:
    from runway_mcp.callers import CallersError, minted

    try:
        token, entry = minted(arguments.name)
    except CallersError as error:
        raise CommandError(str(error), 2) from None
    tell(f"{token}\n\n{entry}")
    say("The first line is the caller's token, which is shown this once; the rest goes into RUNWAY_MCP_CALLERS.")
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
    asked, piped = ways_to_ask(sys.stdin, say) if ask else (None, None)
    return surroundings(data_dir, tell, asked, piped)


def _need(**modules: str) -> None:
    """Raises `CommandError` if an optional package is missing, before anything has started; by name and module."""
    missing = " and ".join(package for package, module in modules.items() if importlib.util.find_spec(module) is None)
    if missing:
        raise CommandError(f"this needs {missing}: pip install '{PROGRAM}[media]'", 1)
