"""The programs that tests drive, each in a process of its own that ends with its context.

Nothing of the caller's settings reaches them, and nothing that they are asked to reach lies beyond this machine.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import anyio.to_thread
from anyio.abc import Process
from mcp.client.stdio import StdioServerParameters

from runway_mcp.simulator.world import TOKEN

OURS = ("USEAPI_", "RUNWAY_MCP_")
PROGRAM = (sys.executable, "-m", "runway_mcp")
GRACE_SECONDS = 40
ROOT = Path(__file__).parents[2]


def environment(**ours: str) -> dict[str, str]:
    """The environment of a program: the caller's without our variables and without proxies, and then `ours`."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(OURS)}
    return kept | {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", "PYTHONPATH": str(ROOT)} | ours


@dataclass
class Program:
    """A running program and what it has written to stderr so far."""

    process: subprocess.Popen[str]
    told: list[str] = field(default_factory=list[str])


@dataclass(frozen=True)
class HttpServerProcess:
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


def server_environment(url: str, folder: Path, **ours: str) -> dict[str, str]:
    """The environment of a server that has the stand-in at this URL for useapi.net and `folder` for its data."""
    # The stand-in's films need not be real in most tests, and nothing is to be kept in a user's own folders.
    upstream = {"USEAPI_URL": url, "USEAPI_TOKEN": TOKEN, "RUNWAY_MCP_SAVE": "never"}
    own = {"RUNWAY_MCP_POLL_SECONDS": "0.1", "RUNWAY_MCP_DATA_DIR": str(folder)}
    return environment(**(upstream | own | ours))


@contextmanager
def http_server_process(command: Sequence[str], env: Mapping[str, str]) -> Generator[HttpServerProcess]:
    """A server on HTTP, from the moment at which it can be reached; `command` makes it listen and say where."""
    with running(command, env) as program:
        yield HttpServerProcess(_origin(program), program)


def serve_command(transport: str) -> list[str]:
    """The command that serves on a transport; on HTTP and SSE at a port that is free."""
    return [*PROGRAM, "serve", "--transport", transport, *([] if transport == "stdio" else ["--port", "0"])]


def stdio_parameters(env: dict[str, str]) -> StdioServerParameters:
    """How the SDK's client starts a server on stdio."""
    command, *arguments = serve_command("stdio")
    return StdioServerParameters(command=command, args=arguments, env=env)


@asynccontextmanager
async def stdio_server_process(env: dict[str, str]) -> AsyncGenerator[Process]:
    """A server on stdio, with its bare pipes; killed at the end if it still runs then."""
    async with await anyio.open_process(serve_command("stdio"), env=env, stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()


@asynccontextmanager
async def http_server_process_of_loop(
    env: dict[str, str], *, transport: str = "sse"
) -> AsyncGenerator[HttpServerProcess]:
    """A server on all transports of HTTP, or on `http` alone, for a test whose event loop has to go on meanwhile."""
    process = http_server_process(serve_command(transport), env)
    served = await anyio.to_thread.run_sync(process.__enter__)
    try:
        yield served
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(process.__exit__, None, None, None)


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


_OPENING = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
_CALLS: list[dict[str, object]] = [
    {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": _OPENING},
    {"jsonrpc": "2.0", "method": "notifications/initialized"},
    {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "list_assets", "arguments": {}}},
]


def served_one_call(command: list[str], env: dict[str, str]) -> str:
    """What a program on stdio writes after it has answered a call; it must end as its input does."""
    with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own program
        assert process.stdin
        assert process.stdout
        try:
            for call in _CALLS:
                process.stdin.write(f"{json.dumps(call)}\n")
                process.stdin.flush()
                while "id" in call and f'"id":{call["id"]}' not in process.stdout.readline().replace(" ", ""):
                    pass
            rest, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0
    return rest
