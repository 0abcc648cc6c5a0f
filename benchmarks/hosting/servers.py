"""The servers that are measured: ours for several callers, alone or several on one PostgreSQL, and the bare one."""

import http
import http.client
import os
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.hosting.tokens import AUDIENCE, Callers
from benchmarks.talking import Era, Socket, used
from tests.kit.postgres import PostgresServer, running_postgres
from tests.kit.processes import HttpServerProcess, environment, http_server_process, serve_command, server_environment
from tests.kit.stand_in import StandIn, open_stand_in

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_STATE_KEYS: Final = "a-key-of-at-least-thirty-two-characters"


@contextmanager
def hosted(
    upstream: StandIn, folder: Path, callers: Callers, *, database: str | None = None, **ours: str
) -> Generator[HttpServerProcess]:
    """A server of ours for callers of a file; `ours` are further variables of its environment."""
    shared = {"RUNWAY_MCP_DATABASE_URL": database, "RUNWAY_MCP_STATE_KEYS": _STATE_KEYS} if database else {}
    env = server_environment(upstream.url, folder, RUNWAY_MCP_CALLERS=str(callers.file), **shared, **ours)
    with http_server_process(serve_command("http"), env) as served:
        _wait_until_ready(served)
        yield served


def _wait_until_ready(served: HttpServerProcess) -> None:
    """Waits until every caller's token can be judged; raises TimeoutError after half a minute."""
    end = time.monotonic() + 30.0
    while time.monotonic() < end:
        connection = http.client.HTTPConnection(served.origin.removeprefix("http://"), timeout=10)
        connection.request("GET", "/readyz")
        status = connection.getresponse().status
        connection.close()
        if status == http.HTTPStatus.OK:
            return
        with suppress(subprocess.TimeoutExpired):
            served.program.process.wait(0.1)
    raise TimeoutError(f"the server is not ready: {''.join(served.program.told)[-2000:]}")


def of_issuer(url: str) -> dict[str, str]:
    """The variables by which a server takes an issuer's tokens."""
    return {"RUNWAY_MCP_ISSUER": url, "RUNWAY_MCP_AUDIENCE": AUDIENCE}


def bytecode_in(folder: Path) -> dict[str, str]:
    """The variables by which a server keeps its bytecode there, so that all but the first start compile nothing.

    What compiling leaves free in a process would hide a part of what its streams take.
    """
    return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(folder)}


@contextmanager
def bare(
    answers: Path, hashes: Path, *, stateless: bool = False, uri: str = "", env: Mapping[str, str] | None = None
) -> Generator[HttpServerProcess]:
    """The bare server, which knows callers by these hashes, and tells of the resource `uri`.

    `env` has further variables of its environment.
    """
    command = [sys.executable, "-m", "benchmarks.hosting.bare", str(answers), str(hashes), "--uri", uri]
    with http_server_process([*command, *(["--stateless"] if stateless else [])], environment(**(env or {}))) as served:
        yield served


@dataclass(frozen=True)
class Cluster:
    """Servers of ours on one database, and the stand-in that they have for upstream."""

    upstream: StandIn
    database: PostgresServer
    servers: tuple[HttpServerProcess, ...]

    def cpu(self) -> float:
        """The processor time of all servers so far, in seconds."""
        return sum(used(pid_of(each)).cpu for each in self.servers)

    def database_cpu(self) -> float:
        """The processor time of all of PostgreSQL's processes so far, in seconds; those that ended included."""
        return tree_cpu(self.database.pid())


@contextmanager
def cluster(
    count: int, folder: Path, callers: Callers, *, pace: float, each: Sequence[Mapping[str, str]] = ()
) -> Generator[Cluster]:
    """So many servers on a PostgreSQL and a stand-in of their own; `each` has further variables of each server."""
    with ExitStack() as stack:
        upstream = stack.enter_context(open_stand_in(pace=pace))
        database = stack.enter_context(running_postgres())
        servers = [
            stack.enter_context(
                hosted(
                    upstream,
                    folder / f"{count}-{number}",
                    callers,
                    database=database.url(),
                    **(each[number] if each else {}),
                )
            )
            for number in range(count)
        ]
        yield Cluster(upstream, database, tuple(servers))


def pid_of(served: HttpServerProcess) -> int:
    """The process of a server."""
    return served.program.process.pid


def host_of(served: HttpServerProcess, era: Era, token: str) -> Socket:
    """A caller's connection to a server; not opened yet."""
    return Socket(served.program.process, int(served.origin.rpartition(":")[2]), era, token=token)


def hosts_of(servers: Sequence[HttpServerProcess], era: Era, tokens: Sequence[str]) -> list[Socket]:
    """An open connection for each token, to the servers in turn."""
    hosts = [host_of(servers[number % len(servers)], era, token) for number, token in enumerate(tokens)]
    for host in hosts:
        host.open()
    return hosts


def tree_cpu(pid: int) -> float:
    """The processor time of a process, of its children, and of those children that it has waited for, in seconds."""
    own = [path.parent for path in Path("/proc").glob("[0-9]*/stat") if _parent(path) == pid]
    alive = sum(_ran(process) for process in [Path(f"/proc/{pid}"), *own])
    return alive + _waited(pid)


def _stat(path: Path) -> list[str]:
    return path.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()


def _parent(path: Path) -> int:
    try:
        return int(_stat(path)[1])
    except (OSError, IndexError):
        return -1


def _ran(process: Path) -> float:
    try:
        return int((process / "schedstat").read_text(encoding="ascii").split()[0]) / 1e9
    except OSError:
        return 0.0


def _waited(pid: int) -> float:
    user, system = _stat(Path(f"/proc/{pid}/stat"))[13:15]
    return (int(user) + int(system)) / _TICKS


def answered(host: Socket, tool: str, **arguments: Any) -> dict[str, Any]:
    """The structured content of a call's result."""
    return host.ask("tools/call", {"name": tool, "arguments": arguments})["structuredContent"]
