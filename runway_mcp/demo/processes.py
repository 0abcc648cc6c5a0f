"""The two processes of the demo: the stand-in, and the real server with an MCP client on its stdio.

Neither inherits the user's settings, writes on the terminal or outlives its context; the last line of its log goes into
the message about its end.
"""

import signal
import subprocess
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream
from mcp import MCPError
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from pydantic import BaseModel, ValidationError

from runway_mcp.demo.failures import DemoError

OURS = ("USEAPI_", "RUNWAY_MCP_")
LONGEST_GREETING = 4096
GRACE_SECONDS = 3


class StandIn(BaseModel):
    """Where the stand-in listens, and the token that it accepts."""

    url: str
    token: str


@dataclass(frozen=True)
class Log:
    """The file that takes the stderr of a process."""

    path: Path

    def last_line(self) -> str:
        """The last line that is not blank, cut to 200 characters, behind ": "; "" without one."""
        lines = [line.strip() for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines()]
        last = next((line for line in reversed(lines) if line), "")
        return f": {last[:200]}" if last else ""


def environment(inherited: Mapping[str, str], **ours: str) -> dict[str, str]:
    """The environment of a process: `inherited` without our variables, 127.0.0.1 past any proxy, then `ours`."""
    kept = {name: value for name, value in inherited.items() if not name.upper().startswith(OURS)}
    return kept | {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"} | ours


@asynccontextmanager
async def stand_in(program: Sequence[str], env: Mapping[str, str], *, pace: float, log: Log) -> AsyncGenerator[StandIn]:
    """Runs `program simulate`; entered once it listens. Raises `DemoError` if it ends while the body runs."""
    command = [*program, "simulate", "--pace", str(pace)]
    with log.path.open("wb") as errors:
        process = await _started(command, env, errors.fileno())
        try:
            greeting = await _greeting(process, log)
            async with anyio.create_task_group() as group:
                group.start_soon(_raise_when_ended, process, log)
                yield greeting
                group.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await _end(process)


@asynccontextmanager
async def connected_host(program: Sequence[str], env: Mapping[str, str], *, log: Log) -> AsyncGenerator[Client]:
    """Runs `program serve` as a host does, and yields the client that is connected to it.

    Raises `DemoError` for an MCP error that reaches this context, such as the connection that the server's end closed.
    """
    parameters = StdioServerParameters(command=program[0], args=[*program[1:], "serve"], env=dict(env))
    with log.path.open("w", encoding="utf-8") as errors:
        try:
            async with Client(stdio_client(parameters, errlog=errors)) as client:
                yield client
        except* MCPError as group:
            raise DemoError(f"the server gave up: {_message(group)}{log.last_line()}") from group


async def raise_on_termination() -> None:
    """Waits for SIGTERM and raises `DemoError` for it, so that the demo ends in order, as with Ctrl-C."""
    with anyio.open_signal_receiver(signal.SIGTERM) as signals:
        async for number in signals:
            raise DemoError(f"stopped by {number.name}", 128 + number)


async def _started(command: Sequence[str], env: Mapping[str, str], errors: int) -> Process:
    try:
        # A session of its own: Ctrl-C reaches the demo alone, which then ends its processes in order.
        return await anyio.open_process(
            command, stdin=subprocess.DEVNULL, stderr=errors, env=env, start_new_session=True
        )
    except OSError as error:
        raise DemoError(f"the stand-in cannot be started: {error.strerror}") from error


async def _greeting(process: Process, log: Log) -> StandIn:
    if process.stdout is None:  # pragma: no cover  open_process pipes it by default
        raise DemoError("the stand-in has no stdout")
    try:
        line = await BufferedByteReceiveStream(process.stdout).receive_until(b"\n", LONGEST_GREETING)
        return StandIn.model_validate_json(line)
    except anyio.IncompleteRead as error:
        raise DemoError(
            f"the stand-in ended before it listened (exit {await process.wait()}){log.last_line()}"
        ) from error
    except (anyio.DelimiterNotFound, ValidationError) as error:
        raise DemoError("the stand-in did not say where it listens") from error


async def _raise_when_ended(process: Process, log: Log) -> None:
    raise DemoError(f"the stand-in ended (exit {await process.wait()}){log.last_line()}")


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.terminate()
    with anyio.move_on_after(GRACE_SECONDS):
        await process.wait()
    if process.returncode is None:
        process.kill()
    await process.aclose()


def _message(group: ExceptionGroup[MCPError]) -> str:
    head = group.exceptions[0]
    return _message(head) if isinstance(head, ExceptionGroup) else str(head)
