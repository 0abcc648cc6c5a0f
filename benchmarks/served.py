"""The real server over HTTP with few descriptors, how it stands, and requests whose answers are timed."""

import os
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from tests.kit.processes import PROGRAM, HttpServerProcess, http_server_process, serve_command, server_environment

DESCRIPTORS: Final = 1024
"""How many descriptors the server may have."""

ACCESS_TOKEN: Final = "distinctive-Access-7c41e9"  # noqa: S105  opens nothing
"""The access token of the server."""

_OLD: Final = {
    "accept": "application/json, text/event-stream",
    "authorization": f"Bearer {ACCESS_TOKEN}",
    "mcp-protocol-version": "2025-11-25",
}


@dataclass(frozen=True)
class Promise:
    """Something that must hold: what, and what was measured."""

    what: str
    measured: str
    holds: bool


@dataclass
class Figures:
    """What was seen of a server: its answers in seconds, what failed, and its memory, descriptors and log over time."""

    waits: list[float] = field(default_factory=list[float])
    failed: list[str] = field(default_factory=list[str])
    memory: list[float] = field(default_factory=list[float])
    descriptors: list[int] = field(default_factory=list[int])
    log: list[int] = field(default_factory=list[int])


@contextmanager
def limited_server(url: str, folder: Path) -> Generator[HttpServerProcess]:
    """A server on all transports of HTTP that may have 1,024 descriptors, with the access token and timed turns."""
    program = [sys.executable, "-m", "benchmarks.turns", str(turns_file(folder)), *serve_command("sse")[len(PROGRAM) :]]
    command = ["sh", "-c", f'ulimit -n {DESCRIPTORS} && exec "$@"', "sh", *program]
    env = server_environment(url, folder, RUNWAY_MCP_ACCESS_TOKEN=ACCESS_TOKEN)
    with http_server_process(command, env) as served:
        yield served


def turns_file(folder: Path) -> Path:
    """Where a server with that folder notes its turns."""
    return folder / "turns.txt"


def status(served: HttpServerProcess, name: str) -> float:
    """A field of the process's status in MiB: `VmRSS` for now, `VmHWM` for its peak."""
    told = Path(f"/proc/{served.program.process.pid}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) / 1024 for line in told.splitlines() if line.startswith(name))


def note(figures: Figures, served: HttpServerProcess) -> None:
    """Notes how the process stands."""
    figures.memory.append(status(served, "VmRSS"))
    figures.descriptors.append(len(os.listdir(f"/proc/{served.program.process.pid}/fd")))  # noqa: PTH208  names alone
    figures.log.append(len("".join(served.program.told)))


def local_client(*, timeout: float) -> httpx.AsyncClient:
    """A client for servers on this machine.

    It loads no certificates, since that takes a tenth of a second in which the client itself would hold its requests.
    """
    return httpx.AsyncClient(trust_env=False, verify=False, timeout=timeout)  # noqa: S501  plain HTTP on this machine


async def ask(client: httpx.AsyncClient, url: str, figures: Figures, method: str, **params: Any) -> str:
    """One request without a session; notes how long its answer took, and whether it is one."""
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    began = time.perf_counter()
    try:
        answer = await client.post(url, json=body, headers=_OLD)
    except httpx.HTTPError as error:
        figures.failed.append(f"{method}: {type(error).__name__}")
        return ""
    figures.waits.append(time.perf_counter() - began)
    if not answer.is_success or '"result"' not in answer.text:
        figures.failed.append(f"{method}: HTTP {answer.status_code} {answer.text[:200]}")
    return answer.text
