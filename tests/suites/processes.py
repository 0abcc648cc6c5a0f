"""The programs that the suites drive, each in a process of its own that ends with its context.

Nothing of the caller's settings reaches them, and nothing that they are asked to reach lies beyond this machine.
"""

import json
import os
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

OURS = ("USEAPI_", "RUNWAY_MCP_")
PROGRAM = (sys.executable, "-m", "runway_mcp")
GRACE_SECONDS = 10
ROOT = Path(__file__).parents[2]

Json = dict[str, Any]


def environment(**ours: str) -> dict[str, str]:
    """The environment of a program: the caller's without our variables and without proxies, and then `ours`."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(OURS)}
    return kept | {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", "PYTHONPATH": str(ROOT)} | ours


@dataclass(frozen=True)
class StandIn:
    """A running stand-in: the base URL of its API, and the token that it takes."""

    url: str
    token: str

    def state(self) -> Json:
        """What happened so far: counts of requests, accepted tasks, credits."""
        return self._ask("GET", "state")

    def submits(self) -> int:
        """How many requests to extend arrived, whatever became of them."""
        requests: dict[str, int] = self.state()["requests"]
        return sum(count for name, count in requests.items() if name.startswith("POST /gen3"))

    def add_task(self, **script: Any) -> str:
        """The taskId of a task made by hand on the website, which goes as the script says."""
        return self._ask("POST", "tasks", script)["taskId"]

    def clip(self) -> str:
        """The assetId of a clip that can be extended."""
        return next(asset["assetId"] for asset in self.state()["assets"] if asset["name"].startswith("Gen-3 Alpha"))

    def _ask(self, method: str, path: str, body: Json | None = None) -> Json:
        origin = self.url.removesuffix("/v1/runwayml")
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{origin}/simulator/{path}", content, method=method)  # noqa: S310 - our own URL
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - as above
            return json.load(answer)


@dataclass
class Program:
    """A running program and what it has written to stderr so far."""

    process: subprocess.Popen[str]
    told: list[str] = field(default_factory=list[str])


@dataclass(frozen=True)
class Served:
    """A server that listens: its origin, its process, and the lines of its log."""

    origin: str
    program: Program

    @property
    def mcp(self) -> str:
        """The URL of the streamable HTTP transport."""
        return f"{self.origin}/mcp"

    @property
    def sse(self) -> str:
        """The URL of the older transport."""
        return f"{self.origin}/sse"


@contextmanager
def running(command: Sequence[str], env: Mapping[str, str]) -> Generator[Program]:
    """A program for as long as the context is open; its stderr is kept, and it ends in order or is killed."""
    with subprocess.Popen(  # noqa: S603 - our own programs
        command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        program = Program(process)
        reader = threading.Thread(target=_keep, args=(program,), daemon=True)
        reader.start()
        try:
            yield program
        finally:
            process.terminate()
            try:
                process.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
            reader.join(GRACE_SECONDS)


def _keep(program: Program) -> None:
    assert program.process.stderr
    program.told.extend(program.process.stderr)


@contextmanager
def stand_in(*, pace: float) -> Generator[StandIn]:
    """A stand-in whose tasks last `pace` seconds."""
    command = [sys.executable, "-m", "tests.suites.stand_in", "--pace", str(pace)]
    with running(command, environment()) as program:
        assert program.process.stdout
        line = program.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the stand-in did not start: {''.join(program.told)}")
        yield StandIn(**json.loads(line))


def settings(upstream: StandIn, folder: Path, **ours: str) -> dict[str, str]:
    """The environment of a server that has this stand-in for useapi.net and this folder for its data."""
    quick = {"RUNWAY_MCP_POLL_SECONDS": "0.1", "RUNWAY_MCP_DATA_DIR": str(folder)}
    return environment(USEAPI_URL=upstream.url, USEAPI_TOKEN=upstream.token, **(quick | ours))


@contextmanager
def server(command: Sequence[str], env: Mapping[str, str]) -> Generator[Served]:
    """A server on HTTP, from the moment at which it can be reached; `command` makes it listen and say where."""
    with running(command, env) as program:
        yield Served(_origin(program), program)


def serve(transport: str) -> list[str]:
    """The command that serves on a transport; on HTTP and SSE at a port that is free."""
    return [*PROGRAM, "serve", "--transport", transport, *([] if transport == "stdio" else ["--port", "0"])]


def _origin(program: Program) -> str:
    """Where the program says that it listens; raises RuntimeError if it ends before."""
    while True:
        for line in tuple(program.told):
            _, found, url = line.partition(" listening on ")
            if found:
                return url.strip().removesuffix("/mcp")
        try:
            program.process.wait(0.02)
        except subprocess.TimeoutExpired:
            continue
        raise RuntimeError(f"the server did not start: {''.join(program.told)}")
