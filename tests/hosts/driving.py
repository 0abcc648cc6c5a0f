"""Drives a client over each transport at once, against servers and a stand-in of its own, and reads what it tells."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.hosts.clients import Client, Transport
from tests.hosts.environments import Installed, node_home
from tests.kit.processes import OURS, ROOT, environment, http_server_process, serve_command, server_environment
from tests.kit.stand_in import StandIn, open_stand_in

STEPS = ("list", "price", "extend", "follow", "read", "error")
GENERATION_SECONDS = 6
"""Longer than the five seconds after which several clients give a call up."""

PATIENCE_SECONDS = 60
SECONDS = 150
_SHOWN = 400
PAGES = ("README.md", "docs/install.md", "docs/hosts.md")
"""Where users are told what to write into their host."""

LAUNCHER = Path(sys.executable).parent / ("useapi-runway-mcp.exe" if sys.platform == "win32" else "useapi-runway-mcp")

# What clients would report elsewhere, look up elsewhere or fetch; what does not heed these meets a proxy that is dead.
QUIET = {
    "HTTP_PROXY": "http://127.0.0.1:9",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "http_proxy": "http://127.0.0.1:9",
    "https_proxy": "http://127.0.0.1:9",
    "NO_PROXY": "127.0.0.1,localhost",
    "no_proxy": "127.0.0.1,localhost",
    "DO_NOT_TRACK": "1",
    "OTEL_SDK_DISABLED": "true",
    "CREWAI_DISABLE_TELEMETRY": "true",
    "CREWAI_DISABLE_VERSION_CHECK": "true",
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
    "MASTRA_TELEMETRY_DISABLED": "1",
    "MCP_USE_ANONYMIZED_TELEMETRY": "false",
    "AGNO_TELEMETRY": "false",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
    "OPENCODE_DISABLE_AUTOUPDATE": "1",
    "OPENCODE_DISABLE_MODELS_FETCH": "1",
    "NO_COLOR": "1",
}


@dataclass(frozen=True)
class Told:
    """What a client told of one step: `ok` is None where it cannot do it."""

    ok: bool | None
    saw: str
    cut: int = 0
    """How many calls the client had cut off by then."""

    raised: str = ""
    """The exception as which a wrong argument came, if it came as one."""

    again: bool = False
    """Whether only a second run of the client came so far."""

    at: float = 0.0
    """How many seconds after the client's start, where it tells that."""


@dataclass
class Row:
    """A client's line of the table: what it told on each transport, and what went wrong beside that."""

    client: Client
    told: dict[Transport, dict[str, Told]] = field(default_factory=dict[Transport, dict[str, Told]])
    fault: str = ""

    def faults(self) -> list[str]:
        """What failed and is not excused, in sentences: the first of each transport, on which the rest depends."""
        found = [f"{self.client.name}: {self.fault}"] if self.fault else []
        for transport, steps in self.told.items():
            failed = {
                step: " ".join(told.saw.split())
                for step, told in steps.items()
                if told.ok is False and not self.client.excuse(transport, step)
            }
            for first, saw in list(failed.items())[:1]:
                more = f" (and at {', '.join(list(failed)[1:])})" if len(failed) > 1 else ""
                found.append(f"{self.client.name} over {transport} fails at {first}{more}: {saw}")
        return found


def driven(client: Client, program: Installed, folder: Path) -> Row:
    """Runs the client's conversation over all of its transports; nothing that it does can hang."""
    row = Row(client)
    with ExitStack() as open_programs:
        upstream = open_programs.enter_context(open_stand_in(pace=GENERATION_SECONDS))
        places: dict[Transport, str] = {}
        for transport in client.transports:
            if transport != "stdio":
                env = server_environment(upstream.url, folder / f"data-{transport}")
                served = open_programs.enter_context(http_server_process(serve_command(transport), env))
                places[transport] = served.mcp if transport == "http" else served.sse
        pool = open_programs.enter_context(ThreadPoolExecutor())
        running = [
            pool.submit(_driven, client, program, upstream, folder, transport, places.get(transport))
            for transport in client.transports
        ]
        row.told = {transport: one.result() for transport, one in zip(client.transports, running, strict=True)}
        paid: list[str] = upstream.state()["accepted"]
    wanted = sum(steps.get("extend", Told(None, "")).ok is True for steps in row.told.values())
    if len(paid) != wanted:
        row.fault = f"{wanted} extensions were told, and {len(paid)} were charged"
    return row


def _driven(
    client: Client, program: Installed, upstream: StandIn, folder: Path, transport: Transport, url: str | None
) -> dict[str, Told]:
    """What a client told; one that did not get as far as a clip, upon which all else depends, is run once more.

    Some clients give a server five seconds to start, which a busy machine may exceed; the table tells of it.
    """
    told = played(client, program, upstream, folder / f"home-{transport}", transport, url)
    if not told["list"].ok:
        told = played(client, program, upstream, folder / f"home-{transport}-again", transport, url)
        told["list"] = replace(told["list"], again=True)
    return told


def played(
    client: Client,
    program: Installed,
    upstream: StandIn,
    home: Path,
    transport: Transport,
    url: str | None = None,
    *,
    command: Sequence[str] = (str(LAUNCHER), "serve"),
    more: Mapping[str, str] | None = None,
) -> dict[str, Told]:
    """One conversation, in a home of its own; on stdio with the server that `command` starts, which gets `more`."""
    home.mkdir(parents=True)
    own = server_environment(upstream.url, home / "data")
    asked = {
        "transport": transport,
        "url": url,
        "command": list(command),
        "env": {name: value for name, value in own.items() if name.startswith((*OURS, "PATH", "HOME"))}
        | dict(more or {}),
        "folder": str(program.folder),
        "pages": [str(ROOT / page) for page in PAGES],
        "prompt": f"the waves of {client.name} over {transport}",
        "patience": PATIENCE_SECONDS,
    }
    inherited = environment(**QUIET, HOME=str(home), XDG_CONFIG_HOME=str(home / ".config"))
    inherited["PATH"] = f"{node_home() / 'bin'}{os.pathsep}{inherited['PATH']}"
    del inherited["PYTHONPATH"]
    told, ended = _told([*program.command, json.dumps(asked)], inherited, home)
    return {step: told.get(step, Told(ok=False, saw=ended)) for step in STEPS}


def _told(command: list[str], env: Mapping[str, str], place: Path) -> tuple[dict[str, Told], str]:
    """The steps that a driver told, and how it ended: with all that it started, if it takes too long."""
    with subprocess.Popen(  # noqa: S603 - our own commands
        command,
        cwd=place,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            out, err = process.communicate(timeout=SECONDS)
            ended = f"the driver ended with {process.returncode}: {_shortened(err)}"
        except subprocess.TimeoutExpired:
            _end(process)
            out, err = process.communicate()
            ended = f"the driver had not ended after {SECONDS} s: {_shortened(err)}"
        finally:
            _end(process)
    lines = [_line(line) for line in out.splitlines() if line.startswith('{"step"')]
    return {name: told for name, told in lines if name}, ended


def _shortened(text: str) -> str:
    """Both ends of a traceback, since Python says last what went wrong, and Node first."""
    return text if len(text) <= 2 * _SHOWN else f"{text[:_SHOWN]} ... {text[-_SHOWN:]}"


def _end(process: subprocess.Popen[str]) -> None:
    """Ends what a driver leaves behind, since some clients do not end their server."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _line(line: str) -> tuple[str, Told]:
    found: dict[str, Any] = json.loads(line)
    return found["step"], Told(
        found["ok"], found["saw"], found.get("cut", 0), found.get("raised", ""), at=found.get("at", 0.0)
    )
